-- TCP: binding, accepting, connecting. (Tokio: tcp_accept, tcp_connect,
-- tcp_stream, tcp_echo, tcp_shutdown, tcp_socket.rs)
local rt = require("rthandle")
local flavors = require("spec.support.flavors")
local net = rt.net

local ANY = "127.0.0.1:0"

-- A connection and its other end.
local function connected()
  local listener <close> = assert(net.TcpListener.bind(ANY))
  local client = assert(net.TcpStream.connect(listener:local_addr()))
  return client, (assert(listener:accept()))
end

flavors(describe, function(new)
  local runtime

  before_each(function() runtime = new() end)
  after_each(function() runtime:close() end)

  it("a listener accepts what connects, and both know the addresses",
    function()
      runtime:block_on(function()
        local listener <close> = assert(net.TcpListener.bind(ANY))
        local client = assert(net.TcpStream.connect(listener:local_addr()))
        local server, peer = assert(listener:accept())
        assert.are.equal(client:local_addr(), peer)
        assert.are.equal(peer, server:peer_addr())
        assert.are.equal(listener:local_addr(), client:peer_addr())
        assert.are.equal(listener:local_addr(), server:local_addr())
      end)
    end)

  it("a server in direct style answers many clients", function()
    runtime:block_on(function()
      local listener <close> = assert(net.TcpListener.bind(ANY))
      local serving = rt.spawn_local(function()
        for stream in listener:incoming() do
          rt.spawn(function(s)
            for line in s:lines() do s:write_all("you said ", line, "\n") end
            s:close()
          end, stream)
        end
      end)
      local address = listener:local_addr()
      local clients <close> = rt.JoinSet.new()
      for i = 1, 20 do
        clients:spawn(function(to, n)
          local stream <close> = assert(require("rthandle").net.TcpStream
            .connect(to))
          for k = 1, 10 do
            assert(stream:write_all(n, " ", k, "\n"))
            assert(stream:read_line() == ("you said %d %d"):format(n, k))
          end
        end, address, i)
      end
      clients:join_all()
      listener:close()
      serving:await()
    end)
  end)

  it("ten megabytes go through and come back", function()
    runtime:block_on(function()
      local client, server = connected()
      local echo = rt.spawn(function(s)
        while true do
          local data = s:read()
          if not data then break end
          assert(s:write_all(data))
        end
        s:close()
      end, server)
      local text = ("0123456789abcdef"):rep(640 * 1024)
      local sending = rt.spawn_local(function()
        assert(client:write_all(text))
        assert(client:shutdown())
      end)
      local back = assert(client:read_all())
      assert.is_true(back == text)
      sending:await()
      echo:await()
    end)
  end)

  it("nobody there is ECONNREFUSED", function()
    runtime:block_on(function()
      local listener = assert(net.TcpListener.bind(ANY))
      local address = listener:local_addr()
      listener:close()
      assert.are.same(
        { nil, "ECONNREFUSED: connection refused", "ECONNREFUSED" },
        { net.TcpStream.connect(address) })
    end)
  end)
end)
