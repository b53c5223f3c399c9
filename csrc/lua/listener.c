/* listener - TcpListener and UnixListener: binding and accepting.
**
** WHY      the userdata of a stream is made before the connection is taken:
**          nothing can fail between that and putting it there.
** THREADS  the one that runs the Lua state.
*/

#include "lua/enter.h"
#include "lua/net.h"

typedef struct Listener {
  rthL_Socket socket;
  rth_stream_t *accepted; /* READY: until it is taken */
  rth_addr_t peer;
} Listener;

RTHL_SOCKET_CORE(rth_listener_t, rth_listener)
static void core_cancel(void *p) { rth_listener_cancel(p); }

static int give(rthL_SocketBox *b, rth_listener_t *core) {
  static const rthL_SocketKind kind = {
      {core_cancel, core_cancel}, core_close, core_free, core_detach,
      core_handle, core_local_addr, NULL};
  b->socket = rthL_socket_make(&kind, sizeof(Listener), core);
  return b->socket != NULL ? RTH_OK : RTH_ENOMEM;
}

/* ---- binding ------------------------------------------------------------ */

/* 1 the address, 2 the new userdata, 3 backlog, 4 reuse_port. */
static int bind_found(lua_State *L, rthL_State *S, int rc,
                      const rth_addr_t *list, size_t n) {
  rth_listen_options_t o;
  rth_listener_t *core;
  o.backlog = (int)lua_tointeger(L, 3);
  o.reuse_port = (int)lua_tointeger(L, 4);
  if (rc == 0) rc = rth_listen(rthL_checkcurrent(L, S), list, n, &o, &core);
  if (rc == 0) rc = give(lua_touserdata(L, 2), core);
  if (rc != 0) return rthL_neterror(L, rc);
  lua_settop(L, 2);
  return 1;
}

static int tcp_bind(lua_State *L) {
  int backlog = 0, reuse_port = 0;
  const rthL_NetOption options[] = {{"reuse_port", &reuse_port, 1},
                                    {"backlog", &backlog, 0}};
  rthL_State *S = rthL_here(L);
  (void)rthL_checkaddr(L, 1);
  rthL_netoptions(L, 2, "listener", options, 2);
  lua_settop(L, 1);
  (void)rthL_newsocket(L, S, RTHL_TCPLISTENER);
  lua_pushinteger(L, backlog);
  lua_pushinteger(L, reuse_port);
  return rthL_resolve(L, S, 1, bind_found);
}

static int unix_bind(lua_State *L) {
  rthL_State *S = rthL_here(L);
  rth_addr_t a;
  rth_listener_t *core;
  rthL_SocketBox *b;
  int rc = rthL_checkpath(L, 1, &a);
  if (rc != RTH_OK) return rthL_badpath(L, 1);
  b = rthL_newsocket(L, S, RTHL_UNIXLISTENER);
  rc = rth_listen(rthL_checkcurrent(L, S), &a, 1, NULL, &core);
  if (rc == 0) rc = give(b, core);
  return rc != 0 ? rthL_neterror(L, rc) : 1;
}

/* ---- accepting ---------------------------------------------------------- */

static int accept_poll(rthL_Io *o, rth_cx_t *cx) {
  Listener *l = (Listener *)o->socket;
  return rth_listener_accept(l->socket.core, cx, &l->accepted, &l->peer);
}

static void accept_lose(rthL_Io *o) {
  rth_stream_free(((Listener *)o->socket)->accepted);
}

/* The new userdata is at index 2. */
static int accept_finish(lua_State *L, rthL_State *S, rthL_Io *o) {
  const Listener *l = (Listener *)o->socket;
  int rc = o->rc;
  (void)S;
  if (rc == RTH_READY)
    rc = rthL_stream_adopt(lua_touserdata(L, 2), l->accepted);
  if (rc != RTH_OK) return rthL_neterror(L, rc);
  rthL_pushaddr(L, &l->peer);
  return 2;
}

static int listener_accept(lua_State *L) {
  static const rthL_IoType type = {accept_poll, accept_finish, accept_lose};
  rthL_State *S = rthL_here(L);
  const rthL_SocketBox *b =
      rthL_checksocket(L, S, RTHL_TCPLISTENER, RTHL_UNIXLISTENER);
  rthL_Io *o;
  lua_settop(L, 1);
  (void)rthL_newsocket(L, S, b->type == RTHL_TCPLISTENER ? RTHL_TCPSTREAM
                                                         : RTHL_UNIXSTREAM);
  o = rthL_checkio(L, S, RTHL_TCPLISTENER, RTHL_UNIXLISTENER, RTHL_READ);
  if (o == NULL) return rthL_neterror(L, -EBADF);
  return rthL_io(L, S, o, &type);
}

static int listener_incoming(lua_State *L) {
  (void)rthL_checksocket(L, rthL_here(L), RTHL_TCPLISTENER,
                         RTHL_UNIXLISTENER);
  lua_getfield(L, 1, "accept");
  lua_pushvalue(L, 1);
  return 2;
}

RTHL_SOCKET_MOVES(tcp, RTHL_TCPLISTENER);
RTHL_SOCKET_MOVES(unix_listener, RTHL_UNIXLISTENER);

void rthL_open_listener(lua_State *L, rthL_State *S) {
  static const luaL_Reg meta[] = {
      {"__gc", rthL_socket_gc}, {"__close", rthL_socket_gc}, {NULL, NULL}};
  static const luaL_Reg methods[] = {{"accept", listener_accept},
                                     {"incoming", listener_incoming},
                                     {"close", rthL_socket_close},
                                     {"local_addr", rthL_socket_local_addr},
                                     {NULL, NULL}};
  static const luaL_Reg tcp_functions[] = {{"bind", tcp_bind}, {NULL, NULL}};
  static const luaL_Reg unix_functions[] = {{"bind", unix_bind},
                                            {NULL, NULL}};
  rthL_type(L, S, RTHL_TCPLISTENER, "rthandle.TcpListener", meta, methods);
  rthL_set_move_ops(L, &tcp_ops);
  rthL_type(L, S, RTHL_UNIXLISTENER, "rthandle.UnixListener", meta, methods);
  rthL_set_move_ops(L, &unix_listener_ops);
  lua_pop(L, 2);
  lua_newtable(L);
  rthL_setfuncs(L, S, tcp_functions);
  lua_setfield(L, -2, "TcpListener");
  lua_newtable(L);
  rthL_setfuncs(L, S, unix_functions);
  lua_setfield(L, -2, "UnixListener");
}
