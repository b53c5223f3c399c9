/* fiber - a coroutine that the runtime runs.
**
** WHY      coroutines are used again: a new one costs four times as much.
**          Resuming is protected in itself, so the way through here needs no
**          other protected call.
** THREADS  the one that runs the Lua state.
** OWNS     a fiber has its coroutine (held in the table of coroutines), its
**          entered handles, and the waiting of its operation.
** INVARIANT  op != NULL exactly while the coroutine is suspended in
**          rthL_await; a coroutine in the pool has an empty stack.
*/
#include "lua/fiber.h"

#include <stdlib.h>
#include <string.h>

#include "lua/enter.h"
#include "lua/failure.h"
#include "lua/join.h"
#include "lua/tasklocal.h"

/* A used coroutine keeps about 1 KB.  Beyond POOL_KEEP of them, half of those
** that nobody needed for POOL_AGE go at a time. */
enum { POOL_KEEP = 1024, POOL_MAX = 16384 };
#define POOL_AGE UINT64_C(1000000000) /* ns */

void rthL_fiber_open(lua_State *L, rthL_State *S, rthL_Fiber *f) {
  memset(f, 0, sizeof *f);
  if (S->npool > 0) {
    S->npool--;
    if (S->npool < S->pool_idle) S->pool_idle = S->npool;
    f->co = S->pool[S->npool].co;
    f->ref = S->pool[S->npool].ref;
    lua_sethook(f->co, NULL, 0, 0); /* who knows it may have set one since */
    return;
  }
  luaL_checkstack(L, 3, NULL);
  lua_rawgeti(L, LUA_REGISTRYINDEX, S->anchors);
  f->co = lua_newthread(L);
  f->ref = luaL_ref(L, -2);
  lua_pop(L, 1);
}

void rthL_fiber_load(lua_State *L, rthL_State *S, rthL_Fiber *f, int first) {
  int n = lua_gettop(L) - first + 1;
  if (!lua_checkstack(f->co, n + 1)) {
    rthL_fiber_release(S, f);
    luaL_error(L, "too many arguments");
  }
  lua_xmove(L, f->co, n);
}

static int pool_push(rthL_State *S, lua_State *co, int ref) {
  if (S->npool == S->cpool) {
    int n = S->cpool == 0 ? 16 : 2 * S->cpool;
    rthL_Pooled *p;
    if (n > POOL_MAX || S->closing) return 0;
    p = realloc(S->pool, (size_t)n * sizeof *p);
    if (p == NULL) return 0;
    S->pool = p;
    S->cpool = n;
  }
  S->pool[S->npool].co = co;
  S->pool[S->npool].ref = ref;
  S->npool++;
  return 1;
}

/* Leaves co, whose stack is empty, to the collector. */
static void forget(rthL_State *S, lua_State *co, int ref) {
  /* Both keys exist, so nothing here allocates. */
  lua_rawgeti(co, LUA_REGISTRYINDEX, S->anchors);
  luaL_unref(co, -1, ref);
  lua_settop(co, 0);
}

void rthL_pool_age(rthL_State *S) {
  uint64_t now;
  int n;
  if (S->npool <= POOL_KEEP) return;
  now = rth_now();
  if (now < S->pool_after) return;
  n = S->pool_idle / 2;
  if (n > S->npool - POOL_KEEP) n = S->npool - POOL_KEEP;
  while (n-- > 0) {
    S->npool--;
    forget(S, S->pool[S->npool].co, S->pool[S->npool].ref);
  }
  S->pool_idle = S->npool;
  S->pool_after = now + POOL_AGE;
}

/* A debug hook that a task set would run in the next one. */
static int may_reuse(lua_State *co) {
  return lua_status(co) == LUA_OK && lua_gethook(co) == NULL;
}

void rthL_fiber_release(rthL_State *S, rthL_Fiber *f) {
  lua_State *co = f->co;
  if (f->extra != NULL) { /* few have one */
    rthL_enter_clear(&f->extra->enter);
    rthL_bound_leave(f->extra->bound);
    free(f->extra->nested);
    free(f->extra);
    f->extra = NULL;
  }
  if (co == NULL) return;
  f->co = NULL;
  lua_settop(co, 0);
  if (may_reuse(co) && pool_push(S, co, f->ref)) return;
  forget(S, co, f->ref);
}

rthL_Extra *rthL_fiber_extra(lua_State *L, rthL_Fiber *f) {
  if (f->extra == NULL) {
    f->extra = calloc(1, sizeof *f->extra);
    if (f->extra == NULL) luaL_error(L, "not enough memory");
  }
  return f->extra;
}

/* ---- running ------------------------------------------------------------ */

/* A plain coroutine.yield in the body of a task: nobody can resume it. */
static rthL_Run stray_yield(rthL_State *S, lua_State *co, int n) {
  lua_pop(co, n);
  if (rthL_closethread(co, S->from) == LUA_OK) {
    lua_settop(co, 0);
    lua_rawgeti(co, LUA_REGISTRYINDEX, S->stray); /* a string: no allocation */
  }
  return RTHL_FAILED;
}

/* The script has closed the coroutine that waited for op. */
static void not_resumed(rthL_State *S, rthL_Op *op) {
  lua_State *to = S->from;
  S->ready = NULL;
  if (lua_checkstack(to, 2) && op->type->cancel(S, op, to)) lua_pop(to, 1);
}

/* Whether the coroutine that waits is there still: the script may have closed
** it, or one around it.  Each is held by the stack of the one around it. */
static int still_waits(const rthL_Fiber *f) {
  const rthL_Extra *x = f->extra;
  lua_State *co = f->co;
  int n = 0;
  while (lua_status(co) == LUA_YIELD) {
    if (x == NULL || n == x->nnested) return 1;
    co = x->nested[n++];
  }
  return 0;
}

rthL_Run rthL_fiber_run(rthL_State *S, rthL_Fiber *f, rth_cx_t *cx, int *n) {
  lua_State *co = f->co, *running = S->running, *from = S->from;
  rthL_Fiber *cur = S->cur;
  rth_cx_t *outer = S->cx;
  rthL_Op *op = f->op;
  int nargs = 0, status;
  if (op != NULL) {
    const rthL_OpType *type = op->type;
    /* Else what the operation has on the stack is gone, and nobody is there to
    ** have what it would bring. */
    if (type->poll != NULL && still_waits(f) &&
        type->poll(S, op, cx) == RTH_PENDING)
      return RTHL_WAITS;
    S->ready = op;
    f->op = NULL;
  } else if (!f->started) {
    f->started = 1;
    nargs = lua_gettop(co) - 1 - f->base;
  }
  if (f->extra != NULL) f->extra->nnested = 0;
  S->cx = cx;
  S->cur = f;
  S->ran = RTHL_RAN;
  S->running = S->from = co;
  status = lua_resume(co, from, nargs, n);
  S->cx = outer;
  S->cur = cur;
  S->running = running;
  S->from = from;
  if (op != NULL && S->ready == op) not_resumed(S, op);
  if (S->fresh != NULL && cur == NULL) rthL_local_flush(S, cx->local);
  /* Whoever waits on a thread of the script looks before it waits. */
  if (S->own && cur == NULL) (void)rthL_look_for_failures(S);
  if (status == LUA_YIELD)
    return f->op != NULL ? RTHL_WAITS : stray_yield(S, co, *n);
  *n = lua_gettop(co) - f->base;
  return status == LUA_OK ? RTHL_ENDED : RTHL_FAILED;
}

/* ---- cancelling --------------------------------------------------------- */

/* Closes co; an error goes onto `to`, in place of an earlier one. */
static int close_onto(rthL_State *S, lua_State *co, lua_State *to, int failed) {
  if (rthL_closethread(co, S->from) == LUA_OK || lua_gettop(co) == 0)
    return failed;
  if (failed) lua_pop(to, 1);
  lua_xmove(co, to, 1);
  return 1;
}

/* Innermost first.  Each is held by the stack of the one around it, unless
** the script has closed that. */
static int close_nested(rthL_State *S, rthL_Fiber *f, lua_State *to,
                        int failed) {
  rthL_Extra *x = f->extra;
  lua_State *around = f->co;
  int n = 0;
  while (n < x->nnested && lua_status(around) == LUA_YIELD)
    around = x->nested[n++];
  while (n > 0) {
    x->nnested = --n; /* those around it */
    failed = close_onto(S, x->nested[n], to, failed);
  }
  x->nnested = 0;
  return failed;
}

int rthL_fiber_cancel(rthL_State *S, rthL_Fiber *f, rth_cx_t *cx,
                      lua_State *to) {
  lua_State *running = S->running;
  rthL_Fiber *cur = S->cur;
  rth_cx_t *outer = S->cx;
  rthL_Op *op = f->op;
  int failed = 0;
  if (f->co == NULL) return 0;
  f->closing = 1;
  f->op = NULL;
  S->cur = f;
  S->running = NULL;
  if (cx != NULL) S->cx = cx;
  if (op != NULL) failed = op->type->cancel(S, op, to);
  if (f->extra != NULL) failed = close_nested(S, f, to, failed);
  if (f->started) failed = close_onto(S, f->co, to, failed);
  S->cx = outer;
  S->cur = cur;
  S->running = running;
  return failed;
}

void rthL_fiber_abandon(rthL_State *S, rthL_Fiber *f, rth_cx_t *cx) {
  lua_State *to = S->from;
  if (lua_checkstack(to, 2) && rthL_fiber_cancel(S, f, cx, to)) lua_pop(to, 1);
}

void rthL_fiber_error(lua_State *L, rthL_State *S, rthL_Fiber *f) {
  /* Closing hands the error to __close, so it stays where it is until then;
  ** the first releases of 5.4 forget it there, so a copy is taken. */
  if (lua_checkstack(f->co, 1)) {
    lua_pushvalue(f->co, -1);
    lua_xmove(f->co, L, 1);
  } else {
    lua_pushnil(L);
  }
  if (rthL_fiber_cancel(S, f, NULL, L)) lua_replace(L, -2);
}
