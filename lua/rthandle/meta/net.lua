---@meta _
-- luacheck: ignore 211 212 241 631 (it declares, and never runs)
-- Annotations for the Lua language server: rt.net, sockets and names.

---What may be done with every stream that is read.
---@class rthandle.Reads
local Reads = {}

---What is there, at most n bytes; waits for the first. nil, message, code:
---at the end of the stream the code is "EOF".
---@async
---@param n? integer
---@return string? data
---@return string? message
---@return string? code
function Reads:read(n) end

---n bytes. Where the stream ends before, they stay unread. Bound an n that the
---peer sent.
---@async
---@param n integer
---@return string? data
---@return string? message
---@return string? code
function Reads:read_exact(n) end

---A line without its end; the last one may have none. One of more than max
---bytes is an error (code "EMSGSIZE") and stays unread.
---@async
---@param max? integer
---@return string? line
---@return string? message
---@return string? code
function Reads:read_line(max) end

---Up to and with the delimiter; the rest at the end of the stream.
---@async
---@param delimiter string
---@param max? integer
---@return string? data
---@return string? message
---@return string? code
function Reads:read_until(delimiter, max) end

---Everything until the end, which may be "".
---@async
---@param limit? integer
---@return string? data
---@return string? message
---@return string? code
function Reads:read_all(limit) end

---for line in stream:lines() do. Ends where read_line would give nil.
---@param max? integer
---@return fun(stream: rthandle.Reads): string?
---@return rthandle.Reads
function Reads:lines(max) end

---What may be done with every stream that is written.
---@class rthandle.Writes
local Writes = {}

---Writes all of them; waits while the peer does not keep up.
---@async
---@param ... string|number
---@return true?
---@return string? message
---@return string? code
function Writes:write_all(...) end

---Sends what was written, then the end of the stream.
---@return true?
---@return string? message
---@return string? code
function Writes:shutdown() end

---What every socket has.
---@class rthandle.Socket
local Socket = {}

---Closes it. Tasks that wait on it get nil, message, "ECANCELED".
---@return true
function Socket:close() end

---The address of this end.
---@return string? address
---@return string? message
---@return string? code
function Socket:local_addr() end

---The address of the other end.
---@return string? address
---@return string? message
---@return string? code
function Socket:peer_addr() end

---A connection. It is moved.
---@class rthandle.Stream: rthandle.Socket, rthandle.Reads, rthandle.Writes
local Stream = {}

---Two halves, for two tasks. The stream itself is empty from then on.
---@return rthandle.StreamReader
---@return rthandle.StreamWriter
function Stream:split() end

---@class rthandle.TcpStream: rthandle.Stream
local TcpStream = {}

---Whether small writes are sent at once, rather than collected (TCP_NODELAY).
---@param on boolean
---@return true?
---@return string? message
---@return string? code
function TcpStream:set_nodelay(on) end

---Whether small writes are sent at once.
---@return boolean?
---@return string? message
---@return string? code
function TcpStream:nodelay() end

---@class rthandle.UnixStream: rthandle.Stream

---The half of a stream that reads. It is moved.
---@class rthandle.StreamReader: rthandle.Socket, rthandle.Reads

---The half of a stream that writes; closing it ends what the peer reads. It is
---moved.
---@class rthandle.StreamWriter: rthandle.Socket, rthandle.Writes

---A listening socket. It is moved.
---@class rthandle.Listener
local Listener = {}

---Waits for a connection.
---@async
---@return rthandle.Stream? stream
---@return string? peer its address, or the message
---@return string? code
function Listener:accept() end

---for stream, peer in listener:incoming() do. Ends where accept gives nil.
---@return fun(listener: rthandle.Listener): rthandle.Stream?, string?
---@return rthandle.Listener
function Listener:incoming() end

---Accepts no more; who waits in accept gets nil, message, "ECANCELED".
---@return true
function Listener:close() end

---The address it listens on, with the port that the system chose.
---@return string? address
---@return string? message
---@return string? code
function Listener:local_addr() end

---@class rthandle.TcpListenerClass
local TcpListenerClass = {}

---@class rthandle.ListenerOptions
---@field reuse_port? boolean Several listeners may share the address; the system spreads the connections.
---@field backlog? integer Connections that may wait to be accepted (1024).

---Listens. May wait for the lookup of a name. nil, message, code where it cannot.
---@param address string "127.0.0.1:8080", "[::1]:0", "localhost:80"; or a host, and the port after it
---@param options? rthandle.ListenerOptions
---@return rthandle.Listener?
---@return string? message
---@return string? code
function TcpListenerClass.bind(address, options) end

---@class rthandle.TcpStreamClass
local TcpStreamClass = {}

---@class rthandle.ConnectOptions
---@field nodelay? boolean As set_nodelay.

---Tries each address of the name; the message names them.
---@async
---@param address string "host:port"; or a host, and the port after it
---@param options? rthandle.ConnectOptions
---@return rthandle.TcpStream?
---@return string? message
---@return string? code
function TcpStreamClass.connect(address, options) end

---@class rthandle.UnixListenerClass
local UnixListenerClass = {}

---Listens on a path. nil, message, code where it cannot.
---@param path string
---@return rthandle.Listener?
---@return string? message
---@return string? code
function UnixListenerClass.bind(path) end

---@class rthandle.UnixStreamClass
local UnixStreamClass = {}

---Connects to the listener of a path. nil, message, code where it cannot.
---@async
---@param path string
---@return rthandle.UnixStream?
---@return string? message
---@return string? code
function UnixStreamClass.connect(path) end

---Two streams, connected to each other.
---@return rthandle.UnixStream?
---@return rthandle.UnixStream|string
---@return string? code
function UnixStreamClass.pair() end

---A socket for datagrams. It is moved.
---@class rthandle.UdpSocket: rthandle.Socket
local UdpSocket = {}

---Sends one datagram to an address.
---@async
---@param data string
---@param address string "host:port"; or a host, and the port after it
---@return integer? bytes
---@return string? message
---@return string? code
function UdpSocket:send_to(data, address) end

---Waits for a datagram; what is longer than max is cut off.
---@async
---@param max? integer 65536
---@return string? data
---@return string? address who sent it, or the message
---@return string? code
function UdpSocket:recv_from(max) end

---From now on datagrams go to this address with send, and come from it only.
---@async
---@param address string "host:port"; or a host, and the port after it
---@return true?
---@return string? message
---@return string? code
function UdpSocket:connect(address) end

---Sends one datagram to the address of connect.
---@async
---@param data string
---@return integer? bytes
---@return string? message
---@return string? code
function UdpSocket:send(data) end

---As recv_from, without the address.
---@async
---@param max? integer 65536
---@return string? data
---@return string? message
---@return string? code
function UdpSocket:recv(max) end

---Whether it may send to broadcast addresses.
---@param on boolean
---@return true?
---@return string? message
---@return string? code
function UdpSocket:set_broadcast(on) end

---@class rthandle.UdpSocketClass
local UdpSocketClass = {}

---@class rthandle.UdpOptions
---@field reuse_port? boolean Several sockets may share the address.

---A socket for datagrams. May wait for the lookup of a name. nil, message, code where it cannot.
---@param address string "host:port"; or a host, and the port after it
---@param options? rthandle.UdpOptions
---@return rthandle.UdpSocket?
---@return string? message
---@return string? code
function UdpSocketClass.bind(address, options) end

---rt.net: sockets and names.
---@class rthandle.net
---@field TcpListener rthandle.TcpListenerClass
---@field TcpStream rthandle.TcpStreamClass
---@field UdpSocket rthandle.UdpSocketClass
---@field UnixListener rthandle.UnixListenerClass
---@field UnixStream rthandle.UnixStreamClass
local net = {}

---The addresses of "host:port".
---@async
---@param address string
---@return string[]?
---@return string? message
---@return string? code
function net.lookup_host(address) end
