/* refs.h - the number of references to an object.
**
** SYNC
**   [Y1] last use   unref: release -> whoever frees: acquire (one RMW) */
#ifndef RTH_REFS_H
#define RTH_REFS_H

#include "base/atomic.h"

typedef RTH_ATOMIC(uint64_t) rth__refs_t;

static inline void rth__ref(rth__refs_t *r) {
  (void)rth__add_rlx(r, 1); /* from a reference that exists */
}
/* Answers whether that was the last one: the caller frees. */
static inline int rth__unref(rth__refs_t *r) {
  return rth__sub_ar(r, 1) == 1; /* [Y1] */
}

#endif
