/* inject - the global queue.
**
** WHY      a stack that is only ever emptied whole, as in queue/inbox.c, and
**          behind it a list under a lock for those who take: so a spawner
**          never waits for a worker, which the system may have stopped while
**          it held a lock.  Workers look here every so many tasks and take a
**          batch, so they seldom meet.  The links are in the tasks: a push
**          cannot fail.  FIFO is exact.
** THREADS  any.
** OWNS     the NOTIFIED reference of each task in it.
** INVARIANT  listed == list.n whenever the lock is free.
** SYNC
**   [Q1] top, listed   push: cas-sc top.  Who takes from `top` writes
**              `listed` first (release), then swaps `top`; who looks reads
**              `top`, then `listed`, so a task on its way from one to the
**              other is seen.  A worker that is about to sleep does a
**              seq_cst RMW on the idle word, then looks; a pusher pushes, then
**              does its RMW on the idle word: one of the two sees the other.
**              Model-checked in spec/model/idle_model.c.
*/
#include "queue/inject.h"

void rth__inject_init(rth__inject_t *q) {
  rth__mutex_init(&q->lock, RTH_RANK_INJECT);
  rth__init(&q->top, NULL);
  q->list = (rth__tasklist_t){NULL, NULL, 0};
  rth__init(&q->listed, 0);
}

void rth__inject_destroy(rth__inject_t *q) {
  RTH_CHECK(rth__inject_is_empty(q));
  rth__mutex_destroy(&q->lock);
}

/* ---- push --------------------------------------------------------------- */

static void push_chain(rth__inject_t *q, rth__task_t *newest,
                       rth__task_t *oldest) {
  rth__task_t *top = rth__load_rlx(&q->top);
  do {
    oldest->next = top;
  } while (!rth__cas_sc(&q->top, &top, newest)); /* [Q1] */
}

void rth__inject_push(rth__inject_t *q, rth__task_t *t) {
  push_chain(q, t, t);
}

void rth__inject_push_list(rth__inject_t *q, const rth__tasklist_t *l) {
  rth__task_t *oldest = l->first;
  size_t n = 0;
  if (oldest != NULL) push_chain(q, rth__task_reverse(oldest, &n), oldest);
}

/* ---- pop: under the lock ------------------------------------------------ */

static void publish(rth__inject_t *q) {
  rth__store_rel(&q->listed, q->list.n); /* [Q1] */
}

/* The list, which it fills from `top` when it is empty. */
static rth__tasklist_t *listed(rth__inject_t *q) {
  if (q->list.first != NULL || rth__load_rlx(&q->top) == NULL) return &q->list;
  rth__store_rel(&q->listed, 1); /* [Q1] before they leave `top` */
  q->list.last = rth__swap_sc(&q->top, NULL); /* [Q1] */
  q->list.first = rth__task_reverse(q->list.last, &q->list.n);
  return &q->list;
}

rth__task_t *rth__inject_pop(rth__inject_t *q) {
  rth__task_t *t;
  if (rth__inject_is_empty(q)) return NULL;
  rth__mutex_lock(&q->lock);
  t = rth__tasklist_take(listed(q));
  publish(q);
  rth__mutex_unlock(&q->lock);
  return t;
}

rth__tasklist_t rth__inject_pop_part(rth__inject_t *q, size_t parts,
                                     size_t max) {
  rth__tasklist_t *l, batch = {NULL, NULL, 0};
  rth__task_t *t;
  size_t n;
  if (rth__inject_is_empty(q)) return batch;
  rth__mutex_lock(&q->lock);
  l = listed(q);
  n = l->n / parts + 1;
  if (n > max) n = max;
  while (batch.n < n && (t = rth__tasklist_take(l)) != NULL)
    rth__tasklist_add(&batch, t);
  publish(q);
  rth__mutex_unlock(&q->lock);
  return batch;
}

size_t rth__inject_count(rth__inject_t *q) {
  rth__task_t *t;
  size_t n;
  rth__mutex_lock(&q->lock);
  n = listed(q)->n;
  for (t = rth__load_acq(&q->top); t != NULL; t = t->next) n++; /* [Q1] */
  rth__mutex_unlock(&q->lock);
  return n;
}
