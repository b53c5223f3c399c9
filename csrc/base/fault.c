/* fault - named places where a test makes the system refuse.
**
** THREADS  any.
** SYNC     counters only: relaxed; tests set them before they start threads.
**   [F1] n   rth__fault: acq_rel -> itself (there is no weaker cas)
*/
#include "base/fault.h"

#include "base/atomic.h"

static struct {
  RTH_ATOMIC(int) armed;
  RTH_ATOMIC(int) skip;
  RTH_ATOMIC(int) n;
} faults[RTH_FAULT_COUNT];

void rth__fault_set(enum rth__fault at, int skip, int n) {
  rth__store_rlx(&faults[at].skip, skip);
  rth__store_rlx(&faults[at].n, n);
  rth__store_rlx(&faults[at].armed, n != 0);
}

int rth__fault(enum rth__fault at) {
  int n;
  if (RTH_LIKELY(!rth__load_rlx(&faults[at].armed))) return 0;
  if (rth__sub_rlx(&faults[at].skip, 1) > 0) return 0;
  rth__store_rlx(&faults[at].skip, 0);
  n = rth__load_rlx(&faults[at].n);
  do {
    if (n <= 0) return n < 0;
  } while (!rth__cas_weak_ar(&faults[at].n, &n, n - 1)); /* [F1] */
  return 1;
}
