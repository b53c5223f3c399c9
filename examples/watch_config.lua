-- A configuration that changes while everybody works with it: `watch` holds
-- the last value, wakes those who wait for another one, and lets nobody see a
-- half of it. Who is slow sees the newest and not all that were between.
local rt = require("rthandle")

local function service(name, config, ready, log)
  local current = config:borrow_and_update()
  ready:wait()
  while config:changed() do
    current = config:borrow_and_update()
    log:send { name = name, version = current.version, level = current.level }
    ready:wait()
  end
  log:send { name = name, version = current.version, level = "stopped" }
  log:close()
end

rt.main(function()
  local config, first = rt.sync.watch { version = 1, level = "info" }
  local ready = rt.sync.Barrier(4) -- three services, and who changes it
  local log, entries = rt.sync.mpsc(8)
  for _, name in ipairs { "a", "b", "c" } do
    rt.spawn(service, name, first:clone(), ready, log)
  end
  first:close()
  log:close()
  print("watched by", config:receiver_count())

  ready:wait()
  for version = 2, 3 do
    local level = version == 2 and "debug" or "warn"
    config:send { version = version, level = level }
    ready:wait() -- all have seen it
  end
  config:close() -- the services end

  local lines = {}
  for entry in entries:iter() do
    lines[#lines + 1] = ("%d %s %s"):format(entry.version, entry.name,
      entry.level)
  end
  table.sort(lines)
  for _, line in ipairs(lines) do print(line) end
end)
