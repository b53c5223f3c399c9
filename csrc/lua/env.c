/* env - environments that only pass on to the globals.
**
** WHY      Test frameworks and sandboxes give functions an _ENV of their own:
**          an empty table whose __index is a function that looks here and
**          there and in the end into the globals.  As a captured table it
**          would take along all that this function knows, and no global in
**          the function could be judged.  So such a table stands for the
**          globals: it is asked for the names that the function reads.  Where
**          it answers as the globals do, the other side's globals will do;
**          what it answers otherwise travels as a thin layer over them.
**          An _ENV with fields of its own, or whose __index is a table, is a
**          captured table as any other.
** THREADS  of one Lua state.  To ask runs the script's code: see THE RULE in
**          mover.h; the answers are kept for the encoding that goes on, in
**          the stack slot m->envs (a table once there are any: environment ->
**          code id -> answers), and the encoding starts anew.
*/
#include "lua/mover.h"

/* Whether the table at `t` is empty and its __index a function. */
static int passes_on(lua_State *L, int t) {
  int top = lua_gettop(L), r = 0;
  lua_pushnil(L);
  if (lua_next(L, t) == 0 && lua_getmetatable(L, t)) {
    if (lua_getmetatable(L, -1))
      r = 0;
    else
      r = lua_getfield(L, -1, "__index") == LUA_TFUNCTION;
  }
  lua_settop(L, top);
  return r;
}

/* Asks: table, names, answers.  Notes where it does not answer as _G does. */
static int ask(lua_State *L) {
  lua_Integer i;
  lua_pushglobaltable(L);
  for (i = 1; lua_rawgeti(L, 2, i) != LUA_TNIL; i++) {
    lua_pushvalue(L, -1);
    lua_gettable(L, 1);
    lua_pushvalue(L, -2);
    lua_rawget(L, 4);
    if (!lua_rawequal(L, -1, -2)) {
      lua_pop(L, 1);
      lua_rawset(L, 3);
    }
    lua_settop(L, 4);
  }
  return 0;
}

/* The answers for the environment at `t` and the function of `e` whose
** upvalue number `up` it is; they end up in m->envs. */
static int ask_for(rthL_Mover *m, int t, const rthL_Entry *e, int up) {
  lua_State *L = m->L;
  int top = lua_gettop(L), envs = m->envs, reads = m->reads;
  lua_Integer id = e->code->id, n = 0;
  unsigned flushes = m->flushes;
  size_t i;
  lua_createtable(L, 0, 0); /* answers */
  lua_createtable(L, 0, 0); /* answers of all functions for this table */
  lua_pushcfunction(L, ask);
  lua_pushvalue(L, t);
  lua_createtable(L, 4, 0); /* names */
  if (m->flushes != flushes) return RTHL_AGAIN; /* e is gone */
  for (i = 0; i < e->code->facts.n; i++) {
    const rthL_Fact *x = &e->code->facts.v[i];
    if (x->kind != RTHL_READS || x->up != up) continue;
    lua_rawgeti(L, reads, e->names + (lua_Integer)i);
    lua_rawseti(L, top + 5, ++n);
  }
  lua_pushvalue(L, top + 1);
  if (lua_pcall(L, 3, 0, 0) != LUA_OK) {
    lua_pop(L, 1); /* it does not answer: not one of these */
    lua_pushboolean(L, 0);
    lua_replace(L, top + 1);
  }
  if (!lua_istable(L, envs)) {
    lua_createtable(L, 0, 1);
    lua_replace(L, envs);
  }
  lua_pushvalue(L, t);
  if (lua_rawget(L, envs) == LUA_TNIL) {
    lua_pop(L, 1);
    lua_pushvalue(L, t);
    lua_pushvalue(L, top + 2);
    lua_rawset(L, envs);
    lua_pushvalue(L, top + 2);
  }
  lua_pushvalue(L, top + 1);
  lua_rawseti(L, -2, id);
  return RTHL_AGAIN;
}

int rthL_env_layer(rthL_Mover *m, int t, rthL_Entry *e, int up) {
  lua_State *L = m->L;
  if (lua_istable(L, m->envs)) {
    lua_pushvalue(L, t);
    if (lua_rawget(L, m->envs) == LUA_TTABLE) {
      lua_rawgeti(L, -1, e->code->id);
      lua_remove(L, -2);
      if (!lua_isnil(L, -1)) return RTHL_DONE;
    }
    lua_pop(L, 1);
  }
  if (rthL_name_of(m, lua_topointer(L, t)) != NULL || !passes_on(L, t)) {
    lua_pushboolean(L, 0);
    return RTHL_DONE;
  }
  if (e->names == 0) return rthL_code_names(m, e);
  return ask_for(m, t, e, up);
}
