/* local - tasks of spawn_local: they share the Lua state of their caller.
**
** WHY      such a task must cost little more than a plain coroutine.  So the
**          task and its JoinHandle are one userdata without a finalizer; the
**          core's task is a pointer to it.  A task that is awaited before it
**          was started runs in the await; the core does not even hear of it
**          unless its spawner suspends first.  Only a failure gets an object
**          with a finalizer, the watch: one that nobody looks at is reported.
** THREADS  the one that runs the Lua state.
** OWNS     the core's JoinHandle until the task ends, then (failed) the watch.
** INVARIANT  *self == t while the core may poll t; NULL afterwards.
*/
#include <string.h>

#include "lua/enter.h"
#include "lua/join.h"
#include "lua/thread.h"

typedef struct Watch {
  rth_join_t *core; /* with the failure as output; NULL: seen */
} Watch;

/* ---- tasks that the core has not got ------------------------------------ */

static rthL_Task *fresh_next(rthL_Task *t) { return (rthL_Task *)t->fiber.op; }
static rthL_Task **fresh_place(rthL_Task *t) {
  return (rthL_Task **)&t->fiber.op;
}

static void fresh_link(rthL_State *S, rthL_Task *t) {
  t->join.fresh = 1;
  t->join.u.from = S->fresh_last;
  *S->fresh_last = t;
  S->fresh_last = fresh_place(t);
}

static void fresh_unlink(rthL_State *S, rthL_Task *t) {
  rthL_Task **from = t->join.u.from, *next = fresh_next(t);
  *from = next;
  if (next != NULL)
    next->join.u.from = from;
  else
    S->fresh_last = from;
  t->join.fresh = 0;
  t->join.u.core = NULL;
  t->fiber.op = NULL;
}

/* ---- holding the userdata while it is suspended ------------------------- */

/* The userdata is at index `at` of L. */
static void hold(lua_State *L, rthL_State *S, rthL_Task *t, int at) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, S->anchors);
  lua_rawgeti(L, -1, t->fiber.ref); /* the coroutine */
  lua_setiuservalue(L, at, 1);
  lua_pushvalue(L, at);
  lua_rawseti(L, -2, t->fiber.ref);
  lua_pop(L, 1);
  t->join.held = 1;
}

/* The coroutine has ended or was closed. */
static void let_go(rthL_State *S, rthL_Task *t) {
  lua_State *co = t->fiber.co;
  lua_settop(co, 0);
  lua_rawgeti(co, LUA_REGISTRYINDEX, S->anchors);
  lua_pushthread(co);
  lua_rawseti(co, -2, t->fiber.ref);
  t->join.held = 0;
}

/* ---- the end ------------------------------------------------------------ */

/* The core's task does nothing any more. */
static void leave_core(rth_join_t *core) {
  *(rthL_Task **)rth_join_self(core) = NULL;
}

/* Everything about it is settled: gives back what it had. */
static void ended(rthL_State *S, rthL_Task *t) {
  rth_join_t *core = t->join.u.core;
  t->join.u.core = NULL;
  if (t->join.held) let_go(S, t);
  rthL_fiber_release(S, &t->fiber);
  if (core != NULL) {
    leave_core(core);
    rth_join_free(core);
  }
  rthL_join_wake(&t->join);
}

typedef struct End {
  rthL_State *S;
  rthL_Task *t;
  int n;                  /* values on top of the coroutine */
  int here;               /* it ran inside an await */
  int at;                 /* where S->from has the userdata, unless held */
  rth_cx_t *cx;
  rthL_Failure *failure;  /* made by the calls below */
} End;

/* More than one value: a table, in user value 1 of the JoinHandle at 2. */
static int pack(lua_State *L) {
  End *e = lua_touserdata(L, 1);
  int i;
  luaL_checkstack(L, e->n + 1, NULL);
  lua_createtable(L, e->n, 0);
  lua_xmove(e->t->fiber.co, L, e->n);
  for (i = e->n; i > 0; i--) lua_rawseti(L, 3, i);
  lua_setiuservalue(L, 2, 1);
  return 0;
}

/* The failure becomes the JoinError (it ran in an await, which looks at it) or
** the output of the core's task, in the hands of the watch.  The error is on
** top of L, the JoinHandle at 2. */
static int keep_failure(lua_State *L, End *e) {
  rthL_Task *t = e->t;
  Watch *w;
  if (e->here) {
    rthL_pushjoinerror(L, e->S, e->failure, 1);
    lua_setiuservalue(L, 2, 1);
    return 0;
  }
  w = rthL_new(L, e->S, RTHL_WATCH, sizeof *w, 1);
  e->S->handles++;
  lua_insert(L, -2);
  lua_setiuservalue(L, -2, 1);
  w->core = t->join.u.core;
  t->join.u.core = NULL;
  leave_core(w->core);
  lua_setiuservalue(L, 2, 1);
  return 0;
}

/* The error is on top of the coroutine. */
static int fail(lua_State *L) {
  End *e = lua_touserdata(L, 1);
  rthL_Task *t = e->t;
  rthL_Who who = rthL_join_who(L, &t->join, 2);
  e->failure = rthL_failure_of(L, e->S, &t->fiber, &who);
  return keep_failure(L, e);
}

/* Closes the coroutine.  No failure: it went well. */
static int close_fiber(lua_State *L) {
  End *e = lua_touserdata(L, 1);
  rthL_Task *t = e->t;
  rthL_Who who = rthL_join_who(L, &t->join, 2);
  if (!rthL_fiber_cancel(e->S, &t->fiber, e->cx, L)) return 0;
  lua_pushnil(L); /* its stack is gone: no traceback */
  e->failure = rthL_failure_new(L, e->S, 5, 6, &who);
  lua_pop(L, 1);
  return keep_failure(L, e);
}

/* Calls f(e, JoinHandle), protected. */
static int call(rthL_State *S, lua_CFunction f, End *e) {
  lua_State *L = S->from;
  int rc;
  if (!lua_checkstack(L, 6)) return LUA_ERRMEM;
  lua_pushcfunction(L, f);
  lua_pushlightuserdata(L, e);
  if (e->t->join.held) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, S->anchors);
    lua_rawgeti(L, -1, e->t->fiber.ref);
    lua_remove(L, -2);
  } else {
    lua_pushvalue(L, e->at);
  }
  rc = lua_pcall(L, 2, 0, 0);
  if (rc != LUA_OK) lua_pop(L, 1);
  return rc;
}

/* The core reports it when its JoinHandle goes. */
static rthL_Failure *unseen(void) {
  rthL_failure_made();
  return rthL_failure_nomemory(0);
}

/* f makes e->failure. */
static rth_poll_t end_failed(End *e, lua_CFunction f, void **out) {
  rthL_Task *t = e->t;
  e->failure = NULL;
  *out = NULL;
  if (call(e->S, f, e) != LUA_OK) { /* no memory even for that */
    rthL_fiber_abandon(e->S, &t->fiber, e->cx);
    rthL_failure_free(e->failure);
    t->join.state = RTHL_J_RAW;
    /* Nor for a watch: it is reported now, unless somebody waits for it. */
    if (!e->here && t->join.head == NULL) *out = unseen();
  } else if (e->failure == NULL) {
    t->join.state = RTHL_J_CANCELLED;
  } else if (e->here) {
    t->join.state = RTHL_J_ERROR;
  } else {
    t->join.state = RTHL_J_WATCH;
    rthL_failure_made();
    *out = e->failure;
  }
  ended(e->S, t);
  return *out != NULL ? RTH_FAILED : RTH_READY;
}

static rth_poll_t end_values(End *e, void **out) {
  rthL_Task *t = e->t;
  if (e->n == 1) {
    lua_setiuservalue(t->fiber.co, 1, 1);
  } else if (e->n > 1 && call(e->S, pack, e) != LUA_OK) {
    return end_failed(e, fail, out);
  }
  t->join.n = e->n;
  t->join.state = RTHL_J_VALUES;
  ended(e->S, t);
  return RTH_READY;
}

/* The userdata is at index `at` of S->from, unless it is held. */
static rth_poll_t step(rthL_State *S, rthL_Task *t, rth_cx_t *cx, int here,
                       int at, void **out) {
  End e;
  e.S = S;
  e.t = t;
  e.here = here;
  e.at = at;
  e.cx = cx;
  *out = NULL;
  switch (rthL_fiber_run(S, &t->fiber, cx, &e.n)) {
    case RTHL_ENDED:
      return end_values(&e, out);
    case RTHL_FAILED:
      return end_failed(&e, fail, out);
    default:
      if (!t->join.held) hold(S->from, S, t, at);
      return RTH_PENDING;
  }
}

rth_poll_t rthL_local_run_here(rthL_State *S, rthL_Task *t, rth_cx_t *cx) {
  rth_cx_t mine = *cx;
  rth_poll_t r;
  void *out;
  /* Where it suspends, its operation wakes the task that awaits it; that does
  ** no harm: the core has it in its queue and polls it under its own waker. */
  mine.task_id = t->join.id;
  mine.root = 0;
  if (t->join.fresh) fresh_unlink(S, t);
  S->depth++;
  t->join.here = 1;
  r = step(S, t, &mine, 1, 1, &out);
  t->join.here = 0;
  S->depth--;
  if (r == RTH_PENDING && t->join.u.core == NULL) {
    rthL_local_flush(S, cx->local); /* who came before it, is queued before */
    rthL_local_give(S, t, cx->local);
  }
  return r;
}

/* ---- as the core sees it ------------------------------------------------ */

/* Not started yet: the bottom of its stack can be reached. */
static rth_poll_t first_step(rthL_State *S, rthL_Task *t, rth_cx_t *cx,
                             void **out) {
  lua_State *L = S->from;
  rth_poll_t r;
  lua_pushvalue(t->fiber.co, 1);
  lua_xmove(t->fiber.co, L, 1);
  r = step(S, t, cx, 0, lua_gettop(L), out);
  lua_pop(L, 1);
  return r;
}

static rth_poll_t local_poll(void *self, rth_cx_t *cx, void **out) {
  rthL_Task *t = *(rthL_Task **)self;
  *out = NULL;
  if (t == NULL) return RTH_READY; /* ended inside an await */
  return t->join.held ? step(cx->data, t, cx, 0, 0, out)
                      : first_step(cx->data, t, cx, out);
}

static rth_poll_t local_cancel(void *self, rth_cx_t *cx, void **out) {
  rthL_Task *t = *(rthL_Task **)self;
  End e;
  if (t == NULL) return RTH_PENDING;
  e.S = cx->data;
  e.t = t;
  e.here = 0;
  e.cx = cx;
  if (t->fiber.started)
    return end_failed(&e, close_fiber, out) == RTH_FAILED ? RTH_FAILED
                                                          : RTH_PENDING;
  t->join.state = RTHL_J_CANCELLED;
  ended(e.S, t);
  return RTH_PENDING;
}

static void local_drop_out(void *out, rth_poll_t how) {
  if (how == RTH_FAILED) rthL_failure_free(out);
}

static const rth_future_ops_t local_ops = {local_poll, local_cancel, NULL,
                                           local_drop_out};

/* The core did not take t: it is cancelled, or has failed for lack of memory
** (RTHL_J_RAW), so that whoever counts on it gets to know. */
static void not_taken(rthL_State *S, rthL_Task *t, int state) {
  End e;
  void *out;
  if (t->join.here) return; /* it runs: tried again when it suspends */
  if (!t->fiber.started) {
    t->join.state = (uint8_t)state;
    ended(S, t);
    return;
  }
  e.S = S;
  e.t = t;
  e.here = 1; /* nobody but the JoinHandle gets to know of an error */
  e.cx = S->cx;
  (void)end_failed(&e, close_fiber, &out);
  if (t->join.state == RTHL_J_CANCELLED) t->join.state = (uint8_t)state;
}

/* It is not fresh, and has no core yet. */
void rthL_local_give(rthL_State *S, rthL_Task *t, rth_local_t *l) {
  rth_join_t *core = NULL;
  int rc = rth_local_spawn_reserved(l, t->join.id, &local_ops, &t, sizeof t,
                                    &core);
  if (rc == RTH_OK && !rth_join_is_finished(core)) {
    t->join.u.core = core;
    return;
  }
  if (core != NULL) rth_join_free(core);
  not_taken(S, t, rc == RTH_ENOMEM ? RTHL_J_RAW : RTHL_J_CANCELLED);
}

void rthL_local_flush(rthL_State *S, rth_local_t *l) {
  while (S->fresh != NULL) {
    rthL_Task *t = S->fresh;
    fresh_unlink(S, t);
    rthL_local_give(S, t, l);
  }
}

void rthL_local_forget(rthL_State *S, rthL_Task *t) {
  fresh_unlink(S, t);
  not_taken(S, t, RTHL_J_CANCELLED);
}

/* ---- spawn_local -------------------------------------------------------- */

int rthL_local_runs(const rthL_State *S, const rth_handle_t *h) {
  return S->executor != NULL || S->cur == NULL || S->cx->handle == h;
}

int rthL_local_refuse(lua_State *L) {
  return luaL_error(L, "cannot wait here for a local task of another runtime, "
                       "which runs only in a block_on of that one: use spawn, "
                       "or spawn_local of the runtime of this task");
}

/* In a state of a runtime every task runs on the executor of its thread. */
static rth_local_t *executor_for(lua_State *L, rthL_State *S,
                                 rth_handle_t *h) {
  rthL_Executor *e;
  int rc;
  if (S->executor != NULL) return S->executor;
  if (S->cur != NULL && rthL_local_runs(S, h)) return S->cx->local;
  rc = rthL_executor_open(S, h, &e);
  if (rc != RTH_OK) rthL_raise(L, rc);
  return e->local;
}

static rthL_Task *task_new(lua_State *L, rthL_State *S, rthL_Tags tags) {
  int nuv = tags.where != 0 ? 3 : tags.name != 0 ? 2 : 1;
  rthL_Task *t = rthL_new(L, S, RTHL_LOCAL, sizeof *t, nuv);
  t->join.local = 1;
  if (tags.name != 0) {
    t->join.named = 1;
    lua_pushvalue(L, tags.name);
    lua_setiuservalue(L, -2, 2);
  }
  if (tags.where != 0) {
    t->join.placed = 1;
    lua_pushvalue(L, tags.where);
    lua_setiuservalue(L, -2, 3);
  }
  return t;
}

/* The JoinHandle is on top of L, the function and its arguments from f on up
** to `last`. */
static void load(lua_State *L, rthL_State *S, rthL_Task *t, int f, int last) {
  rthL_Fiber *fiber = &t->fiber;
  int i, n = last - f + 2;
  if (n > LUA_MINSTACK / 2) luaL_checkstack(L, n + 4, "too many arguments");
  rthL_fiber_open(L, S, fiber);
  if (!lua_checkstack(fiber->co, n + 2)) {
    rthL_fiber_release(S, fiber);
    luaL_error(L, "too many arguments");
  }
  fiber->base = 1;
  lua_pushvalue(L, -1);
  for (i = f; i <= last; i++) lua_pushvalue(L, i);
  lua_xmove(L, fiber->co, n);
}

int rthL_spawn_local(lua_State *L, rthL_State *S, rth_handle_t *h, int f,
                     rthL_Tags tags) {
  int last = lua_gettop(L);
  rth_local_t *local;
  rthL_Task *t;
  luaL_checktype(L, f, LUA_TFUNCTION);
  local = executor_for(L, S, h);
  t = task_new(L, S, tags);
  load(L, S, t, f, last);
  if (S->executor != NULL && rth_handle_id(h) != rth_handle_id(S->home))
    rthL_enter_under(L, S, &t->fiber, h);
  t->join.id = rth_local_reserve(local);
  if (t->join.id == 0) { /* shut down */
    t->join.id = rth_task_new_id();
    not_taken(S, t, RTHL_J_CANCELLED);
  } else if (S->cur != NULL && !S->cur->closing && local == S->cx->local) {
    fresh_link(S, t);
  } else {
    rthL_local_give(S, t, local);
  }
  return 1;
}

/* ---- the watch ---------------------------------------------------------- */

void rthL_watch_see(lua_State *L, rthL_State *S) {
  Watch *w = lua_touserdata(L, -1);
  rth_waker_t none = {NULL, NULL};
  rth_join_t *core = w->core;
  rthL_Failure **f;
  rth_outcome_t o;
  lua_getiuservalue(L, -1, 1);
  f = rthL_newjoinerror(L, S);
  o.how = RTH_PENDING;
  if (core == NULL || rth_join_poll(core, &none, &o) != RTH_READY ||
      o.how != RTH_FAILED)
    o.value = rthL_failure_nomemory(0);
  w->core = NULL;
  if (core != NULL) rth_join_free(core);
  rthL_failure_seen();
  *f = o.value;
  lua_remove(L, -2);
}

static int watch_gc(lua_State *L) {
  Watch *w = rthL_check(L, rthL_here(L), 1, RTHL_WATCH);
  rth_join_t *core = w->core;
  w->core = NULL;
  rthL_here(L)->handles--;
  if (core != NULL) rth_join_free(core); /* the core reports it */
  return 0;
}

void rthL_open_local(lua_State *L, rthL_State *S) {
  static const luaL_Reg meta[] = {{"__gc", watch_gc}, {NULL, NULL}};
  rthL_type(L, S, RTHL_WATCH, "rthandle.Failure", meta, NULL);
  lua_pop(L, 1);
}
