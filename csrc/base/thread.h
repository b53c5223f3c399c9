/* thread.h - threads, locks and conditions of the system.
**
** Lock ranks, lowest first; a thread takes a lock only while it holds none of
** the same or a higher rank (checked with RTH_DEBUG).  The aim is one lock at
** a time. */
#ifndef RTH_THREAD_H
#define RTH_THREAD_H

#include "base/compiler.h"

#include <pthread.h>
#include <signal.h>

enum rth__rank {
  RTH_RANK_RUNTIME = 1, /* shutdown and joining */
  RTH_RANK_POOL,        /* blocking pool */
  RTH_RANK_DRIVE,       /* who drives a current_thread runtime */
  RTH_RANK_OWNED,       /* a shard of live tasks */
  RTH_RANK_SLEEPERS,    /* parked workers */
  RTH_RANK_INJECT,      /* global queue */
  RTH_RANK_SYNC         /* a channel, lock or token: nothing below it */
};

typedef struct rth__mutex {
  pthread_mutex_t m;
  enum rth__rank rank;
} rth__mutex_t;

typedef struct rth__cond {
  pthread_cond_t c;
} rth__cond_t;

void rth__mutex_init(rth__mutex_t *m, enum rth__rank rank);
void rth__mutex_destroy(rth__mutex_t *m);
void rth__mutex_lock(rth__mutex_t *m);
void rth__mutex_unlock(rth__mutex_t *m);
void rth__assert_held(rth__mutex_t *m);

void rth__cond_init(rth__cond_t *c); /* monotonic clock */
void rth__cond_destroy(rth__cond_t *c);
void rth__cond_wait(rth__cond_t *c, rth__mutex_t *m);
/* Waits until `deadline` (rth_now) at most; 0, or RTH_EAGAIN when
** it has passed. */
int rth__cond_wait_until(rth__cond_t *c, rth__mutex_t *m, uint64_t deadline);
void rth__cond_signal(rth__cond_t *c);
void rth__cond_broadcast(rth__cond_t *c);

typedef pthread_t rth__thread_t;

/* Starts a thread with all signals blocked: handlers belong to the threads of
** the application.  RTH_EAGAIN: the system refuses; RTH_ENOMEM.
** stack 0: the system's size.  The name is cut at 15 bytes. */
int rth__thread_start(rth__thread_t *t, size_t stack, const char *name,
                      void (*main)(void *), void *arg);
void rth__thread_join(rth__thread_t t);
void rth__thread_detach(rth__thread_t t);

/* Keeps signal handlers from running on this thread until it is released, or
** sleeps on a parker. */
typedef struct rth__signals {
  sigset_t before;
} rth__signals_t;
void rth__signals_hold(rth__signals_t *s);
void rth__signals_release(rth__signals_t *s);

/* Usable processors: the affinity mask counts.  At least 1. */
unsigned rth__processors(void);

/* In a child process after fork the threads of every runtime are gone.
** rth__forks: how often that happened since rth__watch_forks. */
void rth__watch_forks(void);
unsigned rth__forks(void);

#endif
