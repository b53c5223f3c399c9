/* runtime - Runtime, rt.main and the process's own runtime.
**
** WHY      a Runtime is the owner: closing it ends its tasks.  Collecting it
**          may not wait, so that only starts the end.
** THREADS  the one that runs the Lua state.
** OWNS     the core's runtime until it is collected; closing keeps it, since
**          handles and a second close still ask it.
*/
#include <string.h>

#include "lua/enter.h"
#include "lua/fiber.h"
#include "lua/handle.h"
#include "lua/options.h"
#include "lua/thread.h"

typedef struct Runtime {
  rth_runtime_t *rt;   /* NULL: not started, or collected */
  rthL_Shared *shared; /* until it is started: then the core's */
  int closed;
} Runtime;

static Runtime *check(lua_State *L) {
  Runtime *r = rthL_check(L, rthL_here(L), 1, RTHL_RUNTIME);
  if (r->rt == NULL) luaL_argerror(L, 1, "Runtime is finalized");
  return r;
}

static rth_handle_t *check_handle(lua_State *L) {
  return rth_runtime_handle(check(L)->rt);
}

int rthL_runtime_new(lua_State *L) {
  rthL_State *S = rthL_here(L);
  Runtime *r;
  rth_options_t o;
  int rc;
  if (lua_gettop(L) == 0) lua_pushnil(L); /* no options */
  r = rthL_new(L, S, RTHL_RUNTIME, sizeof *r, 0);
  rthL_executors_sweep(L, S);
  rthL_options(L, 1, &o, &r->shared);
  rc = rth_runtime_new(&o, &r->rt);
  if (rc == RTH_OK) {
    r->shared = NULL;
    if (o.flavor == RTH_CURRENT_THREAD)
      rthL_executor(L, S, rth_runtime_handle(r->rt))->drive = 1;
    else if (S->cur == NULL) /* bare waits of plain code may use it */
      (void)rthL_executor(L, S, rth_runtime_handle(r->rt));
    return 1;
  }
  r->rt = NULL;
  lua_pushnil(L);
  lua_pushfstring(L, "cannot start the runtime: %s", rth_strerror(rc));
  return 2;
}

/* ---- the end ------------------------------------------------------------ */

/* Waits in slices: a Ctrl-C ends the wait. */
static int wait_for_end(rthL_State *S, Runtime *r, uint64_t timeout) {
  const uint64_t slice = 40000000; /* ns */
  uint64_t left = timeout;
  lua_Hook hook = S->hook;
  int rc;
  S->hook = lua_gethook(S->L);
  do {
    uint64_t now = left < slice ? left : slice;
    int ended = rth_runtime_has_ended(r->rt); /* then the next call joins */
    rc = rth_runtime_shutdown(r->rt, now);
    if (left != RTH_FOREVER) left -= now;
    if (ended) left = 0;
  } while (rc == RTH_OK && left > 0 && !rthL_interrupted(S));
  if (rc == RTH_OK && rthL_interrupted(S)) rc = RTH_EINTR;
  S->hook = hook;
  return rc;
}

/* The first call says how long to wait.  A `<close>` variable that was told not
** to wait does not wait at the end of its block. */
static int shut_down(lua_State *L, rthL_State *S, Runtime *r,
                     uint64_t timeout) {
  lua_State *from = S->from;
  int rc;
  if (r->closed) timeout = 0;
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  S->from = L;
  rc = S->own || timeout == 0 ? rth_runtime_shutdown(r->rt, timeout)
                              : wait_for_end(S, r, timeout);
  S->from = from;
  if (rc == RTH_EBLOCKING) return rthL_raise(L, rc);
  if (rc == RTH_EINTR) return rthL_raise_interrupt(L, S);
  r->closed = 1;
  if (rth_runtime_has_ended(r->rt))
    rthL_shared_unhook(rth_handle_arg(rth_runtime_handle(r->rt)));
  rthL_executors_sweep(L, S);
  return rc;
}

static int runtime_close(lua_State *L) {
  Runtime *r = check(L);
  (void)shut_down(L, rthL_here(L), r, RTH_FOREVER);
  return 0;
}

/* A block is left: by Ctrl-C, then nothing may keep the script. */
static int runtime_leave(lua_State *L) {
  Runtime *r = check(L);
  rthL_State *S = rthL_here(L);
  int at_once = S->interrupted && !lua_isnoneornil(L, 2);
  (void)shut_down(L, S, r, at_once ? 0 : RTH_FOREVER);
  return 0;
}

static int runtime_shutdown_timeout(lua_State *L) {
  Runtime *r = check(L);
  (void)shut_down(L, rthL_here(L), r, rthL_checkseconds(L, 2));
  return 0;
}

static int runtime_shutdown_background(lua_State *L) {
  Runtime *r = check(L);
  (void)shut_down(L, rthL_here(L), r, 0);
  return 0;
}

static int runtime_gc(lua_State *L) {
  Runtime *r = rthL_check(L, rthL_here(L), 1, RTHL_RUNTIME);
  rth_runtime_t *rt = r->rt;
  if (r->shared != NULL) rthL_shared_free(r->shared);
  r->shared = NULL;
  if (rt == NULL) return 0;
  r->rt = NULL;
  if (!r->closed) {
    rthL_Shared *sh = rth_handle_arg(rth_runtime_handle(rt));
    int n = (int)rth_counter_get(&sh->blocking);
    if (n > 0)
      rthL_report("rthandle: runtime collected without close: %d blocking "
                  "function%s still running\n",
                  n, n == 1 ? " was" : "s were");
  }
  rth_runtime_free(rt);
  return 0;
}

/* ---- as a Handle -------------------------------------------------------- */

static int runtime_handle(lua_State *L) {
  return rthL_pushhandle(L, rthL_here(L), check_handle(L));
}

static int runtime_spawn(lua_State *L) {
  return rthL_spawn_kind(L, rthL_here(L), check_handle(L), 2, RTHL_SPAWN);
}

static int runtime_spawn_local(lua_State *L) {
  return rthL_spawn_kind(L, rthL_here(L), check_handle(L), 2,
                         RTHL_SPAWN_LOCAL);
}

static int runtime_spawn_blocking(lua_State *L) {
  return rthL_spawn_kind(L, rthL_here(L), check_handle(L), 2, RTHL_BLOCKING);
}

static int runtime_spawn_with(lua_State *L) {
  return rthL_spawn_with(L, rthL_here(L), check_handle(L), 2);
}

static int runtime_enter(lua_State *L) {
  return rthL_enter(L, rthL_here(L), check_handle(L));
}

static int runtime_metrics(lua_State *L) {
  return rthL_metrics(L, rthL_here(L), check_handle(L));
}

static int runtime_block_on(lua_State *L) {
  return rthL_block_on(L, rthL_here(L), check_handle(L), 1, 2);
}

static int runtime_tostring(lua_State *L) {
  rth_handle_t *h = check_handle(L);
  lua_pushfstring(L, "rthandle.Runtime(%s, id=%I, workers=%d)",
                  rth_handle_flavor(h) == RTH_CURRENT_THREAD ? "current_thread"
                                                             : "multi_thread",
                  (LUAI_UACINT)rth_handle_id(h),
                  (int)rth_handle_num_workers(h));
  return 1;
}

/* ---- rt.main ------------------------------------------------------------ */

/* main(f, opts?): a runtime for one call. */
static int free_main(lua_State *L) {
  rthL_State *S = rthL_here(L);
  int n, status;
  luaL_checktype(L, 1, LUA_TFUNCTION);
  if (!lua_isnoneornil(L, 2)) luaL_checktype(L, 2, LUA_TTABLE);
  if (rth_is_driving()) return rthL_raise(L, RTH_ENESTED);
  lua_settop(L, 2);
  lua_insert(L, 1); /* options, f */
  n = rthL_runtime_new(L);
  if (n == 2) return luaL_error(L, "%s", lua_tostring(L, -1));
  lua_replace(L, 1); /* Runtime, f */
  lua_pushlightuserdata(L, S);
  lua_pushcclosure(L, runtime_block_on, 1);
  lua_insert(L, 2); /* Runtime, block_on, f */
  lua_pushvalue(L, 1);
  lua_insert(L, 3);
  status = lua_pcall(L, 2, LUA_MULTRET, 0);
  (void)shut_down(L, S, lua_touserdata(L, 1),
                  status != LUA_OK && S->interrupted ? 0 : RTH_FOREVER);
  return status == LUA_OK ? lua_gettop(L) - 1 : lua_error(L);
}

void rthL_open_runtime(lua_State *L, rthL_State *S) {
  static const luaL_Reg meta[] = {{"__gc", runtime_gc},
                                  {"__close", runtime_leave},
                                  {"__tostring", runtime_tostring},
                                  {NULL, NULL}};
  static const luaL_Reg methods[] = {
      {"handle", runtime_handle},
      {"spawn", runtime_spawn},
      {"spawn_local", runtime_spawn_local},
      {"spawn_blocking", runtime_spawn_blocking},
      {"spawn_with", runtime_spawn_with},
      {"enter", runtime_enter},
      {"metrics", runtime_metrics},
      {"block_on", runtime_block_on},
      {"close", runtime_close},
      {"shutdown_timeout", runtime_shutdown_timeout},
      {"shutdown_background", runtime_shutdown_background},
      {NULL, NULL}};
  static const luaL_Reg class[] = {{"new", rthL_runtime_new}, {NULL, NULL}};
  static const luaL_Reg functions[] = {{"main", free_main}, {NULL, NULL}};
  rthL_type(L, S, RTHL_RUNTIME, "rthandle.Runtime", meta, methods);
  lua_pop(L, 1);
  lua_newtable(L);
  rthL_setfuncs(L, S, class);
  lua_setfield(L, -2, "Runtime");
  rthL_setfuncs(L, S, functions);
}
