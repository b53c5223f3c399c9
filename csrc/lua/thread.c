/* thread - the Lua states of a runtime's own threads: made before the first
** task, closed after the last, always by their thread.
**
** WHY      one state for each thread, never one for each task: a state costs
**          as much as hundreds of tasks.
** THREADS  start and stop run on the thread itself; a current_thread runtime
**          has one state, which is run by whoever drives.
** OWNS     the shared part belongs to the runtime, until its release.
*/
#include "lua/thread.h"

#include <stdlib.h>
#include <string.h>

#include "lauxlib.h"
#include "lua/failure.h"
#include "lualib.h"

/* ---- the shared part ---------------------------------------------------- */

static char *copy_field(lua_State *L, const char *key) {
  const char *s;
  char *copy;
  size_t len;
  lua_getfield(L, -1, key);
  s = lua_tolstring(L, -1, &len);
  copy = s != NULL ? malloc(len + 1) : NULL;
  if (copy != NULL) memcpy(copy, s, len + 1);
  lua_pop(L, 1);
  return copy;
}

rthL_Shared *rthL_shared_new(lua_State *L, unsigned nworkers) {
  rthL_Shared *sh = calloc(1, sizeof *sh + nworkers * sizeof *sh->memory);
  if (sh == NULL) {
    luaL_error(L, "not enough memory");
    return NULL;
  }
  sh->nworkers = nworkers;
  return sh;
}

void rthL_shared_unhook(rthL_Shared *sh) {
  rthL_Message *start = sh->on_start, *stop = sh->on_stop;
  sh->on_start = sh->on_stop = NULL;
  rthL_message_free(start);
  rthL_message_free(stop);
}

void rthL_shared_free(rthL_Shared *sh) {
  rthL_shared_unhook(sh);
  free(sh->path);
  free(sh->cpath);
  free(sh);
}

void rthL_shared_paths(lua_State *L, rthL_Shared *sh) {
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  if (lua_getfield(L, -1, LUA_LOADLIBNAME) == LUA_TTABLE) {
    sh->path = copy_field(L, "path");
    sh->cpath = copy_field(L, "cpath");
  }
  lua_pop(L, 2);
}

/* ---- a state of our own ------------------------------------------------- */

typedef struct Start {
  rthL_Shared *shared;
  const rth_thread_info_t *info;
  rth_counter_t *memory;
} Start;

/* Counts the bytes; only the state's thread writes the counter. */
static void *allocate(void *ud, void *old, size_t osize, size_t nsize) {
  rth_counter_t *c = ud;
  void *p;
  if (old == NULL) osize = 0; /* it is a type then */
  if (nsize == 0) {
    free(old);
    p = NULL;
  } else {
    p = realloc(old, nsize);
    if (p == NULL) return NULL;
  }
  if (c != NULL) rth_counter_set(c, rth_counter_get(c) + nsize - osize);
  return p;
}

/* print, with each line in one piece. */
static int print(lua_State *L) {
  int n = lua_gettop(L), i;
  luaL_Buffer b;
  const char *s;
  size_t len;
  luaL_buffinit(L, &b);
  for (i = 1; i <= n; i++) {
    if (i > 1) luaL_addchar(&b, '\t');
    luaL_tolstring(L, i, NULL);
    luaL_addvalue(&b);
  }
  luaL_addchar(&b, '\n');
  luaL_pushresult(&b);
  s = lua_tolstring(L, -1, &len);
  fwrite(s, 1, len, stdout);
  fflush(stdout);
  return 0;
}

static void set_path(lua_State *L, const char *key, const char *path) {
  if (path == NULL) return;
  lua_pushstring(L, path);
  lua_setfield(L, -2, key);
}

static int preloaded(lua_State *L) {
  lua_pushvalue(L, lua_upvalueindex(1));
  return 1;
}

/* package.loaded.name = the value on top, which is popped; found by require
** even if the script clears that field. */
static void provide(lua_State *L, const char *name) {
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_pushvalue(L, -2);
  lua_setfield(L, -2, name);
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushvalue(L, -3);
  lua_pushcclosure(L, preloaded, 1);
  lua_setfield(L, -2, name);
  lua_pop(L, 3);
}

static void open_libraries(lua_State *L, rthL_Shared *sh) {
  luaL_openlibs(L);
  lua_getglobal(L, LUA_LOADLIBNAME);
  set_path(L, "path", sh->path);
  set_path(L, "cpath", sh->cpath);
  lua_pop(L, 1);
  lua_pushcfunction(L, print);
  lua_setglobal(L, "print");
}

static void open_module(lua_State *L) {
  lua_pushcfunction(L, luaopen_rthandle_core);
  lua_call(L, 0, 1);
  lua_getfield(L, -1, "coroutine");
  lua_pushvalue(L, -1);
  lua_setglobal(L, LUA_COLIBNAME);
  provide(L, LUA_COLIBNAME);
  lua_getfield(L, -1, "_async_runtime");
  provide(L, "rthandle.async_runtime");
  lua_pushvalue(L, -1);
  provide(L, "rthandle.core");
  provide(L, "rthandle");
}

static int open_state(lua_State *L) {
  Start *start = lua_touserdata(L, 1);
  const rth_thread_info_t *info = start->info;
  rthL_State *S;
  open_libraries(L, start->shared);
  open_module(L);
  S = rthL_find(L);
  S->own = 1;
  S->home = info->handle;
  S->executor = info->local;
  return 0;
}

static int run_hook(lua_State *L) {
  (void)rthL_decode(L, lua_touserdata(L, 1));
  lua_call(L, 0, 0);
  return 0;
}

/* The globals that are there now are in every thread of the runtime. */
static int seal(lua_State *L) {
  rthL_move_seal(L);
  return 0;
}

static int add_traceback(lua_State *L) {
  luaL_tolstring(L, 1, NULL);
  lua_pushliteral(L, "\n");
  rthL_traceback(L, L, 1);
  lua_concat(L, 3);
  return 1;
}

/* An error is reported; the thread does its work all the same. */
static void call_hook(lua_State *L, lua_CFunction f, rthL_Message *m,
                      const char *name) {
  lua_pushcfunction(L, add_traceback);
  lua_pushcfunction(L, f);
  lua_pushlightuserdata(L, m);
  if (lua_pcall(L, 1, 0, -3) != LUA_OK) {
    const char *text = lua_tostring(L, -1);
    rthL_report("rthandle: %s failed: %s\n", name, text ? text : "?");
  }
  lua_settop(L, 0);
}

static void thread_start(void *arg, const rth_thread_info_t *t, void **data) {
  rthL_Shared *sh = arg;
  Start start;
  lua_State *L;
  memset(&start, 0, sizeof start);
  start.shared = sh;
  start.info = t;
  if (t->kind != RTH_THREAD_BLOCKING && t->index < sh->nworkers)
    start.memory = &sh->memory[t->index];
  *data = NULL;
  L = lua_newstate(allocate, start.memory);
  if (L == NULL) return;
  lua_pushcfunction(L, open_state);
  lua_pushlightuserdata(L, &start);
  if (lua_pcall(L, 1, 0, 0) != LUA_OK) {
    const char *text = lua_tostring(L, -1);
    rthL_report("rthandle: cannot make a Lua state: %s\n", text ? text : "?");
    lua_close(L);
    return;
  }
  *data = rthL_find(L);
  if (sh->on_start == NULL) return;
  call_hook(L, run_hook, sh->on_start, "on_thread_start");
  call_hook(L, seal, NULL, "on_thread_start");
}

static void thread_stop(void *arg, const rth_thread_info_t *t, void *data) {
  rthL_Shared *sh = arg;
  rthL_State *S = data;
  (void)t;
  if (S == NULL) return;
  if (sh->on_stop != NULL)
    call_hook(S->L, run_hook, sh->on_stop, "on_thread_stop");
  lua_close(S->L);
}

static uint64_t thread_idle(void *arg, void *data) {
  rthL_State *S = data;
  (void)arg;
  if (S == NULL) return RTH_FOREVER;
  rthL_pool_age(S);
  return rthL_look_for_dropped(S);
}

static void unhandled(void *arg, uint64_t id, void *out) {
  rthL_Shared *sh = arg;
  (void)id;
  rthL_failure_unseen(out, sh->quiet);
}

static void release(void *arg) { rthL_shared_free(arg); }

void rthL_thread_hooks(rth_options_t *o, rthL_Shared *sh) {
  o->thread_start = thread_start;
  o->thread_stop = thread_stop;
  o->thread_idle = thread_idle;
  o->unhandled = unhandled;
  o->release = release;
  o->arg = sh;
}
