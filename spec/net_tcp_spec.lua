-- TCP: binding, accepting, connecting. (Tokio: tcp_accept, tcp_connect,
-- tcp_echo, tcp_socket, tcp_stream.rs)
local rt = require("rthandle")
local flavors = require("spec.support.flavors")
local sockets = require("spec.support.sockets")
local script = require("spec.support.script")
local net = rt.net
local ANY = sockets.ANY

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
        for stream, peer in listener:incoming() do
          assert.are.equal(stream:peer_addr(), peer)
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

  it("a thousand messages go to and fro", function()
    runtime:block_on(function()
      local client, server = sockets.tcp()
      local echo = rt.spawn(function(s)
        for line in s:lines() do assert(s:write_all(line, "\n")) end
        s:close()
      end, server)
      for i = 1, 1024 do
        assert(client:write_all("foo ", i, "\n"))
        assert.are.equal("foo " .. i, client:read_line())
      end
      client:close()
      echo:await()
    end)
  end)

  it("nobody there is ECONNREFUSED", function()
    runtime:block_on(function()
      assert.are.same(
        { nil, "ECONNREFUSED: connection refused", "ECONNREFUSED" },
        { net.TcpStream.connect(sockets.nobody()) })
    end)
  end)
end)

describe("an address", function()
  local runtime

  before_each(function() runtime = rt.Runtime.new { worker_threads = 1 } end)
  after_each(function() runtime:close() end)

  -- Binds and connects; answers where the listener is.
  local function works(...)
    local arguments = table.pack(...)
    return runtime:block_on(function()
      local listener <close> = assert(net.TcpListener.bind(
        table.unpack(arguments, 1, arguments.n)))
      local address = listener:local_addr()
      local stream <close> = assert(net.TcpStream.connect(address))
      assert.are.equal(address, stream:peer_addr())
      return (address:gsub(":%d+$", ""))
    end)
  end

  it("is an IPv4 address and a port", function()
    assert.are.equal("127.0.0.1", works("127.0.0.1:0"))
  end)

  it("is an IPv6 address in brackets and a port", function()
    assert.are.equal("[::1]", works("[::1]:0"))
  end)

  it("is a name and a port", function()
    assert.matches("^[%[%d]", works("localhost:0"))
  end)

  it("is a host, and the port as a number after it", function()
    assert.are.equal("127.0.0.1", works("127.0.0.1", 0))
    assert.are.equal("127.0.0.1", works("127.0.0.1", 0, { backlog = 5 }))
    assert.are.equal("[::1]", works("::1", 0))
    assert.matches("^[%[%d]", works("localhost", 0))
  end)

  it("without a port is EINVAL, with the text", function()
    runtime:block_on(function()
      for _, text in ipairs { "127.0.0.1", "localhost", "", "::1:80",
        "127.0.0.1:x", "127.0.0.1:65536" } do
        local message = "EINVAL: '" .. text ..
          "' is not an address (host:port)"
        assert.are.same({ nil, message, "EINVAL" },
          { net.TcpStream.connect(text) })
        assert.are.same({ nil, message, "EINVAL" },
          { net.TcpListener.bind(text) })
      end
    end)
  end)

  it("that is taken is EADDRINUSE", function()
    runtime:block_on(function()
      local first <close> = assert(net.TcpListener.bind(ANY))
      assert.are.same(
        { nil, "EADDRINUSE: address already in use", "EADDRINUSE" },
        { net.TcpListener.bind(first:local_addr()) })
    end)
  end)

  it("is free again at once after its connections are closed", function()
    runtime:block_on(function()
      local listener = assert(net.TcpListener.bind(ANY))
      local address = listener:local_addr()
      local client = assert(net.TcpStream.connect(address))
      local server = assert(listener:accept())
      server:close() -- it is this end that the system remembers
      assert.are.same("EOF", (select(3, client:read())))
      client:close()
      listener:close()
      listener = assert(net.TcpListener.bind(address))
      listener:close()
    end)
  end)

  it("whose name has several addresses is tried at each of them", function()
    runtime:block_on(function()
      local port = sockets.nobody():match("%d+$")
      local _, message, code = net.TcpStream.connect("localhost:" .. port)
      assert.are.equal("ECONNREFUSED", code)
      for _, address in ipairs(assert(net.lookup_host("localhost:" .. port))) do
        assert.is_truthy(message:find(address, 1, true), message)
      end
    end)
  end)
end)

describe("misuse is an error at the caller's line:", function()
  local runtime, guard

  before_each(function()
    runtime = rt.Runtime.new { worker_threads = 1 }
    guard = runtime:enter()
  end)
  after_each(function()
    guard:close()
    runtime:close()
  end)

  local function fails(message, f)
    local ok, err = pcall(f)
    assert.is_false(ok)
    assert.matches(message, err, 1, true)
    assert.matches("net_tcp_spec.lua:", err, 1, true)
  end

  it("an unknown option, with the nearest name", function()
    fails("unknown listener option 'reuse_prot' (did you mean 'reuse_port'?)",
      function() net.TcpListener.bind(ANY, { reuse_prot = true }) end)
    fails("unknown connect option 'delay' (did you mean 'nodelay'?)",
      function() net.TcpStream.connect(ANY, { delay = true }) end)
    fails("unknown listener option 'number'",
      function() net.TcpListener.bind(ANY, { true }) end)
  end)

  it("an option of another type", function()
    fails("reuse_port must be a boolean, got number",
      function() net.TcpListener.bind(ANY, { reuse_port = 1 }) end)
    fails("backlog must be an integer from 1",
      function() net.TcpListener.bind(ANY, { backlog = 0 }) end)
    fails("backlog must be an integer from 1",
      function() net.TcpListener.bind(ANY, { backlog = "9" }) end)
  end)

  it("an address that is no string, a port that is none", function()
    fails("bad argument #1 to 'bind' (string expected, got nil)",
      function() net.TcpListener.bind(nil) end)
    fails("bad argument #2 to 'connect' (a port is from 0 to 65535)",
      function() net.TcpStream.connect("127.0.0.1", 65536) end)
    fails("bad argument #1 to 'connect' (an address contains no zeros)",
      function() net.TcpStream.connect("127.0.0.1:80\0") end)
  end)

  it("another socket's method", function()
    fails("TcpListener expected, got rthandle.TcpStream", function()
      local listener = assert(net.TcpListener.bind(ANY))
      local stream = assert(net.TcpStream.connect(listener:local_addr()))
      listener.accept(stream)
    end)
  end)

  it("no runtime", function()
    guard:close()
    fails("there is no reactor running",
      function() net.TcpListener.bind(ANY) end)
    fails("there is no reactor running",
      function() net.TcpStream.connect("localhost:80") end)
    guard = runtime:enter()
  end)

  it("two tasks that accept from one listener", function()
    runtime:block_on(function()
      local listener = assert(net.TcpListener.bind(ANY))
      local first = rt.spawn_local(function() return listener:accept() end)
      rt.yield_now()
      fails("another task is accepting from this TcpListener: let one task",
        function() listener:accept() end)
      listener:close()
      first:await()
    end)
  end)
end)

describe("a listener", function()
  local runtime

  before_each(function() runtime = rt.Runtime.new { worker_threads = 2 } end)
  after_each(function() runtime:close() end)

  it("accepts on two workers from one address with reuse_port", function()
    runtime:block_on(function()
      local one = assert(net.TcpListener.bind(ANY, { reuse_port = true }))
      local address = one:local_addr()
      local two = assert(net.TcpListener.bind(address, { reuse_port = true }))
      local tx, rx = rt.sync.mpsc(100)
      local function accept(listener, name, to)
        for stream in listener:incoming() do
          to:send(name)
          stream:close()
        end
      end
      local first = rt.spawn(accept, one, "one", tx)
      local second = rt.spawn(accept, two, "two", tx)
      local seen, n = {}, 0
      repeat -- the system chooses one by the client's port
        local stream <close> = assert(net.TcpStream.connect(address))
        seen[rx:recv()] = true
        n = n + 1
        assert(stream:read_all() == "" and n < 1000)
      until seen.one and seen.two
      first:abort()
      second:abort()
    end)
  end)

  it("takes what waited while nobody accepted, all of it", function()
    runtime:block_on(function()
      local listener <close> = assert(net.TcpListener.bind(ANY))
      local clients = {}
      for i = 1, 50 do
        clients[i] = assert(net.TcpStream.connect(listener:local_addr()))
        assert(clients[i]:write_all(i, "\n"))
      end
      local sum = 0
      for _ = 1, 50 do
        local stream <close> = assert(listener:accept())
        sum = sum + tonumber(stream:read_line())
      end
      assert.are.equal(50 * 51 / 2, sum)
    end)
  end)

  it("ends the loop over incoming when it is closed", function()
    runtime:block_on(function()
      local listener = assert(net.TcpListener.bind(ANY))
      local loop = rt.spawn_local(function()
        for _ in listener:incoming() do error("nobody comes") end
        return "ended"
      end)
      rt.yield_now()
      listener:close()
      assert.are.equal("ended", loop:await())
    end)
  end)

  it("is closed at the end of its block", function()
    runtime:block_on(function()
      local address
      do
        local listener <close> = assert(net.TcpListener.bind(ANY))
        address = listener:local_addr()
      end
      assert.are.equal("ECONNREFUSED",
        (select(3, net.TcpStream.connect(address))))
    end)
  end)

  it("is closed when it is collected", function()
    runtime:block_on(function()
      local address = assert(net.TcpListener.bind(ANY)):local_addr()
      collectgarbage()
      collectgarbage()
      assert.are.equal("ECONNREFUSED",
        (select(3, net.TcpStream.connect(address))))
    end)
  end)

  -- The client side fills the descriptors; those that the server then closes
  -- let it go on, with no connection lost.
  it("pauses where there are no descriptors left, and recovers", function()
    local folder = script.folder { ["s.lua"] = [[
      local rt = require "rthandle"
      local net = rt.net
      rt.main(function()
        local listener = assert(net.TcpListener.bind("127.0.0.1:0"))
        local client = assert(net.TcpStream.connect(listener:local_addr()))
        assert(client:write_all("hello\n"))
        local files, full = {}, nil
        repeat
          files[#files + 1], full = io.open("/dev/null")
        until full
        assert(full:find("Too many open files"), full)
        -- The listener waits, and says nothing.
        local waited = rt.timeout(0.05, listener.accept, listener)
        assert(waited == false)
        for _, file in ipairs(files) do file:close() end
        print(assert(listener:accept()):read_line())
      end, { flavor = "current_thread" })
    ]] }
    finally(function() script.remove(folder) end)
    assert.are.same({ "hello\n", 0 },
      { script.run_with("ulimit -n 60;", folder .. "/s.lua") })
  end)
end)

describe("nodelay", function()
  it("is off at first, and what it was set to", function()
    rt.main(function()
      local client, server = sockets.tcp()
      assert.is_false(client:nodelay())
      assert.is_true(client:set_nodelay(true))
      assert.is_true(client:nodelay())
      assert.is_true(client:set_nodelay(false))
      assert.is_false(client:nodelay())
      assert.is_false(server:nodelay())
    end)
  end)

  it("is an option of connect", function()
    rt.main(function()
      local listener = assert(net.TcpListener.bind(ANY))
      local stream = assert(net.TcpStream.connect(listener:local_addr(),
        { nodelay = true }))
      assert.is_true(stream:nodelay())
    end)
  end)

  it("takes a boolean", function()
    rt.main(function()
      local client = sockets.tcp()
      assert.has_error(function() client:set_nodelay(1) end,
        "bad argument #1 to 'set_nodelay' (boolean expected, got number)")
    end)
  end)
end)
