-- rt.io: copying between sockets, and between anything that reads and writes.
-- (Tokio: io_copy.rs, io_copy_bidirectional.rs)
local rt = require("rthandle")
local flavors = require("spec.support.flavors")

-- A reader of these parts; then the end, or what `last` gives.
local function reader(parts, last)
  local i = 0
  return {
    read = function()
      rt.yield_now()
      i = i + 1
      if parts[i] then return parts[i] end
      if last then return last() end
      return nil, "EOF: end of file", "EOF"
    end,
  }
end

-- A writer that keeps what it gets in .text.
local function writer()
  local w = { text = "" }
  function w:write_all(s)
    rt.yield_now()
    self.text = self.text .. s
    return true
  end
  function w:shutdown()
    self.text = self.text .. "."
    return true
  end
  return w
end

local function pair()
  local a, b = rt.net.UnixStream.pair()
  return assert(a), b
end

flavors(describe, function(new)
  local runtime
  before_each(function() runtime = new() end)
  after_each(function() runtime:close() end)
  local function inside(f) return function() runtime:block_on(f) end end

  describe("rt.io.copy", function()
    it("passes everything on between sockets, and counts it", inside(function()
      local a, b = pair()
      local c, d = pair()
      local text = ("0123456789"):rep(100000)
      rt.spawn_local(function()
        a:write_all(text)
        a:close()
      end)
      local copying = rt.spawn_local(rt.io.copy, b, c)
      assert.are.equal(text, d:read_exact(#text))
      assert.are.equal(#text, copying:await())
      -- The end of the one is not the end of the other.
      assert.is_true(c:write_all("more"))
      assert.are.equal("more", d:read())
    end))

    it("first passes on what the reader had read already", inside(function()
      local a, b = pair()
      local c, d = pair()
      a:write_all("one\ntwo\n")
      a:close()
      assert.are.equal("one", b:read_line())
      assert.are.equal(4, rt.io.copy(b, c))
      assert.are.equal("two", d:read_line())
    end))

    it("from a stream to itself is an echo", inside(function()
      local a, b = pair()
      local copying = rt.spawn_local(rt.io.copy, b, b)
      a:write_all("hello")
      assert.are.equal("hello", a:read_exact(5))
      a:shutdown()
      assert.are.equal(5, copying:await())
    end))

    it("takes the halves of a stream", inside(function()
      local a, b = pair()
      local from, to = b:split()
      a:write_all("hello")
      a:shutdown()
      assert.are.equal(5, rt.io.copy(from, to))
      assert.are.equal("hello", a:read())
    end))

    it("takes anything that has the methods", inside(function()
      local w = writer()
      assert.are.equal(5, rt.io.copy(reader { "he", "", "llo" }, w))
      assert.are.equal("hello", w.text)
    end))

    it("takes an object and a socket, in either place", inside(function()
      local a, b = pair()
      assert.are.equal(5, rt.io.copy(reader { "hello" }, a))
      a:close()
      local w = writer()
      assert.are.equal(5, rt.io.copy(b, w))
      assert.are.equal("hello", w.text)
    end))

    it("reads a file of Lua's to its end", inside(function()
      local file <close> = assert(io.open("LICENSE", "rb"))
      local w = writer()
      assert.are.equal(1073, rt.io.copy(file, w))
      assert.truthy(w.text:find("MIT", 1, true))
    end))

    it("answers the error of a reader", inside(function()
      local failing = reader({ "a" }, function() return nil, "EIO: no", "EIO" end)
      assert.are.same({ nil, "EIO: no", "EIO" },
        { rt.io.copy(failing, writer()) })
    end))

    it("answers the error of a writer", inside(function()
      local failing = { write_all = function() return nil, "EIO: no", "EIO" end }
      assert.are.same({ nil, "EIO: no", "EIO" },
        { rt.io.copy(reader { "a" }, failing) })
      local a, b = pair()
      b:close()
      assert.are.equal("EPIPE", select(3, rt.io.copy(reader { "a" }, a)))
    end))

    it("passes an error of a method through", inside(function()
      local failing = reader({}, function() error("boom", 0) end)
      assert.has_error(function() rt.io.copy(failing, writer()) end, "boom")
    end))

    it("is told where a socket is closed under it", inside(function()
      local a, b = pair()
      local c, d = pair()
      local copying = rt.spawn_local(rt.io.copy, b, c)
      rt.yield_now()
      b:close()
      local n, message, code = copying:await()
      assert.is_nil(n)
      assert.are.equal("ECANCELED", code)
      assert.truthy(message:find("^ECANCELED: "))
      assert.are.equal("EBADF", select(3, rt.io.copy(b, c)))
      a:close()
      d:close()
    end))

    it("leaves both sockets usable where it is given up", inside(function()
      local a, b = pair()
      local c, d = pair()
      assert.is_false((rt.timeout(0.001, rt.io.copy, b, c)))
      a:write_all("hello")
      assert.are.equal("hello", b:read())
      c:write_all("hello")
      assert.are.equal("hello", d:read())
    end))

    it("leaves with the reader what it could not write", inside(function()
      local a, b = pair()
      local c, d = pair()
      local text = ("0123456789"):rep(400000) -- more than there is room for
      rt.spawn_local(function()
        a:write_all(text)
        a:close()
      end)
      local first
      rt.spawn_local(function() first = d:read_exact(1) end)
      repeat -- until some of it came there
        assert.is_false((rt.timeout(0.05, rt.io.copy, b, c)))
      until first
      c:shutdown()
      local copied = first .. d:read_all()
      assert.is_true(#copied < #text)
      assert.is_true(copied .. b:read_all() == text)
    end))

    it("is the only one to read meanwhile", inside(function()
      local a, b = pair()
      local c, d = pair()
      local copying = rt.spawn_local(rt.io.copy, b, c)
      rt.yield_now()
      local ok, message = pcall(rt.io.copy, b, writer())
      assert.is_false(ok)
      assert.truthy(message:find("another task is reading from this UnixStream",
        1, true), message)
      copying:abort()
      assert.is_false((copying:join()))
      a:close()
      d:close()
    end))

    it("lets others run, though nothing it is given ever waits", inside(function()
      local n = 0
      local copying = rt.spawn_local(rt.io.copy,
        { read = function() return "x" end },
        { write_all = function() n = n + 1 return true end })
      for _ = 1, 10 do rt.yield_now() end
      copying:abort()
      assert.is_false((copying:join()))
      assert.is_true(n > 0)
    end))

    it("is aborted between two writes to a socket that takes them all", inside(function()
      local a, b = pair()
      local copying = rt.spawn_local(rt.io.copy, reader({ "x" }, function() return "x" end), a)
      assert.are.equal(("x"):rep(100), b:read_exact(100))
      copying:abort()
      assert.is_false((copying:join()))
      a:close()
      assert.truthy(b:read_all():find("^x*$"))
    end))

    it("may be captured by a function that moves", inside(function()
      local copy = rt.io.copy
      local a, b = pair()
      local copying = rt.spawn(function(stream) return copy(stream, stream) end, b)
      a:write_all("hello")
      a:shutdown()
      assert.are.equal("hello", a:read_exact(5))
      assert.are.equal(5, copying:await())
    end))

    it("refuses what has no such method, at the caller's line", inside(function()
      local function message(...)
        local args = table.pack(...)
        return select(2, pcall(function()
          rt.io.copy(table.unpack(args, 1, args.n))
        end))
      end
        assert.truthy(message(1, 2):find("spec/io_spec.lua:%d+: bad argument #1 to 'copy' "
        .. "%(something with a method 'read' expected, got number%)"))
      assert.truthy(message(reader {}, {}):find("'write_all' expected, got table",
        1, true))
      assert.truthy(message(reader { 5 }, writer()):find(
        "what the reader read is no string but a number", 1, true))
    end))
  end)

  describe("rt.io.copy_bidirectional", function()
    -- A client, a proxy that copies, a server.
    local function proxy()
      local client, near = pair()
      local far, server = pair()
      return client, server, rt.spawn_local(rt.io.copy_bidirectional, near, far)
    end

    it("passes both ways at the same time and counts each", inside(function()
      local client, server, copying = proxy()
      client:write_all("question")
      assert.are.equal("question", server:read())
      server:write_all("answer")
      assert.are.equal("answer", client:read())
      client:shutdown()
      server:shutdown()
      assert.are.same({ 8, 6 }, { copying:await() })
    end))

    it("passes an end on and lets the other way go on", inside(function()
      local client, server, copying = proxy()
      client:shutdown()
      assert.are.equal("EOF", select(3, server:read()))
      server:write_all("still here")
      assert.are.equal("still here", client:read())
      assert.is_false(copying:is_finished())
      server:close()
      assert.are.same({ 0, 10 }, { copying:await() })
      assert.are.equal("EOF", select(3, client:read()))
    end))

    it("does not let a way that is stuck hold up the other", inside(function()
      local client, server, copying = proxy()
      local flood = rt.spawn_local(function()
        return client:write_all(("x"):rep(4000000)) -- nobody reads it yet
      end)
      server:write_all("answer")
      assert.are.equal("answer", client:read_exact(6))
      assert.is_false(flood:is_finished())
      assert.are.equal(4000000, #server:read_exact(4000000))
      flood:await()
      client:close()
      server:close()
      assert.are.same({ 4000000, 6 }, { copying:await() })
    end))

    it("leaves with both what it could not write", inside(function()
      local client, near = pair()
      local far, server = pair()
      local up, down = ("up"):rep(2000000), ("down"):rep(1000000)
      local function flood(stream, text)
        stream:write_all(text)
        stream:shutdown()
      end
      rt.spawn_local(flood, client, up)
      rt.spawn_local(flood, server, down)
      assert.is_false((rt.timeout(0.05, rt.io.copy_bidirectional, near, far)))
      near:shutdown()
      far:shutdown()
      assert.is_true(server:read_all() .. near:read_all() == up)
      assert.is_true(client:read_all() .. far:read_all() == down)
    end))

    it("ends both ways with the error of one", inside(function()
      local client, near = pair()
      local far, server = pair()
      server:close()
      client:write_all("x")
      local n, message, code = rt.io.copy_bidirectional(near, far)
      assert.are.same({ nil, "EPIPE" }, { n, code })
      assert.truthy(message:find("^EPIPE: "))
      -- They are free again, and nothing that was read is lost.
      assert.are.equal("x", near:read())
      assert.is_true(near:write_all("sorry"))
      assert.are.equal("sorry", client:read())
    end))

    it("takes anything that has the methods", inside(function()
      local both = writer()
      both.read = reader { "he", "llo" }.read
      local a, b = pair()
      local peer = rt.spawn_local(function()
        a:write_all("bye")
        a:shutdown()
        return a:read_all()
      end)
      assert.are.same({ 5, 3 }, { rt.io.copy_bidirectional(both, b) })
      assert.are.equal("bye.", both.text)
      assert.are.equal("hello", peer:await())
    end))

    it("answers the error of such an object", inside(function()
      local both = writer()
      both.read = function() return nil, "EIO: no", "EIO" end
      local a, b = pair()
      assert.are.same({ nil, "EIO: no", "EIO" },
        { rt.io.copy_bidirectional(both, b) })
      both.read = function() error("boom", 0) end
      assert.has_error(function() rt.io.copy_bidirectional(both, b) end, "boom")
      a:close()
    end))

    it("refuses a stream and itself", inside(function()
      local a = pair()
      assert.has_error(function() rt.io.copy_bidirectional(a, a) end,
        "bad argument #2 to 'copy_bidirectional' "
        .. "(this is the same stream as the first)")
    end))
  end)

  it("rt.io.copy blocks a plain thread until the end", function()
    local guard <close> = runtime:enter()
    assert.is_not_nil(guard)
    local a, b = pair()
    local c, d = pair()
    a:write_all("hello")
    a:close()
    assert.are.equal(5, rt.io.copy(b, c))
    assert.are.equal("hello", d:read())
  end)
end)
