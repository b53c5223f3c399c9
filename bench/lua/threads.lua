-- Work on other threads: starting it, moving values, using two processors.

local measure = require "measure"
local need, ns = measure.need, measure.ns

-- Captures nothing, so a thread that knows it needs only its arguments.
local function successor(n) return n + 1 end

local function in_rthandle(f)
  local rt = need "rthandle"
  return rt.main(function() return f(rt) end, { worker_threads = 2 })
end

-- luv's pool answers through callbacks of the loop: no values come back but
-- nil, boolean, number, string.
local function queue(uv, work, n, ...)
  for _ = 1, n do work:queue(...) end
  uv.run()
end

local function ignore() end

local benches = {}

local function us(ops, round) return ns(ops, round) / 1e3 end

-- ---- one at a time, many at a time ----------------------------------------

-- `start` is a name: rt.spawn or rt.spawn_blocking, `n` at a time.
local function rthandle(start, n)
  return function()
    return in_rthandle(function(rt)
      local spawn, tasks = rt[start], {}
      return us(n, function()
        for i = 1, n do tasks[i] = spawn(successor, i) end
        for i = 1, n do
          if tasks[i]:await() ~= i + 1 then error "wrong result" end
        end
      end)
    end)
  end
end

local function luv(n)
  return function()
    local uv = need "luv"
    local work = uv.new_work(successor, ignore)
    return us(n, function() queue(uv, work, n, 1) end)
  end
end

-- A thread and a Lua state for each call: there is no pool.
local function cqueues(n)
  return function()
    local thread = need "cqueues.thread"
    local function run(con, i) con:write(i + 1, "\n") end
    local threads, connections = {}, {}
    return us(n, function()
      for i = 1, n do
        threads[i], connections[i] = thread.start(run, tostring(i))
      end
      for i = 1, n do
        assert(tonumber(connections[i]:read "*l") == i + 1)
        threads[i]:join()
        connections[i]:close()
      end
    end)
  end
end

benches.spawn_one = {
  unit = "us", rthandle = rthandle("spawn", 1),
  luv = luv(1), cqueues = cqueues(1),
}
benches.spawn_stream = {
  unit = "us", rthandle = rthandle("spawn", 10000),
  luv = luv(10000), cqueues = cqueues(100),
}
benches.spawn_blocking_one = {
  unit = "us", rthandle = rthandle("spawn_blocking", 1),
  luv = luv(1), cqueues = cqueues(1),
}
benches.spawn_blocking_many = {
  unit = "us", rthandle = rthandle("spawn_blocking", 10000),
  luv = luv(10000), cqueues = cqueues(100),
}

-- ---- records there and back ----------------------------------------------

local RECORDS = 1000

local function make_records()
  local records = {}
  for i = 1, RECORDS do
    records[i] = { id = i, name = "record " .. i, tags = { "red", "round" } }
  end
  return records
end

local function echo(...) return ... end

local function copy(value)
  if type(value) ~= "table" then return value end
  local new = {}
  for k, v in pairs(value) do new[k] = copy(v) end
  return new
end

-- What a user of luv has to write: only strings cross.
local function pack(records)
  local out = { ("<I4"):pack(#records) }
  for i, r in ipairs(records) do
    out[i + 1] = ("<i8s4I4"):pack(r.id, r.name, #r.tags)
    for _, tag in ipairs(r.tags) do
      out[i + 1] = out[i + 1] .. ("<s4"):pack(tag)
    end
  end
  return table.concat(out)
end

local function unpack(s)
  local records, n, at = {}, ("<I4"):unpack(s)
  for i = 1, n do
    local tags, id, name, count = {} -- luacheck: ignore 231
    id, name, count, at = ("<i8s4I4"):unpack(s, at)
    for j = 1, count do tags[j], at = ("<s4"):unpack(s, at) end
    records[i] = { id = id, name = name, tags = tags }
  end
  return records
end

local function check(records)
  if records[RECORDS].tags[2] ~= "round" then error "wrong record" end
end

benches.transfer = {
  unit = "ns",
  plain = function() -- a deep copy for each way, in one state
    local records = make_records()
    return ns(RECORDS, function() check(copy(copy(records))) end)
  end,
  rthandle = function()
    return in_rthandle(function(rt)
      local records = make_records()
      return ns(RECORDS, function()
        check(rt.spawn(echo, records):await())
      end)
    end)
  end,
  luv = function() -- the worker gets its functions as code
    local uv = need "luv"
    local records = make_records()
    local work = uv.new_work(function(unpack_code, pack_code, s)
      return load(pack_code)(load(unpack_code)(s))
    end, function(s) check(unpack(s)) end)
    local unpacker, packer = string.dump(unpack), string.dump(pack)
    return ns(RECORDS, function()
      queue(uv, work, 1, unpacker, packer, pack(records))
    end)
  end,
}

-- ---- two processors -------------------------------------------------------

local function fib27()
  local function fib(n)
    if n < 2 then return n end
    return fib(n - 1) + fib(n - 2)
  end
  return fib(27)
end

local function eight() for _ = 1, 8 do fib27() end end

-- How many times faster than one after the other parallel() is.
local function speed_up(parallel)
  return measure.round(eight) / measure.round(parallel)
end

benches.parallel_fib = {
  unit = "x",
  rthandle = function()
    return in_rthandle(function(rt)
      return speed_up(function()
        local tasks = {}
        for i = 1, 8 do tasks[i] = rt.spawn(fib27) end
        for i = 1, 8 do tasks[i]:await() end
      end)
    end)
  end,
  luv = function()
    local uv = need "luv"
    local work = uv.new_work(fib27, ignore)
    return speed_up(function() queue(uv, work, 8) end)
  end,
  cqueues = function()
    local thread = need "cqueues.thread"
    return speed_up(function()
      local threads = {}
      for i = 1, 8 do threads[i] = thread.start(fib27) end
      for i = 1, 8 do threads[i]:join() end
    end)
  end,
}

measure.main(benches)
