-- Handle:block_on runs asynchronous code to its end on the calling thread:
-- here on a thread of its own, to which the handle was moved.
local rt = require("rthandle")

local runtime <close> = rt.Runtime.new()
local handle = runtime:handle()

print(handle:block_on(function() return "hello from the main script" end))

print(runtime:block_on(function()
  return rt.spawn_blocking(function()
    return handle:block_on(function()
      rt.sleep(0.01)
      local doubled = rt.spawn(function(n) return 2 * n end, 21):await()
      return "hello from another thread", doubled
    end)
  end):await()
end))

-- An error passes through unchanged.
local ok, err = pcall(handle.block_on, handle, function()
  error({ code = 7 })
end)
print(ok, err.code)
