-- Inside a task Handle.current() is the handle of the runtime that runs it.
-- A handle may be moved: here into a thread of another runtime.
local rt = require("rthandle")

local first <close> = rt.Runtime.new { worker_threads = 1, name = "first" }
local other <close> = rt.Runtime.new { worker_threads = 1, name = "other" }

first:block_on(function()
  local handle = rt.Handle.current()
  print("block_on:", handle:name())
  print("spawned:", rt.spawn(function()
    return rt.Handle.current():name()
  end):await())

  -- `handle` was made out here and moves in with the function.
  print(other:spawn_blocking(function()
    local outside = rt.Handle.current():name() -- the thread's own runtime

    local _ <close> = handle:enter()       -- from here on: the moved one
    local inside = rt.Handle.current():name()

    local ran_on = rt.spawn(function()
      return rt.Handle.current():name()
    end):await()
    return "elsewhere:", outside, inside, ran_on
  end):await())
end)
