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
  RTH_ATOMIC(rth__task_t *) top; /* came last, newest first [Q1] */
  char pad[RTH_CACHE_LINE - sizeof(void *)]; /* who pushes, who takes */
  rth__mutex_t lock;             /* of those who take */
  rth__tasklist_t list;          /* under lock: came before those at `top` */
  RTH_ATOMIC(size_t) listed;     /* written under lock, read by any [Q1] */
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

/* Takes no lock.  Thread: any. */
void rth__inject_push(rth__inject_t *q, rth__task_t *t);
/* Takes the whole list, all at once.  Thread: any. */
void rth__inject_push_list(rth__inject_t *q, const rth__tasklist_t *l);
/* The oldest; NULL: none.  A push that happened before is seen.
** Thread: any. */
rth__task_t *rth__inject_pop(rth__inject_t *q);
/* The oldest: one of `parts` equal parts of what is there and one more, at
** most `max`.  What came meanwhile may be left out of the count.
** Thread: any. */
rth__tasklist_t rth__inject_pop_part(rth__inject_t *q, size_t parts,
                                     size_t max);
/* How many there are, by counting them.  Thread: any. */
size_t rth__inject_count(rth__inject_t *q);

static inline int rth__inject_is_empty(rth__inject_t *q) {
  return rth__load_sc(&q->top) == NULL &&   /* [Q1] first */
         rth__load_acq(&q->listed) == 0;    /* [Q1] then */
}

#endif
