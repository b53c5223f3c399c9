-- A first script: three lines with the process-wide runtime.
local async = require("rthandle.async_runtime")
local task = async.spawn(function(a, b) return a + b end, 20, 22)
print(async.block_on(task))
