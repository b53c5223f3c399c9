/* async - async_runtime: the one runtime of the process.
**
** WHY      made at first use, by whichever Lua state comes first; if two make
**          one at once, the core's slot takes the first and the other is
**          dropped again.  No script can close it.
** THREADS  any that runs a Lua state.
*/
#include "lua/enter.h"
#include "lua/fiber.h"
#include "lua/handle.h"
#include "lua/options.h"

/* For the life of the process.  Written once, by who made it; volatile, so that
** leak checkers see it. */
static rth_runtime_t *volatile the_runtime;

/* A runtime with the defaults in the slot, whoever put it there. */
static void make(lua_State *L) {
  rthL_Shared *shared = NULL;
  rth_runtime_t *rt;
  rth_options_t o;
  int rc;
  rthL_options(L, lua_gettop(L) + 1, &o, &shared);
  rc = rth_runtime_new(&o, &rt);
  if (rc != RTH_OK) {
    rthL_shared_free(shared);
    luaL_error(L, "cannot start the runtime: %s", rth_strerror(rc));
    return;
  }
  if (rth_default_set(rth_runtime_handle(rt)) == RTH_OK)
    the_runtime = rt;
  else
    rth_runtime_free(rt);
}

/* Puts the process's Handle at index 1, below the arguments. */
static rth_handle_t *global(lua_State *L) {
  rthL_State *S = rthL_here(L);
  rth_handle_t *h = rth_default_handle();
  if (h == NULL) {
    make(L);
    h = rth_default_handle();
  }
  rthL_pushhandle(L, S, h);
  rth_handle_free(h);
  lua_insert(L, 1);
  return rthL_checkhandle(L, S, 1);
}

static int async_handle(lua_State *L) {
  (void)global(L);
  lua_settop(L, 1);
  return 1;
}

static int async_block_on(lua_State *L) {
  rth_handle_t *h = global(L);
  return rthL_block_on(L, rthL_here(L), h, 0, 2);
}

static int async_spawn(lua_State *L) {
  rth_handle_t *h = global(L);
  return rthL_spawn_kind(L, rthL_here(L), h, 2, RTHL_SPAWN);
}

static int async_spawn_blocking(lua_State *L) {
  rth_handle_t *h = global(L);
  return rthL_spawn_kind(L, rthL_here(L), h, 2, RTHL_BLOCKING);
}

static int async_set(lua_State *L) {
  rth_handle_t *h = rthL_checkhandle(L, rthL_here(L), 1);
  if (rth_default_set(h) != RTH_OK)
    return luaL_error(L, "runtime already initialized");
  return 0;
}

void rthL_open_async(lua_State *L, rthL_State *S) {
  static const luaL_Reg functions[] = {
      {"handle", async_handle},
      {"block_on", async_block_on},
      {"spawn", async_spawn},
      {"spawn_blocking", async_spawn_blocking},
      {"set", async_set},
      {NULL, NULL}};
  lua_newtable(L);
  rthL_setfuncs(L, S, functions);
  lua_getfield(L, -2, "sync");
  lua_getfield(L, -1, "mpsc");
  lua_setfield(L, -3, "channel");
  lua_getfield(L, -1, "Mutex");
  lua_setfield(L, -3, "Mutex");
  lua_getfield(L, -1, "RwLock");
  lua_setfield(L, -3, "RwLock");
  lua_pop(L, 1);
  lua_setfield(L, -2, "_async_runtime");
}
