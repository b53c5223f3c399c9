---@meta rthandle
-- luacheck: ignore 211 212 241 631 (it declares, and never runs)
-- Annotations for the Lua language server: what require("rthandle") gives.
-- Those of rt.sync, rt.net and rt.io are in files beside it.  Never loaded at run time;
-- spec/meta_spec.lua compares all files here with the module.
-- Times are seconds, sizes bytes, indices from 1.

---An asynchronous multi-core runtime.
---@class rthandle
---@field Runtime rthandle.RuntimeClass
---@field Handle rthandle.HandleClass
---@field time rthandle.time
---@field sync rthandle.sync
---@field net rthandle.net
---@field io rthandle.io
---@field JoinSet rthandle.JoinSetClass
---@field CancellationToken rthandle.CancellationTokenClass
---@field coroutine coroutinelib A drop-in for the coroutine library: coroutines that may suspend the task that resumes them.
local rt = {}

---Anything that has a method `await`: a JoinHandle, a Sleep, an object of
---your own.
---@class rthandle.Awaitable
local Awaitable = {}

---Waits for the result.
---@async
---@return any ...
function Awaitable:await() end

---@alias rthandle.Flavor
---| "multi_thread" # tasks run on worker threads
---| "current_thread" # tasks run on the thread that is in Runtime:block_on

---@class rthandle.RuntimeOptions
---@field flavor? rthandle.Flavor Default "multi_thread".
---@field worker_threads? integer Number of workers, multi_thread only. Default: the variable RTHANDLE_WORKER_THREADS, else the usable processors.
---@field max_blocking_threads? integer Most threads of spawn_blocking at a time; they start on demand. Default 512.
---@field thread_keep_alive? number Seconds after which an idle blocking thread ends. Default 10.
---@field thread_name? string Name of the threads; the system shows its first 15 bytes. Default "rthandle-worker".
---@field thread_stack_size? integer Bytes of each thread's stack. Default: the system's.
---@field name? string What Handle:name() answers. Default nil.
---@field event_interval? integer Tasks run between two looks at I/O and timers. Default 61.
---@field global_queue_interval? integer Tasks run between two looks at the queue of all workers. Default 31 with current_thread, self-tuned with multi_thread.
---@field start_paused? boolean The test clock starts paused; current_thread only. Default false.
---@field on_thread_start? function Moved; runs in the Lua state of each thread before its first task.
---@field on_thread_stop? function Moved; runs in the Lua state of each thread after its last task.
---@field unhandled_panic? "warn"|"ignore"|"shutdown_runtime" What happens when a task failed and nobody will see its JoinError. "shutdown_runtime" is for current_thread only. Default "warn": a report on standard error.

---@class rthandle.SpawnOptions
---@field name? string Shown in errors and by tostring.
---@field kind? "spawn"|"local"|"blocking" Default "spawn".
---@field captures? "copy" Let the function assign what it captures: it works on copies of its own.

---The owner of a runtime: closing it ends its tasks and threads.
---@class rthandle.Runtime
local Runtime = {}

---@class rthandle.RuntimeClass
local RuntimeClass = {}

---Starts a runtime. Raises on a bad option; answers nil and a message where
---the system refuses a thread or a descriptor.
---@param options? rthandle.RuntimeOptions
---@return rthandle.Runtime? runtime
---@return string? message
function RuntimeClass.new(options) end

---The handle of this runtime.
---@return rthandle.Handle
function Runtime:handle() end

---Runs a function (or waits for an awaitable) to its end on the calling
---thread, in the calling Lua state, and answers its values. On a
---current_thread runtime this drives the runtime's tasks. Raises in a task.
---@param f rthandle.Awaitable|(fun(...): ...)
---@param ... any arguments of f
---@return any ...
function Runtime:block_on(f, ...) end

---As Handle:spawn.
---@param f function moved
---@param ... any moved
---@return rthandle.JoinHandle
function Runtime:spawn(f, ...) end

---As Handle:spawn_local.
---@param f function
---@param ... any
---@return rthandle.JoinHandle
function Runtime:spawn_local(f, ...) end

---As Handle:spawn_blocking.
---@param f function moved
---@param ... any moved
---@return rthandle.JoinHandle
function Runtime:spawn_blocking(f, ...) end

---As Handle:spawn_with.
---@param options rthandle.SpawnOptions
---@param f function
---@param ... any
---@return rthandle.JoinHandle
function Runtime:spawn_with(options, f, ...) end

---As Handle:enter.
---@return rthandle.EnterGuard
function Runtime:enter() end

---As Handle:metrics.
---@return rthandle.Metrics
function Runtime:metrics() end

---Cancels all tasks, never starts queued blocking functions, waits for
---running ones without limit. Idempotent. Raises in a task.
function Runtime:close() end

---As close, but waits at most `seconds`. Raises in a task unless 0.
---@param seconds number
function Runtime:shutdown_timeout(seconds) end

---As close, but does not wait. Allowed in a task.
function Runtime:shutdown_background() end

---A counted reference to a runtime. It may be moved into any task or thread
---and does not keep the runtime running.
---@class rthandle.Handle
local Handle = {}

---@class rthandle.HandleClass
local HandleClass = {}

---The handle of the runtime that this code is in. Raises where there is none.
---@return rthandle.Handle
function HandleClass.current() end

---The handle of the runtime that this code is in, or nil and why not.
---@return rthandle.Handle?
---@return rthandle.TryCurrentError?
function HandleClass.try_current() end

---Makes this runtime current until the guard closes. Guards close in reverse
---order: `local guard <close> = handle:enter()`.
---@return rthandle.EnterGuard
function Handle:enter() end

---Moves `f` and the arguments onto the runtime's executor.
---@param f function moved
---@param ... any moved
---@return rthandle.JoinHandle
function Handle:spawn(f, ...) end

---Starts a task in this Lua state. It shares everything and moves nothing.
---@param f function
---@param ... any
---@return rthandle.JoinHandle
function Handle:spawn_local(f, ...) end

---Moves `f` and the arguments onto a thread for blocking work.
---@param f function moved
---@param ... any moved
---@return rthandle.JoinHandle
function Handle:spawn_blocking(f, ...) end

---Spawns with a name, of any kind, or with copied captures.
---@param options rthandle.SpawnOptions
---@param f function
---@param ... any
---@return rthandle.JoinHandle
function Handle:spawn_with(options, f, ...) end

---Runs a function (or waits for an awaitable) to its end on the calling
---thread and answers its values. Raises in a task. On a current_thread runtime
---it does not drive the runtime's spawned tasks.
---@param f rthandle.Awaitable|(fun(...): ...)
---@param ... any arguments of f
---@return any ...
function Handle:block_on(f, ...) end

---One more handle of the same runtime; the two are equal.
---@return rthandle.Handle
function Handle:clone() end

---A number that no other runtime of this process has.
---@return integer
function Handle:id() end

---The runtime option `name`.
---@return string?
function Handle:name() end

---Which kind of runtime it is.
---@return rthandle.Flavor
function Handle:runtime_flavor() end

---Counters of the runtime.
---@return rthandle.Metrics
function Handle:metrics() end

---What Handle:enter gives; close it, or declare it `<close>`.
---@class rthandle.EnterGuard
local EnterGuard = {}

---Makes the runtime of before current again. Raises out of order.
function EnterGuard:close() end

---Why there is no current runtime; tostring gives the text.
---@class rthandle.TryCurrentError
local TryCurrentError = {}

---True: this code is in no runtime.
---@return boolean
function TryCurrentError:is_missing_context() end

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

---Counters at one moment each, not at one common moment.
---@class rthandle.Metrics
---@field num_workers integer Worker threads; 1 with current_thread.
---@field num_alive_tasks integer Tasks that have not ended.
---@field spawned_tasks_count integer Tasks that were ever spawned.
---@field global_queue_depth integer Tasks that wait in the queue of all workers.
---@field num_blocking_threads integer Threads for blocking work.
---@field num_idle_blocking_threads integer Those that wait for work.
---@field blocking_queue_depth integer Blocking functions that wait for a thread.
---@field workers rthandle.WorkerMetrics[]

---@class rthandle.WorkerMetrics
---@field poll_count integer Times that this worker ran a task until it suspended or ended.
---@field steal_count integer Tasks taken from other workers.
---@field park_count integer Times that it went to sleep.
---@field busy_duration number Seconds that it did not sleep.
---@field local_queue_depth integer Tasks that wait in its own queue.
---@field lua_memory integer Bytes that its Lua state holds.

---Makes a runtime, runs `f` in block_on, closes the runtime (after an error,
---too, which passes through) and answers f's values.
---@param f fun(): ...
---@param options? rthandle.RuntimeOptions
---@return any ...
function rt.main(f, options) end

---Handle:spawn of the current runtime.
---@param f function moved
---@param ... any moved
---@return rthandle.JoinHandle
function rt.spawn(f, ...) end

---Handle:spawn_local of the current runtime.
---@param f function
---@param ... any
---@return rthandle.JoinHandle
function rt.spawn_local(f, ...) end

---Handle:spawn_blocking of the current runtime.
---@param f function moved
---@param ... any moved
---@return rthandle.JoinHandle
function rt.spawn_blocking(f, ...) end

---Handle:spawn_with of the current runtime.
---@param options rthandle.SpawnOptions
---@param f function
---@param ... any
---@return rthandle.JoinHandle
function rt.spawn_with(options, f, ...) end

---Lets the other ready tasks and I/O have their turn.
---@async
function rt.yield_now() end

---The number of the task or blocking function that runs. Raises elsewhere.
---@return integer
function rt.task_id() end

---The number of the task or blocking function that runs; nil elsewhere.
---@return integer?
function rt.try_task_id() end

---The number of the worker that runs this code, from 1; nil elsewhere.
---@return integer?
function rt.worker_index() end

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

---Ticks now, and at each period from then on.
---@param period number seconds, above 0
---@return rthandle.Interval
function rt.interval(period) end

---The same from `start` on, on the clock of rt.now().
---@param start number
---@param period number seconds, above 0
---@return rthandle.Interval
function rt.interval_at(start, period) end

return rt
