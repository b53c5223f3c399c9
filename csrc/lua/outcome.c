/* outcome - what came out of a task, as its JoinHandle gives it.
**
** WHY      the core gives the outcome once, as a message or a failure; all who
**          wait get the very same objects.  So it is brought into the state at
**          the first wait that asks, and kept in the user values.
** THREADS  the one that runs the Lua state.
** OWNS     nothing: what it takes is the JoinHandle's, or the state's.
*/
#include "lua/join.h"

static rthL_Remote *remote(rthL_Join *j) { return (rthL_Remote *)j; }

static int decode(lua_State *L) {
  return rthL_decode(L, lua_touserdata(L, 1));
}

/* A result that this state cannot have: the join fails with the reason, which
** is on top of the stack. */
static void undecodable(lua_State *L, rthL_State *S, rthL_Join *j, int idx) {
  int err = lua_gettop(L);
  rthL_Who who = rthL_join_who(L, j, idx);
  rthL_Failure **f;
  lua_pushvalue(L, err);
  f = rthL_newjoinerror(L, S);
  lua_pushnil(L); /* no traceback */
  *f = rthL_failure_new(L, S, err, err + 4, &who);
  lua_pop(L, 1);
  lua_setiuservalue(L, idx, 1);
  j->state = RTHL_J_ERROR;
}

/* Keeps the values of a moved task in this state. */
static void take_values(lua_State *L, rthL_State *S, rthL_Join *j, int idx) {
  rthL_Message *m = remote(j)->out;
  int top = lua_gettop(L), i;
  lua_pushcfunction(L, decode);
  lua_pushlightuserdata(L, m);
  if (lua_pcall(L, 1, LUA_MULTRET, 0) != LUA_OK) {
    undecodable(L, S, j, idx);
  } else {
    j->n = lua_gettop(L) - top;
    if (j->n > 1) {
      luaL_checkstack(L, 2, NULL);
      lua_createtable(L, j->n, 0);
      lua_insert(L, top + 1);
      for (i = j->n; i > 0; i--) lua_rawseti(L, top + 1, i);
    }
    if (j->n > 0) lua_setiuservalue(L, idx, 1);
    j->state = RTHL_J_VALUES;
  }
  lua_settop(L, top);
  remote(j)->out = NULL;
  rthL_message_recycle(m, &S->blocks);
}

static void take_error(lua_State *L, rthL_State *S, rthL_Join *j, int idx) {
  switch (j->state) {
    case RTHL_J_RAW:
      if (j->local) { /* it failed, and there was no memory to say how */
        rthL_pushjoinerror(L, S, rthL_failure_nomemory(0), 0);
        break;
      }
      rthL_pushjoinerror(L, S, remote(j)->out, 0);
      remote(j)->out = NULL;
      rthL_failure_seen();
      break;
    case RTHL_J_WATCH:
      lua_getiuservalue(L, idx, 1);
      rthL_watch_see(L, S);
      break;
    default: {
      rthL_Who who = rthL_join_who(L, j, idx);
      rthL_Failure **f;
      lua_pushnil(L);
      f = rthL_newjoinerror(L, S);
      *f = rthL_failure_cancelled(L, &who);
      lua_replace(L, -3);
      lua_pop(L, 1);
      j->cancelled = 1;
      break;
    }
  }
  lua_setiuservalue(L, idx, 1);
  j->state = RTHL_J_ERROR;
}

/* Brings the outcome into this state, once. */
static void settle_here(lua_State *L, rthL_State *S, rthL_Join *j, int idx) {
  luaL_checkstack(L, 8, NULL);
  if (j->state == RTHL_J_RAW && !j->local && remote(j)->how == RTH_READY)
    take_values(L, S, j, idx);
  else if (j->state == RTHL_J_RAW || j->state == RTHL_J_WATCH ||
           j->state == RTHL_J_CANCELLED)
    take_error(L, S, j, idx);
}

static int push_values(lua_State *L, rthL_Join *j, int idx) {
  int i, t;
  if (j->n == 0) return 0;
  lua_getiuservalue(L, idx, 1);
  if (j->n == 1) return 1;
  t = lua_gettop(L);
  luaL_checkstack(L, j->n + 2, "too many results"); /* with `true`, an id */
  for (i = 1; i <= j->n; i++) lua_rawgeti(L, t, i);
  return j->n;
}

int rthL_join_push(lua_State *L, rthL_State *S, rthL_Join *j, int joining) {
  settle_here(L, S, j, 1);
  if (j->state == RTHL_J_VALUES) {
    int n = push_values(L, j, 1);
    if (!joining) return n;
    lua_pushboolean(L, 1);
    lua_insert(L, -(n + 1));
    return n + 1;
  }
  if (joining) lua_pushboolean(L, 0);
  lua_getiuservalue(L, 1, 1);
  return joining ? 2 : lua_error(L);
}
