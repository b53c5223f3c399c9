-- A TCP server that sends back what it gets: a task for each connection, on
-- all workers.
--
--   lua examples/echo_server.lua [ADDRESS]     default 127.0.0.1:7000
--
-- Try it with `socat - TCP:127.0.0.1:7000`; Ctrl-C ends it.
local rt = require("rthandle")

local function echo(connection)
  local stream <close> = connection
  while true do
    local data = stream:read()
    if not data then return end -- the end, or the peer is gone
    if not stream:write_all(data) then return end
  end
end

rt.main(function()
  local address = arg[1] or "127.0.0.1:7000"
  local listener <close> = assert(rt.net.TcpListener.bind(address))
  print("listening on " .. listener:local_addr())
  io.stdout:flush()
  for stream in listener:incoming() do rt.spawn(echo, stream) end
end)
