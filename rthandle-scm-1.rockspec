rockspec_format = "3.0"
package = "rthandle"
version = "scm-1"
source = {
  -- `luarocks make` in the root builds the tree as it is.
  url = "git+https://rthandle.example/rthandle.git",
}
description = {
  summary = "An asynchronous multi-core runtime for Lua, with a C core",
  detailed = [[
    Tasks are coroutines; a runtime runs them on worker threads that steal
    work from each other, with timers, blocking threads and handles to spawn
    from anywhere. The C core has a header of its own and knows no Lua.
  ]],
  license = "MIT",
  labels = { "async", "concurrency", "coroutine", "threads", "libuv" },
}
supported_platforms = { "unix" }
dependencies = { "lua >= 5.4, < 5.5" }
test_dependencies = { "busted >= 2.1" }
external_dependencies = {
  LIBUV = { header = "uv.h", library = "uv" },
}
build = {
  type = "builtin",
  modules = {
    -- The two lists are written by scripts/rockspec.lua.
    ["rthandle.core"] = {
      sources = {
        "csrc/base/clock.c",
        "csrc/base/counter.c",
        "csrc/base/error.c",
        "csrc/base/fault.c",
        "csrc/base/mem.c",
        "csrc/base/thread.c",
        "csrc/blocking/pool.c",
        "csrc/driver/park.c",
        "csrc/driver/wheel.c",
        "csrc/lua/async.c",
        "csrc/lua/await.c",
        "csrc/lua/bcflow.c",
        "csrc/lua/block.c",
        "csrc/lua/broadcast.c",
        "csrc/lua/bytecode.c",
        "csrc/lua/code.c",
        "csrc/lua/common.c",
        "csrc/lua/coroutine.c",
        "csrc/lua/decode.c",
        "csrc/lua/encode.c",
        "csrc/lua/enter.c",
        "csrc/lua/env.c",
        "csrc/lua/failure.c",
        "csrc/lua/fiber.c",
        "csrc/lua/handle.c",
        "csrc/lua/interval.c",
        "csrc/lua/join.c",
        "csrc/lua/joinset.c",
        "csrc/lua/lalloc.c",
        "csrc/lua/local.c",
        "csrc/lua/locks.c",
        "csrc/lua/metrics.c",
        "csrc/lua/module.c",
        "csrc/lua/move.c",
        "csrc/lua/mpsc.c",
        "csrc/lua/names.c",
        "csrc/lua/notify.c",
        "csrc/lua/once.c",
        "csrc/lua/oneshot.c",
        "csrc/lua/options.c",
        "csrc/lua/refuse.c",
        "csrc/lua/runtime.c",
        "csrc/lua/select.c",
        "csrc/lua/semaphore.c",
        "csrc/lua/sendcheck.c",
        "csrc/lua/state.c",
        "csrc/lua/sync.c",
        "csrc/lua/task.c",
        "csrc/lua/thread.c",
        "csrc/lua/time.c",
        "csrc/lua/timeout.c",
        "csrc/lua/token.c",
        "csrc/lua/watch.c",
        "csrc/queue/inbox.c",
        "csrc/queue/inject.c",
        "csrc/queue/ring.c",
        "csrc/runtime/default.c",
        "csrc/runtime/handle.c",
        "csrc/runtime/options.c",
        "csrc/runtime/runtime.c",
        "csrc/sched/context.c",
        "csrc/sched/exec.c",
        "csrc/sched/idle.c",
        "csrc/sched/local.c",
        "csrc/sched/sched.c",
        "csrc/sched/sleep.c",
        "csrc/sched/worker.c",
        "csrc/sync/barrier.c",
        "csrc/sync/broadcast.c",
        "csrc/sync/lock.c",
        "csrc/sync/mailbox.c",
        "csrc/sync/mpsc.c",
        "csrc/sync/msg.c",
        "csrc/sync/notify.c",
        "csrc/sync/once.c",
        "csrc/sync/oneshot.c",
        "csrc/sync/sem.c",
        "csrc/sync/semaphore.c",
        "csrc/sync/token.c",
        "csrc/sync/wait.c",
        "csrc/sync/watch.c",
        "csrc/task/join.c",
        "csrc/task/live.c",
        "csrc/task/task.c",
      },
      incdirs = { "csrc/include", "csrc", "$(LIBUV_INCDIR)" },
      libdirs = { "$(LIBUV_LIBDIR)" },
      libraries = { "uv", "pthread" },
    },
    ["rthandle.async_runtime"] = "lua/rthandle/async_runtime.lua",
    ["rthandle"] = "lua/rthandle/init.lua",
    ["rthandle.meta.async_runtime"] = "lua/rthandle/meta/async_runtime.lua",
    ["rthandle.meta.rthandle"] = "lua/rthandle/meta/rthandle.lua",
  },
  copy_directories = { "csrc/include", "docs", "examples" },
}
test = {
  type = "busted",
}
