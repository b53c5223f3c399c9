/* flat - the short way for values that need no identity map.
**
** WHY      most messages and results are plain values or a small record.  These
**          are written straight into the message they travel in: no state of
**          the mover, no second copy.  Whatever does not fit (an object, a
**          metatable, a table that is met twice, one too many, too deep or too
**          large) is left to the long way, which begins anew.
** THREADS  of one Lua state; see THE RULE in mover.h.
** OWNS     the message, until it is answered.
*/
#include <lauxlib.h>

#include "lua/mover.h"

enum { TABLES = 8, DEPTH = 4 };

typedef struct Flat {
  lua_State *L;
  const rthL_Mover *m;
  const void *globals;
  const void *seen[TABLES];
  unsigned nseen;
  rthL_Buf b;
} Flat;

rthL_Message *rthL_message_alloc(size_t size, rth_blocks_t *blocks) {
  int small = blocks != NULL && size <= RTH_BLOCK_SIZE;
  rthL_Message *msg = small ? rth_block_get(blocks) : rthL_realloc(NULL, size);
  if (msg == NULL) return NULL;
  msg->head.drop = small ? rthL_drop_block : rthL_drop_message;
  msg->size = size;
  return msg;
}

static unsigned char *open_flat(rthL_Message *msg, int n) {
  msg->nvalues = (uint32_t)n;
  msg->flat = 1;
  msg->wild = 0;
  return (unsigned char *)(msg + 1);
}

/* ---- values that are bytes ---------------------------------------------- */

static rthL_Message *put_plain(lua_State *L, int first, int n,
                               rth_blocks_t *blocks) {
  rthL_Buf b = {0};
  rthL_Message *msg;
  int i;
  for (i = 0; i < n; i++) {
    size_t size = rthL_plain_size(L, first + i);
    if (size == 0) return NULL;
    b.cap += size;
  }
  msg = rthL_message_alloc(sizeof *msg + b.cap, blocks);
  if (msg == NULL) return NULL;
  b.p = open_flat(msg, n);
  for (i = 0; i < n; i++) (void)rthL_put_plain(L, &b, first + i);
  return msg;
}

/* ---- a small table ------------------------------------------------------ */

static int put_value(Flat *f, int idx) {
  return rthL_put_plain(f->L, &f->b, idx) && !f->b.oom;
}

/* Whether the table at `t` is a new one that travels by what is in it. */
static int is_fresh(Flat *f, int t, int depth) {
  const void *ptr = lua_topointer(f->L, t);
  unsigned i;
  if (depth == DEPTH || f->nseen == TABLES) return 0;
  if (ptr == f->globals || rthL_name_of(f->m, ptr) != NULL) return 0;
  for (i = 0; i < f->nseen; i++)
    if (f->seen[i] == ptr) return 0;
  if (lua_getmetatable(f->L, t)) return 0;
  f->seen[f->nseen++] = ptr;
  return 1;
}

/* As put_table_body of encode.c.  0: it does not fit; the stack is higher. */
static int put_table(Flat *f, int t, int depth) {
  lua_State *L = f->L;
  unsigned char narr = 0, nhash = 0; /* each takes a byte at least */
  unsigned char *head = rthL_buf_room(&f->b, 3); /* stays where it is */
  if (head == NULL || !is_fresh(f, t, depth)) return 0;
  lua_pushnil(L);
  while (lua_next(L, t) != 0) {
    if (nhash == 0 && lua_isinteger(L, t + 1) &&
        lua_tointegerx(L, t + 1, NULL) == (lua_Integer)narr + 1) {
      narr++;
    } else {
      nhash++;
      if (!put_value(f, t + 1)) return 0;
    }
    if (lua_istable(L, t + 2) ? !put_table(f, t + 2, depth + 1)
                              : !put_value(f, t + 2))
      return 0;
    lua_settop(L, t + 1);
  }
  head[0] = RTHL_T_TABLE;
  head[1] = narr;
  head[2] = nhash;
  return 1;
}

/* The table at the top, into a block. */
static rthL_Message *put_record(lua_State *L, const rthL_Mover *m,
                                rth_blocks_t *blocks) {
  rthL_Message *msg = rthL_message_alloc(RTH_BLOCK_SIZE, blocks);
  int t = lua_gettop(L);
  Flat f = {0};
  if (msg == NULL) return NULL;
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
  f.globals = lua_topointer(L, -1);
  lua_pop(L, 1);
  f.L = L;
  f.m = m;
  f.b.p = open_flat(msg, 1);
  f.b.cap = RTH_BLOCK_SIZE - sizeof *msg;
  f.b.fixed = 1;
  if (put_table(&f, t, 0)) return msg;
  rth_block_put(blocks, msg);
  return NULL;
}

rthL_Message *rthL_encode_flat(lua_State *L, int first, int n,
                               rth_blocks_t *blocks) {
  int top = lua_gettop(L);
  rthL_Message *msg = NULL;
  const rthL_Mover *m;
  if (n != 1 || blocks == NULL || !lua_istable(L, first))
    return put_plain(L, first, n, blocks);
  luaL_checkstack(L, 4 * DEPTH + 4, NULL);
  m = rthL_mover(L);
  lua_pushvalue(L, first);
  if (!m->names.stale) msg = put_record(L, m, blocks);
  lua_settop(L, top);
  return msg;
}
