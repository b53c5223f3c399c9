/* await - waiting for an operation: a suspension in a task, a blocked thread
** in plain code.
**
** WHY      one way for everything that waits: an operation with poll, cancel
**          and finish, whoever drives it.
** THREADS  the one that runs the Lua state.
*/
#include <string.h>

#include "lua/enter.h"
#include "lua/failure.h"
#include "lua/fiber.h"

const char rthL_suspend_mark = 0;

/* Where a script resumes the coroutine of a waiting task, it waits on. */
static int resumed(lua_State *L, int status, lua_KContext ctx) {
  rthL_Op *op = (rthL_Op *)ctx;
  rthL_State *S = rthL_here(L);
  (void)status;
  if (S->ready != op) return lua_yieldk(L, 0, ctx, resumed);
  S->ready = NULL;
  return op->type->finish(L, S, op);
}

static int suspend(lua_State *L, rthL_State *S, rthL_Op *op, lua_KContext ctx,
                   lua_KFunction k) {
  rthL_Fiber *f = S->cur;
  f->op = op;
  if (L == f->co) return lua_yieldk(L, 0, ctx, k);
  lua_pushlightuserdata(L, RTHL_SUSPEND);
  return lua_yieldk(L, 1, ctx, k);
}

/* NULL where this code may suspend the fiber, else why not. */
static const char *refusal(lua_State *L, rthL_State *S) {
  if (S->cur->closing)
    return "cannot suspend while the task is being closed";
  if (L == S->running ? !lua_isyieldable(L) : S->ccall)
    return "attempt to yield across a C-call boundary";
  if (L != S->running)
    return "cannot suspend inside a plain coroutine: "
           "create it with rthandle.coroutine";
  return NULL;
}

int rthL_may_suspend(lua_State *L, rthL_State *S) {
  return refusal(L, S) == NULL;
}

int rthL_ends_here(lua_State *L, rthL_State *S) {
  return S->cur != NULL && rthL_ends(S->cx) && rthL_may_suspend(L, S);
}

/* The wait will not be: leaves the operation. */
static void leave(lua_State *L, rthL_State *S, rthL_Op *op) {
  if (op->type->cancel(S, op, L)) lua_error(L);
}

/* ---- plain code: the operation as a future of its own ------------------- */

typedef struct Root {
  rthL_State *S;
  rthL_Op *op;
} Root;

static rth_poll_t op_poll(void *self, rth_cx_t *cx, void **out) {
  Root *r = self;
  *out = NULL;
  return r->op->type->poll(r->S, r->op, cx);
}

static const rth_future_ops_t op_ops = {op_poll, NULL, NULL, NULL};

int rthL_interrupted(const rthL_State *S) {
  return lua_gethookmask(S->L) != 0 && lua_gethook(S->L) != S->hook;
}

static int interrupted(void *arg) { return rthL_interrupted(arg); }

static int nothing(lua_State *L) {
  (void)L;
  return 0;
}

int rthL_raise_interrupt(lua_State *L, rthL_State *S) {
  S->interrupted = 1;
  luaL_checkstack(S->L, 4, NULL);
  lua_pushcfunction(S->L, nothing);
  if (lua_pcall(S->L, 0, 0, 0) != LUA_OK) {
    if (L != S->L) lua_xmove(S->L, L, 1);
    return lua_error(L);
  }
  return luaL_error(L, "interrupted!");
}

static uint64_t before_wait(void *arg) {
  rthL_pool_age(arg);
  return rthL_look_for_dropped(arg);
}

/* Answers, with everything as before, what the core answered. */
static int wait_here(lua_State *L, rthL_State *S, rth_handle_t *h, int drive,
                     const rth_future_ops_t *ops, void *self,
                     rth_outcome_t *o) {
  lua_State *from = S->from;
  lua_Hook hook = S->hook;
  rthL_Executor *e;
  rth_block_on_t opts;
  int rc = rthL_executor_open(S, h, &e);
  if (rc != RTH_OK) return rc;
  if (!lua_checkstack(L, LUA_MINSTACK)) return RTH_ENOMEM;
  memset(&opts, 0, sizeof opts);
  opts.drive = drive >= 0 ? drive : e->drive;
  opts.arg = S;
  opts.before_wait = before_wait;
  if (!S->own) opts.interrupted = interrupted;
  S->from = L;
  S->hook = lua_gethook(S->L);
  S->interrupted = 0;
  S->ran = RTHL_RAN;
  rc = rth_local_block_on(e->local, &opts, ops, self, o);
  S->hook = hook;
  S->from = from;
  return rc;
}

static int await_plain(lua_State *L, rthL_State *S, rthL_Op *op,
                       rth_handle_t *h) {
  Root root;
  rth_outcome_t o;
  int rc;
  root.S = S;
  root.op = op;
  rc = wait_here(L, S, h, -1, &op_ops, &root, &o);
  if (rc == RTH_OK && o.how == RTH_READY) return op->type->finish(L, S, op);
  leave(L, S, op);
  if (rc == RTH_EINTR) return rthL_raise_interrupt(L, S);
  return rthL_raise(L, rc != RTH_OK ? rc : RTH_ESHUTDOWN);
}

/* ---- both --------------------------------------------------------------- */

static int refuse(lua_State *L, rthL_State *S, rthL_Op *op, const char *why) {
  leave(L, S, op);
  return luaL_error(L, "%s", why);
}

int rthL_await_pending(lua_State *L, rthL_State *S, rthL_Op *op) {
  const char *why = refusal(L, S);
  if (why != NULL) return refuse(L, S, op, why);
  return suspend(L, S, op, (lua_KContext)op, resumed);
}

int rthL_await(lua_State *L, rthL_State *S, rthL_Op *op, rth_handle_t *h) {
  rth_cx_t *cx = S->cx;
  const char *why;
  if (S->cur == NULL) return await_plain(L, S, op, h);
  why = refusal(L, S);
  if (why != NULL) return refuse(L, S, op, why);
  if (cx->budget != NULL && *cx->budget == 0) {
    rth_yield(cx);
  } else if (op->type->poll(S, op, cx) == RTH_READY) {
    (void)rth_budget(cx);
    return op->type->finish(L, S, op);
  }
  return suspend(L, S, op, (lua_KContext)op, resumed);
}

/* ---- yield_now ---------------------------------------------------------- */

typedef struct YieldOp {
  rthL_Op op;
  int done;
} YieldOp;

static rth_poll_t yield_poll(rthL_State *S, rthL_Op *op, rth_cx_t *cx) {
  YieldOp *y = (YieldOp *)op;
  (void)S;
  if (y->done) return RTH_READY;
  y->done = 1;
  rth_yield(cx);
  return RTH_PENDING;
}

static int no_cancel(rthL_State *S, rthL_Op *op, lua_State *to) {
  (void)S;
  (void)op;
  (void)to;
  return 0;
}

static int no_values(lua_State *L, rthL_State *S, rthL_Op *op) {
  (void)L;
  (void)S;
  (void)op;
  return 0;
}

/* In a task the suspension is the first poll, and the second is ready. */
static const rthL_OpType yield_type = {NULL, no_cancel, no_values};
static rthL_Op yield_op = {&yield_type};

static int yielded(lua_State *L, int status, lua_KContext ctx) {
  rthL_State *S = (rthL_State *)ctx;
  (void)status;
  if (S->ready != &yield_op) return lua_yieldk(L, 0, ctx, yielded);
  S->ready = NULL;
  return 0;
}

int rthL_yield_now(lua_State *L) {
  static const rthL_OpType plain = {yield_poll, no_cancel, no_values};
  rthL_State *S = rthL_here(L);
  rthL_Fiber *f = S->cur;
  const char *why;
  rth_handle_t *h;
  YieldOp y;
  if (f != NULL) {
    why = refusal(L, S);
    if (why != NULL) return luaL_error(L, "%s", why);
    rth_yield(S->cx);
    return suspend(L, S, &yield_op, (lua_KContext)S, yielded);
  }
  h = rthL_current(S);
  if (h == NULL) return 0;
  y.op.type = &plain;
  y.done = 0;
  return await_plain(L, S, &y.op, h);
}

/* ---- block_on ----------------------------------------------------------- */

typedef struct Main {
  rthL_State *S;
  rthL_Fiber *fiber;
  int n; /* values on top of its coroutine */
  rthL_Run run;
} Main;

static rth_poll_t main_poll(void *self, rth_cx_t *cx, void **out) {
  Main *m = self;
  *out = NULL;
  m->run = rthL_fiber_run(m->S, m->fiber, cx, &m->n);
  return m->run == RTHL_WAITS ? RTH_PENDING : RTH_READY;
}

static rth_poll_t main_cancel(void *self, rth_cx_t *cx, void **out) {
  (void)self;
  (void)cx;
  (void)out;
  return RTH_PENDING; /* closed afterwards, where an error has a place */
}

static const rth_future_ops_t main_ops = {main_poll, main_cancel, NULL, NULL};

/* The fiber ended by itself: its values, or its error, come to L. */
static int main_result(lua_State *L, rthL_State *S, Main *m) {
  rthL_Fiber *f = m->fiber;
  if (m->run == RTHL_FAILED) {
    rthL_fiber_error(L, S, f);
    rthL_fiber_release(S, f);
    return lua_error(L);
  }
  if (!lua_checkstack(L, m->n + 1)) {
    rthL_fiber_release(S, f);
    return luaL_error(L, "too many results");
  }
  lua_xmove(f->co, L, m->n);
  rthL_fiber_release(S, f);
  return m->n;
}

void rthL_checkawaitable(lua_State *L, int first) {
  int type = lua_type(L, first);
  if (type == LUA_TFUNCTION) return;
  if (type == LUA_TTABLE ||
      (type == LUA_TUSERDATA && luaL_getmetafield(L, first, "__index"))) {
    if (type == LUA_TUSERDATA) lua_pop(L, 1);
    if (lua_getfield(L, first, "await") == LUA_TFUNCTION) {
      lua_insert(L, first);
      return;
    }
  }
  luaL_typeerror(L, first, "function or awaitable");
}

int rthL_block_on(lua_State *L, rthL_State *S, rth_handle_t *h, int drive,
                  int first) {
  lua_State *from = S->from;
  rth_cx_t cx;
  rth_outcome_t o;
  rthL_Part part; /* of this plain code, whose task-local values it has */
  rthL_Fiber *f = &part.fiber;
  Main m;
  int rc, failed;
  if (rth_is_driving()) return rthL_raise(L, RTH_ENESTED);
  rthL_checkawaitable(L, first);
  rthL_fiber_open(L, S, f);
  f->part = 1;
  part.whole = NULL;
  rthL_fiber_load(L, S, f, first);
  memset(&m, 0, sizeof m);
  m.S = S;
  m.fiber = f;
  m.run = RTHL_WAITS;
  rc = wait_here(L, S, h, drive, &main_ops, &m, &o);
  if (rc == RTH_OK && m.run != RTHL_WAITS) return main_result(L, S, &m);
  memset(&cx, 0, sizeof cx);
  cx.handle = h;
  S->from = L;
  failed = rthL_fiber_cancel(S, f, &cx, L);
  S->from = from;
  rthL_fiber_release(S, f);
  if (failed) return lua_error(L);
  if (rc == RTH_EINTR) return rthL_raise_interrupt(L, S);
  return rthL_raise(L, rc != RTH_OK ? rc : RTH_ESHUTDOWN);
}
