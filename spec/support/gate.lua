-- A gate that tasks in any thread can see: a file.
local gate = {}

-- A new one, which is shut; answers its name.
function gate.new()
  local name = os.tmpname()
  os.remove(name)
  return name
end

function gate.open(name) io.open(name, "w"):close() end

-- Waits, without suspending, until it is open.
function gate.pass(name)
  local f
  repeat f = io.open(name) until f
  f:close()
end

-- Waits until it is removed.
function gate.gone(name)
  local f
  repeat
    f = io.open(name)
    if f then f:close() end
  until not f
end

return gate
