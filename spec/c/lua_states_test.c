/* lua_states_test - host programs: several Lua states of one process use the
** module, on several threads, and are closed in any order. */
#include "harness.h"

#include <pthread.h>

#include "lauxlib.h"
#include "lua.h"
#include "lualib.h"
#include "rthandle.h"

int luaopen_rthandle_core(lua_State *L);

static lua_State *open_host(lua_State *L) {
  luaL_openlibs(L);
  luaL_requiref(L, "rthandle.core", luaopen_rthandle_core, 0);
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_pushvalue(L, -2);
  lua_setfield(L, -2, "rthandle");
  lua_settop(L, 0);
  return L;
}

static void run(lua_State *L, const char *code) {
  if (luaL_dostring(L, code) != LUA_OK) {
    fprintf(stderr, "%s\n", lua_tostring(L, -1));
    exit(1);
  }
  lua_settop(L, 0);
}

static const char work[] =
    "local rt = require 'rthandle'\n"
    "local r <close> = rt.Runtime.new{ worker_threads = 2 }\n"
    "local sum = r:block_on(function()\n"
    "  local js, n = {}, 0\n"
    "  for i = 1, 50 do\n"
    "    js[i] = rt.spawn(function(x) rt.sleep(0.001) return x end, i)\n"
    "    js[i + 50] = rt.spawn_local(function() rt.yield_now() return i end)\n"
    "  end\n"
    "  for i = 1, 100 do n = n + js[i]:await() end\n"
    "  return n\n"
    "end)\n"
    "assert(sum == 2550)\n";

static void *state_of_its_own(void *arg) {
  int i;
  (void)arg;
  for (i = 0; i < 5; i++) {
    lua_State *L = open_host(luaL_newstate());
    run(L, work);
    lua_close(L);
  }
  return NULL;
}

TEST(states_on_several_threads_have_runtimes_of_their_own) {
  pthread_t t[4];
  int i;
  TIME_LIMIT(60);
  for (i = 0; i < 4; i++)
    ASSERT_EQ(pthread_create(&t[i], NULL, state_of_its_own, NULL), 0);
  for (i = 0; i < 4; i++) pthread_join(t[i], NULL);
}

static void *share_the_default(void *arg) {
  lua_State *L = open_host(luaL_newstate());
  (void)arg;
  run(L,
      "local rt = require 'rthandle'\n"
      "local ar = rt._async_runtime\n"
      "for i = 1, 20 do\n"
      "  local a = ar.spawn(function() return i end)\n"
      "  local b = ar.spawn_blocking(function() return i end)\n"
      "  assert(ar.block_on(a) == i and b:await() == i)\n"
      "end\n");
  lua_close(L);
  return NULL;
}

TEST(all_states_share_one_async_runtime) {
  pthread_t t[4];
  int i;
  ALLOW_LIVE();
  for (i = 0; i < 4; i++)
    ASSERT_EQ(pthread_create(&t[i], NULL, share_the_default, NULL), 0);
  for (i = 0; i < 4; i++) pthread_join(t[i], NULL);
}

TEST(a_state_closed_with_a_busy_runtime_leaves_it_to_end_by_itself) {
  int i;
  ALLOW_LIVE();
  for (i = 0; i < 10; i++) {
    lua_State *L = open_host(luaL_newstate());
    run(L,
        "local rt = require 'rthandle'\n"
        "R = rt.Runtime.new{ worker_threads = 2 }\n"
        "for i = 1, 20 do\n"
        "  R:spawn(function() while true do rt.sleep(0.001) end end)\n"
        "end\n"
        "local j = R:spawn_local(function() rt.sleep(1) end)\n"
        "pcall(R.block_on, R, rt.time and function() rt.sleep(0.002) end)\n");
    lua_close(L);
  }
}

TEST(a_state_may_be_opened_and_closed_without_a_runtime) {
  int i;
  for (i = 0; i < 20; i++) {
    lua_State *L = open_host(luaL_newstate());
    run(L, "assert(not require 'rthandle'.Handle.try_current())");
    lua_close(L);
  }
}

/* ---- lack of memory ----------------------------------------------------- */

typedef struct Limit {
  long left;
  int on;
} Limit;

static void *limited(void *ud, void *old, size_t osize, size_t nsize) {
  Limit *m = ud;
  (void)osize;
  if (nsize == 0) {
    free(old);
    return NULL;
  }
  if (m->on && m->left-- <= 0) return NULL;
  return realloc(old, nsize);
}

/* Fails every allocation of the state from the n-th on, for each n, until the
** code runs through. */
static void starve(const char *code) {
  long n;
  for (n = 0;; n++) {
    Limit m = {0, 0};
    lua_State *L = open_host(lua_newstate(limited, &m));
    int rc = luaL_loadstring(L, code);
    ASSERT_EQ(rc, LUA_OK);
    m.left = n;
    m.on = 1;
    rc = lua_pcall(L, 0, 0, 0);
    m.on = 0;
    lua_close(L);
    if (rc == LUA_OK) break;
    ASSERT_LT(n, 5000);
  }
}

TEST(a_state_without_memory_raises_and_leaks_nothing) {
  TIME_LIMIT(60);
  starve(
      "local rt = require 'rthandle'\n"
      "local r <close> = rt.Runtime.new{ flavor = 'current_thread',\n"
      " unhandled_panic = 'ignore' }\n"
      "local function f(...) return ... end\n"
      "r:block_on(function()\n"
      "  local h = r:handle()\n"
      "  do local g <close> = h:enter() end\n"
      "  local a = rt.spawn_local(f, 1, 2, 3)\n"
      "  assert(select('#', a:await()) == 3)\n"
      "  local b = rt.spawn_local(function() rt.yield_now() return 1 end)\n"
      "  assert(b:await() == 1)\n"
      "  local ok, e = rt.spawn_local(error, 'x'):join()\n"
      "  assert(not ok)\n"
      "  assert(rt.timeout(1, f, 5))\n"
      "  assert(not rt.timeout(0, rt.sleep, 5))\n"
      "  local s = rt.time.Sleep(0) s:await()\n"
      "end)\n");
}

TEST(a_spawner_without_memory_raises_and_leaks_nothing) {
  TIME_LIMIT(60);
  starve(
      "local rt = require 'rthandle'\n"
      "local r <close> = rt.Runtime.new{ flavor = 'current_thread',\n"
      " unhandled_panic = 'ignore' }\n"
      "local t = { 1, { 2 } }\n"
      "r:block_on(function()\n"
      "  local a, b = r:spawn(function(x) return t[1], x end, 'y'):await()\n"
      "  assert(a == 1 and b == 'y')\n"
      "  local ok, e = r:spawn(function() error({}) end):join()\n"
      "  assert(not ok and e:is_panic())\n"
      "end)\n");
}

