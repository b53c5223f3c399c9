/* once - rt.sync.OnceCell: a value that is made once.
**
** WHY      whoever comes first makes it: the core says so, and must hear how
**          it ended.  A userdata with __close stands for that duty on the
**          stack of get_or_init, so an error or an abort in f ends it, too.
** THREADS  the one that runs the Lua state; the cell: any.
** OWNS     the duty has a reference to its cell.
*/
#include "lua/sync.h"

RTHL_SHARED(once, RTHL_ONCE, rth_once_t, rth_once_ref, rth_once_unref);

static rth_once_t *check_once(lua_State *L) {
  return rthL_checklive(L, rthL_here(L), RTHL_ONCE)->core;
}

static void finish_duty(rthL_Box *duty, rth_msg_t *value) {
  rth_once_t *o = duty->core;
  duty->core = NULL;
  rth_once_finish(o, value);
  rth_once_unref(o);
}

static int duty_leave(lua_State *L) {
  rthL_Box *duty = lua_touserdata(L, 1);
  if (duty->core != NULL) finish_duty(duty, NULL);
  return 0;
}

static rth_poll_t once_poll(rthL_WaitOp *o, const rth_waker_t *waker) {
  rth_msg_t *value = NULL;
  rth_poll_t r = rth_once_poll(o->core, &o->wait, waker, &value);
  if (r == RTH_READY && value == NULL) /* it is ours to make */
    ((rthL_Box *)o->data)->core = rth_once_ref(o->core);
  return r;
}

/* f has made the value, which is at index 4. */
static int made(lua_State *L, int status, lua_KContext ctx) {
  rthL_Box *duty = lua_touserdata(L, 3);
  rth_msg_t *m;
  (void)status;
  (void)ctx;
  if (lua_isnil(L, 4))
    return luaL_error(L, "the function of get_or_init answered nil");
  m = rthL_sync_encode_shared(L, rthL_here(L), 4);
  finish_duty(duty, m);
  return 1;
}

/* The cell is at index 1, f at 2, the duty at 3. */
static int once_finish(lua_State *L, rthL_State *S, rthL_WaitOp *o) {
  (void)S;
  if (o->result == RTH_FAILED) return rthL_raise(L, RTH_ESHUTDOWN);
  lua_settop(L, 3);
  if (((rthL_Box *)lua_touserdata(L, 3))->core == NULL) {
    rthL_sync_copy(L, rth_once_get(check_once(L)));
    return 1;
  }
  lua_toclose(L, 3);
  lua_pushvalue(L, 2);
  lua_callk(L, 0, 1, 0, made);
  return made(L, LUA_OK, 0);
}

static int once_get_or_init(lua_State *L) {
  static const rthL_WaitType type = {once_poll, once_finish, once_keep,
                                     once_let};
  rthL_State *S = rthL_here(L);
  rthL_Box *b = rthL_checklive(L, S, RTHL_ONCE), *duty;
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_settop(L, 2);
  if (rth_once_get(b->core) != NULL) {
    rthL_sync_copy(L, rth_once_get(b->core));
    return 1;
  }
  duty = rthL_new(L, S, RTHL_ONCEDUTY, sizeof *duty, 0);
  return rthL_wait_on(L, S, &type, b, 0, duty);
}

static int once_get(lua_State *L) {
  rthL_sync_copy(L, rth_once_get(check_once(L)));
  return 1;
}

static int once_set(lua_State *L) {
  rth_once_t *o = check_once(L);
  rth_msg_t *m;
  int rc;
  luaL_argcheck(L, !lua_isnoneornil(L, 2), 2, "nil may not be stored");
  m = rthL_sync_encode_shared(L, rthL_here(L), 2);
  rc = rth_once_set(o, m);
  if (rc == RTH_OK) {
    lua_pushboolean(L, 1);
    return 1;
  }
  m->drop(m);
  return rthL_nil_and(L, rc == RTH_EAGAIN ? "initializing" : "already set");
}

static int sync_once(lua_State *L) {
  rthL_Box *b = rthL_new(L, rthL_here(L), RTHL_ONCE, sizeof *b, 0);
  rth_once_t *o;
  int rc = rth_once_new(&o);
  if (rc != RTH_OK) return rthL_sync_error(L, rc);
  b->core = o;
  return 1;
}

void rthL_open_once(lua_State *L, rthL_State *S) {
  static const luaL_Reg meta[] = {{"__gc", once_gc}, {NULL, NULL}};
  static const luaL_Reg methods[] = {{"get_or_init", once_get_or_init},
                                     {"get", once_get},
                                     {"set", once_set},
                                     {NULL, NULL}};
  static const luaL_Reg duty_meta[] = {
      {"__gc", duty_leave}, {"__close", duty_leave}, {NULL, NULL}};
  static const luaL_Reg functions[] = {{"OnceCell", sync_once}, {NULL, NULL}};
  rthL_type(L, S, RTHL_ONCE, "rthandle.OnceCell", meta, methods);
  rthL_set_move_ops(L, &once_ops);
  rthL_type(L, S, RTHL_ONCEDUTY, "rthandle.OnceDuty", duty_meta, NULL);
  lua_pop(L, 2);
  rthL_setfuncs(L, S, functions);
}
