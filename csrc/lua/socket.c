/* socket - the life of a socket's userdata, and one way to wait for all that a
** socket does.
**
** WHY      what can be done at once is done without an operation, and the
**          operation of each side is part of the socket: a wait allocates
**          nothing.
** THREADS  the one that runs the Lua state; a socket on its way: any.
** OWNS     userdata and waiting operations count the references to a socket;
**          the last one closes it.
** INVARIANT  a socket belongs to one state, or is on its way in a message.
*/
#include <stdlib.h>

#include "lua/enter.h"
#include "lua/net.h"

/* ---- words -------------------------------------------------------------- */

#define WORDS(name, reading, writing)                                    \
  {{name " was closed", name " was moved",                               \
    name " was split: use its reader and its writer"},                   \
   {"another task is " reading " this " name,                            \
    "another task is " writing " this " name}}

static const struct words {
  const char *gone[3], *busy[2];
} words[] = {WORDS("StreamWriter", "", "writing to"),
             WORDS("TcpStream", "reading from", "writing to"),
             WORDS("UnixStream", "reading from", "writing to"),
             WORDS("StreamReader", "reading from", ""),
             WORDS("TcpListener", "accepting from", ""),
             WORDS("UnixListener", "accepting from", ""),
             WORDS("UdpSocket", "receiving from", "sending with")};

const char *rthL_socket_gone(const rthL_SocketBox *b) {
  return words[b->type - RTHL_STREAMWRITER].gone[b->gone];
}

const char *rthL_socket_busy(const rthL_SocketBox *b, int side) {
  if (!b->socket->side[side].waits) return NULL;
  return words[b->type - RTHL_STREAMWRITER].busy[side];
}

/* ---- life --------------------------------------------------------------- */

void rthL_socket_release(rthL_Socket *s) {
  if (--s->refs > 0) return;
  if (s->spare != NULL) rthL_socket_release(s->spare);
  s->kind->free(s->core);
  free(s);
}

/* A local task is polled under the waker of the one that awaits it first, and
** then under its own; the core would take the second for another task. */
static rth_poll_t io_poll(rthL_State *S, rthL_Op *op, rth_cx_t *cx) {
  rthL_Io *o = (rthL_Io *)op;
  (void)S;
  if (o->waker != cx->waker.data || o->stopped) {
    o->socket->kind->cancel[o->side](o->socket->core);
    o->waker = cx->waker.data;
  }
  o->rc = o->stopped ? -ECANCELED : o->type->poll(o, cx);
  return o->rc == RTH_PENDING ? RTH_PENDING : RTH_READY;
}

static int io_cancel(rthL_State *S, rthL_Op *op, lua_State *to) {
  rthL_Io *o = (rthL_Io *)op;
  (void)S;
  (void)to;
  if (o->rc != RTH_READY)
    o->socket->kind->cancel[o->side](o->socket->core);
  else if (o->type->lose != NULL)
    o->type->lose(o);
  o->waits = 0;
  rthL_socket_release(o->socket);
  return 0;
}

/* Where it was closed since the operation was ready, that counts; else the
** userdata still has the socket. */
static int io_finish(lua_State *L, rthL_State *S, rthL_Op *op) {
  rthL_Io *o = (rthL_Io *)op;
  if (o->stopped) {
    (void)io_cancel(S, op, L);
    return rthL_neterror(L, -ECANCELED);
  }
  o->waits = 0;
  o->socket->refs--;
  return o->type->finish(L, S, o);
}

rthL_Socket *rthL_socket_make(const rthL_SocketKind *kind, size_t size,
                              void *core) {
  static const rthL_OpType type = {io_poll, io_cancel, io_finish};
  rthL_Socket *s = calloc(1, size);
  int i;
  if (s == NULL) {
    kind->free(core);
    return NULL;
  }
  s->kind = kind;
  s->core = core;
  s->refs = 1;
  for (i = 0; i < 2; i++) {
    s->side[i].op.type = &type;
    s->side[i].socket = s;
    s->side[i].side = (uint8_t)i;
  }
  return s;
}

rthL_SocketBox *rthL_newsocket(lua_State *L, rthL_State *S, rthL_Type t) {
  rthL_SocketBox *b = rthL_new(L, S, t, sizeof *b, 0);
  b->type = (uint8_t)t;
  return b;
}

/* A half that goes ends its direction; the other one may still be there, or
** hold a dup. */
void rthL_socket_leave(rthL_SocketBox *b, int gone) {
  rthL_Socket *s = b->socket;
  if (s == NULL) return;
  b->socket = NULL;
  b->gone = (uint8_t)gone;
  if (b->type != RTHL_STREAMREADER) s->side[RTHL_WRITE].stopped = 1;
  if (b->type != RTHL_STREAMWRITER) s->side[RTHL_READ].stopped = 1;
  if (b->type == RTHL_STREAMWRITER) {
    (void)!rth_stream_shutdown(s->core);
    rth_stream_wake_write(s->core);
  } else if (b->type == RTHL_STREAMREADER) {
    rth_stream_wake_read(s->core);
  } else {
    s->kind->close(s->core);
  }
  rthL_socket_release(s);
}

/* ---- using -------------------------------------------------------------- */

/* The userdata at index 1, whatever became of it.  Raises. */
static rthL_SocketBox *check_box(lua_State *L, rthL_State *S, rthL_Type first,
                                 rthL_Type last) {
  rthL_SocketBox *b = lua_touserdata(L, 1);
  const void *mt = NULL;
  int t = (int)first;
  if (b != NULL && lua_getmetatable(L, 1)) {
    mt = lua_topointer(L, -1);
    lua_pop(L, 1);
  }
  while (t <= (int)last && mt != S->mtp[t]) t++;
  if (mt == NULL || t > (int)last) {
    (void)rthL_check(L, S, 1, first == RTHL_STREAMWRITER ? RTHL_TCPSTREAM
                                                         : first);
    return NULL; /* does not come here */
  }
  return b;
}

rthL_SocketBox *rthL_checksocket(lua_State *L, rthL_State *S, rthL_Type first,
                                 rthL_Type last) {
  rthL_SocketBox *b = check_box(L, S, first, last);
  if (b->socket == NULL && b->gone != RTHL_CLOSED)
    luaL_error(L, "%s", rthL_socket_gone(b));
  return b;
}

rthL_Io *rthL_checkio(lua_State *L, rthL_State *S, rthL_Type first,
                      rthL_Type last, int side) {
  rthL_SocketBox *b = rthL_checksocket(L, S, first, last);
  const char *why;
  if (b->socket == NULL) return NULL;
  why = rthL_socket_busy(b, side);
  if (why != NULL)
    luaL_error(L, "%s: let one task do that, and others use a channel to it",
               why);
  return &b->socket->side[side];
}

int rthL_io(lua_State *L, rthL_State *S, rthL_Io *o,
            const rthL_IoType *type) {
  rthL_Socket *s = o->socket;
  rth_handle_t *h;
  o->type = type;
  o->rc = RTH_PENDING;
  if (S->cur != NULL) {
    o->waker = S->cx->waker.data;
    o->rc = type->poll(o, S->cx);
    if (o->rc != RTH_PENDING) return type->finish(L, S, o);
  }
  o->waits = 1;
  s->refs++;
  if (S->cur != NULL) return rthL_await_pending(L, S, &o->op);
  h = rthL_current(S);
  return rthL_await(L, S, &o->op, h != NULL ? h : s->kind->handle(s->core));
}

/* ---- methods of all ----------------------------------------------------- */

int rthL_socket_close(lua_State *L) {
  rthL_SocketBox *b = rthL_checksocket(L, rthL_here(L), RTHL_STREAMWRITER,
                                       RTHL_UDPSOCKET);
  rthL_socket_leave(b, RTHL_CLOSED);
  lua_pushboolean(L, 1);
  return 1;
}

int rthL_socket_gc(lua_State *L) {
  rthL_SocketBox *b =
      check_box(L, rthL_here(L), RTHL_STREAMWRITER, RTHL_UDPSOCKET);
  rthL_socket_leave(b, RTHL_CLOSED);
  return 0;
}

static int push_addr(lua_State *L, int rc, const rth_addr_t *a) {
  if (rc != 0) return rthL_neterror(L, rc);
  rthL_pushaddr(L, a);
  return 1;
}

int rthL_socket_local_addr(lua_State *L) {
  rthL_SocketBox *b = rthL_checksocket(L, rthL_here(L), RTHL_STREAMWRITER,
                                       RTHL_UDPSOCKET);
  rth_addr_t a;
  int rc = -EBADF;
  if (b->socket != NULL)
    rc = b->socket->kind->local_addr(b->socket->core, &a);
  return push_addr(L, rc, &a);
}

int rthL_socket_peer_addr(lua_State *L) {
  rthL_SocketBox *b = rthL_checksocket(L, rthL_here(L), RTHL_STREAMWRITER,
                                       RTHL_UDPSOCKET);
  rth_addr_t a;
  int rc = -EBADF;
  luaL_argexpected(L, b->type < RTHL_TCPLISTENER || b->type == RTHL_UDPSOCKET,
                   1, "socket with a peer");
  if (b->socket != NULL) rc = b->socket->kind->peer_addr(b->socket->core, &a);
  return push_addr(L, rc, &a);
}

/* ---- moving ------------------------------------------------------------- */

const char *rthL_socket_movable(lua_State *L, int idx) {
  const rthL_SocketBox *b = lua_touserdata(L, idx);
  const char *why;
  if (b->socket == NULL) return rthL_socket_gone(b);
  why = rthL_socket_busy(b, RTHL_READ);
  return why != NULL ? why : rthL_socket_busy(b, RTHL_WRITE);
}

/* Nobody waits: detaching cannot fail. */
void *rthL_socket_take(lua_State *L, int idx) {
  rthL_SocketBox *b = lua_touserdata(L, idx);
  rthL_Socket *s = b->socket;
  b->socket = NULL;
  b->gone = RTHL_MOVED_AWAY;
  (void)!s->kind->detach(s->core);
  return s;
}

void rthL_socket_drop(void *socket) { rthL_socket_release(socket); }

void rthL_socket_arrive(lua_State *L, rthL_Type t, void *socket) {
  rthL_newsocket(L, rthL_find(L), t)->socket = socket;
}
