/* metrics - the table that Handle:metrics answers.
**
** THREADS  any that runs a Lua state; the numbers are of one moment each.
*/
#include "lua/handle.h"
#include "lua/join.h"
#include "lua/thread.h"

static void set(lua_State *L, const char *key, uint64_t n) {
  lua_pushinteger(L, (lua_Integer)n);
  lua_setfield(L, -2, key);
}

static void push_worker(lua_State *L, rth_handle_t *h, unsigned i) {
  rthL_Shared *sh = rth_handle_arg(h);
  rth_worker_metrics_t w;
  if (rth_handle_worker_metrics(h, i, &w) != RTH_OK)
    luaL_error(L, "no such worker");
  lua_createtable(L, 0, 6);
  set(L, "poll_count", w.poll_count);
  set(L, "steal_count", w.steal_count);
  set(L, "park_count", w.park_count);
  set(L, "local_queue_depth", w.local_queue_depth);
  rthL_pushseconds(L, w.busy_duration);
  lua_setfield(L, -2, "busy_duration");
  set(L, "lua_memory",
      i < sh->nworkers ? rth_counter_get(&sh->memory[i]) : 0);
}

int rthL_metrics(lua_State *L, rthL_State *S, rth_handle_t *h) {
  unsigned i, n = rth_handle_num_workers(h);
  rth_metrics_t m;
  if (S->fresh != NULL) rthL_local_flush(S, S->cx->local); /* alive, too */
  rth_handle_metrics(h, &m);
  lua_createtable(L, 0, 8);
  set(L, "num_workers", m.num_workers);
  set(L, "num_alive_tasks", m.num_alive_tasks);
  set(L, "spawned_tasks_count", m.spawned_tasks_count);
  set(L, "global_queue_depth", m.global_queue_depth);
  set(L, "num_blocking_threads", m.num_blocking_threads);
  set(L, "num_idle_blocking_threads", m.num_idle_blocking_threads);
  set(L, "blocking_queue_depth", m.blocking_queue_depth);
  lua_createtable(L, (int)n, 0);
  for (i = 0; i < n; i++) {
    push_worker(L, h, i);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  lua_setfield(L, -2, "workers");
  return 1;
}
