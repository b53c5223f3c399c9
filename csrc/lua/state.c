/* state - the context of the module in one Lua state.
**
** WHY      functions find it in an upvalue: no search by string keys.  It is
**          a userdata whose __gc runs after that of all others of the module,
**          since finalizers run in reverse order of their making.
** THREADS  the one that runs the Lua state.
** OWNS     the executors that this state drives, the pool of coroutines.
*/
#include "lua/state.h"

#include <stdlib.h>
#include <string.h>

#include "lua/enter.h"

static const char state_key = 0; /* its address is the registry's key */

rthL_State *rthL_find(lua_State *L) {
  rthL_State *S;
  if (!lua_checkstack(L, 1)) return NULL;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &state_key);
  S = lua_touserdata(L, -1);
  lua_pop(L, 1);
  return S;
}

static void executor_free(rthL_State *S, rthL_Executor *e) {
  rthL_Executor **p = &S->executors;
  while (*p != e) p = &(*p)->next;
  *p = e->next;
  if (e->local != NULL) rth_local_free(e->local);
  rth_handle_free(e->handle);
  free(e);
}

/* os.exit(code, true) in a task closes the state whose executor runs that
** task: it stays as it is until the process ends. */
static rthL_Executor *volatile abandoned;

static int state_gc(lua_State *L) {
  rthL_State *S = lua_touserdata(L, 1);
  rth_msg_t *m, *next;
  S->closing = 1;
  S->from = L;
  if (S->cur != NULL)
    abandoned = S->executors;
  else
    while (S->executors != NULL) executor_free(S, S->executors);
  rthL_enter_clear(&S->enter);
  free(S->pool);
  S->pool = NULL;
  S->npool = S->cpool = 0;
  rthL_block_close(S);
  for (m = S->held; m != NULL; m = next) {
    next = m->u.next;
    m->drop(m);
  }
  S->held = NULL;
  rth_blocks_close(&S->blocks);
  return 0;
}

/* From here on luaL_unref allocates nothing in the table at idx: releases
** before 5.4.3 make the head of its list of free references, t[0], only when
** the first one is freed. */
static void begin_references(lua_State *L, int idx) {
  idx = lua_absindex(L, idx);
  if (lua_rawgeti(L, idx, 0) == LUA_TNIL) {
    lua_pushinteger(L, 0);
    lua_rawseti(L, idx, 0);
  }
  lua_pop(L, 1);
}

rthL_State *rthL_state_open(lua_State *L) {
  static const luaL_Reg meta[] = {{"__gc", state_gc}, {NULL, NULL}};
  rthL_State *S = lua_newuserdatauv(L, sizeof *S, 0);
  memset(S, 0, sizeof *S);
  lua_newtable(L);
  luaL_setfuncs(L, meta, 0);
  lua_setmetatable(L, -2);
  rth_blocks_open(&S->blocks); /* closed by its __gc */
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
  S->L = S->from = lua_tothread(L, -1);
  lua_pop(L, 1);
  begin_references(L, LUA_REGISTRYINDEX);
  lua_newtable(L);
  begin_references(L, -1);
  S->anchors = luaL_ref(L, LUA_REGISTRYINDEX);
  lua_pushliteral(L, "attempt to yield from outside a coroutine");
  S->stray = luaL_ref(L, LUA_REGISTRYINDEX);
  S->module = LUA_NOREF;
  S->fresh_last = &S->fresh;
  lua_rawsetp(L, LUA_REGISTRYINDEX, &state_key);
  return S;
}

void rthL_state_reset(rthL_State *S) {
  rthL_Executor *e;
  for (e = S->executors; e != NULL; e = e->next)
    if (e->local != NULL) rth_local_cancel_all(e->local);
  rthL_enter_clear(&S->enter);
}

/* ---- keeping values ------------------------------------------------------ */

int rthL_keep(lua_State *L, int idx) {
  lua_pushvalue(L, idx);
  return luaL_ref(L, LUA_REGISTRYINDEX);
}

void rthL_let_go(rthL_State *S, int kept) {
  /* The key exists, so nothing here allocates. */
  if (kept != 0 && lua_checkstack(S->from, 3))
    luaL_unref(S->from, LUA_REGISTRYINDEX, kept);
}

/* ---- executors ---------------------------------------------------------- */

static rthL_Executor *executor(rthL_State *S, rth_handle_t *h) {
  uint64_t id = rth_handle_id(h);
  rthL_Executor *e;
  for (e = S->executors; e != NULL; e = e->next)
    if (rth_handle_id(e->handle) == id) return e;
  e = calloc(1, sizeof *e);
  if (e == NULL) return NULL;
  e->handle = rth_handle_clone(h);
  e->next = S->executors;
  S->executors = e;
  return e;
}

rthL_Executor *rthL_executor(lua_State *L, rthL_State *S, rth_handle_t *h) {
  rthL_Executor *e = executor(S, h);
  if (e == NULL) rthL_raise(L, RTH_ENOMEM);
  return e;
}

int rthL_executor_open(rthL_State *S, rth_handle_t *h, rthL_Executor **out) {
  rthL_Executor *e = executor(S, h);
  *out = e;
  if (e == NULL) return RTH_ENOMEM;
  return e->local != NULL ? RTH_OK : rth_local_new(h, S, &e->local);
}

void rthL_executors_sweep(lua_State *L, rthL_State *S) {
  rthL_Executor *e = S->executors;
  lua_State *from = S->from;
  if (rth_is_driving()) return;
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  S->from = L; /* tasks that are left are closed here */
  while (e != NULL) {
    rthL_Executor *next = e->next;
    if (rth_handle_is_shutdown(e->handle)) executor_free(S, e);
    e = next;
  }
  S->from = from;
}

/* ---- userdata ----------------------------------------------------------- */

void rthL_setfuncs(lua_State *L, rthL_State *S, const luaL_Reg *l) {
  lua_pushlightuserdata(L, S);
  luaL_setfuncs(L, l, 1);
}

void rthL_type(lua_State *L, rthL_State *S, rthL_Type t, const char *name,
               const luaL_Reg *meta, const luaL_Reg *methods) {
  lua_newtable(L);
  lua_pushstring(L, name);
  lua_setfield(L, -2, "__name");
  lua_pushliteral(L, "rthandle");
  lua_setfield(L, -2, "__metatable");
  if (methods != NULL) {
    lua_newtable(L);
    rthL_setfuncs(L, S, methods);
    lua_setfield(L, -2, "__index");
  }
  rthL_setfuncs(L, S, meta);
  S->mtp[t] = lua_topointer(L, -1);
  lua_pushvalue(L, -1);
  S->mt[t] = luaL_ref(L, LUA_REGISTRYINDEX);
}

void *rthL_new(lua_State *L, rthL_State *S, rthL_Type t, size_t size,
               int nuv) {
  void *p = lua_newuserdatauv(L, size, nuv);
  memset(p, 0, size);
  lua_rawgeti(L, LUA_REGISTRYINDEX, S->mt[t]);
  lua_setmetatable(L, -2);
  return p;
}

void *rthL_to(lua_State *L, rthL_State *S, int idx, rthL_Type t) {
  void *p = lua_touserdata(L, idx);
  if (p == NULL || !lua_getmetatable(L, idx)) return NULL;
  if (lua_topointer(L, -1) != S->mtp[t]) p = NULL;
  lua_pop(L, 1);
  return p;
}

void *rthL_check(lua_State *L, rthL_State *S, int idx, rthL_Type t) {
  void *p = rthL_to(L, S, idx, t);
  if (p == NULL) {
    const char *name;
    lua_rawgeti(L, LUA_REGISTRYINDEX, S->mt[t]);
    lua_getfield(L, -1, "__name");
    name = lua_tostring(L, -1); /* the metatable keeps it */
    lua_pop(L, 2); /* so that a missing argument is still missing */
    luaL_typeerror(L, idx, name);
  }
  return p;
}
