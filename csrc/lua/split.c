/* split - the halves of a stream: a StreamReader and a StreamWriter.
**
** WHY      two tasks of one state share the socket.  Where a half moves to
**          another state, it gets a descriptor of its own: each descriptor
**          stands on one loop.  The dup is made while the message is checked,
**          for that may refuse; taking may not.
** THREADS  the one that runs the Lua state.
** OWNS     each half has a reference to the socket.
*/
#include "lua/net.h"

int rthL_stream_split(lua_State *L) {
  rthL_State *S = rthL_here(L);
  rthL_SocketBox *b = rthL_checksocket(L, S, RTHL_TCPSTREAM, RTHL_UNIXSTREAM);
  rthL_SocketBox *r, *w;
  if (b->socket != NULL &&
      (b->socket->side[RTHL_READ].waits || b->socket->side[RTHL_WRITE].waits))
    return luaL_error(L, "cannot split a stream that a task is waiting on");
  r = rthL_newsocket(L, S, RTHL_STREAMREADER);
  w = rthL_newsocket(L, S, RTHL_STREAMWRITER);
  if (b->socket == NULL) return 2; /* closed, as the stream */
  r->socket = w->socket = b->socket;
  r->socket->refs++;
  b->socket = NULL;
  b->gone = RTHL_SPLIT;
  return 2;
}

/* ---- moving ------------------------------------------------------------- */

/* NULL: there is a dup, or none is needed. */
static const char *prepare(rthL_Socket *s) {
  rth_stream_t *core;
  int rc;
  if (s->refs == 1 || s->spare != NULL) return NULL;
  rc = rth_stream_dup(s->core, &core);
  if (rc != RTH_OK) return rth_strerror(rc);
  s->spare = rthL_stream_wrap(core);
  return s->spare == NULL ? rth_strerror(RTH_ENOMEM) : NULL;
}

static const char *half_movable(const rthL_SocketBox *b, int side) {
  const char *why;
  if (b->socket == NULL) return rthL_socket_gone(b);
  why = rthL_socket_busy(b, side);
  return why != NULL ? why : prepare(b->socket);
}

static const char *reader_movable(lua_State *L, int idx) {
  return half_movable(lua_touserdata(L, idx), RTHL_READ);
}

static const char *writer_movable(lua_State *L, int idx) {
  return half_movable(lua_touserdata(L, idx), RTHL_WRITE);
}

/* The socket itself where nobody else has it, else its dup. */
static void *half_take(lua_State *L, int idx) {
  rthL_SocketBox *b = lua_touserdata(L, idx);
  rthL_Socket *s = b->socket, *dup = s->spare;
  if (s->refs == 1) return rthL_socket_take(L, idx);
  s->spare = NULL;
  if (b->type == RTHL_STREAMREADER)
    rth_stream_move_input(s->core, dup->core);
  b->socket = NULL;
  b->gone = RTHL_MOVED_AWAY;
  rthL_socket_release(s);
  return dup;
}

static void reader_push(lua_State *L, void *socket) {
  rthL_socket_arrive(L, RTHL_STREAMREADER, socket);
}

static void writer_push(lua_State *L, void *socket) {
  rthL_socket_arrive(L, RTHL_STREAMWRITER, socket);
}

/* It never arrived: the peer is told that no more comes. */
static void writer_drop(void *socket) {
  (void)!rth_stream_shutdown(((rthL_Socket *)socket)->core);
  rthL_socket_release(socket);
}

void rthL_open_halves(lua_State *L, rthL_State *S, const luaL_Reg *reads,
                      const luaL_Reg *writes) {
  static const luaL_Reg meta[] = {
      {"__gc", rthL_socket_gc}, {"__close", rthL_socket_gc}, {NULL, NULL}};
  static const luaL_Reg both[] = {{"close", rthL_socket_close},
                                  {"local_addr", rthL_socket_local_addr},
                                  {"peer_addr", rthL_socket_peer_addr},
                                  {NULL, NULL}};
  static const rthL_MoveOps reader = {reader_movable, half_take, reader_push,
                                      rthL_socket_drop, NULL};
  static const rthL_MoveOps writer = {writer_movable, half_take, writer_push,
                                      writer_drop, NULL};
  rthL_type(L, S, RTHL_STREAMREADER, "rthandle.StreamReader", meta, both);
  rthL_set_move_ops(L, &reader);
  lua_getfield(L, -1, "__index");
  rthL_setfuncs(L, S, reads);
  lua_pop(L, 2);
  rthL_type(L, S, RTHL_STREAMWRITER, "rthandle.StreamWriter", meta, both);
  rthL_set_move_ops(L, &writer);
  lua_getfield(L, -1, "__index");
  rthL_setfuncs(L, S, writes);
  lua_pop(L, 2);
}
