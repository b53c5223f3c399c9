/* pool.h - threads for blocking work: they come on demand and go when idle. */
#ifndef RTH_POOL_H
#define RTH_POOL_H

#include "sched/core.h"

typedef struct rth__pool rth__pool_t;

/* Starts no thread.  Fails: NULL, no memory. */
rth__pool_t *rth__pool_new(rth_handle_t *core);
/* No thread lives.  NULL is allowed. */
void rth__pool_free(rth__pool_t *p);

/* Queues a BLOCKING task; refuses it where the pool is closed.  Consumes the
** queue's reference on success.  Fails: EAGAIN, ENOMEM where no thread lives
** and none can be started.  Thread: any. */
int rth__pool_spawn(rth__pool_t *p, rth__task_t *t);

/* Cancels what is queued, lets no more in, waits for running functions until
** `deadline` (rth_now; 0: not at all).  `last`: lets go of those that still
** run.  Idempotent.  Thread: any. */
void rth__pool_shutdown(rth__pool_t *p, uint64_t deadline, int last);

/* Adds its numbers. */
void rth__pool_metrics(rth__pool_t *p, rth_metrics_t *m);

#endif
