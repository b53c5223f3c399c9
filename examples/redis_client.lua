-- A client for Redis: commands, and many of them in one go (a pipeline).
--
--   lua examples/redis_client.lua [ADDRESS]     default 127.0.0.1:6379
--
-- shows what it can do.  As a module, with the folder in package.path:
--
--   local redis = require("redis_client")
--   local client <close> = assert(redis.connect("127.0.0.1:6379"))
--   assert(client:call("SET", "key", "value"))
--   local replies = client:pipeline { { "GET", "key" }, { "INCR", "n" } }
--
-- Replies are strings, integers, lists; false for what is not there.
local rt = require("rthandle")

local redis, Client = {}, {}
Client.__index = Client
Client.__close = function(self) self.stream:close() end
redis.Client = Client

-- A client, or nil, message, code.
function redis.connect(address)
  local stream, message, code = rt.net.TcpStream.connect(address)
  if not stream then return nil, message, code end
  stream:set_nodelay(true)
  return setmetatable({ stream = stream }, Client)
end

-- A command as a list of strings with their lengths.
local function encode(command)
  local parts = { ("*%d\r\n"):format(#command) }
  for i, word in ipairs(command) do
    word = tostring(word)
    parts[i + 1] = ("$%d\r\n%s\r\n"):format(#word, word)
  end
  return table.concat(parts)
end

-- The next reply; { err = text } where Redis refuses.  Or nil, message, code
-- where the connection is of no use any more.
local function decode(stream)
  local line, message, code = stream:read_line()
  if not line then return nil, message, code end
  local kind, rest = line:sub(1, 1), line:sub(2)
  if kind == "+" then return rest end
  if kind == "-" then return { err = rest } end
  local n = math.tointeger(rest)
  if not n then return nil, "EPROTO: not Redis: " .. line, "EPROTO" end
  if kind == ":" then return n end
  if n < 0 then return false end
  if kind == "$" then
    local data
    data, message, code = stream:read_exact(n + 2)
    if not data then return nil, message, code end
    return data:sub(1, n)
  end
  local list = {}
  for i = 1, n do
    list[i], message, code = decode(stream)
    if list[i] == nil then return nil, message, code end
  end
  return list
end

-- Sends all commands at once, then reads their replies: a list.
function Client:pipeline(commands)
  local texts = {}
  for i, command in ipairs(commands) do texts[i] = encode(command) end
  -- Redis answers while it reads, so somebody has to read meanwhile.
  local writing = rt.spawn_local(self.stream.write_all, self.stream,
    table.concat(texts))
  local replies = {}
  for i = 1, #texts do
    local reply, message, code = decode(self.stream)
    if reply == nil then
      writing:abort()
      return nil, message, code
    end
    replies[i] = reply
  end
  writing:await()
  return replies
end

-- The reply to one command; nil, message, "REPLY" where Redis refuses it.
function Client:call(...)
  local replies, message, code = self:pipeline { { ... } }
  if not replies then return nil, message, code end
  local reply = replies[1]
  local err = type(reply) == "table" and reply.err
  if err then return nil, err, "REPLY" end
  return reply
end

if (...) == "redis_client" then return redis end

rt.main(function()
  local client <close> = assert(redis.connect(arg[1] or "127.0.0.1:6379"))
  print(client:call("PING"))
  print(client:call("SET", "rthandle:greeting", "hello\r\nworld"))
  print(#client:call("GET", "rthandle:greeting"), "bytes")
  print(client:call("GET", "rthandle:nothing"))
  print(client:call("INCR", "rthandle:greeting"))

  local commands = { { "DEL", "rthandle:n" } }
  for i = 1, 10000 do commands[i + 1] = { "INCR", "rthandle:n" } end
  local replies = assert(client:pipeline(commands))
  print(#replies, "replies, the last one", replies[#replies])

  -- Each connection is a task of its own, on any worker.
  local tasks = {}
  for i = 1, 4 do
    tasks[i] = rt.spawn(function(address)
      local mine <close> = assert(redis.connect(address))
      return mine:call("INCRBY", "rthandle:n", 100)
    end, arg[1] or "127.0.0.1:6379")
  end
  local most = 0
  for i = 1, 4 do most = math.max(most, (tasks[i]:await())) end
  print("after 4 more connections", most)
  client:call("DEL", "rthandle:greeting", "rthandle:n")
end)
