/* coroutine - rt.coroutine: the coroutine library, whose coroutines may
** suspend the task that resumes them.
**
** WHY      a wait inside a nested coroutine must reach the runtime.  It yields
**          a mark that no script can make; each resume on the way out sees the
**          mark, notes the coroutine in the fiber, and yields the mark itself;
**          on the way in each resumes its own again.
** THREADS  the one that runs the Lua state.
** INVARIANT  a coroutine that waits so has the mark on top of its stack; to
**          everybody else its status is "normal".
*/
#include <stdlib.h>
#include <string.h>

#include "lua/fiber.h"
#include "lua/handle.h"

enum { FAILED = -1, SUSPENDED = -2 };

static int waits(lua_State *co) {
  return lua_status(co) == LUA_YIELD && lua_gettop(co) > 0 &&
         lua_touserdata(co, -1) == RTHL_SUSPEND &&
         lua_islightuserdata(co, -1);
}

static const char *status_of(lua_State *L, lua_State *co) {
  lua_Debug ar;
  if (co == L) return "running";
  switch (lua_status(co)) {
    case LUA_YIELD:
      return waits(co) ? "normal" : "suspended";
    case LUA_OK:
      if (lua_getstack(co, 0, &ar)) return "normal";
      return lua_gettop(co) == 0 ? "dead" : "suspended";
    default:
      return "dead";
  }
}

/* ---- resume ------------------------------------------------------------- */

/* Notes co as the innermost coroutine of the fiber. */
static void note(lua_State *L, rthL_Fiber *f, lua_State *co) {
  rthL_Extra *x = rthL_fiber_extra(L, f);
  if (x->nnested == x->cnested) {
    int n = x->cnested == 0 ? 4 : 2 * x->cnested;
    lua_State **v = realloc(x->nested, (size_t)n * sizeof *v);
    if (v == NULL) luaL_error(L, "not enough memory");
    x->nested = v;
    x->cnested = n;
  }
  x->nested[x->nnested++] = co;
}

/* Resumes co with the n values on top of L.  Answers how many came back, on
** top of L; FAILED: the error is there; SUSPENDED: the task suspends. */
static int resume(lua_State *L, rthL_State *S, lua_State *co, int n) {
  lua_State *running = S->running, *from = S->from;
  rthL_Fiber *f = S->cur;
  int passes = f != NULL && L == running && lua_isyieldable(L);
  int status, nres, depth = 0, ccall = S->ccall;
  lua_xmove(L, co, n);
  if (passes) {
    note(L, f, co);
    depth = f->extra->nnested - 1;
  }
  S->ccall = f != NULL && L == running && !passes;
  S->running = passes ? co : NULL;
  S->from = co;
  status = lua_resume(co, L, n, &nres);
  S->ccall = ccall;
  S->running = running;
  S->from = from;
  if (passes) {
    if (status == LUA_YIELD && waits(co)) return SUSPENDED;
    f->extra->nnested = depth;
  }
  if (status != LUA_OK && status != LUA_YIELD) {
    lua_xmove(co, L, 1);
    return FAILED;
  }
  if (!lua_checkstack(L, nres + 1)) {
    lua_pop(co, nres);
    lua_pushliteral(L, "too many results to resume");
    return FAILED;
  }
  lua_xmove(co, L, nres);
  return nres;
}

/* The same, for the caller's first resume. */
static int start(lua_State *L, rthL_State *S, lua_State *co, int n) {
  const char *status = status_of(L, co);
  if (strcmp(status, "suspended") != 0) {
    if (strcmp(status, "dead") != 0) status = "non-suspended";
    lua_pushfstring(L, "cannot resume %s coroutine", status);
    return FAILED;
  }
  if (!lua_checkstack(co, n + 1)) {
    lua_pushliteral(L, "too many arguments to resume");
    return FAILED;
  }
  return resume(L, S, co, n);
}

/* Passes the suspension on, outwards. */
static int pass_on(lua_State *L, rthL_State *S, lua_State *co,
                   lua_KFunction k) {
  if (L == S->cur->co) return lua_yieldk(L, 0, (lua_KContext)co, k);
  lua_pushlightuserdata(L, RTHL_SUSPEND);
  return lua_yieldk(L, 1, (lua_KContext)co, k);
}

static int co_resume_done(lua_State *L, rthL_State *S, lua_State *co, int n);

static int co_resume_again(lua_State *L, int status, lua_KContext ctx) {
  lua_State *co = (lua_State *)ctx;
  (void)status;
  lua_settop(co, lua_gettop(co) - 1); /* the mark */
  return co_resume_done(L, rthL_here(L), co, resume(L, rthL_here(L), co, 0));
}

static int co_resume_done(lua_State *L, rthL_State *S, lua_State *co, int n) {
  if (n == SUSPENDED) return pass_on(L, S, co, co_resume_again);
  lua_pushboolean(L, n != FAILED);
  if (n == FAILED) n = 1;
  lua_insert(L, -(n + 1));
  return n + 1;
}

static lua_State *check(lua_State *L) {
  lua_State *co = lua_tothread(L, 1);
  luaL_argexpected(L, co, 1, "coroutine");
  return co;
}

static int co_resume(lua_State *L) {
  rthL_State *S = rthL_here(L);
  lua_State *co = check(L);
  return co_resume_done(L, S, co, start(L, S, co, lua_gettop(L) - 1));
}

/* ---- wrap: the coroutine is upvalue 2 ----------------------------------- */

static int wrap_done(lua_State *L, rthL_State *S, lua_State *co, int n);

static int wrap_again(lua_State *L, int status, lua_KContext ctx) {
  lua_State *co = (lua_State *)ctx;
  (void)status;
  lua_settop(co, lua_gettop(co) - 1);
  return wrap_done(L, rthL_here(L), co, resume(L, rthL_here(L), co, 0));
}

static int wrap_done(lua_State *L, rthL_State *S, lua_State *co, int n) {
  int status;
  if (n == SUSPENDED) return pass_on(L, S, co, wrap_again);
  if (n != FAILED) return n;
  status = lua_status(co);
  if (status != LUA_OK && status != LUA_YIELD) { /* it failed: close it */
    lua_State *running = S->running;
    S->running = NULL;
    status = rthL_closethread(co, L);
    S->running = running;
    if (status != LUA_OK && lua_gettop(co) > 0) {
      lua_pop(L, 1);
      lua_xmove(co, L, 1);
    }
  }
  if (status != LUA_ERRMEM && lua_type(L, -1) == LUA_TSTRING) {
    luaL_where(L, 1); /* where it was called, as the stock library does */
    lua_insert(L, -2);
    lua_concat(L, 2);
  }
  return lua_error(L);
}

static int wrap_call(lua_State *L) {
  rthL_State *S = rthL_here(L);
  lua_State *co = lua_tothread(L, lua_upvalueindex(2));
  return wrap_done(L, S, co, start(L, S, co, lua_gettop(L)));
}

/* ---- the others --------------------------------------------------------- */

static int co_create(lua_State *L) {
  lua_State *co;
  luaL_checktype(L, 1, LUA_TFUNCTION);
  co = lua_newthread(L);
  lua_pushvalue(L, 1);
  lua_xmove(L, co, 1);
  return 1;
}

static int co_wrap(lua_State *L) {
  lua_pushlightuserdata(L, rthL_here(L));
  (void)co_create(L);
  lua_pushcclosure(L, wrap_call, 2);
  return 1;
}

static int co_yield(lua_State *L) {
  rthL_State *S = rthL_here(L);
  if (S->cur != NULL && L == S->cur->co)
    return luaL_error(L, "attempt to yield from outside a coroutine");
  return lua_yield(L, lua_gettop(L));
}

static int co_status(lua_State *L) {
  lua_pushstring(L, status_of(L, check(L)));
  return 1;
}

static int co_isyieldable(lua_State *L) {
  rthL_State *S = rthL_here(L);
  lua_State *co = lua_isnoneornil(L, 1) ? L : check(L);
  lua_pushboolean(L, lua_isyieldable(co) &&
                         !(S->cur != NULL && co == S->cur->co));
  return 1;
}

static int co_running(lua_State *L) {
  int ismain = lua_pushthread(L);
  lua_pushboolean(L, ismain);
  return 2;
}

static int co_close(lua_State *L) {
  rthL_State *S = rthL_here(L);
  lua_State *co = check(L), *running = S->running;
  const char *status = status_of(L, co);
  int ok;
  if (strcmp(status, "suspended") != 0 && strcmp(status, "dead") != 0)
    return luaL_error(L, "cannot close a %s coroutine", status);
  S->running = NULL; /* a __close may not suspend */
  ok = rthL_closethread(co, L) == LUA_OK;
  S->running = running;
  lua_pushboolean(L, ok);
  if (ok) return 1;
  lua_xmove(co, L, 1);
  return 2;
}

void rthL_open_coroutine(lua_State *L, rthL_State *S) {
  static const luaL_Reg functions[] = {{"create", co_create},
                                       {"resume", co_resume},
                                       {"wrap", co_wrap},
                                       {"yield", co_yield},
                                       {"status", co_status},
                                       {"isyieldable", co_isyieldable},
                                       {"running", co_running},
                                       {"close", co_close},
                                       {NULL, NULL}};
  lua_newtable(L);
  rthL_setfuncs(L, S, functions);
  lua_setfield(L, -2, "coroutine");
}
