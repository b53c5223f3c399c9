/* wheel.h - the timers of one executor, ordered by the tick (1 ms) at which
** they are due. */
#ifndef RTH_WHEEL_H
#define RTH_WHEEL_H

#include "base/compiler.h"
#include "rthandle.h"

#define RTH_WHEEL_BITS 6u
#define RTH_WHEEL_SLOTS (1u << RTH_WHEEL_BITS)
#define RTH_WHEEL_LEVELS 6u

typedef struct rth__wheel_level {
  uint64_t occupied; /* bit i: slots[i] is not empty */
  rth_sleep_t *slots[RTH_WHEEL_SLOTS]; /* newest first */
} rth__wheel_level_t;

typedef struct rth__wheel {
  uint64_t now;   /* the tick advanced to */
  uint64_t count; /* timers in it */
  rth__wheel_level_t levels[RTH_WHEEL_LEVELS];
} rth__wheel_t;

void rth__wheel_init(rth__wheel_t *w, uint64_t now);

/* Inserts a timer that is in no wheel, due at s->tick (below 2^63).
** 0: that tick is not after the wheel's: it is due already and was not
** inserted. */
int rth__wheel_insert(rth__wheel_t *w, rth_sleep_t *s);

/* Takes out a timer that is in this wheel. */
void rth__wheel_remove(rth__wheel_t *w, rth_sleep_t *s);

/* The tick at which to call rth__wheel_advance: that of the first timer, or
** earlier, where timers move to a finer level.  UINT64_MAX: no timer. */
uint64_t rth__wheel_next(const rth__wheel_t *w);

/* The tick of the first timer itself.  UINT64_MAX: no timer.  Looks at many. */
uint64_t rth__wheel_first(const rth__wheel_t *w);

/* Moves on to tick `now` (never back).  Answers the timers that are due, out
** of the wheel, linked by next: by tick, and as inserted within one. */
rth_sleep_t *rth__wheel_advance(rth__wheel_t *w, uint64_t now);

/* Takes out one timer, due or not; NULL: none is left. */
rth_sleep_t *rth__wheel_take_any(rth__wheel_t *w);

static inline uint64_t rth__wheel_count(const rth__wheel_t *w) {
  return w->count;
}
static inline int rth__wheel_is_empty(const rth__wheel_t *w) {
  return w->count == 0;
}

#endif
