/* lua_faults_test - lack of memory in a host program: every allocation of the
** Lua state, of the runtime's own states, of the binding and of the core fails
** once, and from each one on.  A script then works or gets an error; nothing
** is left behind, nobody hangs, and the process goes on.
**
** malloc, calloc and realloc are wrapped by the linker (see the Makefile). */
#include "lua_host.h"

#include "base/atomic.h"

static RTH_ATOMIC(int) armed, passes, failed;
static RTH_ATOMIC(int) forever; /* all fail from there on; else one */

static int refuse(void) {
  if (!rth__load_acq(&armed)) return 0;
  if (rth__sub_ar(&passes, 1) > 0) return 0;
  if (!rth__load_acq(&forever) && rth__load_acq(&failed) > 0) return 0;
  (void)rth__add_ar(&failed, 1);
  return 1;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t size);

void *__wrap_malloc(size_t size) {
  return refuse() ? NULL : __real_malloc(size);
}
void *__wrap_calloc(size_t n, size_t size) {
  return refuse() ? NULL : __real_calloc(n, size);
}
void *__wrap_realloc(void *old, size_t size) {
  return size > 0 && refuse() ? NULL : __real_realloc(old, size);
}

static void *allocate(void *ud, void *old, size_t osize, size_t nsize) {
  (void)ud;
  (void)osize;
  if (nsize > 0) return realloc(old, nsize);
  free(old);
  return NULL;
}

/* fail(): from here on; else it starts with the script. */
static int fail(lua_State *L) {
  (void)L;
  rth__store_rel(&armed, 1);
  return 0;
}

/* Answers whether the code ran through. */
static int run_once(const char *code, int n) {
  lua_State *L = open_host(lua_newstate(allocate, NULL));
  int rc;
  lua_register(L, "fail", fail);
  rc = luaL_loadstring(L, code);
  ASSERT_EQ(rc, LUA_OK);
  rth__store_rel(&failed, 0);
  rth__store_rel(&passes, n);
  rth__store_rel(&armed, strstr(code, "fail()") == NULL);
  rc = lua_pcall(L, 0, 0, 0);
  rth__store_rel(&armed, 0);
  if (rc != LUA_OK && rth__load_acq(&failed) == 0)
    HARNESS_FAIL("%s", lua_tostring(L, -1));
  lua_close(L);
  ASSERT_EQ(rth_live_allocations(), 0);
  return rc == LUA_OK;
}

#define HEAD(options)                                            \
  "local rt <const> = require 'rthandle'\n"                      \
  "local sync <const> = rt.sync\n"                               \
  "local function nap() rt.yield_now() return 1 end\n"           \
  "local r <close> = rt.Runtime.new { " options                  \
  " unhandled_panic = 'ignore' }\n"                              \
  "if not r then error 'no runtime' end\n"                       \
  "r:block_on(function()\n"

#define CURRENT "flavor = 'current_thread',"

static const char whole[] = HEAD(CURRENT);
static const char current[] = HEAD(CURRENT) "fail()\n"; /* states are open */
static const char multi[] = HEAD("worker_threads = 1,") "fail()\n";

/* One failure at each place, then failure from each place on. */
static void starve(const char *head, const char *body) {
  char code[8192];
  int n;
  TIME_LIMIT(200);
  snprintf(code, sizeof code, "%s%s\nend)\n", head, body);
  for (n = 0; n < 2; n++) {
    int i, last = 0;
    rth__store_rel(&forever, n);
    for (i = 0; !last; i++) {
      (void)run_once(code, i);
      last = rth__load_acq(&failed) == 0;
      ASSERT_LT(i, 20000);
    }
  }
}

TEST(a_runtime_that_lacks_memory_for_its_state_leaves_nothing) {
  starve(whole, "assert(rt.spawn(nap):await() == 1)");
}

TEST(tasks_that_lack_memory_raise_and_leave_nothing) {
  starve(current,
         "local function f(...) return ... end\n"
         "do local g <close> = r:handle():enter() end\n"
         "local a = rt.spawn_local(f, 1, 2, 3)\n"
         "assert(select('#', a:await()) == 3)\n"
         "assert(rt.spawn_local(nap):await() == 1)\n"
         "assert(not rt.spawn_local(error, 'x'):join())\n"
         "assert(rt.timeout(1, f, 5))\n"
         "assert(not rt.timeout(0, rt.sleep, 5))\n"
         "rt.time.Sleep(0):await()\n"
         "assert(rt.coroutine.wrap(nap)() == 1)");
}

TEST(a_spawner_that_lacks_memory_raises_and_leaves_nothing) {
  starve(current,
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

TEST(blocking_functions_that_lack_memory_fail_and_leave_nothing) {
  starve(current,
         "local j = r:spawn_blocking(function(x) return { x } end, 'y')\n"
         "assert(j:await()[1] == 'y')\n"
         "assert(not r:spawn_blocking(error, {}):join())");
}

TEST(workers_that_lack_memory_fail_their_tasks_and_leave_nothing) {
  starve(multi,
         "local j = r:spawn(function(x) rt.sleep(0.001) return { x } end, 1)\n"
         "assert(j:await()[1] == 1)");
}

TEST(join_set_that_lacks_memory_leaves_nothing) {
  starve(current,
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
  starve(current,
         "local function wait() rt.sleep(100) end\n"
         "assert(rt.select { a = nap, b = wait } == 'a')\n"
         "assert(rt.select { wait, default = nap })\n"
         "assert(rt.join(nap, nap)[1] == 1)\n"
         "assert(rt.try_join(nap, nap)[1] == 1)\n"
         "assert(not pcall(rt.try_join, error, wait))");
}

TEST(intervals_that_lack_memory_leave_nothing) {
  starve(current,
         "local i = rt.interval(0.0005)\n"
         "i:tick() i:tick() i:reset()\n"
         "rt.timeout(0, i.tick, i)");
}

TEST(channels_that_lack_memory_leave_nothing) {
  starve(current,
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
  starve(current,
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
  starve(current,
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
  starve(current,
         "local t = rt.CancellationToken.new()\n"
         "local c = t:child_token()\n"
         "local j = rt.spawn_local(function() c:cancelled() end)\n"
         "rt.yield_now()\n"
         "do local g <close> = t:drop_guard() end\n"
         "j:await()\n"
         "c:run_until_cancelled(nap)");
}
