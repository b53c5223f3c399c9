-- Many tasks: storms of spawns from blocking functions, runtimes that close at
-- random moments, aborts racing with completion, and a million tasks with the
-- memory back to where it was.
-- usage: lua spec/stress/tasks.lua [seed]; STRESS=1 for much longer runs
local rt = require "rthandle"

local long = os.getenv "STRESS" ~= nil
local seed = tonumber(arg[1]) or os.time()
math.randomseed(seed)
local random = math.random

local passed, failed = 0, 0

-- A case is named as a sentence; it fails by an error.
local function case(name, f, ...)
  local ok, err = xpcall(f, debug.traceback, ...)
  if ok then
    passed = passed + 1
  else
    failed = failed + 1
    io.stderr:write(("%s (seed %d): %s\n"):format(name, seed, err))
  end
end

local function runtime()
  if random(3) == 1 then
    return assert(rt.Runtime.new { flavor = "current_thread" })
  end
  return assert(rt.Runtime.new { worker_threads = random(16) })
end

-- ---- storms ------------------------------------------------------------------

-- Many threads spawn at once; every task must run once.
local function storm(r, threads, tasks)
  local h, joins = r:handle(), {}
  for i = 1, threads do
    joins[i] = r:spawn_blocking(function(n)
      local list, sum = {}, 0
      for k = 1, n do
        list[k] = h:spawn(function(v)
          if v % 3 == 0 then rt.yield_now() end
          if v % 100 == 0 then rt.sleep(0.001) end
          return v
        end, k)
      end
      for _, j in ipairs(list) do sum = sum + j:await() end
      return sum
    end, tasks)
  end
  r:block_on(function()
    for _, j in ipairs(joins) do
      assert(j:await() == tasks * (tasks + 1) // 2)
    end
  end)
end

for _ = 1, long and 100 or 4 do
  case("a storm of spawns from blocking functions is done whole", function()
    local r <close> = runtime()
    storm(r, random(16), long and 2000 or 300)
    assert(r:metrics().num_alive_tasks == 0)
  end)
end

case("two runtimes spawn onto each other", function()
  local a <close> = runtime()
  local b <close> = assert(rt.Runtime.new { worker_threads = 2 })
  local hb, joins = b:handle(), {}
  for i = 1, long and 20000 or 1000 do
    joins[i] = a:spawn(function(n)
      return hb:spawn(function(v) return v + 1 end, n):await()
    end, i)
  end
  a:block_on(function()
    for i, j in ipairs(joins) do assert(j:await() == i + 1) end
  end)
end)

-- ---- closing at random moments -----------------------------------------------

local function forever() while true do rt.yield_now() end end

-- What a runtime may be doing when it is closed.
local works = {
  function(r) return r:spawn(function() return 1 end) end,
  function(r) return r:spawn(function() rt.sleep(math.huge) end) end,
  function(r) return r:spawn(forever) end,
  function(r) return r:spawn_local(function() rt.sleep(math.huge) end) end,
  function(r) return r:spawn_blocking(function() return 1 end) end,
  function(r)
    return r:spawn_blocking(function() pcall(rt.sleep, math.huge) end)
  end,
  function(r)
    return r:spawn_blocking(function()
      pcall(function() rt.spawn(rt.sleep, math.huge):await() end)
    end)
  end,
  function(r)
    return r:spawn(function()
      rt.spawn_blocking(function() end):join()
      return rt.spawn(function() rt.sleep(math.huge) end):join()
    end)
  end,
  function(r) -- spawns while it is closed
    return r:spawn(function()
      while true do
        rt.spawn(function() end)
        rt.yield_now()
      end
    end)
  end,
  function(r)
    local h = r:handle()
    return r:spawn_blocking(function()
      local n = 0
      while h:spawn(function() return true end):join() do n = n + 1 end
      return n
    end)
  end,
  function(r) return r:spawn(function() error "unseen" end) end,
}

-- Answers whether it waited for the end of all.
local function close_it(r)
  local dice = random(5)
  if dice == 1 then
    r:shutdown_background()
  elseif dice == 2 then
    r:shutdown_timeout(random() * 0.002)
  end
  r:close() -- does nothing where it was told already how long to wait
  return dice > 2
end

local function shutdown_once()
  local opts = { unhandled_panic = "ignore" }
  if random(4) == 1 then
    opts.flavor = "current_thread"
  else
    opts.worker_threads = random(4)
  end
  if random(3) == 1 then opts.max_blocking_threads = random(3) end
  local r = assert(rt.Runtime.new(opts))
  local joins = {}
  for i = 1, random(0, 20) do joins[i] = works[random(#works)](r) end
  if random(2) == 1 then
    local s = random() * 0.002
    r:block_on(function()
      for _ = 1, random(0, 5) do rt.yield_now() end
      if s > 0.001 then rt.sleep(s) end
    end)
  end
  for _ = 1, random(0, 3) do
    if #joins > 0 then joins[random(#joins)]:abort() end
  end
  local waited = close_it(r)
  for _, j in ipairs(joins) do assert(not waited or j:is_finished()) end
  for _, j in ipairs(joins) do j:join() end
  -- Tasks that these spawned end by themselves where nobody waited.
  repeat local left = r:metrics().num_alive_tasks until left == 0 or waited
  assert(r:metrics().num_alive_tasks == 0)
end

case("a runtime closes at any moment", function()
  for _ = 1, long and 10000 or 1000 do shutdown_once() end
end)

case("a runtime that is collected at any moment ends", function()
  for _ = 1, long and 1000 or 100 do
    local r = assert(rt.Runtime.new {
      worker_threads = random(4), unhandled_panic = "ignore",
    })
    local joins = {}
    for i = 1, 10 do joins[i] = works[random(3)](r) end
    r = nil -- luacheck: ignore 311
    collectgarbage()
    for _, j in ipairs(joins) do j:join() end
  end
end)

-- ---- aborts --------------------------------------------------------------------

case("an abort that races with the end leaves one outcome", function()
  local r <close> = assert(rt.Runtime.new { worker_threads = 4 })
  local ended, cancelled = 0, 0
  r:block_on(function()
    for _ = 1, long and 2000 or 100 do
      local joins, aborts = {}, {}
      for i = 1, 50 do
        joins[i] = rt.spawn(function(n)
          for _ = 1, n % 7 do rt.yield_now() end
          if n % 5 == 0 then rt.sleep(0.001) end
          return n
        end, i)
        aborts[i] = joins[i]:abort_handle()
      end
      local other = rt.spawn_blocking(function(list)
        for _, a in ipairs(list) do a:abort() end
      end, aborts)
      for i, j in ipairs(joins) do
        local ok, v = j:join()
        if ok then
          assert(v == i)
          ended = ended + 1
        else
          assert(v:is_cancelled())
          cancelled = cancelled + 1
        end
      end
      other:await()
    end
  end)
  assert(ended + cancelled == (long and 2000 or 100) * 50)
end)

case("aborts of local tasks from other threads arrive", function()
  local r <close> = assert(rt.Runtime.new { worker_threads = 2 })
  r:block_on(function()
    for _ = 1, long and 1000 or 50 do
      local aborts, joins, closed = {}, {}, 0
      for i = 1, 20 do
        joins[i] = rt.spawn_local(function()
          local guard <close> = setmetatable({}, {
            __close = function() closed = closed + 1 end,
          })
          rt.sleep(math.huge)
          return guard
        end)
        aborts[i] = joins[i]:abort_handle()
      end
      rt.yield_now()
      rt.spawn(function(list)
        for _, a in ipairs(list) do a:abort() end
      end, aborts)
      for _, j in ipairs(joins) do assert(not j:join()) end
      assert(closed == 20)
    end
  end)
end)

case("timeouts and sleeps by the thousand end", function()
  local r <close> = assert(rt.Runtime.new { worker_threads = 2 })
  r:block_on(function()
    local joins = {}
    for i = 1, long and 100000 or 10000 do
      local spawn = i % 2 == 0 and rt.spawn or rt.spawn_local
      joins[i] = spawn(function(n)
        local ok = rt.timeout(n % 13 / 1000, rt.sleep, n % 7 / 1000)
        if n % 13 > n % 7 + 1 then return ok or "late" end
        return true
      end, i)
    end
    for _, j in ipairs(joins) do j:await() end
  end)
end)

-- ---- memory ---------------------------------------------------------------------

local function resident()
  local f <close> = io.open "/proc/self/status"
  return f and tonumber(f:read("a"):match "VmRSS:%s*(%d+)") or 0 -- KB
end

local function collect()
  collectgarbage()
  collectgarbage()
  return collectgarbage "count" -- KB
end

-- `window` tasks at a time.
local function many(h, n, window, spawn)
  local joins = {}
  for i = 1, n do
    local k = i % window
    if joins[k] then joins[k]:await() end
    joins[k] = spawn(h, function(v) return v end, i)
  end
  for _, j in pairs(joins) do j:await() end
end

-- The allocator may ask the system for more a few times; what leaks grows each
-- time.
local function memory_case(opts, spawn, n)
  -- The stand-alone interpreter collects by generations, and that lets objects
  -- with finalizers pile up for long beside many coroutines, used or not.
  collectgarbage("incremental")
  local r <close> = assert(rt.Runtime.new(opts))
  local h = r:handle()
  r:block_on(many, h, n, 10000, spawn) -- pools and states are filled
  local seen = {}
  repeat
    local count, rss = collect(), resident()
    r:block_on(many, h, n // 4, 10000, spawn)
    local more, rss_more = collect() - count, resident() - rss
    table.insert(seen, ("%.0f and %.0f"):format(more, rss_more))
    assert(#seen < 15, "in each round memory of Lua and resident memory grew by "
      .. table.concat(seen, ", ") .. " KB")
  until more < 1024 and rss_more < 2048
  assert(r:metrics().num_alive_tasks == 0)
end

-- A sanitizer keeps what was freed for a while.
local sanitized = (os.getenv "LUA" or ""):find "san/lua$"
local N = sanitized and 20000 or 1000000
case("a million tasks leave no memory behind, on multi_thread", memory_case,
  { worker_threads = 2 }, function(h, f, i)
    return h:spawn(f, i)
  end, N)
case("a million tasks leave no memory behind, on current_thread", memory_case,
  { flavor = "current_thread" }, function(h, f, i) return h:spawn(f, i) end,
  long and N or N // 4)
case("a million local tasks leave no memory behind", memory_case,
  { flavor = "current_thread" }, function(h, f, i)
    return h:spawn_local(f, i)
  end, N)
case("blocking functions leave no memory behind", memory_case,
  { worker_threads = 1 }, function(h, f, i) return h:spawn_blocking(f, i) end,
  long and N or N // 20)

-- The time limit of this file notices if each wait costs as much as there are.
case("100,000 tasks wait for one and 90,000 give up", function()
  local r <close> = assert(rt.Runtime.new { flavor = "current_thread" })
  local n = sanitized and 2000 or 100000
  r:block_on(function()
    local notify, waiters, ended = rt.sync.Notify(), {}, 0
    local one = rt.spawn_local(notify.notified, notify)
    for i = 1, n do
      waiters[i] = rt.spawn_local(function()
        one:await()
        ended = ended + 1
      end)
    end
    rt.yield_now()
    for i = 1, n do
      if i % 10 ~= 0 then waiters[i]:abort() end
    end
    notify:notify_one()
    for i = 1, n do waiters[i]:join() end
    assert(ended == n // 10, ended)
  end)
end)

case("the coroutines of a burst go when nobody needs them any more", function()
  local r <close> = assert(rt.Runtime.new { flavor = "current_thread" })
  r:block_on(function()
    local tasks = {}
    for i = 1, 10000 do tasks[i] = rt.spawn_local(rt.sleep, 0.01) end
    for i = 1, 10000 do tasks[i]:await() end
  end)
  local kept, tries = collect(), 0
  repeat
    r:block_on(rt.sleep, 0.1)
    tries = tries + 1
  until collect() < kept - 6 * 1024 or tries == 200
  assert(tries > 1, "none was kept")
  assert(tries < 200, "they are still there")
end)

case("runtimes leave no memory behind", function()
  local function some(n)
    for _ = 1, n do
      local r <close> = assert(rt.Runtime.new { worker_threads = 2 })
      r:block_on(r:spawn(function() end))
      r:spawn_blocking(function() end):await()
    end
  end
  some(50)
  local count, rss = collect(), resident()
  some(long and 5000 or 300)
  local count2, rss2 = collect(), resident()
  assert(count2 <= count + 64, ("%.0f to %.0f KB"):format(count, count2))
  assert(sanitized or rss2 <= rss * 1.25 + 8192,
    ("%.0f to %.0f KB"):format(rss, rss2))
end)

print(("%d passed, %d failed"):format(passed, failed))
os.exit(failed == 0)
