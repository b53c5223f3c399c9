-- Runs Lua scripts in processes of their own, with the interpreter and the
-- module paths of the process that runs the specs.
local script = { limit = 120 } -- seconds; one that runs longer ends with 124

local function quote(s) return "'" .. s:gsub("'", "'\\''") .. "'" end

-- make exports LUA; under a sanitizer it is a script that loads that first.
local function interpreter()
  if os.getenv("LUA") then return os.getenv("LUA") end
  local i = 0
  while arg and arg[i - 1] do i = i - 1 end
  return i < 0 and arg[i] or "lua5.4"
end

-- Runs a shell command; answers what it printed (standard error as well) and
-- its exit status.
function script.command(command)
  local pipe = assert(io.popen("{ " .. command .. "; } 2>&1 </dev/null"))
  local output = pipe:read("a")
  local _, how, status = pipe:close()
  return output, how == "exit" and status or how
end

-- A path list as it holds from every folder.
local function absolute(path)
  local here = assert(script.command("pwd")):gsub("\n", "")
  return ((";" .. path):gsub(";%./", ";" .. here:gsub("%%", "%%%%") .. "/")
    :gsub(";([^/;])", ";" .. here:gsub("%%", "%%%%") .. "/%1"):sub(2))
end

local function command_line(prefix, lua_path, ...)
  local words = {
    "unset LUA_PATH_5_4 LUA_CPATH_5_4 LUA_INIT;", prefix,
    "LUA_PATH=" .. quote(lua_path),
    "LUA_CPATH=" .. quote(absolute(package.cpath)),
    "timeout " .. script.limit, quote(interpreter()),
  }
  for _, word in ipairs { ... } do words[#words + 1] = quote(word) end
  return table.concat(words, " ")
end

local function run(...) return script.command(command_line(...)) end

-- Runs `lua FILE ARGS...`.
function script.run(...) return run("", absolute(package.path), ...) end

-- The same; `environment` is a string such as "A=1 B=2".
function script.run_with(environment, ...)
  return run(environment, absolute(package.path), ...)
end

-- What script.run gives to the shell, whose place the script takes.
function script.command_line(...)
  return command_line("exec env", absolute(package.path), ...)
end

-- The same in another folder, whose modules are found as well.
function script.run_in(folder, ...)
  return run("cd " .. quote(folder) .. " &&",
    folder .. "/?.lua;" .. absolute(package.path), ...)
end

-- Makes a folder with these files ({ ["name"] = "content" }) and answers its
-- path; the caller removes it.
function script.folder(files)
  local folder = os.tmpname()
  os.remove(folder)
  assert(os.execute("mkdir " .. quote(folder)))
  for name, content in pairs(files) do
    local out <close> = assert(io.open(folder .. "/" .. name, "wb"))
    out:write(content)
  end
  return folder
end

function script.remove(folder) os.execute("rm -rf " .. quote(folder)) end

return script
