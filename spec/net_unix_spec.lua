-- Unix sockets. What streams have in common is in net_stream_spec.
-- (Tokio: uds_stream, uds_split, uds_cred.rs)
local rt = require("rthandle")
local flavors = require("spec.support.flavors")
local net = rt.net

-- A path that is free, in a folder of its own.
local function path()
  local name = os.tmpname()
  os.remove(name)
  finally(function() os.remove(name) end)
  return name
end

flavors(describe, function(new)
  local runtime

  before_each(function() runtime = new() end)
  after_each(function() runtime:close() end)

  it("a listener accepts what connects to its path", function()
    local name = path()
    runtime:block_on(function()
      local listener <close> = assert(net.UnixListener.bind(name))
      assert.are.equal(name, listener:local_addr())
      local client = assert(net.UnixStream.connect(name))
      local server, peer = assert(listener:accept())
      assert.are.equal("", peer) -- the client has no path
      assert.are.equal(name, client:peer_addr())
      assert.are.equal("", client:local_addr())
      client:write_all("hello\n")
      assert.are.equal("hello", server:read_line())
      server:write_all("world")
      server:close()
      assert.are.equal("world", client:read_all())
    end)
  end)

  it("a server in direct style", function()
    local name = path()
    runtime:block_on(function()
      local listener = assert(net.UnixListener.bind(name))
      local serving = rt.spawn(function(l)
        for stream in l:incoming() do
          local line = stream:read_line()
          stream:write_all(line, "!")
          stream:close()
          if line == "last" then break end
        end
        l:close()
      end, listener)
      for _, word in ipairs { "one", "two", "last" } do
        local client <close> = assert(net.UnixStream.connect(name))
        client:write_all(word, "\n")
        assert.are.equal(word .. "!", client:read_all())
      end
      serving:await()
    end)
  end)

  it("a pair is connected to each other, and moves", function()
    runtime:block_on(function()
      local a, b = assert(net.UnixStream.pair())
      local task = rt.spawn(function(s)
        s:write_all(s:read_line():upper())
        s:close()
      end, b)
      a:write_all("hello\n")
      assert.are.equal("HELLO", a:read_all())
      task:await()
    end)
  end)
end)

describe("a path", function()
  it("at which nothing is, is ENOENT", function()
    rt.main(function()
      assert.are.same(
        { nil, "ENOENT: no such file or directory", "ENOENT" },
        { net.UnixStream.connect("/nowhere/at/all") })
    end)
  end)

  it("whose listener has gone stays, and refuses", function()
    local name = path()
    rt.main(function()
      assert(net.UnixListener.bind(name)):close()
      assert.are.same(
        { nil, "ECONNREFUSED: connection refused", "ECONNREFUSED" },
        { net.UnixStream.connect(name) })
      assert.are.same(
        { nil, "EADDRINUSE: address already in use", "EADDRINUSE" },
        { net.UnixListener.bind(name) })
      os.remove(name)
      assert(net.UnixListener.bind(name)):close()
    end)
  end)

  it("that is empty or too long is EINVAL", function()
    rt.main(function()
      for _, name in ipairs { "", "/tmp/" .. ("x"):rep(200) } do
        local message = ("EINVAL: a path of %d bytes (a socket's has 1 to " ..
          "about 100)"):format(#name)
        assert.are.same({ nil, message, "EINVAL" },
          { net.UnixListener.bind(name) })
        assert.are.same({ nil, message, "EINVAL" },
          { net.UnixStream.connect(name) })
      end
    end)
  end)

  it("is a string", function()
    rt.main(function()
      assert.has_error(function() net.UnixListener.bind() end,
        "bad argument #1 to 'bind' (string expected, got no value)")
    end)
  end)
end)

describe("a Unix stream", function()
  it("has no nodelay", function()
    rt.main(function()
      assert.is_nil((net.UnixStream.pair()).set_nodelay)
    end)
  end)

  it("and a TCP stream are different types", function()
    rt.main(function()
      local stream = net.UnixStream.pair()
      assert.matches("^rthandle%.UnixStream: ", tostring(stream))
    end)
  end)
end)
