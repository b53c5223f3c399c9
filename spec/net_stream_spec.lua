-- Reading and writing a connection. (Tokio: tcp_stream, tcp_shutdown,
-- tcp_split, tcp_into_split, uds_stream, uds_split, io_read_*.rs)
local rt = require("rthandle")
local sockets = require("spec.support.sockets")

local EOF = { nil, "EOF: end of file", "EOF" }

-- Each test twice, with the two ends of a connection.
local function on_both(name, body)
  for _, kind in ipairs { "tcp", "unix" } do
    it(name .. " (" .. kind .. ")", function()
      rt.main(function()
        local a, b = sockets[kind]()
        body(a, b)
      end, { worker_threads = 1 })
    end)
  end
end

-- Lets the task that was spawned run until it waits.
local function wait_for_wait() for _ = 1, 3 do rt.yield_now() end end

local function fails(message, f)
  local ok, err = pcall(f)
  assert.is_false(ok)
  assert.matches(message, err, 1, true)
  assert.matches("net_stream_spec.lua:", err, 1, true)
end

describe("read", function()
  on_both("gives what is there, at most n bytes", function(a, b)
    a:write_all("hello world")
    assert.are.equal("hello", b:read(5))
    assert.are.equal(" world", b:read(100))
    a:write_all("more")
    assert.are.equal("more", b:read())
  end)

  on_both("waits for the first byte", function(a, b)
    local reading = rt.spawn_local(function() return b:read() end)
    wait_for_wait()
    assert.is_false(reading:is_finished())
    a:write_all("x")
    assert.are.equal("x", reading:await())
  end)

  on_both("gives what had come before the end, then says so for ever",
    function(a, b)
      a:write_all("the last")
      a:close()
      assert.are.equal("the last", b:read())
      for _ = 1, 3 do
        assert.are.same(EOF, { b:read() })
        assert.are.same(EOF, { b:read_line() })
        assert.are.same(EOF, { b:read_exact(1) })
        assert.are.same(EOF, { b:read_until("x") })
      end
    end)

  on_both("of 0 bytes waits for nothing", function(_, b)
    assert.are.equal("", b:read(0))
    assert.are.equal("", b:read_exact(0))
  end)

  on_both("takes any bytes", function(a, b)
    local all = {}
    for i = 0, 255 do all[#all + 1] = string.char(i) end
    local text = table.concat(all)
    a:write_all(text)
    assert.are.equal(text, b:read_exact(256))
  end)
end)

describe("read_exact", function()
  on_both("waits until all n bytes are there", function(a, b)
    local reading = rt.spawn_local(function() return b:read_exact(6) end)
    wait_for_wait()
    a:write_all("abc")
    wait_for_wait()
    a:write_all("defg")
    assert.are.equal("abcdef", reading:await())
    assert.are.equal("g", b:read())
  end)

  on_both("says how far it came before the end, and keeps that",
    function(a, b)
      a:write_all("abc")
      a:close()
      assert.are.same({ nil,
        "EOF: end of file after 3 of 10 bytes (they stay unread)", "EOF" },
        { b:read_exact(10) })
      assert.are.equal("abc", b:read_exact(3))
      assert.are.same(EOF, { b:read_exact(10) })
    end)

  on_both("takes memory for what has come only", function(a, b)
    a:write_all("abc")
    a:close()
    assert.are.same({ nil, "EOF: end of file after 3 of "
      .. math.maxinteger .. " bytes (they stay unread)", "EOF" },
      { b:read_exact(math.maxinteger) })
  end)

  on_both("takes more than any buffer holds", function(a, b)
    local text = ("0123456789"):rep(300000)
    local writing = rt.spawn_local(function() return a:write_all(text) end)
    assert.is_true(b:read_exact(#text) == text)
    assert.is_true(writing:await())
  end)
end)

describe("read_line", function()
  on_both("takes the end of the line off", function(a, b)
    a:write_all("unix\nnetwork\r\n\n\r\nlone \r stays\nlast")
    a:shutdown()
    for _, line in ipairs { "unix", "network", "", "", "lone \r stays",
      "last" } do
      assert.are.equal(line, b:read_line())
    end
    assert.are.same(EOF, { b:read_line() })
  end)

  on_both("waits for the rest of a line", function(a, b)
    local reading = rt.spawn_local(function() return b:read_line() end)
    for _, part in ipairs { "ab", "c\r", "\nd" } do
      wait_for_wait()
      assert.is_false(reading:is_finished())
      a:write_all(part)
    end
    assert.are.equal("abc", reading:await())
  end)

  on_both("refuses a line that is too long, and keeps it", function(a, b)
    a:write_all("12345\n123456\n")
    assert.are.equal("12345", b:read_line(5))
    assert.are.same({ nil, "EMSGSIZE: more than 5 bytes (they stay unread)",
      "EMSGSIZE" }, { b:read_line(5) })
    assert.are.equal("123456", b:read_line())
  end)

  on_both("does not wait for the end of a line that is too long",
    function(a, b)
      a:write_all("123456789")
      assert.are.equal("EMSGSIZE", (select(3, b:read_line(5))))
      assert.are.equal("123456789", b:read(20))
    end)
end)

describe("lines", function()
  on_both("gives each line until the end", function(a, b)
    a:write_all("one\ntwo\r\nthree")
    a:close()
    local seen = {}
    for line in b:lines() do seen[#seen + 1] = line end
    assert.are.same({ "one", "two", "three" }, seen)
  end)

  on_both("ends at a line that is too long, and reading says why",
    function(a, b)
      a:write_all("one\nlonger\n")
      local seen = {}
      for line in b:lines(5) do seen[#seen + 1] = line end
      assert.are.same({ "one" }, seen)
      assert.are.equal("EMSGSIZE", (select(3, b:read_line(5))))
    end)
end)

describe("read_until", function()
  on_both("gives the delimiter, too", function(a, b)
    a:write_all("a--b-c---rest")
    a:shutdown()
    assert.are.equal("a--", b:read_until("--"))
    assert.are.equal("b-c--", b:read_until("--"))
    assert.are.equal("-rest", b:read_until("--"))
    assert.are.same(EOF, { b:read_until("--") })
  end)

  on_both("finds one that comes in parts", function(a, b)
    local reading = rt.spawn_local(function()
      return b:read_until("\r\n\r\n")
    end)
    for _, part in ipairs { "head\r", "\n\r\n\r", "\nbody" } do
      wait_for_wait()
      a:write_all(part)
    end
    assert.are.equal("head\r\n\r\n", reading:await())
    wait_for_wait()
    a:write_all("!")
    a:shutdown()
    assert.are.equal("\r\nbody!", b:read_all())
  end)

  on_both("has a limit", function(a, b)
    a:write_all("123456;")
    assert.are.equal("EMSGSIZE", (select(3, b:read_until(";", 5))))
    assert.are.equal("123456;", b:read_until(";", 7))
  end)

  on_both("wants a delimiter", function(_, b)
    fails("bad argument #1 to 'read_until' (the delimiter is empty)",
      function() b:read_until("") end)
  end)
end)

describe("read_all", function()
  on_both("gives everything until the end", function(a, b)
    local writing = rt.spawn_local(function()
      for i = 1, 100 do a:write_all(("x"):rep(1000), i, "\n") end
      a:close()
    end)
    local all = b:read_all()
    writing:await()
    assert.are.equal(100 * 1001 + 9 + 2 * 90 + 3, #all)
    assert.are.equal("", b:read_all())
  end)

  on_both("has a limit, over which all stays unread", function(a, b)
    a:write_all("123456")
    assert.are.same({ nil, "EMSGSIZE: more than 5 bytes (they stay unread)",
      "EMSGSIZE" }, { b:read_all(5) })
    a:shutdown()
    assert.are.equal("123456", b:read_all(6))
  end)
end)

describe("write_all", function()
  on_both("takes strings and numbers, as io.write does", function(a, b)
    assert.is_true(a:write_all("a", 1, 2.5, "", "b"))
    assert.is_true(a:write_all())
    assert.is_true(a:write_all(""))
    assert.is_true(a:write_all("1", "2", "3", "4", "5", "6", "7", "8"))
    a:close()
    assert.are.equal("a12.5b12345678", b:read_all())
  end)

  on_both("refuses other values", function(a)
    fails("bad argument #2 to 'write_all' (string expected, got nil)",
      function() a:write_all("x", nil, "y") end)
    fails("bad argument #1 to 'write_all' (string expected, got table)",
      function() a:write_all({}) end)
  end)

  on_both("waits while nobody reads, and queues nothing", function(a, b)
    local piece = ("x"):rep(64 * 1024)
    collectgarbage()
    local before = collectgarbage("count")
    local written = 0
    local writing = rt.spawn_local(function()
      for _ = 1, 1000 do
        assert(a:write_all(piece))
        written = written + #piece
      end
      a:close()
    end)
    repeat -- until the system takes no more
      local last = written
      for _ = 1, 100 do rt.yield_now() end
    until written == last
    assert.is_true(written < 1000 * #piece)
    assert.is_true(collectgarbage("count") - before < 1024)
    local read = 0
    for data in function() return b:read() end do read = read + #data end
    assert.are.equal(1000 * #piece, read)
    writing:await()
  end)

  on_both("does not end the process where the peer is gone", function(a, b)
    b:close()
    local _, message, code
    repeat _, message, code = a:write_all("x") until code
    assert.is_truthy(code == "EPIPE" or code == "ECONNRESET", code)
    assert.are.equal(code .. ": ", message:sub(1, #code + 2))
  end)

  on_both("goes on while another task reads from the same stream",
    function(a, b)
      local text = ("ping "):rep(200000)
      local function exchange(stream)
        local reading = rt.spawn_local(function()
          return stream:read_exact(#text)
        end)
        assert(stream:write_all(text))
        return reading
      end
      local other = rt.spawn_local(exchange, b)
      assert.is_true(exchange(a):await() == text)
      assert.is_true(other:await():await() == text)
    end)
end)

describe("shutdown", function()
  on_both("ends what the peer reads; the other way stays open",
    function(a, b)
      a:write_all("question")
      assert.is_true(a:shutdown())
      assert.are.equal("question", b:read_all())
      b:write_all("answer")
      b:close()
      assert.are.equal("answer", a:read_all())
    end)

  on_both("may be called again, also after the peer has gone", function(a, b)
    assert.is_true(a:shutdown())
    assert.is_true(a:shutdown())
    b:close()
    assert.are.same(EOF, { a:read() })
    assert.is_true(a:shutdown())
  end)

  on_both("is the end of writing", function(a)
    a:shutdown()
    assert.are.same({ nil, "EPIPE: broken pipe", "EPIPE" },
      { a:write_all("x") })
  end)
end)

describe("a peer that resets", function()
  it("is ECONNRESET, after what had arrived, and again at each read",
    function()
      rt.main(function()
        local a, b = sockets.tcp()
        a:write_all("x")
        b:write_all("arrived before")
        assert.are.equal("arrived", a:read(7))
        b:close() -- with a byte unread: a reset
        assert.are.equal(" before", a:read())
        for _ = 1, 2 do
          assert.are.same({ nil, "ECONNRESET: connection reset by peer",
            "ECONNRESET" }, { a:read() })
        end
        assert.is_true(a:shutdown())
      end)
    end)

  it("harms no other connection", function()
    rt.main(function()
      local a, b = sockets.tcp()
      local c, d = sockets.tcp()
      local serving = rt.spawn_local(function()
        return select(3, a:read_exact(100))
      end)
      local other = rt.spawn_local(function() return c:read_line() end)
      a:write_all("x")
      b:close() -- with a byte unread: a reset
      assert.are.equal("ECONNRESET", serving:await())
      d:write_all("fine\n")
      assert.are.equal("fine", other:await())
    end)
  end)
end)

describe("two tasks that do the same with one stream:", function()
  on_both("the second reader is an error, and the first reads on",
    function(a, b)
      local reading = rt.spawn_local(function() return b:read() end)
      wait_for_wait()
      fails("another task is reading from this ",
        function() b:read() end)
      fails("let one task do that",
        function() b:read_line() end)
      a:write_all("for the first")
      assert.are.equal("for the first", reading:await())
    end)

  on_both("the second writer is an error, and the first writes on",
    function(a, b)
      local text = ("x"):rep(10 * 1024 * 1024)
      local writing = rt.spawn_local(function() return a:write_all(text) end)
      wait_for_wait()
      fails("another task is writing to this ",
        function() a:write_all("y") end)
      assert.is_true(b:read_exact(#text) == text)
      assert.is_true(writing:await())
    end)
end)

describe("split", function()
  on_both("gives two halves, for two tasks", function(a, b)
    local reader, writer = b:split()
    local echo = rt.spawn_local(function()
      for line in reader:lines() do writer:write_all(line, "!\n") end
      writer:close()
    end)
    for _, word in ipairs { "one", "two" } do
      a:write_all(word, "\n")
      assert.are.equal(word .. "!", a:read_line())
    end
    a:shutdown()
    assert.are.same(EOF, { a:read() })
    echo:await()
  end)

  on_both("keeps what was read already", function(a, b)
    a:write_all("one\ntwo\n")
    assert.are.equal("one", b:read_line())
    local reader = b:split()
    assert.are.equal("two", reader:read_line())
  end)

  on_both("leaves nothing in the stream", function(_, b)
    local name = tostring(b):match("rthandle%.(%a+)")
    local reader, writer = b:split()
    fails(name .. " was split: use its reader and its writer",
      function() b:read() end)
    fails(name .. " was split",
      function() b:write_all("x") end)
    fails(name .. " was split",
      function() b:close() end)
    assert.are.equal(reader:local_addr(), writer:local_addr())
    assert.are.equal(reader:peer_addr(), writer:peer_addr())
  end)

  on_both("is refused while a task waits on the stream", function(_, b)
    local reading = rt.spawn_local(function() return b:read() end)
    wait_for_wait()
    fails("cannot split a stream that a task is waiting on",
      function() b:split() end)
    reading:abort()
  end)

  on_both("lets the writer end what the peer reads, by itself",
    function(a, b)
      local reader, writer = b:split()
      writer:write_all("done")
      assert.is_true(writer:close())
      assert.are.equal("done", a:read_all())
      a:write_all("still read")
      assert.are.equal("still read", reader:read())
      assert.are.equal("EBADF", (select(3, writer:write_all("x"))))
    end)

  on_both("lets a collected writer end it, too", function(a, b)
    local reader = b:split()
    collectgarbage()
    collectgarbage()
    assert.are.same(EOF, { a:read() })
    a:write_all("x")
    assert.are.equal("x", reader:read())
  end)

  on_both("closes the connection with both halves", function(a, b)
    local reader, writer = b:split()
    reader:close()
    assert.is_true(writer:write_all("x"))
    assert.are.equal("x", a:read())
    writer:close()
    assert.are.same(EOF, { a:read() })
    local code
    repeat code = select(3, a:write_all("x")) until code
  end)

  on_both("wakes who waits in the half that is closed, only", function(a, b)
    local reader, writer = b:split()
    local reading = rt.spawn_local(function() return reader:read() end)
    wait_for_wait()
    reader:close()
    assert.are.same({ nil, "ECANCELED: operation canceled", "ECANCELED" },
      { reading:await() })
    assert.is_true(writer:write_all("x"))
    assert.are.equal("x", a:read())
  end)
end)

describe("closing", function()
  on_both("is no error when it is done again", function(a)
    assert.is_true(a:close())
    assert.is_true(a:close())
  end)

  on_both("leaves a stream on which everything is EBADF", function(a)
    a:close()
    local expected = { nil, "EBADF: bad file descriptor", "EBADF" }
    assert.are.same(expected, { a:read() })
    assert.are.same(expected, { a:read_line() })
    assert.are.same(expected, { a:write_all("x") })
    assert.are.same(expected, { a:shutdown() })
    assert.are.same(expected, { a:local_addr() })
    assert.are.same(expected, { a:peer_addr() })
    local reader, writer = a:split()
    assert.are.same(expected, { reader:read() })
    assert.are.same(expected, { writer:write_all("x") })
  end)

  on_both("wakes those who wait with ECANCELED", function(a)
    local canceled = { nil, "ECANCELED: operation canceled", "ECANCELED" }
    local reading = rt.spawn_local(function() return a:read() end)
    local writing = rt.spawn_local(function()
      return a:write_all(("x"):rep(10 * 1024 * 1024))
    end)
    wait_for_wait()
    a:close()
    assert.are.same(canceled, { reading:await() })
    assert.are.same(canceled, { writing:await() })
    assert.are.equal("EBADF", (select(3, a:read())))
  end)

  on_both("happens at the end of a block", function(a, b)
    do
      local stream <close> = a
      stream:write_all("bye")
    end
    assert.are.equal("bye", b:read_all())
  end)

  it("happens when the stream is collected", function()
    rt.main(function()
      local b = select(2, sockets.unix())
      collectgarbage()
      collectgarbage()
      assert.are.same(EOF, { b:read() })
    end)
  end)
end)
