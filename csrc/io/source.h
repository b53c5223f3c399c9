/* source.h - a descriptor that tasks wait for: at most one for reading and
** one for writing.
**
** An operation:
**   rc = rth__source_begin(s, cx, side); if (rc != RTH_READY) return rc;
**   try; done: rth__source_end(s, side), return RTH_READY;
**        would block: return rth__source_wait(s, cx, side).
** Thread of everything here: the owner of the executor that it waits on; of
** the last one, when it is detached. */
#ifndef RTH_SOURCE_H
#define RTH_SOURCE_H

#include "driver/loop.h"
#include "rthandle_io.h"

struct rth__watch;

enum rth__side { RTH_SIDE_READ, RTH_SIDE_WRITE };

typedef struct rth__waiter {
  rth_waker_t waker; /* empty: it was woken, or nobody waits */
  const void *owner; /* data of that waker: who has this side; or NULL */
  uint8_t cancelled; /* closed while it waited: its next poll is told */
  uint8_t dry;       /* the last try took all there was: wait before a try */
  uint8_t ignored;   /* events while the owner was woken but not polled */
} rth__waiter_t;

typedef struct rth__source {
  int fd;                   /* -1: closed */
  struct rth__watch *watch; /* NULL: stands on no loop */
  rth_handle_t *handle;     /* owned: the runtime that used it last */
  rth__waiter_t side[2];
} rth__source_t;

/* Takes the descriptor (non-blocking, close-on-exec). */
void rth__source_init(rth__source_t *s, rth_handle_t *h, int fd);
/* Closes the descriptor; those who wait are told. */
void rth__source_close(rth__source_t *s);
void rth__source_fini(rth__source_t *s); /* closed; drops the handle */

/* READY: the caller has this side until it ends, and one unit of the budget
** is taken.  PENDING: the budget is used up.  Else an error. */
int rth__source_begin(rth__source_t *s, rth_cx_t *cx, enum rth__side side);
/* PENDING, or an error. */
int rth__source_wait(rth__source_t *s, rth_cx_t *cx, enum rth__side side);
/* The operation is over, or given up: its side is free. */
void rth__source_end(rth__source_t *s, enum rth__side side);

/* Leaves the loop.  -EBUSY: somebody waits. */
int rth__source_detach(rth__source_t *s);

/* 0, or why nothing may be done with it: closed, or its runtime is. */
int rth__source_check(const rth__source_t *s);

/* The loop it stands on, for the spare buffer; or NULL. */
rth__loop_t *rth__source_loop(const rth__source_t *s);

#endif
