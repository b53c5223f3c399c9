-- Channels and locks: messages from one worker to another, and what each call
-- costs where nobody waits.

local measure = require "measure"
local need, ns = measure.need, measure.ns

local MESSAGES = 10000

local values = {
  integer = 7, string = "a small string", table = { id = 7, name = "small" },
}

-- ---- one producer, one consumer, on two workers ----------------------------

-- Answers a round by `finished` each time it has received n messages.
local function consume(from, finished, n, limit)
  local rt = require "rthandle"
  finished:send(rt.worker_index())
  while true do
    local left = n
    while left > 0 do
      local got = limit and from:recv_many(limit) or not limit and from:recv()
      if got == nil then return end
      left = left - (limit and #got or 1)
    end
    finished:send(true)
  end
end

-- Sends n messages for each word from `start`, if it is on another worker.
local function produce(start, ready, out, n, value, consumer)
  local rt = require "rthandle"
  local good = rt.worker_index() ~= consumer
  ready:send(good)
  while good and start:recv() do
    for _ = 1, n do out:send(value) end
  end
end

local function rthandle(kind, batch)
  return function()
    local rt = need "rthandle"
    return rt.main(function()
      local tx, rx = rt.sync.mpsc(1000)
      local done, ended = rt.sync.mpsc(1)
      rt.spawn(consume, rx, done, MESSAGES, batch)
      local consumer = ended:recv()
      local function try()
        local go, started = rt.sync.mpsc(1)
        rt.spawn(produce, started, done, tx, MESSAGES, values[kind], consumer)
        return ended:recv() and go or try()
      end
      local go = try()
      return ns(MESSAGES, function()
        go:send(true)
        ended:recv()
      end)
    end, { worker_threads = 2 })
  end
end

-- ---- peers ------------------------------------------------------------------

-- What a user has to write where only strings cross.
local function pack(kind)
  if kind ~= "table" then return function(value) return value .. "\n" end end
  return function(record)
    return ("%d %s\n"):format(record.id, record.name)
  end
end

-- A thread at the other end of a socket, which answers each round.
local function cqueues(kind)
  return function()
    local thread = need "cqueues.thread"
    local _, con = thread.start(function(con, name, n)
      local read = {
        integer = function() return tonumber(con:read("*l")) end,
        string = function() return con:read("*l") end,
        table = function()
          local id, text = con:read("*l"):match("^(%d+) (.*)$")
          return { id = tonumber(id), name = text }
        end,
      }
      while true do
        for _ = 1, n do
          if not read[name]() then return end
        end
        con:write("done\n")
        con:flush()
      end
    end, kind, tostring(MESSAGES))
    local write, value = pack(kind), values[kind]
    return ns(MESSAGES, function()
      for _ = 1, MESSAGES do con:write(write(value)) end
      con:flush()
      assert(con:read("*l") == "done")
    end)
  end
end

-- luv has no messages between threads: a piece of work for its pool is the
-- nearest.
local function luv(kind)
  return function()
    local uv = need "luv"
    local write, value = pack(kind), values[kind]
    local work = uv.new_work(function() end, function() end)
    return ns(MESSAGES, function()
      for _ = 1, MESSAGES do work:queue(write(value)) end
      uv.run()
    end)
  end
end

-- ---- the calls of one task, where nobody waits ------------------------------

local function alone(make)
  return function()
    local rt = need "rthandle"
    return rt.main(function()
      local once = make(rt.sync)
      return ns(1000, function()
        for i = 1, 1000 do once(i) end
      end)
    end, { worker_threads = 1 })
  end
end

local calls = {
  mutex_alone = function(sync)
    local mutex = sync.Mutex(0)
    return function() mutex:lock():close() end
  end,
  mutex_update_alone = function(sync)
    local mutex = sync.Mutex(0)
    local function successor(n) return n + 1 end
    return function()
      local guard <close> = mutex:lock()
      guard:update(successor)
    end
  end,
  rwlock_alone = function(sync)
    local lock = sync.RwLock(0)
    return function() lock:read():close() end
  end,
  semaphore_alone = function(sync)
    local semaphore = sync.Semaphore(1)
    return function() semaphore:acquire():close() end
  end,
  notify_alone = function(sync)
    local notify = sync.Notify()
    return function() notify:notify_one() notify:notified() end
  end,
  oneshot_alone = function(sync)
    return function(i)
      local tx, rx = sync.oneshot()
      tx:send(i)
      rx:recv()
    end
  end,
  watch_alone = function(sync)
    local tx, rx = sync.watch(0)
    return function(i) tx:send(i) rx:borrow_and_update() end
  end,
  broadcast_alone = function(sync)
    local tx, rx = sync.broadcast(16)
    return function(i) tx:send(i) rx:recv() end
  end,
  mpsc_alone = function(sync)
    local tx, rx = sync.mpsc(16)
    return function(i) tx:send(i) rx:recv() end
  end,
}

local benches = {
  mpsc_many_integer = { unit = "ns", rthandle = rthandle("integer", 100) },
  mpsc_many_table = { unit = "ns", rthandle = rthandle("table", 100) },
}
for kind in pairs(values) do
  benches["mpsc_" .. kind] = {
    unit = "ns", rthandle = rthandle(kind), cqueues = cqueues(kind),
    luv = luv(kind),
  }
end
for name, make in pairs(calls) do
  benches[name] = { unit = "ns", rthandle = alone(make) }
end

measure.main(benches)
