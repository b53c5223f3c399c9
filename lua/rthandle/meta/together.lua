---@meta _
-- luacheck: ignore 211 212 241 631 (it declares, and never runs)
-- Annotations for the Lua language server: several tasks, or parts of one, and how to end them.

---@class rthandle
local rt = {}

---Tasks whose outcomes come in the order of completion. Use it with `<close>`:
---that aborts what is left. `#set` is how many there are. It may not be moved.
---@class rthandle.JoinSet
---@operator len: integer
local JoinSet = {}

---Handle:spawn of the current runtime, into the set.
---@param f function moved
---@param ... any moved
---@return rthandle.AbortHandle
function JoinSet:spawn(f, ...) end

---Handle:spawn_local of the current runtime, into the set.
---@param f function
---@param ... any
---@return rthandle.AbortHandle
function JoinSet:spawn_local(f, ...) end

---Handle:spawn_blocking of the current runtime, into the set.
---@param f function moved
---@param ... any moved
---@return rthandle.AbortHandle
function JoinSet:spawn_blocking(f, ...) end

---Handle:spawn_with of the current runtime, into the set.
---@param options rthandle.SpawnOptions
---@param f function
---@param ... any
---@return rthandle.AbortHandle
function JoinSet:spawn_with(options, f, ...) end

---Waits for the next task that ends: true and its values, or false and a
---JoinError; nil where the set is empty.
---@async
---@return boolean? ok
---@return any ...
function JoinSet:join_next() end

---The id of the task, then as join_next.
---@async
---@return integer? id
---@return boolean? ok
---@return any ...
function JoinSet:join_next_with_id() end

---As join_next, of a task that has ended; else nil.
---@return boolean? ok
---@return any ...
function JoinSet:try_join_next() end

---Waits for all: a list of the first value of each, in order of completion.
---The first JoinError is raised, and the rest aborted.
---@async
---@return any[]
function JoinSet:join_all() end

---Aborts all tasks; their outcomes still come.
function JoinSet:abort_all() end

---Aborts all tasks and waits until they have ended.
---@async
function JoinSet:shutdown() end

---Empties the set; the tasks go on.
function JoinSet:detach_all() end

---@class rthandle.JoinSetClass
local JoinSetClass = {}

---An empty set.
---@return rthandle.JoinSet
function JoinSetClass.new() end

---Tasks that have all ended when `rt.scope` returns. It may not be moved, and
---takes no tasks after that.
---@class rthandle.Scope
local Scope = {}

---Handle:spawn of the current runtime, into the scope.
---@param f function moved
---@param ... any moved
---@return rthandle.JoinHandle
function Scope:spawn(f, ...) end

---Handle:spawn_local of the current runtime, into the scope.
---@param f function
---@param ... any
---@return rthandle.JoinHandle
function Scope:spawn_local(f, ...) end

---Handle:spawn_blocking of the current runtime, into the scope.
---@param f function moved
---@param ... any moved
---@return rthandle.JoinHandle
function Scope:spawn_blocking(f, ...) end

---Handle:spawn_with of the current runtime, into the scope.
---@param options rthandle.SpawnOptions
---@param f function
---@param ... any
---@return rthandle.JoinHandle
function Scope:spawn_with(options, f, ...) end

---Runs f(scope, ...) as part of this task, and returns its values when all
---tasks of the scope have ended. The first error aborts the rest, and is raised
---when they have ended, too.
---@async
---@param f fun(scope: rthandle.Scope, ...): ...
---@param ... any
---@return any ...
function rt.scope(f, ...) end

---Tells tasks to end. Shared.
---@class rthandle.CancellationToken: rthandle.Awaitable
local CancellationToken = {}

---Cancels it and its children.
function CancellationToken:cancel() end

---Whether it was cancelled.
---@return boolean
function CancellationToken:is_cancelled() end

---Waits until it is cancelled.
---@async
function CancellationToken:cancelled() end

---As cancelled.
---@async
function CancellationToken:await() end

---A token that is cancelled with this one.
---@return rthandle.CancellationToken
function CancellationToken:child_token() end

---Runs `f` as part of this task until the token is cancelled: true and its
---values, or false.
---@async
---@param f fun(...): ...
---@param ... any arguments of f
---@return boolean ok
---@return any ...
function CancellationToken:run_until_cancelled(f, ...) end

---A DropGuard of it.
---@return rthandle.DropGuard
function CancellationToken:drop_guard() end

---Cancels its token when closed or collected. It may not be moved.
---@class rthandle.DropGuard
local DropGuard = {}

---Cancels the token.
function DropGuard:close() end

---The token is left alone.
function DropGuard:disarm() end

---@class rthandle.CancellationTokenClass
local CancellationTokenClass = {}

---A token that is not cancelled.
---@return rthandle.CancellationToken
function CancellationTokenClass.new() end

---Waits for the first branch that ends: its key and its values. A function is
---a part of this task, and is cancelled where it loses; an awaitable is only no
---longer waited for. A list is looked at in its order. `default` runs when no
---branch is ready at once.
---@async
---@param branches table<any, rthandle.Awaitable|(fun(): ...)>
---@return any key
---@return any ...
function rt.select(branches) end

---Runs all functions as parts of this task, and waits for all: for each a list
---of its values, with `n`. The first error, in their order, is raised then.
---@async
---@param ... rthandle.Awaitable|(fun(): ...)
---@return table ...
function rt.join(...) end

---As join; but the first error cancels the rest and is raised.
---@async
---@param ... rthandle.Awaitable|(fun(): ...)
---@return table ...
function rt.try_join(...) end
