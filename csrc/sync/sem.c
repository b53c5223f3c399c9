/* sem - permits in one word, and those who wait for them in a list.
**
** WHY      one word says how many permits there are, whether somebody waits,
**          and whether it is closed: so without waiters both acquire and
**          release are one compare-and-swap and no lock.  A release that sees
**          WAITERS goes under the lock and hands its permits to the first.
** FAIR     who begins to wait takes all permits that are there in the same
**          step in which it sets WAITERS, and waits for the rest of what it
**          wants.  So while anybody waits there are no permits in the word,
**          and nobody can overtake.
** THREADS  any.
** INVARIANT  under the lock: WAITERS is set if and only if `waits` is not
**          empty, and then the word holds no permits; only the first of
**          `waits` may have a part of what it wants.
** SYNC     every change of the word is an acquire-release RMW:
**   [Y2] what permits guard   release: RMW on the word, or the lock
**                             -> acquire: RMW on the word, or the lock
*/
#include "sync/sem.h"

#define CLOSED UINT64_C(1)
#define WAITERS UINT64_C(2)
#define ONE UINT64_C(4)

void rth__sem_init(rth__sem_t *s, uint64_t permits) {
  rth__init(&s->word, permits * ONE);
  rth__mutex_init(&s->lock, RTH_RANK_SYNC);
  rth__waits_init(&s->waits);
}

void rth__sem_destroy(rth__sem_t *s) {
  RTH_CHECK(rth__waits_empty(&s->waits));
  rth__mutex_destroy(&s->lock);
}

/* ---- acquire ----------------------------------------------------------- */

int rth__sem_try(rth__sem_t *s, uint64_t n) {
  uint64_t cur = rth__load_acq(&s->word); /* [Y2] */
  do {
    if (RTH_UNLIKELY(cur & CLOSED)) return RTH_ECLOSED;
    if (cur / ONE < n) return RTH_EAGAIN;
  } while (!rth__cas_weak_ar(&s->word, &cur, cur - n * ONE)); /* [Y2] */
  return 0;
}

/* Takes what is there, at most n, and sets WAITERS if that is not all.
** Answers how many; UINT64_MAX: closed.  Under the lock. */
static uint64_t take_or_wait(rth__sem_t *s, uint64_t n) {
  uint64_t cur = rth__load_acq(&s->word), have, next; /* [Y2] */
  do {
    if (cur & CLOSED) return UINT64_MAX;
    have = cur / ONE;
    next = have >= n ? cur - n * ONE : (cur | WAITERS) - have * ONE;
  } while (!rth__cas_weak_ar(&s->word, &cur, next)); /* [Y2] */
  return have < n ? have : n;
}

static rth_poll_t begin(rth__sem_t *s, uint64_t n, rth_wait_t *w,
                        const rth_waker_t *waker) {
  rth_poll_t how = RTH_PENDING;
  uint64_t have;
  rth__mutex_lock(&s->lock);
  have = take_or_wait(s, n);
  if (have == UINT64_MAX) {
    how = RTH_FAILED;
  } else if (have == n) {
    how = RTH_READY;
  } else {
    w->want = n;
    w->n = n - have;
    (void)rth__wait_queue(w, &s->waits, s, rth__sem_cancel, waker);
  }
  rth__mutex_unlock(&s->lock);
  return how;
}

static rth_poll_t look(rth__sem_t *s, rth_wait_t *w,
                       const rth_waker_t *waker) {
  rth_poll_t how = RTH_PENDING;
  rth_waker_t old;
  rth__mutex_lock(&s->lock);
  if (w->state == RTH_WAIT_QUEUED) {
    old = rth__wait_queue(w, &s->waits, s, w->cancel, waker);
  } else {
    how = w->state == RTH_WAIT_GRANTED ? RTH_READY : RTH_FAILED;
    old = rth__wait_end(w);
  }
  rth__mutex_unlock(&s->lock);
  rth_waker_drop(&old);
  return how;
}

rth_poll_t rth__sem_poll(rth__sem_t *s, uint64_t n, rth_wait_t *w,
                         const rth_waker_t *waker) {
  int err;
  if (w->cancel != NULL) return look(s, w, waker);
  err = rth__sem_try(s, n);
  if (RTH_LIKELY(err == 0)) return RTH_READY;
  return err == RTH_ECLOSED ? RTH_FAILED : begin(s, n, w, waker);
}

/* ---- release ----------------------------------------------------------- */

/* Nobody waits any more: n permits go into the word.  Under the lock. */
static void publish(rth__sem_t *s, uint64_t n) {
  uint64_t cur = rth__load_rlx(&s->word), sum;
  do {
    sum = cur / ONE + n;
    if (sum > RTH_MAX_PERMITS) sum = RTH_MAX_PERMITS; /* misuse that raced */
  } while (!rth__cas_weak_ar(&s->word, &cur, (cur & CLOSED) | sum * ONE));
  /* [Y2] */
}

/* Hands out n permits in order.  Enters with the lock held, and leaves
** without it. */
static void give(rth__sem_t *s, uint64_t n) {
  rth__wakes_t wakes;
  wakes.n = 0;
  for (;;) {
    rth_wait_t *w;
    while (n > 0 && wakes.n < RTH_WAKE_BATCH &&
           (w = rth__waits_first(&s->waits)) != NULL) {
      uint64_t k = n < w->n ? n : w->n;
      w->n -= k;
      n -= k;
      if (w->n > 0) break;
      w->state = RTH_WAIT_GRANTED;
      wakes.all[wakes.n++] = rth__wait_take(w);
    }
    if (rth__waits_empty(&s->waits)) {
      publish(s, n);
      n = 0;
    }
    rth__mutex_unlock(&s->lock);
    rth__wakes_run(&wakes);
    if (n == 0) return;
    rth__mutex_lock(&s->lock);
  }
}

int rth__sem_release(rth__sem_t *s, uint64_t n) {
  uint64_t cur = rth__load_rlx(&s->word);
  if (RTH_UNLIKELY(n > RTH_MAX_PERMITS)) return RTH_EINVAL;
  while (!(cur & WAITERS)) {
    if (RTH_UNLIKELY(n > RTH_MAX_PERMITS - cur / ONE)) return RTH_EINVAL;
    if (rth__cas_weak_ar(&s->word, &cur, cur + n * ONE)) return 0; /* [Y2] */
  }
  rth__mutex_lock(&s->lock);
  give(s, n); /* to the word, where they have gone meanwhile */
  return 0;
}

void rth__sem_cancel(rth_wait_t *w) {
  rth__sem_t *s = w->obj;
  uint64_t has = 0;
  rth_waker_t old;
  rth__mutex_lock(&s->lock);
  if (w->state == RTH_WAIT_QUEUED) has = w->want - w->n;
  if (w->state == RTH_WAIT_GRANTED) has = w->want;
  old = rth__wait_end(w);
  give(s, has);
  rth_waker_drop(&old);
}

uint64_t rth__sem_forget(rth__sem_t *s, uint64_t n) {
  uint64_t cur = rth__load_rlx(&s->word), k;
  do {
    k = cur / ONE < n ? cur / ONE : n;
  } while (!rth__cas_weak_ar(&s->word, &cur, cur - k * ONE)); /* [Y2] */
  return k;
}

uint64_t rth__sem_available(rth__sem_t *s) {
  return rth__load_acq(&s->word) / ONE; /* [Y2] */
}

/* ---- close ------------------------------------------------------------- */

void rth__sem_close(rth__sem_t *s) {
  uint64_t cur, back = 0;
  rth_wait_link_t *l;
  rth__mutex_lock(&s->lock);
  for (l = s->waits.next; l != &s->waits; l = l->next) {
    rth_wait_t *w = rth__wait_of(l);
    back += w->want - w->n;
    w->state = RTH_WAIT_CLOSED;
  }
  cur = rth__load_rlx(&s->word);
  while (!rth__cas_weak_ar(&s->word, &cur,
                           (cur / ONE + back) * ONE | CLOSED))
    continue; /* [Y2] */
  rth__waits_wake(&s->waits, &s->lock);
}

int rth__sem_is_closed(rth__sem_t *s) {
  return (rth__load_acq(&s->word) & CLOSED) != 0; /* [Y2] */
}
