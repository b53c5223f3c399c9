-- Intervals, on the test clock. (Tokio: time_interval.rs)
local rt = require("rthandle")

-- Runs f with the clock stopped; times are from its begin.
local function paused(f)
  return function()
    rt.main(function()
      local start = rt.now()
      f(function(t) return math.floor((t - start) * 1000 + 0.5) end, start)
    end, { flavor = "current_thread", start_paused = true })
  end
end

describe("an interval", function()
  it("ticks at once, then at its period", paused(function(ms)
    local v = rt.interval(0.3)
    for i = 0, 3 do
      assert.are.equal(300 * i, ms(v:tick()))
      assert.are.equal(300 * i, ms(rt.now()))
    end
    assert.are.equal(300, math.floor(v:period() * 1000 + 0.5))
  end))

  it("begins where interval_at says", paused(function(ms, start)
    local v = rt.interval_at(start + 5, 1)
    assert.are.equal(5000, ms(v:tick()))
    assert.are.equal(6000, ms(v:tick()))
  end))

  local function ticks(how)
    return function(ms)
      local v, list = rt.interval(0.3), {}
      if how then v:missed_tick_behavior(how) end
      v:tick()
      rt.time.advance(1)
      for i = 1, 4 do
        list[2 * i - 1] = ms(v:tick())
        list[2 * i] = ms(rt.now())
      end
      return list
    end
  end

  it("makes up for missed ticks by default", paused(function(ms)
    assert.are.same({ 300, 1000, 600, 1000, 900, 1000, 1200, 1200 },
      ticks()(ms))
  end))

  it("goes on a period after a late tick with delay", paused(function(ms)
    assert.are.same({ 300, 1000, 1300, 1300, 1600, 1600, 1900, 1900 },
      ticks("delay")(ms))
  end))

  it("keeps the rhythm with skip", paused(function(ms)
    assert.are.same({ 300, 1000, 1200, 1200, 1500, 1500, 1800, 1800 },
      ticks("skip")(ms))
  end))

  -- Late by more than a period, then by less: what each tick was due at, and
  -- when it came.
  local function late(how)
    return function(ms)
      local v, list = rt.interval(0.3), {}
      v:missed_tick_behavior(how)
      local function tick()
        list[#list + 1] = ms(v:tick())
        list[#list + 1] = ms(rt.now())
      end
      tick()
      rt.time.advance(0.65)
      for _ = 1, 3 do tick() end
      rt.time.advance(0.4)
      for _ = 1, 2 do tick() end
      return list
    end
  end

  it("has the schedule of burst", paused(function(ms)
    assert.are.same({ 0, 0, 300, 650, 600, 650, 900, 900, 1200, 1300,
      1500, 1500 }, late("burst")(ms))
  end))

  it("has the schedule of delay", paused(function(ms)
    assert.are.same({ 0, 0, 300, 650, 950, 950, 1250, 1250, 1550, 1650,
      1950, 1950 }, late("delay")(ms))
  end))

  it("has the schedule of skip", paused(function(ms)
    assert.are.same({ 0, 0, 300, 650, 900, 900, 1200, 1200, 1500, 1600,
      1800, 1800 }, late("skip")(ms))
  end))

  it("is not late by up to 5 ms", paused(function(ms)
    local v = rt.interval(0.3)
    v:missed_tick_behavior("delay")
    v:tick()
    rt.time.advance(0.304)
    assert.are.equal(300, ms(v:tick()))
    assert.are.equal(600, ms(v:tick()))
  end))

  it("of math.huge ticks once", paused(function(ms)
    local v = rt.interval(math.huge)
    assert.are.equal(math.huge, v:period())
    assert.are.equal(0, ms(v:tick()))
    assert.is_false((rt.timeout(1e6, v.tick, v)))
    v:reset()
    assert.is_false((rt.timeout(1e6, v.tick, v)))
  end))

  it("refuses two that wait for it", paused(function()
    local v = rt.interval(10)
    v:tick()
    local other = rt.spawn_local(v.tick, v)
    rt.yield_now()
    local ok, err = pcall(function() v:tick() end)
    assert.is_false(ok)
    assert.matches("interval_spec.lua:%d+: Interval is already awaited", err)
    other:abort()
    other:join()
    assert.is_number(v:tick())
  end))

  it("ticks a period after a reset", paused(function(ms)
    local v = rt.interval(1)
    v:tick()
    rt.time.advance(0.5)
    v:reset()
    assert.are.equal(1500, ms(v:tick()))
  end))

  it("loses no tick when a wait for it is given up", paused(function(ms)
    local v = rt.interval(1)
    v:tick()
    assert.is_false((rt.timeout(0.4, v.tick, v)))
    assert.are.equal(1000, ms(v:tick()))
  end))

  it("says how it treats missed ticks", paused(function()
    local v = rt.interval(1)
    assert.are.equal("burst", v:missed_tick_behavior())
    v:missed_tick_behavior("skip")
    assert.are.equal("skip", v:missed_tick_behavior())
    local ok, err = pcall(function() v:missed_tick_behavior("never") end)
    assert.is_false(ok)
    assert.matches("interval_spec.lua:%d+: .*invalid option 'never'", err)
  end))

  it("refuses a period of 0, and code outside of a runtime", function()
    local ok, err = pcall(function() rt.interval(0) end)
    assert.is_false(ok)
    assert.matches("interval_spec.lua:%d+: .*`period` must be non%-zero",
      err)
    assert.has_error(function() rt.interval(1) end)
  end)

  it("names the line of a bad time", paused(function()
    for _, bad in ipairs { -1, 0 / 0, "x" } do
      for _, call in ipairs {
        function() rt.interval(bad) end,
        function() rt.interval_at(bad, 1) end,
        function() rt.interval_at(0, bad) end,
      } do
        local ok, err = pcall(call)
        assert.is_false(ok)
        assert.matches("interval_spec.lua:%d+: bad argument", err)
      end
    end
    assert.has_error(function() rt.interval_at(1, 0) end)
  end))
end)
