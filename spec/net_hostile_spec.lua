-- What a script, a peer or the system may do to a socket at the worst moment.
local rt = require("rthandle")
local script = require("spec.support.script")
local sockets = require("spec.support.sockets")
local net = rt.net
local ANY = sockets.ANY

local CLOSED = { nil, "EBADF: bad file descriptor", "EBADF" }

-- The next allocation collects all garbage, and with it something whose
-- finalizer is f.
local function at_next_collection(f)
  collectgarbage("incremental", 100, 1000, 40)
  collectgarbage("stop")
  setmetatable({}, { __gc = f })
  collectgarbage("restart")
end

describe("a finalizer that runs inside a call of a socket", function()
  after_each(function()
    collectgarbage("incremental", 200, 100, 13)
  end)

  it("may close the listener that is about to accept", function()
    rt.main(function()
      local listener = assert(net.TcpListener.bind(ANY))
      at_next_collection(function() listener:close() end)
      assert.are.same(CLOSED, { listener:accept() })
    end)
  end)

  it("may close the stream that is about to write", function()
    rt.main(function()
      local stream = sockets.tcp()
      local number = 12345678 -- becomes a string, which takes memory
      at_next_collection(function() stream:close() end)
      assert.are.same(CLOSED, { stream:write_all(number) })
    end)
  end)

  it("may close the stream that has just read", function()
    rt.main(function()
      local a, b = sockets.tcp()
      a:write_all(("x"):rep(1000))
      assert.are.equal("x", b:read_exact(1))
      at_next_collection(function() b:close() end)
      local rest = b:read()
      assert.are.equal(("x"):rep(999), rest)
      assert.are.same(CLOSED, { b:read() })
    end)
  end)

  it("may close the stream that makes room for many pieces", function()
    rt.main(function()
      local stream = sockets.tcp()
      local pieces = { ("x"):rep(50):byte(1, -1) }
      for i = 1, #pieces do pieces[i] = "piece" end
      at_next_collection(function() stream:close() end)
      assert.are.same(CLOSED, { stream:write_all(table.unpack(pieces)) })
    end)
  end)
end)

describe("a method of one kind of socket, called with another kind",
  function()
    it("asks for a socket with a peer", function()
      rt.main(function()
        local stream = sockets.tcp()
        local listener = assert(net.TcpListener.bind(ANY))
        assert.has_error(function() stream.peer_addr(listener) end,
          "bad argument #1 to 'peer_addr' (socket with a peer expected, "
          .. "got rthandle.TcpListener)")
      end)
    end)
  end)

describe("a line that is one byte too long", function()
  it("is refused before its end comes", function()
    rt.main(function()
      local a, b = sockets.tcp()
      assert(a:write_all("123456"))
      local waited, _, _, code = rt.timeout(5, b.read_line, b, 5)
      assert.are.same({ true, "EMSGSIZE" }, { waited, code })
      assert.are.equal("123456", b:read())
    end)
  end)

  it("may be a line whose \\r has come and \\n has not", function()
    rt.main(function()
      local a, b = sockets.tcp()
      assert(a:write_all("12345\r"))
      assert.is_false((rt.timeout(0.01, b.read_line, b, 5)))
      assert(a:write_all("\n"))
      assert.are.equal("12345", b:read_line(5))
    end)
  end)
end)

describe("the path of a Unix socket", function()
  it("is not cut at a zero", function()
    rt.main(function()
      assert.has_error(function() net.UnixListener.bind("/tmp/a\0b") end,
        "bad argument #1 to 'bind' (a path contains no zeros)")
      assert.has_error(function() net.UnixStream.connect("/tmp/a\0b") end,
        "bad argument #1 to 'connect' (a path contains no zeros)")
    end)
  end)
end)

-- An executor makes its loop when it first waits for a socket, and that takes
-- more than two descriptors.
describe("without descriptors for the loop", function()
  local function run(body)
    local folder = script.folder { ["s.lua"] = [[
      local rt = require "rthandle"
      local net = rt.net
      -- Calls f while there are two descriptors left.
      local function exhausted(f)
        local files, full = {}, nil
        repeat
          files[#files + 1], full = io.open("/dev/null")
        until full
        table.remove(files):close()
        table.remove(files):close()
        f()
        for _, file in ipairs(files) do file:close() end
      end
    ]] .. body }
    finally(function() script.remove(folder) end)
    return script.run_with("ulimit -n 60;", folder .. "/s.lua")
  end

  it("a search fails, and the next one looks from the start", function()
    assert.are.same({ "EMFILE\nhello\n", 0 }, { run [[
      rt.main(function()
        local a, b = net.UnixStream.pair()
        assert(a:write_all("hello\nworld"))
        exhausted(function() print((select(3, b:read_until("!")))) end)
        print(select(2, rt.timeout(5, b.read_line, b)))
      end, { flavor = "current_thread" })
    ]] })
  end)

  it("accept waits for better times", function()
    assert.are.same({ "false\nhello\n", 0 }, { run [[
      local runtime = rt.Runtime.new { flavor = "current_thread" }
      local listener = runtime:block_on(function()
        return (assert(net.TcpListener.bind("127.0.0.1:0")))
      end)
      runtime:block_on(function()
        exhausted(function()
          print((rt.timeout(0.05, listener.accept, listener)))
        end)
        local client = assert(net.TcpStream.connect(listener:local_addr()))
        assert(client:write_all("hello\n"))
        print(assert(listener:accept()):read_line())
      end)
      runtime:close()
    ]] })
  end)
end)
