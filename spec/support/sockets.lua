-- Connected sockets for the specs of rt.net. All suspend.
local net = require("rthandle").net

local sockets = { ANY = "127.0.0.1:0" }

-- A connection and its other end.
function sockets.tcp()
  local listener <close> = assert(net.TcpListener.bind(sockets.ANY))
  local client = assert(net.TcpStream.connect(listener:local_addr()))
  return client, (assert(listener:accept()))
end

function sockets.unix() return assert(net.UnixStream.pair()) end

-- An address at which nobody listens: no program is given that port unasked.
function sockets.nobody() return "127.0.0.1:1" end

return sockets
