-- Tasks of one Lua state: starting, switching, sleeping.

local measure = require "measure"
local need, ns = measure.need, measure.ns

local function empty() end

-- In a task of the competitor, so that nothing is paid twice for the loop.

local function in_rthandle(f)
  local rt = need "rthandle"
  return rt.main(function() return f(rt) end, { flavor = "current_thread" })
end

local function in_cqueues(f)
  local cqueues = need "cqueues"
  local loop, value = cqueues.new(), nil
  loop:wrap(function() value = f(cqueues) end)
  assert(loop:loop())
  return value
end

local function in_copas(f)
  local copas, value = need "copas", nil
  copas(function() value = f(copas) end)
  return value
end

local benches = {}

-- ---- one task after the other --------------------------------------------
-- Rounds are short: one that the system interrupts is seldom the median.

benches.spawn_await = {
  unit = "ns",
  plain = function()
    local create, resume = coroutine.create, coroutine.resume
    return ns(1000, function()
      for _ = 1, 1000 do resume(create(empty)) end
    end)
  end,
  rthandle = function()
    return in_rthandle(function(rt)
      return ns(1000, function()
        for _ = 1, 1000 do rt.spawn_local(empty):await() end
      end)
    end)
  end,
  cqueues = function()
    local promise = need "cqueues.promise"
    return in_cqueues(function()
      return ns(1000, function()
        for _ = 1, 1000 do promise.new(empty):get() end
      end)
    end)
  end,
  copas = function()
    return in_copas(function()
      local add = need "copas.future".addthread
      return ns(100, function()
        for _ = 1, 100 do add(empty):get() end
      end)
    end)
  end,
}

-- ---- 10,000 at a time ------------------------------------------------------

benches.spawn_many = {
  unit = "ns",
  plain = function()
    local create, resume = coroutine.create, coroutine.resume
    return ns(10000, function()
      local tasks = {}
      for i = 1, 10000 do tasks[i] = create(empty) end
      for i = 1, 10000 do resume(tasks[i]) end
    end)
  end,
  rthandle = function()
    return in_rthandle(function(rt)
      return ns(10000, function()
        local tasks = {}
        for i = 1, 10000 do tasks[i] = rt.spawn_local(empty) end
        for i = 1, 10000 do tasks[i]:await() end
      end)
    end)
  end,
  cqueues = function()
    local promise = need "cqueues.promise"
    return in_cqueues(function()
      return ns(10000, function()
        local tasks = {}
        for i = 1, 10000 do tasks[i] = promise.new(empty) end
        for i = 1, 10000 do tasks[i]:get() end
      end)
    end)
  end,
  copas = function()
    return in_copas(function()
      local add = need "copas.future".addthread
      return ns(10000, function()
        local tasks = {}
        for i = 1, 10000 do tasks[i] = add(empty) end
        for i = 1, 10000 do tasks[i]:get() end
      end)
    end)
  end,
}

-- ---- switching -----------------------------------------------------------

-- One task that yields for `n` rounds.
local function yields(yield, n)
  return function()
    for _ = 1, n do yield() end
  end
end

benches.yield_one = {
  unit = "ns",
  plain = function()
    local resume = coroutine.resume
    local task = coroutine.create(yields(coroutine.yield, math.huge))
    return ns(1000, function()
      for _ = 1, 1000 do resume(task) end
    end)
  end,
  rthandle = function()
    return in_rthandle(function(rt)
      return ns(1000, yields(rt.yield_now, 1000))
    end)
  end,
  cqueues = function()
    return in_cqueues(function(cqueues)
      return ns(1000, yields(function() cqueues.sleep(0) end, 1000))
    end)
  end,
  copas = function()
    return in_copas(function(copas)
      return ns(1000, yields(copas.pause, 1000))
    end)
  end,
}

local TASKS, YIELDS = 200, 1000

benches.yield_many = {
  unit = "ns",
  plain = function()
    local create, resume = coroutine.create, coroutine.resume
    return ns(TASKS * YIELDS, function()
      local tasks = {}
      for i = 1, TASKS do
        tasks[i] = create(yields(coroutine.yield, YIELDS))
      end
      for _ = 0, YIELDS do
        for i = 1, TASKS do resume(tasks[i]) end
      end
    end)
  end,
  rthandle = function()
    return in_rthandle(function(rt)
      return ns(TASKS * YIELDS, function()
        local tasks = {}
        for i = 1, TASKS do
          tasks[i] = rt.spawn_local(yields(rt.yield_now, YIELDS))
        end
        for i = 1, TASKS do tasks[i]:await() end
      end)
    end)
  end,
  cqueues = function()
    local cqueues = need "cqueues"
    return ns(TASKS * YIELDS, function()
      local loop = cqueues.new()
      for _ = 1, TASKS do
        loop:wrap(yields(function() cqueues.sleep(0) end, YIELDS))
      end
      assert(loop:loop())
    end)
  end,
  copas = function()
    return in_copas(function(copas)
      local add = need "copas.future".addthread
      return ns(TASKS * YIELDS, function()
        local tasks = {}
        for i = 1, TASKS do tasks[i] = add(yields(copas.pause, YIELDS)) end
        for i = 1, TASKS do tasks[i]:get() end
      end)
    end)
  end,
}

-- ---- 10,000 sleeps of 10 ms at a time ------------------------------------

local SLEEPS = 10000

local function ms(round) return measure.round(round) * 1e3 end

benches.sleep_many = {
  unit = "ms",
  rthandle = function()
    return in_rthandle(function(rt)
      local function task() rt.sleep(0.01) end
      return ms(function()
        local tasks = {}
        for i = 1, SLEEPS do tasks[i] = rt.spawn_local(task) end
        for i = 1, SLEEPS do tasks[i]:await() end
      end)
    end)
  end,
  luv = function() -- a timer and a coroutine for each sleep
    local uv = need "luv"
    local function task()
      local me, timer = coroutine.running(), uv.new_timer()
      timer:start(10, 0, function()
        timer:close()
        coroutine.resume(me)
      end)
      coroutine.yield()
    end
    return ms(function()
      for _ = 1, SLEEPS do coroutine.wrap(task)() end
      uv.run()
    end)
  end,
  cqueues = function()
    local cqueues = need "cqueues"
    local function task() cqueues.sleep(0.01) end
    return ms(function()
      local loop = cqueues.new()
      for _ = 1, SLEEPS do loop:wrap(task) end
      assert(loop:loop())
    end)
  end,
  copas = function()
    return in_copas(function(copas)
      local add = need "copas.future".addthread
      local function task() copas.pause(0.01) end
      return ms(function()
        local tasks = {}
        for i = 1, SLEEPS do tasks[i] = add(task) end
        for i = 1, SLEEPS do tasks[i]:get() end
      end)
    end)
  end,
}

-- ---- deadlines -------------------------------------------------------------

-- A timeout that never fires: of a function that is ready, and of one that
-- waits once.
local function timeouts(f)
  return {
    unit = "ns",
    rthandle = function()
      return in_rthandle(function(rt)
        local body = f(rt)
        return ns(1000, function()
          for _ = 1, 1000 do rt.timeout(1, body) end
        end)
      end)
    end,
  }
end

benches.timeout_ready = timeouts(function() return empty end)
benches.timeout_waits = timeouts(function(rt) return rt.yield_now end)

-- One of 1,000 sleeps that are started, then cancelled, long before they would
-- end, while `pending` others go on.
local function sleeps(pending)
  return {
    unit = "ns",
    rthandle = function()
      return in_rthandle(function(rt)
        local function start(n)
          local tasks = {}
          for i = 1, n do
            tasks[i] = rt.spawn_local(rt.sleep, 1000 + i % 1000)
          end
          rt.yield_now()
          return tasks
        end
        local others = start(pending)
        collectgarbage()
        collectgarbage("stop") -- its work grows with what lives
        local took = ns(1000, function()
          local tasks = start(1000)
          for i = 1, 1000 do tasks[i]:abort() end
          for i = 1, 1000 do tasks[i]:join() end
        end)
        for i = 1, pending do others[i]:abort() end
        return took
      end)
    end,
  }
end

benches.sleep_cancel = sleeps(0)
benches.sleep_cancel_1e5 = sleeps(100000)

-- ---- tasks together --------------------------------------------------------

local SET = 10000

-- One of 10,000 tasks of a JoinSet, its outcome included.
benches.join_set = {
  unit = "ns",
  rthandle = function()
    return in_rthandle(function(rt)
      return ns(SET, function()
        local set <close> = rt.JoinSet.new()
        for _ = 1, SET do set:spawn_local(empty) end
        for _ = 1, SET do set:join_next() end
      end)
    end)
  end,
}

-- ---- memory of suspended tasks -------------------------------------------

-- Resident bytes of each of `n` tasks that start(n) starts and suspends.
local function bytes(n, start)
  start(100)
  collectgarbage()
  local before = measure.resident()
  start(n)
  collectgarbage()
  return (measure.resident() - before) / n
end

local keep = {} -- plain coroutines; the others' loops hold their tasks

-- Makes functions that wait: a closure for each task, as a task that does
-- something has.
local function waiters(wait)
  return function()
    return function() wait(1e6) end
  end
end

local function memory(n)
  return {
    unit = "bytes",
    plain = function()
      return bytes(n, function(k)
        local waiter = waiters(coroutine.yield)
        for _ = 1, k do
          local task = coroutine.create(waiter())
          coroutine.resume(task)
          keep[#keep + 1] = task
        end
      end)
    end,
    rthandle = function()
      return in_rthandle(function(rt)
        return bytes(n, function(k)
          local waiter = waiters(rt.sleep)
          for _ = 1, k do rt.spawn_local(waiter()) end
          rt.sleep(0.01) -- by then each has run up to its own sleep
        end)
      end)
    end,
    cqueues = function()
      local cqueues = need "cqueues"
      local loop = cqueues.new()
      return bytes(n, function(k)
        local waiter = waiters(cqueues.sleep)
        for _ = 1, k do loop:wrap(waiter()) end
        assert(loop:step(0))
      end)
    end,
    copas = function()
      local copas = need "copas"
      return bytes(n, function(k)
        local waiter = waiters(copas.pause)
        for _ = 1, k do copas.addthread(waiter()) end
        copas.step(0)
      end)
    end,
  }
end

benches.memory_1e5 = memory(100000)
benches.memory_1e6 = memory(1000000)

measure.main(benches)
