-- Writes the lists of sources and Lua modules in the rockspec anew.
-- usage: lua scripts/rockspec.lua [--print]   (in the root of the project)
local name = "rthandle-scm-1.rockspec"

local function find(what)
  local pipe = assert(io.popen("find " .. what .. " | LC_ALL=C sort"))
  local list = {}
  for line in pipe:lines() do list[#list + 1] = line end
  pipe:close()
  return list
end

-- lua/rthandle/init.lua -> rthandle, lua/rthandle/task.lua -> rthandle.task
local function module_of(path)
  return (path:gsub("^lua/", ""):gsub("%.lua$", ""):gsub("/init$", "")
    :gsub("/", "."))
end

local sources, modules = {}, {}
for _, path in ipairs(find "csrc -name '*.c'") do
  sources[#sources + 1] = ('        "%s",\n'):format(path)
end
for _, path in ipairs(find "lua -name '*.lua'") do
  modules[#modules + 1] = ('    ["%s"] = "%s",\n'):format(module_of(path), path)
end

local input <close> = assert(io.open(name))
local text = input:read "a"
local function replace(pattern, lines)
  local found
  text, found = text:gsub(pattern, function(before, after)
    return before .. table.concat(lines) .. after
  end)
  assert(found == 1, "the rockspec has lost a place to write to")
end
replace("(      sources = {\n).-(      },\n)", sources)
replace("(      libraries = [^\n]+\n    },\n).-(  },\n)", modules)

if arg[1] == "--print" then
  io.write(text)
else
  local output <close> = assert(io.open(name, "w"))
  output:write(text)
end
