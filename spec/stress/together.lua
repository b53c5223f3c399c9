-- Random aborts, failures and timeouts over scope, JoinSet and select:
-- whatever happens, every task that began ends, with its scope where that was
-- not itself aborted, and each end is told once.
-- usage: lua spec/stress/together.lua; STRESS=1 for a long run.
local rt = require("rthandle")
local tally = require("spec.support.tally")

local rounds = os.getenv("STRESS") and 200 or 6
local check = tally.check
-- Counts, in this state, the local tasks that began and those that ended.
local began, ended = 0, 0
local function counted(f)
  return function(...)
    began = began + 1
    local count <close> = setmetatable({}, { __close = function()
      ended = ended + 1
    end })
    return f(count, ...)
  end
end

local nap = counted(function() rt.sleep(math.random() / 500) end)
local spin = counted(function()
  for _ = 1, math.random(5) do rt.yield_now() end
end)
local fails = counted(function()
  rt.yield_now()
  error("by chance", 0)
end)
local function remote() rt.sleep(math.random() / 1000) end

local function any(...) return (select(math.random(select("#", ...)), ...)) end

-- A scope with tasks of all kinds, and scopes in it.
local function tree(depth)
  return rt.scope(function(s)
    for _ = 1, math.random(4) do
      if depth > 0 and math.random(3) == 1 then
        s:spawn_local(counted(function() return tree(depth - 1) end))
      elseif math.random(4) == 1 then
        s:spawn(remote)
      else
        s:spawn_local(any(nap, spin, spin, nap, fails))
      end
    end
    return any(nap, spin, function() end)()
  end)
end

-- Waits until all that began have ended.
local function settle(what)
  for _ = 1, 1000 do
    if began == ended then break end
    rt.yield_now()
  end
  check(what, began == ended, began, ended)
  began, ended = 0, 0
end

-- A scope that returns or raises has no task left.
local function scopes()
  for _ = 1, 20 do
    began, ended = 0, 0
    pcall(tree, 0)
    check("all tasks of a scope have ended", began == ended, began, ended)
    -- Where a task fails, others that are in scopes of their own are aborted.
    pcall(tree, 3)
    settle("all tasks of a tree of scopes end")
  end
end

-- One that is aborted or timed out has none soon after.
local function left_scopes()
  for _ = 1, 20 do
    began, ended = 0, 0
    if math.random(2) == 1 then
      rt.timeout(math.random() / 1000, pcall, tree, 3)
    else
      local task = rt.spawn_local(tree, 3)
      rt.sleep(math.random() / 1000)
      task:abort()
      task:join()
    end
    settle("all tasks of a scope that was left end")
  end
end

-- Each task of a set gives one outcome, of the right kind.
local function sets()
  local set <close> = rt.JoinSet.new()
  local stops, outcomes = {}, { ok = 0, panic = 0, cancelled = 0 }
  began, ended = 0, 0
  for i = 1, 60 do
    stops[i] = set:spawn_local(any(nap, spin, fails))
    if i % 3 == 0 then set:spawn(remote) end
  end
  local n = #set
  while #set > 0 do
    stops[math.random(#stops)]:abort()
    local in_time, ok, err = rt.timeout(math.random() / 2000, set.join_next,
      set)
    if in_time then
      local kind = ok and "ok" or err:is_panic() and "panic" or "cancelled"
      outcomes[kind] = outcomes[kind] + 1
    end
  end
  local sum = outcomes.ok + outcomes.panic + outcomes.cancelled
  check("one outcome for each task", sum == n, sum, n)
  check("all tasks of a set have ended", began == ended, began, ended)
end

-- A wait that loses a race leaves its value where it is.
local function races()
  local tx, rx = rt.sync.mpsc(4)
  local task = rt.spawn(function(out)
    for i = 1, 300 do out:send(i) end
    out:close()
  end, tx)
  tx:close()
  began, ended = 0, 0
  local expected, closed = 1, false
  local function take(key, value)
    if key ~= 2 then return end
    if value == nil then
      closed = true
    else
      check("the next value", value == expected, value, expected)
      expected = expected + 1
    end
  end
  while not closed do
    take(rt.select { any(nap, spin), rx })
    if not closed then
      take(select(2, rt.timeout(math.random() / 5000, rt.select,
        { any(nap, spin), rx })))
    end
  end
  check("all values", expected == 301, expected)
  check("what lost a race has ended", began == ended, began, ended)
  task:await()
end

local function run(runtime)
  for _ = 1, rounds do
    runtime:block_on(scopes)
    runtime:block_on(left_scopes)
    runtime:block_on(sets)
    runtime:block_on(races)
  end
end

for _, options in ipairs { { flavor = "current_thread" },
  { worker_threads = 1 }, { worker_threads = 2 }, { worker_threads = 16 } } do
  -- Failures after the first of a scope are seen by nobody.
  options.unhandled_panic = "ignore"
  local runtime <close> = assert(rt.Runtime.new(options))
  run(runtime)
end
tally.exit()
