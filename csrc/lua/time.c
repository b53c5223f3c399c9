/* time - sleep, sleep_until, now, Sleep, and the test clock.
**
** WHY      the timer is part of the operation, in memory of the waiting
**          function: waiting allocates nothing in the core.
** THREADS  the one that runs the Lua state.
** OWNS     each timer has a reference to its runtime until the wait is over.
*/
#include <errno.h>

#include "lua/enter.h"
#include "lua/fiber.h"
#include "lua/handle.h"
#include "lua/move.h"

/* ---- rt.sleep ----------------------------------------------------------- */

typedef struct SleepOp { /* in a block: many sleep at once */
  rthL_Op op;
  rth_sleep_t timer;
} SleepOp;

typedef char sleep_fits[sizeof(SleepOp) <= RTHL_BLOCK ? 1 : -1];

static int sleep_cancel(rthL_State *S, rthL_Op *op, lua_State *to) {
  (void)to;
  rth_sleep_fini(&((SleepOp *)op)->timer);
  rthL_block_put(S, op);
  return 0;
}

static int sleep_done(lua_State *L, rthL_State *S, rthL_Op *op) {
  (void)sleep_cancel(S, op, L);
  return 0;
}

static int sleep_failed(lua_State *L, rthL_State *S, rthL_Op *op) {
  (void)sleep_cancel(S, op, L);
  return rthL_raise(L, RTH_ESHUTDOWN);
}

static rth_poll_t sleep_poll(rthL_State *S, rthL_Op *op, rth_cx_t *cx) {
  static const rthL_OpType failed = {sleep_poll, sleep_cancel, sleep_failed};
  rth_poll_t r = rth_sleep_poll(&((SleepOp *)op)->timer, cx);
  (void)S;
  if (r == RTH_FAILED) op->type = &failed;
  return r == RTH_PENDING ? RTH_PENDING : RTH_READY;
}

static SleepOp *new_op(lua_State *L, rthL_State *S) {
  static const rthL_OpType type = {sleep_poll, sleep_cancel, sleep_done};
  SleepOp *o = rthL_block_get(S);
  if (o == NULL) (void)rthL_raise(L, RTH_ENOMEM);
  o->op.type = &type;
  return o;
}

static int time_sleep(lua_State *L) {
  rthL_State *S = rthL_here(L);
  uint64_t ns = rthL_checkseconds(L, 1);
  rth_handle_t *h = rthL_checkcurrent(L, S);
  SleepOp *o = new_op(L, S);
  rth_sleep_init_in(&o->timer, h, ns);
  return rthL_await(L, S, &o->op, h);
}

static int time_sleep_until(lua_State *L) {
  rthL_State *S = rthL_here(L);
  uint64_t deadline = rthL_checkseconds(L, 1);
  rth_handle_t *h = rthL_checkcurrent(L, S);
  SleepOp *o = new_op(L, S);
  rth_sleep_init(&o->timer, h, deadline);
  return rthL_await(L, S, &o->op, h);
}

static int time_now(lua_State *L) {
  rth_handle_t *h = rthL_current(rthL_here(L));
  rthL_pushseconds(L, h != NULL ? rth_handle_now(h) : rth_now());
  return 1;
}

/* ---- Sleep -------------------------------------------------------------- */

/* now + ns, or for ever.  It may be long until such a timer is polled. */
static uint64_t deadline_in(rth_handle_t *h, uint64_t ns) {
  uint64_t now = rth_handle_now(h);
  return ns >= RTH_FOREVER - now ? RTH_FOREVER : now + ns;
}

typedef struct Sleep Sleep;

typedef struct ObjectOp { /* in a block */
  rthL_Op op;
  Sleep *sleep; /* NULL: collected, with the coroutine that waits, */
  rth_waker_t waker; /* which is why its end is told of by this */
  int failed;
} ObjectOp;

struct Sleep {
  rth_sleep_t timer;
  rth_handle_t *handle; /* owned; NULL: finalized */
  ObjectOp *wait;       /* NULL: nobody waits */
};

static rth_poll_t object_poll(rthL_State *S, rthL_Op *op, rth_cx_t *cx) {
  ObjectOp *o = (ObjectOp *)op;
  rth_poll_t r = RTH_READY;
  (void)S;
  if (o->sleep != NULL) r = rth_sleep_poll(&o->sleep->timer, cx);
  o->failed = r == RTH_FAILED;
  if (r != RTH_PENDING) return RTH_READY;
  if (!rth_waker_same(&o->waker, &cx->waker)) {
    rth_waker_drop(&o->waker);
    o->waker = rth_waker_clone(&cx->waker);
  }
  return RTH_PENDING;
}

static int object_cancel(rthL_State *S, rthL_Op *op, lua_State *to) {
  ObjectOp *o = (ObjectOp *)op;
  (void)to;
  if (o->sleep != NULL) {
    o->sleep->wait = NULL;
    rth_sleep_unregister(&o->sleep->timer);
  }
  rth_waker_drop(&o->waker);
  rthL_block_put(S, o);
  return 0;
}

static int object_finish(lua_State *L, rthL_State *S, rthL_Op *op) {
  int failed = ((ObjectOp *)op)->failed;
  (void)object_cancel(S, op, L);
  return failed ? rthL_raise(L, RTH_ESHUTDOWN) : 0;
}

static Sleep *check(lua_State *L) {
  Sleep *s = rthL_check(L, rthL_here(L), 1, RTHL_SLEEP);
  if (s->handle == NULL) luaL_argerror(L, 1, "Sleep is finalized");
  return s;
}

static int new_sleep(lua_State *L) {
  rthL_State *S = rthL_here(L);
  uint64_t ns = rthL_checkseconds(L, 1);
  rth_handle_t *h = rthL_checkcurrent(L, S);
  Sleep *s = rthL_new(L, S, RTHL_SLEEP, sizeof *s, 0);
  rth_sleep_init(&s->timer, h, deadline_in(h, ns));
  s->handle = rth_handle_clone(h);
  return 1;
}

static int sleep_await(lua_State *L) {
  static const rthL_OpType type = {object_poll, object_cancel, object_finish};
  rthL_State *S = rthL_here(L);
  Sleep *s = check(L);
  ObjectOp *o;
  if (s->wait != NULL) return luaL_error(L, "Sleep is already awaited");
  o = rthL_block_get(S);
  if (o == NULL) return rthL_raise(L, RTH_ENOMEM);
  o->op.type = &type;
  o->sleep = s;
  o->waker.ops = NULL;
  o->failed = 0;
  s->wait = o;
  return rthL_await(L, S, &o->op, s->handle);
}

static int sleep_reset(lua_State *L) {
  Sleep *s = check(L);
  uint64_t ns = rthL_checkseconds(L, 2);
  rth_sleep_reset(&s->timer, deadline_in(s->handle, ns));
  return 0;
}

static int sleep_deadline(lua_State *L) {
  rthL_pushseconds(L, check(L)->timer.deadline);
  return 1;
}

static int sleep_is_elapsed(lua_State *L) {
  Sleep *s = check(L);
  lua_pushboolean(L, rth_sleep_is_elapsed(&s->timer));
  return 1;
}

static int sleep_gc(lua_State *L) {
  Sleep *s = rthL_check(L, rthL_here(L), 1, RTHL_SLEEP);
  rth_handle_t *h = s->handle;
  if (h == NULL) return 0;
  s->handle = NULL;
  if (s->wait != NULL) {
    s->wait->sleep = NULL;
    rth_wake(&s->wait->waker);
  }
  rth_sleep_fini(&s->timer);
  rth_handle_free(h);
  return 0;
}

/* ---- the test clock ----------------------------------------------------- */

static int clock_result(lua_State *L, rth_handle_t *h, int rc,
                        const char *text) {
  if (rc == RTH_OK) return 0;
  if (rth_handle_flavor(h) != RTH_CURRENT_THREAD)
    return luaL_error(L, "the test clock requires the current_thread flavor");
  return luaL_error(L, "%s", rc == RTH_EINVAL ? text : rth_strerror(rc));
}

static int clock_pause(lua_State *L) {
  rth_handle_t *h = rthL_checkcurrent(L, rthL_here(L));
  return clock_result(L, h, rth_clock_pause(h), "time is already frozen");
}

static int clock_resume(lua_State *L) {
  rth_handle_t *h = rthL_checkcurrent(L, rthL_here(L));
  return clock_result(L, h, rth_clock_resume(h), "time is not frozen");
}

static int clock_advance(lua_State *L) {
  uint64_t ns = rthL_checkseconds(L, 1);
  rth_handle_t *h = rthL_checkcurrent(L, rthL_here(L));
  int rc = rth_clock_advance(h, ns);
  luaL_argcheck(L, rc != -ERANGE, 1, "the clock does not go that far");
  return clock_result(L, h, rc, "time is not frozen");
}

void rthL_open_time(lua_State *L, rthL_State *S) {
  static const luaL_Reg meta[] = {{"__gc", sleep_gc}, {NULL, NULL}};
  static const luaL_Reg methods[] = {{"await", sleep_await},
                                     {"reset", sleep_reset},
                                     {"deadline", sleep_deadline},
                                     {"is_elapsed", sleep_is_elapsed},
                                     {NULL, NULL}};
  static const luaL_Reg functions[] = {{"sleep", time_sleep},
                                       {"sleep_until", time_sleep_until},
                                       {"now", time_now},
                                       {NULL, NULL}};
  static const luaL_Reg library[] = {{"Sleep", new_sleep},
                                     {"pause", clock_pause},
                                     {"resume", clock_resume},
                                     {"advance", clock_advance},
                                     {NULL, NULL}};
  rthL_type(L, S, RTHL_SLEEP, "rthandle.Sleep", meta, methods);
  lua_pop(L, 1);
  rthL_setfuncs(L, S, functions);
  lua_newtable(L);
  rthL_setfuncs(L, S, library);
  lua_setfield(L, -2, "time");
}
