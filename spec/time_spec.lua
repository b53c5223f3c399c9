-- sleep, sleep_until, now, timeout, timeout_at, Sleep, awaitables, and the
-- test clock.  (Tokio: time_sleep.rs, time_timeout.rs, time_pause.rs,
-- rt_time_start_paused.rs, test_clock.rs)
local rt = require("rthandle")
local flavors = require("spec.support.flavors")

local MS = 0.001
local SHUTDOWN = "a runtime was found, but it is being shut down"
local nan = 0 / 0

-- Runs f on a clock that stands still until everybody waits.
local function paused(f)
  local r <close> = assert(rt.Runtime.new {
    flavor = "current_thread", start_paused = true,
  })
  return r:block_on(f)
end

local function elapsed(f, ...)
  local before = rt.now()
  f(...)
  return rt.now() - before
end

local function has(text, part)
  if not tostring(text):find(part, 1, true) then
    error(("no %q in %q"):format(part, text), 2)
  end
end

describe("on the stopped clock, sleep", function()
  it("takes its time to the millisecond", function()
    paused(function()
      for _, s in ipairs { 1 * MS, 10 * MS, 60 * MS, 0.1, 1, 59.999, 3600 } do
        local took = elapsed(rt.sleep, s)
        assert.is_true(took >= s - 1e-6)
        assert.is_true(took <= s + 1.001 * MS)
      end
    end)
  end)

  it("of 0 takes no time", function()
    paused(function()
      for _ = 1, 1000 do rt.sleep(0) end
      assert.is_true(elapsed(rt.sleep, 0) <= MS)
    end)
  end)

  it("of less than a millisecond is not early", function()
    paused(function()
      local took = elapsed(rt.sleep, 0.0001)
      assert.is_true(took >= 0.0001 and took <= 1.001 * MS)
    end)
  end)

  it("of years ends", function()
    paused(function()
      local year = 365 * 24 * 3600
      for _, s in ipairs { year / 12, year, 5 * year, 10 * year } do
        local took = elapsed(rt.sleep, s)
        assert.is_true(took >= s - 1e-3 and took <= s + 2 * MS)
      end
    end)
  end)

  it("wakes many in the order of their deadlines", function()
    paused(function()
      local order, joins = {}, {}
      for _, s in ipairs { 0.5, 0.1, 3600, 0.3, 0.2, 64, 7, 4096 * MS } do
        joins[#joins + 1] = rt.spawn_local(function()
          rt.sleep(s)
          order[#order + 1] = s
        end)
      end
      for _, j in ipairs(joins) do j:await() end
      assert.are.same({ 0.1, 0.2, 0.3, 0.5, 4096 * MS, 7, 64, 3600 }, order)
    end)
  end)

  it("is deterministic for a thousand random times", function()
    local function run()
      return paused(function()
        local times, seed = {}, 42
        local start = rt.now()
        for i = 1, 1000 do
          seed = (seed * 1103515245 + 12345) % 2147483648
          rt.sleep(seed % 100000 / 1000)
          times[i] = ("%.3f"):format(rt.now() - start)
        end
        return table.concat(times, " ")
      end)
    end
    assert.are.equal(run(), run())
  end)

  it("in tasks of all kinds follows the same clock", function()
    paused(function()
      local before = rt.now()
      local a = rt.spawn(function()
        rt.sleep(100)
        return rt.now()
      end)
      local b = rt.spawn_local(function()
        rt.sleep(200)
        return rt.now()
      end)
      assert.is_near(before + 100, a:await(), 2 * MS)
      assert.is_near(before + 200, b:await(), 2 * MS)
    end)
  end)

  it("sleep_until a time that has passed is at once", function()
    paused(function()
      rt.sleep(10)
      local now = rt.now()
      rt.sleep_until(now)
      rt.sleep_until(now - 5)
      rt.sleep_until(0)
      assert.is_true(rt.now() - now <= MS)
    end)
  end)

  it("sleep_until comes to that time", function()
    paused(function()
      local goal = rt.now() + 12.345
      rt.sleep_until(goal)
      assert.is_true(rt.now() >= goal - 1e-6)
      assert.is_true(rt.now() <= goal + 1.001 * MS)
    end)
  end)
end)

flavors(describe, function(new)
  describe("sleep", function()
    it("is never early", function()
      local r <close> = new()
      r:block_on(function()
        for _, s in ipairs { 0.0001, 0.001, 0.0015, 0.01 } do
          assert.is_true(elapsed(rt.sleep, s) >= s)
        end
        local goal = rt.now() + 0.0055
        rt.sleep_until(goal)
        assert.is_true(rt.now() >= goal)
      end)
    end)

    it("answers nothing", function()
      local r <close> = new()
      r:block_on(function()
        assert.are.equal(0, select("#", rt.sleep(0)))
        assert.are.equal(0, select("#", rt.sleep(0.001)))
      end)
    end)

    it("of math.huge waits for ever", function()
      local r <close> = new()
      r:block_on(function()
        local j = rt.spawn(function() rt.sleep(math.huge) end)
        local k = rt.spawn(function() rt.sleep_until(math.huge) end)
        rt.sleep(0.002)
        assert.is_false(j:is_finished())
        assert.is_false(k:is_finished())
        for _, join in ipairs { j, k } do
          join:abort()
          local _, err = join:join()
          assert.is_true(err:is_cancelled())
        end
      end)
    end)

    it("lets other tasks run", function()
      local r <close> = new()
      r:block_on(function()
        local ran = false
        rt.spawn_local(function() ran = true end)
        rt.sleep(0.001)
        assert.is_true(ran)
      end)
    end)

    it("works in plain code under an EnterGuard", function()
      local r <close> = new()
      local guard <close> = r:enter()
      assert.is_true(elapsed(rt.sleep, 0.002) >= 0.002)
      assert.is_truthy(guard)
    end)

    it("works in a blocking function", function()
      local r <close> = new()
      assert.is_true(r:block_on(function()
        return rt.spawn_blocking(function()
          local before = rt.now()
          rt.sleep(0.002)
          return rt.now() - before >= 0.002
        end):await()
      end))
    end)
  end)

  describe("a time that is negative or NaN", function()
    for name, call in pairs {
      sleep = rt.sleep, sleep_until = rt.sleep_until,
      timeout = function(s) return rt.timeout(s, print) end,
      timeout_at = function(s) return rt.timeout_at(s, print) end,
      ["time.Sleep"] = rt.time.Sleep,
      ["Sleep:reset"] = function(s) rt.time.Sleep(1):reset(s) end,
    } do
      it("is an error in " .. name, function()
        local r <close> = new()
        r:block_on(function()
          for _, s in ipairs { -1, -0.001, nan, -math.huge, math.mininteger } do
            local ok, err = pcall(call, s)
            assert.is_false(ok)
            has(err, "seconds must be a number from 0")
          end
        end)
      end)

      it("must be a number in " .. name, function()
        local r <close> = new()
        r:block_on(function()
          for _, s in ipairs { "x", {}, true } do
            local ok, err = pcall(call, s)
            assert.is_false(ok)
            has(err, "number expected")
          end
        end)
      end)
    end
  end)

  describe("now", function()
    it("never goes back, and is a float", function()
      local r <close> = new()
      local last = rt.now()
      assert.are.equal("float", math.type(last))
      for _ = 1, 1000 do
        local now = rt.now()
        assert.is_true(now >= last)
        last = now
      end
      r:block_on(function() assert.is_true(rt.now() >= last) end)
    end)

    it("is the same clock in all threads", function()
      local r <close> = new()
      local a = rt.now()
      local b = r:block_on(r:spawn(function() return rt.now() end))
      local c = r:block_on(r:spawn_blocking(function() return rt.now() end))
      local d = rt.now()
      assert.is_true(a <= b and b <= c and c <= d)
    end)
  end)

  describe("timeout", function()
    it("gives true and the values of a function that is ready", function()
      local r <close> = new()
      r:block_on(function()
        assert.are.same({ n = 4, true, 1, nil, nil },
          table.pack(rt.timeout(10, function(...) return ... end, 1, nil, nil)))
        assert.are.same({ n = 1, true },
          table.pack(rt.timeout(10, function() end)))
      end)
    end)

    it("gives true and the values of a function that suspends", function()
      local r <close> = new()
      r:block_on(function()
        assert.are.same({ true, "slow" }, { rt.timeout(10, function()
          rt.sleep(0.001)
          rt.yield_now()
          return "slow"
        end) })
      end)
    end)

    it("gives false and Elapsed to one that is late", function()
      local r <close> = new()
      r:block_on(function()
        local t = table.pack(rt.timeout(0.002, rt.sleep, math.huge))
        assert.are.equal(2, t.n)
        assert.is_false(t[1])
        assert.are.equal("deadline has elapsed", tostring(t[2]))
      end)
    end)

    it("is never early", function()
      local r <close> = new()
      r:block_on(function()
        assert.is_true(elapsed(rt.timeout, 0.003, rt.sleep, math.huge)
          >= 0.003)
      end)
    end)

    it("a ready result wins over a passed deadline", function()
      local r <close> = new()
      r:block_on(function()
        assert.are.same({ true, 1 }, { rt.timeout(0, function()
          return 1
        end) })
        assert.are.same({ true, 2 }, { rt.timeout_at(0, function()
          return 2
        end) })
      end)
    end)

    it("of 0 ends what is not ready", function()
      local r <close> = new()
      r:block_on(function()
        assert.is_false((rt.timeout(0, rt.sleep, math.huge)))
        assert.is_false((rt.timeout_at(rt.now() - 1, rt.sleep, math.huge)))
      end)
    end)

    it("of math.huge never ends", function()
      local r <close> = new()
      r:block_on(function()
        assert.are.same({ true, 1 }, { rt.timeout(math.huge, function()
          rt.sleep(0.002)
          return 1
        end) })
        assert.are.same({ true, 1 }, { rt.timeout_at(math.huge, function()
          rt.sleep(0.002)
          return 1
        end) })
      end)
    end)

    it("passes errors through unchanged", function()
      local r <close> = new()
      r:block_on(function()
        local object = {}
        local ok, err = pcall(rt.timeout, 10, function() error(object) end)
        assert.is_false(ok)
        assert.are.equal(object, err)
        ok, err = pcall(rt.timeout, 10, function()
          rt.sleep(0.001)
          error(object)
        end)
        assert.is_false(ok)
        assert.are.equal(object, err)
      end)
    end)

    it("closes a function that loses, as abort does", function()
      local r <close> = new()
      r:block_on(function()
        local order = {}
        local function note(what)
          return setmetatable({}, {
            __close = function() order[#order + 1] = what end,
          })
        end
        local swallowed = false
        local ok = rt.timeout(0.001, function()
          local a <close> = note("outer")
          local b <close> = note("inner")
          pcall(rt.sleep, math.huge)
          swallowed = true
          return a, b
        end)
        assert.is_false(ok)
        assert.is_false(swallowed)
        assert.are.same({ "inner", "outer" }, order)
      end)
    end)

    it("raises an error of a __close in a function that loses", function()
      local r <close> = new()
      r:block_on(function()
        local ok, err = pcall(rt.timeout, 0.001, function()
          local a <close> = setmetatable({}, {
            __close = function() error("in close", 0) end,
          })
          rt.sleep(math.huge)
          return a
        end)
        assert.is_false(ok)
        assert.are.equal("in close", err)
      end)
    end)

    it("only stops waiting for an awaitable that loses", function()
      local r <close> = new()
      r:block_on(function()
        local gate = os.tmpname()
        os.remove(gate)
        local j = rt.spawn(function()
          local f
          repeat
            rt.yield_now()
            f = io.open(gate)
          until f
          f:close()
          return "later"
        end)
        assert.is_false((rt.timeout(0.001, j)))
        io.open(gate, "w"):close()
        assert.are.equal("later", j:await())
        assert.are.same({ true, "later" }, { rt.timeout(0, j) })
        os.remove(gate)
      end)
    end)

    it("takes every awaitable", function()
      local r <close> = new()
      r:block_on(function()
        assert.are.same({ true, 7 }, { rt.timeout(10, rt.spawn(function()
          return 7
        end)) })
        assert.are.same({ true }, { rt.timeout(10, rt.time.Sleep(0.001)) })
        local object = { value = 9 }
        function object:await()
          rt.sleep(0.001)
          return self.value, "own"
        end
        assert.are.same({ true, 9, "own" }, { rt.timeout(10, object) })
        local class = setmetatable({}, { __index = object })
        assert.are.same({ true, 9, "own" }, { rt.timeout(10, class) })
      end)
    end)

    it("raises the JoinError of a task that failed", function()
      local r <close> = new()
      r:block_on(function()
        local ok, err = pcall(rt.timeout, 10, rt.spawn(function()
          error("boom", 0)
        end))
        assert.is_false(ok)
        assert.are.equal("boom", err:into_panic())
      end)
    end)

    it("refuses what cannot be awaited", function()
      local r <close> = new()
      r:block_on(function()
        for _, value in ipairs { 1, "x", {}, { await = 1 }, io.stdout } do
          local ok, err = pcall(rt.timeout, 1, value)
          assert.is_false(ok)
          has(err, "function or awaitable expected")
        end
      end)
    end)

    it("runs its function as part of the calling task", function()
      local r <close> = new()
      r:block_on(function()
        local same = rt.spawn(function()
          local id = rt.task_id()
          local _, inside = rt.timeout(10, function()
            rt.sleep(0.001)
            return rt.task_id()
          end)
          return id == inside
        end):await()
        assert.is_true(same)
      end)
    end)

    it("is aborted with the task", function()
      local r <close> = new()
      r:block_on(function()
        local closed = false
        local j = rt.spawn_local(function()
          rt.timeout(1000, function()
            local a <close> = setmetatable({}, {
              __close = function() closed = true end,
            })
            rt.sleep(math.huge)
            return a
          end)
        end)
        rt.yield_now()
        j:abort()
        assert.is_false((j:join()))
        assert.is_true(closed)
      end)
    end)

    it("may be nested; the inner one comes first", function()
      local r <close> = new()
      r:block_on(function()
        local ok, inner, elapsed_ = rt.timeout(1000, function()
          return rt.timeout(0.001, rt.sleep, math.huge)
        end)
        assert.are.same({ true, false, "deadline has elapsed" },
          { ok, inner, tostring(elapsed_) })
        ok = rt.timeout(0.001, function()
          return rt.timeout(1000, rt.sleep, math.huge)
        end)
        assert.is_false(ok)
      end)
    end)

    it("is not kept from ending by a function that is always busy", function()
      local r <close> = new()
      r:block_on(function()
        assert.is_false((rt.timeout(0.003, function()
          while true do rt.yield_now() end
        end)))
        assert.is_false((rt.timeout(0.003, function()
          while true do rt.spawn_local(function() end):await() end
        end)))
      end)
    end)

    it("works in plain code under an EnterGuard", function()
      local r <close> = new()
      local guard <close> = r:enter()
      assert.are.same({ true, 1 }, { rt.timeout(10, function() return 1 end) })
      assert.is_false((rt.timeout(0.001, rt.sleep, math.huge)))
      assert.is_truthy(guard)
    end)

    it("works in a blocking function", function()
      local r <close> = new()
      r:block_on(function()
        local a, b = rt.spawn_blocking(function()
          local late = rt.timeout(0.001, rt.sleep, math.huge)
          return late, (rt.timeout(10, function() return 1 end))
        end):await()
        assert.is_false(a)
        assert.is_true(b)
      end)
    end)

    it("timeout_at takes a time of now()", function()
      local r <close> = new()
      r:block_on(function()
        local before = rt.now()
        assert.is_false((rt.timeout_at(before + 0.003, rt.sleep, math.huge)))
        assert.is_true(rt.now() >= before + 0.003)
        assert.are.same({ true, 4 }, { rt.timeout_at(before + 1000, function()
          return 4
        end) })
      end)
    end)

    it("an Elapsed moves to another thread", function()
      local r <close> = new()
      r:block_on(function()
        local _, e = rt.timeout(0, rt.sleep, math.huge)
        local text, back = rt.spawn(function(x)
          return tostring(x), x
        end, e):await()
        assert.are.equal("deadline has elapsed", text)
        assert.are.equal("deadline has elapsed", tostring(back))
      end)
    end)
  end)

  describe("a Sleep", function()
    it("ends at its deadline, and says so", function()
      local r <close> = new()
      r:block_on(function()
        local s = rt.time.Sleep(3600)
        assert.is_false(s:is_elapsed())
        local before = rt.now()
        s:reset(0.003)
        assert.is_true(s:deadline() >= before + 0.003)
        s:await()
        assert.is_true(s:is_elapsed())
        assert.is_true(rt.now() >= s:deadline())
      end)
    end)

    it("that has ended is ready again and again", function()
      local r <close> = new()
      r:block_on(function()
        local s = rt.time.Sleep(0)
        for _ = 1, 3 do s:await() end
        assert.is_true(s:is_elapsed())
      end)
    end)

    it("may be waited for by block_on", function()
      local r <close> = new()
      local guard <close> = r:enter()
      local s = rt.time.Sleep(0.002)
      r:block_on(s)
      assert.is_true(rt.now() >= s:deadline())
      assert.is_truthy(guard)
    end)

    it("may be waited for again after a timeout", function()
      local r <close> = new()
      r:block_on(function()
        local s = rt.time.Sleep(3600)
        assert.is_false((rt.timeout(0.001, s)))
        assert.is_false(s:is_elapsed())
        s:reset(0.001)
        s:await()
        assert.is_true(rt.now() >= s:deadline())
      end)
    end)

    it("may not be moved", function()
      local r <close> = new()
      r:block_on(function()
        local ok, err = pcall(rt.spawn, function() end, rt.time.Sleep(1))
        assert.is_false(ok)
        has(err, "cannot move argument #1: Sleep")
      end)
    end)

    it("of math.huge has that deadline", function()
      local r <close> = new()
      r:block_on(function()
        local s = rt.time.Sleep(math.huge)
        assert.are.equal(math.huge, s:deadline())
        assert.is_false((rt.timeout(0.001, s)))
      end)
    end)

    it("may be dropped while it runs", function()
      local r <close> = new()
      r:block_on(function()
        for _ = 1, 100 do
          local s = rt.time.Sleep(0.001)
          rt.timeout(0, s)
        end
        collectgarbage()
        rt.sleep(0.003)
      end)
    end)

    it("raises once the runtime was closed", function()
      local r = new()
      local s = r:block_on(function() return rt.time.Sleep(1000) end)
      local h = r:handle()
      r:close()
      local ok, err = pcall(h.block_on, h, s)
      assert.is_false(ok)
      has(err, SHUTDOWN)
    end)
  end)

  describe("once the runtime was closed", function()
    for name, call in pairs {
      sleep = function() rt.sleep(1) end,
      sleep_until = function() rt.sleep_until(rt.now() + 1) end,
      timeout = function() rt.timeout(1, rt.sleep, 10) end,
      timeout_at = function() rt.timeout_at(rt.now() + 1, rt.sleep, 10) end,
    } do
      it(name .. " raises", function()
        local r = new()
        local h = r:handle()
        r:close()
        local ok, err = pcall(h.block_on, h, call)
        assert.is_false(ok)
        has(err, SHUTDOWN)
      end)
    end

    it("a sleep that waits in a blocking function raises", function()
      local r = new()
      local name = os.tmpname()
      os.remove(name)
      r:spawn_blocking(function(file)
        io.open(file, "w"):close()
        local ok, err = pcall(rt.sleep, math.huge)
        local f <close> = io.open(file, "w")
        f:write(tostring(ok), " ", tostring(err))
      end, name)
      local f
      repeat f = io.open(name) until f
      f:close()
      r:close() -- waits for it
      f = io.open(name)
      has(f:read("a"), SHUTDOWN)
      f:close()
      os.remove(name)
    end)
  end)
end)

describe("on the stopped clock, a Sleep", function()
  it("may be reset to later before it ends", function()
    paused(function()
      local s = rt.time.Sleep(100)
      local before = rt.now()
      s:reset(200)
      s:await()
      assert.is_near(200, rt.now() - before, 2 * MS)
    end)
  end)

  it("may be reset to sooner before it ends", function()
    paused(function()
      local s = rt.time.Sleep(100)
      local before = rt.now()
      s:reset(10)
      s:await()
      assert.is_near(10, rt.now() - before, 2 * MS)
    end)
  end)

  it("may be reset to now before it ends", function()
    paused(function()
      local s = rt.time.Sleep(100)
      local before = rt.now()
      s:reset(0)
      s:await()
      assert.is_true(rt.now() - before <= 1.001 * MS)
    end)
  end)

  it("may be reset after it ended, to later", function()
    paused(function()
      local s = rt.time.Sleep(1)
      s:await()
      s:reset(50)
      assert.is_false(s:is_elapsed())
      local before = rt.now()
      s:await()
      assert.is_near(50, rt.now() - before, 2 * MS)
      assert.is_true(s:is_elapsed())
    end)
  end)

  it("may be reset after it ended, to now", function()
    paused(function()
      local s = rt.time.Sleep(1)
      s:await()
      s:reset(0)
      local before = rt.now()
      s:await()
      assert.is_true(rt.now() - before <= 1.001 * MS)
    end)
  end)

  it("may be reset while somebody waits for it", function()
    paused(function()
      local s = rt.time.Sleep(100)
      local before = rt.now()
      local woken
      local j = rt.spawn_local(function()
        s:await()
        woken = rt.now() - before
      end)
      rt.yield_now()
      s:reset(300)
      rt.sleep(150)
      assert.is_nil(woken)
      j:await()
      assert.is_near(300, woken, 2 * MS)
      j = rt.spawn_local(function()
        s:reset(1000)
        s:await()
        woken = rt.now()
      end)
      rt.yield_now()
      before = rt.now()
      s:reset(5)
      j:await()
      assert.is_near(5, woken - before, 2 * MS)
    end)
  end)

  it("moves its deadline when it is reset", function()
    paused(function()
      local s = rt.time.Sleep(100)
      assert.is_near(rt.now() + 100, s:deadline(), 2 * MS)
      rt.sleep(10)
      s:reset(100)
      assert.is_near(rt.now() + 100, s:deadline(), 2 * MS)
      s:reset(math.huge)
      assert.are.equal(math.huge, s:deadline())
    end)
  end)

  it("is_elapsed follows the clock, waited for or not", function()
    paused(function()
      local s = rt.time.Sleep(10)
      assert.is_false(s:is_elapsed())
      rt.sleep(5)
      assert.is_false(s:is_elapsed())
      rt.sleep(6)
      s:await()
      assert.is_true(s:is_elapsed())
    end)
  end)
end)

describe("on the stopped clock, timeout", function()
  it("ends at its deadline exactly", function()
    paused(function()
      local before = rt.now()
      assert.is_false((rt.timeout(100, rt.sleep, 200)))
      assert.is_near(100, rt.now() - before, 2 * MS)
    end)
  end)

  it("lets the function win that is ready at the same time", function()
    paused(function()
      local goal = rt.now() + 100
      assert.are.same({ true, "first" }, { rt.timeout_at(goal, function()
        rt.sleep_until(goal)
        return "first"
      end) })
    end)
  end)

  it("lets the function win where both are ready when it looks again",
    function()
      paused(function()
        local started, go
        local j = rt.spawn_local(function()
          return rt.timeout(1, function()
            started = true
            while not go do rt.yield_now() end
            return "first"
          end)
        end)
        repeat rt.yield_now() until started
        go = true
        rt.time.advance(5)
        assert.are.same({ true, "first" }, { j:await() })
      end)
    end)

  it("takes no longer than its function", function()
    paused(function()
      local before = rt.now()
      assert.is_true((rt.timeout(1e6, rt.sleep, 7)))
      assert.is_near(7, rt.now() - before, 2 * MS)
    end)
  end)

  it("works with a very long time", function()
    paused(function()
      for _, s in ipairs { 1e9, 1e12, 1e300, math.huge } do
        assert.is_true((rt.timeout(s, rt.sleep, 1)))
      end
    end)
  end)
end)

describe("the test clock", function()
  local function ct(f, opts)
    opts = opts or {}
    opts.flavor = "current_thread"
    local r <close> = assert(rt.Runtime.new(opts))
    return r:block_on(f)
  end

  it("stands still while somebody computes", function()
    paused(function()
      local before = rt.now()
      for _ = 1, 1e5 do end
      for _ = 1, 100 do rt.yield_now() end
      assert.are.equal(before, rt.now())
    end)
  end)

  it("stands still in a real wait on another thread", function()
    paused(function()
      local before = rt.now()
      rt.spawn_blocking(function()
        local sum = 0
        for i = 1, 1e6 do sum = sum + i end
        return sum
      end):await()
      assert.are.equal(before, rt.now())
    end)
  end)

  it("may be paused at any time", function()
    ct(function()
      rt.time.pause()
      local before = rt.now()
      for _ = 1, 1e5 do end
      assert.are.equal(before, rt.now())
      rt.sleep(1000)
      assert.is_near(before + 1000, rt.now(), 2 * MS)
    end)
  end)

  it("may be paused in a task", function()
    ct(function()
      rt.spawn(function() rt.time.pause() end):await()
      local before = rt.now()
      rt.sleep(1000)
      assert.is_near(before + 1000, rt.now(), 2 * MS)
    end)
  end)

  it("goes on after resume", function()
    paused(function()
      rt.sleep(1000)
      rt.time.resume()
      local before = rt.now()
      repeat until rt.now() > before
      assert.is_true(elapsed(rt.sleep, 0.002) >= 0.002)
    end)
  end)

  it("may be paused again after resume", function()
    paused(function()
      rt.time.resume()
      rt.time.pause()
      local before = rt.now()
      for _ = 1, 1e5 do end
      assert.are.equal(before, rt.now())
    end)
  end)

  it("advance moves it by that much", function()
    paused(function()
      local before = rt.now()
      rt.time.advance(12.5)
      assert.is_near(before + 12.5, rt.now(), 1e-6)
      rt.time.advance(0.0001)
      assert.is_near(before + 12.5001, rt.now(), 1e-6)
      rt.time.advance(0)
      assert.is_near(before + 12.5001, rt.now(), 1e-6)
    end)
  end)

  it("advance ends the sleeps that it passes", function()
    paused(function()
      local woken = {}
      local joins = {}
      for _, s in ipairs { 5, 10, 20 } do
        joins[s] = rt.spawn_local(function()
          rt.sleep(s)
          woken[s] = true
        end)
      end
      rt.yield_now()
      rt.time.advance(10.5)
      for _ = 1, 5 do rt.yield_now() end
      assert.are.same({ true, true }, { woken[5], woken[10] })
      assert.is_nil(woken[20])
      joins[20]:await()
    end)
  end)

  it("refuses to be paused twice", function()
    paused(function()
      local ok, err = pcall(rt.time.pause)
      assert.is_false(ok)
      has(err, "time is already frozen")
    end)
  end)

  it("refuses resume and advance while it goes", function()
    ct(function()
      local ok, err = pcall(rt.time.resume)
      assert.is_false(ok)
      has(err, "time is not frozen")
      ok, err = pcall(rt.time.advance, 1)
      assert.is_false(ok)
      has(err, "time is not frozen")
    end)
  end)

  it("refuses to advance by a negative time", function()
    paused(function()
      for _, s in ipairs { -1, nan } do
        assert.is_false((pcall(rt.time.advance, s)))
      end
    end)
  end)

  it("is refused on multi_thread", function()
    local r <close> = rt.Runtime.new { worker_threads = 1 }
    r:block_on(function()
      for _, call in ipairs { rt.time.pause, rt.time.resume,
        function() rt.time.advance(1) end } do
        local ok, err = pcall(call)
        assert.is_false(ok)
        has(err, "current_thread")
      end
    end)
  end)

  it("is refused outside of a runtime", function()
    for _, call in ipairs { rt.time.pause, rt.time.resume,
      function() rt.time.advance(1) end } do
      local ok, err = pcall(call)
      assert.is_false(ok)
      has(err, "there is no reactor running")
    end
  end)

  it("stands still between two block_ons", function()
    local r <close> = rt.Runtime.new {
      flavor = "current_thread", start_paused = true,
    }
    local before = r:block_on(function() return rt.now() end)
    for _ = 1, 1e5 do end
    assert.are.equal(before, r:block_on(function() return rt.now() end))
  end)

  it("belongs to its runtime", function()
    local a <close> = rt.Runtime.new {
      flavor = "current_thread", start_paused = true,
    }
    local b <close> = rt.Runtime.new { flavor = "current_thread" }
    a:block_on(function() rt.sleep(1e6) end)
    assert.is_true(b:block_on(function() return rt.now() end) < a:block_on(
      function() return rt.now() end))
  end)
end)

describe("block_on and timeout take any object that has await:", function()
  it("a table", function()
    local r <close> = rt.Runtime.new { flavor = "current_thread" }
    local object = {}
    function object:await(...)
      rt.yield_now()
      return self, ...
    end
    assert.are.same({ object, 1, 2 }, { r:block_on(object, 1, 2) })
    assert.are.same({ object, 1 }, { r:handle():block_on(object, 1) })
  end)

  it("a Sleep, a JoinHandle", function()
    local r <close> = rt.Runtime.new { flavor = "current_thread" }
    r:block_on(r:block_on(function() return rt.time.Sleep(0.001) end))
    assert.are.equal(1, r:block_on(r:spawn(function() return 1 end)))
  end)

  it("nothing else", function()
    local r <close> = rt.Runtime.new { flavor = "current_thread" }
    for _, value in ipairs { 1, "x", {}, true, r } do
      local ok, err = pcall(r.block_on, r, value)
      assert.is_false(ok)
      has(err, "function or awaitable expected")
    end
    assert.has_error(function() r:block_on() end)
  end)
end)
