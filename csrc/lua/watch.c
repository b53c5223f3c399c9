/* watch - rt.sync.watch: the last value, and whether it was seen.
**
** WHY      what a receiver has seen is its own, so it travels in a parcel
**          beside the channel.
** THREADS  the one that runs the Lua state; the channel: any.
** OWNS     a sender is one of the core's; a receiver has its parcel.
*/
#include "lua/sync.h"

#include <stdlib.h>

typedef struct Parcel {
  rth_watch_t *c; /* one of its receivers; NULL: not yet */
  rth_watch_seen_t seen;
} Parcel;

static void parcel_drop(void *object) {
  Parcel *p = object;
  if (p->c != NULL) rth_watch_rx_free(p->c);
  free(p);
}

RTHL_SHARED(tx, RTHL_WATCH_TX, rth_watch_t, rth_watch_tx_clone,
            rth_watch_tx_free);
RTHL_MOVED(rx, RTHL_WATCH_RX, Parcel, parcel_drop, "Receiver");

static Parcel *new_receiver(lua_State *L) {
  rthL_Box *b = rthL_new(L, rthL_here(L), RTHL_WATCH_RX, sizeof *b, 0);
  b->core = calloc(1, sizeof(Parcel));
  if (b->core == NULL) rthL_raise(L, RTH_ENOMEM);
  return b->core;
}

/* ---- the sender --------------------------------------------------------- */

static rthL_Box *check_tx(lua_State *L) {
  return rthL_checkbox(L, rthL_here(L), RTHL_WATCH_TX);
}

static int tx_send(lua_State *L) {
  rthL_Box *b = check_tx(L);
  rth_msg_t *m;
  luaL_argcheck(L, !lua_isnoneornil(L, 2), 2, "nil may not be sent");
  m = rthL_sync_encode_shared(L, rthL_here(L), 2);
  if (b->core == NULL || rth_watch_send(b->core, m) != RTH_OK) {
    m->drop(m);
    return rthL_nil_and(L, "closed");
  }
  lua_pushboolean(L, 1);
  return 1;
}

static int tx_borrow(lua_State *L) {
  rthL_Box *b = check_tx(L);
  if (b->core == NULL) return luaL_error(L, "the sender was closed");
  rthL_sync_push_shared(L, rth_watch_borrow(b->core, NULL));
  return 1;
}

static int tx_clone(lua_State *L) {
  rthL_Box *b = check_tx(L);
  rthL_Box *c = rthL_newbox(L, rthL_here(L), RTHL_WATCH_TX);
  if (b->core == NULL) return 1;
  rth_watch_tx_clone(b->core);
  c->core = b->core;
  return 1;
}

static int tx_subscribe(lua_State *L) {
  rthL_Box *b = check_tx(L);
  Parcel *p;
  p = new_receiver(L); /* a finalizer may close the sender here */
  if (b->core == NULL) return luaL_error(L, "the sender was closed");
  rth_watch_subscribe(b->core, &p->seen);
  p->c = b->core;
  return 1;
}

static int tx_close(lua_State *L) {
  (void)check_tx(L);
  return tx_gc(L);
}

static int tx_receivers(lua_State *L) {
  rthL_Box *b = check_tx(L);
  lua_pushinteger(
      L, b->core == NULL ? 0 : (lua_Integer)rth_watch_receivers(b->core));
  return 1;
}

/* ---- the receiver ------------------------------------------------------- */

static rthL_Box *check_rx(lua_State *L) {
  rthL_Box *b = rthL_checkreceiver(L, rthL_here(L), RTHL_WATCH_RX);
  if (b->core == NULL) luaL_error(L, "the receiver was closed");
  return b;
}

static int rx_borrow(lua_State *L) {
  Parcel *p = check_rx(L)->core;
  rthL_sync_push_shared(L, rth_watch_borrow(p->c, NULL));
  return 1;
}

static int rx_borrow_and_update(lua_State *L) {
  Parcel *p = check_rx(L)->core;
  rthL_sync_push_shared(L, rth_watch_borrow(p->c, &p->seen));
  return 1;
}

static int rx_has_changed(lua_State *L) {
  Parcel *p = check_rx(L)->core;
  int changed = 0;
  if (rth_watch_has_changed(p->c, &p->seen, &changed) != RTH_OK && !changed)
    return rthL_nil_and(L, "closed");
  lua_pushboolean(L, changed);
  return 1;
}

static rth_poll_t changed_poll(rthL_WaitOp *o, const rth_waker_t *waker) {
  Parcel *p = o->core;
  return rth_watch_changed_poll(p->c, &p->seen, &o->wait, waker);
}

static int changed_finish(lua_State *L, rthL_State *S, rthL_WaitOp *o) {
  (void)S;
  if (o->result == RTH_FAILED) return rthL_nil_and(L, "closed");
  lua_pushboolean(L, 1);
  return 1;
}

static int rx_changed(lua_State *L) {
  static const rthL_WaitType type = {changed_poll, changed_finish, NULL,
                                     rx_let};
  return rthL_wait_on(L, rthL_here(L), &type, check_rx(L), 0, NULL);
}

/* ---- wait_for ----------------------------------------------------------- */

enum { JUDGED, CHANGED }; /* which call has come back */

/* The receiver is at index 1, f at 2, the value that f judged at 3.  Both
** calls may suspend, so this is their continuation, too. */
static int look(lua_State *L, int status, lua_KContext back) {
  (void)status;
  for (;;) {
    if (back == JUDGED) {
      if (lua_toboolean(L, 4)) {
        lua_settop(L, 3);
        return 1;
      }
      lua_settop(L, 2);
      lua_getfield(L, 1, "changed");
      lua_pushvalue(L, 1);
      lua_callk(L, 1, 2, CHANGED, look);
      back = CHANGED;
    } else {
      Parcel *p;
      if (lua_isnil(L, 3)) return 2; /* closed */
      lua_settop(L, 2);
      p = check_rx(L)->core;
      rthL_sync_push_shared(L, rth_watch_borrow(p->c, &p->seen));
      lua_pushvalue(L, 2);
      lua_pushvalue(L, 3);
      lua_callk(L, 1, 1, JUDGED, look);
      back = JUDGED;
    }
  }
}

static int rx_wait_for(lua_State *L) {
  (void)check_rx(L);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_settop(L, 2);
  lua_pushboolean(L, 1); /* look at the value that is there */
  return look(L, LUA_OK, CHANGED);
}

static int rx_clone(lua_State *L) {
  Parcel *p, *q;
  (void)check_rx(L);
  q = new_receiver(L);
  p = check_rx(L)->core; /* unless a finalizer has closed it */
  rth_watch_rx_clone(p->c);
  *q = *p;
  return 1;
}

static int rx_close(lua_State *L) {
  (void)rthL_checkreceiver(L, rthL_here(L), RTHL_WATCH_RX);
  return rx_gc(L);
}

/* ---- making ------------------------------------------------------------- */

static int sync_watch(lua_State *L) {
  rthL_State *S = rthL_here(L);
  rthL_Box *tx;
  rth_watch_t *c;
  rth_msg_t *m;
  Parcel *p;
  int rc;
  luaL_argcheck(L, !lua_isnoneornil(L, 1), 1, "nil may not be sent");
  lua_settop(L, 1);
  tx = rthL_newbox(L, S, RTHL_WATCH_TX);
  p = new_receiver(L);
  m = rthL_sync_encode_shared(L, S, 1);
  rc = rth_watch_new(m, &c, &p->seen);
  if (rc != RTH_OK) {
    m->drop(m);
    return rthL_sync_error(L, rc);
  }
  tx->core = p->c = c;
  return 2;
}

void rthL_open_watch(lua_State *L, rthL_State *S) {
  static const luaL_Reg tx_meta[] = {
      {"__gc", tx_gc}, {"__close", tx_gc}, {NULL, NULL}};
  static const luaL_Reg tx_methods[] = {{"send", tx_send},
                                        {"borrow", tx_borrow},
                                        {"clone", tx_clone},
                                        {"close", tx_close},
                                        {"subscribe", tx_subscribe},
                                        {"receiver_count", tx_receivers},
                                        {NULL, NULL}};
  static const luaL_Reg rx_meta[] = {
      {"__gc", rx_gc}, {"__close", rx_gc}, {NULL, NULL}};
  static const luaL_Reg rx_methods[] = {
      {"borrow", rx_borrow},
      {"borrow_and_update", rx_borrow_and_update},
      {"has_changed", rx_has_changed},
      {"changed", rx_changed},
      {"await", rx_changed},
      {"wait_for", rx_wait_for},
      {"clone", rx_clone},
      {"close", rx_close},
      {NULL, NULL}};
  static const luaL_Reg functions[] = {{"watch", sync_watch}, {NULL, NULL}};
  rthL_type(L, S, RTHL_WATCH_TX, "rthandle.WatchSender", tx_meta, tx_methods);
  rthL_set_move_ops(L, &tx_ops);
  rthL_type(L, S, RTHL_WATCH_RX, "rthandle.WatchReceiver", rx_meta,
            rx_methods);
  rthL_set_move_ops(L, &rx_ops);
  lua_pop(L, 2);
  rthL_setfuncs(L, S, functions);
}
