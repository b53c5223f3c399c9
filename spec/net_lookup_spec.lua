-- Names. (Tokio: net_lookup_host.rs.) A resolver that hangs: c/lua_lookup_test.
local rt = require("rthandle")
local flavors = require("spec.support.flavors")
local net = rt.net

flavors(describe, function(new)
  local runtime

  before_each(function() runtime = new() end)
  after_each(function() runtime:close() end)

  it("lookup_host lists the addresses of a name", function()
    runtime:block_on(function()
      local list = assert(net.lookup_host("localhost:80"))
      assert.is_true(#list >= 1)
      for _, address in ipairs(list) do
        assert.is_truthy(address == "127.0.0.1:80" or address == "[::1]:80",
          address)
      end
      assert.are.same(list, assert(net.lookup_host("localhost", 80)))
    end)
  end)

  it("lookup_host answers numbers as they are", function()
    runtime:block_on(function()
      assert.are.same({ "127.0.0.1:3000" }, net.lookup_host("127.0.0.1:3000"))
      assert.are.same({ "[::1]:3000" }, net.lookup_host("[::1]:3000"))
      assert.are.same({ "[::1]:3000" }, net.lookup_host("::1", 3000))
    end)
  end)

  it("a name that is none is EAI_NONAME, or a reason of the resolver's",
    function()
      runtime:block_on(function()
        -- Longer than any part of a name: no server needs to be asked.
        local nobody = ("x"):rep(64) .. ".invalid:80"
        for _, call in ipairs { net.lookup_host, net.TcpStream.connect,
          net.TcpListener.bind } do
          local nothing, message, code = call(nobody)
          assert.is_nil(nothing)
          assert.matches("^EAI_", code)
          assert.are.equal(code .. ": ", message:sub(1, #code + 2))
        end
      end)
    end)

  it("many lookups go on at once, and other tasks meanwhile", function()
    runtime:block_on(function()
      local set <close> = rt.JoinSet.new()
      for port = 1, 20 do
        set:spawn(function(p)
          return #assert(require("rthandle").net.lookup_host("localhost", p))
        end, port)
      end
      for _, n in ipairs(set:join_all()) do assert.is_true(n >= 1) end
    end)
  end)
end)

describe("lookup_host", function()
  it("wants a port", function()
    rt.main(function()
      assert.are.same({ nil,
        "EINVAL: 'localhost' is not an address (host:port)", "EINVAL" },
        { net.lookup_host("localhost") })
    end)
  end)

  it("waits on a plain thread, and in a blocking function", function()
    local runtime <close> = rt.Runtime.new { worker_threads = 1 }
    local guard <close> = runtime:enter()
    assert.is_not_nil(guard)
    local list = assert(net.lookup_host("localhost:80"))
    assert.are.same(list, runtime:spawn_blocking(function()
      return require("rthandle").net.lookup_host("localhost:80")
    end):await())
  end)

  it("needs a runtime", function()
    local ok, err = pcall(net.lookup_host, "localhost:80")
    assert.is_false(ok)
    assert.matches("there is no reactor running", err, 1, true)
  end)

  it("that is given up harms nobody", function()
    rt.main(function()
      for _ = 1, 20 do
        rt.select { function() return net.lookup_host("localhost:80") end,
          default = function() end }
      end
      assert(net.lookup_host("localhost:80"))
    end)
  end)
end)
