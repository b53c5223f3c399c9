/* oneshot - rt.sync.oneshot: one value, once.
**
** WHY      there is one sender and one receiver, so both are moved.
** THREADS  the one that runs the Lua state; the channel: any.
** OWNS     each end has its end of the core's channel.
*/
#include "lua/sync.h"

RTHL_MOVED(tx, RTHL_ONESHOT_TX, rth_oneshot_t, rth_oneshot_tx_free, "Sender");
RTHL_MOVED(rx, RTHL_ONESHOT_RX, rth_oneshot_t, rth_oneshot_rx_free,
           "Receiver");

static rthL_Box *check_tx(lua_State *L) {
  rthL_Box *b = rthL_checkbox(L, rthL_here(L), RTHL_ONESHOT_TX);
  if (b->moved) luaL_error(L, "Sender was moved");
  return b;
}

static int tx_send(lua_State *L) {
  rthL_Box *b = check_tx(L);
  void *core = b->core;
  rth_msg_t *m;
  if (core == NULL) return luaL_error(L, "the sender was used already");
  luaL_argcheck(L, !lua_isnoneornil(L, 2), 2, "nil may not be sent");
  if (rth_oneshot_is_closed(core)) { /* the value stays the caller's */
    (void)tx_gc(L);
    return rthL_nil_and(L, "closed");
  }
  m = rthL_sync_encode(L, rthL_here(L), 2);
  if (b->core == NULL) { /* by a finalizer, just now */
    m->drop(m);
    return luaL_error(L, "the sender was used already");
  }
  b->core = NULL;
  if (rth_oneshot_send(core, m) == RTH_OK) {
    lua_pushboolean(L, 1);
    return 1;
  }
  m->drop(m);
  return rthL_nil_and(L, "closed");
}

static int tx_close(lua_State *L) {
  (void)check_tx(L);
  return tx_gc(L);
}

static int tx_is_closed(lua_State *L) {
  rthL_Box *b = check_tx(L);
  lua_pushboolean(L, b->core == NULL || rth_oneshot_is_closed(b->core));
  return 1;
}

static rth_poll_t recv_poll(rthL_WaitOp *o, const rth_waker_t *waker) {
  return rth_oneshot_poll(o->core, &o->wait, waker, &o->message);
}

static int recv_finish(lua_State *L, rthL_State *S, rthL_WaitOp *o) {
  if (o->result == RTH_FAILED) return rthL_nil_and(L, "closed");
  rthL_sync_push(L, S, o->message);
  return 1;
}

/* One that is free for a wait. */
static rthL_Box *check_rx(lua_State *L) {
  rthL_Box *b = rthL_checkreceiver(L, rthL_here(L), RTHL_ONESHOT_RX);
  if (b->core == NULL) luaL_error(L, "the receiver was closed");
  return b;
}

static int rx_recv(lua_State *L) {
  static const rthL_WaitType type = {recv_poll, recv_finish, NULL, rx_let};
  return rthL_wait_on(L, rthL_here(L), &type, check_rx(L), 0, NULL);
}

static int rx_try_recv(lua_State *L) {
  rthL_Box *b = check_rx(L);
  rth_msg_t *m;
  int rc = rth_oneshot_try(b->core, &m);
  if (rc != RTH_OK)
    return rthL_nil_and(L, rc == RTH_EAGAIN ? "empty" : "closed");
  rthL_sync_push(L, rthL_here(L), m);
  return 1;
}

static int rx_close(lua_State *L) {
  rthL_Box *b = rthL_checkbox(L, rthL_here(L), RTHL_ONESHOT_RX);
  if (b->moved) return luaL_error(L, "Receiver was moved");
  if (b->core != NULL) rth_oneshot_close(b->core);
  return 0;
}

static int sync_oneshot(lua_State *L) {
  rthL_State *S = rthL_here(L);
  rthL_Box *tx = rthL_newbox(L, S, RTHL_ONESHOT_TX);
  rthL_Box *rx = rthL_new(L, S, RTHL_ONESHOT_RX, sizeof *rx, 0);
  rth_oneshot_t *o;
  int rc = rth_oneshot_new(&o);
  if (rc != RTH_OK) return rthL_sync_error(L, rc);
  tx->core = rx->core = o;
  return 2;
}

void rthL_open_oneshot(lua_State *L, rthL_State *S) {
  static const luaL_Reg tx_meta[] = {
      {"__gc", tx_gc}, {"__close", tx_gc}, {NULL, NULL}};
  static const luaL_Reg tx_methods[] = {{"send", tx_send},
                                        {"close", tx_close},
                                        {"is_closed", tx_is_closed},
                                        {NULL, NULL}};
  static const luaL_Reg rx_meta[] = {
      {"__gc", rx_gc}, {"__close", rx_gc}, {NULL, NULL}};
  static const luaL_Reg rx_methods[] = {{"recv", rx_recv},
                                        {"await", rx_recv},
                                        {"try_recv", rx_try_recv},
                                        {"close", rx_close},
                                        {NULL, NULL}};
  static const luaL_Reg functions[] = {{"oneshot", sync_oneshot},
                                       {NULL, NULL}};
  rthL_type(L, S, RTHL_ONESHOT_TX, "rthandle.OneshotSender", tx_meta,
            tx_methods);
  rthL_set_move_ops(L, &tx_ops);
  rthL_type(L, S, RTHL_ONESHOT_RX, "rthandle.OneshotReceiver", rx_meta,
            rx_methods);
  rthL_set_move_ops(L, &rx_ops);
  lua_pop(L, 2);
  rthL_setfuncs(L, S, functions);
}
