-- Sockets and the life of a runtime: where they may be used, what a busy
-- runtime does for them, and what its end does to them. (Tokio: the socket
-- tests of rt_common, rt_threaded, rt_handle_block_on; io_driver,
-- io_driver_drop, no_rt.rs)
local rt = require("rthandle")
local flavors = require("spec.support.flavors")
local sockets = require("spec.support.sockets")
local script = require("spec.support.script")
local net = rt.net
local ANY = sockets.ANY

local SHUTDOWN = { nil,
  "a runtime was found, but it is being shut down", "ESHUTDOWN" }

flavors(describe, function(new)
  local runtime

  before_each(function() runtime = new() end)
  after_each(function() runtime:close() end)

  it("a client and a server talk inside block_on", function()
    assert.are.equal("pong", runtime:block_on(function()
      local listener <close> = assert(net.TcpListener.bind(ANY))
      local address = listener:local_addr()
      local serving = rt.spawn_local(function()
        local stream <close> = assert(listener:accept())
        assert(stream:read_line() == "ping")
        stream:write_all("pong\n")
      end)
      local answer = rt.spawn(function(to)
        local stream = assert(require("rthandle").net.TcpStream.connect(to))
        stream:write_all("ping\n")
        return stream:read_line()
      end, address):await()
      serving:await()
      return answer
    end))
  end)

  it("sockets are bound in a block_on of the handle", function()
    local name = os.tmpname()
    os.remove(name)
    local h = runtime:handle()
    assert.matches("^127", h:block_on(function()
      return assert(net.TcpListener.bind(ANY)):local_addr()
    end))
    assert.matches("^127", h:block_on(function()
      return assert(net.UdpSocket.bind(ANY)):local_addr()
    end))
    assert.are.equal(name, h:block_on(function()
      return assert(net.UnixListener.bind(name)):local_addr()
    end))
    os.remove(name)
  end)

  it("a block_on of the handle waits on sockets by itself", function()
    assert.are.equal("hello", runtime:handle():block_on(function()
      local a, b = sockets.tcp()
      rt.spawn_local(function()
        rt.yield_now()
        a:write_all("hello\n")
      end)
      return b:read_line()
    end))
  end)

  it("a blocking function connects and waits on its thread", function()
    runtime:block_on(function()
      local listener <close> = assert(net.TcpListener.bind(ANY))
      local client = rt.spawn_blocking(function(to)
        local stream = assert(require("rthandle").net.TcpStream.connect(to))
        stream:write_all("from a thread\n")
        return stream:read_all()
      end, listener:local_addr())
      local stream = assert(listener:accept())
      assert.are.equal("from a thread", stream:read_line())
      stream:write_all("to a thread")
      stream:close()
      assert.are.equal("to a thread", client:await())
    end)
  end)

  it("sockets are served although a hundred tasks are always busy",
    function()
      runtime:block_on(function()
        local busy <close> = rt.JoinSet.new()
        for _ = 1, 100 do
          busy:spawn(function()
            local yield = require("rthandle").yield_now
            while true do yield() end
          end)
        end
        local a, b = sockets.tcp()
        local echo = rt.spawn(function(s)
          for line in s:lines() do s:write_all(line, "\n") end
          s:close()
        end, b)
        for i = 1, 5 do
          a:write_all(i, "\n")
          assert.are.equal(tostring(i), a:read_line())
        end
        a:close()
        echo:await()
      end)
    end)

  it("a task that yields lets the events of sockets come in", function()
    runtime:block_on(function()
      local a, b = sockets.tcp()
      local reading = rt.spawn_local(function() return b:read() end)
      rt.yield_now()
      a:write_all("x")
      while not reading:is_finished() do rt.yield_now() end
      assert.are.equal("x", reading:await())
    end)
  end)

  it("a stream that always has data lets the others run", function()
    runtime:block_on(function()
      local a, b = sockets.tcp()
      local other = false
      local feeding = rt.spawn_local(function()
        for _ = 1, 100 do a:write_all(("x\n"):rep(1000)) end
        a:close()
      end)
      rt.spawn_local(function() other = true end)
      local lines = 0
      for _ in b:lines() do
        lines = lines + 1
        if other then break end
      end
      assert.is_true(lines < 100 * 1000)
      feeding:abort()
    end)
  end)

  it("closing the runtime ends tasks that wait on sockets", function()
    local listener, a
    runtime:block_on(function()
      listener = assert(net.TcpListener.bind(ANY))
      local b
      a, b = sockets.tcp()
      rt.spawn(function(l) l:accept() error("not reached") end, listener)
      rt.spawn(function(s) s:read() error("not reached") end, b)
      local u = assert(net.UdpSocket.bind(ANY))
      rt.spawn_local(function() u:recv() error("not reached") end)
      rt.yield_now()
    end)
    runtime:close()
    local other <close> = rt.Runtime.new { flavor = "current_thread" }
    assert.are.equal("EOF", other:block_on(function()
      return (select(3, a:read()))
    end))
  end)

  it("closing the runtime while datagrams fly is safe", function()
    for _ = 1, 9 do
      local r = new()
      r:block_on(function()
        local a = assert(net.UdpSocket.bind(ANY))
        local b = assert(net.UdpSocket.bind(ANY))
        local to_a, to_b = a:local_addr(), b:local_addr()
        local function talk(u, to)
          while true do
            u:send_to("x", to)
            require("rthandle").timeout(0.001, u.recv, u)
          end
        end
        rt.spawn(talk, a, to_b)
        rt.spawn(talk, b, to_a)
        rt.sleep(0.003)
      end)
      r:close()
    end
  end)

  it("after it was closed every call is ESHUTDOWN", function()
    local guard <close> = runtime:enter()
    assert.is_not_nil(guard)
    local a, b = sockets.tcp()
    local c = select(2, sockets.unix())
    local reader, writer = c:split()
    local listener = assert(net.TcpListener.bind(ANY))
    local udp = assert(net.UdpSocket.bind(ANY))
    runtime:close()
    local calls = {
      function() return a:read() end,
      function() return a:read_exact(1) end,
      function() return a:read_line() end,
      function() return a:read_until("x") end,
      function() return a:read_all() end,
      function() return a:write_all("x") end,
      function() return a:shutdown() end,
      function() return a:set_nodelay(true) end,
      function() return a:nodelay() end,
      function() return a:local_addr() end,
      function() return a:peer_addr() end,
      function() return reader:read() end,
      function() return writer:write_all("x") end,
      function() return listener:accept() end,
      function() return listener:local_addr() end,
      function() return udp:recv() end,
      function() return udp:recv_from() end,
      function() return udp:send("x") end,
      function() return udp:send_to("x", "127.0.0.1:9") end,
      function() return udp:send_to("x", "localhost:9") end,
      function() return udp:connect("127.0.0.1:9") end,
      function() return net.TcpListener.bind(ANY) end,
      function() return net.TcpListener.bind("localhost:0") end,
      function() return net.TcpStream.connect("127.0.0.1:9") end,
      function() return net.TcpStream.connect("localhost:9") end,
      function() return net.UnixListener.bind("/tmp/x") end,
      function() return net.UnixStream.connect("/tmp/x") end,
      function() return net.UnixStream.pair() end,
      function() return net.UdpSocket.bind(ANY) end,
      function() return net.lookup_host("127.0.0.1:9") end,
      function() return net.lookup_host("localhost:9") end,
    }
    for i, call in ipairs(calls) do
      assert.are.same(SHUTDOWN, { call() }, "call " .. i)
      assert.are.same(SHUTDOWN, { runtime:block_on(call) }, "call " .. i)
    end
    assert.is_true(a:close())
    assert.is_true(b:close())
    assert.is_true(listener:close())
    assert.is_true(udp:close())
  end)

  it("a blocking function that waits on a socket gets ESHUTDOWN", function()
    local tx, rx = rt.sync.mpsc(1)
    local a = runtime:block_on(function()
      local mine, its = sockets.tcp()
      rt.spawn_blocking(function(s, to)
        to:send("begun")
        to:send((select(3, s:read())))
      end, its, tx)
      assert.are.equal("begun", rx:recv())
      return mine
    end)
    runtime:close()
    assert.are.equal("ESHUTDOWN", rx:try_recv())
    a:close()
  end)

  it("a stream outlives its runtime in another one", function()
    local a, b = runtime:block_on(sockets.tcp)
    runtime:block_on(function() a:write_all("first\nsecond\n") end)
    assert.are.equal("first", runtime:block_on(function()
      return b:read_line()
    end))
    runtime:close()
    local other <close> = rt.Runtime.new { flavor = "current_thread" }
    assert.are.same({ "second", "third" }, { other:block_on(function()
      a:write_all("third\n")
      return b:read_line(), b:read_line()
    end) })
  end)

  it("two clients are served to the end", function()
    assert.are.same({ one = true, two = true }, runtime:block_on(function()
      local listener = assert(net.TcpListener.bind(ANY))
      local address = listener:local_addr()
      local server = rt.spawn(function(l)
        local seen = {}
        for _ = 1, 2 do
          local stream <close> = assert(l:accept())
          seen[stream:read_all()] = true
        end
        return seen
      end, listener)
      local function client(to, text)
        local stream <close> = assert(require("rthandle").net.TcpStream
          .connect(to))
        stream:write_all(text)
      end
      rt.spawn(client, address, "one")
      rt.spawn(client, address, "two")
      return server:await()
    end))
  end)
end)

describe("a plain thread", function()
  local runtime, guard

  before_each(function()
    runtime = rt.Runtime.new { worker_threads = 1 }
    guard = runtime:enter()
  end)
  after_each(function()
    guard:close()
    runtime:close()
  end)

  it("waits on sockets by itself", function()
    local listener = assert(net.TcpListener.bind(ANY))
    local task = runtime:spawn(function(to)
      local stream <close> = assert(require("rthandle").net.TcpStream
        .connect(to))
      stream:write_all("hello\n")
      return stream:read_line()
    end, listener:local_addr())
    local stream, peer = assert(listener:accept())
    assert.are.equal(peer, stream:peer_addr())
    assert.are.equal("hello", stream:read_line())
    assert.is_true(stream:write_all("world\n"))
    assert.are.equal("world", task:await())
    assert.are.equal("EOF", (select(3, stream:read())))
  end)

  it("goes on with a socket outside of enter", function()
    local a, b = sockets.tcp()
    guard:close()
    assert.is_true(a:write_all("x\n"))
    assert.are.equal("x", b:read_line())
    guard = runtime:enter()
  end)

  it("runs its local tasks while it waits", function()
    local a, b = sockets.tcp()
    runtime:spawn_local(function() a:write_all("from a local task\n") end)
    assert.are.equal("from a local task", b:read_line())
  end)
end)

describe("Ctrl-C", function()
  for name, code in pairs {
    ["a bare accept"] = "local guard <close> = r:enter() " ..
      "local l = net.TcpListener.bind('127.0.0.1:0') soon() l:accept()",
    ["an accept in block_on"] = "r:block_on(function() " ..
      "local l = net.TcpListener.bind('127.0.0.1:0') soon() l:accept() end)",
    ["a bare read"] = "local guard <close> = r:enter() " ..
      "local a, b = net.UnixStream.pair() soon() a:read() b:close()",
    ["a bare recv"] = "local guard <close> = r:enter() " ..
      "local u = net.UdpSocket.bind('127.0.0.1:0') soon() u:recv()",
  } do
    it("ends " .. name, function()
      local folder = script.folder { ["s.lua"] = [[
        local rt = require "rthandle"
        local net = rt.net
        local r <close> = rt.Runtime.new { worker_threads = 1 }
        local function soon() -- a local task runs while this thread waits
          r:spawn_local(function() io.popen("kill -INT $PPID"):close() end)
        end
      ]] .. code }
      finally(function() script.remove(folder) end)
      local output, status = script.run(folder .. "/s.lua")
      assert.matches("interrupted!", output, 1, true)
      assert.are.equal(1, status)
    end)
  end
end)

describe("idle connections", function()
  -- Each waits in a read after it has read once; the other end has been
  -- written to.
  local function cheap()
    local folder = script.folder { ["s.lua"] = [[
      local rt = require "rthandle"
      local N = 2000
      local function memory()
        local file <close> = io.open("/proc/self/statm")
        local _, pages = file:read("n", "n")
        return pages * 4096
      end
      local function serve(stream)
        while stream:read_line() do end
      end
      rt.main(function()
        local streams = {}
        for i = 1, 10 do -- what is there once
          local a, b = rt.net.UnixStream.pair()
          rt.spawn_local(serve, a)
          b:write_all("x\n")
          rt.yield_now()
          streams[i] = b
        end
        collectgarbage()
        local before, lua = memory(), collectgarbage("count")
        for i = 1, N do
          local a, b = assert(rt.net.UnixStream.pair())
          rt.spawn_local(serve, a)
          b:write_all("x\n")
          rt.yield_now()
          streams[i + 10] = b
        end
        for _ = 1, 10 do rt.yield_now() end
        collectgarbage()
        lua = (collectgarbage("count") - lua) * 1024
        print(((memory() - before - lua) // N < 4096) and "cheap" or
          ("%d bytes"):format((memory() - before - lua) // N))
      end, { flavor = "current_thread" })
    ]] }
    finally(function() script.remove(folder) end)
    assert.are.same({ "cheap\n", 0 },
      { script.run_with("ulimit -n 5000;", folder .. "/s.lua") })
  end

  -- A sanitizer puts room around each block, and keeps those that were freed.
  local sanitized = (os.getenv("LUA") or ""):find("san/lua$")
  if not sanitized then
    it("cost less than 4 KB each beside their coroutines", cheap)
  end
end)
