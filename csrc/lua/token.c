/* token - CancellationToken and the guard that cancels one.
**
** THREADS  the one that runs the Lua state; the token: any.
*/
#include "lua/sync.h"

RTHL_SHARED(token, RTHL_TOKEN, rth_token_t, rth_token_ref, rth_token_unref);

static rth_token_t *check_token(lua_State *L) {
  return rthL_checklive(L, rthL_here(L), RTHL_TOKEN)->core;
}

static int token_cancel(lua_State *L) {
  rth_token_cancel(check_token(L));
  return 0;
}

static int token_is_cancelled(lua_State *L) {
  lua_pushboolean(L, rth_token_is_cancelled(check_token(L)));
  return 1;
}

static rth_poll_t cancelled_poll(rthL_WaitOp *o, const rth_waker_t *waker) {
  return rth_token_poll(o->core, &o->wait, waker);
}

static int cancelled_finish(lua_State *L, rthL_State *S, rthL_WaitOp *o) {
  (void)S;
  return o->result == RTH_FAILED ? rthL_raise(L, RTH_ESHUTDOWN) : 0;
}

static int token_cancelled(lua_State *L) {
  static const rthL_WaitType type = {cancelled_poll, cancelled_finish,
                                     token_keep, token_let};
  rthL_State *S = rthL_here(L);
  rthL_Box *b = rthL_checklive(L, S, RTHL_TOKEN);
  return rthL_wait_on(L, S, &type, b, 0, NULL);
}

static int make(lua_State *L, rth_token_t *parent) {
  rthL_Box *b = rthL_new(L, rthL_here(L), RTHL_TOKEN, sizeof *b, 0);
  rth_token_t *t;
  int rc = parent != NULL ? rth_token_child(parent, &t) : rth_token_new(&t);
  if (rc != RTH_OK) return rthL_sync_error(L, rc);
  b->core = t;
  return 1;
}

static int token_child(lua_State *L) { return make(L, check_token(L)); }
static int token_new(lua_State *L) { return make(L, NULL); }

/* The same token, though it was moved and came back. */
static int token_eq(lua_State *L) {
  rthL_State *S = rthL_here(L);
  rthL_Box *a = rthL_to(L, S, 1, RTHL_TOKEN), *b = rthL_to(L, S, 2, RTHL_TOKEN);
  lua_pushboolean(L, a != NULL && b != NULL && a->core == b->core);
  return 1;
}

/* ---- the guard ---------------------------------------------------------- */

static int token_drop_guard(lua_State *L) {
  rth_token_t *t = check_token(L);
  rthL_Box *b = rthL_new(L, rthL_here(L), RTHL_DROPGUARD, sizeof *b, 0);
  b->core = rth_token_ref(t);
  return 1;
}

static int guard_leave(lua_State *L) {
  rthL_Box *b = lua_touserdata(L, 1);
  rth_token_t *t = b->core;
  b->core = NULL;
  if (t == NULL) return 0;
  rth_token_cancel(t);
  rth_token_unref(t);
  return 0;
}

static int guard_close(lua_State *L) {
  (void)rthL_checkbox(L, rthL_here(L), RTHL_DROPGUARD);
  return guard_leave(L);
}

static int guard_disarm(lua_State *L) {
  rthL_Box *b = rthL_checkbox(L, rthL_here(L), RTHL_DROPGUARD);
  rth_token_t *t = b->core;
  b->core = NULL;
  if (t != NULL) rth_token_unref(t);
  return 0;
}

void rthL_open_token(lua_State *L, rthL_State *S) {
  static const luaL_Reg meta[] = {
      {"__gc", token_gc}, {"__eq", token_eq}, {NULL, NULL}};
  static const luaL_Reg methods[] = {{"cancel", token_cancel},
                                     {"is_cancelled", token_is_cancelled},
                                     {"cancelled", token_cancelled},
                                     {"await", token_cancelled},
                                     {"child_token", token_child},
                                     {"drop_guard", token_drop_guard},
                                     {"run_until_cancelled",
                                      rthL_run_until_cancelled},
                                     {NULL, NULL}};
  static const luaL_Reg guard_meta[] = {
      {"__gc", guard_leave}, {"__close", guard_leave}, {NULL, NULL}};
  static const luaL_Reg guard_methods[] = {
      {"close", guard_close}, {"disarm", guard_disarm}, {NULL, NULL}};
  static const luaL_Reg class[] = {{"new", token_new}, {NULL, NULL}};
  rthL_type(L, S, RTHL_TOKEN, "rthandle.CancellationToken", meta, methods);
  rthL_set_move_ops(L, &token_ops);
  rthL_type(L, S, RTHL_DROPGUARD, "rthandle.DropGuard", guard_meta,
            guard_methods);
  lua_pop(L, 2);
  lua_newtable(L);
  rthL_setfuncs(L, S, class);
  lua_setfield(L, -2, "CancellationToken");
}
