/* lua_threads_test - threads that the system refuses, seen from a script in a
** host program. */
#include "lua_host.h"

#include "base/fault.h"

/* refuse(n): n threads, from now on; -1: all. */
static int refuse(lua_State *L) {
  rth__fault_set(RTH_FAULT_THREAD, 0, (int)lua_tointeger(L, 1));
  return 0;
}

static lua_State *host(void) {
  lua_State *L = open_host(luaL_newstate());
  lua_register(L, "refuse", refuse);
  return L;
}

/* Whether Runtime.new works where all threads but the n-th can be had. */
static int starts_without(int n) {
  lua_State *L = host();
  int started;
  rth__fault_set(RTH_FAULT_THREAD, n, 1);
  run(L, "r, why = require 'rthandle'.Runtime.new { worker_threads = 4 }\n"
         "assert(r or why:match '^cannot start the runtime: .')");
  rth__fault_set(RTH_FAULT_THREAD, 0, 0);
  started = lua_getglobal(L, "r") != LUA_TNIL;
  run(L, "if r then r:close() end\n"
         "assert(require 'rthandle'.main(function() return 1 end) == 1)");
  lua_close(L);
  ASSERT_EQ(rth_live_allocations(), 0);
  return started;
}

TEST(a_runtime_that_lacks_any_of_its_threads_answers_nil_and_why) {
  int n;
  for (n = 0; n < 4; n++) ASSERT(!starts_without(n));
  ASSERT(starts_without(4));
}

#define BLOCKING                                              \
  "local rt <const> = require 'rthandle'\n"                   \
  "local r <close> = rt.Runtime.new { worker_threads = 1 }\n"

TEST(blocking_functions_queue_while_one_thread_lives) {
  lua_State *L = host();
  run(L, BLOCKING
      "local tx, rx = rt.sync.mpsc(1)\n"
      "local here = rt.sync.Notify()\n"
      "local first = r:spawn_blocking(function(go, n)\n"
      "  n:notify_one()\n"
      "  return go:recv()\n"
      "end, rx, here)\n"
      "r:block_on(here)\n"
      "refuse(-1)\n"
      "local second = r:spawn_blocking(function() return 2 end)\n"
      "assert(r:metrics().num_blocking_threads == 1)\n"
      "assert(r:metrics().blocking_queue_depth == 1)\n"
      "assert(not second:is_finished())\n"
      "tx:send(1)\n"
      "assert(first:await() == 1 and second:await() == 2)");
  rth__fault_set(RTH_FAULT_THREAD, 0, 0);
  lua_close(L);
}

TEST(spawn_blocking_raises_where_no_thread_lives) {
  lua_State *L = host();
  run(L, BLOCKING
      "refuse(1)\n"
      "local ok, why = pcall(function()\n"
      "  r:spawn_blocking(print)\n"
      "end)\n"
      "assert(not ok and why:match ':%d+: cannot start a thread$')\n"
      "assert(r:metrics().blocking_queue_depth == 0)\n"
      "assert(r:spawn_blocking(function() return 1 end):await() == 1)");
  lua_close(L);
}
