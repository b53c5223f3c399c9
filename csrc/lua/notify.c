/* notify - rt.sync.Notify and rt.sync.Barrier.
**
** THREADS  the one that runs the Lua state; the objects: any.
*/
#include "lua/sync.h"

RTHL_SHARED(notify, RTHL_NOTIFY, rth_notify_t, rth_notify_ref,
            rth_notify_unref);
RTHL_SHARED(barrier, RTHL_BARRIER, rth_barrier_t, rth_barrier_ref,
            rth_barrier_unref);

/* ---- Notify ------------------------------------------------------------- */

static rth_notify_t *check_notify(lua_State *L) {
  return rthL_checklive(L, rthL_here(L), RTHL_NOTIFY)->core;
}

static rth_poll_t notified_poll(rthL_WaitOp *o, const rth_waker_t *waker) {
  return rth_notify_poll(o->core, &o->wait, waker);
}

static int notified_finish(lua_State *L, rthL_State *S, rthL_WaitOp *o) {
  (void)S;
  return o->result == RTH_FAILED ? rthL_raise(L, RTH_ESHUTDOWN) : 0;
}

static int notify_notified(lua_State *L) {
  static const rthL_WaitType type = {notified_poll, notified_finish,
                                     notify_keep, notify_let};
  rthL_State *S = rthL_here(L);
  rthL_Box *b = rthL_checklive(L, S, RTHL_NOTIFY);
  return rthL_wait_on(L, S, &type, b, 0, NULL);
}

static int notify_notify_one(lua_State *L) {
  rth_notify_one(check_notify(L));
  return 0;
}

static int notify_notify_waiters(lua_State *L) {
  rth_notify_all(check_notify(L));
  return 0;
}

static int sync_notify(lua_State *L) {
  rthL_Box *b = rthL_new(L, rthL_here(L), RTHL_NOTIFY, sizeof *b, 0);
  rth_notify_t *n;
  int rc = rth_notify_new(&n);
  if (rc != RTH_OK) return rthL_sync_error(L, rc);
  b->core = n;
  return 1;
}

/* ---- Barrier ------------------------------------------------------------ */

static rth_poll_t barrier_poll(rthL_WaitOp *o, const rth_waker_t *waker) {
  int leader = 0;
  rth_poll_t r = rth_barrier_poll(o->core, &o->wait, waker, &leader);
  o->n = (uint64_t)leader;
  return r;
}

static int barrier_finish(lua_State *L, rthL_State *S, rthL_WaitOp *o) {
  (void)S;
  if (o->result == RTH_FAILED) return rthL_raise(L, RTH_ESHUTDOWN);
  lua_pushboolean(L, o->n != 0);
  return 1;
}

static int barrier_wait(lua_State *L) {
  static const rthL_WaitType type = {barrier_poll, barrier_finish,
                                     barrier_keep, barrier_let};
  rthL_State *S = rthL_here(L);
  rthL_Box *b = rthL_checklive(L, S, RTHL_BARRIER);
  return rthL_wait_on(L, S, &type, b, 0, NULL);
}

static int sync_barrier(lua_State *L) {
  uint64_t n = rthL_checkcount(L, 1, 1);
  rthL_Box *b = rthL_new(L, rthL_here(L), RTHL_BARRIER, sizeof *b, 0);
  rth_barrier_t *core;
  int rc = rth_barrier_new(n, &core);
  if (rc != RTH_OK) return rthL_sync_error(L, rc);
  b->core = core;
  return 1;
}

void rthL_open_notify(lua_State *L, rthL_State *S) {
  static const luaL_Reg meta[] = {{"__gc", notify_gc}, {NULL, NULL}};
  static const luaL_Reg methods[] = {
      {"notified", notify_notified},
      {"await", notify_notified},
      {"notify_one", notify_notify_one},
      {"notify_waiters", notify_notify_waiters},
      {NULL, NULL}};
  static const luaL_Reg barrier_meta[] = {{"__gc", barrier_gc}, {NULL, NULL}};
  static const luaL_Reg barrier_methods[] = {{"wait", barrier_wait},
                                             {NULL, NULL}};
  static const luaL_Reg functions[] = {
      {"Notify", sync_notify}, {"Barrier", sync_barrier}, {NULL, NULL}};
  rthL_type(L, S, RTHL_NOTIFY, "rthandle.Notify", meta, methods);
  rthL_set_move_ops(L, &notify_ops);
  rthL_type(L, S, RTHL_BARRIER, "rthandle.Barrier", barrier_meta,
            barrier_methods);
  rthL_set_move_ops(L, &barrier_ops);
  lua_pop(L, 2);
  rthL_setfuncs(L, S, functions);
}
