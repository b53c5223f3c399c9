/* context.h - what a thread knows of itself. */
#ifndef RTH_CONTEXT_H
#define RTH_CONTEXT_H

#include "sched/exec.h"

struct rth__worker;

typedef struct rth__context {
  rth__exec_t *exec;          /* whose task is polled now; NULL: none */
  struct rth__worker *worker; /* this thread is a worker */
  unsigned driving;           /* depth of block_on and worker loops */
  rth_handle_t *blocking;     /* runtime of this blocking thread; borrowed */
  void *data;                 /* thread_start's, of worker or blocking thread */
  rth_handle_t *entered;      /* rth_enter: current handle; owned by guards */
  unsigned depth;             /* of rth_enter guards */
} rth__context_t;

extern _Thread_local rth__context_t rth__context;

#endif
