/* join - JoinHandle.
**
** WHY      the core's handle has one waker and gives the outcome once; here
**          several tasks wait on one JoinHandle and get the very same objects
**          each time.  So the first one's waker is the core's, the others are
**          listed, and the outcome is decoded once and kept.
** THREADS  the one that runs the Lua state.
** OWNS     the core's handle until the outcome is there; then the outcome.
*/
#include "lua/join.h"

#include <string.h>

#include "lua/enter.h"
#include "lua/thread.h"

struct rthL_JoinOp { /* in a block */
  rthL_Op op;
  rthL_Join *join;   /* NULL: collected, with the coroutine that waits */
  rthL_JoinOp *next, *before;
  rth_waker_t waker;
  uint8_t linked, joining; /* joining: `join`, not `await` */
};

rthL_Remote *rthL_join_new(lua_State *L, rthL_State *S, int name) {
  int nuv = name != 0 ? 2 : 1;
  rthL_Remote *r = rthL_new(L, S, RTHL_JOIN, sizeof *r, nuv);
  r->join.state = RTHL_J_MOVED; /* until it has a core */
  S->handles++;
  if (name != 0) {
    r->join.named = 1;
    lua_pushvalue(L, name);
    lua_setiuservalue(L, -2, 2);
  }
  return r;
}

const char *rthL_join_pushname(lua_State *L, rthL_Join *j, int idx) {
  if (!j->named) {
    lua_pushnil(L);
    return NULL;
  }
  lua_getiuservalue(L, idx, 2);
  return lua_tostring(L, -1);
}

rthL_Who rthL_join_who(lua_State *L, rthL_Join *j, int idx) {
  rthL_Who who = {0, NULL, NULL};
  who.id = j->id;
  who.name = rthL_join_pushname(L, j, idx);
  if (j->placed)
    lua_getiuservalue(L, idx, 3);
  else
    lua_pushnil(L);
  who.where = lua_tostring(L, -1);
  return who;
}

typedef char join_op_fits[sizeof(rthL_JoinOp) <= RTHL_BLOCK ? 1 : -1];

/* ---- the list of waits -------------------------------------------------- */

static void link_last(rthL_JoinOp *o) {
  rthL_Join *j = o->join;
  if (o->linked) return;
  o->next = NULL;
  o->before = j->head == NULL ? NULL : j->last;
  if (o->before == NULL)
    j->head = o;
  else
    o->before->next = o;
  j->last = o;
  o->linked = 1;
}

static void unlink_wait(rthL_JoinOp *o) {
  rthL_Join *j = o->join;
  if (o->before == NULL)
    j->head = o->next;
  else
    o->before->next = o->next;
  if (o->next == NULL)
    j->last = o->before;
  else
    o->next->before = o->before;
  o->linked = 0;
}

void rthL_join_wake(rthL_Join *j) {
  rthL_JoinOp *o;
  while ((o = j->head) != NULL) {
    unlink_wait(o);
    rth_wake(&o->waker);
  }
}

static rthL_Remote *remote(rthL_Join *j) { return (rthL_Remote *)j; }

/* The core has the outcome. */
static void settle(rthL_Join *j, const rth_outcome_t *o) {
  rth_join_t *core = j->u.core;
  j->u.core = NULL;
  remote(j)->out = o->value;
  remote(j)->how = o->how;
  j->state = RTHL_J_RAW;
  if (o->how == RTH_PENDING) j->state = RTHL_J_CANCELLED;
  if (o->how == RTH_READY && o->value == NULL) j->state = RTHL_J_VALUES;
  rth_join_free(core);
  rthL_join_wake(j);
}

static rth_poll_t ask_core(rthL_Join *j, const rth_waker_t *w) {
  rth_outcome_t o;
  if (rth_join_poll(j->u.core, w, &o) == RTH_PENDING) return RTH_PENDING;
  settle(j, &o);
  return RTH_READY;
}

static int may_run_here(rthL_State *S, rthL_Join *j) {
  if (!j->local || ((rthL_Task *)j)->fiber.started || S->depth >= 8) return 0;
  if (rth_handle_is_shutdown(S->cx->handle)) return 0; /* none begins now */
  return j->fresh || (rth_join_local(j->u.core) == S->cx->local &&
                      !rth_join_is_aborted(j->u.core));
}

static rth_poll_t answer(const rthL_Join *j, const rth_cx_t *cx) {
  return rthL_join_cancelled(j) && rthL_ends(cx) ? RTH_PENDING : RTH_READY;
}

static rth_poll_t join_poll(rthL_State *S, rthL_Op *op, rth_cx_t *cx) {
  rthL_JoinOp *o = (rthL_JoinOp *)op;
  rthL_Join *j = o->join;
  (void)S;
  if (j == NULL) return RTH_READY;
  if (j->state != RTHL_J_PENDING) return answer(j, cx);
  link_last(o);
  if (!j->local && j->head == o) {
    rth_waker_drop(&o->waker); /* settling wakes the others only */
    if (ask_core(j, &cx->waker) == RTH_READY) return answer(j, cx);
  }
  if (!rth_waker_same(&o->waker, &cx->waker)) {
    rth_waker_drop(&o->waker);
    o->waker = rth_waker_clone(&cx->waker);
  }
  return RTH_PENDING;
}

/* Takes a wait off the list. */
static void leave_list(rthL_JoinOp *o) {
  rthL_Join *j = o->join;
  int first = j->head == o;
  unlink_wait(o);
  if (j->local || !first || j->u.core == NULL) return;
  if (j->head == NULL) {
    rth_join_unregister(j->u.core);
  } else { /* the next one's waker becomes the core's */
    rth_waker_t w = rth_waker_clone(&j->head->waker);
    (void)ask_core(j, &w);
    rth_waker_drop(&w);
  }
}

static void leave(rthL_JoinOp *o) {
  rth_waker_drop(&o->waker);
  if (o->linked) leave_list(o);
}

static int join_cancel(rthL_State *S, rthL_Op *op, lua_State *to) {
  (void)to;
  leave((rthL_JoinOp *)op);
  rthL_block_put(S, op);
  return 0;
}

static int join_finish(lua_State *L, rthL_State *S, rthL_Op *op) {
  rthL_JoinOp *o = (rthL_JoinOp *)op;
  rthL_Join *j = o->join;
  int joining = o->joining;
  (void)join_cancel(S, op, L);
  if (j == NULL) return luaL_error(L, "JoinHandle is finalized");
  return rthL_join_push(L, S, j, joining);
}

static const rthL_OpType join_op = {join_poll, join_cancel, join_finish};

/* ---- watches ------------------------------------------------------------ */

void rthL_join_newwatch(lua_State *L) {
  rthL_JoinOp *o = lua_newuserdatauv(L, sizeof *o, 0);
  memset(o, 0, sizeof *o);
}

void rthL_join_watch(rthL_State *S, rthL_Join *j, rthL_JoinOp *o,
                     rth_waker_t *w) {
  (void)S;
  o->op.type = &join_op;
  o->join = j;
  o->waker = *w;
  w->ops = NULL;
  if (j->state != RTHL_J_PENDING) {
    rth_wake(&o->waker);
    return;
  }
  link_last(o);
  if (!j->local) (void)ask_core(j, &o->waker);
}

void rthL_join_unwatch(rthL_State *S, rthL_JoinOp *o) {
  (void)S;
  if (o->join != NULL) leave(o); /* its memory is a userdata */
}

int rthL_join_failed(rthL_Join *j) {
  static const rth_waker_t none = {NULL, NULL};
  if (j->state == RTHL_J_PENDING && !j->local) (void)ask_core(j, &none);
  switch (j->state) {
    case RTHL_J_RAW: return j->local || remote(j)->how == RTH_FAILED;
    case RTHL_J_ERROR: return !j->cancelled;
    default: return j->state == RTHL_J_WATCH;
  }
}

int rthL_join_outcome(lua_State *L, rthL_State *S) {
  static const rth_waker_t none = {NULL, NULL};
  rthL_Join *j = lua_touserdata(L, 1);
  if (j->state == RTHL_J_PENDING && !j->local) (void)ask_core(j, &none);
  return rthL_join_push(L, S, j, 1);
}

/* ---- methods ------------------------------------------------------------ */

static rthL_Join *to_join(lua_State *L, rthL_State *S, int idx) {
  rthL_Join *j = rthL_to(L, S, idx, RTHL_LOCAL);
  return j != NULL ? j : rthL_check(L, S, idx, RTHL_JOIN);
}

static rthL_Join *check(lua_State *L, rthL_State *S) {
  rthL_Join *j = to_join(L, S, 1);
  if (j->state == RTHL_J_MOVED) luaL_error(L, "JoinHandle was moved");
  return j;
}

/* A bare wait needs an executor of the task's runtime. */
static rth_handle_t *handle_for(rthL_State *S, rthL_Join *j) {
  if (j->fresh || j->u.core == NULL) return rthL_current(S);
  return rth_join_handle(j->u.core);
}

/* What can be had without waiting, in a task: the outcome that is there, and
** that of a task which was not started yet: it runs right here. */
static int is_ready(lua_State *L, rthL_State *S, rthL_Join *j) {
  static const rth_waker_t none = {NULL, NULL};
  if (j->state == RTHL_J_PENDING && !j->local &&
      rth_join_is_finished(j->u.core))
    (void)ask_core(j, &none);
  if (S->cur == NULL) return j->state != RTHL_J_PENDING;
  if (*S->cx->budget == 0) return 0;
  if (j->state == RTHL_J_PENDING &&
      (!may_run_here(S, j) || !rthL_may_suspend(L, S) ||
       !rthL_local_run_here(S, (rthL_Task *)j, S->cx)))
    return 0;
  if (rthL_join_cancelled(j) && rthL_ends_here(L, S)) return 0;
  return rth_budget(S->cx);
}

/* Whether nobody can run its task while this one waits for it. */
static int is_elsewhere(rthL_State *S, rthL_Join *j) {
  return j->local && !j->fresh && S->cur != NULL && j->u.core != NULL &&
         !rthL_local_runs(S, rth_join_handle(j->u.core));
}

static int wait_for(lua_State *L, int joining) {
  rthL_State *S = rthL_here(L);
  rthL_Join *j = check(L, S);
  rthL_JoinOp *o;
  if (is_ready(L, S, j)) return rthL_join_push(L, S, j, joining);
  if (is_elsewhere(S, j)) return rthL_local_refuse(L);
  o = rthL_block_get(S);
  if (o == NULL) return rthL_raise(L, RTH_ENOMEM);
  memset(o, 0, sizeof *o);
  o->op.type = &join_op;
  o->join = j;
  o->joining = (uint8_t)joining;
  return rthL_await(L, S, &o->op, handle_for(S, j));
}

static int join_await(lua_State *L) { return wait_for(L, 0); }
static int join_join(lua_State *L) { return wait_for(L, 1); }

rth_join_t *rthL_join_core(rthL_State *S, rthL_Join *j) {
  if (j->fresh)
    rthL_local_flush(S, S->cx->local);
  else if (j->here && j->u.core == NULL)
    rthL_local_give(S, (rthL_Task *)j, S->cx->local);
  return j->u.core;
}

void rthL_join_stop(rthL_State *S, rthL_Join *j) {
  if (j->fresh)
    rthL_local_forget(S, (rthL_Task *)j);
  else if (rthL_join_core(S, j) != NULL)
    rth_join_abort(j->u.core);
}

static int join_abort(lua_State *L) {
  rthL_State *S = rthL_here(L);
  rthL_join_stop(S, check(L, S));
  return 0;
}

static int join_abort_handle(lua_State *L) {
  rthL_State *S = rthL_here(L);
  return rthL_pushabort(L, S, check(L, S));
}

static int join_is_finished(lua_State *L) {
  rthL_Join *j = check(L, rthL_here(L));
  lua_pushboolean(L, j->state != RTHL_J_PENDING ||
                         (!j->local && rth_join_is_finished(j->u.core)));
  return 1;
}

static int join_id(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)check(L, rthL_here(L))->id);
  return 1;
}

static int join_tostring(lua_State *L) {
  rthL_Join *j = to_join(L, rthL_here(L), 1);
  const char *name;
  if (j->state == RTHL_J_MOVED) {
    lua_pushliteral(L, "rthandle.JoinHandle(moved)");
    return 1;
  }
  name = rthL_join_pushname(L, j, 1);
  if (name != NULL)
    lua_pushfstring(L, "rthandle.JoinHandle(id=%I, name=%s)",
                    (LUAI_UACINT)j->id, name);
  else
    lua_pushfstring(L, "rthandle.JoinHandle(id=%I)", (LUAI_UACINT)j->id);
  return 1;
}

/* A coroutine that waits was closed by the script, and collected. */
static void forget_waits(rthL_Join *j) {
  rthL_JoinOp *o;
  while ((o = j->head) != NULL) {
    unlink_wait(o);
    o->join = NULL;
    rth_wake(&o->waker);
  }
}

static int join_gc(lua_State *L) {
  rthL_Join *j = rthL_check(L, rthL_here(L), 1, RTHL_JOIN);
  rth_join_t *core = j->u.core;
  j->u.core = NULL;
  forget_waits(j);
  if (j->state == RTHL_J_RAW) {
    if (remote(j)->how == RTH_READY) {
      rthL_message_free(remote(j)->out);
    } else {
      rthL_Failure *f = remote(j)->out;
      rthL_failure_unseen(f, f->quiet);
      rthL_failure_free(f);
    }
  }
  j->state = RTHL_J_MOVED;
  rthL_here(L)->handles--;
  if (core != NULL) rth_join_free(core);
  return 0;
}

/* ---- moving ------------------------------------------------------------- */

static const char *join_check(lua_State *L, int idx) {
  rthL_Join *j = lua_touserdata(L, idx);
  if (j->state == RTHL_J_MOVED) return "JoinHandle was moved";
  if (j->state != RTHL_J_PENDING || j->head != NULL)
    return "JoinHandle already awaited";
  return NULL;
}

static const char *local_check(lua_State *L, int idx) {
  (void)L;
  (void)idx;
  return "JoinHandle of a local task";
}

static void *join_take(lua_State *L, int idx) {
  rthL_Join *j = lua_touserdata(L, idx);
  rth_join_t *core = j->u.core;
  j->u.core = NULL;
  j->state = RTHL_J_MOVED;
  return core;
}

static void join_push(lua_State *L, void *object) {
  rthL_State *S = rthL_find(L);
  rthL_Join *j = &rthL_join_new(L, S, 0)->join;
  j->u.core = object;
  j->id = rth_join_id(object);
  j->state = RTHL_J_PENDING;
}

static void join_drop(void *object) { rth_join_free(object); }

void rthL_open_join(lua_State *L, rthL_State *S) {
  static const luaL_Reg meta[] = {
      {"__gc", join_gc}, {"__tostring", join_tostring}, {NULL, NULL}};
  static const luaL_Reg local_meta[] = {{"__tostring", join_tostring},
                                        {NULL, NULL}};
  static const luaL_Reg methods[] = {{"await", join_await},
                                     {"join", join_join},
                                     {"abort", join_abort},
                                     {"abort_handle", join_abort_handle},
                                     {"is_finished", join_is_finished},
                                     {"id", join_id},
                                     {NULL, NULL}};
  static const rthL_MoveOps ops = {join_check, join_take, join_push,
                                   join_drop, NULL};
  static const rthL_MoveOps local_ops = {local_check, NULL, NULL, NULL,
                                         NULL};
  rthL_type(L, S, RTHL_JOIN, "rthandle.JoinHandle", meta, methods);
  rthL_set_move_ops(L, &ops);
  rthL_type(L, S, RTHL_LOCAL, "rthandle.JoinHandle", local_meta, methods);
  rthL_set_move_ops(L, &local_ops);
  lua_pop(L, 2);
}
