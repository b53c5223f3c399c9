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

static const char *title(const rthL_SocketBox *b) {
  static const char *const titles[] = {
      "StreamWriter", "TcpStream",    "UnixStream", "StreamReader",
      "TcpListener",  "UnixListener", "UdpSocket"};
  return titles[b->type - RTHL_STREAMWRITER];
}

/* ---- life --------------------------------------------------------------- */

void rthL_socket_release(rthL_Socket *s) {
  if (--s->refs > 0) return;
  if (s->spare != NULL) rthL_socket_release(s->spare);
  s->kind->free(s->core);
  free(s);
}

static rth_poll_t io_poll(rthL_State *S, rthL_Op *op, rth_cx_t *cx) {
  rthL_Io *o = (rthL_Io *)op;
  (void)S;
  o->rc = o->type->poll(o, cx);
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

/* The userdata still has the socket; where it was closed since the operation
** was ready, that counts. */
static int io_finish(lua_State *L, rthL_State *S, rthL_Op *op) {
  rthL_Io *o = (rthL_Io *)op;
  if (o->socket->refs == 1) {
    int rc = o->rc == RTH_READY ? -ECANCELED : o->rc;
    (void)io_cancel(S, op, L);
    return rthL_neterror(L, rc);
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
  if (b->type == RTHL_STREAMWRITER) {
    (void)!rth_stream_shutdown(s->core);
    rth_stream_stop_write(s->core);
  } else if (b->type == RTHL_STREAMREADER) {
    rth_stream_stop_read(s->core);
  } else {
    s->kind->close(s->core);
  }
  rthL_socket_release(s);
}

/* ---- using -------------------------------------------------------------- */

rthL_SocketBox *rthL_checksocket(lua_State *L, rthL_State *S, rthL_Type first,
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
  if (b->socket == NULL && b->gone != RTHL_CLOSED)
    luaL_error(L, b->gone == RTHL_SPLIT
                      ? "%s was split: use its reader and its writer"
                      : "%s was moved",
               title(b));
  return b;
}

rthL_Io *rthL_checkio(lua_State *L, rthL_State *S, rthL_Type first,
                      rthL_Type last, int side) {
  static const char *const doing[] = {"reading from", "writing to"};
  rthL_SocketBox *b = rthL_checksocket(L, S, first, last);
  rthL_Io *o;
  if (b->socket == NULL) return NULL;
  o = &b->socket->side[side];
  if (o->waits)
    luaL_error(L,
               b->type == RTHL_TCPLISTENER || b->type == RTHL_UNIXLISTENER
                   ? "another task is accepting from this %s: let one task "
                     "accept and spawn the others"
                   : "another task is %s this %s: let one task do that, and "
                     "the others use a channel to it",
               b->type == RTHL_TCPLISTENER || b->type == RTHL_UNIXLISTENER
                   ? title(b)
                   : doing[side],
               title(b));
  return o;
}

int rthL_io(lua_State *L, rthL_State *S, rthL_Io *o,
            const rthL_IoType *type) {
  rthL_Socket *s = o->socket;
  rth_handle_t *h;
  o->type = type;
  o->rc = RTH_PENDING;
  if (S->cur != NULL) {
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
  rthL_SocketBox *b = lua_touserdata(L, 1);
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
  if (b->socket != NULL) rc = b->socket->kind->peer_addr(b->socket->core, &a);
  return push_addr(L, rc, &a);
}

/* ---- moving ------------------------------------------------------------- */

const char *rthL_socket_movable(lua_State *L, int idx) {
  static const char *const reasons[][5] = {
      {"TcpStream was closed", "TcpStream was moved", "TcpStream was split",
       "a task is reading from this TcpStream",
       "a task is writing to this TcpStream"},
      {"UnixStream was closed", "UnixStream was moved", "UnixStream was split",
       "a task is reading from this UnixStream",
       "a task is writing to this UnixStream"},
      {"StreamReader was closed", "StreamReader was moved", "",
       "a task is reading from this StreamReader", ""},
      {"TcpListener was closed", "TcpListener was moved", "",
       "a task is accepting from this TcpListener", ""},
      {"UnixListener was closed", "UnixListener was moved", "",
       "a task is accepting from this UnixListener", ""},
      {"UdpSocket was closed", "UdpSocket was moved", "",
       "a task is receiving from this UdpSocket",
       "a task is sending with this UdpSocket"}};
  const rthL_SocketBox *b = lua_touserdata(L, idx);
  const char *const *why = reasons[b->type - RTHL_TCPSTREAM];
  if (b->socket == NULL) return why[b->gone];
  if (b->socket->side[RTHL_READ].waits) return why[3];
  return b->socket->side[RTHL_WRITE].waits ? why[4] : NULL;
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
