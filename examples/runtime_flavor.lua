-- The two kinds of runtime, and what a handle tells of its own.
local rt = require("rthandle")

for _, flavor in ipairs { "multi_thread", "current_thread" } do
  local runtime <close> = rt.Runtime.new { flavor = flavor, name = "demo" }
  runtime:block_on(function()
    local handle = rt.Handle.current()
    print(handle:runtime_flavor(), handle:name(),
      handle:clone() == runtime:handle(), math.type(handle:id()))
  end)
end
