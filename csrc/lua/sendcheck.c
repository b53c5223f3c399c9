/* sendcheck - what a function may not do that moves to another thread:
** refusals 1 to 4 of the contract.
**
** WHY      A task works on copies.  A store into a captured variable, or to a
**          global, would be lost, and a global of the script is not there:
**          this must be said at the spawn, by name and line, not be found out
**          later by nothing happening.
**          The facts come from the bytecode and are kept with the code; what
**          remains for each spawn is whether a global that is read is one of
**          the script's by now.
** THREADS  of one Lua state; see THE RULE in mover.h.
**
** Looked at are the root functions, and functions that such a function holds
** in a captured variable.  While looking, these are numbered as objects; the
** encoder starts anew afterwards.
*/
#include "lua/mover.h"

typedef struct Finding {
  const rthL_Fact *fact;
  int rule;
} Finding;

/* An upvalue that is looked at. */
typedef struct Up {
  int number;  /* -1: none */
  int globals; /* it is the globals, or an _ENV that only passes on to them */
  int layer;   /* stack index of what such an _ENV answers otherwise; 0 */
  int table;   /* it is a table */
} Up;

/* Pushes upvalue `number` and what must be known of it. */
static int look_at(rthL_Mover *m, int f, rthL_Entry *e, int number, Up *up) {
  lua_State *L = m->L;
  const char *name = lua_getupvalue(L, f, number + 1);
  int err = RTHL_DONE;
  if (name == NULL) lua_pushnil(L);
  up->number = number;
  up->layer = 0;
  up->table = lua_istable(L, -1);
  up->globals = lua_topointer(L, -1) == m->globals_ptr;
  if (up->table && !up->globals && rthL_is_env(name) &&
      !rthL_code_writes(e->code, number)) {
    err = rthL_env_layer(m, lua_gettop(L), e, number);
    if (err == RTHL_DONE && lua_istable(L, -1)) {
      up->globals = 1;
      up->layer = lua_gettop(L);
    }
  }
  return err;
}

static int judge_store(const rthL_Mover *m, const rthL_Fact *f, const Up *up) {
  if (up->globals) return f->deep < 2 && !(m->flags & RTHL_HOOK) ? 3 : 0;
  return up->table && !(m->flags & RTHL_COPY_CAPTURES) ? 2 : 0;
}

/* Rule 4, or 0, for a read of fact number i. */
static int judge_read(rthL_Mover *m, const rthL_Entry *e, size_t i,
                      const Up *up) {
  lua_State *L = m->L;
  int r = 0, top = lua_gettop(L);
  if ((m->flags & RTHL_HOOK) || !up->globals) return 0;
  lua_rawgeti(L, m->reads, e->names + (lua_Integer)i);
  lua_pushvalue(L, -1);
  if (up->layer != 0 && lua_rawget(L, up->layer) != LUA_TNIL) {
    r = rthL_name_of(m, lua_topointer(L, -1)) != NULL ? 0 : 4;
  } else {
    lua_settop(L, top + 1);
    lua_pushvalue(L, -1);
    if (lua_rawget(L, m->globals) != LUA_TNIL) {
      const void *ptr = lua_topointer(L, -1);
      if (ptr == NULL || ptr != e->std[i])
        r = rthL_names_foreign(m, top + 1) ? 4 : 0;
    }
  }
  lua_settop(L, top);
  return r;
}

/* The worst is the first in the source. */
static int find(rthL_Mover *m, int f, rthL_Entry *e, Finding *found) {
  const rthL_Facts *facts = &e->code->facts;
  size_t i;
  int top = lua_gettop(m->L), err;
  Up up = {-1, 0, 0, 0};
  found->rule = 0;
  for (i = 0; i < facts->n; i++) {
    const rthL_Fact *x = &facts->v[i];
    int rule = 0;
    if (found->rule != 0 && x->line >= found->fact->line) continue;
    if (x->kind == RTHL_READS && e->names == 0 && !(m->flags & RTHL_HOOK))
      return rthL_code_names(m, e);
    if (up.number != x->up) {
      lua_settop(m->L, top);
      err = look_at(m, f, e, x->up, &up);
      if (err != RTHL_DONE) return err;
    }
    if (x->kind == RTHL_ASSIGNS)
      rule = m->flags & RTHL_COPY_CAPTURES ? 0 : 1;
    else if (x->kind == RTHL_STORES)
      rule = judge_store(m, x, &up);
    else
      rule = judge_read(m, e, i, &up);
    if (rule != 0) {
      found->rule = rule;
      found->fact = x;
    }
  }
  lua_settop(m->L, top);
  return RTHL_DONE;
}

#define UNSEEN ", and the caller would never see it: "
#define OWN_COPIES                                        \
  "return the value, or send it on a channel; or allow "  \
  "private copies: spawn_with{ captures = \"copy\" }"

static int refuse(rthL_Mover *m, int f, int32_t node, const Finding *found) {
  const rthL_Fact *x = found->fact;
  const char *up = lua_getupvalue(m->L, f, x->up + 1);
  int len = x->len > 80 ? 80 : (int)x->len;
  lua_Debug ar;
  char at[LUA_IDSIZE + 16];
  lua_pushvalue(m->L, f);
  lua_getinfo(m->L, ">S", &ar);
  if (x->line > 0)
    snprintf(at, sizeof at, "%s:%d", ar.short_src, x->line);
  else
    snprintf(at, sizeof at, "%s:?", ar.short_src);
  switch (found->rule) {
    case 1:
      return rthL_refuse_function(m, node,
          "assigns the captured local '%s' (%s)" UNSEEN OWN_COPIES, up, at);
    case 2:
      return rthL_refuse_function(m, node,
          "stores into the captured table '%s' (%s)" UNSEEN OWN_COPIES, up,
          at);
    case 3:
      if (x->name == NULL) /* _G[k] = v */
        return rthL_refuse_function(m, node,
            "assigns a global by a computed name (%s)" UNSEEN "use a table of "
            "its own, and return that", at);
      return rthL_refuse_function(m, node,
          "assigns the global '%.*s' (%s)" UNSEEN "use a local", len, x->name,
          at);
    default:
      return rthL_refuse_function(m, node,
          "uses the global '%.*s', which other threads do not have: make it "
          "local, or put it in a module", len, x->name);
  }
}

/* Notes the Lua functions among the captured variables of `f`. */
static int note_captured(rthL_Mover *m, int f, int32_t node,
                         const rthL_Entry *e) {
  int i, err = RTHL_DONE;
  for (i = 1; i <= e->code->facts.nup && err == RTHL_DONE; i++) {
    if (lua_getupvalue(m->L, f, i) == NULL) break;
    if (lua_isfunction(m->L, -1) && !lua_iscfunction(m->L, -1)) {
      const void *ptr = lua_topointer(m->L, -1);
      if (rthL_map_get(&m->ids, ptr) == NULL)
        err = rthL_add_object(m, lua_gettop(m->L), ptr, RTHL_O_FUNCTION, node);
    }
    lua_pop(m->L, 1);
  }
  return err;
}

/* The function at `f`, which is object or root value `node`. */
static int check(rthL_Mover *m, int f, int32_t node) {
  rthL_Entry *e;
  Finding found;
  int err;
  if (lua_iscfunction(m->L, f) ||
      rthL_name_of(m, lua_topointer(m->L, f)) != NULL)
    return RTHL_DONE;
  err = rthL_code_of(m, f, &e);
  if (err == RTHL_DONE) err = find(m, f, e, &found);
  if (err != RTHL_DONE) return err;
  if (found.rule != 0) return refuse(m, f, node, &found);
  return note_captured(m, f, node, e);
}

int rthL_check_call(rthL_Mover *m, int n) {
  int i, err = RTHL_DONE, at = lua_gettop(m->L) + 1;
  size_t id;
  for (i = 0; i < n && err == RTHL_DONE; i++)
    if (lua_isfunction(m->L, m->first + i))
      err = check(m, m->first + i, -1 - i);
  for (id = 0; id < m->nobjs && err == RTHL_DONE; id++) {
    lua_rawgeti(m->L, m->pending, (lua_Integer)id + 1);
    err = check(m, at, (int32_t)id);
    lua_settop(m->L, at - 1);
  }
  return err;
}
