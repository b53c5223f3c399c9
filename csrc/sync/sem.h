/* sem.h - permits: the base of semaphore, locks, once cell and mpsc. */
#ifndef RTH_SEM_H
#define RTH_SEM_H

#include "base/atomic.h"
#include "sync/wait.h"

typedef struct rth__sem {
  RTH_ATOMIC(uint64_t) word;
  rth__mutex_t lock;
  rth__waits_t waits; /* under lock */
} rth__sem_t;

void rth__sem_init(rth__sem_t *s, uint64_t permits);
void rth__sem_destroy(rth__sem_t *s);

/* As the functions of rth_semaphore_t. */
int rth__sem_try(rth__sem_t *s, uint64_t n);
rth_poll_t rth__sem_poll(rth__sem_t *s, uint64_t n, rth_wait_t *w,
                         const rth_waker_t *waker);
void rth__sem_cancel(rth_wait_t *w); /* w->obj: the rth__sem_t */
RTH_MUSTUSE int rth__sem_release(rth__sem_t *s, uint64_t n);
uint64_t rth__sem_forget(rth__sem_t *s, uint64_t n);
uint64_t rth__sem_available(rth__sem_t *s);
void rth__sem_close(rth__sem_t *s);
int rth__sem_is_closed(rth__sem_t *s);

#endif
