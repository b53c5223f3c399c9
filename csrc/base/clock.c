/* clock - the monotonic clock.  THREADS any. */
#include "base/clock.h"

#include <time.h>

#include "rthandle.h"

uint64_t rth_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * RTH_SECOND + (uint64_t)t.tv_nsec;
}
