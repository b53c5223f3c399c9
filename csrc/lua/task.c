/* task - tasks that are moved into another Lua state.
**
** WHY      a started coroutine never leaves its state.  So a spawned task is a
**          message (code, captures, arguments) that any worker may take; its
**          first poll pins it, and makes a coroutine of it in that worker's
**          state.
** THREADS  made on any thread; polled, and dropped once polled, by one.
** OWNS     the message until the first poll, then the fiber; the tags.
*/
#include "lua/task.h"

#include <stdlib.h>
#include <string.h>

#include "lua/failure.h"
#include "lua/join.h"
#include "lua/thread.h"

typedef struct Moved {
  rthL_Message *message; /* NULL: started */
  char *name, *where;    /* owned; NULL: none */
  rthL_State *S;         /* once started */
  rthL_Fiber fiber;
} Moved;

/* One protected call of what happens at the ends of a task's life. */
typedef struct Call {
  Moved *m;
  rthL_State *S;
  rth_cx_t *cx;
  int n;                 /* values on top of the coroutine */
  rth_blocks_t *blocks;  /* for the results; NULL: a blocking function's, whose
                            threads are too many for caches to pay */
  rthL_Message *values;  /* results */
  rthL_Failure *failure;
} Call;

static int protect(Call *c, lua_CFunction f) {
  lua_State *L = c->S->from;
  int rc;
  if (!lua_checkstack(L, 4)) return LUA_ERRMEM;
  lua_pushcfunction(L, f);
  lua_pushlightuserdata(L, c);
  rc = lua_pcall(L, 1, 0, 0);
  if (rc != LUA_OK) lua_pop(L, 1);
  return rc;
}

static rth_poll_t failed(Call *c, void **out) {
  rthL_Shared *sh = rth_handle_arg(c->cx->handle);
  int quiet = sh != NULL && sh->quiet;
  rthL_Failure *f = c->failure;
  if (f == NULL) f = rthL_failure_nomemory(quiet);
  else f->quiet = (uint8_t)quiet;
  rthL_failure_made();
  rth_handle_wake(c->cx->handle); /* its JoinHandle may have been dropped */
  *out = f;
  return RTH_FAILED;
}

/* ---- protected: the error or the results of a fiber --------------------- */

static rthL_Who who_of(const Call *c) {
  rthL_Who who = {0, NULL, NULL};
  who.id = c->cx->task_id;
  who.name = c->m->name;
  who.where = c->m->where;
  return who;
}

/* Any error on top of L becomes the failure, without a traceback. */
static void fail_with(lua_State *L, Call *c) {
  rthL_Who who = who_of(c);
  int err = lua_gettop(L);
  lua_pushnil(L);
  c->failure = rthL_failure_new(L, c->S, err, err + 1, &who);
}

static int fail(lua_State *L) {
  Call *c = lua_touserdata(L, 1);
  rthL_Who who = who_of(c);
  c->failure = rthL_failure_of(L, c->S, &c->m->fiber, &who);
  return 0;
}

static int encode_values(lua_State *L) {
  Call *c = lua_touserdata(L, 1);
  c->values = rthL_encode_values(L, 2, lua_gettop(L) - 1, "result",
                                 c->blocks);
  return 0;
}

static int take_values(lua_State *L) {
  Call *c = lua_touserdata(L, 1);
  lua_pushcfunction(L, encode_values);
  lua_pushvalue(L, 1);
  luaL_checkstack(L, c->n + LUA_MINSTACK, "too many results");
  lua_xmove(c->m->fiber.co, L, c->n);
  if (lua_pcall(L, c->n + 1, 0, 0) != LUA_OK) fail_with(L, c);
  return 0;
}

static int close_fiber(lua_State *L) {
  Call *c = lua_touserdata(L, 1);
  if (rthL_fiber_cancel(c->S, &c->m->fiber, c->cx, L)) fail_with(L, c);
  return 0;
}

/* ---- protected: the start ----------------------------------------------- */

static int decode_call(lua_State *L) {
  return rthL_decode(L, lua_touserdata(L, 1));
}

static int start(lua_State *L) {
  Call *c = lua_touserdata(L, 1);
  Moved *m = c->m;
  rthL_Fiber f;
  int n;
  lua_pushcfunction(L, decode_call);
  lua_pushlightuserdata(L, m->message);
  if (lua_pcall(L, 1, LUA_MULTRET, 0) != LUA_OK) {
    fail_with(L, c);
    return 0;
  }
  n = lua_gettop(L) - 1;
  rthL_fiber_open(L, c->S, &f);
  m->fiber = f;
  m->S = c->S;
  if (!lua_checkstack(f.co, n + 1)) {
    lua_pushliteral(L, "too many arguments");
    fail_with(L, c);
    return 0;
  }
  lua_xmove(L, f.co, n);
  return 0;
}

/* ---- spawn: as the core sees it ----------------------------------------- */

static void call_init(Call *c, Moved *m, rthL_State *S, rth_cx_t *cx) {
  memset(c, 0, sizeof *c);
  c->m = m;
  c->S = S;
  c->cx = cx;
}

static rth_poll_t moved_end(Call *c, rthL_Run run, void **out) {
  if (run == RTHL_FAILED) {
    if (protect(c, fail) != LUA_OK)
      rthL_fiber_abandon(c->S, &c->m->fiber, c->cx);
    return failed(c, out);
  }
  if (c->n > 0 && (protect(c, take_values) != LUA_OK || c->failure != NULL))
    return failed(c, out);
  *out = c->values;
  return RTH_READY;
}

static rth_poll_t moved_start(Call *c, void **out) {
  int rc;
  rth_pin(c->cx);
  if (c->S == NULL) return failed(c, out); /* its thread has no Lua state */
  rc = protect(c, start);
  rthL_message_recycle(c->m->message, &c->S->blocks);
  c->m->message = NULL;
  return rc != LUA_OK || c->failure != NULL ? failed(c, out) : RTH_READY;
}

static rth_poll_t moved_poll(void *self, rth_cx_t *cx, void **out) {
  Moved *m = self;
  rthL_Run run;
  Call c;
  int n;
  if (m->message != NULL) {
    rth_poll_t r;
    call_init(&c, m, cx->data, cx);
    r = moved_start(&c, out);
    if (r != RTH_READY) return r;
  }
  run = rthL_fiber_run(m->S, &m->fiber, cx, &n);
  if (run == RTHL_WAITS) return RTH_PENDING;
  call_init(&c, m, m->S, cx);
  c.n = n;
  c.blocks = &m->S->blocks;
  return moved_end(&c, run, out);
}

static rth_poll_t moved_cancel(void *self, rth_cx_t *cx, void **out) {
  Moved *m = self;
  Call c;
  if (m->fiber.co == NULL) return RTH_PENDING;
  call_init(&c, m, m->S, cx);
  if (protect(&c, close_fiber) != LUA_OK)
    rthL_fiber_abandon(m->S, &m->fiber, cx);
  else if (c.failure == NULL)
    return RTH_PENDING;
  return failed(&c, out);
}

static void moved_drop(void *self) {
  Moved *m = self;
  rthL_message_free(m->message);
  m->message = NULL;
  if (m->S != NULL) rthL_fiber_release(m->S, &m->fiber);
  free(m->name);
  free(m->where);
  m->name = m->where = NULL;
}

static void moved_drop_out(void *out, rth_poll_t how) {
  if (how == RTH_READY)
    rthL_message_free(out);
  else
    rthL_failure_free(out);
}

/* ---- spawn_blocking: the same message, run as plain code ---------------- */

/* Message handler: the error and the traceback, packed. */
static int pack_error(lua_State *L) {
  lua_createtable(L, 2, 0);
  lua_insert(L, 1);
  lua_rawseti(L, 1, 1);
  rthL_traceback(L, L, 1);
  lua_rawseti(L, 1, 2);
  return 1;
}

static void fail_packed(lua_State *L, Call *c) {
  rthL_Who who = who_of(c);
  int t = lua_gettop(L);
  if (!lua_istable(L, t)) { /* the handler itself failed: memory */
    fail_with(L, c);
    return;
  }
  lua_rawgeti(L, t, 1);
  lua_rawgeti(L, t, 2);
  c->failure = rthL_failure_new(L, c->S, t + 1, t + 2, &who);
}

static int run_blocking(lua_State *L) {
  Call *c = lua_touserdata(L, 1);
  int n;
  lua_pushcfunction(L, decode_call);
  lua_pushlightuserdata(L, c->m->message);
  if (lua_pcall(L, 1, LUA_MULTRET, 0) != LUA_OK) {
    fail_with(L, c);
    return 0;
  }
  n = lua_gettop(L) - 1;
  lua_pushcfunction(L, pack_error);
  lua_insert(L, 2);
  if (lua_pcall(L, n - 1, LUA_MULTRET, 2) != LUA_OK) {
    fail_packed(L, c);
    return 0;
  }
  lua_pushvalue(L, 1);
  lua_replace(L, 2); /* 1, 2: the call; then the results */
  lua_pushcfunction(L, encode_values);
  lua_insert(L, 2);
  n = lua_gettop(L) - 2;
  if (n > 1 && lua_pcall(L, n, 0, 0) != LUA_OK) fail_with(L, c);
  return 0;
}

static rth_poll_t blocking_poll(void *self, rth_cx_t *cx, void **out) {
  rthL_State *S = cx->data;
  rthL_Shared *sh = rth_handle_arg(cx->handle);
  lua_Hook hook;
  int mask, count, rc;
  Call c;
  call_init(&c, self, S, cx);
  if (S == NULL) return failed(&c, out);
  S->from = S->L;
  S->task_id = cx->task_id;
  hook = lua_gethook(S->L);
  mask = lua_gethookmask(S->L);
  count = lua_gethookcount(S->L);
  (void)rth_counter_add(&sh->blocking, 1);
  rc = protect(&c, run_blocking);
  rthL_state_reset(S);
  lua_sethook(S->L, hook, mask, count); /* the next one's is not this one's */
  (void)rth_counter_add(&sh->blocking, -1); /* before anybody has the result */
  S->task_id = 0;
  if (rc != LUA_OK || c.failure != NULL) return failed(&c, out);
  *out = c.values;
  return RTH_READY;
}

/* ---- spawning ----------------------------------------------------------- */

typedef int (*spawn_t)(rth_handle_t *, const rth_future_ops_t *, const void *,
                       size_t, rth_join_t **);

/* A Lua function may compute for long, and so may the one that spawns it: it
** is offered to the other workers at once. */
static int spawn_async(rth_handle_t *h, const rth_future_ops_t *ops,
                       const void *self, size_t size, rth_join_t **out) {
  return rth_spawn(h, ops, self, size, RTH_SPAWN_SHARE, out);
}

/* Copies the string at index `from`, if any.  0: no memory. */
static int copy_tag(lua_State *L, int from, char **copy) {
  size_t len;
  const char *s;
  if (from == 0) return 1;
  s = lua_tolstring(L, from, &len);
  *copy = malloc(len + 1);
  if (*copy == NULL) return 0;
  memcpy(*copy, s, len + 1);
  return 1;
}

static int spawn_with(lua_State *L, rthL_State *S, rth_handle_t *h, int f,
                      rthL_Tags tags, unsigned flags, rth_blocks_t *blocks,
                      const rth_future_ops_t *ops, spawn_t spawn) {
  int nargs = lua_gettop(L) - f, rc;
  rthL_Join *j;
  Moved m;
  luaL_checktype(L, f, LUA_TFUNCTION);
  j = &rthL_join_new(L, S, tags.name)->join;
  memset(&m, 0, sizeof m);
  m.message = rthL_encode_call(L, f, nargs, flags, blocks);
  /* No Lua call from here until the core's handle is in the userdata. */
  rc = copy_tag(L, tags.name, &m.name) && copy_tag(L, tags.where, &m.where)
           ? spawn(h, ops, &m, sizeof m, &j->u.core)
           : RTH_ENOMEM;
  if (rc != RTH_OK) {
    rthL_message_free(m.message);
    free(m.name);
    free(m.where);
    if (rc == RTH_EAGAIN) return luaL_error(L, "cannot start a thread");
    return rthL_raise(L, rc);
  }
  j->id = rth_join_id(j->u.core);
  j->state = RTHL_J_PENDING;
  return 1;
}

int rthL_spawn(lua_State *L, rthL_State *S, rth_handle_t *h, int f,
               rthL_Tags tags, unsigned flags) {
  static const rth_future_ops_t ops = {moved_poll, moved_cancel, moved_drop,
                                       moved_drop_out};
  return spawn_with(L, S, h, f, tags, flags, &S->blocks, &ops, spawn_async);
}

int rthL_spawn_blocking(lua_State *L, rthL_State *S, rth_handle_t *h, int f,
                        rthL_Tags tags, unsigned flags) {
  static const rth_future_ops_t ops = {blocking_poll, NULL, moved_drop,
                                       moved_drop_out};
  return spawn_with(L, S, h, f, tags, flags, NULL, &ops, rth_spawn_blocking);
}
