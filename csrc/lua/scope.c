/* scope - rt.scope: a function and the tasks that it spawns, which have all
** ended when scope returns.
**
** WHY      the function is a fiber inside the operation that the caller waits
**          for, as that of timeout is: so it is part of the calling task, and
**          can be cancelled when one of the tasks fails.  The ends of the
**          tasks come through the channel of a JoinSet.
** THREADS  the one that runs the Lua state.
** OWNS     the scope is the operation, and has the fiber and the set; the
**          registry has the scope until it is over.  User values: 1 and 2 are
**          the set's; 3 is the error of the function.
** INVARIANT  the first failure, of the function or of a task, sets `stopping`;
**          from then on nothing new runs, and no other failure counts.
*/
#include "lua/enter.h"
#include "lua/fiber.h"
#include "lua/taskset.h"

enum { ERROR_VALUE = 3 };

typedef struct Scope {
  rthL_Op op;
  rthL_Set set;
  rthL_Part body;
  rth_wait_t wait; /* for the next end of a task */
  int n;           /* values of the function, on top of its coroutine */
  rthL_Run run;    /* of the function; FAILED: it was cancelled, too */
  int kept;        /* in the registry; 0: it has not begun, or is over */
  uint8_t raised;  /* the function failed first: the error is kept */
  uint8_t stopping;
  uint8_t cancelled; /* one of the tasks was */
  uint8_t shut;      /* by the end of the runtime */
} Scope;

/* ---- stopping ----------------------------------------------------------- */

static int abort_protected(lua_State *L) {
  rthL_set_abort(L, lua_touserdata(L, 2));
  return 0;
}

static int leave_protected(lua_State *L) {
  Scope *s = lua_touserdata(L, 1);
  rthL_State *S = lua_touserdata(L, 2);
  rthL_set_abort(L, S);
  rthL_set_leave(L, S, &s->set);
  return 0;
}

/* Calls f(scope, S).  What it does cannot fail, but Lua code may run meanwhile
** that changes the tables it walks through.  Raises never: a closure would. */
static void with_scope(rthL_State *S, Scope *s, lua_CFunction f) {
  lua_State *L = S->from;
  if (!lua_checkstack(L, LUA_MINSTACK)) return;
  lua_pushcfunction(L, f);
  lua_rawgeti(L, LUA_REGISTRYINDEX, s->kept);
  lua_pushlightuserdata(L, S);
  if (lua_pcall(L, 2, 0, 0) != LUA_OK) lua_pop(L, 1);
}

/* The function waits: it is closed.  Answers 1 where that failed: the error
** is on top of `to`. */
static int close_body(rthL_State *S, Scope *s, rth_cx_t *cx, lua_State *to) {
  int failed = rthL_fiber_cancel(S, &s->body.fiber, cx, to);
  rthL_fiber_release(S, &s->body.fiber);
  s->run = RTHL_FAILED;
  return failed;
}

static void stop(rthL_State *S, Scope *s) {
  s->stopping = 1;
  with_scope(S, s, abort_protected);
}

/* ---- as an operation ---------------------------------------------------- */

/* One task has ended. */
static void task_ended(rthL_State *S, Scope *s, rth_msg_t *m) {
  lua_State *L = S->from;
  rthL_Ended *e = rthL_ended(m);
  int first = rthL_join_failed(e->join) && !s->stopping;
  if (rthL_join_cancelled(e->join)) s->cancelled = 1;
  if (!lua_checkstack(L, 8)) { /* it stays with the scope */
    m->drop(m);
    s->set.n--;
    return;
  }
  lua_rawgeti(L, LUA_REGISTRYINDEX, s->kept);
  (void)rthL_set_take(L, &s->set, e, lua_gettop(L));
  if (first) {
    lua_setiuservalue(L, -2, ERROR_VALUE); /* the JoinHandle has its error */
    lua_pop(L, 1);
    stop(S, s);
  } else {
    lua_pop(L, 2);
  }
}

/* The error of the function is on top of its coroutine. */
static void body_failed(rthL_State *S, Scope *s, rth_cx_t *cx) {
  lua_State *L = S->from;
  rth_cx_t *outer = S->cx;
  s->raised = 1;
  if (lua_checkstack(L, 4)) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, s->kept);
    S->cx = cx;
    rthL_fiber_error(L, S, &s->body.fiber);
    S->cx = outer;
    lua_setiuservalue(L, -2, ERROR_VALUE);
    lua_pop(L, 1);
  }
  rthL_fiber_release(S, &s->body.fiber);
  stop(S, s);
}

/* Takes out what has ended.  It waits for more though there be no task now:
** another one may spawn some. */
static void drain(rthL_State *S, Scope *s, rth_cx_t *cx) {
  rth_msg_t *m;
  while (rth_mpsc_recv_poll(s->set.box.core, &s->wait, &cx->waker, &m) ==
         RTH_READY)
    task_ended(S, s, m);
}

/* A task that failed is seen before the function goes on. */
static rth_poll_t scope_poll(rthL_State *S, rthL_Op *op, rth_cx_t *cx) {
  Scope *s = (Scope *)op;
  drain(S, s, cx);
  if (s->run == RTHL_WAITS && !s->stopping) {
    s->run = rthL_fiber_run(S, &s->body.fiber, cx, &s->n);
    if (s->run == RTHL_FAILED) body_failed(S, s, cx);
  }
  drain(S, s, cx);
  if (s->run == RTHL_WAITS && s->stopping && lua_checkstack(S->from, 2)) {
    if (close_body(S, s, cx, S->from)) lua_pop(S->from, 1);
    drain(S, s, cx); /* it may have spawned even then */
  }
  if (s->run == RTHL_WAITS || s->set.n > 0) return RTH_PENDING;
  /* Without a failure it would be as if all had gone well. */
  s->shut = s->cancelled && !s->stopping && rth_handle_is_shutdown(cx->handle);
  return s->shut && rthL_ends(cx) ? RTH_PENDING : RTH_READY;
}

/* Nobody waits any more: nothing can wait for the tasks. */
static int scope_cancel(rthL_State *S, rthL_Op *op, lua_State *to) {
  Scope *s = (Scope *)op;
  int failed = 0;
  s->stopping = 1;
  rth_wait_cancel(&s->wait);
  with_scope(S, s, leave_protected);
  if (s->run == RTHL_WAITS) failed = close_body(S, s, NULL, to);
  rthL_fiber_release(S, &s->body.fiber);
  rthL_set_close(&s->set);
  rthL_let_go(S, s->kept);
  s->kept = 0;
  return failed;
}

/* Raises the JoinError of the task that failed. */
static int raise_failure(lua_State *L, rthL_State *S) {
  if (lua_getiuservalue(L, 1, ERROR_VALUE) != LUA_TUSERDATA)
    return rthL_raise(L, RTH_ENOMEM);
  lua_replace(L, 1); /* the JoinHandle stands where its methods have it */
  lua_settop(L, 1);
  (void)rthL_join_outcome(L, S);
  return lua_error(L);
}

static int scope_finish(lua_State *L, rthL_State *S, rthL_Op *op) {
  Scope *s = (Scope *)op;
  rthL_Fiber *f = &s->body.fiber;
  int n = s->n;
  lua_settop(L, 1);
  rthL_let_go(S, s->kept);
  s->kept = 0;
  rth_wait_cancel(&s->wait);
  rthL_set_close(&s->set);
  if (s->stopping) {
    rthL_fiber_release(S, f);
    luaL_checkstack(L, 10, NULL);
    if (!s->raised) return raise_failure(L, S);
    lua_getiuservalue(L, 1, ERROR_VALUE);
    return lua_error(L);
  }
  if (s->shut) {
    rthL_fiber_release(S, f);
    return rthL_raise(L, RTH_ESHUTDOWN);
  }
  if (!lua_checkstack(L, n + 1)) {
    rthL_fiber_release(S, f);
    return luaL_error(L, "too many results");
  }
  lua_xmove(f->co, L, n);
  rthL_fiber_release(S, f);
  return n;
}

/* ---- rt.scope ----------------------------------------------------------- */

static int free_scope(lua_State *L) {
  static const rthL_OpType type = {scope_poll, scope_cancel, scope_finish};
  rthL_State *S = rthL_here(L);
  rth_handle_t *h;
  rthL_Fiber f;
  Scope *s;
  luaL_checktype(L, 1, LUA_TFUNCTION);
  h = rthL_checkcurrent(L, S);
  luaL_checkstack(L, 6, NULL);
  s = rthL_new(L, S, RTHL_SCOPE, sizeof *s, ERROR_VALUE);
  rthL_set_open(L, &s->set);
  s->op.type = &type;
  s->run = RTHL_WAITS;
  rth_wait_init(&s->wait);
  lua_insert(L, 1);
  lua_pushvalue(L, 1);
  lua_insert(L, 3); /* the scope, the function, the scope, arguments */
  rthL_fiber_open(L, S, &f);
  s->body.fiber = f;
  s->body.fiber.part = 1;
  s->body.whole = S->cur;
  s->kept = rthL_keep(L, 1);
  rthL_fiber_load(L, S, &s->body.fiber, 2);
  return rthL_await(L, S, &s->op, h);
}

/* ---- its methods -------------------------------------------------------- */

static Scope *check(lua_State *L) {
  return rthL_check(L, rthL_here(L), 1, RTHL_SCOPE);
}

static int spawn(lua_State *L, int kind) {
  Scope *s = check(L);
  if (s->set.box.core == NULL) return luaL_error(L, "the scope has ended");
  (void)rthL_set_spawn(L, &s->set, kind);
  if (s->stopping) rthL_join_stop(rthL_here(L), lua_touserdata(L, -1));
  return 1;
}

static int scope_spawn(lua_State *L) { return spawn(L, RTHL_SPAWN); }
static int scope_spawn_local(lua_State *L) {
  return spawn(L, RTHL_SPAWN_LOCAL);
}
static int scope_spawn_blocking(lua_State *L) {
  return spawn(L, RTHL_BLOCKING);
}
static int scope_spawn_with(lua_State *L) { return spawn(L, -1); }

static int scope_tostring(lua_State *L) {
  Scope *s = check(L);
  lua_pushfstring(L, "rthandle.Scope(%s, len=%I)",
                  s->set.box.core != NULL ? "open" : "ended",
                  (LUAI_UACINT)s->set.n);
  return 1;
}

/* One that waits is in the registry: then this is the end of the state, which
** has yet to close the task that waits. */
static int scope_gc(lua_State *L) {
  Scope *s = lua_touserdata(L, 1);
  if (s->kept != 0) return 0;
  rthL_fiber_release(rthL_here(L), &s->body.fiber);
  rthL_set_close(&s->set);
  return 0;
}

void rthL_open_scope(lua_State *L, rthL_State *S) {
  static const luaL_Reg meta[] = {
      {"__gc", scope_gc}, {"__tostring", scope_tostring}, {NULL, NULL}};
  static const luaL_Reg methods[] = {{"spawn", scope_spawn},
                                     {"spawn_local", scope_spawn_local},
                                     {"spawn_blocking", scope_spawn_blocking},
                                     {"spawn_with", scope_spawn_with},
                                     {NULL, NULL}};
  static const luaL_Reg functions[] = {{"scope", free_scope}, {NULL, NULL}};
  rthL_type(L, S, RTHL_SCOPE, "rthandle.Scope", meta, methods);
  lua_pop(L, 1);
  rthL_setfuncs(L, S, functions);
}
