/* enter - EnterGuard, and which runtime is current.
**
** WHY      a task keeps what it entered over its suspensions, so the stack
**          belongs to the fiber and not to the thread: the core's own
**          rth_enter is for C programs.
** THREADS  the one that runs the Lua state.
** OWNS     each node has one reference to its handle.  A node outlives a
**          guard that is collected unclosed, and a guard outlives the node of
**          a task that ended.
*/
#include "lua/enter.h"

#include <stdlib.h>

#include "lua/fiber.h"

typedef struct Guard {
  rthL_Enter *node; /* NULL: closed */
} Guard;

struct rthL_Enter {
  rthL_Enter *below;
  rth_handle_t *handle;
  Guard *guard; /* NULL: collected */
};

static void pop(rthL_Enter **top) {
  rthL_Enter *node = *top;
  *top = node->below;
  if (node->guard != NULL) node->guard->node = NULL;
  rth_handle_free(node->handle);
  free(node);
}

void rthL_enter_clear(rthL_Enter **top) {
  while (*top != NULL) pop(top);
}

rth_handle_t *rthL_current(rthL_State *S) {
  rthL_Fiber *f;
  for (f = S->cur; f != NULL; f = rthL_whole(f))
    if (f->extra != NULL && f->extra->enter != NULL)
      return f->extra->enter->handle;
  if (S->cur != NULL && S->cx != NULL) return S->cx->handle;
  if (S->enter != NULL) return S->enter->handle;
  return S->home;
}

rth_handle_t *rthL_checkcurrent(lua_State *L, rthL_State *S) {
  rth_handle_t *h = rthL_current(S);
  if (h == NULL) rthL_raise(L, RTH_ENOCONTEXT);
  return h;
}

/* Where the code that runs now keeps what it entered. */
static rthL_Enter **top_of(lua_State *L, rthL_State *S) {
  if (S->cur == NULL) return &S->enter;
  return &rthL_fiber_extra(L, S->cur)->enter;
}

int rthL_enter(lua_State *L, rthL_State *S, rth_handle_t *h) {
  rthL_Enter **top = top_of(L, S);
  Guard *g = rthL_new(L, S, RTHL_GUARD, sizeof *g, 0);
  rthL_Enter *node = malloc(sizeof *node);
  if (node == NULL) return luaL_error(L, "not enough memory");
  node->handle = rth_handle_clone(h);
  node->guard = g;
  node->below = *top;
  *top = g->node = node;
  return 1;
}

void rthL_enter_under(lua_State *L, rthL_State *S, rthL_Fiber *f,
                      rth_handle_t *h) {
  rthL_Enter *node = malloc(sizeof *node);
  if (f->extra == NULL) f->extra = calloc(1, sizeof *f->extra);
  if (node == NULL || f->extra == NULL) {
    free(node);
    rthL_fiber_release(S, f);
    luaL_error(L, "not enough memory");
    return;
  }
  node->handle = rth_handle_clone(h);
  node->guard = NULL;
  node->below = NULL;
  f->extra->enter = node;
}

static int guard_close(lua_State *L) {
  rthL_State *S = rthL_here(L);
  Guard *g = rthL_check(L, S, 1, RTHL_GUARD);
  rthL_Enter **top;
  if (g->node == NULL) return 0;
  top = top_of(L, S);
  if (*top != g->node) return rthL_raise(L, RTH_EGUARDORDER);
  pop(top);
  return 0;
}

static int guard_gc(lua_State *L) {
  Guard *g = rthL_check(L, rthL_here(L), 1, RTHL_GUARD);
  if (g->node == NULL) return 0;
  g->node->guard = NULL;
  rthL_report("rthandle: EnterGuard collected without close: use "
              "'local guard <close> = handle:enter()'\n");
  return 0;
}

static int guard_tostring(lua_State *L) {
  Guard *g = rthL_check(L, rthL_here(L), 1, RTHL_GUARD);
  if (g->node == NULL) {
    lua_pushliteral(L, "rthandle.EnterGuard(closed)");
  } else {
    lua_Integer id = (lua_Integer)rth_handle_id(g->node->handle);
    lua_pushfstring(L, "rthandle.EnterGuard(id=%I)", (LUAI_UACINT)id);
  }
  return 1;
}

void rthL_open_enter(lua_State *L, rthL_State *S) {
  static const luaL_Reg meta[] = {{"__close", guard_close},
                                  {"__gc", guard_gc},
                                  {"__tostring", guard_tostring},
                                  {NULL, NULL}};
  static const luaL_Reg methods[] = {{"close", guard_close}, {NULL, NULL}};
  rthL_type(L, S, RTHL_GUARD, "rthandle.EnterGuard", meta, methods);
  lua_pop(L, 1);
}
