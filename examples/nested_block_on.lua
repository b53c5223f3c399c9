-- A task may not call block_on: it would stop the thread that runs the other
-- tasks.  It awaits instead.
local rt = require("rthandle")

local runtime <close> = rt.Runtime.new()
local handle = runtime:handle()

runtime:block_on(function()
  local ok, err = pcall(function()
    return handle:block_on(function() return "never" end)
  end)
  print(ok, err)

  local task = handle:spawn(function() return "what to do instead: await" end)
  print(task:await())
end)
