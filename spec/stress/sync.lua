-- Random aborts and timeouts over every primitive: whatever happens to the
-- waits, no message, permit, lock or notification goes missing.
-- usage: lua spec/stress/sync.lua; STRESS=1 for a long run.
local rt = require("rthandle")
local tally = require("spec.support.tally")

local rounds = os.getenv("STRESS") and 200 or 4
local check = tally.check
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

-- One value for each request, or the sender hears that nobody waits any more.
local function answers()
  local tx, rx = rt.sync.mpsc(4)
  local server = rt.spawn(function(from)
    local answered, refused = 0, 0
    for reply in from:iter() do
      if math.random(3) == 1 then rt.yield_now() end
      if reply:send("answer") then
        answered = answered + 1
      else
        refused = refused + 1
      end
    end
    return answered, refused
  end, rx)
  local clients = {}
  for i = 1, 8 do
    clients[i] = rt.spawn(function(out)
      local asked, got = 0, 0
      for _ = 1, 20 do
        local reply <const>, answer = rt.sync.oneshot()
        if not out:send(reply) then break end
        asked = asked + 1
        -- A wait that is given up leaves the value to the next one.
        local ok, value = rt.timeout(math.random() / 2000, answer)
        if not ok then value = answer:recv() end
        if value == "answer" then got = got + 1 end
      end
      out:close()
      return asked, got
    end, tx)
  end
  tx:close()
  local asked, got = 0, 0
  for i = 1, 8 do
    local n, k = clients[i]:await()
    asked, got = asked + n, got + k
  end
  local answered, refused = server:await()
  check("answers", asked == got and answered == got and refused == 0,
    asked, got, answered, refused)
end

-- Each receiver gets every value or is told how many it missed; what waits are
-- given up in between changes nothing.
local function broadcasts()
  local VALUES = 200
  local tx, rx = rt.sync.broadcast(8)
  local readers = {}
  for i = 1, 6 do
    readers[i] = rt.spawn(function(from)
      local got, missed, last, ordered = 0, 0, 0, true
      while true do
        local which, value, why, n = rt.select {
          receive = from,
          lost = function() rt.sleep(math.random() / 2000) end,
        }
        if which == "receive" then
          if value then
            got = got + 1
            ordered = ordered and value > last
            last = value
          elseif why == "lagged" then
            missed = missed + n
          else
            return got, missed, ordered
          end
        end
      end
    end, rx:resubscribe())
  end
  rx:close()
  local sender = rt.spawn(function(out)
    for i = 1, VALUES do
      out:send(i)
      if math.random(4) == 1 then rt.yield_now() end
    end
    out:close()
  end, tx)
  tx:close()
  sender:await()
  for i = 1, 6 do
    local got, missed, ordered = readers[i]:await()
    check("broadcast", got + missed == VALUES and ordered, got, missed)
  end
end

-- Every receiver sees the last value, and never an older one after a newer.
local function watches()
  local LAST = 100
  local tx, rx = rt.sync.watch(0)
  local readers, stops = {}, {}
  for i = 1, 6 do
    readers[i] = rt.spawn(function(from)
      local last, ordered = 0, true
      while last < LAST do
        local ok, changed = rt.timeout(math.random() / 2000, from)
        if ok and not changed then break end
        local value = from:borrow_and_update()
        ordered = ordered and value >= last
        last = value
      end
      return last, ordered
    end, rx:clone())
    stops[i] = rt.spawn(function(from)
      return (from:wait_for(function(n) return n == LAST end))
    end, rx:clone())
  end
  rx:close()
  for i = 1, LAST do
    tx:send(i)
    if math.random(3) == 1 then rt.yield_now() end
  end
  for i = 1, 5 do stops[i]:abort() end
  for i = 1, 6 do
    local last, ordered = readers[i]:await()
    check("watch", last == LAST and ordered, last)
  end
  check("wait_for", stops[6]:await() == LAST)
  for i = 1, 5 do stops[i]:join() end
  collectgarbage()
end

-- A wait that is given up has not come, so rounds have one leader and are full.
local function barriers()
  local PARTIES, ROUNDS = 4, 10
  local barrier = rt.sync.Barrier(PARTIES)
  local parties = {}
  for i = 1, PARTIES do
    parties[i] = rt.spawn(function()
      local led = 0
      for _ = 1, ROUNDS do
        local ok, leads
        repeat
          ok, leads = rt.timeout(math.random() / 1000, barrier.wait, barrier)
        until ok
        if leads then led = led + 1 end
      end
      return led
    end)
  end
  local led = 0
  for i = 1, PARTIES do led = led + parties[i]:await() end
  check("barrier", led == ROUNDS, led)
end

-- However many makers are stopped or fail, one makes the value, and all that
-- are left get it.
local function cells()
  local cell = rt.sync.OnceCell()
  local tasks = {}
  for i = 1, 12 do
    tasks[i] = rt.spawn(function(id)
      return cell:get_or_init(function()
        rt.sleep(math.random() / 2000)
        if math.random(3) == 1 then error("not this one") end
        return id
      end)
    end, i)
  end
  for _ = 1, 6 do
    tasks[math.random(12)]:abort()
    rt.yield_now()
  end
  local value = true
  for i = 1, 12 do
    local ok, got = tasks[i]:join()
    if ok then
      check("one value", value == true or value == got, value, got)
      value = got
    end
  end
  check("the cell is set or free", cell:get() == (value ~= true and value
    or nil), cell:get(), value)
  check("it can be made", cell:get_or_init(function() return 0 end) ~= nil)
end

-- Notifications: each wakes one; one that lost its wait goes to the next.
local function notifications()
  local WORK = 100
  local notify, tx, rx = rt.sync.Notify(), rt.sync.unbounded()
  local doers = {}
  for i = 1, 6 do
    doers[i] = rt.spawn(function(out)
      while true do
        if rt.timeout(math.random() / 2000, notify) then out:send(1) end
      end
    end, tx)
  end
  for n = 1, WORK do
    notify:notify_one()
    rx:recv() -- one of them has had it
    if n % 20 == 0 then
      local i = math.random(6)
      doers[i]:abort()
      doers[i]:join()
      doers[i] = rt.spawn(function(out)
        while true do
          notify:notified()
          out:send(1)
        end
      end, tx)
    end
  end
  check("no notification too many", rx:try_recv() == nil)
  for i = 1, 6 do
    doers[i]:abort()
    doers[i]:join()
  end
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

local scenarios = { messages, permits, answers, broadcasts, watches, barriers,
  cells, notifications, sets }

for _, workers in ipairs { 1, 2, 4, 16 } do
  local runtime <close> = assert(rt.Runtime.new { worker_threads = workers })
  for _ = 1, rounds do
    for _, scenario in ipairs(scenarios) do runtime:block_on(scenario) end
  end
end
tally.exit()
