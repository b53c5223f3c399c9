/* move - the doors of move.h: begin, encode, hand over, raise.
**
** WHY      See move.h and mover.h.
** THREADS  all of one Lua state, but for messages once they are made.
** OWNS     The mover, a userdata in the registry, owns scratch and caches.
**          A message is made by one allocation (and takes over the scratch
**          bytes, where these are many), after which nothing is called that
**          may raise until the caller has it.
*/
#include <lauxlib.h>

#include "lua/mover.h"

static const char mover_key = 'm';
static const char ops_key = 'o';

enum {
  HAND_OVER = 32 << 10, /* main of this size is handed over, not copied */
  MANY_PENDING = 4096   /* objects: the table for them is replaced */
};

/* ---- userdata types ----------------------------------------------------- */

void rthL_set_move_ops(lua_State *L, const rthL_MoveOps *ops) {
  union { const rthL_MoveOps *in; void *out; } u;
  u.in = ops;
  lua_pushlightuserdata(L, u.out);
  lua_rawsetp(L, -2, &ops_key);
}

const rthL_MoveOps *rthL_move_ops(lua_State *L, int idx) {
  const void *ops = NULL;
  if (lua_getmetatable(L, idx)) {
    lua_rawgetp(L, -1, &ops_key);
    ops = lua_touserdata(L, -1);
    lua_pop(L, 2);
  }
  return (const rthL_MoveOps *)ops;
}

/* ---- the mover ---------------------------------------------------------- */

rthL_Mover *rthL_mover(lua_State *L) {
  rthL_Mover *m;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &mover_key);
  m = (rthL_Mover *)lua_touserdata(L, -1);
  if (m == NULL || m->closed) luaL_error(L, "this Lua state is being closed");
  return m;
}

static int mover_gc(lua_State *L) {
  rthL_Mover *m = (rthL_Mover *)lua_touserdata(L, 1);
  if (m->closed) return 0;
  m->closed = 1;
  rthL_code_free(m);
  rthL_buf_free(&m->main);
  rthL_buf_free(&m->create);
  rthL_buf_free(&m->metas);
  rthL_buf_free(&m->dump);
  rthL_buf_free(&m->names.arena);
  rthL_map_free(&m->ids);
  rthL_map_free(&m->names.map);
  rthL_realloc(m->names.v, 0);
  rthL_realloc(m->objs, 0);
  rthL_realloc(m->codes, 0);
  rthL_realloc(m->uds, 0);
  return 0;
}

void rthL_move_open(lua_State *L) {
  int top = lua_gettop(L);
  rthL_Mover *m;
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &mover_key) != LUA_TNIL) {
    lua_settop(L, top);
    return;
  }
  luaL_checkstack(L, 20, NULL);
  rthL_code_selftest(L);
  m = (rthL_Mover *)lua_newuserdatauv(L, sizeof *m, RTHL_UV_LAST);
  memset(m, 0, sizeof *m);
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, mover_gc);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  lua_createtable(L, 8, 0);
  lua_setiuservalue(L, top + 2, RTHL_UV_PENDING);
  lua_createtable(L, 0, 0);
  lua_setiuservalue(L, top + 2, RTHL_UV_LOADED);
  rthL_code_flush(L, m, top + 2);
  rthL_names_open(L, m, top + 2);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &mover_key);
  lua_settop(L, top);
}

void rthL_move_seal(lua_State *L) {
  rthL_Mover *m = rthL_mover(L);
  int ud = lua_gettop(L);
  rthL_names_seal(L, ud);
  rthL_code_flush(L, m, ud);
  lua_settop(L, ud - 1);
}

/* ---- one encoding ------------------------------------------------------- */

/* What may raise and run finalizers: a bound for the caches, the index of
** modules. */
static void prepare(lua_State *L, rthL_Mover *m, int ud) {
  rthL_code_trim(L, m, ud);
  if (m->npending > MANY_PENDING) {
    m->npending = 0;
    lua_createtable(L, 8, 0);
    lua_setiuservalue(L, ud, RTHL_UV_PENDING);
  }
  if (m->names.stale && rthL_names_make(L, m) != RTHL_DONE)
    luaL_error(L, "not enough memory");
}

/* Tells the mover what is encoded and where its tables are.  For each try: a
** finalizer may have encoded something else in between, or emptied the caches.
** From here on THE RULE holds. */
static void bind(lua_State *L, rthL_Mover *m, int ud, int first,
                 const char *what, unsigned flags) {
  lua_settop(L, ud + 1);
  lua_getiuservalue(L, ud, RTHL_UV_PENDING);
  lua_getiuservalue(L, ud, RTHL_UV_CLOSURES);
  lua_getiuservalue(L, ud, RTHL_UV_READS);
  lua_pushglobaltable(L);
  m->L = L;
  m->envs = ud + 1;
  m->pending = ud + 2;
  m->closures = ud + 3;
  m->reads = ud + 4;
  m->globals = ud + 5;
  m->globals_ptr = lua_topointer(L, -1);
  m->first = first;
  m->what = what;
  m->flags = flags;
}

static int attempt(rthL_Mover *m, int n) {
  int err;
  memset(m->memo, 0, sizeof m->memo);
  rthL_encode_reset(m);
  if (m->what == NULL) {
    err = rthL_check_call(m, n);
    if (err != RTHL_DONE) return err;
    if (m->nobjs > 0) rthL_encode_reset(m);
  }
  return rthL_put_values(m, n);
}

/* ---- handing over ------------------------------------------------------- */

/* Copies a section behind the message. */
static const unsigned char *section(unsigned char **at, const rthL_Buf *b) {
  unsigned char *p = *at;
  if (b->n > 0) memcpy(p, b->p, b->n);
  *at += b->n;
  return p;
}

/* Moves the bytes of main into the message, as they are. */
static void hand_over(rthL_Mover *m, rthL_Objects *o) {
  unsigned char *p = m->main.p;
  if (m->main.cap - m->main.n > m->main.n / 8) {
    unsigned char *q = (unsigned char *)rthL_realloc(p, m->main.n);
    if (q != NULL) p = q;
  }
  o->owned = p;
  o->main = p;
  memset(&m->main, 0, sizeof m->main);
}

static void take_objects(rthL_Mover *m, rthL_Objects *o) {
  size_t i;
  for (i = 0; i < m->nuds; i++) {
    uint32_t id = m->uds[i];
    o->uds[i].ops = m->objs[id].as.ops;
    lua_rawgeti(m->L, m->pending, (lua_Integer)id + 1);
    o->uds[i].object = o->uds[i].ops->take(m->L, lua_gettop(m->L));
    lua_pop(m->L, 1);
  }
}

/* The message of what was encoded; NULL: no memory, and nothing taken. */
static rthL_Message *finish(rthL_Mover *m, int n) {
  int apart = m->main.n > HAND_OVER;
  size_t i, size = sizeof(rthL_Objects) + m->nuds * sizeof(rthL_Ud) +
                   m->ncodes * sizeof(rthL_Code *) + m->metas.n + m->create.n +
                   (apart ? 0 : m->main.n);
  rthL_Message *msg = rthL_message_alloc(size, m->blocks);
  rthL_Objects *o = rthL_objects(msg);
  unsigned char *at;
  if (msg == NULL) return NULL;
  msg->size = size + (apart ? m->main.n : 0);
  msg->nvalues = (uint32_t)n;
  msg->flat = 0;
  msg->wild = m->nnames + m->ncodes + m->nuds > 0;
  o->uds = (rthL_Ud *)(void *)(o + 1);
  o->codes = (rthL_Code **)(void *)(o->uds + m->nuds);
  at = (unsigned char *)(o->codes + m->ncodes);
  o->metas = section(&at, &m->metas);
  o->nmetas = (uint32_t)(m->metas.n / 8);
  o->nobjs = (uint32_t)m->nobjs;
  o->ncodes = (uint32_t)m->ncodes;
  o->nuds = (uint32_t)m->nuds;
  o->many = (m->flags & RTHL_MANY) != 0;
  o->create = section(&at, &m->create);
  o->values_end = m->values_end;
  o->owned = NULL;
  if (apart)
    hand_over(m, o);
  else
    o->main = section(&at, &m->main);
  for (i = 0; i < m->ncodes; i++) {
    o->codes[i] = m->codes[i]->code;
    rthL_code_keep(o->codes[i]);
  }
  take_objects(m, o);
  return msg;
}

/* Raises what stopped an encoding. */
static void raise_error(lua_State *L, const rthL_Mover *m, int err,
                        int where) {
  char text[sizeof m->text]; /* a finalizer may change the mover's */
  if (err == RTHL_NOMEM) luaL_error(L, "not enough memory");
  memcpy(text, m->text, sizeof text);
  if (where)
    luaL_where(L, 1);
  else
    lua_pushliteral(L, "");
  lua_pushstring(L, text);
  lua_concat(L, 2);
  lua_error(L);
}

/* Encodes n values; NULL and *err (RTHL_REFUSED, RTHL_NOMEM) if that cannot
** be.  An index of modules that may be old refuses nothing: it is made anew
** first.  Leaves the stack as it was. */
static rthL_Message *encode(lua_State *L, int first, int n, const char *what,
                            unsigned flags, rth_blocks_t *blocks,
                            rthL_Mover **mover, int *err) {
  int top = lua_gettop(L), fresh = 0;
  rthL_Message *msg =
      what != NULL ? rthL_encode_flat(L, first, n, blocks) : NULL;
  rthL_Mover *m;
  if (msg != NULL) return msg;
  luaL_checkstack(L, 40, NULL);
  m = *mover = rthL_mover(L);
  prepare(L, m, top + 1);
  m->share_env = 0;
  lua_pushnil(L); /* see env.c */
  do {
    bind(L, m, top + 1, first, what, flags);
    m->blocks = blocks;
    *err = attempt(m, n);
    if (*err == RTHL_REFUSED && !fresh) {
      lua_settop(L, top + 2);
      fresh = 1;
      if (rthL_names_make(L, m) != RTHL_DONE)
        luaL_error(L, "not enough memory");
      *err = RTHL_AGAIN;
    }
  } while (*err == RTHL_AGAIN);
  if (*err == RTHL_DONE) {
    msg = finish(m, n);
    if (msg == NULL) *err = RTHL_NOMEM;
  }
  lua_settop(L, top + 6); /* the tables of bind */
  rthL_encode_clear(m);
  lua_settop(L, top);
  return msg;
}

rthL_Message *rthL_encode_call(lua_State *L, int f, int nargs, unsigned flags,
                               rth_blocks_t *blocks) {
  rthL_Mover *m;
  int err;
  rthL_Message *msg = encode(L, f, nargs + 1, NULL, flags, blocks, &m, &err);
  if (msg == NULL) raise_error(L, m, err, 1);
  return msg;
}

static rthL_Message *encode_values(lua_State *L, int first, int n,
                                   const char *what, unsigned flags,
                                   rth_blocks_t *blocks) {
  rthL_Mover *m;
  int err;
  rthL_Message *msg = encode(L, first, n, what, flags, blocks, &m, &err);
  if (msg == NULL) raise_error(L, m, err, strcmp(what, "result") != 0);
  return msg;
}

rthL_Message *rthL_encode_values(lua_State *L, int first, int n,
                                 const char *what, rth_blocks_t *blocks) {
  return encode_values(L, first, n, what, 0, blocks);
}

rthL_Message *rthL_encode_value(lua_State *L, int idx, unsigned flags,
                                rth_blocks_t *blocks) {
  return encode_values(L, idx, 1, "value", flags, blocks);
}

static int to_string(lua_State *L) {
  luaL_tolstring(L, 1, NULL);
  return 1;
}

rthL_Message *rthL_encode_error(lua_State *L, int idx) {
  rthL_Mover *m;
  int err, top = lua_gettop(L);
  rthL_Message *msg = encode(L, lua_absindex(L, idx), 1, "error", 0, NULL,
                             &m, &err);
  if (msg == NULL && err == RTHL_NOMEM) raise_error(L, m, err, 0);
  if (msg == NULL) {
    idx = lua_absindex(L, idx);
    lua_pushcfunction(L, to_string);
    lua_pushvalue(L, idx);
    if (lua_pcall(L, 1, 1, 0) != LUA_OK) {
      lua_pop(L, 1);
      lua_pushfstring(L, "(error object is a %s value)",
                      luaL_typename(L, idx));
    }
    msg = encode(L, top + 1, 1, "error", 0, NULL, &m, &err);
    if (msg == NULL) raise_error(L, m, err, 0);
    lua_settop(L, top);
  }
  return msg;
}
