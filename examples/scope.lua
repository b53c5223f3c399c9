-- Tasks with a common end: what a scope starts has ended when it returns, and
-- the first failure ends all the others.
local rt = require("rthandle")

-- Doubles numbers on the workers, all at the same time.
local function doubled(numbers)
  return rt.scope(function(scope)
    local tasks, results = {}, {}
    for i, n in ipairs(numbers) do
      tasks[i] = scope:spawn(function(x)
        if type(x) ~= "number" then
          error(("%s is no number"):format(tostring(x)))
        end
        return 2 * x
      end, n)
    end
    for i, task in ipairs(tasks) do results[i] = task:await() end
    return results
  end)
end

rt.main(function()
  print(table.concat(doubled { 1, 2, 3 }, " "))

  local ok, err = pcall(doubled, { 1, "two", 3 })
  print(ok, (err:into_panic():gsub("^.-:", "line ")))
  print((err.traceback:match("%((spawned at) .*scope.lua:%d+%)$")))

  -- One task fails, the other is aborted before the scope raises.
  ok, err = pcall(rt.scope, function(scope)
    scope:spawn_local(function()
      local lock <close> = setmetatable({}, { __close = function()
        print("unlocked")
      end })
      rt.sleep(lock and math.huge)
    end)
    scope:spawn_local(function()
      rt.yield_now()
      error("no luck", 0)
    end)
  end)
  print(ok, err:into_panic())
end)
