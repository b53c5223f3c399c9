/* oneshot.h - a channel for one signal, as small as Tokio's: one word says
** what happened, so neither end takes a lock.  For the benchmarks only.
**
** Each end holds one reference.  The waker belongs to the receiver while
** `state` is EMPTY, to the sender once it is WAITING.
*/
#ifndef BENCH_ONESHOT_H
#define BENCH_ONESHOT_H

#include <stdlib.h>

#include "rthandle.h"

enum { ONESHOT_EMPTY, ONESHOT_WAITING, ONESHOT_SENT };

typedef struct oneshot {
  int refs;
  int state;
  rth_waker_t waker;
} oneshot_t;

static inline oneshot_t *oneshot_new(void) {
  oneshot_t *o = malloc(sizeof *o);
  if (o == NULL) abort();
  o->refs = 2;
  o->state = ONESHOT_EMPTY;
  return o;
}

static inline void oneshot_free(oneshot_t *o) {
  if (__atomic_sub_fetch(&o->refs, 1, __ATOMIC_ACQ_REL) == 0) free(o);
}

/* Consumes the sender's end. */
static inline void oneshot_send(oneshot_t *o) {
  int old = __atomic_exchange_n(&o->state, ONESHOT_SENT, __ATOMIC_ACQ_REL);
  if (old == ONESHOT_WAITING) rth_wake(&o->waker);
  oneshot_free(o);
}

/* The receiver's end is consumed with READY.  One task only may poll it, so
** a waker that is there need not be replaced. */
static inline rth_poll_t oneshot_recv(oneshot_t *o, const rth_cx_t *cx) {
  int state = __atomic_load_n(&o->state, __ATOMIC_ACQUIRE);
  if (state == ONESHOT_WAITING) return RTH_PENDING;
  if (state == ONESHOT_EMPTY) {
    o->waker = rth_waker_clone(&cx->waker);
    if (__atomic_compare_exchange_n(&o->state, &state, ONESHOT_WAITING, 0,
                                    __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
      return RTH_PENDING;
    rth_waker_drop(&o->waker);
  }
  oneshot_free(o);
  return RTH_READY;
}

#endif
