-- Judges every Lua function of installed modules as if a script had it for its
-- own and spawned it: how many are refused, by which rule.  The numbers stand
-- in docs/send-checks.md.
-- usage: lua spec/fuzz/rocks.lua MODULE-FILE... >refusals
-- Files lie below a folder lua/5.x; they are found with `dpkg -L`, say.
local rt = require "rthandle"

local files, roots, known_root = { table.unpack(arg) }, {}, {}
local modules, known = {}, {}
for _, path in ipairs(files) do
  local root, name = path:match "^(.*/lua/5%.%d/)(.*)%.lua$"
  if name then
    name = name:gsub("/init$", ""):gsub("/", ".")
    if not known[name] then modules[#modules + 1] = name end
    known[name] = true
    if not known_root[root] then roots[#roots + 1] = root end
    known_root[root] = true
  end
end
table.sort(modules)
table.sort(roots, function(a, b) return a > b end) -- 5.4 before 5.3
for _, root in ipairs(roots) do
  package.path = package.path .. (";%s?.lua;%s?/init.lua"):format(root, root)
end

-- ---- all functions -----------------------------------------------------------

arg = { [0] = "rocks" } -- luacheck: ignore 121
local exit = os.exit
os.exit = function() error "exit" end -- luacheck: ignore 122
local todo, loaded = {}, 0
for _, name in ipairs(modules) do
  local ok, value = pcall(require, name)
  if ok then
    loaded = loaded + 1
    todo[loaded] = { value, true }
  end
end
os.exit = exit -- luacheck: ignore 122

local seen, functions = {}, {} -- [file:lines] = { function, public }

local function visit_function(f, public)
  local info = debug.getinfo(f, "S")
  if info.what == "C" or not info.source:find "/lua/5%.%d/" then return end
  local id = ("%s:%d:%d"):format(info.source, info.linedefined,
    info.lastlinedefined)
  local entry = functions[id] or { f }
  functions[id] = entry
  entry.public = entry.public or public
  for i = 1, 255 do
    local name, value = debug.getupvalue(f, i)
    if not name then break end
    todo[#todo + 1] = { value, false }
  end
end

-- What a module's fields and metatables lead to is public, what its functions
-- capture is not.
local function visit(value, public)
  local kind = type(value)
  if kind ~= "table" and kind ~= "function" or value == _G
    or value == package.loaded then return end
  if seen[value] or public == false and seen[value] == false then return end
  seen[value] = public
  if kind == "function" then return visit_function(value, public) end
  for k, v in next, value do
    todo[#todo + 1] = { v, public }
    todo[#todo + 1] = { k, false }
  end
  todo[#todo + 1] = { debug.getmetatable(value), public }
end

local n = 1
while todo[n] do
  visit(todo[n][1], todo[n][2])
  todo[n], n = false, n + 1
end

-- ---- the verdicts -----------------------------------------------------------------

-- A runtime that is shut down judges and runs nothing.
local runtime = assert(rt.Runtime.new { worker_threads = 1 })
local handle = runtime:handle()
runtime:close()

-- The same code with the same variables, but in no module.
local function own_copy(f)
  local copy = load(string.dump(f), "=copy", "b")
  for i = 1, 255 do
    if not debug.getupvalue(f, i) then break end
    debug.upvaluejoin(copy, i, f, i)
  end
  return copy
end

local rules = {
  { "1 assigns a captured local", "assigns the captured local" },
  { "2 stores into a captured table", "stores into the captured table" },
  { "3 assigns a global", "assigns the global" },
  { "4 uses a global of the script", "uses the global" },
  { "5 a value that may not be moved", "cannot move upvalue" },
}
local counts, total = {}, { public = 0, inner = 0 }
for _, entry in pairs(functions) do
  local kind = entry.public and "public" or "inner"
  total[kind] = total[kind] + 1
  local ok, err = pcall(handle.spawn, handle, own_copy(entry[1]))
  if not ok then
    local rule = "other"
    for _, r in ipairs(rules) do
      if err:find(r[2], 1, true) then rule = r[1] end
    end
    if err:find("which uses", 1, true) then rule = rule .. ", through another" end
    local key = kind .. " " .. rule
    counts[key] = (counts[key] or 0) + 1
    print(kind, rule, err)
  end
end

io.stderr:write(("%d modules, %d loaded; %d public functions, %d inner ones\n")
  :format(#modules, loaded, total.public, total.inner))
local keys = {}
for key in pairs(counts) do keys[#keys + 1] = key end
table.sort(keys)
for _, key in ipairs(keys) do
  io.stderr:write(("%5d  %s\n"):format(counts[key], key))
end
