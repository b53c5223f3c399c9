/* core.h - what all threads of one runtime share: the body of rth_handle_t. */
#ifndef RTH_CORE_H
#define RTH_CORE_H

#include "base/rand.h"
#include "base/thread.h"
#include "queue/inject.h"
#include "sched/exec.h"
#include "sched/idle.h"
#include "task/live.h"

struct rth__worker;
struct rth__pool;

enum { RTH_RUNNING, RTH_CLOSING };

/* A thread that waits to drive a current_thread runtime. */
typedef struct rth__drive_waiter {
  struct rth__drive_waiter *next;
  rth__exec_t *exec;
} rth__drive_waiter_t;

struct rth_handle {
  rth__sched_t sched; /* first: tasks point here */
  RTH_ATOMIC(uint64_t) refs; /* [C1] */

  /* r/o after start */
  rth_options_t options; /* strings are owned */
  uint64_t id;
  uint64_t started_at;      /* rth_now; zero of the wheels */
  unsigned num_workers;
  unsigned event_interval;
  RTH_ATOMIC(int) ending; /* no task is polled any more; beside what each
                             poll reads, and written once */
  unsigned forks; /* when it was made */
  struct rth__worker *workers; /* multi_thread */
  rth__exec_t *main;           /* current_thread */
  struct rth__pool *pool;

  rth__live_t live;
  rth__inject_t inject; /* multi_thread */
  rth__idle_t idle;     /* multi_thread */
  RTH_ATOMIC(int) phase;      /* [C2] RTH_RUNNING, RTH_CLOSING */
  RTH_ATOMIC(int) unhandled;  /* a failure shut it down: block_on says so */

  /* the test clock, current_thread: relaxed, the driving thread writes */
  RTH_ATOMIC(int) paused;
  RTH_ATOMIC(uint64_t) frozen; /* the time while paused */
  RTH_ATOMIC(uint64_t) behind; /* real time less ours while running */
  RTH_ATOMIC(int) clock_used;  /* paused once: rth_now is not the time */

  /* who drives `main`: current_thread */
  rth__mutex_t drive_lock;
  int driven;                          /* under drive_lock */
  rth__drive_waiter_t *drive_waiters;  /* under drive_lock */
  int main_started; /* the driver's: thread_start ran */
  int main_stopped; /* under drive_lock; its tasks have ended */

  /* threads: shutdown */
  rth__mutex_t lock;
  rth__cond_t stopped;     /* a worker ended */
  unsigned workers_alive;  /* under lock; main counts as one */
  unsigned workers_started; /* r/o after start */
  unsigned workers_ready;  /* under lock; thread_start done */
  int joined;              /* under lock; worker threads joined or detached */
  rth__exec_t *locals;     /* under lock; what rth_local_new made */
  rth__parker_t spare;     /* under lock; a descriptor for the next of them */

  uint64_t spawned; /* under lock; on local executors that are gone */
  RTH_ATOMIC(uint64_t) remote; /* statistics */
};

void rth__core_ref(rth_handle_t *h);
void rth__core_unref(rth_handle_t *h);
/* Set by runtime/: frees the core.  Breaks the circle of layers. */
void rth__core_free(rth_handle_t *h);
/* Set by runtime/: the begin of every shutdown, after which no task and no
** blocking function begins.  Idempotent.  Thread: any, without a lock. */
void rth__core_end(rth_handle_t *h);

static inline int rth__closing(const rth_handle_t *h) {
  return rth__load_acq(&((rth_handle_t *)(uintptr_t)h)->phase) != RTH_RUNNING;
  /* [C2] */
}

/* From now on no task of it is polled.  Thread: any. */
static inline void rth__core_end_polls(rth_handle_t *h) {
  rth__store_rlx(&h->ending, 1);
}

/* Lets every thread that drives something of it look again. */
void rth__core_unpark(rth_handle_t *h);
/* Marks it, aborts all tasks, wakes every thread that drives.  Idempotent. */
void rth__core_close(rth_handle_t *h);

/* block_on with an executor made for the call. */
int rth__block_on(rth_handle_t *h, int drive, const rth_future_ops_t *ops,
                  void *self, rth_outcome_t *o);

/* current_thread, closing: ends the tasks of `main` on this thread, unless one
** drives it: that one does.  Thread: any. */
void rth__main_end(rth_handle_t *h);

/* The functions tasks reach their runtime through (sched.c). */
void rth__sched_init(rth__sched_t *s);

/* Every task of the runtime has ended. */
static inline int rth__core_empty(const rth_handle_t *h) {
  return rth__live_count(&h->live) == 0;
}

/* Milliseconds of the wheels. */
#define RTH_TICK_NEVER (UINT64_C(1) << 62)
uint64_t rth__core_tick_up(const rth_handle_t *h, uint64_t deadline);
uint64_t rth__core_tick_now(const rth_handle_t *h);
/* When rth_now will show that tick.  RTH_FOREVER under a paused clock. */
uint64_t rth__core_tick_time(const rth_handle_t *h, uint64_t tick);

#endif
