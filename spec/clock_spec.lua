-- The test clock: what it does, and sleep, timeout and Sleep by it.
-- (Tokio: time_pause.rs, rt_time_start_paused.rs, test_clock.rs, and the tests
-- of time_sleep.rs and time_timeout.rs that stop the clock)
local rt = require("rthandle")
local has = require("spec.support.has")

local MS = 0.001
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

  it("stands still where nothing but a sleep for ever is left", function()
    local r <close> = rt.Runtime.new { worker_threads = 1 }
    local elsewhere = r:handle()
    paused(function()
      rt.spawn_local(rt.sleep, math.huge)
      local before = rt.now()
      local tx, rx = rt.sync.oneshot()
      elsewhere:spawn(function(reply)
        rt.sleep(0.001) -- the other thread is asleep by now
        reply:send(true)
      end, tx)
      rx:recv()
      assert.are.equal(before, rt.now())
    end)
  end)

  it("goes on as ever after a hundred years", function()
    paused(function()
      for _ = 1, 5 do rt.time.advance(20 * 365 * 24 * 3600) end
      local there = rt.now()
      rt.sleep_until(there + 10)
      assert.is_near(there + 10, rt.now(), 2 * MS)
      assert.is_false((rt.timeout(1, rt.sleep, math.huge)))
      rt.time.resume()
      assert.is_false((rt.timeout(0.001, rt.sleep, 3600)))
      assert.is_true(rt.now() < there + 3600)
    end)
  end)

  it("goes no further than 292 years, and a sleep beyond is for ever", function()
    paused(function()
      for _, s in ipairs { 1e10, 1e18, 1e300, math.huge } do
        local before = rt.now()
        assert.matches("bad argument #1 to 'advance' %(the clock does not go "
          .. "that far%)", select(2, pcall(function() rt.time.advance(s) end)))
        assert.are.equal(before, rt.now())
        assert.is_false((rt.timeout(1, rt.sleep, s)))
        assert.is_false((rt.timeout(1, rt.sleep_until, s)))
        local interval = rt.interval(s)
        interval:tick()
        assert.is_false((rt.timeout(1, interval.tick, interval)))
        assert.is_true((rt.timeout(s, rt.sleep, 1)))
      end
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
