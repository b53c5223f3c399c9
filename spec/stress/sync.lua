-- Random aborts and timeouts over every primitive: whatever happens to the
-- waits, no message, permit or lock goes missing.
-- usage: lua spec/stress/sync.lua; STRESS=1 for a long run.
local rt = require("rthandle")

local rounds = os.getenv("STRESS") and 200 or 4
local passed, failed = 0, 0

local function check(name, good, ...)
  if good then
    passed = passed + 1
  else
    failed = failed + 1
    print("failed: " .. name, ...)
  end
end

-- Aborts tasks of the list by chance until all have ended.
local function harass(tasks)
  for _ = 1, #tasks do
    tasks[math.random(#tasks)]:abort()
    rt.yield_now()
  end
end

-- Messages: each that a send reported comes, at most once.
local function messages()
  local tx, rx = rt.sync.mpsc(4)
  local senders = {}
  for i = 1, 8 do
    senders[i] = rt.spawn(function(id)
      local out <close> = tx
      local sent = 0
      for n = 1, 50 do
        local ok, answer = rt.timeout(math.random() / 500, out.send, out,
          id * 1000 + n)
        if ok and answer then sent = sent + 1 end
      end
      return sent
    end, i)
  end
  tx:close()
  local got, seen = 0, {}
  while true do
    local ok, value, why = rt.timeout(math.random() / 1000, rx)
    if ok and value then
      check("a message comes once", not seen[value], value)
      seen[value] = true
      got = got + 1
    elseif ok and why == "closed" then
      break
    end
  end
  local sent = 0
  for i = 1, 8 do sent = sent + senders[i]:await() end
  check("messages", sent == got, sent, got)
end

-- Permits and locks: all are back when every task has ended.
local function permits()
  local semaphore = rt.sync.Semaphore(3)
  local mutex, rwlock = rt.sync.Mutex(0), rt.sync.RwLock(0)
  local notify = rt.sync.Notify()
  local tasks = {}
  for i = 1, 16 do
    tasks[i] = rt.spawn(function()
      for _ = 1, 10 do
        rt.timeout(math.random() / 500, function()
          local permit <close> = semaphore:acquire(math.random(3))
          rt.select { notify, rt.yield_now }
          local a <close> = mutex:lock()
          a:update(function(n) return n + 1 end)
          local b <close> = math.random(2) == 1 and rwlock:read()
            or rwlock:write()
          rt.yield_now()
          return permit, b
        end)
        notify:notify_one()
      end
    end)
  end
  harass(tasks)
  for i = 1, 16 do tasks[i]:join() end
  collectgarbage()
  check("permits", semaphore:available_permits() == 3,
    semaphore:available_permits())
  check("the mutex is free", mutex:try_lock() ~= nil)
  check("the rwlock is free", rwlock:try_write() ~= nil)
end

-- A set gives one outcome for each of its tasks.
local function sets()
  local set <close> = rt.JoinSet.new()
  local stops = {}
  for i = 1, 40 do
    stops[i] = set:spawn(function() rt.sleep(math.random() / 500) end)
  end
  harass(stops)
  local n = 0
  while true do
    local ok, outcome = rt.timeout(math.random() / 1000, set.join_next, set)
    if ok and outcome == nil then break end
    if ok then n = n + 1 end
  end
  check("outcomes", n == 40, n)
end

for _, workers in ipairs { 1, 2, 4, 16 } do
  local runtime <close> = assert(rt.Runtime.new { worker_threads = workers })
  for _ = 1, rounds do
    runtime:block_on(messages)
    runtime:block_on(permits)
    runtime:block_on(sets)
  end
end
print(("%d passed, %d failed"):format(passed, failed))
os.exit(failed == 0)
