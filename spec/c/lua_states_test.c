/* lua_states_test - host programs: several Lua states of one process use the
** module, on several threads, and are closed in any order. */
#include "lua_host.h"

#include <pthread.h>

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
