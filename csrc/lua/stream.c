/* stream - reading and writing a connection: TcpStream, UnixStream, and what
** their halves share with them.
**
** WHY      a read or write that can be done at once is one call of the core,
**          on the caller's own strings; the core has the only buffer.
** THREADS  the one that runs the Lua state.
** INVARIANT  the strings of a write, and a delimiter, are on the stack of the
**          function that waits: they live as long as its wait.
*/

#include "lua/net.h"

enum { FEW = 4 }; /* pieces of a write that need no memory */

typedef struct Stream {
  rthL_Socket socket;
  size_t max; /* reading */
  rth_bytes_t delim, got;
  rth_write_t write; /* writing */
  rth_bytes_t few[FEW];
} Stream;

RTHL_SOCKET_CORE(rth_stream_t, rth_stream)
static void core_cancel_read(void *p) { rth_stream_cancel_read(p); }
static void core_cancel_write(void *p) { rth_stream_cancel_write(p); }
static int core_peer_addr(void *p, rth_addr_t *a) {
  return rth_stream_peer_addr(p, a);
}

rthL_Socket *rthL_stream_wrap(rth_stream_t *core) {
  static const rthL_SocketKind kind = {
      {core_cancel_read, core_cancel_write}, core_close, core_free,
      core_detach, core_handle, core_local_addr, core_peer_addr};
  return rthL_socket_make(&kind, sizeof(Stream), core);
}

int rthL_stream_adopt(rthL_SocketBox *b, rth_stream_t *core) {
  b->socket = rthL_stream_wrap(core);
  return b->socket != NULL ? RTH_OK : RTH_ENOMEM;
}

static Stream *stream_of(rthL_Io *o) { return (Stream *)o->socket; }

/* ---- reading ------------------------------------------------------------ */

static int some_poll(rthL_Io *o, rth_cx_t *cx) {
  Stream *s = stream_of(o);
  return rth_stream_read_some(s->socket.core, cx, s->max, &s->got);
}

static int exact_poll(rthL_Io *o, rth_cx_t *cx) {
  Stream *s = stream_of(o);
  return rth_stream_read_exact(s->socket.core, cx, s->max, &s->got);
}

static int line_poll(rthL_Io *o, rth_cx_t *cx) {
  Stream *s = stream_of(o);
  return rth_stream_read_line(s->socket.core, cx, s->max, &s->got);
}

static int until_poll(rthL_Io *o, rth_cx_t *cx) {
  Stream *s = stream_of(o);
  return rth_stream_read_until(s->socket.core, cx, s->delim, s->max, &s->got);
}

static int all_poll(rthL_Io *o, rth_cx_t *cx) {
  Stream *s = stream_of(o);
  return rth_stream_read_all(s->socket.core, cx, s->max, &s->got);
}

/* The stream is at index 1; a finalizer may have closed it while the string
** was made. */
static int push_got(lua_State *L, const Stream *s) {
  const rthL_SocketBox *b;
  lua_pushlstring(L, s->got.at, s->got.n);
  b = lua_touserdata(L, 1);
  if (b->socket != NULL) rth_stream_trim(b->socket->core);
  return 1;
}

static int read_finish(lua_State *L, rthL_State *S, rthL_Io *o) {
  const Stream *s = stream_of(o);
  (void)S;
  if (o->rc == RTH_READY) return push_got(L, s);
  if (o->rc == -EMSGSIZE)
    return rthL_neterrorf(L, o->rc, "more than %I bytes (they stay unread)",
                          (LUAI_UACINT)s->max);
  return rthL_neterror(L, o->rc);
}

static int exact_finish(lua_State *L, rthL_State *S, rthL_Io *o) {
  const Stream *s = stream_of(o);
  size_t n;
  if (o->rc != RTH_EOF || (n = rth_stream_buffered(s->socket.core)) == 0)
    return read_finish(L, S, o);
  return rthL_neterrorf(
      L, o->rc, "end of file after %I of %I bytes (they stay unread)",
      (LUAI_UACINT)n, (LUAI_UACINT)s->max);
}

static void read_lose(rthL_Io *o) {
  rth_stream_unread(o->socket->core, SIZE_MAX);
}

/* A number of bytes at `arg`; `none`: where there is no argument. */
static size_t checksize(lua_State *L, int arg, size_t none) {
  lua_Integer n;
  if (none != 0 && lua_isnoneornil(L, arg)) return none;
  n = luaL_checkinteger(L, arg);
  luaL_argcheck(L, n >= 0, arg, "a number of bytes is from 0");
  return (size_t)n;
}

static int do_read(lua_State *L, const rthL_IoType *type, size_t max,
                   const rth_bytes_t *delim) {
  rthL_State *S = rthL_here(L);
  rthL_Io *o =
      rthL_checkio(L, S, RTHL_TCPSTREAM, RTHL_STREAMREADER, RTHL_READ);
  if (o == NULL) return rthL_neterror(L, -EBADF);
  stream_of(o)->max = max;
  if (delim != NULL) stream_of(o)->delim = *delim;
  return rthL_io(L, S, o, type);
}

static int stream_read(lua_State *L) {
  static const rthL_IoType type = {some_poll, read_finish, read_lose};
  return do_read(L, &type, checksize(L, 2, SIZE_MAX), NULL);
}

static int stream_read_exact(lua_State *L) {
  static const rthL_IoType type = {exact_poll, exact_finish, read_lose};
  return do_read(L, &type, checksize(L, 2, 0), NULL);
}

static int stream_read_line(lua_State *L) {
  static const rthL_IoType type = {line_poll, read_finish, read_lose};
  return do_read(L, &type, checksize(L, 2, SIZE_MAX), NULL);
}

static int stream_read_until(lua_State *L) {
  static const rthL_IoType type = {until_poll, read_finish, read_lose};
  rth_bytes_t delim;
  delim.at = luaL_checklstring(L, 2, &delim.n);
  luaL_argcheck(L, delim.n > 0, 2, "the delimiter is empty");
  return do_read(L, &type, checksize(L, 3, SIZE_MAX), &delim);
}

static int stream_read_all(lua_State *L) {
  static const rthL_IoType type = {all_poll, read_finish, read_lose};
  return do_read(L, &type, checksize(L, 2, SIZE_MAX - 1), NULL);
}

/* The loop passes the last line, where read_line has its limit. */
static int next_line(lua_State *L) {
  lua_settop(L, 1);
  lua_pushvalue(L, lua_upvalueindex(2));
  return stream_read_line(L);
}

static int stream_lines(lua_State *L) {
  rthL_State *S = rthL_here(L);
  (void)rthL_checksocket(L, S, RTHL_TCPSTREAM, RTHL_STREAMREADER);
  (void)checksize(L, 2, SIZE_MAX);
  lua_settop(L, 2);
  lua_pushlightuserdata(L, S);
  lua_insert(L, 2);
  lua_pushcclosure(L, next_line, 2);
  lua_pushvalue(L, 1);
  return 2;
}

/* ---- writing ------------------------------------------------------------ */

static int write_poll(rthL_Io *o, rth_cx_t *cx) {
  Stream *s = stream_of(o);
  return rth_stream_write_all(s->socket.core, cx, &s->write);
}

static int write_finish(lua_State *L, rthL_State *S, rthL_Io *o) {
  (void)S;
  return rthL_nettrue(L, o->rc);
}

/* The n values from index 2 on become strings.  Answers memory for many. */
static rth_bytes_t *check_pieces(lua_State *L, int n) {
  int i;
  for (i = 2; i <= n + 1; i++) (void)luaL_checklstring(L, i, NULL);
  if (n <= FEW) return NULL;
  return lua_newuserdatauv(L, (size_t)n * sizeof(rth_bytes_t), 0);
}

static int stream_write_all(lua_State *L) {
  static const rthL_IoType type = {write_poll, write_finish, NULL};
  rthL_State *S = rthL_here(L);
  int i, n = lua_gettop(L) - 1;
  rth_bytes_t *v;
  rthL_Io *o;
  Stream *s;
  (void)rthL_checksocket(L, S, RTHL_STREAMWRITER, RTHL_UNIXSTREAM);
  v = check_pieces(L, n);
  o = rthL_checkio(L, S, RTHL_STREAMWRITER, RTHL_UNIXSTREAM, RTHL_WRITE);
  if (o == NULL) return rthL_neterror(L, -EBADF);
  s = stream_of(o);
  if (v == NULL) v = s->few;
  for (i = 0; i < n; i++) v[i].at = lua_tolstring(L, i + 2, &v[i].n);
  s->write.pieces = v;
  s->write.n = (size_t)n;
  s->write.next = s->write.offset = 0;
  return rthL_io(L, S, o, &type);
}

static int stream_shutdown(lua_State *L) {
  rthL_SocketBox *b = rthL_checksocket(L, rthL_here(L), RTHL_STREAMWRITER,
                                       RTHL_UNIXSTREAM);
  return rthL_nettrue(
      L, b->socket != NULL ? rth_stream_shutdown(b->socket->core) : -EBADF);
}

/* ---- options ------------------------------------------------------------ */

static int stream_set_nodelay(lua_State *L) {
  rthL_SocketBox *b = rthL_checksocket(L, rthL_here(L), RTHL_TCPSTREAM,
                                       RTHL_TCPSTREAM);
  luaL_checktype(L, 2, LUA_TBOOLEAN);
  if (b->socket == NULL) return rthL_neterror(L, -EBADF);
  return rthL_nettrue(
      L, rth_stream_set_nodelay(b->socket->core, lua_toboolean(L, 2)));
}

static int stream_nodelay(lua_State *L) {
  rthL_SocketBox *b = rthL_checksocket(L, rthL_here(L), RTHL_TCPSTREAM,
                                       RTHL_TCPSTREAM);
  int on, rc = -EBADF;
  if (b->socket != NULL) rc = rth_stream_nodelay(b->socket->core, &on);
  if (rc != 0) return rthL_neterror(L, rc);
  lua_pushboolean(L, on);
  return 1;
}

/* ---- the types ---------------------------------------------------------- */

RTHL_SOCKET_MOVES(tcp, RTHL_TCPSTREAM);
RTHL_SOCKET_MOVES(unix_stream, RTHL_UNIXSTREAM);

static const luaL_Reg reads[] = {{"read", stream_read},
                                 {"read_exact", stream_read_exact},
                                 {"read_line", stream_read_line},
                                 {"read_until", stream_read_until},
                                 {"read_all", stream_read_all},
                                 {"lines", stream_lines},
                                 {NULL, NULL}};
static const luaL_Reg writes[] = {{"write_all", stream_write_all},
                                  {"shutdown", stream_shutdown},
                                  {NULL, NULL}};
static const luaL_Reg both[] = {{"split", rthL_stream_split},
                                {"close", rthL_socket_close},
                                {"local_addr", rthL_socket_local_addr},
                                {"peer_addr", rthL_socket_peer_addr},
                                {NULL, NULL}};
static const luaL_Reg only_tcp[] = {{"set_nodelay", stream_set_nodelay},
                                    {"nodelay", stream_nodelay},
                                    {NULL, NULL}};

static void open_type(lua_State *L, rthL_State *S, rthL_Type t,
                      const char *name, const rthL_MoveOps *ops) {
  static const luaL_Reg meta[] = {
      {"__gc", rthL_socket_gc}, {"__close", rthL_socket_gc}, {NULL, NULL}};
  rthL_type(L, S, t, name, meta, both);
  rthL_set_move_ops(L, ops);
  lua_getfield(L, -1, "__index");
  rthL_setfuncs(L, S, reads);
  rthL_setfuncs(L, S, writes);
  if (t == RTHL_TCPSTREAM) rthL_setfuncs(L, S, only_tcp);
  lua_pop(L, 2);
}

void rthL_open_streams(lua_State *L, rthL_State *S) {
  open_type(L, S, RTHL_TCPSTREAM, "rthandle.TcpStream", &tcp_ops);
  open_type(L, S, RTHL_UNIXSTREAM, "rthandle.UnixStream", &unix_stream_ops);
  rthL_open_halves(L, S, reads, writes);
}
