/* mpsc - rt.sync.mpsc and rt.sync.unbounded.
**
** WHY      what can be done at once is done without an operation: a message
**          costs its encoding and decoding, and one call of the core each.
** THREADS  the one that runs the Lua state; the channel: any.
** OWNS     a Sender is one sender of the core; the Receiver is its receiver.
*/
#include "lua/sync.h"

RTHL_SHARED(tx, RTHL_SENDER, rth_mpsc_t, rth_mpsc_tx_clone, rth_mpsc_tx_free);
RTHL_MOVED(rx, RTHL_RECEIVER, rth_mpsc_t, rth_mpsc_rx_free, "Receiver");

/* ---- Sender ------------------------------------------------------------- */

static rth_poll_t send_poll(rthL_WaitOp *o, const rth_waker_t *waker) {
  rth_poll_t r = rth_mpsc_send_poll(o->core, &o->wait, waker, o->message);
  if (r == RTH_READY) o->message = NULL;
  return r;
}

static int send_finish(lua_State *L, rthL_State *S, rthL_WaitOp *o) {
  (void)S;
  if (o->result == RTH_FAILED) {
    o->message->drop(o->message);
    return rthL_nil_and(L, "closed");
  }
  lua_pushboolean(L, 1);
  return 1;
}

static int sent(lua_State *L, int rc, rth_msg_t *m) {
  if (rc == RTH_OK) {
    lua_pushboolean(L, 1);
    return 1;
  }
  m->drop(m);
  return rthL_nil_and(L, rc == RTH_EAGAIN ? "full" : "closed");
}

/* The sender at index 1 and a value at index 2.  A value that cannot be sent
** stays the caller's, with what moves along with it: so this looks first. */
static rthL_Box *check_send(lua_State *L, rthL_State *S, int *closed) {
  rthL_Box *b = rthL_checkbox(L, S, RTHL_SENDER);
  luaL_argcheck(L, !lua_isnoneornil(L, 2), 2, "nil may not be sent");
  *closed = b->core == NULL || rth_mpsc_is_closed(b->core);
  return b;
}

/* Whether this code is told that the channel is closed. */
static int is_told(lua_State *L, rthL_State *S, const rthL_Box *b) {
  return b->core == NULL || !rthL_ends_here(L, S);
}

/* A finalizer that ran while m was encoded may have closed the sender. */
static int try_send(const rthL_Box *b, rth_msg_t *m) {
  return b->core != NULL ? rth_mpsc_try_send(b->core, m) : RTH_ECLOSED;
}

static int tx_send(lua_State *L) {
  static const rthL_WaitType type = {send_poll, send_finish, tx_keep, tx_let};
  rthL_State *S = rthL_here(L);
  int closed;
  rthL_Box *b = check_send(L, S, &closed);
  rth_handle_t *h;
  rthL_WaitOp *o;
  rth_msg_t *m;
  if (closed && is_told(L, S, b)) return rthL_nil_and(L, "closed");
  h = rthL_wait_handle(L, S); /* may raise: not with the message in hand */
  m = rthL_sync_encode(L, S, 2);
  if (rthL_may_try(S) || b->core == NULL) {
    int rc = try_send(b, m);
    if (rc == RTH_OK || (rc == RTH_ECLOSED && is_told(L, S, b))) {
      rthL_tried(S);
      return sent(L, rc, m);
    }
  }
  o = rthL_wait_new(&type, b, h);
  if (o == NULL) {
    m->drop(m);
    return rthL_raise(L, RTH_ENOMEM);
  }
  o->message = m;
  return rthL_wait(L, S, o);
}

static int tx_try_send(lua_State *L) {
  rthL_State *S = rthL_here(L);
  int closed;
  rthL_Box *b = check_send(L, S, &closed);
  rth_msg_t *m;
  if (closed) return rthL_nil_and(L, "closed");
  if (rth_mpsc_capacity(b->core) == 0) return rthL_nil_and(L, "full");
  m = rthL_sync_encode(L, S, 2);
  return sent(L, try_send(b, m), m);
}

static int tx_clone(lua_State *L) {
  rthL_State *S = rthL_here(L);
  rthL_Box *b = rthL_checkbox(L, S, RTHL_SENDER), *c;
  c = rthL_newbox(L, S, RTHL_SENDER);
  if (b->core == NULL) return 1; /* closed, as this one */
  rth_mpsc_tx_clone(b->core);
  c->core = b->core;
  return 1;
}

static int tx_close(lua_State *L) {
  (void)rthL_checkbox(L, rthL_here(L), RTHL_SENDER);
  return tx_gc(L);
}

static int tx_is_closed(lua_State *L) {
  rthL_Box *b = rthL_checkbox(L, rthL_here(L), RTHL_SENDER);
  lua_pushboolean(L, b->core == NULL || rth_mpsc_is_closed(b->core));
  return 1;
}

/* ---- Receiver ----------------------------------------------------------- */

/* One that is free for a wait. */
static rthL_Box *check_rx(lua_State *L, rthL_State *S) {
  rthL_Box *b = rthL_checkreceiver(L, S, RTHL_RECEIVER);
  if (b->core == NULL) luaL_error(L, "the receiver was closed");
  return b;
}

static rth_poll_t recv_poll(rthL_WaitOp *o, const rth_waker_t *waker) {
  return rth_mpsc_recv_poll(o->core, &o->wait, waker, &o->message);
}

static int recv_finish(lua_State *L, rthL_State *S, rthL_WaitOp *o) {
  if (o->result == RTH_FAILED) return rthL_nil_and(L, "closed");
  rthL_sync_push(L, S, o->message);
  return 1;
}

static int rx_recv(lua_State *L) {
  static const rthL_WaitType type = {recv_poll, recv_finish, NULL, rx_let};
  rthL_State *S = rthL_here(L);
  rthL_Box *b = check_rx(L, S);
  if (rthL_may_try(S)) {
    rth_msg_t *m;
    int rc = rth_mpsc_try_recv(b->core, &m);
    if (rc != RTH_EAGAIN) rthL_tried(S);
    if (rc == RTH_ECLOSED && is_told(L, S, b))
      return rthL_nil_and(L, "closed");
    if (rc == RTH_OK) {
      rthL_sync_push(L, S, m);
      return 1;
    }
  }
  return rthL_wait_on(L, S, &type, b, 0, NULL);
}

static int rx_try_recv(lua_State *L) {
  rthL_Box *b = check_rx(L, rthL_here(L));
  rth_msg_t *m;
  int rc = rth_mpsc_try_recv(b->core, &m);
  if (rc != RTH_OK)
    return rthL_nil_and(L, rc == RTH_EAGAIN ? "empty" : "closed");
  rthL_sync_push(L, rthL_here(L), m);
  return 1;
}

/* Messages that were taken, and how many of them are in the list already. */
typedef struct Batch {
  rthL_State *S;
  size_t n, done;
  rth_msg_t *m[64];
} Batch;

/* batch, list, its length: appends the values. */
static int append(lua_State *L) {
  Batch *k = lua_touserdata(L, 1);
  lua_Integer i = lua_tointeger(L, 3);
  while (k->done < k->n) {
    rth_msg_t *m = k->m[k->done++];
    rthL_sync_push(L, k->S, m);
    lua_rawseti(L, 2, ++i);
  }
  return 0;
}

/* The list is at index 3.  Whatever stops it, no message is left behind. */
static void append_safely(lua_State *L, Batch *k, uint64_t length) {
  lua_pushcfunction(L, append);
  lua_pushlightuserdata(L, k);
  lua_pushvalue(L, 3);
  lua_pushinteger(L, (lua_Integer)length);
  if (lua_pcall(L, 3, 0, 0) == LUA_OK) return;
  for (; k->done < k->n; k->done++) k->m[k->done]->drop(k->m[k->done]);
  lua_error(L);
}

/* The first message is there; the rest of a list is what is there now. */
static int push_list(lua_State *L, rthL_State *S, rthL_Box *b, rth_msg_t *m,
                     uint64_t limit) {
  enum { MOST = sizeof((Batch *)NULL)->m / sizeof(rth_msg_t *) };
  Batch k;
  uint64_t length = 0;
  k.S = S;
  k.m[0] = m;
  k.n = 1;
  for (;;) {
    uint64_t left = limit - length;
    size_t want = (left < MOST ? (size_t)left : MOST) - k.n;
    if (b->core != NULL) /* closed while another task waited here */
      k.n += rth_mpsc_take(b->core, k.m + k.n, want);
    k.done = 0;
    append_safely(L, &k, length);
    length += k.n;
    if (length == limit || k.n < MOST) break;
    k.n = 0;
  }
  lua_pushvalue(L, 3);
  return 1;
}

static int many_finish(lua_State *L, rthL_State *S, rthL_WaitOp *o) {
  if (o->result == RTH_FAILED) return rthL_nil_and(L, "closed");
  return push_list(L, S, lua_touserdata(L, 1), o->message, o->n);
}

static int rx_recv_many(lua_State *L) {
  static const rthL_WaitType type = {recv_poll, many_finish, NULL, rx_let};
  rthL_State *S = rthL_here(L);
  uint64_t limit;
  (void)check_rx(L, S);
  limit = rthL_checkcount(L, 2, 1);
  lua_settop(L, 2);
  lua_createtable(L, limit < 64 ? (int)limit : 64, 0); /* before the wait */
  /* A finalizer may have closed it just now. */
  return rthL_wait_on(L, S, &type, check_rx(L, S), limit, NULL);
}

static int rx_iter(lua_State *L) {
  (void)check_rx(L, rthL_here(L));
  lua_getfield(L, 1, "recv");
  lua_pushvalue(L, 1);
  return 2;
}

static int rx_close(lua_State *L) {
  rthL_Box *b = rthL_checkbox(L, rthL_here(L), RTHL_RECEIVER);
  if (b->moved) return luaL_error(L, "Receiver was moved");
  if (b->core != NULL) rth_mpsc_rx_close(b->core);
  return 0;
}

static int rx_len(lua_State *L) {
  rthL_Box *b = rthL_checkbox(L, rthL_here(L), RTHL_RECEIVER);
  if (b->moved) return luaL_error(L, "Receiver was moved");
  lua_pushinteger(
      L, b->core == NULL ? 0 : (lua_Integer)rth_mpsc_len(b->core));
  return 1;
}

/* ---- making ------------------------------------------------------------- */

static int make(lua_State *L, uint64_t capacity) {
  rthL_State *S = rthL_here(L);
  rthL_Box *tx = rthL_newbox(L, S, RTHL_SENDER);
  rthL_Box *rx = rthL_new(L, S, RTHL_RECEIVER, sizeof *rx, 0);
  rth_mpsc_t *c;
  int rc = rth_mpsc_new(capacity, &c);
  if (rc != RTH_OK) return rthL_sync_error(L, rc);
  tx->core = rx->core = c;
  return 2;
}

static int sync_mpsc(lua_State *L) {
  luaL_argcheck(L, luaL_checkinteger(L, 1) > 0, 1,
                "mpsc bounded channel requires buffer > 0");
  return make(L, rthL_checkcount(L, 1, 1));
}

static int sync_unbounded(lua_State *L) { return make(L, 0); }

void rthL_open_mpsc(lua_State *L, rthL_State *S) {
  static const luaL_Reg tx_meta[] = {
      {"__gc", tx_gc}, {"__close", tx_gc}, {NULL, NULL}};
  static const luaL_Reg tx_methods[] = {{"send", tx_send},
                                        {"try_send", tx_try_send},
                                        {"clone", tx_clone},
                                        {"close", tx_close},
                                        {"is_closed", tx_is_closed},
                                        {NULL, NULL}};
  static const luaL_Reg rx_meta[] = {{"__gc", rx_gc},
                                     {"__close", rx_gc},
                                     {"__len", rx_len},
                                     {NULL, NULL}};
  static const luaL_Reg rx_methods[] = {{"recv", rx_recv},
                                        {"await", rx_recv},
                                        {"try_recv", rx_try_recv},
                                        {"recv_many", rx_recv_many},
                                        {"iter", rx_iter},
                                        {"close", rx_close},
                                        {NULL, NULL}};
  static const luaL_Reg functions[] = {
      {"mpsc", sync_mpsc}, {"unbounded", sync_unbounded}, {NULL, NULL}};
  rthL_type(L, S, RTHL_SENDER, "rthandle.Sender", tx_meta, tx_methods);
  rthL_set_move_ops(L, &tx_ops);
  rthL_type(L, S, RTHL_RECEIVER, "rthandle.Receiver", rx_meta, rx_methods);
  rthL_set_move_ops(L, &rx_ops);
  lua_pop(L, 2);
  rthL_setfuncs(L, S, functions);
}
