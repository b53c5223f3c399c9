/* timeout - a function, or an awaitable, with a deadline.
**
** WHY      the function is a fiber of its own inside the operation that the
**          caller waits for: it is polled in the caller's poll, so it is part
**          of that task, and where it loses it is cancelled as a task is.
** THREADS  the one that runs the Lua state.
** OWNS     the operation, a block of its own, has the fiber and the timer.
*/
#include <stdlib.h>

#include "lua/enter.h"
#include "lua/fiber.h"
#include "lua/handle.h"
#include "lua/move.h"

typedef struct TimeoutOp {
  rthL_Op op;
  rthL_Part part; /* the function */
  rth_sleep_t timer;
  int n;          /* values on top of the fiber's coroutine */
  rthL_Run run;
  rth_poll_t expired; /* READY: the deadline passed; FAILED: shut down */
} TimeoutOp;

/* A ready result wins over a passed deadline: the function comes first. */
static rth_poll_t timeout_poll(rthL_State *S, rthL_Op *op, rth_cx_t *cx) {
  TimeoutOp *o = (TimeoutOp *)op;
  o->run = rthL_fiber_run(S, &o->part.fiber, cx, &o->n);
  if (o->run != RTHL_WAITS) return RTH_READY;
  o->expired = rth_sleep_poll(&o->timer, cx);
  return o->expired == RTH_PENDING ? RTH_PENDING : RTH_READY;
}

static int timeout_cancel(rthL_State *S, rthL_Op *op, lua_State *to) {
  TimeoutOp *o = (TimeoutOp *)op;
  int failed = rthL_fiber_cancel(S, &o->part.fiber, NULL, to);
  rthL_fiber_release(S, &o->part.fiber);
  rth_sleep_fini(&o->timer);
  free(o);
  return failed;
}

static int push_elapsed(lua_State *L, rthL_State *S) {
  lua_pushboolean(L, 0);
  (void)rthL_new(L, S, RTHL_ELAPSED, 1, 0);
  return 2;
}

/* The function has ended, so nothing is a part of its fiber any more. */
static int push_values(lua_State *L, rthL_State *S, TimeoutOp *o) {
  rthL_Fiber ended = o->part.fiber, *f = &ended;
  int n = o->n;
  free(o);
  if (!lua_checkstack(L, n + 1)) {
    rthL_fiber_release(S, f);
    return luaL_error(L, "too many results");
  }
  lua_pushboolean(L, 1);
  lua_xmove(f->co, L, n);
  rthL_fiber_release(S, f);
  return n + 1;
}

static int timeout_finish(lua_State *L, rthL_State *S, rthL_Op *op) {
  TimeoutOp *o = (TimeoutOp *)op;
  rthL_Fiber *f = &o->part.fiber;
  int failed = o->run == RTHL_FAILED, shut = o->expired == RTH_FAILED;
  rth_sleep_fini(&o->timer);
  if (o->run == RTHL_ENDED) return push_values(L, S, o);
  if (!lua_checkstack(L, 4)) failed = 0; /* no place for the error */
  else if (failed) rthL_fiber_error(L, S, f);
  else failed = rthL_fiber_cancel(S, f, NULL, L);
  rthL_fiber_release(S, f);
  free(o); /* not before: what is closed may be a part of this function */
  if (failed) return lua_error(L);
  if (shut) return rthL_raise(L, RTH_ESHUTDOWN);
  return push_elapsed(L, S);
}

/* The function and its arguments are from index 2 on. */
static int timeout(lua_State *L, rthL_State *S, rth_handle_t *h,
                   uint64_t deadline) {
  static const rthL_OpType type = {timeout_poll, timeout_cancel,
                                   timeout_finish};
  rthL_Part part;
  TimeoutOp *o;
  rthL_checkawaitable(L, 2);
  rthL_fiber_open(L, S, &part.fiber);
  part.fiber.part = 1;
  part.whole = S->cur;
  rthL_fiber_load(L, S, &part.fiber, 2);
  o = calloc(1, sizeof *o);
  if (o == NULL) {
    rthL_fiber_release(S, &part.fiber);
    return rthL_raise(L, RTH_ENOMEM);
  }
  o->op.type = &type;
  o->part = part;
  rth_sleep_init(&o->timer, h, deadline);
  return rthL_await(L, S, &o->op, h);
}

static int time_timeout(lua_State *L) {
  rthL_State *S = rthL_here(L);
  uint64_t ns = rthL_checkseconds(L, 1);
  rth_handle_t *h = rthL_checkcurrent(L, S);
  uint64_t now = rth_handle_now(h);
  return timeout(L, S, h, ns >= RTH_FOREVER - now ? RTH_FOREVER : now + ns);
}

static int time_timeout_at(lua_State *L) {
  rthL_State *S = rthL_here(L);
  uint64_t t = rthL_checkseconds(L, 1);
  return timeout(L, S, rthL_checkcurrent(L, S), t);
}

/* ---- Elapsed ------------------------------------------------------------ */

static int elapsed_tostring(lua_State *L) {
  lua_pushliteral(L, "deadline has elapsed");
  return 1;
}

/* It says the same everywhere: nothing but its type travels. */
static char the_same;
static void *elapsed_take(lua_State *L, int idx) {
  (void)L;
  (void)idx;
  return &the_same;
}
static void elapsed_push(lua_State *L, void *object) {
  (void)object;
  (void)rthL_new(L, rthL_find(L), RTHL_ELAPSED, 1, 0);
}
static void elapsed_drop(void *object) { (void)object; }

void rthL_open_timeout(lua_State *L, rthL_State *S) {
  static const luaL_Reg meta[] = {{"__tostring", elapsed_tostring},
                                  {NULL, NULL}};
  static const luaL_Reg functions[] = {{"timeout", time_timeout},
                                       {"timeout_at", time_timeout_at},
                                       {NULL, NULL}};
  static const rthL_MoveOps ops = {NULL, elapsed_take, elapsed_push,
                                   elapsed_drop, elapsed_drop};
  rthL_type(L, S, RTHL_ELAPSED, "rthandle.Elapsed", meta, NULL);
  rthL_set_move_ops(L, &ops);
  lua_pop(L, 1);
  rthL_setfuncs(L, S, functions);
}
