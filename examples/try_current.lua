-- Outside of any runtime Handle.current() raises; try_current answers
-- nil and a TryCurrentError instead.
local rt = require("rthandle")

local handle, err = rt.Handle.try_current()
print(handle, err:is_missing_context())
print(err)

local ok, raised = pcall(rt.Handle.current)
print(ok, raised)

rt.main(function()
  print(rt.Handle.try_current() ~= nil)
end)
