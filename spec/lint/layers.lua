-- The layering rule, by program: a folder of csrc includes itself and lower
-- ones only, and each foreign header has its few places.
-- usage: lua spec/lint/layers.lua FILE...

-- Lowest first.  csrc/lua stands apart: it sees nothing but the public header.
local order = { "base", "sync", "task", "queue", "driver", "io", "sched",
                "blocking", "runtime" }
local rank = {}
for i, folder in ipairs(order) do rank[folder] = i end

-- The headers of csrc/include.

-- Foreign header -> Lua patterns of the files that may include it.
local places = {
  ["uv.h"] = { "^base/thread%.", "^driver/", "^io/" },
  ["pthread.h"] = { "^base/thread%." },
  ["stdatomic.h"] = { "^base/atomic%.h$" },
  ["lua.h"] = { "^lua/" },
  ["lauxlib.h"] = { "^lua/" },
  ["lualib.h"] = { "^lua/" },
  ["luaconf.h"] = { "^lua/" },
}

local problems = 0
local function complain(file, number, ...)
  problems = problems + 1
  io.stderr:write(("%s:%d: "):format(file, number), string.format(...), "\n")
end

local function matches_any(s, patterns)
  for _, p in ipairs(patterns) do
    if s:find(p) then return true end
  end
  return false
end

-- nil where `file` (below csrc/) may include `header`, else the reason.
local function refusal(file, header)
  if places[header] then
    if matches_any(file, places[header]) then return nil end
    return "only allowed in " .. table.concat(places[header], " ")
  end
  local from, to = file:match "^(%w+)/", header:match "^(%w+)/"
  if header:find "^rthandle[%w_]*%.h$" or header == "model_atomic.h" then
    return nil
  end
  if from == "lua" then
    if to == "lua" then return nil end
    return rank[to] and "csrc/lua sees only rthandle.h and its kin" or nil
  end
  if to == "lua" then return "the core knows no Lua" end
  if from == "include" then
    return to and "the public header stands alone" or nil
  end
  if not rank[to] then return nil end
  if not rank[from] then return "folder without a place in the order" end
  if rank[to] > rank[from] then
    return ("%s is below %s"):format(from, to)
  end
end

for _, path in ipairs(arg) do
  local file = path:match "csrc/(.+)$"
  local number = 0
  for line in io.lines(path) do
    number = number + 1
    local quote, header = line:match '^%s*#%s*include%s*([<"])([^>"]+)'
    if header then
      -- "ring.h" beside ring.c is written queue/ring.h everywhere.
      if quote == '"' and not header:find "/" and not places[header]
        and not header:find "^rthandle[%w_]*%.h$"
        and header ~= "model_atomic.h" then
        complain(path, number, '"%s": name the folder too', header)
      end
      local why = refusal(file, header)
      if why then complain(path, number, "%s: %s", header, why) end
    end
    if line:find "atomic_thread_fence" or line:find "__sync_"
      or line:find "__atomic_" then
      complain(path, number, "only base/atomic.h knows atomics; no fences")
    end
  end
end
os.exit(problems == 0)
