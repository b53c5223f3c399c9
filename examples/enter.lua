-- Handle:enter makes a runtime current on a plain thread, so that the free
-- functions (rt.spawn, rt.sleep, ...) know where to go.
local rt = require("rthandle")

local runtime <close> = rt.Runtime.new()

print("before:", rt.Handle.try_current() == nil and "no runtime" or "entered")

local task
do
  local _ <close> = runtime:enter()
  print("inside:", rt.Handle.current() == runtime:handle())
  task = rt.spawn(function() return "Hello world!" end)
end -- the guard closes here

print("after:", rt.Handle.try_current() == nil and "no runtime" or "entered")
print(runtime:block_on(task))
