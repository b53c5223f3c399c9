-- Handle:spawn moves a function and its arguments onto the worker threads.
-- What it captures travels along as a copy; its results come back.
local rt = require("rthandle")

local runtime <close> = rt.Runtime.new()
local handle = runtime:handle()

local greeting = "now running on a worker thread"
local task = handle:spawn(function(name)
  return greeting, name, rt.worker_index() ~= nil
end, "lua")

print(runtime:block_on(task))

-- Many tasks at once; each result arrives through its own JoinHandle.
local tasks = {}
for i = 1, 8 do
  tasks[i] = handle:spawn(function(n)
    local sum = 0
    for k = 1, n do sum = sum + k end
    return sum
  end, i * 1000)
end
for i = 1, #tasks do print(i, runtime:block_on(tasks[i])) end
