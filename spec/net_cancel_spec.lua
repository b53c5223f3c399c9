-- A read or write that is given up - by abort, timeout, select, close - loses
-- nothing that was read, and leaves the stream usable.
local rt = require("rthandle")
local flavors = require("spec.support.flavors")
local sockets = require("spec.support.sockets")
local net = rt.net

local CANCELED = { nil, "ECANCELED: operation canceled", "ECANCELED" }

local function wait_for_wait() for _ = 1, 3 do rt.yield_now() end end

flavors(describe, function(new)
  local runtime

  before_each(function() runtime = new() end)
  after_each(function() runtime:close() end)

  it("a read that times out keeps what had come", function()
    runtime:block_on(function()
      local a, b = sockets.tcp()
      a:write_all("half a li")
      for _, read in ipairs { "read_line", "read_all" } do
        assert.is_false((rt.timeout(0.001, b[read], b)))
      end
      assert.is_false((rt.timeout(0.001, b.read_exact, b, 100)))
      assert.is_false((rt.timeout(0.001, b.read_until, b, "\n\n")))
      a:write_all("ne\n")
      assert.are.same({ true, "half a line" },
        { rt.timeout(10, b.read_line, b) })
    end)
  end)

  it("a read in an aborted task leaves the stream to the others", function()
    runtime:block_on(function()
      local a, b = sockets.tcp()
      local reading = rt.spawn_local(function() return b:read_exact(10) end)
      a:write_all("12345")
      wait_for_wait()
      reading:abort()
      assert.is_true(select(2, reading:join()):is_cancelled())
      a:write_all("67890")
      assert.are.equal("1234567890", b:read_exact(10))
    end)
  end)

  it("a read loses in select to what is ready, and reads later", function()
    runtime:block_on(function()
      local a, b = sockets.tcp()
      local c, d = sockets.tcp()
      local function read_b() return b:read_line() end
      local function read_d() return d:read_line() end
      c:write_all("c\n")
      assert.are.same({ "d", "c" },
        { rt.select { b = read_b, d = read_d } })
      a:write_all("a\n")
      assert.are.same({ "b", "a" },
        { rt.select { b = read_b, d = read_d } })
    end)
  end)

  it("an accept that times out loses no connection", function()
    runtime:block_on(function()
      local listener <close> = assert(net.TcpListener.bind(sockets.ANY))
      assert.is_false((rt.timeout(0.001, listener.accept, listener)))
      local client = assert(net.TcpStream.connect(listener:local_addr()))
      local server = assert(listener:accept())
      client:write_all("x")
      assert.are.equal("x", server:read())
    end)
  end)

  it("a write that times out leaves a stream that writes", function()
    runtime:block_on(function()
      local a, b = sockets.unix()
      local text = ("x"):rep(10 * 1024 * 1024)
      assert.is_false((rt.timeout(0.001, a.write_all, a, text)))
      local reading = rt.spawn_local(function() return b:read_all() end)
      assert.is_true(a:write_all("the end"))
      a:close()
      local all = reading:await()
      assert.matches("^x+the end$", all)
      assert.is_true(#all < #text) -- what is not sent is not sent later
    end)
  end)
end)

describe("a wait that is closed", function()
  it("in another task's accept is ECANCELED", function()
    rt.main(function()
      local listener = assert(net.TcpListener.bind(sockets.ANY))
      local waiting = rt.spawn_local(function() return listener:accept() end)
      wait_for_wait()
      listener:close()
      assert.are.same(CANCELED, { waiting:await() })
    end)
  end)

  -- The task was awaited before it began: it waits for its first event in the
  -- poll of the one that awaits it.
  it("is ECANCELED in a task that is awaited before it begins", function()
    rt.main(function()
      local a, b = sockets.unix()
      local reading = rt.spawn_local(function() return b:read() end)
      local closing = rt.spawn_local(function()
        rt.yield_now()
        b:close()
      end)
      assert.are.same(CANCELED, { reading:await() })
      closing:await()
      assert.are.equal("EOF", (select(3, a:read())))
    end)
  end)

  it("in a UDP socket is ECANCELED", function()
    rt.main(function()
      local socket = assert(net.UdpSocket.bind(sockets.ANY))
      local waiting = rt.spawn_local(function() return socket:recv_from() end)
      wait_for_wait()
      socket:close()
      assert.are.same(CANCELED, { waiting:await() })
    end)
  end)
end)

describe("a read in a coroutine of the script's", function()
  it("that is closed while data comes loses none", function()
    rt.main(function()
      local a, b = sockets.unix()
      local co
      local reading = rt.spawn_local(function()
        co = rt.coroutine.create(function() return b:read() end)
        rt.coroutine.resume(co)
        return "went on"
      end)
      wait_for_wait()
      a:write_all("still there")
      assert(coroutine.close(co))
      assert.are.equal("went on", reading:await())
      assert.are.equal("still there", b:read())
    end, { flavor = "current_thread" })
  end)

  it("suspends the whole task", function()
    rt.main(function()
      local a, b = sockets.unix()
      local lines = rt.coroutine.wrap(function()
        for line in b:lines() do rt.coroutine.yield(line) end
      end)
      local writing = rt.spawn_local(function()
        for i = 1, 3 do
          rt.yield_now()
          a:write_all("line ", i, "\n")
        end
      end)
      for i = 1, 3 do assert.are.equal("line " .. i, lines()) end
      writing:await()
    end)
  end)
end)

describe("while its task is being closed, a stream", function()
  it("may be written and closed, but not waited on", function()
    rt.main(function()
      local a, b = sockets.unix()
      local said
      local task = rt.spawn_local(function()
        local _ <close> = setmetatable({}, { __close = function()
          assert(b:write_all("bye"))
          said = select(2, pcall(b.read, b))
          b:close()
        end })
        rt.sleep(100)
      end)
      wait_for_wait()
      task:abort()
      assert.is_true(select(2, task:join()):is_cancelled())
      assert.are.equal("cannot suspend while the task is being closed", said)
      assert.are.equal("bye", a:read_all())
    end)
  end)
end)

describe("a connect that is given up", function()
  it("leaves nothing behind", function()
    rt.main(function()
      -- The queue of a listener that never accepts is soon full.
      local path = os.tmpname()
      os.remove(path)
      local listener <close> = assert(net.UnixListener.bind(path))
      local streams = {}
      repeat
        local ok, stream = rt.timeout(0.01, net.UnixStream.connect, path)
        if ok then streams[#streams + 1] = assert(stream) end
      until not ok
      for _ = 1, #streams do assert(listener:accept()) end
      assert.is_false((rt.timeout(0.01, listener.accept, listener)))
      os.remove(path)
    end)
  end)
end)
