/* lua_faults_test - lack of memory in tasks, channels and locks. */
#include "lua_faults.h"

TEST(a_runtime_that_lacks_memory_for_its_state_leaves_nothing) {
  starve(WHOLE, "assert(rt.spawn(nap):await() == 1)");
}

static const char tasks[] =
    "local function f(...) return ... end\n"
    "do local g <close> = r:handle():enter() end\n"
    "local a = rt.spawn_local(f, 1, 2, 3)\n"
    "assert(select('#', a:await()) == 3)\n"
    "assert(rt.spawn_local(nap):await() == 1)\n"
    "assert(not rt.spawn_local(error, 'x'):join())\n"
    "assert(rt.timeout(1, f, 5))\n"
    "assert(not rt.timeout(0, rt.sleep, 5))\n"
    "rt.time.Sleep(0):await()\n"
    "assert(rt.coroutine.wrap(nap)() == 1)";

TEST(tasks_that_lack_memory_raise_and_leave_nothing) {
  starve(STARTED, tasks);
}

/* Finalizers run all the time then, and Lua skips some of them.  What those
** would have freed is for run_once to judge, not for a leak checker. */
TEST(tasks_under_a_busy_collector_leave_what_lua_did_not_finalize) {
  collects_always = 1;
  starve(STARTED, tasks);
  _exit(0);
}

TEST(a_spawner_that_lacks_memory_raises_and_leaves_nothing) {
  starve(STARTED,
         "local t = { 1, { 2 } }\n"
         "local a, b = r:spawn(function(x) return t[1], x end, 'y'):await()\n"
         "assert(a == 1 and b == 'y')\n"
         "local ok, e = r:spawn(function() error {} end):join()\n"
         "assert(not ok and e:is_panic())\n"
         "local j = r:spawn(function() rt.sleep(100) end)\n"
         "rt.yield_now()\n"
         "j:abort_handle():abort()\n"
         "assert(not j:join())");
}

/* What starve writes to standard error meanwhile has no such text. */
static void starve_without(const char *text, const char *body) {
  char line[256];
  int before = dup(STDERR_FILENO);
  FILE *f = tmpfile();
  ASSERT(before >= 0 && f != NULL);
  dup2(fileno(f), STDERR_FILENO);
  starve(STARTED, body);
  dup2(before, STDERR_FILENO);
  rewind(f);
  while (fgets(line, sizeof line, f) != NULL)
    if (strstr(line, text) != NULL) HARNESS_FAIL("%s", line);
}

TEST(a_task_that_lacks_memory_is_not_reported_where_failures_are_ignored) {
  starve_without("panicked",
                 "local j = r:spawn(function(x) return { x } end, 1)\n"
                 "assert(j:await()[1] == 1)\n"
                 "assert(not r:spawn(error, {}):join())");
  _exit(0); /* as above: finalizers that Lua skipped */
}

/* Whether something that the code writes to standard error has that text. */
static int reports(const char *text, const char *code, int n, int *done) {
  char line[256];
  int before = dup(STDERR_FILENO), found = 0;
  FILE *f = tmpfile();
  ASSERT(before >= 0 && f != NULL);
  dup2(fileno(f), STDERR_FILENO);
  *done = run_once(code, n) && skipped == 0;
  dup2(before, STDERR_FILENO);
  close(before);
  rewind(f);
  while (fgets(line, sizeof line, f) != NULL)
    found |= strstr(line, text) != NULL;
  fclose(f);
  return found;
}

TEST(a_local_task_that_fails_without_memory_is_reported) {
  static const char code[] =
      "local rt <const> = require 'rthandle'\n"
      "local r <close> = rt.Runtime.new { " CURRENT " }\n"
      "r:block_on(function()\n"
      "  rt.spawn_local(function() rt.yield_now() error {} end)\n"
      "  rt.yield_now()\n"
      "  fail()\n"
      "  rt.yield_now()\n"
      "  rt.yield_now()\n"
      "end)\n";
  int i, n, done;
  for (n = 0; n < 2; n++) {
    rth__store_rel(&forever, n);
    for (i = 0;; i++) {
      int reported = reports("panicked", code, i, &done);
      ASSERT(reported || !done);
      if (rth__load_acq(&failed) == 0) break;
      ASSERT_LT(i, 1000);
    }
  }
}

TEST(a_module_that_lacks_memory_when_it_is_opened_says_so) {
  int i, n, last = 0;
  for (n = 0; n < 2; n++, last = 0) {
    rth__store_rel(&forever, n);
    for (i = 0; !last; i++) {
      lua_State *L = lua_newstate(allocate, NULL);
      int rc;
      luaL_openlibs(L);
      lua_pushcfunction(L, luaopen_rthandle_core);
      rth__store_rel(&failed, 0);
      rth__store_rel(&passes, i);
      rth__store_rel(&armed, 1);
      rc = lua_pcall(L, 0, 1, 0);
      rth__store_rel(&armed, 0);
      last = rth__load_acq(&failed) == 0;
      if (rc != LUA_OK) ASSERT_STR_EQ(lua_tostring(L, -1), "not enough memory");
      lua_close(L);
      ASSERT_LT(i, 20000);
    }
  }
}

TEST(blocking_functions_that_lack_memory_fail_and_leave_nothing) {
  starve(STARTED,
         "local j = r:spawn_blocking(function(x) return { x } end, 'y')\n"
         "assert(j:await()[1] == 'y')\n"
         "assert(not r:spawn_blocking(error, {}):join())");
}

TEST(workers_that_lack_memory_fail_their_tasks_and_leave_nothing) {
  starve(MULTI,
         "local j = r:spawn(function(x) rt.sleep(0.001) return { x } end, 1)\n"
         "assert(j:await()[1] == 1)");
}

TEST(join_set_that_lacks_memory_leaves_nothing) {
  starve(STARTED,
         "local set <close> = rt.JoinSet.new()\n"
         "set:spawn_local(nap)\n"
         "set:spawn(nap)\n"
         "local a = set:spawn_local(rt.sleep, 100)\n"
         "assert(set:join_next())\n"
         "a:abort()\n"
         "while set:join_next() ~= nil do end\n"
         "set:spawn_local(nap)\n"
         "set:join_all()\n"
         "set:spawn_local(rt.sleep, 100)");
}

TEST(select_and_join_that_lack_memory_leave_nothing) {
  starve(STARTED,
         "local function wait() rt.sleep(100) end\n"
         "assert(rt.select { a = nap, b = wait } == 'a')\n"
         "assert(rt.select { wait, default = nap })\n"
         "assert(rt.join(nap, nap)[1] == 1)\n"
         "assert(rt.try_join(nap, nap)[1] == 1)\n"
         "assert(not pcall(rt.try_join, error, wait))");
}

TEST(intervals_that_lack_memory_leave_nothing) {
  starve(STARTED,
         "local i = rt.interval(0.0005)\n"
         "i:tick() i:tick() i:reset()\n"
         "rt.timeout(0, i.tick, i)");
}

TEST(channels_that_lack_memory_leave_nothing) {
  starve(STARTED,
         "local tx, rx = sync.mpsc(2)\n"
         "local j = rt.spawn_local(function()\n"
         "  for v in rx:iter() do assert(v[1] == 'x') end\n"
         "end)\n"
         "rt.yield_now()\n"
         "local other <close> = tx:clone()\n"
         "tx:send { 'x' } other:send { 'x' }\n"
         "assert(not rt.timeout(0, tx.send, tx, { 'x' }))\n"
         "other:close() tx:close()\n"
         "j:await()\n"
         "local otx, orx = sync.oneshot()\n"
         "otx:send 'y'\n"
         "assert(orx:recv() == 'y')");
}

TEST(broadcast_and_watch_that_lack_memory_leave_nothing) {
  starve(STARTED,
         "local tx, rx = sync.broadcast(2)\n"
         "local more = tx:subscribe()\n"
         "tx:send { 1 }\n"
         "assert(rx:recv()[1] == 1 and more:recv()[1] == 1)\n"
         "assert(not rt.timeout(0, rx.recv, rx))\n"
         "local wtx, wrx = sync.watch { 0 }\n"
         "local j = rt.spawn_local(function() return wrx:changed() end)\n"
         "rt.yield_now()\n"
         "wtx:send { 1 }\n"
         "j:await()\n"
         "assert(wrx:borrow()[1] == 1)");
}

TEST(locks_that_lack_memory_leave_nothing) {
  starve(STARTED,
         "local m, n = sync.Mutex { 1 }, sync.Notify()\n"
         "local j\n"
         "do\n"
         "  local g <close> = m:lock()\n"
         "  j = rt.spawn_local(function()\n"
         "    local h <close> = m:lock()\n"
         "    return h:get()[1]\n"
         "  end)\n"
         "  rt.yield_now()\n"
         "  g:set { 2 }\n"
         "end\n"
         "assert(j:await() == 2)\n"
         "local w = sync.RwLock(1)\n"
         "do local g <close> = w:read() assert(g:get() == 1) end\n"
         "do local g <close> = w:write() g:set(3) end\n"
         "local s = sync.Semaphore(1)\n"
         "do\n"
         "  local p <close> = s:acquire()\n"
         "  assert(not rt.timeout(0, s.acquire, s))\n"
         "end\n"
         "n:notify_one()\n"
         "n:notified()\n"
         "assert(sync.Barrier(1):wait())\n"
         "assert(sync.OnceCell():get_or_init(nap) == 1)");
}

TEST(tokens_that_lack_memory_leave_nothing) {
  starve(STARTED,
         "local t = rt.CancellationToken.new()\n"
         "local c = t:child_token()\n"
         "local j = rt.spawn_local(function() c:cancelled() end)\n"
         "rt.yield_now()\n"
         "do local g <close> = t:drop_guard() end\n"
         "j:await()\n"
         "c:run_until_cancelled(nap)");
}
