/* udp - UdpSocket: datagrams.
**
** THREADS  the one that runs the Lua state.
** INVARIANT  what is being sent is on the stack of the function that waits.
*/
#include "lua/enter.h"
#include "lua/net.h"

enum { LARGEST = 65536 }; /* no datagram is longer */

typedef struct Udp {
  rthL_Socket socket;
  size_t max; /* receiving */
  rth_bytes_t got;
  rth_addr_t from;
  rth_bytes_t data; /* sending */
  rth_addr_t to;    /* size 0: to the peer */
} Udp;

RTHL_SOCKET_CORE(rth_udp_t, rth_udp)
static void core_cancel_recv(void *p) { rth_udp_cancel_recv(p); }
static void core_cancel_send(void *p) { rth_udp_cancel_send(p); }
static int core_peer_addr(void *p, rth_addr_t *a) {
  return rth_udp_peer_addr(p, a);
}

static Udp *udp_of(rthL_Io *o) { return (Udp *)o->socket; }

static rthL_SocketBox *check(lua_State *L) {
  return rthL_checksocket(L, rthL_here(L), RTHL_UDPSOCKET, RTHL_UDPSOCKET);
}

static rthL_Io *check_io(lua_State *L, int side) {
  return rthL_checkio(L, rthL_here(L), RTHL_UDPSOCKET, RTHL_UDPSOCKET, side);
}

/* ---- binding ------------------------------------------------------------ */

static int give(rthL_SocketBox *b, rth_udp_t *core) {
  static const rthL_SocketKind kind = {
      {core_cancel_recv, core_cancel_send}, core_close, core_free,
      core_detach, core_handle, core_local_addr, core_peer_addr};
  b->socket = rthL_socket_make(&kind, sizeof(Udp), core);
  return b->socket != NULL ? RTH_OK : RTH_ENOMEM;
}

/* 1 the address, 2 the new userdata, 3 reuse_port. */
static int bind_found(lua_State *L, rthL_State *S, int rc,
                      const rth_addr_t *list, size_t n) {
  rth_handle_t *h = rthL_checkcurrent(L, S);
  rth_udp_t *core;
  if (rc == 0)
    rc = rth_udp_bind(h, list, n, (int)lua_tointeger(L, 3), &core);
  if (rc == 0) rc = give(lua_touserdata(L, 2), core);
  if (rc != 0) return rthL_neterror(L, rc);
  lua_settop(L, 2);
  return 1;
}

static int udp_bind(lua_State *L) {
  int reuse_port = 0;
  const rthL_NetOption options[] = {{"reuse_port", &reuse_port, 1}};
  rthL_State *S = rthL_here(L);
  (void)rthL_checkaddr(L, 1);
  rthL_netoptions(L, 2, "socket", options, 1);
  lua_settop(L, 1);
  (void)rthL_newsocket(L, S, RTHL_UDPSOCKET);
  lua_pushinteger(L, reuse_port);
  return rthL_resolve(L, S, 1, bind_found);
}

/* ---- receiving ---------------------------------------------------------- */

static int recv_poll(rthL_Io *o, rth_cx_t *cx) {
  Udp *u = udp_of(o);
  return rth_udp_recv(u->socket.core, cx, u->max, &u->got, &u->from);
}

static int recv_finish(lua_State *L, rthL_State *S, rthL_Io *o) {
  const Udp *u = udp_of(o);
  (void)S;
  if (o->rc != RTH_READY) return rthL_neterror(L, o->rc);
  lua_pushlstring(L, u->got.at, u->got.n);
  return 1;
}

static int recv_from_finish(lua_State *L, rthL_State *S, rthL_Io *o) {
  rth_addr_t from = udp_of(o)->from;
  int n = recv_finish(L, S, o);
  if (n != 1) return n;
  rthL_pushaddr(L, &from);
  return 2;
}

static int receive(lua_State *L, const rthL_IoType *type) {
  lua_Integer max = luaL_optinteger(L, 2, LARGEST);
  rthL_Io *o = check_io(L, RTHL_READ);
  luaL_argcheck(L, max >= 0, 2, "a number of bytes is from 0");
  if (o == NULL) return rthL_neterror(L, -EBADF);
  udp_of(o)->max = (size_t)max;
  return rthL_io(L, rthL_here(L), o, type);
}

static int udp_recv(lua_State *L) {
  static const rthL_IoType type = {recv_poll, recv_finish, NULL};
  return receive(L, &type);
}

static int udp_recv_from(lua_State *L) {
  static const rthL_IoType type = {recv_poll, recv_from_finish, NULL};
  return receive(L, &type);
}

/* ---- sending ------------------------------------------------------------ */

static int send_poll(rthL_Io *o, rth_cx_t *cx) {
  Udp *u = udp_of(o);
  return rth_udp_send(u->socket.core, cx, u->data,
                      u->to.size != 0 ? &u->to : NULL);
}

static int send_finish(lua_State *L, rthL_State *S, rthL_Io *o) {
  (void)S;
  if (o->rc != RTH_READY) return rthL_neterror(L, o->rc);
  lua_pushinteger(L, (lua_Integer)udp_of(o)->data.n);
  return 1;
}

/* The data is at index 2; to == NULL: to the peer. */
static int send_data(lua_State *L, const rth_addr_t *to) {
  static const rthL_IoType type = {send_poll, send_finish, NULL};
  rthL_Io *o = check_io(L, RTHL_WRITE);
  Udp *u;
  if (o == NULL) return rthL_neterror(L, -EBADF);
  u = udp_of(o);
  u->data.at = lua_tolstring(L, 2, &u->data.n);
  if (to != NULL)
    u->to = *to;
  else
    u->to.size = 0;
  return rthL_io(L, rthL_here(L), o, &type);
}

static int udp_send(lua_State *L) {
  (void)luaL_checkstring(L, 2);
  return send_data(L, NULL);
}

/* The first address of the socket's own family, which the size tells. */
static const rth_addr_t *suitable(const rthL_SocketBox *b,
                                  const rth_addr_t *list, size_t n) {
  rth_addr_t own;
  size_t i;
  if (b->socket == NULL ||
      b->socket->kind->local_addr(b->socket->core, &own) != 0)
    return list;
  for (i = 0; i < n; i++)
    if (list[i].size == own.size) return &list[i];
  return list;
}

static int send_found(lua_State *L, rthL_State *S, int rc,
                      const rth_addr_t *list, size_t n) {
  (void)S;
  if (rc != 0) return rthL_neterror(L, rc);
  return send_data(L, suitable(check(L), list, n));
}

/* Most are sent to numbers: no look at the current runtime for these. */
static int udp_send_to(lua_State *L) {
  rth_addr_t to;
  (void)check_io(L, RTHL_WRITE);
  (void)luaL_checkstring(L, 2);
  if (rth_addr_parse(&to, rthL_checkaddr(L, 3)) == 0) return send_data(L, &to);
  return rthL_resolve(L, rthL_here(L), 3, send_found);
}

/* ---- the rest ----------------------------------------------------------- */

static int connect_found(lua_State *L, rthL_State *S, int rc,
                         const rth_addr_t *list, size_t n) {
  const rthL_SocketBox *b = check(L);
  (void)S;
  if (b->socket == NULL) return rthL_neterror(L, -EBADF);
  if (rc == 0)
    rc = rth_udp_connect(b->socket->core, suitable(b, list, n));
  return rthL_nettrue(L, rc);
}

static int udp_connect(lua_State *L) {
  (void)check(L);
  (void)rthL_checkaddr(L, 2);
  lua_settop(L, 2);
  return rthL_resolve(L, rthL_here(L), 2, connect_found);
}

static int udp_set_broadcast(lua_State *L) {
  const rthL_SocketBox *b = check(L);
  luaL_checktype(L, 2, LUA_TBOOLEAN);
  if (b->socket == NULL) return rthL_neterror(L, -EBADF);
  return rthL_nettrue(
      L, rth_udp_set_broadcast(b->socket->core, lua_toboolean(L, 2)));
}

RTHL_SOCKET_MOVES(udp, RTHL_UDPSOCKET);

void rthL_open_udp(lua_State *L, rthL_State *S) {
  static const luaL_Reg meta[] = {
      {"__gc", rthL_socket_gc}, {"__close", rthL_socket_gc}, {NULL, NULL}};
  static const luaL_Reg methods[] = {{"recv", udp_recv},
                                     {"recv_from", udp_recv_from},
                                     {"send", udp_send},
                                     {"send_to", udp_send_to},
                                     {"connect", udp_connect},
                                     {"set_broadcast", udp_set_broadcast},
                                     {"close", rthL_socket_close},
                                     {"local_addr", rthL_socket_local_addr},
                                     {"peer_addr", rthL_socket_peer_addr},
                                     {NULL, NULL}};
  static const luaL_Reg functions[] = {{"bind", udp_bind}, {NULL, NULL}};
  rthL_type(L, S, RTHL_UDPSOCKET, "rthandle.UdpSocket", meta, methods);
  rthL_set_move_ops(L, &udp_ops);
  lua_pop(L, 1);
  lua_newtable(L);
  rthL_setfuncs(L, S, functions);
  lua_setfield(L, -2, "UdpSocket");
}
