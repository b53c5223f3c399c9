/* encode - values into the bytes of a message.
**
** WHY      One identity map for tables, functions, userdata and upvalue cells:
**          what was shared stays shared, and cycles end.  Objects are numbered
**          as they are met and written one after the other (breadth first),
**          so depth costs no stack, neither here nor on the other side.
** THREADS  of one Lua state; see THE RULE in mover.h.
**
** FORMAT   Host byte order, unaligned; read only by decode.c in this process.
**   main     the root values, then for each object by number: of a table,
**            `narr` values and `nhash` pairs of key and value; of a function,
**            a value (or JOIN) for each upvalue; of others nothing
**   create   for each object: kind, and how to make it
**   metas    pairs of numbers: object, metatable; NONE for the globals.  Set
**            last, when the metatables are filled: a __gc that comes later
**            would not count.
*/
#include "lua/mover.h"

static int put_value(rthL_Mover *m, int idx, int32_t holder);

void rthL_encode_clear(rthL_Mover *m) {
  for (; m->npending > 0; m->npending--) {
    lua_pushnil(m->L);
    lua_rawseti(m->L, m->pending, (lua_Integer)m->npending);
  }
}

void rthL_encode_reset(rthL_Mover *m) {
  rthL_encode_clear(m);
  rthL_map_clear(&m->ids);
  m->main.n = m->create.n = m->metas.n = 0;
  m->main.oom = m->create.oom = m->metas.oom = 0;
  m->nobjs = m->ncodes = m->nuds = m->nnames = 0;
  m->serial++;
}

/* ---- objects ------------------------------------------------------------ */

int rthL_add_object(rthL_Mover *m, int idx, const void *ptr, int kind,
                    int32_t parent) {
  size_t id = m->nobjs;
  rthL_Object *o = m->objs;
  if (id >= m->capobjs) {
    o = (rthL_Object *)rthL_grow(o, &m->capobjs, id + 1, sizeof *o);
    if (o == NULL) return RTHL_NOMEM;
    m->objs = o;
    if (id >= INT32_MAX) return RTHL_NOMEM;
  }
  if (!rthL_map_set(&m->ids, ptr, id)) return RTHL_NOMEM;
  o[id].as.entry = NULL;
  o[id].parent = parent;
  o[id].kind = (uint8_t)kind;
  m->nobjs++;
  m->npending = id + 1;
  lua_pushvalue(m->L, idx);
  lua_rawseti(m->L, m->pending, (lua_Integer)id + 1);
  return RTHL_DONE;
}

static void put_object(rthL_Mover *m, uint64_t id) {
  unsigned char *p = rthL_buf_room(&m->main, 5);
  uint32_t n = (uint32_t)id;
  if (p == NULL) return;
  *p = RTHL_T_OBJECT;
  memcpy(p + 1, &n, 4);
}

/* What is to be said of the object that came last is set by the caller, and
** only if that answered RTHL_DONE. */
static rthL_Object *last_object(rthL_Mover *m) {
  return &m->objs[m->nobjs - 1];
}

static void set_name(rthL_Mover *m, const rthL_Name *name) {
  last_object(m)->as.name = name;
  m->nnames++;
}

static int put_new_object(rthL_Mover *m, int idx, const void *ptr, int kind,
                          int32_t holder) {
  put_object(m, m->nobjs);
  return rthL_add_object(m, idx, ptr, kind, holder);
}

/* An object by its name, or else of `kind`. */
static int put_named(rthL_Mover *m, int idx, const void *ptr,
                     const rthL_Name *name, int kind, int32_t holder) {
  int err = put_new_object(m, idx, ptr, name != NULL ? RTHL_O_NAME : kind,
                           holder);
  if (err == RTHL_DONE && name != NULL) set_name(m, name);
  return err;
}

/* ---- values that are bytes ------------------------------------------- */

static void put_tagged(rthL_Buf *b, int tag, const void *v, size_t n) {
  unsigned char *p = rthL_buf_room(b, n + 1);
  if (p == NULL) return;
  *p = (unsigned char)tag;
  memcpy(p + 1, v, n);
}

static void put_number(lua_State *L, rthL_Buf *b, int idx) {
  if (lua_isinteger(L, idx)) {
    lua_Integer i = lua_tointegerx(L, idx, NULL);
    signed char small = (signed char)i;
    if (small == i)
      put_tagged(b, RTHL_T_INT8, &small, 1);
    else
      put_tagged(b, RTHL_T_INT, &i, sizeof i);
  } else {
    lua_Number d = lua_tonumberx(L, idx, NULL);
    put_tagged(b, RTHL_T_FLOAT, &d, sizeof d);
  }
}

static void put_string(lua_State *L, rthL_Buf *b, int idx) {
  size_t n;
  const char *s = lua_tolstring(L, idx, &n);
  size_t head = n < 256 ? 2 : 1 + sizeof n;
  unsigned char *p = rthL_buf_room(b, head + n);
  if (p == NULL) return;
  p[0] = n < 256 ? RTHL_T_STR8 : RTHL_T_STR;
  if (n < 256)
    p[1] = (unsigned char)n;
  else
    memcpy(p + 1, &n, sizeof n);
  memcpy(p + head, s, n);
}

size_t rthL_plain_size(lua_State *L, int idx) {
  switch (lua_type(L, idx)) {
    case LUA_TNIL: case LUA_TBOOLEAN: return 1;
    case LUA_TNUMBER: return 1 + sizeof(lua_Integer);
    case LUA_TLIGHTUSERDATA: return 1 + sizeof(void *);
    case LUA_TSTRING: return 1 + sizeof(size_t) + lua_rawlen(L, idx);
    default: return 0;
  }
}

int rthL_put_plain(lua_State *L, rthL_Buf *b, int idx) {
  void *p;
  switch (lua_type(L, idx)) {
    case LUA_TNIL: rthL_buf_u8(b, RTHL_T_NIL); break;
    case LUA_TBOOLEAN:
      rthL_buf_u8(b, lua_toboolean(L, idx) ? RTHL_T_TRUE : RTHL_T_FALSE);
      break;
    case LUA_TNUMBER: put_number(L, b, idx); break;
    case LUA_TSTRING: put_string(L, b, idx); break;
    case LUA_TLIGHTUSERDATA:
      p = lua_touserdata(L, idx);
      put_tagged(b, RTHL_T_LIGHT, &p, sizeof p);
      break;
    default: return 0;
  }
  return 1;
}

/* ---- functions ---------------------------------------------------------- */

/* The place of a code among those of this message. */
static int code_slot(rthL_Mover *m, rthL_Entry *e) {
  void *v;
  if (e->serial == m->serial) return RTHL_DONE;
  v = rthL_grow(m->codes, &m->capcodes, m->ncodes + 1, sizeof *m->codes);
  if (v == NULL) return RTHL_NOMEM;
  m->codes = (rthL_Entry **)v;
  m->codes[m->ncodes] = e;
  e->slot = (uint32_t)m->ncodes++;
  e->serial = m->serial;
  e->single = NULL;
  return RTHL_DONE;
}

/* The layer of an _ENV that only passes on, pushed; false for other values.
** The value is at the top. */
static int push_layer(rthL_Mover *m, const char *name, rthL_Entry *e, int up) {
  if (rthL_is_env(name) && lua_istable(m->L, -1) &&
      !rthL_code_writes(e->code, up))
    return rthL_env_layer(m, lua_gettop(m->L), e, up);
  lua_pushboolean(m->L, 0);
  return RTHL_DONE;
}

/* Whether the function captures nothing but the globals, for good. */
static int captures_nothing(rthL_Mover *m, int f, rthL_Entry *e, int *yes) {
  lua_State *L = m->L;
  int i, nup = e->code->facts.nup, top = lua_gettop(L), err = RTHL_DONE;
  *yes = nup == 0 || !m->share_env;
  for (i = 0; i < nup && *yes; i++) {
    const char *name = lua_getupvalue(L, f, i + 1);
    *yes = name != NULL && !rthL_code_writes(e->code, i);
    if (*yes && lua_topointer(L, -1) != m->globals_ptr) {
      err = push_layer(m, name, e, i);
      if (err != RTHL_DONE) return err;
      *yes = lua_istable(L, -1) && (lua_pushnil(L), !lua_next(L, -2));
    }
    lua_settop(L, top);
  }
  return err;
}

/* A function that captures nothing is kept in the state where it arrives, one
** for each code; a second closure of that code in the same message must stay
** a second one, and is made for this message. */
static int put_lua_function(rthL_Mover *m, int idx, const void *ptr,
                            int32_t holder) {
  rthL_Entry *e;
  int yes = 0, err = rthL_code_of(m, idx, &e);
  if (err == RTHL_DONE) err = code_slot(m, e);
  if (err == RTHL_DONE && (e->single == NULL || e->single == ptr))
    err = captures_nothing(m, idx, e, &yes);
  if (err != RTHL_DONE) return err;
  if (yes) {
    e->single = ptr;
    put_tagged(&m->main, RTHL_T_CODE, &e->slot, sizeof e->slot);
    return RTHL_DONE;
  }
  err = put_new_object(m, idx, ptr, RTHL_O_FUNCTION, holder);
  if (err == RTHL_DONE) last_object(m)->as.entry = e;
  return err;
}

static int put_function(rthL_Mover *m, int idx, int32_t holder) {
  const void *ptr = lua_topointer(m->L, idx);
  const rthL_MapSlot *s = rthL_map_get(&m->ids, ptr);
  const rthL_Name *name;
  lua_CFunction c;
  if (s != NULL) {
    put_object(m, s->value);
    return RTHL_DONE;
  }
  c = lua_tocfunction(m->L, idx);
  if (c != NULL && (m->flags & RTHL_HOOK) &&
      lua_getupvalue(m->L, idx, 1) == NULL) {
    put_tagged(&m->main, RTHL_T_CFUNCTION, &c, sizeof c);
    return RTHL_DONE;
  }
  name = rthL_name_of(m, ptr);
  if (name != NULL)
    return put_named(m, idx, ptr, name, RTHL_O_NAME, holder);
  if (c == NULL) return put_lua_function(m, idx, ptr, holder);
  lua_pushvalue(m->L, idx);
  return rthL_refuse_value(m, holder);
}

/* ---- tables and userdata ------------------------------------------------ */

static int put_table(rthL_Mover *m, int idx, int32_t holder) {
  const void *ptr = lua_topointer(m->L, idx);
  const rthL_MapSlot *s;
  if (ptr == m->globals_ptr) {
    rthL_buf_u8(&m->main, RTHL_T_GLOBALS);
    return RTHL_DONE;
  }
  s = rthL_map_get(&m->ids, ptr);
  if (s != NULL) {
    put_object(m, s->value);
    return RTHL_DONE;
  }
  return put_named(m, idx, ptr, rthL_name_of(m, ptr), RTHL_O_TABLE, holder);
}

static int put_userdata(rthL_Mover *m, int idx, int32_t holder) {
  const void *ptr = lua_topointer(m->L, idx);
  const rthL_MapSlot *s = rthL_map_get(&m->ids, ptr);
  const rthL_MoveOps *ops = rthL_move_ops(m->L, idx);
  int err;
  void *v;
  if (s != NULL) {
    put_object(m, s->value);
    return RTHL_DONE;
  }
  if (ops == NULL || ((m->flags & RTHL_MANY) && ops->keep == NULL) ||
      (ops->check != NULL && ops->check(m->L, idx) != NULL)) {
    lua_pushvalue(m->L, idx);
    return rthL_refuse_value(m, holder);
  }
  v = rthL_grow(m->uds, &m->capuds, m->nuds + 1, sizeof *m->uds);
  if (v == NULL) return RTHL_NOMEM;
  m->uds = (uint32_t *)v;
  m->uds[m->nuds++] = (uint32_t)m->nobjs;
  err = put_new_object(m, idx, ptr, RTHL_O_USERDATA, holder);
  if (err == RTHL_DONE) last_object(m)->as.ops = ops;
  return err;
}

static int put_value(rthL_Mover *m, int idx, int32_t holder) {
  if (rthL_put_plain(m->L, &m->main, idx)) return RTHL_DONE;
  switch (lua_type(m->L, idx)) {
    case LUA_TTABLE: return put_table(m, idx, holder);
    case LUA_TFUNCTION: return put_function(m, idx, holder);
    case LUA_TUSERDATA: return put_userdata(m, idx, holder);
    default: /* a coroutine */
      lua_pushvalue(m->L, idx);
      return rthL_refuse_value(m, holder);
  }
}

/* ---- what is in the objects --------------------------------------------- */

static int put_metatable(rthL_Mover *m, int t, uint32_t id) {
  const void *ptr;
  const rthL_MapSlot *s;
  int err = RTHL_DONE;
  uint32_t meta = RTHL_NONE;
  if (!lua_getmetatable(m->L, t)) return RTHL_DONE;
  ptr = lua_topointer(m->L, -1);
  if (ptr != m->globals_ptr) {
    s = rthL_map_get(&m->ids, ptr);
    if (s != NULL) {
      meta = (uint32_t)s->value;
    } else {
      const rthL_Name *name = rthL_name_of(m, ptr);
      meta = (uint32_t)m->nobjs;
      err = rthL_add_object(m, lua_gettop(m->L), ptr,
                            name ? RTHL_O_NAME : RTHL_O_TABLE, (int32_t)id);
      if (err == RTHL_DONE && name != NULL) set_name(m, name);
    }
  }
  rthL_buf_u32(&m->metas, id);
  rthL_buf_u32(&m->metas, meta);
  lua_pop(m->L, 1);
  return err;
}

/* First the run 1, 2, 3 … that a traversal begins with, without keys. */
static int put_table_body(rthL_Mover *m, int t, uint32_t id) {
  lua_State *L = m->L;
  uint32_t narr = 0, nhash = 0;
  int err = put_metatable(m, t, id);
  lua_pushnil(L);
  while (err == RTHL_DONE && lua_next(L, t) != 0) {
    if (nhash == 0 && lua_isinteger(L, t + 1) &&
        lua_tointegerx(L, t + 1, NULL) == (lua_Integer)narr + 1) {
      narr++;
    } else {
      nhash++;
      err = put_value(m, t + 1, (int32_t)id);
    }
    if (err == RTHL_DONE) err = put_value(m, t + 2, (int32_t)id);
    lua_settop(L, t + 1);
  }
  rthL_buf_u32(&m->create, narr);
  rthL_buf_u32(&m->create, nhash);
  return m->main.oom ? RTHL_NOMEM : err;
}

/* The layer at the top: its count, then name and value of each. */
static int put_layer(rthL_Mover *m, int32_t holder) {
  lua_State *L = m->L;
  int layer = lua_gettop(L), err = RTHL_DONE;
  size_t at = m->main.n + 1;
  uint32_t n = 0;
  rthL_buf_u8(&m->main, RTHL_T_LAYER);
  rthL_buf_u32(&m->main, 0);
  lua_pushnil(L);
  while (err == RTHL_DONE && lua_next(L, layer) != 0) {
    n++;
    put_string(L, &m->main, layer + 1);
    err = put_value(m, layer + 2, holder);
    lua_settop(L, layer + 1);
  }
  if (!m->main.oom) memcpy(m->main.p + at, &n, sizeof n);
  return err;
}

/* The first function with a captured variable brings its value, the others
** share the cell.  The globals are the other side's, and need no shared cell
** unless somebody assigns it.  The value is at the top. */
static int put_upvalue(rthL_Mover *m, int f, uint32_t id, int i,
                       const char *name, rthL_Entry *e) {
  void *cell = lua_upvalueid(m->L, f, i);
  int value = lua_gettop(m->L), err;
  const rthL_MapSlot *s;
  if (!m->share_env && lua_topointer(m->L, value) == m->globals_ptr) {
    if (rthL_code_writes(e->code, i - 1)) {
      m->share_env = 1;
      return RTHL_AGAIN;
    }
    rthL_buf_u8(&m->main, RTHL_T_GLOBALS);
    return RTHL_DONE;
  }
  err = push_layer(m, name, e, i - 1);
  if (err != RTHL_DONE) return err;
  if (lua_istable(m->L, -1)) return put_layer(m, (int32_t)id);
  s = rthL_map_get(&m->ids, cell);
  if (s != NULL) {
    rthL_buf_u8(&m->main, RTHL_T_JOIN);
    rthL_buf_u32(&m->main, (uint32_t)(s->value >> 8));
    rthL_buf_u8(&m->main, (unsigned)(s->value & 0xff));
    return RTHL_DONE;
  }
  if (!rthL_map_set(&m->ids, cell, (uint64_t)id << 8 | (unsigned)i))
    return RTHL_NOMEM;
  return put_value(m, value, (int32_t)id);
}

static int put_function_body(rthL_Mover *m, int f, uint32_t id) {
  rthL_Entry *e = m->objs[id].as.entry;
  int i, err = RTHL_DONE;
  rthL_buf_u32(&m->create, e->slot);
  for (i = 1; i <= e->code->facts.nup && err == RTHL_DONE; i++) {
    const char *name = lua_getupvalue(m->L, f, i);
    if (name == NULL) lua_pushnil(m->L);
    err = put_upvalue(m, f, id, i, name, e);
    lua_settop(m->L, f);
  }
  return m->main.oom ? RTHL_NOMEM : err;
}

static int put_object_body(rthL_Mover *m, uint32_t id, uint32_t *nuds) {
  rthL_Object o = m->objs[id];
  int err = RTHL_DONE, at = lua_gettop(m->L) + 1;
  rthL_buf_u8(&m->create, o.kind);
  if (o.kind == RTHL_O_NAME) {
    rthL_buf_u32(&m->create, o.as.name->len);
    rthL_buf_put(&m->create, m->names.arena.p + o.as.name->path,
                 o.as.name->len);
    return RTHL_DONE;
  }
  if (o.kind == RTHL_O_USERDATA) {
    rthL_buf_u32(&m->create, (*nuds)++);
    return RTHL_DONE;
  }
  lua_rawgeti(m->L, m->pending, (lua_Integer)id + 1);
  if (o.kind == RTHL_O_TABLE)
    err = put_table_body(m, at, id);
  else
    err = put_function_body(m, at, id);
  if (err != RTHL_REFUSED) lua_settop(m->L, at - 1);
  return err;
}

int rthL_put_values(rthL_Mover *m, int n) {
  uint32_t id, nuds = 0;
  int i, err = RTHL_DONE;
  for (i = 0; i < n && err == RTHL_DONE; i++)
    err = put_value(m, m->first + i, -1 - i);
  m->values_end = m->main.n;
  for (id = 0; id < m->nobjs && err == RTHL_DONE; id++)
    err = put_object_body(m, id, &nuds);
  if (err == RTHL_DONE && (m->main.oom || m->create.oom || m->metas.oom))
    err = RTHL_NOMEM;
  return err;
}
