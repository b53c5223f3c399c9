---@meta rthandle
-- luacheck: ignore 211 212 241 631 (it declares, and never runs)
-- Annotations for the Lua language server: what require("rthandle") gives.
-- Here are runtimes, handles and spawning; the rest is in the files beside
-- this one.  None is ever loaded at run time; spec/meta_spec.lua compares them
-- all with the module.
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

return rt
