---@meta rthandle.async_runtime
-- luacheck: ignore 211 212 241 631 (it declares, and never runs)
-- Annotations for the Lua language server: what
-- require("rthandle.async_runtime") gives.

---One runtime for the whole process: multi_thread with default options, made
---at first use, never closed by a script.
---@class rthandle.async_runtime
local async_runtime = {}

---Runtime:block_on of the process-wide runtime.
---@param f rthandle.Awaitable|(fun(...): ...)
---@param ... any arguments of f
---@return any ...
function async_runtime.block_on(f, ...) end

---Handle:spawn of the process-wide runtime.
---@param f function moved
---@param ... any moved
---@return rthandle.JoinHandle
function async_runtime.spawn(f, ...) end

---Handle:spawn_blocking of the process-wide runtime.
---@param f function moved
---@param ... any moved
---@return rthandle.JoinHandle
function async_runtime.spawn_blocking(f, ...) end

---The handle of the process-wide runtime.
---@return rthandle.Handle
function async_runtime.handle() end

---Adopts an existing runtime instead of making one. Raises when there is one
---already.
---@param handle rthandle.Handle
function async_runtime.set(handle) end

---rt.sync.mpsc
---@param capacity integer
---@return rthandle.Sender tx
---@return rthandle.Receiver rx
function async_runtime.channel(capacity) end

---rt.sync.Mutex
---@param value? any
---@return rthandle.Mutex
function async_runtime.Mutex(value) end

---rt.sync.RwLock
---@param value? any
---@return rthandle.RwLock
function async_runtime.RwLock(value) end

return async_runtime
