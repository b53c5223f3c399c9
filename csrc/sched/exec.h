/* exec.h - an executor: what one thread needs to run pinned tasks.  Every
** worker has one, a current_thread runtime is one, and a plain thread gets
** one (rth_local_t) to wait on. */
#ifndef RTH_EXEC_H
#define RTH_EXEC_H

#include "driver/loop.h"
#include "driver/park.h"
#include "driver/wheel.h"
#include "queue/inbox.h"
#include "task/task.h"

#define RTH_BUDGET 128
#define RTH_SLEEP_FIRING 255 /* level of a timer that is due */

typedef struct rth_local rth__exec_t;
struct rth__context;

typedef struct rth__fifo {
  rth__task_t *first, *last; /* owner only */
} rth__fifo_t;

struct rth_local {
  /* ---- owner only ---- */
  rth__fifo_t ready;    /* pinned tasks to run */
  rth__fifo_t yielded;  /* tasks to queue again after the driver's turn */
  rth__task_t *live;    /* RTH_TASK_LOCAL tasks */
  int closed;           /* no more local tasks */
  uint32_t budget;      /* of the poll that runs */
  rth__wheel_t wheel;
  rth_sleep_t *firing;  /* due, and not woken yet */
  rth__loop_t *loop;    /* NULL: nothing waited for I/O yet */
  rth_cx_t cx;          /* the constant part of every poll's */
  rth_handle_t *core;   /* r/o; a reference where `counted` */
  void *data;
  int counted;          /* made by rth_local_new: has refs of its own */
  unsigned running;     /* inside a poll of one of its tasks */
  rth__exec_t *peer_next, **peer_pprev; /* under core->lock: counted ones */

  /* ---- shared ---- */
  RTH_ATOMIC(struct rth__context *) thread; /* who drives it: see owned_here */
  RTH_ATOMIC(rth__parker_t *) parker;       /* [X1] where its driver sleeps */
  rth__parker_t own;
  rth__inbox_t inbox;
  RTH_ATOMIC(uint64_t) refs; /* [X2] owner + its tasks; counted only */

  /* ---- statistics: the owner writes, anyone reads, relaxed ---- */
  RTH_ATOMIC(uint64_t) ready_count, live_count, inbox_count, spawned;
  RTH_ATOMIC(uint64_t) polls, parks, unparks, busy, busy_since;
};

void rth__exec_init(rth__exec_t *e, rth_handle_t *core);
void rth__exec_destroy(rth__exec_t *e); /* nothing is left in it */

/* Thread becomes, or ceases to be, the owner. */
void rth__exec_acquire(rth__exec_t *e);
void rth__exec_release(rth__exec_t *e);

/* Queues a task whose home is e.  Thread: any. */
void rth__exec_schedule(rth__exec_t *e, rth__task_t *t);
/* Lets the driver of e look at it again.  Thread: any. */
void rth__exec_unpark(rth__exec_t *e);

/* Adds a LOCAL task (list reference).  0: closed.  Thread: owner. */
int rth__exec_add_local(rth__exec_t *e, rth__task_t *t);
int rth__exec_remove_local(rth__exec_t *e, rth__task_t *t);
/* No more local tasks; those that live are aborted.  Thread: owner. */
void rth__exec_close(rth__exec_t *e);

/* I/O alone; answers how many events came. */
unsigned rth__exec_turn_io(rth__exec_t *e);
/* Takes everything off the loop and closes it: no task is left to wait.
** Thread: owner. */
void rth__exec_close_loop(rth__exec_t *e);
/* Takes a timer out of the wheel or the list of due ones. */
void rth__exec_forget(rth__exec_t *e, rth_sleep_t *s);
/* When the driver must look again at the latest (rth_now): the next timer.
** RTH_FOREVER: never. */
uint64_t rth__exec_deadline(rth__exec_t *e);
/* Sleeps on the executor's parker until then, or until there is I/O for it or
** for `also` (or NULL), which this thread drives, too: see rth__parker_park.
** `spin`: looks for a moment first, if that pays (rth__parker_spin). */
void rth__exec_park(rth__exec_t *e, rth__exec_t *also, uint64_t deadline,
                    const rth__signals_t *held, int spin);

/* References of an executor that rth_local_new made. */
void rth__exec_ref(rth__exec_t *e);
void rth__exec_unref(rth__exec_t *e);

/* ---- the hot part: what most often finds nothing to do is decided here --- */

static inline void rth__fifo_push(rth__fifo_t *q, rth__task_t *t) {
  t->next = NULL;
  if (q->first == NULL)
    q->first = t;
  else
    q->last->next = t;
  q->last = t;
}

static inline rth__task_t *rth__fifo_pop(rth__fifo_t *q) {
  rth__task_t *t = q->first;
  if (t != NULL) q->first = t->next;
  return t;
}

/* Moves what others sent into the ready queue; answers whether any came.
** Thread: owner. */
int rth__exec_take_inbox(rth__exec_t *e);
static inline int rth__exec_drain(rth__exec_t *e) {
  return !rth__inbox_is_empty(&e->inbox) && rth__exec_take_inbox(e);
}

/* The next ready pinned task, or NULL.  Thread: owner. */
static inline rth__task_t *rth__exec_next(rth__exec_t *e) {
  rth__task_t *t = rth__fifo_pop(&e->ready);
  if (t == NULL && rth__exec_drain(e)) t = rth__fifo_pop(&e->ready);
  if (t != NULL)
    rth__store_rlx(&e->ready_count, rth__load_rlx(&e->ready_count) - 1);
  return t;
}

/* The driver's turn without waiting: timers, I/O, then yielded tasks.
** Thread: owner. */
void rth__exec_do_turn(rth__exec_t *e);
static inline void rth__exec_turn(rth__exec_t *e) {
  if (e->yielded.first != NULL || e->loop != NULL ||
      !rth__wheel_is_empty(&e->wheel))
    rth__exec_do_turn(e);
}

#endif
