-- Asks two sources at the same time and takes the first answer, within a limit.
local rt = require("rthandle")

-- Stands for a server: it answers after some time, if at all.
local function source(name, seconds)
  return function()
    local open <close> = setmetatable({}, { __close = function()
      print("", name .. " closed")
    end })
    rt.sleep(seconds)
    return name .. " answers", open ~= nil
  end
end

local function race(limit, sources)
  local in_time, who, answer = rt.timeout(limit, rt.select, sources)
  if not in_time then return tostring(who) end
  return ("%s: %s"):format(who, answer)
end

rt.main(function()
  -- The slower one is cancelled, and closes what it has open.
  print(race(5, { near = source("near", 0.01), far = source("far", 60) }))

  -- Neither is in time: both are cancelled.
  print(race(0.01, { source("first", 60), source("second", 60) }))

  -- A task that loses goes on: it is only no longer waited for.
  local tx, rx = rt.sync.oneshot()
  local task = rt.spawn(function(from) return from:recv() end, rx)
  print(race(5, { task = task, quick = function() return "here I am" end }))
  tx:send("and I came later")
  print(task:await())
end)
