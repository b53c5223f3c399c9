-- An HTTP/1.1 server: the files of a folder, and a greeting as JSON at /hello.
--
--   lua examples/http_server.lua [FOLDER [ADDRESS]]   default . 127.0.0.1:8080
--
-- A task for each connection, on all workers.  Ctrl-C: nothing is accepted any
-- more, clients between two requests are let go, the others are answered.
local rt = require("rthandle")

local CONNECTIONS = 10000      -- at a time
local HEAD_LIMIT = 64 * 1024   -- bytes of a request without its body
local PART = 256 * 1024        -- bytes of a file that are read at a time
local PATIENCE, GRACE = 60, 5  -- seconds: with a client; for the end
local TYPES = {
  css = "text/css", html = "text/html; charset=utf-8", jpg = "image/jpeg",
  js = "text/javascript", json = "application/json", png = "image/png",
  svg = "image/svg+xml", txt = "text/plain; charset=utf-8",
}
local TEXT, JSON = "Content-Type: text/plain", "Content-Type: application/json"
local BAD = { refusal = "400 Bad Request" }
local TOO_LARGE = { refusal = "431 Request Header Fields Too Large" }

local function byte_of(hex) return string.char(tonumber(hex, 16)) end

-- The path in a target, decoded; nil where it leads out of the folder.
local function path_of(target)
  local path = target:match("^/[^?#]*") or
    target:match("^http://[^/?#]+(/[^?#]*)") -- as a proxy's clients send it
  if not path or path:gsub("%%%x%x", ""):find("%", 1, true) then return nil end
  path = path:gsub("%%(%x%x)", byte_of)
  return not path:find("/%.%.%f[/\0]") and not path:find("\0") and path or nil
end

-- The next request: { method =, path =, keep = } or { refusal = }; or nil.
local function read_request(stream)
  local method, target, version
  local headers, left = {}, HEAD_LIMIT
  repeat
    local line, _, code = stream:read_line(left)
    if not line then return code == "EMSGSIZE" and TOO_LARGE or nil end
    if not method and line ~= "" then
      method, target, version = line:match("^(%u+) (%S+) HTTP/1%.([01])$")
      if not method then return BAD end
    elseif line ~= "" then
      local name, value = line:match("^([^%s:]+):%s*(.*)")
      if not name then return BAD end
      headers[name:lower()] = value:lower()
    end
    left = math.max(left - #line, 0)
  until method and line == ""
  local path = path_of(target)
  if not path or version == "1" and not headers.host then return BAD end
  local wish = headers.connection or ""
  local keep = wish:find("keep%-alive")
    or version == "1" and not wish:find("close")
  -- A body is never read: the next request would have to be found behind it.
  local body = headers["content-length"] or headers["transfer-encoding"]
  return { method = method, path = path, keep = keep and not body }
end

-- Sends a head with one more field, and a body (none for HEAD); the body may
-- be the first part of `size` bytes.  Answers whether the client is there.
local function send(client, status, field, body, size)
  local request, now = client.request, os.time()
  size = size or #body
  if client.time ~= now then
    client.time, client.date = now, os.date("!%a, %d %b %Y %H:%M:%S GMT", now)
  end
  local head = "HTTP/1.1 " .. status .. "\r\nDate: " .. client.date
    .. "\r\nConnection: " .. (request.keep and "keep-alive" or "close")
    .. "\r\nContent-Length: " .. size .. "\r\n" .. field .. "\r\n\r\n"
  return client.stream:write_all(head, request.method ~= "HEAD" and body or "")
end

-- Runs on a blocking thread: a part of a file, and the size of the whole.
local function read_part(path, from, size)
  local file <close> = io.open(path, "rb")
  size = size or file and file:seek("end")
  if not file or not size then return nil end
  file:seek("set", from)
  return size == 0 and "" or file:read(math.min(PART, size - from)), size
end

local function send_file(client, path)
  local part, size = rt.spawn_blocking(read_part, path, 0):await()
  if not part then return send(client, "404 Not Found", TEXT, "not found\n") end
  local kind = TYPES[path:match("%.(%w+)$")] or "application/octet-stream"
  local ok = send(client, "200 OK", "Content-Type: " .. kind, part, size)
  local sent = client.request.method == "HEAD" and size or #part
  while ok and sent < size do
    client.deadline:reset(PATIENCE)
    part = rt.spawn_blocking(read_part, path, sent, size):await()
    ok = part and client.stream:write_all(part) -- nil: it became shorter
    sent = ok and sent + #part
  end
  return ok
end

local function answer(client, request, folder)
  local method, path = request.method, request.path
  if request.refusal then
    return send(client, request.refusal, TEXT, request.refusal .. "\n")
  elseif method ~= "GET" and method ~= "HEAD" then
    return send(client, "405 Method Not Allowed", "Allow: GET, HEAD", "")
  elseif path == "/hello" then
    return send(client, "200 OK", JSON, '{"message":"Hello, World!"}')
  end
  return send_file(client, folder .. path:gsub("/$", "/index.html"))
end

-- A client, from its first request to its last answer.
local function serve(connection, permit, folder, stop)
  local stream <close> = connection
  local _ <close> = permit
  stream:set_nodelay(true)
  local deadline = rt.time.Sleep(PATIENCE) -- moved on by what goes on
  local client = { stream = stream, deadline = deadline }
  local function converse()
    repeat
      client.request = nil
      local request = read_request(stream)
      if not request then return end
      request.keep = request.keep and not stop:is_cancelled()
      client.request = request
      deadline:reset(PATIENCE)
    until not answer(client, request, folder) or not request.keep
  end
  local function let_go()
    stop:cancelled()
    if client.request then rt.sleep(math.huge) end -- its answer is the last
  end
  rt.select { converse, deadline, let_go }
  -- The system resets a connection that is closed with something unread.
  stream:shutdown()
  rt.timeout(1, stream.read_all, stream, HEAD_LIMIT)
end

local folder, address = arg[1] or ".", arg[2] or "127.0.0.1:8080"
local stop = rt.CancellationToken.new()
local places = rt.sync.Semaphore(CONNECTIONS)
local runtime <close> = assert(rt.Runtime.new())
local listener = assert(runtime:block_on(rt.net.TcpListener.bind, address))
print("listening on " .. listener:local_addr())
io.stdout:flush()
local _, why = pcall(runtime.block_on, runtime, function()
  while true do
    local place <close> = places:acquire() -- until the task has it
    rt.spawn(serve, assert(listener:accept()), place, folder, stop)
  end
end)
listener:close()
stop:cancel()
runtime:block_on(rt.timeout, GRACE, places.acquire, places, CONNECTIONS)
if not tostring(why):find("interrupted!") then error(why, 0) end
