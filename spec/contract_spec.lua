-- spec/contract.md names for each promise the specs that would notice if it
-- were broken.  They are there.

local function text_of(path)
  local file <close> = assert(io.open(path))
  return (file:read("a"):gsub('\\"', '"'))
end

-- A name is a whole string of a Lua file, or the name of a C test; a `…` in it
-- stands for anything.
local function holds(path, name)
  local text = text_of(path)
  if not name:find("…", 1, true) then
    local form = path:find("%.c$") and "(%s)" or '"%s"'
    return text:find(form:format(name), 1, true)
  end
  for part in name:gsub("…", "\0"):gmatch("%Z+") do
    if not text:find(part, 1, true) then return false end
  end
  return true
end

it("each promise of spec/contract.md has a spec, and that is there", function()
  local wrong = {}
  for line in io.lines("spec/contract.md") do
    local promise, specs = line:match("^| (.-) | (.*) |$")
    local seen = 0
    for file, names in (specs or ""):gmatch("%]%(([^)]+)%)([^%[]*)") do
      for name in names:gmatch('"([^"]+)"') do
        seen = seen + 1
        if not holds("spec/" .. file, name) then wrong[#wrong + 1] = name end
      end
    end
    if promise and promise ~= "promise" and seen == 0 then
      wrong[#wrong + 1] = promise
    end
  end
  assert.are.same({}, wrong)
end)
