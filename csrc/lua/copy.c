/* copy - rt.io: from a reader to a writer until the end.
**
** WHY      between two sockets the bytes go straight from the buffer of one
**          into the other, and no Lua value is made of them; both ways are
**          polled by one operation.  What else has `read` and `write_all` is
**          called as a script would, and try_join runs its two ways.
** THREADS  the one that runs the Lua state.
** OWNS     the operation has a reference to each socket, and the sides that it
**          uses: nobody else may.
** INVARIANT  while it writes, a way reads nothing, so `data` stays where it is.
*/
#include <stdlib.h>
#include <string.h>

#include "lua/enter.h"
#include "lua/net.h"

enum { PART = 65536 }; /* what is read at a time, of others than sockets */

typedef struct Way {
  rthL_Io *from, *to;
  rth_bytes_t data;
  rth_write_t write;
  lua_Integer total;
  int rc; /* PENDING: goes on */
  uint8_t writing;
} Way;

typedef struct CopyOp {
  rthL_Op op;
  int n; /* ways: with 2, each passes its end on */
  Way way[2];
} CopyOp;

/* ---- between sockets ---------------------------------------------------- */

/* READY: the end. */
static int read_part(Way *w, rth_cx_t *cx) {
  int rc = rth_stream_read_some(w->from->socket->core, cx, SIZE_MAX, &w->data);
  if (rc != RTH_READY) return rc == RTH_EOF ? RTH_READY : rc;
  w->write = (rth_write_t){.pieces = &w->data, .n = 1};
  w->writing = 1;
  return RTH_PENDING;
}

static int way_poll(Way *w, rth_cx_t *cx) {
  for (;;) {
    int rc;
    if (!w->writing) {
      rc = read_part(w, cx);
      if (!w->writing) return rc;
    }
    rc = rth_stream_write_all(w->to->socket->core, cx, &w->write);
    if (rc != RTH_READY) return rc;
    w->total += (lua_Integer)w->data.n;
    w->writing = 0;
  }
}

static rth_poll_t copy_poll(rthL_State *S, rthL_Op *op, rth_cx_t *cx) {
  CopyOp *o = (CopyOp *)op;
  int i, ended = 0;
  (void)S;
  for (i = 0; i < o->n; i++) {
    Way *w = &o->way[i];
    if (w->rc == RTH_PENDING) {
      w->rc = way_poll(w, cx);
      if (w->rc == RTH_READY && o->n == 2) {
        int err = rth_stream_shutdown(w->to->socket->core);
        if (err != RTH_OK) w->rc = err;
      }
    }
    if (w->rc < 0) return RTH_READY; /* ends the other one as well */
    ended += w->rc == RTH_READY;
  }
  return ended == o->n ? RTH_READY : RTH_PENDING;
}

static void take_side(rthL_Io *io) {
  io->waits = 1;
  io->socket->refs++;
}

static void leave_side(rthL_Io *io, int pending) {
  rthL_Socket *s = io->socket;
  if (pending) s->kind->cancel[io->side](s->core);
  io->waits = 0;
  rthL_socket_release(s);
}

/* What a way has read and not written is there for the next read. */
static void leave_way(Way *w) {
  int pending = w->rc == RTH_PENDING;
  if (w->writing && w->write.next == 0)
    rth_stream_unread(w->from->socket->core, w->data.n - w->write.offset);
  leave_side(w->from, pending);
  leave_side(w->to, pending);
}

static int copy_cancel(rthL_State *S, rthL_Op *op, lua_State *to) {
  CopyOp *o = (CopyOp *)op;
  int i;
  (void)S;
  (void)to;
  for (i = 0; i < o->n; i++) leave_way(&o->way[i]);
  free(o);
  return 0;
}

static int copy_finish(lua_State *L, rthL_State *S, rthL_Op *op) {
  CopyOp *o = (CopyOp *)op;
  int i, n = o->n, rc = RTH_READY;
  for (i = 0; i < n && rc > 0; i++) rc = o->way[i].rc;
  for (i = 0; i < n; i++) lua_pushinteger(L, o->way[i].total);
  (void)copy_cancel(S, op, L);
  /* They were open when it began. */
  return rc < 0 ? rthL_neterror(L, rc == -EBADF ? -ECANCELED : rc) : n;
}

/* Whether the value at `idx` is a socket that can be read (written). */
static int is_socket(lua_State *L, rthL_State *S, int idx, int side) {
  int t = side == RTHL_READ ? RTHL_TCPSTREAM : RTHL_STREAMWRITER;
  int last = side == RTHL_READ ? RTHL_STREAMREADER : RTHL_UNIXSTREAM;
  while (t <= last && rthL_to(L, S, idx, (rthL_Type)t) == NULL) t++;
  return t <= last;
}

/* That side of a socket; NULL: it was closed.  Raises where it is in use. */
static rthL_Io *side_at(lua_State *L, rthL_State *S, int idx, int side) {
  rthL_Io *io;
  lua_pushvalue(L, idx);
  lua_insert(L, 1); /* where it is looked for */
  io = side == RTHL_READ
           ? rthL_checkio(L, S, RTHL_TCPSTREAM, RTHL_STREAMREADER, side)
           : rthL_checkio(L, S, RTHL_STREAMWRITER, RTHL_UNIXSTREAM, side);
  lua_remove(L, 1);
  return io;
}

/* n ways between the sockets at 1 and 2. */
static int copy_sockets(lua_State *L, rthL_State *S, int n) {
  static const rthL_OpType type = {copy_poll, copy_cancel, copy_finish};
  rthL_Io *side[2][2];
  rth_handle_t *h;
  CopyOp *o;
  int i;
  for (i = 0; i < n; i++) {
    side[i][0] = side_at(L, S, 1 + i, RTHL_READ);
    side[i][1] = side_at(L, S, 2 - i, RTHL_WRITE);
    if (side[i][0] == NULL || side[i][1] == NULL)
      return rthL_neterror(L, -EBADF);
  }
  luaL_argcheck(L, n == 1 || side[0][0]->socket != side[1][0]->socket, 2,
                "this is the same stream as the first");
  luaL_checkstack(L, 4, NULL);
  o = calloc(1, sizeof *o);
  if (o == NULL) return rthL_neterror(L, RTH_ENOMEM);
  o->op.type = &type;
  o->n = n;
  for (i = 0; i < n; i++) {
    take_side(o->way[i].from = side[i][0]);
    take_side(o->way[i].to = side[i][1]);
  }
  h = rthL_current(S);
  if (h == NULL) h = side[0][0]->socket->kind->handle(side[0][0]->socket->core);
  return rthL_await(L, S, &o->op, h);
}

/* ---- between other objects ---------------------------------------------- */

static void check_method(lua_State *L, int arg, const char *name) {
  int good = lua_istable(L, arg);
  if (lua_isuserdata(L, arg) && luaL_getmetafield(L, arg, "__index")) {
    lua_pop(L, 1);
    good = 1;
  }
  if (good) {
    good = lua_getfield(L, arg, name) != LUA_TNIL;
    lua_pop(L, 1);
  }
  if (!good)
    luaL_argerror(L, arg, lua_pushfstring(L, "something with a method '%s' "
                                          "expected, got %s",
                                          name, luaL_typename(L, arg)));
}

enum { START, HAS_READ, HAS_WRITTEN };

/* Objects that never wait must not keep the thread for ever. */
static int is_turn_over(const rthL_State *S) {
  return S->cur != NULL && !rth_budget(S->cx);
}

static void push_function(lua_State *L, const rthL_State *S,
                          const char *name) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, S->module);
  lua_getfield(L, -1, name);
  lua_remove(L, -2);
}

/* 1 the reader, 2 the writer, 3 the total, 4 what was read; then the results
** of the last call, which `at` tells. */
static int pump(lua_State *L, int status, lua_KContext at) {
  rthL_State *S = rthL_here(L);
  (void)status;
  for (;;) {
    if (at == HAS_READ) {
      if (lua_isnil(L, 4)) { /* files of Lua's give no code at the end */
        int ended = lua_isnil(L, 6) ? lua_isnil(L, 5)
                                    : strcmp(luaL_tolstring(L, 6, NULL),
                                             "EOF") == 0;
        lua_settop(L, ended ? 3 : 6);
        return ended ? 1 : 3;
      }
      if (lua_type(L, 4) != LUA_TSTRING)
        return luaL_error(L, "what the reader read is no string but a %s",
                          luaL_typename(L, 4));
      lua_settop(L, 4);
      lua_getfield(L, 2, "write_all");
      lua_pushvalue(L, 2);
      lua_pushvalue(L, 4);
      at = HAS_WRITTEN;
      lua_callk(L, 2, 3, at, pump);
    }
    if (at == HAS_WRITTEN) {
      if (!lua_toboolean(L, 5)) return 3;
      lua_pushinteger(L, lua_tointeger(L, 3) + (lua_Integer)lua_rawlen(L, 4));
      lua_replace(L, 3);
      lua_settop(L, 3);
      if (is_turn_over(S)) {
        push_function(L, S, "yield_now");
        lua_callk(L, 0, 0, START, pump);
      }
    }
    lua_getfield(L, 1, "read");
    lua_pushvalue(L, 1);
    lua_pushinteger(L, PART);
    at = HAS_READ;
    lua_callk(L, 2, 3, at, pump);
  }
}

static int io_copy(lua_State *L) {
  rthL_State *S = rthL_here(L);
  check_method(L, 1, "read");
  check_method(L, 2, "write_all");
  lua_settop(L, 2);
  if (is_socket(L, S, 1, RTHL_READ) && is_socket(L, S, 2, RTHL_WRITE))
    return copy_sockets(L, S, 1);
  lua_pushinteger(L, 0);
  return pump(L, LUA_OK, START);
}

/* ---- both ways ---------------------------------------------------------- */

static const char failed_mark = 0;
#define FAILED ((void *)(uintptr_t)&failed_mark)

/* Raises `nil, message, code`, on top, for io_both. */
static int fail(lua_State *L) {
  lua_createtable(L, 2, 1);
  lua_insert(L, -3);
  lua_rawseti(L, -3, 2);
  lua_rawseti(L, -2, 1);
  lua_pushboolean(L, 1);
  lua_rawsetp(L, -2, FAILED);
  return lua_error(L);
}

enum { COPIED, SHUT };

static int passed(lua_State *L, int status, lua_KContext at) {
  (void)status;
  if (!lua_toboolean(L, -3)) return fail(L);
  if (at == COPIED) {
    lua_pop(L, 2);
    lua_getfield(L, 2, "shutdown");
    lua_pushvalue(L, 2);
    lua_callk(L, 1, 3, SHUT, passed);
    return passed(L, LUA_OK, SHUT);
  }
  lua_pop(L, 3);
  return 1;
}

/* One way, as a function of try_join: upvalues 2 and 3. */
static int pass(lua_State *L) {
  lua_settop(L, 0);
  lua_pushvalue(L, lua_upvalueindex(2));
  lua_pushvalue(L, lua_upvalueindex(3));
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_pushcclosure(L, io_copy, 1);
  lua_pushvalue(L, 1);
  lua_pushvalue(L, 2);
  lua_callk(L, 2, 3, COPIED, passed);
  return passed(L, LUA_OK, COPIED);
}

static int is_failure(lua_State *L) {
  int is = lua_istable(L, -1);
  if (is) {
    is = lua_rawgetp(L, -1, FAILED) != LUA_TNIL;
    lua_pop(L, 1);
  }
  return is;
}

static int joined(lua_State *L, int status, lua_KContext ctx) {
  (void)ctx;
  if (status == LUA_OK || status == LUA_YIELD) {
    lua_rawgeti(L, -2, 1); /* two lists of one value */
    lua_rawgeti(L, -2, 1);
    return 2;
  }
  if (!is_failure(L)) return lua_error(L);
  lua_pushnil(L);
  lua_rawgeti(L, -2, 1);
  lua_rawgeti(L, -3, 2);
  return 3;
}

static void push_pass(lua_State *L, int from, int to) {
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_pushvalue(L, from);
  lua_pushvalue(L, to);
  lua_pushcclosure(L, pass, 3);
}

static int io_both(lua_State *L) {
  rthL_State *S = rthL_here(L);
  int i, sockets = 1;
  for (i = 1; i <= 2; i++) {
    check_method(L, i, "read");
    check_method(L, i, "write_all");
    check_method(L, i, "shutdown");
    sockets = sockets && is_socket(L, S, i, RTHL_READ) &&
              is_socket(L, S, i, RTHL_WRITE);
  }
  lua_settop(L, 2);
  if (sockets) return copy_sockets(L, S, 2);
  push_function(L, S, "try_join");
  push_pass(L, 1, 2);
  push_pass(L, 2, 1);
  i = lua_pcallk(L, 2, 2, 0, 0, joined);
  return joined(L, i, 0);
}

void rthL_open_io(lua_State *L, rthL_State *S) {
  static const luaL_Reg functions[] = {
      {"copy", io_copy}, {"copy_bidirectional", io_both}, {NULL, NULL}};
  lua_newtable(L);
  rthL_setfuncs(L, S, functions);
  lua_setfield(L, -2, "io");
}
