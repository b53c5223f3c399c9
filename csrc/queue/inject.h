/* inject.h - the queue that any thread may put stealable tasks into: from
** outside the workers, and what flows over from a worker's ring. */
#ifndef RTH_INJECT_H
#define RTH_INJECT_H

#include "base/atomic.h"
#include "base/thread.h"
#include "task/task.h"

/* Tasks linked through task->next, oldest first; `last` is good while
** `first` is not NULL. */
typedef struct rth__tasklist {
  rth__task_t *first, *last;
  size_t n;
} rth__tasklist_t;

typedef struct rth__inject {
  rth__mutex_t lock;
  rth__tasklist_t list;     /* under lock */
  int closed;               /* under lock */
  RTH_ATOMIC(size_t) len;   /* written under lock, read by any [Q1] */
} rth__inject_t;

/* Puts a task at the end of a list. */
static inline void rth__tasklist_add(rth__tasklist_t *l, rth__task_t *t) {
  t->next = NULL;
  if (l->first == NULL)
    l->first = t;
  else
    l->last->next = t;
  l->last = t;
  l->n++;
}

/* Takes the oldest; NULL: none. */
static inline rth__task_t *rth__tasklist_take(rth__tasklist_t *l) {
  rth__task_t *t = l->first;
  if (t != NULL) {
    l->first = t->next;
    l->n--;
  }
  return t;
}

void rth__inject_init(rth__inject_t *q);
void rth__inject_destroy(rth__inject_t *q); /* must be empty */

/* 1; or 0 when closed: the task stays the caller's.  Thread: any. */
int rth__inject_push(rth__inject_t *q, rth__task_t *t);
/* Takes the whole list, even when closed: what a worker had already must not
** be lost, and whoever closed the queue empties it after the workers have
** ended.  Thread: worker. */
void rth__inject_push_list(rth__inject_t *q, rth__tasklist_t *l);
/* The oldest; NULL: none.  A push that happened before is seen.
** Thread: any. */
rth__task_t *rth__inject_pop(rth__inject_t *q);
/* The oldest n at most.  Thread: any. */
rth__tasklist_t rth__inject_pop_n(rth__inject_t *q, size_t n);
/* From now on rth__inject_push refuses.  Answers whether it was open. */
int rth__inject_close(rth__inject_t *q);

static inline size_t rth__inject_len(rth__inject_t *q) {
  return rth__load_acq(&q->len); /* [Q1] */
}

#endif
