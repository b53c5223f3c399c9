/* joinset - JoinSet: tasks, and their outcomes in the order of completion.
**
** THREADS  the one that runs the Lua state.
** OWNS     its set (see taskset.h).
*/
#include "lua/taskset.h"

static rthL_Set *check(lua_State *L) {
  rthL_Set *s = rthL_check(L, rthL_here(L), 1, RTHL_JOINSET);
  if (s->box.core == NULL) luaL_argerror(L, 1, "JoinSet is finalized");
  return s;
}

static int set_new(lua_State *L) {
  rthL_Set *s = rthL_new(L, rthL_here(L), RTHL_JOINSET, sizeof *s, 2);
  rthL_set_open(L, s);
  return 1;
}

static int spawn(lua_State *L, int kind) {
  (void)rthL_set_spawn(L, check(L), kind);
  return rthL_pushabort(L, rthL_here(L), lua_touserdata(L, -1));
}

static int set_spawn(lua_State *L) { return spawn(L, RTHL_SPAWN); }
static int set_spawn_local(lua_State *L) {
  return spawn(L, RTHL_SPAWN_LOCAL);
}
static int set_spawn_blocking(lua_State *L) {
  return spawn(L, RTHL_BLOCKING);
}
static int set_spawn_with(lua_State *L) { return spawn(L, -1); }

/* ---- outcomes ----------------------------------------------------------- */

/* Pushes the outcome of the task of an entry, after its id where asked for. */
static int outcome(lua_State *L, rthL_State *S, rthL_Set *s, rth_msg_t *m,
                   int with_id) {
  uint64_t id;
  int n;
  luaL_checkstack(L, 10, NULL);
  id = rthL_set_take(L, s, rthL_ended(m), 1);
  lua_replace(L, 1); /* the JoinHandle stands where its methods have it */
  lua_settop(L, 1);
  n = rthL_join_outcome(L, S);
  if (!with_id) return n;
  lua_pushinteger(L, (lua_Integer)id);
  lua_insert(L, -(n + 1)); /* only the last n are the outcome */
  return n + 1;
}

static rth_poll_t next_poll(rthL_WaitOp *o, const rth_waker_t *waker) {
  rth_poll_t r = rth_mpsc_recv_poll(o->core, &o->wait, waker, &o->message);
  if (r == RTH_READY) {
    rthL_Join *j = rthL_ended(o->message)->join;
    o->cancelled = !rthL_join_failed(j) && rthL_join_cancelled(j);
  }
  return r;
}

static int next_finish(lua_State *L, rthL_State *S, rthL_WaitOp *o) {
  if (o->result == RTH_FAILED) return rthL_raise(L, RTH_ESHUTDOWN);
  return outcome(L, S, lua_touserdata(L, 1), o->message, (int)o->n);
}

static int join_next(lua_State *L, int with_id) {
  static const rthL_WaitType type = {next_poll, next_finish, NULL,
                                     rthL_set_free};
  rthL_Set *s = check(L);
  if (s->box.waiting != NULL)
    return luaL_error(L, "JoinSet is already awaited");
  lua_settop(L, 1);
  if (s->n == 0) {
    lua_pushnil(L);
    return 1;
  }
  return rthL_wait_on(L, rthL_here(L), &type, &s->box, (uint64_t)with_id,
                      NULL);
}

static int set_join_next(lua_State *L) { return join_next(L, 0); }
static int set_join_next_with_id(lua_State *L) { return join_next(L, 1); }

static int set_try_join_next(lua_State *L) {
  rthL_Set *s = check(L);
  rth_msg_t *m;
  if (s->box.waiting != NULL)
    return luaL_error(L, "JoinSet is already awaited");
  lua_settop(L, 1);
  if (s->n == 0 || rth_mpsc_try_recv(s->box.core, &m) != RTH_OK) {
    lua_pushnil(L);
    return 1;
  }
  return outcome(L, rthL_here(L), s, m, 0);
}

/* ---- all of them -------------------------------------------------------- */

/* Answers 0, with nothing done, where somebody waits.  The tables come first:
** a finalizer that spawns runs before the set is left, not in between. */
static int forget_all(lua_State *L, rthL_State *S, rthL_Set *s) {
  lua_newtable(L);
  lua_newtable(L);
  if (s->box.waiting != NULL) return 0;
  rthL_set_leave(L, S, s);
  lua_setiuservalue(L, 1, 1);
  lua_setiuservalue(L, 1, 2);
  return 1;
}

static int set_abort_all(lua_State *L) {
  (void)check(L);
  rthL_set_abort(L, rthL_here(L));
  return 0;
}

static int set_detach_all(lua_State *L) {
  rthL_Set *s = check(L);
  if (!forget_all(L, rthL_here(L), s))
    return luaL_error(L, "JoinSet is already awaited");
  return 0;
}

/* Another task that waits in join_next sees the ends of all. */
static int set_leave(lua_State *L) {
  rthL_State *S = rthL_here(L);
  rthL_Set *s = rthL_check(L, S, 1, RTHL_JOINSET);
  rthL_set_abort(L, S);
  (void)forget_all(L, S, s);
  return 0;
}

/* At the end of the state it cancels local tasks itself. */
static int set_gc(lua_State *L) {
  rthL_State *S = rthL_here(L);
  rthL_Set *s = lua_touserdata(L, 1);
  if (s->box.core == NULL) return 0;
  if (s->n > 0) {
    rthL_set_abort(L, S);
    rthL_set_leave(L, S, s);
  }
  if (s->box.waiting != NULL) { /* its coroutine was closed by the script */
    s->box.waiting->box = NULL;
    rth_mpsc_rx_close(s->box.core);
    s->box.core = NULL;
  }
  rthL_set_close(s);
  return 0;
}

/* shutdown and join_all call join_next until it answers nil; a call may
** suspend, so this is the continuation, too; `called` is how often it did.  The
** set is at index 1, the list of values (or nil: they do not matter) at 2. */
static int drain(lua_State *L, int status, lua_KContext called) {
  (void)status;
  for (;;) {
    if (called) {
      if (lua_isnil(L, 3)) {
        lua_settop(L, 2);
        return lua_isnil(L, 2) ? 0 : 1;
      }
      if (lua_istable(L, 2) && !lua_toboolean(L, 3)) {
        rthL_set_abort(L, rthL_here(L));
        lua_settop(L, 4);
        return lua_error(L);
      }
      if (lua_istable(L, 2)) {
        lua_settop(L, 4);
        lua_rawseti(L, 2, (lua_Integer)called);
      }
    }
    lua_settop(L, 2);
    lua_getfield(L, 1, "join_next");
    lua_pushvalue(L, 1);
    called++;
    lua_callk(L, 1, LUA_MULTRET, called, drain);
  }
}

static int set_shutdown(lua_State *L) {
  (void)check(L);
  rthL_set_abort(L, rthL_here(L));
  lua_settop(L, 1);
  lua_pushnil(L);
  return drain(L, LUA_OK, 0);
}

static int set_join_all(lua_State *L) {
  (void)check(L);
  lua_settop(L, 1);
  lua_newtable(L);
  return drain(L, LUA_OK, 0);
}

static int set_len(lua_State *L) {
  lua_pushinteger(L, check(L)->n);
  return 1;
}

static int set_tostring(lua_State *L) {
  lua_pushfstring(L, "rthandle.JoinSet(len=%I)", (LUAI_UACINT)check(L)->n);
  return 1;
}

void rthL_open_joinset(lua_State *L, rthL_State *S) {
  static const luaL_Reg meta[] = {{"__gc", set_gc},
                                  {"__close", set_leave},
                                  {"__len", set_len},
                                  {"__tostring", set_tostring},
                                  {NULL, NULL}};
  static const luaL_Reg methods[] = {
      {"spawn", set_spawn},
      {"spawn_local", set_spawn_local},
      {"spawn_blocking", set_spawn_blocking},
      {"spawn_with", set_spawn_with},
      {"join_next", set_join_next},
      {"join_next_with_id", set_join_next_with_id},
      {"try_join_next", set_try_join_next},
      {"join_all", set_join_all},
      {"abort_all", set_abort_all},
      {"shutdown", set_shutdown},
      {"detach_all", set_detach_all},
      {NULL, NULL}};
  static const luaL_Reg class[] = {{"new", set_new}, {NULL, NULL}};
  rthL_type(L, S, RTHL_JOINSET, "rthandle.JoinSet", meta, methods);
  lua_pop(L, 1);
  lua_newtable(L);
  rthL_setfuncs(L, S, class);
  lua_setfield(L, -2, "JoinSet");
}
