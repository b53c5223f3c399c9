---@meta _
-- luacheck: ignore 211 212 241 631 (it declares, and never runs)
-- Annotations for the Lua language server: the handles and errors of one task, and its own values.

---@class rthandle
local rt = {}

---The one result of a spawned function. Dropping it leaves the task running.
---@class rthandle.JoinHandle: rthandle.Awaitable
local JoinHandle = {}

---Waits for the task: its values. Raises its JoinError.
---@async
---@return any ...
function JoinHandle:await() end

---Waits for the task: true and its values, or false and its JoinError.
---@async
---@return boolean ok
---@return any ...
function JoinHandle:join() end

---Cancels the task where it next suspends. Raises only where the JoinHandle was
---moved.
function JoinHandle:abort() end

---The right to abort the task, for others.
---@return rthandle.AbortHandle
function JoinHandle:abort_handle() end

---Whether the task has ended.
---@return boolean
function JoinHandle:is_finished() end

---The number of the task.
---@return integer
function JoinHandle:id() end

---The right to abort a task; it may be moved anywhere.
---@class rthandle.AbortHandle
local AbortHandle = {}

---Cancels the task where it next suspends. Never raises.
function AbortHandle:abort() end

---Whether the task has ended.
---@return boolean
function AbortHandle:is_finished() end

---The number of the task.
---@return integer
function AbortHandle:id() end

---How a task failed. tostring gives the whole error and the traceback.
---@class rthandle.JoinError
---@field traceback string Where the task failed; empty for a cancelled one.
local JoinError = {}

---The function raised an error.
---@return boolean
function JoinError:is_panic() end

---The task was aborted, or its runtime shut down.
---@return boolean
function JoinError:is_cancelled() end

---The error value as it was raised. Raises for a cancelled task.
---@return any
function JoinError:into_panic() end

---The number of the task.
---@return integer
function JoinError:id() end

---One line: `task 7 panicked: script.lua:3: boom`, `task 7 was cancelled`.
---@return string
function JoinError:message() end

---A key for values that belong to a task. Shared with other Lua states.
---@class rthandle.TaskLocal
local TaskLocal = {}

---Runs f(...), during which `key:get()` gives the value in this task.
---@async
---@param value any
---@param f fun(...): ...
---@param ... any
---@return any ...
function TaskLocal:scope(value, f, ...) end

---The value of the innermost scope; raises outside of one.
---@return any
function TaskLocal:get() end

---A key for values that belong to a task.
---@return rthandle.TaskLocal
function rt.task_local() end
