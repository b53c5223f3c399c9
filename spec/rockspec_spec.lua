local function contents(path)
  local file <close> = assert(io.open(path))
  return file:read "a"
end

-- The paths that `find` answers, as a set.
local function found(what)
  local pipe = assert(io.popen("find " .. what))
  local set = {}
  for line in pipe:lines() do set[line] = true end
  pipe:close()
  return set
end

describe("the rockspec", function()
  local name = "rthandle-scm-1.rockspec"
  local rockspec = {}
  assert(load(contents(name), name, "t", rockspec))()
  local modules = rockspec.build.modules

  it("lists every C source, and nothing else", function()
    local listed = {}
    for _, path in ipairs(modules["rthandle.core"].sources) do
      listed[path] = true
    end
    assert.same(found "csrc -name '*.c'", listed)
  end)

  it("lists every Lua file under the name that require knows", function()
    local listed = {}
    for module, path in pairs(modules) do
      if type(path) == "string" then
        listed[path] = true
        assert.equal(path, package.searchpath(module,
          "lua/?.lua;lua/?/init.lua"):gsub("^%./", ""))
      end
    end
    assert.same(found "lua -name '*.lua'", listed)
  end)
end)
