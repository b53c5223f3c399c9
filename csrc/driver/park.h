/* park.h - where one thread sleeps until work, a deadline or I/O. */
#ifndef RTH_PARK_H
#define RTH_PARK_H

#include "base/atomic.h"
#include "base/thread.h"

enum { RTH_PARK_EMPTY, RTH_PARK_PARKED, RTH_PARK_NOTIFIED };

typedef struct rth__parker {
  RTH_ATOMIC(uint32_t) word; /* [P1] */
  int fd_read, fd_write;     /* -1: not open; r/o while anyone may unpark */
  int owed;  /* sleeper only: wake-ups announced by the word, not yet read */
  int io[2]; /* sleeper only: descriptors whose readiness ends a sleep; -1 */
  int luck;  /* sleeper only: how well spinning has paid; 0: it does not */
  unsigned unspun; /* sleeper only: sleeps without */
} rth__parker_t;

void rth__parker_init(rth__parker_t *p); /* opens nothing, cannot fail */
/* Opens what it sleeps on, if that was not done.  Thread: the sleeper.
** Fails: RTH_EMFILE. */
int rth__parker_open(rth__parker_t *p);
void rth__parker_close(rth__parker_t *p); /* nobody may unpark it any more */
/* Closes what it sleeps on, while others may unpark it still: that does
** nothing from now on.  Thread: the sleeper; it never sleeps here again. */
void rth__parker_retire(rth__parker_t *p);
/* Gives the descriptor of `from`, and its luck, to `to`, which has none.  A
** wake-up may be left in it: the next sleep then ends at once. */
void rth__parker_move(rth__parker_t *from, rth__parker_t *to);

/* Sleeps until unparked, or `deadline` (rth_now; RTH_FOREVER).  Returns at
** once if it was unparked since the last time.  May return for nothing, and
** does when a signal handler has run on this thread.  `held`: signals that the
** caller holds, and that may come while it sleeps; or NULL.
** Thread: the sleeper; the parker is open.  Blocks. */
void rth__parker_park(rth__parker_t *p, uint64_t deadline,
                      const rth__signals_t *held);

/* Looks for a moment, at most until `deadline`, whether there is anything
** that would end a sleep: spin.c.  Answers that.  Thread: the sleeper. */
int rth__parker_spin(rth__parker_t *p, uint64_t deadline);

/* Takes a notification that has come; no sleep. */
void rth__parker_clear(rth__parker_t *p);

/* Wakes the sleeper, or keeps it from sleeping the next time.
** Thread: any.  Fails: never.  Blocks: never. */
void rth__unpark(rth__parker_t *p);

#endif
