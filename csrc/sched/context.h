/* context.h - what a thread knows of itself. */
#ifndef RTH_CONTEXT_H
#define RTH_CONTEXT_H

#include "sched/core.h"

struct rth__worker;

typedef struct rth__context {
  rth__exec_t *exec;          /* whose task is polled now; NULL: none */
  struct rth__worker *worker; /* this thread is a worker */
  unsigned driving;           /* depth of block_on and worker loops */
  unsigned mains;             /* current_thread runtimes driven here: depth */
  rth_handle_t *blocking;     /* runtime of this blocking thread; borrowed */
  void *data;                 /* thread_start's, of worker or blocking thread */
  rth_handle_t *entered;      /* rth_enter: current handle; owned by guards */
  unsigned depth;             /* of rth_enter guards */
} rth__context_t;

extern _Thread_local rth__context_t rth__context;

/* Polls one task on this executor.  Thread: owner.
** One that was woken by the end of another, as the runtime closes, must not
** take that for news: it ends too.
** Inline: a coroutine that suspends leaves by longjmp, and then the processor
** mispredicts every return up to the loop. */
static inline void rth__exec_run(rth__exec_t *e, rth__task_t *t) {
  rth__context_t *c = &rth__context;
  rth__exec_t *outer = c->exec;
  c->exec = e;
  e->running++;
  e->budget = RTH_BUDGET;
  rth__bump(&e->polls);
  if (RTH_UNLIKELY(rth__load_rlx(&e->core->ending)) &&
      !(t->flags & RTH_TASK_ROOT))
    rth__task_abort(t); /* NOTIFIED, or it has yielded: only marks it */
  rth__task_run(t, &e->cx);
  e->running--;
  c->exec = outer;
}

#endif
