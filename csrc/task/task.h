/* task.h - a task: one allocation with the word, the links, the output and
** the future's own memory.
**
** The task layer knows no scheduler: it reaches it through rth__sched_t, the
** first member of whatever runs tasks. */
#ifndef RTH_TASK_H
#define RTH_TASK_H

#include "base/compiler.h"
#include "rthandle.h"
#include "task/state.h"

typedef struct rth__task rth__task_t;

typedef struct rth__sched {
  /* Queues the task.  Consumes the reference of the queue. */
  void (*schedule)(struct rth__sched *s, rth__task_t *t);
  /* Queues a task that yielded, behind everything else. */
  void (*yield)(struct rth__sched *s, rth__task_t *t, rth_cx_t *cx);
  /* The task ended: takes it off the list of live tasks.  Answers whether it
  ** was on one (its reference is then the caller's). */
  int (*release)(struct rth__sched *s, rth__task_t *t);
  /* A task failed and nobody can see it. */
  void (*unhandled)(struct rth__sched *s, rth__task_t *t);
  /* The memory of the task goes: releases what it keeps alive. */
  void (*freed)(struct rth__sched *s, rth__task_t *t);
} rth__sched_t;

enum { /* flags */
  RTH_TASK_LOCAL = 1, /* lives on an executor's own list (owner only) */
  RTH_TASK_ROOT = 2,  /* of a block_on: not counted, not listed */
  RTH_TASK_BLOCKING = 4,
  RTH_TASK_SHARE = 8,    /* RTH_SPAWN_SHARE */
  RTH_TASK_BORROWED = 16 /* behind it stands a pointer to the future */
};

struct rth__task { /* the future's memory follows it: see rth__task_self */
  rth__state_t state;
  rth__task_t *next; /* queue link: belongs to the NOTIFIED reference */
  rth__sched_t *sched;           /* r/o after init */
  const rth_future_ops_t *ops;   /* r/o after init */
  struct rth_local *home;        /* [S1]; NULL: any worker may poll it */
  uint64_t id;                   /* r/o after init */
  rth__task_t *live_next;        /* list of live tasks: under its lock, or */
  rth__task_t **live_pprev;      /* the owner's; NULL: on none */
  rth_waker_t join_waker;        /* [S3] */
  void *out;                     /* [S2] */
  uint8_t how;                   /* [S2]; an rth_poll_t, PENDING: cancelled */
  uint8_t flags;                 /* r/o after init */
  uint8_t yielded;               /* it is in a queue, and RUNNING [S1] */
};

enum { RTH_TASK_HEAD = (sizeof(rth__task_t) + 15) & ~15u };

static inline void *rth__task_self(const rth__task_t *t) {
  char *self = (char *)(uintptr_t)t + RTH_TASK_HEAD;
  return t->flags & RTH_TASK_BORROWED ? *(void **)(void *)self : self;
}

/* Turns a chain around; answers its new first, and adds its length to *n.
** Thread: who has the queue's references. */
static inline rth__task_t *rth__task_reverse(rth__task_t *t, size_t *n) {
  rth__task_t *before = NULL;
  while (t != NULL) {
    rth__task_t *next = t->next;
    t->next = before;
    before = t;
    t = next;
    ++*n;
  }
  return before;
}

static inline int rth__task_is_complete(rth__task_t *t) {
  return (rth__state_load(&t->state) & RTH_S_COMPLETE) != 0; /* [S2] */
}

/* A task in RTH_S_INITIAL.  id 0: a new one.  self is copied (size > 0) or
** borrowed (size 0).  NULL: no memory.  Thread: any.  Allocates. */
rth__task_t *rth__task_new(rth__sched_t *s, uint64_t id,
                           const rth_future_ops_t *ops, const void *self,
                           size_t size, unsigned flags);

/* Polls or cancels a task that came out of a queue.  cx has everything but
** the waker and the task's id.  Consumes the queue's reference. */
void rth__task_run(rth__task_t *t, rth_cx_t *cx);

/* Ends a task that was never queued, or was taken out of its queue: the
** runtime is shut down.  It is cancelled unpolled.  Consumes `refs`
** references: the queue's, and the list's where it never was on one. */
void rth__task_refuse(rth__task_t *t, unsigned refs);

/* Drops the output of a complete task that nobody will take.
** Thread: who has the right to it (JoinHandle, or the runner without one). */
void rth__task_drop_output(rth__task_t *t);

void rth__task_wake(rth__task_t *t);  /* Thread: any, with a reference */
void rth__task_abort(rth__task_t *t); /* Thread: any, with a reference */
void rth__task_unref(rth__task_t *t); /* Thread: any.  Consumes one */

/* The next process-wide task id, from 1. */
uint64_t rth__task_next_id(void);

#endif
