/* refuse - the wording of refusals, and the way to the value.
**
** WHY      An object knows only the number of its holder; by which key or
**          variable it is held is looked up here, when it must be told.  So
**          the way costs nothing while all goes well.
** THREADS  of one Lua state; see THE RULE in mover.h: the text is made in the
**          mover, and raised by move.c when the encoding is over.
*/
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>

#include "lua/mover.h"

enum { SHOWN = 12 }; /* steps of a long way, at either end */

static void addf(rthL_Mover *m, const char *fmt, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 2, 3)))
#endif
    ;

static void addv(rthL_Mover *m, const char *fmt, va_list ap)
#if defined(__GNUC__)
    __attribute__((format(printf, 2, 0)))
#endif
    ;

static void addv(rthL_Mover *m, const char *fmt, va_list ap) {
  size_t n = strlen(m->text);
  vsnprintf(m->text + n, sizeof m->text - n, fmt, ap);
}

static void addf(rthL_Mover *m, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  addv(m, fmt, ap);
  va_end(ap);
}

static void add_place(rthL_Mover *m, int f) {
  lua_Debug ar;
  lua_pushvalue(m->L, f);
  lua_getinfo(m->L, ">S", &ar);
  addf(m, "<%s:%d>", ar.short_src, ar.linedefined);
}

/* ---- nodes of the way --------------------------------------------------- */

static void push_node(rthL_Mover *m, int32_t node) {
  if (node < 0)
    lua_pushvalue(m->L, m->first + (-1 - node));
  else
    lua_rawgeti(m->L, m->pending, (lua_Integer)node + 1);
}

static int depth_of(const rthL_Mover *m, int32_t node) {
  int n = 0;
  for (; node >= 0; node = m->objs[node].parent) n++;
  return n;
}

static int32_t ancestor(const rthL_Mover *m, int32_t node, int up) {
  while (up-- > 0) node = m->objs[node].parent;
  return node;
}

/* ---- one step ----------------------------------------------------------- */

static int is_identifier(const char *s, size_t n) {
  size_t i;
  if (n == 0 || n > 60 || isdigit((unsigned char)*s)) return 0;
  for (i = 0; i < n; i++)
    if (!isalnum((unsigned char)s[i]) && s[i] != '_') return 0;
  return 1;
}

static void add_key(rthL_Mover *m, int key) {
  size_t n;
  const char *s;
  switch (lua_type(m->L, key)) {
    case LUA_TSTRING:
      s = lua_tolstring(m->L, key, &n);
      if (is_identifier(s, n))
        addf(m, ".%s", s);
      else
        addf(m, "[\"%.*s%s\"]", n > 60 ? 60 : (int)n, s, n > 60 ? "..." : "");
      break;
    case LUA_TNUMBER:
      if (lua_isinteger(m->L, key))
        addf(m, "[" LUA_INTEGER_FMT "]", lua_tointegerx(m->L, key, NULL));
      else
        addf(m, "[" LUA_NUMBER_FMT "]", lua_tonumberx(m->L, key, NULL));
      break;
    case LUA_TBOOLEAN:
      addf(m, lua_toboolean(m->L, key) ? "[true]" : "[false]");
      break;
    default: addf(m, "[%s]", lua_typename(m->L, lua_type(m->L, key)));
  }
}

/* How the table at `t` holds the value at `v`. */
static void add_table_step(rthL_Mover *m, int t, int v) {
  lua_State *L = m->L;
  int top = lua_gettop(L);
  lua_pushnil(L);
  while (lua_next(L, t) != 0) {
    if (lua_rawequal(L, -1, v)) {
      add_key(m, top + 1);
      lua_settop(L, top);
      return;
    }
    lua_pop(L, 1);
  }
  lua_pushnil(L);
  while (lua_next(L, t) != 0) {
    if (lua_rawequal(L, -2, v)) {
      addf(m, ", as a key");
      lua_settop(L, top);
      return;
    }
    lua_pop(L, 1);
  }
  addf(m, ", in its metatable");
}

/* The variable in which the function at `f` holds the value at `v`. */
static const char *variable(rthL_Mover *m, int f, int v) {
  const char *name;
  int i;
  for (i = 1; (name = lua_getupvalue(m->L, f, i)) != NULL; i++) {
    int same = lua_rawequal(m->L, -1, v);
    lua_pop(m->L, 1);
    if (same) return name;
  }
  return "?";
}

static int is_lua_function(lua_State *L, int idx) {
  return lua_isfunction(L, idx) && !lua_iscfunction(L, idx);
}

/* From the holder at `h` to the value at `v`.  *chain: so far the text tells
** functions only; `last`: v is the value that is refused. */
static void add_step(rthL_Mover *m, int h, int v, int *chain, int last) {
  if (!is_lua_function(m->L, h)) {
    add_table_step(m, h, v);
    return;
  }
  if (*chain && is_lua_function(m->L, v) && !last) {
    addf(m, ", which uses '%s' ", variable(m, h, v));
    add_place(m, v);
    return;
  }
  if (!*chain) {
    addf(m, ", function ");
    add_place(m, h);
  }
  *chain = 0;
  addf(m, ": cannot move upvalue '%s'", variable(m, h, v));
}

/* All steps from the root value of `node` to `node`; leaves the value of
** node on the stack. */
static void add_way(rthL_Mover *m, int32_t node, int *chain) {
  lua_State *L = m->L;
  int i, depth = depth_of(m, node), h;
  push_node(m, ancestor(m, node, depth));
  h = lua_gettop(L);
  for (i = depth - 1; i >= 0; i--) {
    push_node(m, ancestor(m, node, i));
    if (i >= SHOWN && i < depth - SHOWN) {
      if (i == SHOWN) addf(m, "...");
    } else if (!lua_rawequal(L, h, h + 1)) { /* else the root value itself */
      add_step(m, h, h + 1, chain, 0);
    }
    lua_replace(L, h);
  }
}

/* ---- texts -------------------------------------------------------------- */

/* Begins with what root value `root` is. */
static void add_root(rthL_Mover *m, int32_t root, int *chain) {
  int i = -1 - root;
  m->text[0] = 0;
  *chain = 0;
  if (m->what != NULL) {
    addf(m, "cannot move %s #%d", m->what, i + 1);
  } else if (i > 0) {
    addf(m, "cannot move argument #%d", i);
  } else {
    addf(m, "cannot move function");
    if (is_lua_function(m->L, m->first)) {
      addf(m, " ");
      add_place(m, m->first);
      *chain = 1;
    }
  }
}

/* Why the userdata at `v` may not travel; `name`: of the variable that holds
** it, or NULL. */
static void add_userdata(rthL_Mover *m, int v, const char *name) {
  lua_State *L = m->L;
  const rthL_MoveOps *ops = rthL_move_ops(L, v);
  const char *why = ops != NULL && ops->check != NULL ? ops->check(L, v) : NULL;
  const char *type = NULL;
  if (why != NULL) {
    addf(m, "%s", why);
    return;
  }
  if (lua_getmetatable(L, v) && !lua_getmetatable(L, -1) &&
      lua_getfield(L, -1, "__name") == LUA_TSTRING)
    type = lua_tostring(L, -1);
  if (type == NULL) {
    addf(m, "userdata");
  } else if (strncmp(type, "rthandle.", 9) != 0) {
    addf(m, "userdata (%s)", type);
  } else {
    addf(m, "%s", type + 9);
    if (ops != NULL) addf(m, ", which only one can have"); /* RTHL_MANY */
    if (strcmp(type + 9, "Runtime") != 0) return;
    if (name != NULL)
      addf(m, "; capture %s:handle() instead", name);
    else
      addf(m, "; pass its :handle() instead");
  }
}

int rthL_refuse_value(rthL_Mover *m, int32_t holder) {
  lua_State *L = m->L;
  int v = lua_gettop(L), chain, i;
  int32_t root = ancestor(m, holder, depth_of(m, holder));
  const char *name = NULL;
  add_root(m, root, &chain);
  if (holder >= 0) {
    add_way(m, holder, &chain);
    i = lua_gettop(L);
    if (is_lua_function(L, i)) name = variable(m, i, v);
    add_step(m, i, v, &chain, 1);
  }
  addf(m, ": ");
  switch (lua_type(L, v)) {
    case LUA_TTHREAD: addf(m, "coroutine"); break;
    case LUA_TFUNCTION: addf(m, "C function that no module holds"); break;
    default: add_userdata(m, v, name);
  }
  return RTHL_REFUSED;
}

int rthL_refuse_unreadable(rthL_Mover *m) {
  m->text[0] = 0;
  addf(m, "cannot move function ");
  add_place(m, lua_gettop(m->L));
  addf(m, ": its bytecode cannot be read");
  return RTHL_REFUSED;
}

int rthL_refuse_function(rthL_Mover *m, int32_t holder, const char *fmt, ...) {
  int chain = 1, depth = depth_of(m, holder);
  va_list ap;
  m->text[0] = 0;
  addf(m, "cannot move function ");
  push_node(m, ancestor(m, holder, depth));
  add_place(m, lua_gettop(m->L));
  add_way(m, holder, &chain);
  addf(m, depth == 0 ? ": it " : ", which ");
  va_start(ap, fmt);
  addv(m, fmt, ap);
  va_end(ap);
  return RTHL_REFUSED;
}
