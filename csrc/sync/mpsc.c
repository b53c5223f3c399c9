/* mpsc - channels of many senders and one receiver: places, and a mailbox.
**
** WHY      a permit is a place.  An unbounded channel has as many places as
**          there can be; so both kinds close, drain and count alike.  A place
**          is free again when its message has been received.
** THREADS  senders: any.  The receiver's calls: one thread at a time.
** OWNS     the messages in it.  Each sender and the receiver have a reference.
** INVARIANT  a message is pushed only by who has a place for it.  So when the
**          receiver has closed the channel and all places are free, nothing
**          can come any more.
** SYNC
**   [Y5] messages   last sender: RMW on `senders` after its last push ->
**                   receiver, that sees 0 and then looks once more
**   Who makes "nothing can come" true (the last sender, or who gives a place
**   back) rouses the mailbox afterwards; the receiver looks for it after it
**   has lent its waker there: [Y3].
*/
#include "base/mem.h"
#include "sync/mailbox.h"
#include "sync/refs.h"
#include "sync/sem.h"

struct rth_mpsc {
  rth__sem_t places; /* free ones */
  RTH_ALIGNED(RTH_CACHE_LINE) rth__mailbox_t box;
  uint64_t capacity; /* r/o after init */
  rth__refs_t refs;
  RTH_ATOMIC(uint64_t) senders;
};

int rth_mpsc_new(uint64_t capacity, rth_mpsc_t **out) {
  rth_mpsc_t *c;
  if (capacity > RTH_MAX_PERMITS) return RTH_EINVAL;
  c = rth__zalloc_aligned(sizeof *c, RTH_CACHE_LINE);
  if (c == NULL) return RTH_ENOMEM;
  c->capacity = capacity == 0 ? RTH_MAX_PERMITS : capacity;
  rth__sem_init(&c->places, c->capacity);
  rth__mailbox_init(&c->box);
  rth__init(&c->refs, 2);
  rth__init(&c->senders, 1);
  *out = c;
  return 0;
}

static void drop_all(rth_mpsc_t *c) {
  rth_msg_t *m;
  while ((m = rth__mailbox_pop(&c->box)) != NULL) m->drop(m);
}

static void unref(rth_mpsc_t *c) {
  if (!rth__unref(&c->refs)) return;
  drop_all(c); /* sent by who had a place when the receiver went */
  rth__sem_destroy(&c->places);
  rth__free_aligned(c);
}

/* ---- senders ----------------------------------------------------------- */

void rth_mpsc_tx_clone(rth_mpsc_t *c) {
  (void)rth__add_rlx(&c->senders, 1);
  rth__ref(&c->refs);
}

void rth_mpsc_tx_free(rth_mpsc_t *c) {
  if (rth__sub_ar(&c->senders, 1) == 1) /* [Y5] */
    rth__mailbox_rouse(&c->box);
  unref(c);
}

void rth_mpsc_send_reserved(rth_mpsc_t *c, rth_msg_t *m) {
  rth__mailbox_push(&c->box, m);
}

int rth_mpsc_try_reserve(rth_mpsc_t *c, uint64_t n) {
  return rth__sem_try(&c->places, n);
}

int rth_mpsc_try_send(rth_mpsc_t *c, rth_msg_t *m) {
  int err = rth__sem_try(&c->places, 1);
  if (err == 0) rth__mailbox_push(&c->box, m);
  return err;
}

static void free_places(rth_mpsc_t *c, uint64_t n) {
  int err = rth__sem_release(&c->places, n);
  RTH_CHECK(err == 0);
}

/* Places came back without a message: the receiver may wait for just that. */
static void rouse_closed(rth_mpsc_t *c) {
  if (rth__sem_is_closed(&c->places)) rth__mailbox_rouse(&c->box);
}

void rth_mpsc_unreserve(rth_mpsc_t *c, uint64_t n) {
  free_places(c, n);
  rouse_closed(c);
}

static void cancel_reserve(rth_wait_t *w) {
  rth_mpsc_t *c = w->obj;
  w->obj = &c->places;
  rth__sem_cancel(w);
  rouse_closed(c);
}

rth_poll_t rth_mpsc_reserve_poll(rth_mpsc_t *c, uint64_t n, rth_wait_t *w,
                                 const rth_waker_t *waker) {
  rth_poll_t how = rth__sem_poll(&c->places, n, w, waker);
  if (how == RTH_PENDING) {
    w->obj = c;
    w->cancel = cancel_reserve;
  }
  return how;
}

rth_poll_t rth_mpsc_send_poll(rth_mpsc_t *c, rth_wait_t *w,
                              const rth_waker_t *waker, rth_msg_t *m) {
  rth_poll_t how = rth_mpsc_reserve_poll(c, 1, w, waker);
  if (how == RTH_READY) rth__mailbox_push(&c->box, m);
  return how;
}

uint64_t rth_mpsc_capacity(rth_mpsc_t *c) {
  return rth__sem_available(&c->places);
}

int rth_mpsc_is_closed(rth_mpsc_t *c) {
  return rth__sem_is_closed(&c->places);
}

/* ---- the receiver ------------------------------------------------------ */

/* Whether nothing can be pushed any more. */
static int has_ended(rth_mpsc_t *c) {
  if (rth__load_acq(&c->senders) == 0) return 1; /* [Y5] */
  return rth__sem_is_closed(&c->places) &&
         rth__sem_available(&c->places) == c->capacity;
}

int rth_mpsc_try_recv(rth_mpsc_t *c, rth_msg_t **m) {
  *m = rth__mailbox_pop(&c->box);
  if (*m == NULL) {
    if (!has_ended(c)) return RTH_EAGAIN;
    *m = rth__mailbox_pop(&c->box); /* [Y5] */
    if (*m == NULL) return RTH_ECLOSED;
  }
  free_places(c, 1);
  return 0;
}

size_t rth_mpsc_take(rth_mpsc_t *c, rth_msg_t **m, size_t limit) {
  size_t k = 0;
  while (k < limit && (m[k] = rth__mailbox_pop(&c->box)) != NULL) k++;
  if (k > 0) free_places(c, k); /* one release for all */
  return k;
}

static void cancel_recv(rth_wait_t *w) {
  rth_mpsc_t *c = w->obj;
  w->cancel = NULL;
  rth__mailbox_unwait(&c->box);
}

/* Waits for a message or the end. */
static rth_poll_t wait_for_one(rth_mpsc_t *c, rth_wait_t *w,
                               const rth_waker_t *waker, rth_msg_t **m) {
  int err;
  for (;;) {
    err = rth_mpsc_try_recv(c, m);
    if (err != RTH_EAGAIN) break;
    if (!rth__mailbox_wait(&c->box, waker)) continue;
    if (has_ended(c)) {
      rth__mailbox_unwait(&c->box);
      continue;
    }
    w->obj = c;
    w->cancel = cancel_recv;
    return RTH_PENDING;
  }
  if (err == RTH_ECLOSED) rth_wait_cancel(w);
  w->cancel = NULL;
  return err == 0 ? RTH_READY : RTH_FAILED;
}

rth_poll_t rth_mpsc_recv_poll(rth_mpsc_t *c, rth_wait_t *w,
                              const rth_waker_t *waker, rth_msg_t **m) {
  return wait_for_one(c, w, waker, m);
}

rth_poll_t rth_mpsc_recv_many_poll(rth_mpsc_t *c, rth_wait_t *w,
                                   const rth_waker_t *waker, rth_msg_t **m,
                                   size_t limit, size_t *n) {
  rth_poll_t how = wait_for_one(c, w, waker, m);
  *n = how == RTH_READY ? 1 + rth_mpsc_take(c, m + 1, limit - 1) : 0;
  return how;
}

size_t rth_mpsc_len(rth_mpsc_t *c) {
  (void)rth__mailbox_take(&c->box);
  return c->box.count;
}

void rth_mpsc_rx_close(rth_mpsc_t *c) {
  rth__sem_close(&c->places);
  rth__mailbox_rouse(&c->box);
}

void rth_mpsc_rx_free(rth_mpsc_t *c) {
  rth_mpsc_rx_close(c);
  drop_all(c);
  unref(c);
}
