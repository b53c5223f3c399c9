/* notify - wake one, or wake all; at most one notification is kept.
**
** WHY      one word holds what is kept and how often all were woken: so
**          notifying and taking what is kept need no lock while nobody waits,
**          and a wait knows whether a notify_all came since it was made.
** THREADS  any.
** INVARIANT  under the lock: the word says WAITING if and only if `waits` is
**          not empty; from and to WAITING it changes only there.  A wait is
**          GRANTED when a notify_one took it out of `waits`; a notify_all
**          shows in the count of the word instead, whether the wait is still
**          in the list of those to wake or not.
** SYNC     every change of the word is an acquire-release RMW:
**   [Y9] what was done before a notify   notify: RMW on the word, or the lock
**                                        -> wait: RMW on the word, or the lock
*/
#include "base/atomic.h"
#include "base/mem.h"
#include "sync/refs.h"
#include "sync/wait.h"

#define EMPTY UINT64_C(0)
#define WAITING UINT64_C(1)
#define KEPT UINT64_C(2) /* one notification */
#define STATE UINT64_C(3)
#define ALL UINT64_C(4) /* one notify_all */

struct rth_notify {
  RTH_ATOMIC(uint64_t) word;
  rth__mutex_t lock;
  rth__waits_t waits; /* under lock */
  rth__refs_t refs;
};

int rth_notify_new(rth_notify_t **out) {
  rth_notify_t *n = rth__zalloc(sizeof *n);
  if (n == NULL) return RTH_ENOMEM;
  rth__init(&n->word, EMPTY);
  rth__mutex_init(&n->lock, RTH_RANK_SYNC);
  rth__waits_init(&n->waits);
  rth__init(&n->refs, 1);
  *out = n;
  return 0;
}

rth_notify_t *rth_notify_ref(rth_notify_t *n) {
  rth__ref(&n->refs);
  return n;
}

void rth_notify_unref(rth_notify_t *n) {
  if (!rth__unref(&n->refs)) return;
  RTH_CHECK(rth__waits_empty(&n->waits));
  rth__mutex_destroy(&n->lock);
  rth__free(n);
}

/* ---- notifying --------------------------------------------------------- */

/* Changes the state, by compare-and-swap, where it is not WAITING; answers
** whether it was done. */
static int change(rth_notify_t *n, uint64_t clear, uint64_t add) {
  uint64_t cur = rth__load_rlx(&n->word);
  while ((cur & STATE) != WAITING)
    if (rth__cas_weak_ar(&n->word, &cur, (cur & ~clear) + add)) /* [Y9] */
      return 1;
  return 0;
}

/* `waits` may have become empty.  Under the lock. */
static void leave_waiting(rth_notify_t *n) {
  if (rth__waits_empty(&n->waits) && (rth__load_rlx(&n->word) & WAITING))
    (void)rth__and_ar(&n->word, ~STATE); /* [Y9] */
}

/* Notifies one.  Enters with the lock held, and leaves without it. */
static void notify_one_locked(rth_notify_t *n) {
  rth_waker_t k = {NULL, NULL};
  if (!change(n, STATE, KEPT)) {
    rth_wait_t *w = rth__waits_first(&n->waits);
    RTH_CHECK(w != NULL);
    w->state = RTH_WAIT_GRANTED;
    k = rth__wait_take(w);
    leave_waiting(n);
  }
  rth__mutex_unlock(&n->lock);
  rth_wake(&k);
}

void rth_notify_one(rth_notify_t *n) {
  if (change(n, STATE, KEPT)) return;
  rth__mutex_lock(&n->lock);
  notify_one_locked(n);
}

void rth_notify_all(rth_notify_t *n) {
  if (change(n, 0, ALL)) return;
  rth__mutex_lock(&n->lock);
  if (!change(n, 0, ALL)) /* nobody else changes it */
    (void)rth__add_ar(&n->word, ALL - WAITING); /* [Y9] */
  rth__waits_wake(&n->waits, &n->lock);
}

/* ---- waiting ----------------------------------------------------------- */

static uint64_t count_of(rth_notify_t *n) {
  return rth__load_acq(&n->word) & ~STATE; /* [Y9] */
}

void rth_notify_prepare(rth_notify_t *n, rth_wait_t *w) {
  w->state = RTH_WAIT_PREPARED;
  w->n = count_of(n);
}

/* A notification for one that nobody used goes to the next. */
static void cancel_wait(rth_wait_t *w) {
  rth_notify_t *n = w->obj;
  rth_waker_t old;
  int granted;
  rth__mutex_lock(&n->lock);
  granted = w->state == RTH_WAIT_GRANTED;
  old = rth__wait_end(w);
  leave_waiting(n);
  if (granted)
    notify_one_locked(n);
  else
    rth__mutex_unlock(&n->lock);
  rth_waker_drop(&old);
}

/* Answers whether the wait is over: all were notified since it was made, or
** it took what was kept.  Else the word says WAITING.  Under the lock. */
static int take_or_wait(rth_notify_t *n, rth_wait_t *w) {
  uint64_t cur = rth__load_acq(&n->word), next; /* [Y9] */
  if (w->state != RTH_WAIT_PREPARED) w->n = cur & ~STATE;
  do {
    if ((cur & ~STATE) != w->n) return 1;
    next = w->n | ((cur & STATE) == KEPT ? EMPTY : WAITING);
  } while (!rth__cas_weak_ar(&n->word, &cur, next)); /* [Y9] */
  return (cur & STATE) == KEPT;
}

static rth_poll_t begin(rth_notify_t *n, rth_wait_t *w,
                        const rth_waker_t *waker) {
  rth_poll_t how = RTH_READY;
  rth__mutex_lock(&n->lock);
  if (take_or_wait(n, w)) {
    w->state = RTH_WAIT_FRESH;
  } else {
    how = RTH_PENDING;
    (void)rth__wait_queue(w, &n->waits, n, cancel_wait, waker);
  }
  rth__mutex_unlock(&n->lock);
  return how;
}

rth_poll_t rth_notify_poll(rth_notify_t *n, rth_wait_t *w,
                           const rth_waker_t *waker) {
  rth_poll_t how = RTH_READY;
  rth_waker_t old;
  if (w->cancel == NULL) return begin(n, w, waker);
  rth__mutex_lock(&n->lock);
  if (w->state == RTH_WAIT_GRANTED || w->n != count_of(n)) {
    old = rth__wait_end(w);
  } else {
    how = RTH_PENDING;
    old = rth__wait_queue(w, &n->waits, n, cancel_wait, waker);
  }
  rth__mutex_unlock(&n->lock);
  rth_waker_drop(&old);
  return how;
}
