/* options - defaults of a runtime.  THREADS any. */
#include "base/clock.h"
#include "base/thread.h"
#include "rthandle.h"

void rth_options_init(rth_options_t *o) {
  *o = (rth_options_t){0};
  o->thread_keep_alive = 10 * RTH_SECOND;
}

int rth_default_workers(unsigned *n, int *from_env) {
  const char *s = getenv("RTHANDLE_WORKER_THREADS");
  unsigned value = 0;
  *from_env = s != NULL;
  if (s == NULL) {
    *n = rth__processors();
    return 0;
  }
  for (; *s >= '0' && *s <= '9' && value <= 0xffff; s++)
    value = value * 10 + (unsigned)(*s - '0');
  if (*s != '\0' || value == 0 || value > 0xffff) return RTH_EINVAL;
  *n = value;
  return 0;
}
