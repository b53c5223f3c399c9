-- Counts what a program of spec/stress has checked, by the thousand.
local M = {}

local passed, failed = 0, 0

-- Counts `good`; where it is false, says so with what else is given.
function M.check(name, good, ...)
  if good then
    passed = passed + 1
  else
    failed = failed + 1
    print("failed: " .. name, ...)
  end
end

-- Prints the line that the runner reads, and leaves.
function M.exit()
  print(("%d passed, %d failed"):format(passed, failed))
  os.exit(failed == 0)
end

return M
