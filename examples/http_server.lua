-- An HTTP/1.1 server: the files of a folder, and a greeting as JSON at /hello.
--
--   lua examples/http_server.lua [FOLDER [ADDRESS]]   default . 127.0.0.1:8080
--
-- A task for each connection, on all workers; connections are kept alive.
-- Files are read by blocking functions, a part at a time, so neither a slow
-- disk nor a large file harms anybody.  Ctrl-C: no connection is accepted any
-- more, those that are idle end, and requests under way are answered.
local rt = require("rthandle")

local CONNECTIONS = 10000     -- at a time
local HEAD_LIMIT = 64 * 1024  -- bytes of a request without its body
local PART = 256 * 1024       -- bytes of a file that are read at a time
local IDLE, GRACE = 60, 5     -- seconds: for a request; for the end

local REASONS = {
  [200] = "OK", [400] = "Bad Request", [404] = "Not Found",
  [405] = "Method Not Allowed", [431] = "Request Header Fields Too Large",
}
local TYPES = {
  css = "text/css", html = "text/html; charset=utf-8", jpg = "image/jpeg",
  js = "text/javascript", json = "application/json", png = "image/png",
  svg = "image/svg+xml", txt = "text/plain; charset=utf-8",
}

-- ---- requests ---------------------------------------------------------------

-- The path of a request's target, decoded; nil where it is none, or leads out
-- of the folder.
local function path_of(target)
  local path = target:gsub("^http://[^/]*", ""):gsub("[?#].*", "")
  if path:gsub("%%%x%x", ""):find("%", 1, true) then return nil end
  path = path:gsub("%%(%x%x)", function(hex)
    return string.char(tonumber(hex, 16))
  end)
  local bad = path:find("\0", 1, true) or (path .. "/"):find("/../", 1, true)
  return not bad and path:match("^/.*") or nil
end

-- The next request: { method =, path =, keep = }.  Or nil and the status of
-- its refusal; or nothing, where there is none.
local function read_request(stream)
  local line, _, code = stream:read_line(HEAD_LIMIT)
  if line == "" then line, _, code = stream:read_line(HEAD_LIMIT) end
  if not line then return nil, code == "EMSGSIZE" and 431 or nil end
  local method, target, version = line:match("^(%u+) (%S+) HTTP/1%.([01])$")
  if not method then return nil, 400 end
  local headers, left = {}, HEAD_LIMIT - #line
  repeat
    line, _, code = stream:read_line(left)
    if not line then return nil, code == "EMSGSIZE" and 431 or nil end
    local name, value = line:match("^([^%s:]+):[ \t]*(.-)[ \t]*$")
    if not name and line ~= "" then return nil, 400 end
    if name then headers[name:lower()] = value:lower() end
    left = math.max(left - #line, 0)
  until line == ""
  local path = path_of(target)
  if not path or version == "1" and not headers.host then return nil, 400 end
  local connection = headers.connection or ""
  local keep = connection:find("keep-alive", 1, true)
    or version == "1" and not connection:find("close", 1, true)
  -- A body is never read: the next request would have to be found behind it.
  local length = headers["content-length"] or "0"
  local body = headers["transfer-encoding"] or length ~= "0"
  return { method = method, path = path, keep = keep and not body }
end

-- ---- answers ----------------------------------------------------------------

-- Sends the head, and the body of all but HEAD.
local function send(stream, request, status, kind, size, body, more)
  local head = ("HTTP/1.1 %d %s\r\nDate: %s\r\nContent-Type: %s\r\n"
      .. "Content-Length: %d\r\nConnection: %s\r\n%s\r\n"):format(
    status, REASONS[status], os.date("!%a, %d %b %Y %H:%M:%S GMT"), kind, size,
    request.keep and "keep-alive" or "close", more or "")
  return stream:write_all(head, request.method ~= "HEAD" and body or "")
end

local function refuse(stream, request, status, more)
  local text = status .. " " .. REASONS[status] .. "\n"
  return send(stream, request, status, TYPES.txt, #text, text, more)
end

-- Runs on a blocking thread: a part of a file, and the size of the whole.
local function read_part(path, from)
  local file <close> = io.open(path, "rb")
  local size = file and file:seek("end")
  if not size then return nil end
  file:seek("set", from)
  local part, err = file:read(PART) -- an error: it is a folder
  return not err and (part or "") or nil, size
end

local function send_file(stream, request, path)
  local part, size = rt.spawn_blocking(read_part, path, 0):await()
  if not part then return refuse(stream, request, 404) end
  local kind = TYPES[path:match("%.(%w+)$")] or "application/octet-stream"
  local ok = send(stream, request, 200, kind, size, part)
  local sent = request.method == "HEAD" and size or #part
  while ok and sent < size do
    part = rt.spawn_blocking(read_part, path, sent):await()
    -- A file that became shorter: the client sees that the body is cut off.
    ok = part and part ~= "" and stream:write_all(part)
    sent = ok and sent + #part
  end
  return ok
end

local function answer(stream, request, folder)
  if request.method ~= "GET" and request.method ~= "HEAD" then
    return refuse(stream, request, 405, "Allow: GET, HEAD\r\n")
  elseif request.path == "/hello" then
    local body = '{"message":"Hello, World!"}'
    return send(stream, request, 200, TYPES.json, #body, body)
  end
  local path = request.path:gsub("/$", "/index.html")
  return send_file(stream, request, folder .. path)
end

-- ---- connections ------------------------------------------------------------

-- Serves one connection; its place is free again when the task ends.
local function serve(connection, permit, folder, stop)
  local stream <close> = connection
  local _ <close> = permit
  stream:set_nodelay(true)
  local request
  repeat
    local in_time, running, status
    in_time, running, request, status = rt.timeout(IDLE,
      stop.run_until_cancelled, stop, read_request, stream)
    if not in_time or not running then return end
    if request then
      request.keep = request.keep and not stop:is_cancelled()
      if not answer(stream, request, folder) then return end
    elseif status then
      refuse(stream, { keep = false }, status)
    end
  until not request or not request.keep
  -- The system resets a connection that is closed with something unread, and
  -- the client might lose the answer.
  stream:shutdown()
  rt.timeout(1, stream.read_all, stream, HEAD_LIMIT)
end

local folder, address = arg[1] or ".", arg[2] or "127.0.0.1:8080"
local stop = rt.CancellationToken.new()
local places = rt.sync.Semaphore(CONNECTIONS)

-- Any worker serves what this accepts.  A listener for each worker (reuse_port)
-- was a tenth faster, and a third where no connection is kept; but nothing
-- spreads such listeners over the workers.
local function accept()
  local listener <close> = assert(rt.net.TcpListener.bind(address))
  print("listening on " .. listener:local_addr())
  io.stdout:flush()
  repeat
    local place <close> = places:acquire() -- until the task has it
    local stream = listener:accept()
    if stream then rt.spawn(serve, stream, place, folder, stop) end
  until not stream
end

local runtime <close> = assert(rt.Runtime.new())
local ok, why = pcall(runtime.block_on, runtime, accept)
if not ok and not tostring(why):find("interrupted!", 1, true) then
  error(why, 0)
end
stop:cancel()
local whole = runtime:block_on(rt.timeout, GRACE, places.acquire, places,
  CONNECTIONS)
if not whole then io.stderr:write("some requests were cut off\n") end
