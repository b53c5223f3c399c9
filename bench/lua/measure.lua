-- Measuring, for the programs of the Lua suite.  Each is called as
-- `lua5.4 FILE NAME COMPETITOR`, prints `NAME value unit` and ends.

local now = require "clock"

local M = { now = now }

local WARM_UP, MEASURE = 0.1, 0.4 -- seconds

local function median(times)
  table.sort(times)
  return times[(#times + 1) // 2]
end

-- Median seconds of one call of round().
function M.round(round)
  local start = now()
  repeat round() until now() - start >= WARM_UP
  local times = {}
  start = now()
  repeat
    local one = now()
    round()
    times[#times + 1] = now() - one
  until #times >= 5 and now() - start >= MEASURE
  return median(times)
end

-- Median nanoseconds of one operation, where a round does `ops` of them.
function M.ns(ops, round) return M.round(round) / ops * 1e9 end

-- Bytes of memory that this process keeps resident.
function M.resident()
  local f <close> = assert(io.open("/proc/self/statm"))
  local _, pages = f:read("n", "n")
  return pages * 4096
end

-- A peer, or a message for the runner that it is not here.
function M.need(name)
  local ok, module = pcall(require, name)
  if ok then return module end
  io.stderr:write(name, " is not installed\n")
  os.exit(3)
end

-- Debian has a copas for Lua 5.2 only, which runs on 5.4, too.
function M.need_copas()
  package.path = package.path .. ";/usr/share/lua/5.2/?.lua"
  return M.need "copas"
end

-- Runs what the command line asks of `benches`: each has a unit and, by
-- competitor, a function that answers the value.
function M.main(benches)
  local name, competitor = arg[1], arg[2]
  local bench = assert(benches[name], "no such benchmark")
  local run = assert(bench[competitor], "no such competitor")
  print(("%s %.2f %s"):format(name, run(), bench.unit))
end

return M
