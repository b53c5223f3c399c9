---@meta _
-- luacheck: ignore 211 212 241 631 (it declares, and never runs)
-- Annotations for the Lua language server: timers, timeouts and the test clock.

---@class rthandle
local rt = {}

---A timer as an object: it can be set anew. It may not be moved to another Lua
---state.
---@class rthandle.Sleep: rthandle.Awaitable
local Sleep = {}

---Waits for the deadline.
---@async
function Sleep:await() end

---A new deadline, `seconds` from now.
---@param seconds number
function Sleep:reset(seconds) end

---The deadline, on the clock of rt.now().
---@return number
function Sleep:deadline() end

---Whether its deadline has passed.
---@return boolean
function Sleep:is_elapsed() end

---Ticks at a period.
---@class rthandle.Interval
local Interval = {}

---Waits for the next tick; the first of rt.interval is at once.
---@async
---@return number scheduled when it was due, on the clock of rt.now()
function Interval:tick() end

---The next tick is a period from now.
function Interval:reset() end

---Its period, in seconds.
---@return number seconds
function Interval:period() end

---What happens to ticks that nobody waited for in time: "burst" (the default)
---makes up for them, "delay" goes on a period from now, "skip" keeps the
---rhythm. Without an argument it answers which.
---@param how? "burst"|"delay"|"skip"
---@return "burst"|"delay"|"skip"?
function Interval:missed_tick_behavior(how) end

---What rt.timeout answers when time ran out: `deadline has elapsed`.
---@class rthandle.Elapsed

---@class rthandle.time
local time = {}

---A timer of the current runtime. Raises where there is none.
---@param seconds number
---@return rthandle.Sleep
function time.Sleep(seconds) end

---Stops the clock of this current_thread runtime: it moves by `advance`, and
---jumps to the next timer when nothing else is left to do. Raises on a
---multi_thread runtime, and where it is paused already.
function time.pause() end

---Lets the paused clock run again.
function time.resume() end

---Moves the paused clock on.
---@param seconds number
function time.advance(seconds) end

---Waits; never less than `seconds`.
---@async
---@param seconds number math.huge waits for ever
function rt.sleep(seconds) end

---Waits until rt.now() has reached `deadline`.
---@async
---@param deadline number
function rt.sleep_until(deadline) end

---Seconds of a monotonic clock.
---@return number
function rt.now() end

---Runs `f` as part of this task, or waits for an awaitable, at most `seconds`:
---true and its values, or false and an Elapsed. Errors pass through.
---@async
---@param seconds number
---@param f rthandle.Awaitable|(fun(...): ...)
---@param ... any arguments of f
---@return boolean ok
---@return any ...
function rt.timeout(seconds, f, ...) end

---As timeout, until rt.now() has reached `deadline`.
---@async
---@param deadline number
---@param f rthandle.Awaitable|(fun(...): ...)
---@param ... any arguments of f
---@return boolean ok
---@return any ...
function rt.timeout_at(deadline, f, ...) end

---Ticks now, and at each period from then on.
---@param period number seconds, above 0
---@return rthandle.Interval
function rt.interval(period) end

---The same from `start` on, on the clock of rt.now().
---@param start number
---@param period number seconds, above 0
---@return rthandle.Interval
function rt.interval_at(start, period) end
