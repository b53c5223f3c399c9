/* task - the life of one task: made, run, woken, cancelled, ended.
**
** WHY      the future, its output and all links in one allocation, so that
**          waking and queueing never allocate and cannot fail.
** THREADS  each function says; poll, cancel and the end of a task are under
**          RUNNING, so one thread at a time.
** OWNS     a task has references from: the list of live tasks, the queue (the
**          NOTIFIED one), its JoinHandle, AbortHandles, wakers.
** SYNC     see state.h.
*/
#include "task/task.h"

#include <string.h>

#include "base/mem.h"

enum { IDS = 16 };
static RTH_ATOMIC(uint64_t) last_id; /* relaxed: only uniqueness counts */

static _Thread_local uint64_t next_id, ids_left; /* of this thread */

/* A thread takes several at once, so that those that spawn seldom meet. */
uint64_t rth__task_next_id(void) {
  if (ids_left == 0) {
    next_id = rth__add_rlx(&last_id, IDS) + 1;
    ids_left = IDS;
  }
  ids_left--;
  return next_id++;
}

rth__task_t *rth__task_new(rth__sched_t *s, uint64_t id,
                           const rth_future_ops_t *ops, const void *self,
                           size_t size, unsigned flags) {
  int borrowed = size == 0; /* block_on */
  rth__task_t *t = rth__alloc(RTH_TASK_HEAD + (borrowed ? sizeof self : size));
  if (t == NULL) return NULL;
  memset(t, 0, sizeof *t);
  rth__init(&t->state, RTH_S_INITIAL);
  t->sched = s;
  t->ops = ops;
  t->id = id != 0 ? id : rth__task_next_id();
  t->flags = (uint8_t)(borrowed ? flags | RTH_TASK_BORROWED : flags);
  memcpy((char *)t + RTH_TASK_HEAD, borrowed ? (const void *)&self : self,
         borrowed ? sizeof self : size);
  return t;
}

static void task_free(rth__task_t *t) {
  rth__sched_t *s = t->sched;
  rth_waker_drop(&t->join_waker);
  s->freed(s, t);
  rth__free(t);
}

void rth__task_unref(rth__task_t *t) {
  if (rth__state_unref(&t->state, 1) == RTH_DO_FREE) task_free(t); /* [S4] */
}

/* ---- the end ------------------------------------------------------------ */

void rth__task_drop_output(rth__task_t *t) {
  rth_poll_t how = (rth_poll_t)t->how;
  if (how == RTH_FAILED) t->sched->unhandled(t->sched, t);
  if (how != RTH_PENDING && t->ops->drop_out != NULL)
    t->ops->drop_out(t->out, how);
  t->out = NULL;
  t->how = RTH_PENDING;
}

/* Under RUNNING.  `refs`: the caller's, which end here. */
static void complete(rth__task_t *t, rth_poll_t how, void *out, uint64_t refs) {
  uint64_t word;
  if (t->ops->drop != NULL) t->ops->drop(rth__task_self(t));
  /* Before the end can be seen: who joins, sees it gone. */
  refs += (uint64_t)t->sched->release(t->sched, t);
  t->out = out;
  t->how = (uint8_t)how;
  word = rth__state_to_complete(&t->state); /* [S2] publishes the output */
  if (!(word & RTH_S_JOIN_INTEREST)) {
    rth__task_drop_output(t);
  } else if (word & RTH_S_JOIN_WAKER) {
    rth_wake_by_ref(&t->join_waker);
    if (!rth__state_return_join_waker(&t->state)) /* [S3] */
      rth_waker_drop(&t->join_waker);
  }
  if (rth__state_unref(&t->state, refs) == RTH_DO_FREE) task_free(t); /* [S4] */
}

static void cancel(rth__task_t *t, rth_cx_t *cx) {
  void *out = NULL;
  rth_poll_t how = RTH_PENDING;
  if (t->ops->cancel != NULL) how = t->ops->cancel(rth__task_self(t), cx, &out);
  RTH_ASSERT(how != RTH_READY);
  complete(t, how, out, 1);
}

void rth__task_refuse(rth__task_t *t, unsigned refs) {
  /* It is in no queue, and still NOTIFIED: nobody else can get RUNNING. */
  (void)rth__state_abort(&t->state);
  if (rth__state_to_running(&t->state) != RTH_DO_CANCEL) RTH_BUG("refuse");
  complete(t, RTH_PENDING, NULL, refs);
}

/* ---- running ------------------------------------------------------------ */

static void submit(rth__task_t *t) { t->sched->schedule(t->sched, t); }

/* It stays RUNNING, and the runner's reference becomes the queue's: two
** transitions fewer, which cost as much as the rest of a yield. */
static void yields(rth__task_t *t, rth_cx_t *cx) {
  t->yielded = 1;
  t->sched->yield(t->sched, t, cx);
}

static void went_idle(rth__task_t *t, rth_cx_t *cx) {
  if (cx->pinned) t->home = cx->local; /* [S1] */
  if (cx->yielded) {
    yields(t, cx);
    return;
  }
  switch (rth__state_to_idle(&t->state)) {
    case RTH_DO_NOTHING:
      break;
    case RTH_DO_SUBMIT:
      submit(t);
      break;
    case RTH_DO_FREE:
      task_free(t);
      break;
    case RTH_DO_CANCEL:
    case RTH_DO_POLL:
      cancel(t, cx);
      break;
  }
}

static const rth_waker_ops_t task_waker_ops;

void rth__task_run(rth__task_t *t, rth_cx_t *cx) {
  void *out = NULL;
  rth_poll_t how;
  enum rth__todo todo = t->yielded ? rth__state_resume(&t->state)
                                   : rth__state_to_running(&t->state);
  if (RTH_UNLIKELY(todo == RTH_DO_NOTHING)) return;
  if (RTH_UNLIKELY(todo == RTH_DO_FREE)) {
    task_free(t);
    return;
  }
  t->yielded = 0;
  cx->waker.ops = &task_waker_ops;
  cx->waker.data = t;
  cx->task_id = t->id;
  cx->root = (t->flags & RTH_TASK_ROOT) != 0;
  cx->yielded = 0;
  cx->pinned = 0;
  if (RTH_UNLIKELY(todo == RTH_DO_CANCEL)) {
    cancel(t, cx);
    return;
  }
  how = t->ops->poll(rth__task_self(t), cx, &out);
  if (how == RTH_PENDING)
    went_idle(t, cx);
  else
    complete(t, how, out, 1);
}

void rth__task_abort(rth__task_t *t) {
  if (rth__state_abort(&t->state) == RTH_DO_SUBMIT) submit(t); /* [S1] */
}

/* ---- the task's waker: one reference each ------------------------------- */

static void waker_clone(void *data) {
  rth__state_ref(&((rth__task_t *)data)->state);
}

static void waker_wake(void *data) {
  rth__task_t *t = data;
  switch (rth__state_wake(&t->state)) {
    case RTH_DO_SUBMIT:
      submit(t);
      rth__task_unref(t);
      break;
    case RTH_DO_FREE:
      task_free(t);
      break;
    default:
      break;
  }
}

void rth__task_wake(rth__task_t *t) {
  if (rth__state_wake_by_ref(&t->state) == RTH_DO_SUBMIT) submit(t); /* [S1] */
}

static void waker_wake_by_ref(void *data) { rth__task_wake(data); }

static void waker_drop(void *data) { rth__task_unref(data); }

static const rth_waker_ops_t task_waker_ops = {waker_clone, waker_wake,
                                               waker_wake_by_ref, waker_drop};
