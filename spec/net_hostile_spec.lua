-- What a script, a peer or the system may do to a socket at the worst moment.
local rt = require("rthandle")
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
