-- Handle:spawn_blocking is for functions that block: reading files, waiting
-- for a command.  They get threads of their own, so no worker stands still.
local rt = require("rthandle")

local runtime <close> = rt.Runtime.new()
local handle = runtime:handle()

local task = handle:spawn_blocking(function(command)
  local pipe <close> = assert(io.popen(command))
  return "now running on a blocking thread", pipe:read("l")
end, "echo hello from the shell")

print(runtime:block_on(task))

-- Inside a task it is awaited like any other.
print(runtime:block_on(function()
  local lines = rt.spawn_blocking(function(path)
    local n = 0
    for _ in io.lines(path) do n = n + 1 end
    return n
  end, arg[0]):await()
  return "lines in this script:", lines
end))
