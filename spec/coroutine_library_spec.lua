-- rt.coroutine does all that the stock library does.
local rt = require("rthandle")
local has = require("spec.support.has")
local stock = coroutine

-- Runs f in a task of this Lua state.
local function task(f, ...)
  local r <close> = rt.Runtime.new { flavor = "current_thread" }
  return r:block_on(f, ...)
end

-- What plain coroutines do, by both libraries, outside and inside a task.
local places = {
  ["of the stock library"] = function(f) f(stock) end,
  ["of rt.coroutine"] = function(f) f(rt.coroutine) end,
  ["of rt.coroutine in a task"] = function(f)
    task(function() f(rt.coroutine) end)
  end,
  ["of the stock library in a task"] = function(f)
    task(function() f(stock) end)
  end,
}

for place, within in pairs(places) do
  local function test(name, f) it(name, function() within(f) end) end

  describe("coroutines " .. place, function()
    test("pass values in and out", function(co)
      local c = co.create(function(a, b)
        assert.are.same({ 1, 2 }, { a, b })
        local d = table.pack(co.yield(3, nil))
        assert.are.same({ n = 2, nil, 4 }, d)
        return 5, nil
      end)
      assert.are.same({ n = 3, true, 3 }, table.pack(co.resume(c, 1, 2)))
      assert.are.same({ n = 3, true, 5 }, table.pack(co.resume(c, nil, 4)))
      assert.are.equal("dead", co.status(c))
    end)

    test("know their status", function(co)
      local c, seen
      c = co.create(function()
        seen = co.status(c)
        local inner = co.create(function() return co.status(c) end)
        local _, outer = co.resume(inner)
        assert.are.equal("normal", outer)
        co.yield()
      end)
      assert.are.equal("suspended", co.status(c))
      co.resume(c)
      assert.are.equal("running", seen)
      assert.are.equal("suspended", co.status(c))
      co.resume(c)
      assert.are.equal("dead", co.status(c))
    end)

    test("that are dead or run cannot be resumed", function(co)
      local c = co.create(function() end)
      co.resume(c)
      assert.are.same({ false, "cannot resume dead coroutine" },
        { co.resume(c) })
      co.resume(co.create(function()
        assert.are.same({ false, "cannot resume non-suspended coroutine" },
          { co.resume(co.running()) })
      end))
    end)

    test("hand over their errors", function(co)
      local object = {}
      local c = co.create(function() error(object) end)
      assert.are.same({ false, object }, { co.resume(c) })
      assert.are.equal("dead", co.status(c))
      local _, text = co.resume(co.create(function() error("boom", 0) end))
      assert.are.equal("boom", text)
    end)

    test("may be wrapped", function(co)
      local f = co.wrap(function(n)
        for i = 1, n do co.yield(i) end
        return "end"
      end)
      assert.are.same({ 1, 2, "end" }, { f(2), f(), f() })
      local ok, err = pcall(f)
      assert.is_false(ok)
      has(err, "cannot resume dead coroutine")
    end)

    test("that are wrapped raise their errors, with the place", function(co)
      local object = {}
      local ok, err = pcall(co.wrap(function() error(object) end))
      assert.is_false(ok)
      assert.are.equal(object, err)
      ok, err = pcall(co.wrap(function() error("boom", 0) end))
      assert.is_false(ok)
      has(err, "boom")
    end)

    test("make iterators", function(co)
      local function range(n)
        return co.wrap(function() for i = 1, n do co.yield(i) end end)
      end
      local sum = 0
      for i in range(10) do sum = sum + i end
      assert.are.equal(55, sum)
    end)

    test("yield across pcall, metamethods and iterators", function(co)
      local object = setmetatable({}, {
        __add = function(_, n) return co.yield(n) end,
        __index = function(_, k) return co.yield(k) end,
        __call = function(_, ...) return co.yield(...) end,
      })
      local c = co.wrap(function()
        local ok, err = pcall(function()
          co.yield("in pcall")
          error("boom", 0)
        end)
        assert.are.same({ false, "boom" }, { ok, err })
        local list = {}
        for v in function() return co.yield("iterator") end do
          list[#list + 1] = v
        end
        return object + 1, object.key, object("call"), #list
      end)
      assert.are.equal("in pcall", c())
      assert.are.equal("iterator", c())
      assert.are.equal("iterator", c("one"))
      assert.are.equal(1, c(nil))
      assert.are.equal("key", c("sum"))
      assert.are.equal("call", c("index"))
      assert.are.same({ "sum", "index", "called", 1 }, { c("called") })
    end)

    test("close their <close> variables when closed", function(co)
      local closed = {}
      local c = co.create(function()
        local a <close> = setmetatable({}, {
          __close = function(_, err) closed[#closed + 1] = tostring(err) end,
        })
        co.yield(a)
      end)
      co.resume(c)
      assert.is_true(co.close(c))
      assert.are.same({ "nil" }, closed)
      assert.are.equal("dead", co.status(c))
      assert.is_true(co.close(c))
    end)

    test("answer the error of a __close when closed", function(co)
      local c = co.create(function()
        local a <close> = setmetatable({}, {
          __close = function() error("in close", 0) end,
        })
        co.yield(a)
      end)
      co.resume(c)
      assert.are.same({ false, "in close" }, { co.close(c) })
    end)

    test("that run cannot be closed", function(co)
      co.wrap(function()
        local ok, err = pcall(co.close, (co.running()))
        assert.is_false(ok)
        has(err, "cannot close a running coroutine")
      end)()
    end)

    test("know the one that runs", function(co)
      local c
      c = co.create(function()
        local running, main = co.running()
        assert.are.equal(c, running)
        assert.is_false(main)
        assert.is_true(co.isyieldable())
      end)
      assert.are.same({ true }, { co.resume(c) })
      assert.are.equal("thread", type(co.running()))
    end)

    test("refuse wrong arguments", function(co)
      assert.has_error(function() co.create(1) end)
      assert.has_error(function() co.wrap(nil) end)
      assert.has_error(function() co.resume(print) end)
      assert.has_error(function() co.status({}) end)
      assert.has_error(function() co.close() end)
    end)

    test("nest deeply", function(co)
      local function nest(n)
        if n == 0 then
          co.yield("bottom")
          return 0
        end
        local c = co.wrap(nest)
        local v = c(n - 1)
        if v == "bottom" then
          co.yield(v)
          v = c()
        end
        return v + 1
      end
      local c = co.wrap(nest)
      assert.are.equal("bottom", c(50))
      assert.are.equal(50, c())
    end)
  end)
end

describe("rt.coroutine", function()
  it("has every function of the stock library", function()
    for name in pairs(stock) do
      assert.are.equal("function", type(rt.coroutine[name]), name)
    end
  end)

  it("and the stock library work on each other's coroutines", function()
    local c = stock.create(function(a) return stock.yield(a) + 1 end)
    assert.are.same({ true, 1 }, { rt.coroutine.resume(c, 1) })
    assert.are.same({ true, 3 }, { stock.resume(c, 2) })
    c = rt.coroutine.create(function(a) return rt.coroutine.yield(a) end)
    assert.are.same({ true, 1 }, { stock.resume(c, 1) })
    assert.are.same({ true, 2 }, { rt.coroutine.resume(c, 2) })
  end)
end)
