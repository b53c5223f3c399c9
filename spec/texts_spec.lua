-- Texts that scripts may compare with, whole.  What leads to each, and that it
-- names the caller's line, is for the specs of its subject.
local rt = require("rthandle")

local one = { worker_threads = 1 }

-- What f raises, without its place.
local function raised(f, ...)
  local ok, err = pcall(f, ...)
  assert.is_false(ok)
  return (tostring(err):gsub("^[^%s:]+:%d+: ", ""))
end

-- The same, for a function that is run as a task.
local function raised_in_task(f)
  return rt.main(function() return raised(f) end, one)
end

local function cancelled()
  return rt.main(function()
    local j = rt.spawn_local(rt.sleep, math.huge)
    rt.yield_now()
    j:abort()
    return select(2, j:join())
  end, one)
end

local NESTED = "Cannot start a runtime from within a runtime. This happens"
  .. " because a function (like block_on) attempted to block the current"
  .. " thread while the thread is being used to drive asynchronous tasks."

local texts = {
  ["Handle.current outside of a runtime"] = {
    function() return raised(rt.Handle.current) end,
    "there is no reactor running, must be called from the context of an"
      .. " rthandle runtime",
  },
  ["a TryCurrentError"] = {
    function() return tostring(select(2, rt.Handle.try_current())) end,
    "there is no reactor running, must be called from the context of an"
      .. " rthandle runtime",
  },
  ["block_on of a handle in a task"] = {
    function()
      return raised_in_task(function() rt.Handle.current():block_on(print) end)
    end, NESTED,
  },
  ["rt.main in a task"] = {
    function() return raised_in_task(function() rt.main(print) end) end,
    NESTED,
  },
  ["a runtime closed in a task"] = {
    function()
      local r <close> = rt.Runtime.new(one)
      return raised_in_task(function() r:close() end)
    end,
    "Cannot drop a runtime in a context where blocking is not allowed. This"
      .. " happens when a runtime is dropped from within an asynchronous"
      .. " context.",
  },
  ["guards closed out of order"] = {
    function()
      local r <close> = rt.Runtime.new(one)
      local first <close> = r:enter()
      local second <close> = r:enter() -- luacheck: ignore
      return raised(first.close, first)
    end,
    "EnterGuard values dropped out of order. Guards returned by"
      .. " Handle:enter() must be dropped in the reverse order as they were"
      .. " acquired.",
  },
  ["a suspension in a stock coroutine"] = {
    function()
      return raised_in_task(function()
        local co = coroutine.create(function() rt.sleep(0.001) end)
        error(select(2, coroutine.resume(co)), 0)
      end)
    end,
    "cannot suspend inside a plain coroutine: create it with"
      .. " rthandle.coroutine",
  },
  ["into_panic of a cancelled task"] = {
    function()
      local err = cancelled()
      return (raised(err.into_panic, err):gsub("%d+", "N"))
    end,
    "JoinError reason is not a panic: task N was cancelled",
  },
  ["task_id outside of a task"] = {
    function() return raised(rt.task_id) end,
    "Can't get a task id when not inside a task",
  },
  ["shutdown_runtime with multi_thread"] = {
    function()
      return raised(rt.Runtime.new, { unhandled_panic = "shutdown_runtime" })
    end,
    "unhandled_panic = 'shutdown_runtime' is only supported by the"
      .. " current_thread flavor",
  },
  ["a Handle"] = {
    function()
      local r <close> = rt.Runtime.new { worker_threads = 2 }
      return (tostring(r:handle()):gsub("id=%d+", "id=N"))
    end,
    "rthandle.Handle(multi_thread, id=N, workers=2)",
  },
  ["a task that failed"] = {
    function()
      return rt.main(function()
        local j = rt.spawn(function() error("boom", 0) end)
        local message = select(2, j:join()):message()
        return message == ("task %d panicked: boom"):format(j:id())
          and "told" or message
      end, one)
    end, "told",
  },
}

describe("the text of", function()
  for name, case in pairs(texts) do
    it(name, function() assert.are.equal(case[2], case[1]()) end)
  end
end)
