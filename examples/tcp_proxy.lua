-- A TCP proxy: passes each connection on to another address, both ways.
--
--   lua examples/tcp_proxy.lua ADDRESS TARGET
--
-- for example 127.0.0.1:8081 example.org:80.
local rt = require("rthandle")

local function proxy(connection, target)
  local client <close> = connection
  local server <close> = assert(rt.net.TcpStream.connect(target))
  rt.io.copy_bidirectional(client, server)
end

rt.main(function()
  local listener <close> = assert(rt.net.TcpListener.bind(arg[1]))
  print("listening on " .. listener:local_addr())
  io.stdout:flush()
  for client in listener:incoming() do rt.spawn(proxy, client, arg[2]) end
end)
