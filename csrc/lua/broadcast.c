/* broadcast - rt.sync.broadcast: each receiver sees every message.
**
** WHY      a message is shared by all receivers, each of which decodes it: it
**          holds no objects of the library.
** THREADS  the one that runs the Lua state; the channel: any.
** OWNS     a sender is one of the core's; a receiver has its place.
*/
#include "lua/sync.h"

RTHL_SHARED(tx, RTHL_BROADCAST_TX, rth_broadcast_t, rth_broadcast_tx_clone,
            rth_broadcast_tx_free);
RTHL_MOVED(rx, RTHL_BROADCAST_RX, rth_broadcast_rx_t, rth_broadcast_rx_free,
           "Receiver");

/* ---- the sender --------------------------------------------------------- */

static rthL_Box *check_tx(lua_State *L) {
  return rthL_checkbox(L, rthL_here(L), RTHL_BROADCAST_TX);
}

static int tx_send(lua_State *L) {
  rthL_Box *b = check_tx(L);
  uint64_t receivers;
  rth_msg_t *m;
  luaL_argcheck(L, !lua_isnoneornil(L, 2), 2, "nil may not be sent");
  m = rthL_sync_encode_shared(L, rthL_here(L), 2);
  if (b->core == NULL ||
      rth_broadcast_send(b->core, m, &receivers) != RTH_OK) {
    m->drop(m);
    return rthL_nil_and(L, "closed");
  }
  lua_pushinteger(L, (lua_Integer)receivers);
  return 1;
}

static int tx_clone(lua_State *L) {
  rthL_Box *b = check_tx(L);
  rthL_Box *c = rthL_newbox(L, rthL_here(L), RTHL_BROADCAST_TX);
  if (b->core == NULL) return 1;
  rth_broadcast_tx_clone(b->core);
  c->core = b->core;
  return 1;
}

static int tx_close(lua_State *L) {
  (void)check_tx(L);
  return tx_gc(L);
}

static int new_receiver(lua_State *L, rthL_Box **b) {
  *b = rthL_new(L, rthL_here(L), RTHL_BROADCAST_RX, sizeof **b, 0);
  return 1;
}

static int tx_subscribe(lua_State *L) {
  rthL_Box *b = check_tx(L), *r;
  rth_broadcast_rx_t *rx;
  int rc;
  (void)new_receiver(L, &r); /* a finalizer may close the sender here */
  if (b->core == NULL) return luaL_error(L, "the sender was closed");
  rc = rth_broadcast_subscribe(b->core, &rx);
  if (rc != RTH_OK) return rthL_sync_error(L, rc);
  r->core = rx;
  return 1;
}

static int tx_receivers(lua_State *L) {
  rthL_Box *b = check_tx(L);
  lua_pushinteger(L, b->core == NULL
                         ? 0
                         : (lua_Integer)rth_broadcast_receivers(b->core));
  return 1;
}

/* ---- the receiver ------------------------------------------------------- */

/* A message (own), or so many that were missed. */
static int received(lua_State *L, rth_msg_t *m, uint64_t missed) {
  if (m != NULL) {
    rthL_sync_push_shared(L, m);
    return 1;
  }
  (void)rthL_nil_and(L, "lagged");
  lua_pushinteger(L, (lua_Integer)missed);
  return 3;
}

static rth_poll_t recv_poll(rthL_WaitOp *o, const rth_waker_t *waker) {
  o->counted = 1;
  return rth_broadcast_poll(o->core, &o->wait, waker, &o->message, &o->n);
}

static int recv_finish(lua_State *L, rthL_State *S, rthL_WaitOp *o) {
  (void)S;
  if (o->result == RTH_FAILED) return rthL_nil_and(L, "closed");
  return received(L, o->message, o->n);
}

static rthL_Box *check_rx(lua_State *L) {
  rthL_Box *b = rthL_checkreceiver(L, rthL_here(L), RTHL_BROADCAST_RX);
  if (b->core == NULL) luaL_error(L, "the receiver was closed");
  return b;
}

static int rx_recv(lua_State *L) {
  static const rthL_WaitType type = {recv_poll, recv_finish, NULL, rx_let};
  return rthL_wait_on(L, rthL_here(L), &type, check_rx(L), 0, NULL);
}

static int rx_try_recv(lua_State *L) {
  rth_msg_t *m = NULL;
  uint64_t missed = 0;
  int rc = rth_broadcast_try_recv(check_rx(L)->core, &m, &missed);
  if (rc != RTH_OK)
    return rthL_nil_and(L, rc == RTH_EAGAIN ? "empty" : "closed");
  return received(L, m, missed);
}

static int rx_resubscribe(lua_State *L) {
  rth_broadcast_rx_t *rx;
  rthL_Box *r;
  int rc;
  (void)check_rx(L);
  lua_settop(L, 1);
  (void)new_receiver(L, &r); /* a finalizer may close this one here */
  rc = rth_broadcast_resubscribe(check_rx(L)->core, &rx);
  if (rc != RTH_OK) return rthL_sync_error(L, rc);
  r->core = rx;
  return 1;
}

static int rx_close(lua_State *L) {
  (void)rthL_checkreceiver(L, rthL_here(L), RTHL_BROADCAST_RX);
  return rx_gc(L);
}

static int rx_len(lua_State *L) {
  rthL_Box *b = rthL_checkbox(L, rthL_here(L), RTHL_BROADCAST_RX);
  lua_pushinteger(
      L, b->core == NULL ? 0 : (lua_Integer)rth_broadcast_len(b->core));
  return 1;
}

/* ---- making ------------------------------------------------------------- */

static int sync_broadcast(lua_State *L) {
  rthL_State *S = rthL_here(L);
  uint64_t capacity;
  rthL_Box *tx, *rx;
  rth_broadcast_t *t;
  rth_broadcast_rx_t *r;
  int rc;
  luaL_argcheck(L, luaL_checkinteger(L, 1) > 0, 1,
                "broadcast channel capacity cannot be zero");
  capacity = rthL_checkcount(L, 1, 1);
  tx = rthL_newbox(L, S, RTHL_BROADCAST_TX);
  (void)new_receiver(L, &rx);
  rc = rth_broadcast_new(capacity, &t, &r);
  if (rc == RTH_EINVAL) return luaL_argerror(L, 1, "too large a capacity");
  if (rc != RTH_OK) return rthL_sync_error(L, rc);
  tx->core = t;
  rx->core = r;
  return 2;
}

void rthL_open_broadcast(lua_State *L, rthL_State *S) {
  static const luaL_Reg tx_meta[] = {
      {"__gc", tx_gc}, {"__close", tx_gc}, {NULL, NULL}};
  static const luaL_Reg tx_methods[] = {{"send", tx_send},
                                        {"clone", tx_clone},
                                        {"close", tx_close},
                                        {"subscribe", tx_subscribe},
                                        {"receiver_count", tx_receivers},
                                        {NULL, NULL}};
  static const luaL_Reg rx_meta[] = {{"__gc", rx_gc},
                                     {"__close", rx_gc},
                                     {"__len", rx_len},
                                     {NULL, NULL}};
  static const luaL_Reg rx_methods[] = {{"recv", rx_recv},
                                        {"await", rx_recv},
                                        {"try_recv", rx_try_recv},
                                        {"resubscribe", rx_resubscribe},
                                        {"close", rx_close},
                                        {NULL, NULL}};
  static const luaL_Reg functions[] = {{"broadcast", sync_broadcast},
                                       {NULL, NULL}};
  rthL_type(L, S, RTHL_BROADCAST_TX, "rthandle.BroadcastSender", tx_meta,
            tx_methods);
  rthL_set_move_ops(L, &tx_ops);
  rthL_type(L, S, RTHL_BROADCAST_RX, "rthandle.BroadcastReceiver", rx_meta,
            rx_methods);
  rthL_set_move_ops(L, &rx_ops);
  lua_pop(L, 2);
  rthL_setfuncs(L, S, functions);
}
