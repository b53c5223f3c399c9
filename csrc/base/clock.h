/* clock.h - units of time; the clock itself is rth_now in rthandle.h. */
#ifndef RTH_CLOCK_H
#define RTH_CLOCK_H

#include "base/compiler.h"

#define RTH_MILLISECOND UINT64_C(1000000)
#define RTH_SECOND UINT64_C(1000000000)
/* In 292 years: no clock goes further, and what is due later never comes. */
#define RTH_TIME_MAX (UINT64_MAX / 2)

/* a + b, at most UINT64_MAX ("for ever"). */
static inline uint64_t rth__time_add(uint64_t a, uint64_t b) {
  return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

#endif
