/* barrier - n that wait for each other, again and again.
**
** THREADS  any.
** INVARIANT  under the lock: `waits` holds those of this round, fewer than n;
**          `round` counts the rounds that are over, and a wait of another
**          round than this is over, too.
*/
#include "base/mem.h"
#include "sync/refs.h"
#include "sync/wait.h"

struct rth_barrier {
  rth__mutex_t lock;
  rth__waits_t waits;      /* under lock */
  uint64_t arrived, round; /* under lock */
  uint64_t n;              /* r/o after init */
  rth__refs_t refs;
};

int rth_barrier_new(uint64_t n, rth_barrier_t **out) {
  rth_barrier_t *b;
  if (n == 0) return RTH_EINVAL;
  b = rth__zalloc(sizeof *b);
  if (b == NULL) return RTH_ENOMEM;
  rth__mutex_init(&b->lock, RTH_RANK_SYNC);
  rth__waits_init(&b->waits);
  b->n = n;
  rth__init(&b->refs, 1);
  *out = b;
  return 0;
}

rth_barrier_t *rth_barrier_ref(rth_barrier_t *b) {
  rth__ref(&b->refs);
  return b;
}

void rth_barrier_unref(rth_barrier_t *b) {
  if (!rth__unref(&b->refs)) return;
  RTH_CHECK(rth__waits_empty(&b->waits));
  rth__mutex_destroy(&b->lock);
  rth__free(b);
}

static void cancel_wait(rth_wait_t *w) {
  rth_barrier_t *b = w->obj;
  rth_waker_t old;
  rth__mutex_lock(&b->lock);
  if (w->n == b->round) b->arrived--;
  old = rth__wait_end(w);
  rth__mutex_unlock(&b->lock);
  rth_waker_drop(&old);
}

/* The last one has come.  Enters with the lock held, and leaves without. */
static void open_for_all(rth_barrier_t *b) {
  b->arrived = 0;
  b->round++;
  rth__waits_wake(&b->waits, &b->lock);
}

rth_poll_t rth_barrier_poll(rth_barrier_t *b, rth_wait_t *w,
                            const rth_waker_t *waker, int *leader) {
  rth_poll_t how = RTH_PENDING;
  rth_waker_t old = {NULL, NULL};
  *leader = 0;
  rth__mutex_lock(&b->lock);
  if (w->cancel == NULL) {
    if (++b->arrived == b->n) {
      *leader = 1;
      open_for_all(b);
      return RTH_READY;
    }
    w->n = b->round;
  }
  if (w->n != b->round) {
    how = RTH_READY;
    old = rth__wait_end(w);
  } else {
    old = rth__wait_queue(w, &b->waits, b, cancel_wait, waker);
  }
  rth__mutex_unlock(&b->lock);
  rth_waker_drop(&old);
  return how;
}
