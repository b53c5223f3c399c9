/* inbox.h - tasks that only one executor may poll, woken from any thread. */
#ifndef RTH_INBOX_H
#define RTH_INBOX_H

#include "base/atomic.h"
#include "task/task.h"

typedef struct rth__inbox {
  RTH_ATOMIC(rth__task_t *) top; /* newest first, linked by next */
} rth__inbox_t;

static inline void rth__inbox_init(rth__inbox_t *b) {
  rth__init(&b->top, NULL);
}

/* Answers whether it was empty: that pusher wakes the consumer, those behind
** need not.  Thread: any.  Never fails. */
int rth__inbox_push(rth__inbox_t *b, rth__task_t *t);

/* All tasks, oldest first, linked by next; NULL: none.  Thread: consumer. */
rth__task_t *rth__inbox_take(rth__inbox_t *b);

/* A look without the cost of a take.  Thread: any. */
static inline int rth__inbox_is_empty(rth__inbox_t *b) {
  return rth__load_sc(&b->top) == NULL; /* [B2] */
}

#endif
