-- wrk against a server of 27 bytes of JSON, kept alive: 50 connections, one
-- thread of load, one second.  A request of all connections together, in us.
--
--   lua5.4 bench/lua/http.lua http_hello COMPETITOR
--
-- workers1 and workers2 are examples/http_server.lua, which reads requests with
-- care.  The peers are the least that answers wrk: they look for the end of the
-- head and send the same bytes.

local measure = require "measure"
local need = measure.need

local HOST = "127.0.0.1"
local BODY = '{"message":"Hello, World!"}'

local function response()
  return ("HTTP/1.1 200 OK\r\nDate: %s\r\nContent-Type: application/json\r\n"
      .. "Content-Length: %d\r\nConnection: keep-alive\r\n\r\n%s"):format(
    os.date("!%a, %d %b %Y %H:%M:%S GMT"), #BODY, BODY)
end

-- ---- the servers of the peers: print "listening on ADDRESS" -----------------

local servers = {}

local function listening(port)
  print(("listening on %s:%d"):format(HOST, port))
  io.stdout:flush()
end

function servers.luv()
  local uv = need "luv"
  local server = uv.new_tcp()
  assert(server:bind(HOST, 0))
  assert(server:listen(1024, function()
    local socket = uv.new_tcp()
    assert(server:accept(socket))
    socket:nodelay(true)
    socket:read_start(coroutine.wrap(function(_, data)
      local text = ""
      while data do
        text = text .. data
        while true do
          local _, e = text:find("\r\n\r\n", 1, true)
          if not e then break end
          text = text:sub(e + 1)
          socket:write(response())
        end
        _, data = coroutine.yield()
      end
      socket:close()
    end))
  end))
  listening(server:getsockname().port)
  uv.run()
end

function servers.cqueues()
  local cqueues, socket = need "cqueues", need "cqueues.socket"
  local loop = cqueues.new()
  local server = assert(socket.listen { host = HOST, port = 0, nodelay = true,
    backlog = 1024 })
  server:listen()
  local _, _, port = server:localname()
  loop:wrap(function()
    for con in server:clients() do
      loop:wrap(function()
        con:setmode("bn", "bn")
        con:onerror(function(_, _, why) return why end)
        local text = ""
        while true do
          local data = con:read(-4096)
          if not data then break end
          text = text .. data
          while true do
            local _, e = text:find("\r\n\r\n", 1, true)
            if not e then break end
            text = text:sub(e + 1)
            con:write(response())
          end
        end
        con:close()
      end)
    end
  end)
  listening(port)
  assert(loop:loop())
end

-- ---- measuring --------------------------------------------------------------

local function command(competitor)
  local lua = "exec " .. arg[-1] .. " "
  local workers = competitor:match("^workers(%d)$")
  if workers then
    return ("export RTHANDLE_WORKER_THREADS=%s; "
      .. "%sexamples/http_server.lua . %s:0"):format(workers, lua, HOST)
  end
  return lua .. arg[0] .. " server " .. competitor
end

-- A folder of its own for all that nginx writes; it ends with nginx.
local function nginx(workers)
  if not os.execute("command -v nginx >/dev/null") then os.exit(3) end
  local socket = need "socket"
  local free = assert(socket.bind(HOST, 0))
  local _, port = free:getsockname()
  free:close()
  local folder = os.tmpname()
  os.remove(folder)
  assert(os.execute("mkdir " .. folder))
  local conf <close> = assert(io.open(folder .. "/conf", "w"))
  conf:write(([[
daemon off; worker_processes %d; pid %s/pid; error_log stderr crit;
events { worker_connections 1024; }
http {
  access_log off; keepalive_requests 1000000000;
  client_body_temp_path %s/1; proxy_temp_path %s/2; fastcgi_temp_path %s/3;
  uwsgi_temp_path %s/4; scgi_temp_path %s/5;
  server {
    listen %s:%d reuseport;
    location = /hello { default_type application/json; return 200 '%s'; }
  }
}
]]):format(workers, folder, folder, folder, folder, folder, folder, HOST, port,
    BODY))
  return ("echo listening on %s:%d; exec nginx -p %s -c %s/conf")
    :format(HOST, port, folder, folder), folder
end

local function us(competitor)
  local line, folder
  if competitor:find("^nginx") then
    line, folder = nginx(competitor == "nginx1" and 1 or 2)
  else
    line = command(competitor)
  end
  local pipe <close> = assert(io.popen("echo $$; " .. line))
  local pid = pipe:read("n", "l")
  local address = (pipe:read("l") or ""):match("^listening on (%S+)")
  if not address then os.exit(3) end -- it has said why
  local wrk <close> = assert(io.popen(
    "sleep 0.2; wrk -t1 -c50 -d1s http://" .. address .. "/hello"))
  local report = wrk:read("a")
  os.execute("kill " .. pid)
  if folder then os.execute("rm -rf " .. folder) end
  local rate = report:match("Requests/sec:%s*([%d.]+)")
  if not rate or report:find("Non-2xx", 1, true) then error(report) end
  return 1e6 / tonumber(rate)
end

if arg[1] == "server" then
  servers[arg[2]]()
else
  local bench = { unit = "us" }
  for _, name in ipairs { "workers1", "workers2", "nginx1", "nginx2",
    "luv", "cqueues" } do
    bench[name] = function() return us(name) end
  end
  measure.main { http_hello = bench }
end
