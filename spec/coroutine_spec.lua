-- Coroutines of rt.coroutine may suspend the task that resumes them.
local rt = require("rthandle")
local has = require("spec.support.has")
local stock = coroutine

local PLAIN = "cannot suspend inside a plain coroutine:"
  .. " create it with rthandle.coroutine"

-- Runs f in a task of this Lua state.
local function task(f, ...)
  local r <close> = rt.Runtime.new { flavor = "current_thread" }
  return r:block_on(f, ...)
end

describe("inside a coroutine of rt.coroutine, in a task,", function()
  local co = rt.coroutine

  it("sleep and await suspend the task", function()
    task(function()
      local other = 0
      rt.spawn_local(function()
        for _ = 1, 3 do
          other = other + 1
          rt.yield_now()
        end
      end)
      local c = co.wrap(function()
        rt.sleep(0.001)
        local v = rt.spawn(function() return "value" end):await()
        for _ = 1, 5 do rt.yield_now() end
        return v
      end)
      assert.are.equal("value", c())
      assert.are.equal(3, other)
    end)
  end)

  it("suspensions and yields may alternate", function()
    task(function()
      local c = co.create(function(...)
        rt.yield_now()
        local a = co.yield("first", ...)
        rt.sleep(0.001)
        local b = co.yield("second", a)
        rt.yield_now()
        return "third", b
      end)
      assert.are.same({ true, "first", 1 }, { co.resume(c, 1) })
      assert.are.equal("suspended", co.status(c))
      assert.are.same({ true, "second", 2 }, { co.resume(c, 2) })
      assert.are.same({ true, "third", 3 }, { co.resume(c, 3) })
      assert.are.equal("dead", co.status(c))
    end)
  end)

  it("an iterator may wait between its values", function()
    task(function()
      local list = {}
      for v in co.wrap(function()
        for i = 1, 3 do
          rt.sleep(0.001)
          co.yield(rt.spawn(function(n) return n * n end, i):await())
        end
      end) do
        list[#list + 1] = v
      end
      assert.are.same({ 1, 4, 9 }, list)
    end)
  end)

  it("a suspension passes through all that are nested", function()
    task(function()
      local function nest(n)
        if n == 0 then
          rt.sleep(0.001)
          rt.yield_now()
          return "bottom"
        end
        return co.wrap(nest)(n - 1)
      end
      assert.are.equal("bottom", nest(20))
    end)
  end)

  it("a suspension passes through pcall on every level", function()
    task(function()
      local c = co.wrap(function()
        return pcall(function()
          return co.wrap(function()
            return pcall(function()
              rt.sleep(0.001)
              error("boom", 0)
            end)
          end)()
        end)
      end)
      assert.are.same({ true, false, "boom" }, { c() })
    end)
  end)

  it("an error after a suspension arrives at the resume", function()
    task(function()
      local object = {}
      local c = co.create(function()
        rt.yield_now()
        error(object)
      end)
      assert.are.same({ false, object }, { co.resume(c) })
      assert.are.equal("dead", co.status(c))
      local ok, err = pcall(co.wrap(function()
        rt.yield_now()
        error(object)
      end))
      assert.is_false(ok)
      assert.are.equal(object, err)
    end)
  end)

  it("task_id and the current runtime are the task's", function()
    local r <close> = rt.Runtime.new { flavor = "current_thread" }
    r:block_on(r:spawn_local(function()
      local id = rt.task_id()
      co.wrap(function()
        assert.are.equal(id, rt.task_id())
        rt.yield_now()
        assert.are.equal(id, rt.task_id())
        assert.are.equal(r:handle(), rt.Handle.current())
      end)()
    end))
  end)

  it("timeout works, and closes what it left", function()
    task(function()
      local closed = false
      local late = co.wrap(function()
        return rt.timeout(0.001, function()
          return co.wrap(function()
            local a <close> = setmetatable({}, {
              __close = function() closed = true end,
            })
            rt.sleep(math.huge)
            return a
          end)()
        end)
      end)()
      assert.is_false(late)
      assert.is_true(closed)
    end)
  end)

  it("one that waits is \"normal\" to others, and not theirs to resume",
    function()
      task(function()
        local c = co.create(function()
          rt.yield_now()
          rt.yield_now()
          return "done"
        end)
        local j = rt.spawn_local(function() return co.resume(c) end)
        rt.yield_now()
        if co.status(c) ~= "dead" then
          assert.are.equal("normal", co.status(c))
          assert.are.same({ false, "cannot resume non-suspended coroutine" },
            { co.resume(c) })
          assert.has_error(function() co.close(c) end,
            "cannot close a normal coroutine")
        end
        assert.are.same({ true, "done" }, { j:await() })
      end)
    end)

  it("one may be resumed by several tasks in turn", function()
    task(function()
      local c = co.wrap(function()
        for i = 1, 4 do
          rt.yield_now()
          co.yield(i)
        end
      end)
      local seen = {}
      for _ = 1, 4 do
        rt.spawn_local(function() seen[#seen + 1] = c() end):await()
      end
      assert.are.same({ 1, 2, 3, 4 }, seen)
    end)
  end)

  it("a coroutine that is left behind is collected", function()
    task(function()
      local weak = setmetatable({}, { __mode = "v" })
      do
        local c = co.create(function()
          rt.yield_now()
          co.yield()
        end)
        co.resume(c)
        weak[1] = c
      end
      collectgarbage()
      collectgarbage()
      assert.is_nil(weak[1])
    end)
  end)

  it("spawn_local works", function()
    task(function()
      assert.are.equal(3, co.wrap(function()
        return rt.spawn_local(function()
          rt.yield_now()
          return 3
        end):await()
      end)())
    end)
  end)

  it("block_on is refused", function()
    local r <close> = rt.Runtime.new { flavor = "current_thread" }
    r:block_on(function()
      local ok, err = co.wrap(function()
        return pcall(r.block_on, r, function() end)
      end)()
      assert.is_false(ok)
      has(err, "Cannot start a runtime from within a runtime.")
    end)
  end)
end)

describe("the body of a task", function()
  it("may not yield by itself", function()
    for _, library in ipairs { stock, rt.coroutine } do
      local r <close> = rt.Runtime.new { flavor = "current_thread" }
      local ok, err = pcall(r.block_on, r, function() library.yield(1) end)
      assert.is_false(ok)
      has(err, "attempt to yield from outside a coroutine")
      ok, err = r:block_on(function()
        return rt.spawn_local(function() library.yield(1) end):join()
      end)
      assert.is_false(ok)
      has(err:message(), "attempt to yield from outside a coroutine")
    end
  end)

  it("waits on where a script resumes its coroutine", function()
    task(function()
      local co
      local tx, rx = rt.sync.oneshot()
      local waiting = rt.spawn_local(function()
        co = coroutine.running()
        return rx:recv()
      end)
      rt.yield_now()
      assert.is_true(stock.resume(co))
      assert.is_true(rt.coroutine.resume(co))
      tx:send("waited")
      assert.are.equal("waited", waiting:await())
    end)
  end)

  for name, wait in pairs {
    ["sleep"] = function() rt.sleep(1) end,
    ["a local task"] = function() rt.spawn_local(rt.sleep, 1):await() end,
    ["a nested coroutine"] = function() rt.coroutine.wrap(rt.sleep)(1) end,
  } do
    it("may be aborted once its coroutine was closed in " .. name, function()
      task(function()
        local co
        local waiting = rt.spawn_local(function()
          co = coroutine.running()
          wait()
        end)
        rt.yield_now()
        assert.is_true(stock.close(co))
        waiting:abort()
        local ok, err = waiting:join()
        assert.is_false(ok)
        assert.is_true(err:is_cancelled())
      end)
    end)
  end

  it("is not yieldable for rt.coroutine", function()
    task(function()
      assert.is_false(rt.coroutine.isyieldable())
      rt.coroutine.wrap(function()
        assert.is_true(rt.coroutine.isyieldable())
      end)()
    end)
  end)
end)

describe("inside a stock coroutine, in a task,", function()
  for name, call in pairs {
    sleep = function() rt.sleep(0.001) end,
    yield_now = function() rt.yield_now() end,
    await = function(j) j:await() end,
    join = function(j) j:join() end,
    timeout = function() rt.timeout(1, rt.sleep, 0.001) end,
    ["Sleep:await"] = function() rt.time.Sleep(0.001):await() end,
  } do
    it(name .. " raises", function()
      task(function()
        local j = rt.spawn_local(function() rt.yield_now() end)
        local ok, err = stock.resume(stock.create(call), j)
        assert.is_false(ok)
        has(err, PLAIN)
        j:await()
      end)
    end)
  end

  it("what need not suspend works", function()
    task(function()
      local j = rt.spawn(function() return 1 end)
      while not j:is_finished() do rt.yield_now() end
      assert.are.same({ true, 1 }, { stock.resume(stock.create(function()
        return j:await()
      end)) })
    end)
  end)

  it("a stock one inside one of rt.coroutine is refused as well", function()
    task(function()
      rt.coroutine.wrap(function()
        local ok, err = stock.resume(stock.create(rt.yield_now))
        assert.is_false(ok)
        has(err, PLAIN)
      end)()
    end)
  end)

  it("the task goes on after the refusal", function()
    task(function()
      pcall(stock.wrap(function() rt.sleep(1) end))
      rt.sleep(0.001)
      assert.are.equal(1, rt.spawn(function() return 1 end):await())
    end)
  end)
end)

describe("a suspension", function()
  it("across a C call is refused", function()
    task(function()
      local ok, err = pcall(table.sort, { 2, 1, 3 }, function(a, b)
        rt.yield_now()
        return a < b
      end)
      assert.is_false(ok)
      has(err, "attempt to yield across a C-call boundary")
      ok, err = pcall(string.gsub, "x", "x", function() rt.sleep(1) end)
      assert.is_false(ok)
      has(err, "attempt to yield across a C-call boundary")
      rt.yield_now()
    end)
  end)

  it("across a C call inside a coroutine of rt.coroutine is refused",
    function()
      task(function()
        rt.coroutine.wrap(function()
          local ok, err = pcall(string.gsub, "x", "x", function()
            rt.sleep(1)
          end)
          assert.is_false(ok)
          has(err, "attempt to yield across a C-call boundary")
          rt.yield_now()
        end)()
      end)
    end)

  it("in a metamethod works", function()
    task(function()
      local object = setmetatable({}, {
        __index = function(_, key)
          rt.sleep(0.001)
          return key
        end,
      })
      assert.are.equal("slow", object.slow)
    end)
  end)
end)

describe("in the states of a runtime", function()
  it("the global coroutine is rt.coroutine, in tasks", function()
    for _, flavor in ipairs { "multi_thread", "current_thread" } do
      local r <close> = rt.Runtime.new { flavor = flavor }
      local same, required = r:block_on(r:spawn(function()
        return coroutine == rt.coroutine,
          require "coroutine" == rt.coroutine
      end))
      assert.is_true(same)
      assert.is_true(required)
    end
  end)

  it("the global coroutine is rt.coroutine, in blocking functions", function()
    local r <close> = rt.Runtime.new { worker_threads = 1 }
    assert.is_true(r:block_on(r:spawn_blocking(function()
      return coroutine == rt.coroutine
    end)))
  end)

  it("a plain iterator may wait", function()
    local r <close> = rt.Runtime.new { worker_threads = 2 }
    assert.are.equal(30, r:block_on(r:spawn(function()
      local sum = 0
      for v in coroutine.wrap(function()
        for i = 1, 4 do
          rt.sleep(0.001)
          coroutine.yield(i * i)
        end
      end) do
        sum = sum + v
      end
      return sum
    end)))
  end)

  it("coroutine = rt.coroutine in the script is no new global", function()
    local r <close> = rt.Runtime.new { worker_threads = 1 }
    _G.coroutine = rt.coroutine
    local ok, value = pcall(function()
      return r:block_on(r:spawn(function()
        return coroutine.wrap(function() return "fine" end)()
      end))
    end)
    _G.coroutine = stock
    assert.are.same({ true, "fine" }, { ok, value })
  end)
end)

describe("in a blocking function, a coroutine", function()
  it("may wait: it blocks the thread", function()
    local r <close> = rt.Runtime.new { worker_threads = 1 }
    assert.are.equal("awaited", r:block_on(r:spawn_blocking(function()
      return coroutine.wrap(function()
        rt.sleep(0.001)
        return rt.spawn(function() return "awaited" end):await()
      end)()
    end)))
  end)
end)

describe("in the main script, a coroutine", function()
  for name, library in pairs { stock = stock, ["rt.coroutine"] = rt.coroutine }
  do
    it("of " .. name .. " may wait: it blocks the thread", function()
      local r <close> = rt.Runtime.new { worker_threads = 1 }
      local j = r:spawn(function()
        rt.sleep(0.001)
        return "awaited"
      end)
      assert.are.equal("awaited", library.wrap(function()
        return j:await()
      end)())
    end)

    it("of " .. name .. " may call block_on", function()
      local r <close> = rt.Runtime.new { flavor = "current_thread" }
      assert.are.equal("run", library.wrap(function()
        return r:block_on(function()
          rt.sleep(0.001)
          return "run"
        end)
      end)())
    end)
  end
end)
