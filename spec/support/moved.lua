-- A module for spec/move_spec.lua: what it holds travels by name.
local moved = { { "behind 1" }, deep = { er = { still = { deeper = {} } } }, Point = {} }

local calls = 0
-- How often it was called in this thread.
function moved.count()
  calls = calls + 1
  return calls
end

function moved.deep.er.f() return "by name" end

moved.Point.__index = moved.Point
function moved.Point.sum(self) return self.x + self.y end
function moved.point(x, y) return setmetatable({ x = x, y = y }, moved.Point) end

return moved
