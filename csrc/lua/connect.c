/* connect - TcpStream.connect, UnixStream.connect, UnixStream.pair.
**
** THREADS  the one that runs the Lua state.
** OWNS     the operation has the attempt, and the stream until it is taken.
*/
#include <stdlib.h>
#include <string.h>

#include "lua/enter.h"
#include "lua/net.h"

typedef struct ConnectOp {
  rthL_Op op;
  rth_connect_t *connect;
  rth_stream_t *stream; /* NULL: not yet */
  int rc;
  int nodelay;
} ConnectOp;

static rth_poll_t connect_poll(rthL_State *S, rthL_Op *op, rth_cx_t *cx) {
  ConnectOp *o = (ConnectOp *)op;
  (void)S;
  o->rc = rth_connect_poll(o->connect, cx, &o->stream);
  return o->rc == RTH_PENDING ? RTH_PENDING : RTH_READY;
}

static int connect_cancel(rthL_State *S, rthL_Op *op, lua_State *to) {
  ConnectOp *o = (ConnectOp *)op;
  (void)S;
  (void)to;
  rth_connect_free(o->connect);
  rth_stream_free(o->stream);
  free(o);
  return 0;
}

/* The core's text, with the addresses that were tried. */
static int failed(lua_State *L, ConnectOp *o) {
  char text[1024];
  int rc = o->rc;
  strncpy(text, rth_connect_error(o->connect), sizeof text - 1);
  text[sizeof text - 1] = '\0';
  rth_connect_free(o->connect);
  free(o);
  if (rc == RTH_ESHUTDOWN || rc == RTH_ENOCONTEXT)
    return rthL_neterror(L, rc);
  lua_pushnil(L);
  lua_pushstring(L, text);
  lua_pushstring(L, rth_err_name(rc));
  return 3;
}

/* The new userdata is at index 2. */
static int connect_finish(lua_State *L, rthL_State *S, rthL_Op *op) {
  ConnectOp *o = (ConnectOp *)op;
  rthL_SocketBox *b = lua_touserdata(L, 2);
  rth_stream_t *stream = o->stream;
  int rc = o->rc;
  (void)S;
  if (rc != RTH_READY) return failed(L, o);
  rc = o->nodelay ? rth_stream_set_nodelay(stream, 1) : RTH_OK;
  rth_connect_free(o->connect);
  free(o);
  if (rc == RTH_OK)
    rc = rthL_stream_adopt(b, stream);
  else
    rth_stream_free(stream);
  if (rc != RTH_OK) return rthL_neterror(L, rc);
  lua_settop(L, 2);
  return 1;
}

/* Index 1 is the argument, for messages, 2 the new userdata. */
static int wait(lua_State *L, rthL_State *S, rth_handle_t *h, ConnectOp *o) {
  static const rthL_OpType type = {connect_poll, connect_cancel,
                                   connect_finish};
  o->op.type = &type;
  return rthL_await(L, S, &o->op, h);
}

static int tcp_connect(lua_State *L) {
  int nodelay = 0;
  const rthL_NetOption options[] = {{"nodelay", &nodelay, 1}};
  rthL_State *S = rthL_here(L);
  const char *text = rthL_checkaddr(L, 1);
  rth_handle_t *h;
  ConnectOp *o;
  int rc;
  rthL_netoptions(L, 2, "connect", options, 1);
  lua_settop(L, 1);
  (void)rthL_newsocket(L, S, RTHL_TCPSTREAM);
  h = rthL_checkcurrent(L, S);
  o = calloc(1, sizeof *o);
  rc = o != NULL ? rth_tcp_connect(h, text, &o->connect) : RTH_ENOMEM;
  if (rc != RTH_OK) {
    free(o);
    return rc == RTH_EINVAL ? rthL_badaddr(L, 1) : rthL_neterror(L, rc);
  }
  o->nodelay = nodelay;
  return wait(L, S, h, o);
}

static int unix_connect(lua_State *L) {
  rthL_State *S = rthL_here(L);
  rth_handle_t *h;
  rth_addr_t a;
  ConnectOp *o;
  int rc = rthL_checkpath(L, 1, &a);
  if (rc != RTH_OK) return rthL_badpath(L, 1);
  lua_settop(L, 1);
  (void)rthL_newsocket(L, S, RTHL_UNIXSTREAM);
  h = rthL_checkcurrent(L, S);
  o = calloc(1, sizeof *o);
  rc = o != NULL ? rth_unix_connect(h, &a, &o->connect) : RTH_ENOMEM;
  if (rc != RTH_OK) {
    free(o);
    return rthL_neterror(L, rc);
  }
  return wait(L, S, h, o);
}

static int unix_pair(lua_State *L) {
  rthL_State *S = rthL_here(L);
  rthL_SocketBox *a = rthL_newsocket(L, S, RTHL_UNIXSTREAM);
  rthL_SocketBox *b = rthL_newsocket(L, S, RTHL_UNIXSTREAM);
  rth_stream_t *core[2];
  int rc = rth_stream_pair(rthL_checkcurrent(L, S), core), other;
  if (rc != RTH_OK) return rthL_neterror(L, rc);
  rc = rthL_stream_adopt(a, core[0]);
  other = rthL_stream_adopt(b, core[1]);
  if (rc == RTH_OK) rc = other;
  return rc == RTH_OK ? 2 : rthL_neterror(L, rc);
}

void rthL_open_connect(lua_State *L, rthL_State *S) {
  static const luaL_Reg tcp[] = {{"connect", tcp_connect}, {NULL, NULL}};
  static const luaL_Reg local[] = {
      {"connect", unix_connect}, {"pair", unix_pair}, {NULL, NULL}};
  lua_newtable(L);
  rthL_setfuncs(L, S, tcp);
  lua_setfield(L, -2, "TcpStream");
  lua_newtable(L);
  rthL_setfuncs(L, S, local);
  lua_setfield(L, -2, "UnixStream");
}
