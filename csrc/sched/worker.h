/* worker.h - one thread of a multi_thread runtime. */
#ifndef RTH_WORKER_H
#define RTH_WORKER_H

#include "queue/ring.h"
#include "sched/core.h"

typedef struct rth__worker {
  rth__exec_t exec;
  /* ---- owner only ---- */
  rth__task_t *lifo;    /* woken or spawned last: next, while caches are warm */
  unsigned lifo_polls;  /* in a row */
  int pinned_first;     /* of pinned and stealable tasks, last time */
  unsigned tick;        /* tasks run */
  unsigned since_turn;  /* tasks run since the driver's turn */
  unsigned global_queue_interval;
  uint64_t turn_at;     /* rth_now of the last turn; 0: was asleep since */
  double mean_poll;     /* ns, moving average */
  int searching;
  int closed;           /* has seen that the runtime closes */
  rth__rand_t rand;
  /* ---- r/o after start ---- */
  unsigned index;
  rth_handle_t *core;
  rth__thread_t thread;
  /* ---- shared ---- */
  rth__ring_t ring;
  RTH_ATOMIC(uint64_t) steals, overflows; /* statistics, owner writes */
} rth__worker_t;

/* What the thread runs; arg: the worker.  Holds a reference to the core. */
void rth__worker_main(void *worker);

/* Queues a stealable task on the worker that calls. */
void rth__worker_schedule(rth__worker_t *w, rth__task_t *t, int share);
/* Wakes one worker if it is worth it.  Thread: any. */
void rth__workers_notify(rth_handle_t *core);

#endif
