/* code - Lua functions on their way: dumped once, judged once, shared.
**
** WHY      A dump costs half a microsecond and the verdict several; a spawn
**          in a loop must pay neither.  No API tells which prototype a closure
**          has, so there are two ways in: a weak table finds a closure that
**          was seen before; any other is dumped, and its bytes find the entry
**          of its code.  A closure enters the weak table when it comes a
**          second time in a row, so those that are made for one spawn only
**          never do, and the collector has little to clear.
** THREADS  A rthL_Code belongs to whoever counts it and never changes.  All
**          else is of one Lua state.
** OWNS     Entries count their code once, messages once more.
** INVARIANT  Entries are freed only by rthL_code_trim and rthL_code_free, never
**          during an encoding; light userdata in the weak table point to
**          living entries, because a trim replaces that table as well.
** SYNC     Only the count is written by several threads: rth_counter_add
**          orders it.  Messages carry their codes to other threads through
**          the queues of the core, which synchronise.
*/
#include <lauxlib.h>

#include "lua/mover.h"

enum { MAX_ENTRIES = 2048, MAX_BYTES = 16 << 20, FIRST_BUCKETS = 64 };

/* ---- code --------------------------------------------------------------- */

void rthL_code_keep(rthL_Code *c) {
  (void)rth_counter_add(&c->refs, 1);
}

void rthL_code_drop(rthL_Code *c) {
  if (rth_counter_add(&c->refs, -1) != 0) return;
  rthL_realloc(c->facts.v, 0);
  rthL_realloc(c, 0);
}

/* Copies and judges a dump. */
static int code_new(const unsigned char *bytes, size_t len, rthL_Code **out) {
  static rth_counter_t last_id;
  rthL_Code *c;
  size_t i;
  int err;
  if (len > SIZE_MAX - sizeof *c) return RTHL_BC_NOMEM;
  c = (rthL_Code *)rthL_realloc(NULL, sizeof *c + len);
  if (c == NULL) return RTHL_BC_NOMEM;
  memset(c, 0, sizeof *c);
  rth_counter_set(&c->refs, 1);
  c->id = (int64_t)rth_counter_add(&last_id, 1);
  c->len = len;
  memcpy(c->bytes, bytes, len);
  err = rthL_bytecode_facts(c->bytes, len, &c->facts);
  if (err != 0) {
    rthL_code_drop(c);
    return err;
  }
  for (i = 0; i < c->facts.n; i++) {
    const rthL_Fact *f = &c->facts.v[i];
    if (f->kind == RTHL_ASSIGNS)
      c->writes[f->up >> 3] |= (uint8_t)(1 << (f->up & 7));
  }
  *out = c;
  return 0;
}

/* ---- entries ------------------------------------------------------------ */

static uint64_t hash_bytes(const unsigned char *p, size_t n) {
  uint64_t h = n, w;
  for (; n >= 8; p += 8, n -= 8) {
    memcpy(&w, p, 8);
    h = (h ^ w) * UINT64_C(0x9E3779B97F4A7C15);
    h ^= h >> 29;
  }
  for (w = 0; n > 0; n--) w = w << 8 | *p++;
  h = (h ^ w) * UINT64_C(0xBF58476D1CE4E5B9);
  return h ^ (h >> 32);
}

static rthL_Entry *entry_find(const rthL_Mover *m, uint64_t hash) {
  rthL_Entry *e;
  if (m->nbuckets == 0) return NULL;
  e = m->buckets[hash & (m->nbuckets - 1)];
  while (e != NULL &&
         (e->hash != hash || e->code->len != m->dump.n ||
          memcmp(e->code->bytes, m->dump.p, m->dump.n) != 0))
    e = e->next;
  return e;
}

static int more_buckets(rthL_Mover *m) {
  size_t i, n = m->nbuckets == 0 ? FIRST_BUCKETS : m->nbuckets * 4;
  rthL_Entry **v = (rthL_Entry **)rthL_realloc(NULL, n * sizeof *v), *e;
  if (v == NULL) return 0;
  memset(v, 0, n * sizeof *v);
  for (i = 0; i < m->nbuckets; i++)
    while ((e = m->buckets[i]) != NULL) {
      m->buckets[i] = e->next;
      e->next = v[e->hash & (n - 1)];
      v[e->hash & (n - 1)] = e;
    }
  rthL_realloc(m->buckets, 0);
  m->buckets = v;
  m->nbuckets = n;
  return 1;
}

/* A new entry for the function in m->dump. */
static int entry_new(rthL_Mover *m, uint64_t hash, rthL_Entry **out) {
  rthL_Entry *e, **bucket;
  int err;
  if (m->nentries >= m->nbuckets && !more_buckets(m)) return RTHL_BC_NOMEM;
  e = (rthL_Entry *)rthL_realloc(NULL, sizeof *e);
  if (e == NULL) return RTHL_BC_NOMEM;
  memset(e, 0, sizeof *e);
  err = code_new(m->dump.p, m->dump.n, &e->code);
  if (err != 0) {
    rthL_realloc(e, 0);
    return err;
  }
  e->hash = hash;
  bucket = &m->buckets[hash & (m->nbuckets - 1)];
  e->next = *bucket;
  *bucket = e;
  m->nentries++;
  m->entry_bytes += e->code->len;
  *out = e;
  return 0;
}

static void free_entries(rthL_Mover *m) {
  size_t i;
  rthL_Entry *e;
  for (i = 0; i < m->nbuckets; i++)
    while ((e = m->buckets[i]) != NULL) {
      m->buckets[i] = e->next;
      rthL_code_drop(e->code);
      rthL_realloc((void *)e->std, 0);
      rthL_realloc(e, 0);
    }
  m->nentries = m->entry_bytes = 0;
  m->flushes++;
}

void rthL_code_free(rthL_Mover *m) {
  free_entries(m);
  rthL_realloc(m->buckets, 0);
  m->buckets = NULL;
  m->nbuckets = 0;
}

static void new_weak_table(lua_State *L) {
  lua_createtable(L, 0, 0);
  lua_createtable(L, 0, 1);
  lua_pushliteral(L, "k");
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
}

void rthL_code_flush(lua_State *L, rthL_Mover *m, int ud) {
  new_weak_table(L);
  lua_createtable(L, 0, 0);
  lua_setiuservalue(L, ud, RTHL_UV_READS);
  lua_setiuservalue(L, ud, RTHL_UV_CLOSURES);
  m->nreads = 0;
  free_entries(m);
}

void rthL_code_trim(lua_State *L, rthL_Mover *m, int ud) {
  if (m->nentries > MAX_ENTRIES || m->entry_bytes > MAX_BYTES)
    rthL_code_flush(L, m, ud);
}

/* ---- closures ----------------------------------------------------------- */

static int writer(lua_State *L, const void *p, size_t n, void *buf) {
  (void)L;
  rthL_buf_put((rthL_Buf *)buf, p, n);
  return ((rthL_Buf *)buf)->oom;
}

static int dump_function(rthL_Mover *m, int idx) {
  m->dump.n = 0;
  m->dump.oom = 0;
  lua_pushvalue(m->L, idx);
  (void)lua_dump(m->L, writer, &m->dump, 0);
  lua_pop(m->L, 1);
  return m->dump.oom ? RTHL_NOMEM : RTHL_DONE;
}

/* By the closure, where it is one of the seen. */
static rthL_Entry *entry_of_closure(rthL_Mover *m, int idx) {
  void *e;
  lua_pushvalue(m->L, idx);
  lua_rawget(m->L, m->closures);
  e = lua_touserdata(m->L, -1);
  lua_pop(m->L, 1);
  return (rthL_Entry *)e;
}

static void remember_closure(rthL_Mover *m, int idx, rthL_Entry *e) {
  lua_pushvalue(m->L, idx);
  lua_pushlightuserdata(m->L, e);
  lua_rawset(m->L, m->closures);
}

static int entry_of_dump(rthL_Mover *m, int idx, const void *ptr,
                         rthL_Entry **out) {
  uint64_t hash;
  int err = dump_function(m, idx);
  if (err != RTHL_DONE) return err;
  hash = hash_bytes(m->dump.p, m->dump.n);
  *out = entry_find(m, hash);
  if (*out == NULL) {
    err = entry_new(m, hash, out);
    if (err == RTHL_BC_NOMEM) return RTHL_NOMEM;
    if (err != 0) {
      lua_pushvalue(m->L, idx);
      return rthL_refuse_unreadable(m);
    }
  } else if ((*out)->last == ptr) {
    remember_closure(m, idx, *out);
  }
  (*out)->last = ptr;
  return RTHL_DONE;
}

int rthL_code_of(rthL_Mover *m, int idx, rthL_Entry **out) {
  const void *ptr = lua_topointer(m->L, idx);
  unsigned i = (unsigned)((uintptr_t)ptr >> 5) & 7;
  int err;
  if (m->memo[i].ptr == ptr) {
    *out = m->memo[i].e;
    return RTHL_DONE;
  }
  *out = entry_of_closure(m, idx);
  if (*out == NULL) {
    err = entry_of_dump(m, idx, ptr, out);
    if (err != RTHL_DONE) return err;
  }
  m->memo[i].ptr = ptr;
  m->memo[i].e = *out;
  return RTHL_DONE;
}

/* ---- names of globals --------------------------------------------------- */

int rthL_code_names(rthL_Mover *m, rthL_Entry *e) {
  lua_State *L = m->L;
  const rthL_Facts *f = &e->code->facts;
  unsigned flushes = m->flushes;
  lua_Integer names = m->nreads + 1;
  size_t i;
  int top = lua_gettop(L);
  if (e->std == NULL)
    e->std = (const void **)rthL_realloc(NULL, (f->n + 1) * sizeof *e->std);
  if (e->std == NULL) return RTHL_NOMEM;
  m->nreads += (lua_Integer)f->n;
  rthL_mover(L);
  lua_getiuservalue(L, top + 1, RTHL_UV_READS);
  lua_getiuservalue(L, top + 1, RTHL_UV_KNOWN);
  for (i = 0; i < f->n; i++) {
    e->std[i] = NULL;
    if (f->v[i].kind != RTHL_READS) continue;
    lua_pushlstring(L, f->v[i].name, f->v[i].len);
    if (m->flushes != flushes) return RTHL_AGAIN; /* e is gone */
    lua_pushvalue(L, -1);
    lua_rawget(L, top + 3);
    e->std[i] = lua_topointer(L, -1);
    lua_pop(L, 1);
    lua_rawseti(L, top + 2, names + (lua_Integer)i);
  }
  e->names = names;
  return RTHL_AGAIN;
}

/* ---- self-test ---------------------------------------------------------- */

/* Dumps a function whose deeds are known and compares.  An interpreter that
** dumps otherwise would make every check of this module a guess. */
void rthL_code_selftest(lua_State *L) {
  static const char source[] =
      "local a, b, c = 0, {}, {}\n"
      "return function()\n"
      "local r = b r[1] = 2\n"
      "return function() a = c.x end, y\n"
      "end";
  rthL_Buf buf = {0};
  rthL_Facts f;
  unsigned seen = 0;
  size_t i;
  int err;
  memset(&f, 0, sizeof f);
  if (luaL_loadbufferx(L, source, sizeof source - 1, "=selftest", "t") !=
      LUA_OK)
    lua_error(L);
  lua_call(L, 0, 1);
  err = lua_dump(L, writer, &buf, 0) != 0
            ? RTHL_BC_NOMEM
            : rthL_bytecode_facts(buf.p, buf.n, &f);
  for (i = 0; i < f.n; i++) { /* upvalues: b, a, c, _ENV */
    const rthL_Fact *x = &f.v[i];
    if (x->kind == RTHL_STORES && x->up == 0 && x->line == 3) seen |= 1;
    if (x->kind == RTHL_ASSIGNS && x->up == 1 && x->line == 4) seen |= 2;
    if (x->kind == RTHL_READS && x->up == 2 && *x->name == 'x') seen |= 4;
    if (x->kind == RTHL_READS && x->up == 3 && *x->name == 'y') seen |= 8;
  }
  rthL_realloc(f.v, 0);
  rthL_buf_free(&buf);
  lua_pop(L, 1);
  if (err == RTHL_BC_NOMEM) luaL_error(L, "not enough memory");
  if (err != 0 || f.n != 4 || seen != 15)
    luaL_error(L, "rthandle needs the bytecode of Lua 5.4");
}
