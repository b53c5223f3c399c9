/* join - JoinHandle and AbortHandle: views of a task, one reference each.
**
** WHY      both are the task itself under another name: nothing to allocate,
**          so taking a handle cannot fail.
** THREADS  JoinHandle: one at a time; AbortHandle: any.
** OWNS     a JoinHandle has JOIN_INTEREST: the right to the output, and the
**          waker field while JOIN_WAKER is not set.
** SYNC     see state.h.
*/
#include "task/task.h"

static rth__task_t *of_join(const rth_join_t *j) {
  return (rth__task_t *)(uintptr_t)j;
}
static rth__task_t *of_abort(const rth_abort_t *a) {
  return (rth__task_t *)(uintptr_t)a;
}

static rth_poll_t take(rth__task_t *t, rth_outcome_t *o) {
  o->how = (rth_poll_t)t->how; /* [S2] */
  o->value = t->out;
  t->out = NULL;
  t->how = RTH_PENDING; /* nothing left to drop */
  return RTH_READY;
}

rth_poll_t rth_join_poll(rth_join_t *j, const rth_waker_t *w,
                         rth_outcome_t *o) {
  rth__task_t *t = of_join(j);
  uint64_t word = rth__state_load(&t->state); /* [S2] */
  if (word & RTH_S_COMPLETE) return take(t, o);
  if (word & RTH_S_JOIN_WAKER) {
    if (rth_waker_same(&t->join_waker, w)) return RTH_PENDING;
    if (!rth__state_unset_join_waker(&t->state)) return take(t, o); /* [S3] */
  }
  rth_waker_drop(&t->join_waker);
  t->join_waker = rth_waker_clone(w);
  if (rth__state_set_join_waker(&t->state)) return RTH_PENDING; /* [S3] */
  rth_waker_drop(&t->join_waker);
  return take(t, o);
}

void rth_join_unregister(rth_join_t *j) {
  rth__task_t *t = of_join(j);
  uint64_t word = rth__state_load(&t->state); /* [S3] */
  if (word & RTH_S_COMPLETE) return; /* the runtime, or rth_join_free, does */
  if ((word & RTH_S_JOIN_WAKER) && !rth__state_unset_join_waker(&t->state))
    return;
  rth_waker_drop(&t->join_waker);
}

int rth_join_is_finished(const rth_join_t *j) {
  return rth__task_is_complete(of_join(j));
}

uint64_t rth_join_id(const rth_join_t *j) { return of_join(j)->id; }

/* The handle begins with the sched of its tasks, and each task keeps it. */
rth_handle_t *rth_join_handle(const rth_join_t *j) {
  return (rth_handle_t *)(void *)of_join(j)->sched;
}

rth_local_t *rth_join_local(const rth_join_t *j) {
  return (rth_local_t *)of_join(j)->home;
}

void *rth_join_self(const rth_join_t *j) { return rth__task_self(of_join(j)); }

int rth_join_is_aborted(const rth_join_t *j) {
  uint64_t word = rth__state_load(&of_join(j)->state); /* [S2] */
  return (word & (RTH_S_CANCELLED | RTH_S_COMPLETE)) != 0;
}

void rth_join_abort(rth_join_t *j) { rth__task_abort(of_join(j)); }

rth_abort_t *rth_join_abort_handle(rth_join_t *j) {
  rth__state_ref(&of_join(j)->state);
  return (rth_abort_t *)j;
}

void rth_join_free(rth_join_t *j) {
  rth__task_t *t = of_join(j);
  uint64_t word = rth__state_drop_join(&t->state); /* [S2] [S3] */
  if (word & RTH_S_COMPLETE) rth__task_drop_output(t);
  if (!(word & RTH_S_JOIN_WAKER)) rth_waker_drop(&t->join_waker);
  rth__task_unref(t);
}

void rth_abort(rth_abort_t *a) { rth__task_abort(of_abort(a)); }

int rth_abort_is_finished(const rth_abort_t *a) {
  return rth__task_is_complete(of_abort(a));
}

uint64_t rth_abort_id(const rth_abort_t *a) { return of_abort(a)->id; }

rth_abort_t *rth_abort_clone(rth_abort_t *a) {
  rth__state_ref(&of_abort(a)->state);
  return a;
}

void rth_abort_free(rth_abort_t *a) { rth__task_unref(of_abort(a)); }
