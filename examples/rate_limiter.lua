-- A rate limiter: a semaphore holds the tokens, and an interval puts one back
-- at each tick, up to a limit. Any task of any thread may take one.
local rt = require("rthandle")

local PERIOD, BURST, CALLS = 0.02, 3, 8

local function refill(tokens, period, burst)
  local ticks = require("rthandle").interval(period)
  ticks:tick() -- the first one is now
  while not tokens:is_closed() do
    ticks:tick()
    if tokens:available_permits() < burst then tokens:add_permits(1) end
  end
end

rt.main(function()
  local tokens = rt.sync.Semaphore(BURST)
  local start = rt.now()
  rt.spawn(refill, tokens, PERIOD, BURST)

  local calls = {}
  for i = 1, CALLS do
    calls[i] = rt.spawn(function(limit, number)
      local permit = assert(limit:acquire())
      permit:forget() -- the interval makes the next one
      return number, rt.now()
    end, tokens, i)
  end

  local at_once, done = 0, 0
  for i = 1, CALLS do
    local _, at = calls[i]:await()
    done = done + 1
    if at - start < PERIOD then at_once = at_once + 1 end
  end
  local took = rt.now() - start
  tokens:close()

  print("calls:", done)
  print("in the first period at most " .. BURST .. ":", at_once <= BURST)
  -- The others waited for a tick each.
  print("never too fast:", took >= (CALLS - BURST) * PERIOD - 0.001)
end)
