/* interval - rt.interval: ticks at a period.
**
** WHY      the deadline moves when a tick is taken, not when it fires, so a
**          tick that nobody waited for is not lost.
** THREADS  the one that runs the Lua state.
** OWNS     the timer, and a reference to its runtime.  While somebody waits the
**          registry has the Interval, for the operation is part of it.
*/
#include "lua/enter.h"
#include "lua/fiber.h"
#include "lua/handle.h"

typedef enum Missed { BURST, DELAY, SKIP } Missed;

typedef struct Interval {
  rthL_Op op;
  rth_sleep_t timer;
  rth_handle_t *handle; /* owned; NULL: finalized */
  uint64_t period;
  int kept; /* while it waits */
  Missed missed;
  uint8_t waiting, failed;
} Interval;

enum { LATE = 5000000 }; /* ns: a tick later than this was missed */

static uint64_t after(uint64_t t, uint64_t ns) {
  return ns >= RTH_FOREVER - t ? RTH_FOREVER : t + ns;
}

/* The deadline that follows `due`. */
static uint64_t next_after(const Interval *v, uint64_t due, uint64_t now) {
  if (now > after(due, LATE)) {
    if (v->missed == DELAY) return after(now, v->period);
    if (v->missed == SKIP)
      return after(now, v->period - (now - due) % v->period);
  }
  return after(due, v->period);
}

static rth_poll_t tick_poll(rthL_State *S, rthL_Op *op, rth_cx_t *cx) {
  Interval *v = (Interval *)op;
  rth_poll_t r = rth_sleep_poll(&v->timer, cx);
  (void)S;
  v->failed = r == RTH_FAILED;
  return r == RTH_PENDING ? RTH_PENDING : RTH_READY;
}

static void leave(rthL_State *S, Interval *v) {
  int kept = v->kept;
  v->waiting = 0;
  v->kept = 0;
  rthL_let_go(S, kept);
}

static int tick_cancel(rthL_State *S, rthL_Op *op, lua_State *to) {
  Interval *v = (Interval *)op;
  (void)to;
  rth_sleep_unregister(&v->timer);
  leave(S, v);
  return 0;
}

static int tick_finish(lua_State *L, rthL_State *S, rthL_Op *op) {
  Interval *v = (Interval *)op;
  uint64_t due = v->timer.deadline;
  leave(S, v);
  if (v->failed) return rthL_raise(L, RTH_ESHUTDOWN);
  rth_sleep_reset(&v->timer, next_after(v, due, rth_handle_now(v->handle)));
  rthL_pushseconds(L, due);
  return 1;
}

static Interval *check(lua_State *L) {
  Interval *v = rthL_check(L, rthL_here(L), 1, RTHL_INTERVAL);
  if (v->handle == NULL) luaL_argerror(L, 1, "Interval is finalized");
  return v;
}

static int interval_tick(lua_State *L) {
  Interval *v = check(L);
  if (v->waiting) return luaL_error(L, "Interval is already awaited");
  v->kept = rthL_keep(L, 1);
  v->waiting = 1;
  return rthL_await(L, rthL_here(L), &v->op, v->handle);
}

static int interval_reset(lua_State *L) {
  Interval *v = check(L);
  rth_sleep_reset(&v->timer, after(rth_handle_now(v->handle), v->period));
  return 0;
}

static int interval_period(lua_State *L) {
  rthL_pushseconds(L, check(L)->period);
  return 1;
}

static int interval_missed(lua_State *L) {
  static const char *const names[] = {"burst", "delay", "skip", NULL};
  Interval *v = check(L);
  if (lua_isnoneornil(L, 2)) {
    lua_pushstring(L, names[v->missed]);
    return 1;
  }
  v->missed = (Missed)luaL_checkoption(L, 2, NULL, names);
  return 0;
}

static int interval_gc(lua_State *L) {
  Interval *v = rthL_check(L, rthL_here(L), 1, RTHL_INTERVAL);
  rth_handle_t *h = v->handle;
  if (h == NULL) return 0;
  v->handle = NULL;
  rth_sleep_fini(&v->timer);
  rth_handle_free(h);
  return 0;
}

static int make(lua_State *L, rthL_State *S, rth_handle_t *h, uint64_t start,
                uint64_t period) {
  static const rthL_OpType type = {tick_poll, tick_cancel, tick_finish};
  Interval *v = rthL_new(L, S, RTHL_INTERVAL, sizeof *v, 0);
  v->op.type = &type;
  v->period = period;
  rth_sleep_init(&v->timer, h, start);
  v->handle = rth_handle_clone(h);
  return 1;
}

static uint64_t check_period(lua_State *L, int arg) {
  uint64_t ns = rthL_checkseconds(L, arg);
  luaL_argcheck(L, ns > 0, arg, "`period` must be non-zero");
  return ns;
}

static int free_interval(lua_State *L) {
  rthL_State *S = rthL_here(L);
  uint64_t period = check_period(L, 1);
  rth_handle_t *h = rthL_checkcurrent(L, S);
  return make(L, S, h, rth_handle_now(h), period);
}

static int free_interval_at(lua_State *L) {
  rthL_State *S = rthL_here(L);
  uint64_t start = rthL_checkseconds(L, 1);
  uint64_t period = check_period(L, 2);
  return make(L, S, rthL_checkcurrent(L, S), start, period);
}

void rthL_open_interval(lua_State *L, rthL_State *S) {
  static const luaL_Reg meta[] = {{"__gc", interval_gc}, {NULL, NULL}};
  static const luaL_Reg methods[] = {
      {"tick", interval_tick},
      {"reset", interval_reset},
      {"period", interval_period},
      {"missed_tick_behavior", interval_missed},
      {NULL, NULL}};
  static const luaL_Reg functions[] = {{"interval", free_interval},
                                       {"interval_at", free_interval_at},
                                       {NULL, NULL}};
  rthL_type(L, S, RTHL_INTERVAL, "rthandle.Interval", meta, methods);
  lua_pop(L, 1);
  rthL_setfuncs(L, S, functions);
}
