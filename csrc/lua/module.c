/* module - require "rthandle.core".
**
** WHY      the module pins itself in memory: worker threads run its code until
**          their runtime has ended, which may be after lua_close unloaded it.
** THREADS  any; the state's own thread.
*/
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>

#include "lua/enter.h"
#include "lua/failure.h"
#include "lua/handle.h"
#include "lua/join.h"
#include "lua/move.h"
#include "lua/net.h"
#include "lua/sync.h"
#include "lua/tasklocal.h"
#include "lua/thread.h"

#if defined(__GNUC__)
#define EXPORT __attribute__((visibility("default")))
#else
#define EXPORT
#endif

static void pin(void) {
#ifdef RTLD_NODELETE
  union {
    int (*function)(lua_State *);
    void *address;
  } here;
  Dl_info info;
  here.function = luaopen_rthandle_core;
  if (dladdr(here.address, &info) != 0 && info.dli_fname != NULL)
    (void)dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
#endif
}

EXPORT int luaopen_rthandle_core(lua_State *L) {
  rthL_State *S = rthL_find(L);
  if (S != NULL && S->module != LUA_NOREF) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, S->module);
    return 1;
  }
  pin();
  luaL_checkversion(L);
  S = rthL_state_open(L);
  rthL_move_open(L);
  lua_newtable(L);
  rthL_open_enter(L, S);
  rthL_open_failure(L, S);
  rthL_open_join(L, S);
  rthL_open_abort(L, S);
  rthL_open_local(L, S);
  rthL_open_handle(L, S);
  rthL_open_runtime(L, S);
  rthL_open_time(L, S);
  rthL_open_timeout(L, S);
  rthL_open_interval(L, S);
  rthL_open_sync(L, S);
  rthL_open_net(L, S);
  rthL_open_io(L, S);
  rthL_open_select(L, S);
  rthL_open_joinset(L, S);
  rthL_open_scope(L, S);
  rthL_open_tasklocal(L, S);
  rthL_open_coroutine(L, S);
  rthL_open_async(L, S);
  lua_pushvalue(L, -1);
  S->module = luaL_ref(L, LUA_REGISTRYINDEX);
  return 1;
}
