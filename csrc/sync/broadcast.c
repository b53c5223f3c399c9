/* broadcast - every receiver sees every message; who is slow, misses some.
**
** WHY      a ring of the last messages and a cursor in each receiver: sending
**          costs the same for any number of receivers but for waking those
**          that wait, and a slow one holds up nobody.  Each place counts the
**          receivers that have yet to see it, so a message goes as soon as
**          the last one has.
** THREADS  any; a receiver's calls: one thread at a time.
** OWNS     a place has a reference to its message.  Each sender and receiver
**          has a reference to the channel.
** INVARIANT  under the lock: message number i is in places[i & mask] for the
**          last `capacity` numbers before `tail`; `left` of a place counts
**          the receivers whose `next` is at or before it; no message where
**          that is 0.  A receiver's `next` is under the lock, too.
*/
#include "base/mem.h"
#include "sync/msg.h"
#include "sync/wait.h"

typedef struct place {
  rth_msg_t *m;
  uint64_t left;
} place_t;

struct rth_broadcast {
  rth__mutex_t lock;
  uint64_t tail, senders, receivers; /* under lock */
  rth__waits_t waits;                /* under lock */
  place_t *places;                   /* under lock */
  uint64_t mask;                     /* r/o after init */
  rth__refs_t refs;
};

struct rth_broadcast_rx {
  rth_broadcast_t *c; /* r/o after init */
  uint64_t next;      /* under lock */
};

static void unref(rth_broadcast_t *c) {
  if (!rth__unref(&c->refs)) return;
  RTH_CHECK(rth__waits_empty(&c->waits));
  rth__mutex_destroy(&c->lock);
  rth__free(c->places); /* without receivers there are no messages */
  rth__free(c);
}

static int channel_new(uint64_t capacity, rth_broadcast_t **out) {
  uint64_t n = 1;
  rth_broadcast_t *c = rth__zalloc(sizeof *c);
  if (c == NULL) return RTH_ENOMEM;
  while (n < capacity) n *= 2;
  c->places = rth__array((size_t)n, sizeof *c->places);
  if (c->places == NULL) {
    rth__free(c);
    return RTH_ENOMEM;
  }
  c->mask = n - 1;
  c->senders = 1;
  rth__init(&c->refs, 1);
  rth__waits_init(&c->waits);
  rth__mutex_init(&c->lock, RTH_RANK_SYNC);
  *out = c;
  return 0;
}

/* A receiver that has seen all so far. */
static int receiver_new(rth_broadcast_t *c, rth_broadcast_rx_t **out) {
  rth_broadcast_rx_t *rx = rth__zalloc(sizeof *rx);
  if (rx == NULL) return RTH_ENOMEM;
  rth__ref(&c->refs);
  rx->c = c;
  rth__mutex_lock(&c->lock);
  rx->next = c->tail;
  c->receivers++;
  rth__mutex_unlock(&c->lock);
  *out = rx;
  return 0;
}

int rth_broadcast_new(uint64_t capacity, rth_broadcast_t **tx,
                      rth_broadcast_rx_t **rx) {
  rth_broadcast_t *c;
  int err;
  if (capacity == 0 || capacity > SIZE_MAX / sizeof(place_t) / 2)
    return RTH_EINVAL;
  err = channel_new(capacity, &c);
  if (err != 0) return err;
  err = receiver_new(c, rx);
  if (err != 0)
    unref(c);
  else
    *tx = c;
  return err;
}

/* ---- senders ----------------------------------------------------------- */

void rth_broadcast_tx_clone(rth_broadcast_t *c) {
  rth__ref(&c->refs);
  rth__mutex_lock(&c->lock);
  c->senders++;
  rth__mutex_unlock(&c->lock);
}

void rth_broadcast_tx_free(rth_broadcast_t *c) {
  rth__mutex_lock(&c->lock);
  if (--c->senders == 0)
    rth__waits_wake(&c->waits, &c->lock);
  else
    rth__mutex_unlock(&c->lock);
  unref(c);
}

int rth_broadcast_send(rth_broadcast_t *c, rth_msg_t *m,
                       uint64_t *receivers) {
  place_t *p;
  rth_msg_t *old;
  rth__mutex_lock(&c->lock);
  *receivers = c->receivers;
  if (c->receivers == 0) {
    rth__mutex_unlock(&c->lock);
    return RTH_ECLOSED;
  }
  p = &c->places[c->tail++ & c->mask];
  old = p->m;
  rth__msg_share(m);
  p->m = m;
  p->left = c->receivers;
  rth__waits_wake(&c->waits, &c->lock);
  rth_msg_unref(old);
  return 0;
}

int rth_broadcast_subscribe(rth_broadcast_t *c, rth_broadcast_rx_t **rx) {
  return receiver_new(c, rx);
}

int rth_broadcast_resubscribe(rth_broadcast_rx_t *from,
                              rth_broadcast_rx_t **rx) {
  return receiver_new(from->c, rx);
}

uint64_t rth_broadcast_receivers(rth_broadcast_t *c) {
  uint64_t n;
  rth__mutex_lock(&c->lock);
  n = c->receivers;
  rth__mutex_unlock(&c->lock);
  return n;
}

/* ---- receivers --------------------------------------------------------- */

/* The first number that is still in the ring.  Under the lock. */
static uint64_t oldest(const rth_broadcast_t *c) {
  return c->tail > c->mask + 1 ? c->tail - (c->mask + 1) : 0;
}

/* One receiver has done with a place.  The last one gets the place's own
** reference, others none (NULL).  Under the lock. */
static rth_msg_t *leave_place(place_t *p) {
  rth_msg_t *m = p->m;
  if (--p->left > 0) return NULL;
  p->m = NULL;
  return m;
}

static int next_message(rth_broadcast_rx_t *rx, rth_msg_t **m,
                        uint64_t *missed) {
  rth_broadcast_t *c = rx->c;
  uint64_t first = oldest(c);
  place_t *p;
  rth_msg_t *shared;
  *m = NULL;
  *missed = 0;
  if (rx->next == c->tail) return c->senders == 0 ? RTH_ECLOSED : RTH_EAGAIN;
  if (rx->next < first) {
    *missed = first - rx->next;
    rx->next = first;
    return 0;
  }
  p = &c->places[rx->next++ & c->mask];
  shared = p->m;
  *m = leave_place(p);
  if (*m == NULL) *m = rth_msg_ref(shared);
  return 0;
}

static void cancel_wait(rth_wait_t *w) {
  rth__wait_leave(w, &((rth_broadcast_rx_t *)w->obj)->c->lock);
}

rth_poll_t rth_broadcast_poll(rth_broadcast_rx_t *rx, rth_wait_t *w,
                              const rth_waker_t *waker, rth_msg_t **m,
                              uint64_t *missed) {
  rth_broadcast_t *c = rx->c;
  rth_waker_t old = {NULL, NULL};
  int err;
  rth__mutex_lock(&c->lock);
  err = next_message(rx, m, missed);
  if (err == RTH_EAGAIN)
    old = rth__wait_queue(w, &c->waits, rx, cancel_wait, waker);
  else if (w->cancel != NULL)
    old = rth__wait_end(w);
  rth__mutex_unlock(&c->lock);
  rth_waker_drop(&old);
  if (err == 0) return RTH_READY;
  return err == RTH_EAGAIN ? RTH_PENDING : RTH_FAILED;
}

int rth_broadcast_try_recv(rth_broadcast_rx_t *rx, rth_msg_t **m,
                           uint64_t *missed) {
  int err;
  rth__mutex_lock(&rx->c->lock);
  err = next_message(rx, m, missed);
  rth__mutex_unlock(&rx->c->lock);
  return err;
}

uint64_t rth_broadcast_len(rth_broadcast_rx_t *rx) {
  uint64_t n;
  rth__mutex_lock(&rx->c->lock);
  n = rx->c->tail - rx->next;
  rth__mutex_unlock(&rx->c->lock);
  return n;
}

/* Passes over what it has not seen, one message at a time, since each may be
** the last reference, and goes under no lock.  Answers 0 at the end. */
static int skip_one(rth_broadcast_rx_t *rx) {
  rth_broadcast_t *c = rx->c;
  rth_msg_t *m = NULL;
  int more;
  rth__mutex_lock(&c->lock);
  if (rx->next < oldest(c)) rx->next = oldest(c);
  more = rx->next < c->tail;
  if (more)
    m = leave_place(&c->places[rx->next++ & c->mask]);
  else
    c->receivers--;
  rth__mutex_unlock(&c->lock);
  rth_msg_unref(m);
  return more;
}

void rth_broadcast_rx_free(rth_broadcast_rx_t *rx) {
  rth_broadcast_t *c = rx->c;
  while (skip_one(rx)) continue;
  rth__free(rx);
  unref(c);
}
