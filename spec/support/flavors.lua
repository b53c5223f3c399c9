-- The three runtimes on which a behaviour must be the same.
local rt = require("rthandle")

local flavors = {
  { name = "current_thread", opts = { flavor = "current_thread" } },
  { name = "multi_thread, 4 workers", opts = { worker_threads = 4 } },
  { name = "multi_thread, 1 worker", opts = { worker_threads = 1 } },
}

-- Calls body(new) in a describe block for each; new(extra?) makes a runtime.
return function(describe, body)
  for _, flavor in ipairs(flavors) do
    describe("on " .. flavor.name, function()
      body(function(extra)
        local opts = {}
        for k, v in pairs(flavor.opts) do opts[k] = v end
        for k, v in pairs(extra or {}) do opts[k] = v end
        return assert(rt.Runtime.new(opts))
      end, flavor.opts)
    end)
  end
end
