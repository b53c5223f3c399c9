/* idle.h - which workers sleep, which search, and whom to wake. */
#ifndef RTH_IDLE_H
#define RTH_IDLE_H

#include "base/thread.h"
#include "base/atomic.h"

typedef struct rth__idle {
  RTH_ATOMIC(uint32_t) state; /* [I1] unparked:16 | searching:16 */
  rth__mutex_t lock;
  unsigned *sleepers; /* under lock: a stack of worker numbers */
  unsigned num_sleepers; /* under lock */
  unsigned num_workers;  /* r/o after init */
} rth__idle_t;

int rth__idle_init(rth__idle_t *i, unsigned workers); /* Fails: ENOMEM */
void rth__idle_destroy(rth__idle_t *i);

/* New work can be taken by anyone.  The number of the worker to unpark, which
** is then searching; -1: nobody needs to be woken.  Thread: any. */
int rth__idle_to_notify(rth__idle_t *i);

/* A worker found nothing.  0: enough search already.  Thread: worker. */
int rth__idle_start_search(rth__idle_t *i);
/* It found something.  Answers whether it was the last that searched: then
** another must be woken to search in its place. */
int rth__idle_end_search(rth__idle_t *i);

/* Worker `w` goes to sleep: from here on it may be woken, so it looks at every
** queue once more. */
void rth__idle_sleep(rth__idle_t *i, unsigned w, int searching);
/* It woke for reasons of its own (pinned work, a timer).  0: somebody had
** taken it off the list: it is searching. */
int rth__idle_wake_self(rth__idle_t *i, unsigned w);
/* Whether it is still on the list. */
int rth__idle_is_asleep(rth__idle_t *i, unsigned w);
int rth__idle_all_asleep(rth__idle_t *i); /* at this moment */
int rth__idle_all_awake(rth__idle_t *i);  /* at this moment */

#endif
