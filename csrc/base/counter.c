/* counter - numbers of a binding that several threads change and read.
**
** WHY      a binding sees no atomics: the public header is plain C and C++.
** SYNC
**   [N1] what a reference guards   rth_counter_add: add-acq_rel -> itself, in
**                                  whoever takes the last one
*/
#include "base/atomic.h"
#include "rthandle.h"

typedef RTH_ATOMIC(uint64_t) number_t;

static number_t *number(const rth_counter_t *c) {
  return (number_t *)(uintptr_t)&c->n;
}

uint64_t rth_counter_add(rth_counter_t *c, int64_t by) {
  return rth__add_ar(number(c), (uint64_t)by) + (uint64_t)by; /* [N1] */
}

uint64_t rth_counter_get(const rth_counter_t *c) {
  return rth__load_rlx(number(c));
}

void rth_counter_set(rth_counter_t *c, uint64_t n) {
  rth__store_rlx(number(c), n);
}
