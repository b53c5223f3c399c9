/* inject - the global queue.
**
** WHY      a mutex and a list: it is the slow path (workers look at it every
**          so many tasks and take a batch), the links are in the tasks, so a
**          push cannot fail, and FIFO is exact.  A lock-free list would pay
**          for each task what the batch pays once.
** THREADS  any.
** OWNS     the NOTIFIED reference of each task in it.
** INVARIANT  len == list.n whenever the lock is free.
** SYNC
**   [Q1] len   push: release -> pop, len: acquire.  A worker that is about to
**              sleep does a seq_cst RMW on the idle word, then reads len; a
**              pusher writes len, then does its RMW on the idle word: one of
**              the two sees the other.
*/
#include "queue/inject.h"

void rth__inject_init(rth__inject_t *q) {
  rth__mutex_init(&q->lock, RTH_RANK_INJECT);
  q->list = (rth__tasklist_t){NULL, NULL, 0};
  q->closed = 0;
  rth__init(&q->len, 0);
}

void rth__inject_destroy(rth__inject_t *q) {
  RTH_CHECK(q->list.first == NULL);
  rth__mutex_destroy(&q->lock);
}

/* Under lock. */
static void publish_len(rth__inject_t *q) {
  rth__store_rel(&q->len, q->list.n); /* [Q1] */
}

int rth__inject_push(rth__inject_t *q, rth__task_t *t) {
  int open;
  rth__mutex_lock(&q->lock);
  open = !q->closed;
  if (open) {
    rth__tasklist_add(&q->list, t);
    publish_len(q);
  }
  rth__mutex_unlock(&q->lock);
  return open;
}

void rth__inject_push_list(rth__inject_t *q, rth__tasklist_t *l) {
  if (l->first == NULL) return;
  rth__mutex_lock(&q->lock);
  if (q->list.first == NULL)
    q->list.first = l->first;
  else
    q->list.last->next = l->first;
  q->list.last = l->last;
  q->list.n += l->n;
  publish_len(q);
  rth__mutex_unlock(&q->lock);
}

rth__task_t *rth__inject_pop(rth__inject_t *q) {
  rth__task_t *t;
  if (rth__inject_len(q) == 0) return NULL;
  rth__mutex_lock(&q->lock);
  t = rth__tasklist_take(&q->list);
  publish_len(q);
  rth__mutex_unlock(&q->lock);
  return t;
}

rth__tasklist_t rth__inject_pop_n(rth__inject_t *q, size_t n) {
  rth__tasklist_t l = {NULL, NULL, 0};
  if (n == 0 || rth__inject_len(q) == 0) return l;
  rth__mutex_lock(&q->lock);
  if (n >= q->list.n) {
    l = q->list;
    q->list = (rth__tasklist_t){NULL, NULL, 0};
  } else {
    l.first = l.last = q->list.first;
    for (l.n = 1; l.n < n; l.n++) l.last = l.last->next;
    q->list.first = l.last->next;
    q->list.n -= n;
    l.last->next = NULL;
  }
  publish_len(q);
  rth__mutex_unlock(&q->lock);
  return l;
}

int rth__inject_close(rth__inject_t *q) {
  int was_open;
  rth__mutex_lock(&q->lock);
  was_open = !q->closed;
  q->closed = 1;
  rth__mutex_unlock(&q->lock);
  return was_open;
}
