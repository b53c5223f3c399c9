/* names - what travels as a name: modules, and what hangs on them.
**
** WHY      A library must not be copied into every message, and a C function
**          cannot be.  Both sides `require` the same modules, so a module, or
**          something that its string keys lead to, goes as the way to it.
**          The index is made from package.loaded, three keys deep, breadth
**          first, so the shortest way wins, then the alphabet.  It must be
**          made anew when a module was loaded, and nothing in Lua says so;
**          to look through package.loaded at each spawn would cost more than
**          the spawn.  Hence a metatable on it: its __newindex stores raw and
**          sets a flag.  Should somebody else have put a metatable there, the
**          index is made for each message.  Before a refusal it is made anew
**          in any case, so no value is refused for an old index.
** THREADS  of one Lua state.
** INVARIANT  Every pointer in the index is of an object that RTHL_UV_ANCHORS
**          holds (or of a C function), so none can be another object's.
**          A hit is not looked up again: what was replaced in a module since
**          is still what other states find there.
*/
#include <lauxlib.h>
#include <lualib.h>

#include "lua/mover.h"

enum { MAX_DEPTH = 3 };

/* What luaL_openlibs defines.  package.loaded holds the libraries. */
static const char *const std_names[] = {
  "assert", "collectgarbage", "dofile", "error", "getmetatable", "ipairs",
  "load", "loadfile", "next", "pairs", "pcall", "print", "rawequal", "rawget",
  "rawlen", "rawset", "require", "select", "setmetatable", "tonumber",
  "tostring", "type", "warn", "xpcall", "_VERSION", "_G", "coroutine",
  "debug", "io", "math", "os", "package", "string", "table", "utf8", NULL
};

const rthL_Name *rthL_name_of(const rthL_Mover *m, const void *ptr) {
  const rthL_MapSlot *s = rthL_map_get(&m->names.map, ptr);
  return s != NULL ? &m->names.v[s->value] : NULL;
}

/* ---- making the index --------------------------------------------------- */

typedef struct Way { /* to the object whose keys are looked at */
  const char *path;
  size_t len;
  int depth;
} Way;

/* Whether `key`, appended to the way, comes before the name that is there. */
static int before(const rthL_Names *x, const rthL_Name *old, const char *path,
                  size_t len) {
  size_t n = old->len < len ? old->len : len;
  int c = memcmp(path, x->arena.p + old->path, n);
  return c != 0 ? c < 0 : len < old->len;
}

/* The object at the top of the stack is at `way` . `key`. */
static int add_name(rthL_Mover *m, lua_State *L, int anchors, const Way *way,
                    const char *key, size_t keylen) {
  rthL_Names *x = &m->names;
  const void *ptr = lua_topointer(L, -1);
  rthL_MapSlot *s = rthL_map_get(&x->map, ptr);
  size_t at = x->arena.n, len, i;
  void *v;
  if (s != NULL && x->v[s->value].depth < way->depth) return RTHL_DONE;
  if (way->len > 0) { /* the way may be in the arena, which may move */
    size_t from = (size_t)(way->path - (const char *)x->arena.p);
    unsigned char *p = rthL_buf_room(&x->arena, way->len + 1);
    if (p == NULL) return RTHL_NOMEM;
    memcpy(p, x->arena.p + from, way->len);
    p[way->len] = 0;
  }
  rthL_buf_put(&x->arena, key, keylen);
  if (x->arena.oom) return RTHL_NOMEM;
  len = x->arena.n - at;
  if (s != NULL) {
    rthL_Name *old = &x->v[s->value];
    if (before(x, old, (const char *)x->arena.p + at, len)) {
      old->path = at;
      old->len = (uint32_t)len;
    }
    return RTHL_DONE;
  }
  i = x->n;
  v = rthL_grow(x->v, &x->cap, i + 1, sizeof *x->v);
  if (v == NULL) return RTHL_NOMEM;
  x->v = (rthL_Name *)v; /* the old one is gone */
  if (!rthL_map_set(&x->map, ptr, i)) return RTHL_NOMEM;
  x->v[i].ptr = ptr;
  x->v[i].path = at;
  x->v[i].len = (uint32_t)len;
  x->v[i].depth = (uint8_t)way->depth;
  x->v[i].table = lua_istable(L, -1);
  x->n++;
  lua_pushvalue(L, -1);
  lua_rawseti(L, anchors, (lua_Integer)i + 1);
  return RTHL_DONE;
}

/* Names what the string keys of the table at the top lead to.  With `only`,
** a table of names: just those, where the values are the same. */
static int add_keys(rthL_Mover *m, lua_State *L, int anchors, Way way,
                    int only) {
  int t = lua_gettop(L), err = RTHL_DONE;
  size_t from = way.len > 0 ? (size_t)((const unsigned char *)way.path -
                                       m->names.arena.p) : 0;
  lua_pushnil(L);
  while (err == RTHL_DONE && lua_next(L, t) != 0) {
    int type = lua_type(L, -1), take = type == LUA_TFUNCTION;
    if (type == LUA_TTABLE)
      take = lua_topointer(L, -1) != m->globals_ptr;
    if (take && lua_type(L, -2) == LUA_TSTRING) {
      size_t n;
      const char *key = lua_tolstring(L, -2, &n);
      if (only != 0) {
        lua_pushvalue(L, -2);
        lua_rawget(L, only);
        take = lua_rawequal(L, -1, -2);
        lua_pop(L, 1);
      }
      if (way.len > 0) way.path = (const char *)m->names.arena.p + from;
      if (take && n > 0 && n < 256 && memchr(key, 0, n) == NULL)
        err = add_name(m, L, anchors, &way, key, n);
    }
    lua_pop(L, 1);
  }
  lua_settop(L, t);
  return err;
}

static int add_globals(rthL_Mover *m, lua_State *L, int anchors, int std) {
  rthL_Names *x = &m->names;
  Way way = {NULL, 2, 1};
  size_t at = x->arena.n;
  int err;
  rthL_buf_put(&x->arena, "_G", 2);
  if (x->arena.oom) return RTHL_NOMEM;
  way.path = (const char *)x->arena.p + at;
  lua_pushglobaltable(L);
  err = add_keys(m, L, anchors, way, std);
  lua_pop(L, 1);
  return err;
}

/* One more key for each name of the depth before. */
static int add_level(rthL_Mover *m, lua_State *L, int anchors, int depth,
                     size_t from, size_t to) {
  rthL_Names *x = &m->names;
  int err = RTHL_DONE;
  for (; from < to && err == RTHL_DONE; from++) {
    Way way = {(const char *)x->arena.p + x->v[from].path, x->v[from].len,
               depth};
    if (!x->v[from].table) continue;
    lua_rawgeti(L, anchors, (lua_Integer)from + 1);
    err = add_keys(m, L, anchors, way, 0);
    lua_pop(L, 1);
  }
  return err;
}

static int make_index(rthL_Mover *m, lua_State *L, int anchors, int std) {
  rthL_Names *x = &m->names;
  Way root = {"", 0, 0};
  size_t from = 0, to;
  int depth, err;
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  err = lua_istable(L, -1) ? add_keys(m, L, anchors, root, 0) : RTHL_DONE;
  lua_pop(L, 1);
  for (depth = 1; depth <= MAX_DEPTH && err == RTHL_DONE; depth++) {
    to = x->n;
    if (depth == 1) err = add_globals(m, L, anchors, std);
    if (err == RTHL_DONE) err = add_level(m, L, anchors, depth, from, to);
    from = to;
  }
  return err;
}

/* Whether our metatable is on package.loaded. */
static int is_watched(lua_State *L) {
  int r;
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  r = lua_istable(L, -1) && lua_getmetatable(L, -1);
  if (r) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, std_names);
    r = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
  }
  lua_pop(L, 1);
  return r;
}

int rthL_names_make(lua_State *L, rthL_Mover *m) {
  rthL_Names *x = &m->names;
  int top = lua_gettop(L), err, watched;
  rthL_mover(L);
  lua_getiuservalue(L, top + 1, RTHL_UV_STD);
  lua_createtable(L, (int)x->n, 0);
  watched = is_watched(L); /* from here on nothing that runs finalizers */
  lua_pushglobaltable(L);
  m->globals_ptr = lua_topointer(L, -1);
  x->stale = 1;
  rthL_map_clear(&x->map);
  x->n = x->arena.n = 0;
  x->arena.oom = 0;
  err = make_index(m, L, top + 3, top + 2);
  lua_pushvalue(L, top + 3);
  lua_setiuservalue(L, top + 1, RTHL_UV_ANCHORS);
  x->stale = err != RTHL_DONE || !watched;
  lua_settop(L, top);
  return err;
}

/* ---- the other side ----------------------------------------------------- */

static void push_module(lua_State *L, const char *name, size_t len) {
  if (len == 2 && memcmp(name, "_G", 2) == 0) {
    lua_pushglobaltable(L);
    return;
  }
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_pushlstring(L, name, len);
  lua_rawget(L, -2);
  lua_remove(L, -2);
  if (lua_toboolean(L, -1)) return;
  lua_pop(L, 1);
  rthL_mover(L);
  lua_getiuservalue(L, -1, RTHL_UV_REQUIRE);
  lua_remove(L, -2);
  if (lua_isnil(L, -1)) luaL_error(L, "no 'require' to load '%s'", name);
  lua_pushlstring(L, name, len);
  lua_call(L, 1, 1);
}

void rthL_names_push(lua_State *L, const char *path, size_t len) {
  const char *end = path + len, *key = path;
  int module = 1;
  while (key <= end) {
    const char *z = (const char *)memchr(key, 0, (size_t)(end - key));
    size_t n = (size_t)((z != NULL ? z : end) - key);
    if (module) {
      push_module(L, key, n);
    } else {
      lua_pushlstring(L, key, n);
      if (lua_istable(L, -2)) lua_rawget(L, -2);
      else { lua_pop(L, 1); lua_pushnil(L); }
      lua_remove(L, -2);
    }
    module = 0;
    key += n + 1;
  }
  if (!lua_istable(L, -1) && !lua_isfunction(L, -1)) {
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    for (key = path; key < end; key++) luaL_addchar(&b, *key ? *key : '.');
    luaL_pushresult(&b);
    luaL_error(L, "no '%s' in this thread", lua_tostring(L, -1));
  }
}

/* ---- standard names ----------------------------------------------------- */

int rthL_names_foreign(rthL_Mover *m, int name) {
  lua_State *L = m->L;
  int v = lua_gettop(L), known;
  const char *s = lua_tostring(L, name);
  rthL_mover(L);
  lua_getiuservalue(L, -1, RTHL_UV_KNOWN);
  lua_pushvalue(L, name);
  lua_rawget(L, -2);
  known = lua_rawequal(L, -1, v);
  lua_settop(L, v);
  if (!known && s != NULL && strcmp(s, "coroutine") == 0) {
    const rthL_Name *x = rthL_name_of(m, lua_topointer(L, v));
    known = x != NULL && x->len > 8 && /* rthandle.coroutine, or what it is */
            memcmp(m->names.arena.p + x->path, "rthandle", 8) == 0;
  }
  return !known;
}

/* __newindex of package.loaded; upvalue: the mover. */
static int loaded_newindex(lua_State *L) {
  rthL_Mover *m = (rthL_Mover *)lua_touserdata(L, lua_upvalueindex(1));
  m->names.stale = 1;
  lua_settop(L, 3);
  lua_rawset(L, 1);
  return 0;
}

static void watch_loaded(lua_State *L, int ud) {
  lua_createtable(L, 0, 1);
  lua_pushvalue(L, ud);
  lua_pushcclosure(L, loaded_newindex, 1);
  lua_setfield(L, -2, "__newindex");
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, std_names);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  if (!lua_getmetatable(L, -1)) {
    lua_pushvalue(L, -2);
    lua_setmetatable(L, -2);
  } else {
    lua_pop(L, 1); /* somebody else's stays */
  }
  lua_pop(L, 2);
}

/* The standard value of a name is what package.loaded holds; for the rest
** what is there now, if it is a C function: a Lua function is a script's. */
static void std_value(lua_State *L, const char *name, int loaded) {
  lua_getfield(L, loaded, name);
  if (lua_istable(L, -1)) return;
  lua_pop(L, 1);
  lua_pushglobaltable(L);
  lua_pushstring(L, name);
  lua_rawget(L, -2);
  lua_remove(L, -2);
  if (lua_iscfunction(L, -1) || lua_isstring(L, -1)) return;
  lua_pop(L, 1);
  lua_pushnil(L);
}

void rthL_names_open(lua_State *L, rthL_Mover *m, int ud) {
  int i, top = lua_gettop(L);
  watch_loaded(L, ud);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_createtable(L, 0, 40);
  for (i = 0; std_names[i] != NULL; i++) {
    std_value(L, std_names[i], top + 1);
    lua_setfield(L, top + 2, std_names[i]);
  }
  lua_pushvalue(L, -1);
  lua_setiuservalue(L, ud, RTHL_UV_STD);
  lua_setiuservalue(L, ud, RTHL_UV_KNOWN);
  lua_pushglobaltable(L);
  lua_pushliteral(L, "require");
  lua_rawget(L, -2);
  lua_setiuservalue(L, ud, RTHL_UV_REQUIRE);
  lua_settop(L, top);
  m->names.stale = 1;
}

void rthL_names_seal(lua_State *L, int ud) {
  int top = lua_gettop(L);
  lua_createtable(L, 0, 64);
  lua_pushglobaltable(L);
  lua_pushnil(L);
  while (lua_next(L, top + 2) != 0) {
    lua_pushvalue(L, -2);
    lua_insert(L, -2);
    lua_rawset(L, top + 1);
  }
  lua_settop(L, top + 1);
  lua_setiuservalue(L, ud, RTHL_UV_KNOWN);
}
