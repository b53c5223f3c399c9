/* watch - the last value, and whether it changed since one looked.
**
** WHY      readers want the present state and not its history; a number that
**          grows says whether it is another one than they saw.
** THREADS  any; a receiver's `seen`: one thread at a time.
** OWNS     a reference to the value.  Each sender and receiver has one to the
**          channel.
*/
#include "base/mem.h"
#include "sync/msg.h"
#include "sync/wait.h"

struct rth_watch {
  rth__mutex_t lock;
  rth_msg_t *value;                     /* under lock */
  uint64_t version, senders, receivers; /* under lock */
  rth__waits_t waits;                   /* under lock */
  rth__refs_t refs;
};

int rth_watch_new(rth_msg_t *value, rth_watch_t **out,
                  rth_watch_seen_t *seen) {
  rth_watch_t *c = rth__zalloc(sizeof *c);
  if (c == NULL) return RTH_ENOMEM;
  rth__mutex_init(&c->lock, RTH_RANK_SYNC);
  rth__waits_init(&c->waits);
  rth__init(&c->refs, 2);
  c->senders = c->receivers = 1;
  rth__msg_share(value);
  c->value = value;
  seen->version = c->version;
  *out = c;
  return 0;
}

static void unref(rth_watch_t *c) {
  if (!rth__unref(&c->refs)) return;
  RTH_CHECK(rth__waits_empty(&c->waits));
  rth_msg_unref(c->value);
  rth__mutex_destroy(&c->lock);
  rth__free(c);
}

static void add(rth_watch_t *c, uint64_t *number) {
  rth__ref(&c->refs);
  rth__mutex_lock(&c->lock);
  ++*number;
  rth__mutex_unlock(&c->lock);
}

/* ---- senders ----------------------------------------------------------- */

void rth_watch_tx_clone(rth_watch_t *c) { add(c, &c->senders); }

void rth_watch_tx_free(rth_watch_t *c) {
  rth__mutex_lock(&c->lock);
  if (--c->senders == 0)
    rth__waits_wake(&c->waits, &c->lock);
  else
    rth__mutex_unlock(&c->lock);
  unref(c);
}

/* Enters with the lock held, and leaves without it. */
static void store(rth_watch_t *c, rth_msg_t *value) {
  rth_msg_t *old = c->value;
  rth__msg_share(value);
  c->value = value;
  c->version++;
  rth__waits_wake(&c->waits, &c->lock);
  rth_msg_unref(old);
}

int rth_watch_send(rth_watch_t *c, rth_msg_t *value) {
  rth__mutex_lock(&c->lock);
  if (c->receivers == 0) {
    rth__mutex_unlock(&c->lock);
    return RTH_ECLOSED;
  }
  store(c, value);
  return 0;
}

void rth_watch_replace(rth_watch_t *c, rth_msg_t *value) {
  rth__mutex_lock(&c->lock);
  store(c, value);
}

uint64_t rth_watch_receivers(rth_watch_t *c) {
  uint64_t n;
  rth__mutex_lock(&c->lock);
  n = c->receivers;
  rth__mutex_unlock(&c->lock);
  return n;
}

/* ---- receivers --------------------------------------------------------- */

void rth_watch_rx_clone(rth_watch_t *c) { add(c, &c->receivers); }

void rth_watch_subscribe(rth_watch_t *c, rth_watch_seen_t *seen) {
  rth__ref(&c->refs);
  rth__mutex_lock(&c->lock);
  c->receivers++;
  seen->version = c->version;
  rth__mutex_unlock(&c->lock);
}

void rth_watch_rx_free(rth_watch_t *c) {
  rth__mutex_lock(&c->lock);
  c->receivers--;
  rth__mutex_unlock(&c->lock);
  unref(c);
}

rth_msg_t *rth_watch_borrow(rth_watch_t *c, rth_watch_seen_t *seen) {
  rth_msg_t *m;
  rth__mutex_lock(&c->lock);
  m = rth_msg_ref(c->value);
  if (seen != NULL) seen->version = c->version;
  rth__mutex_unlock(&c->lock);
  return m;
}

static void cancel_wait(rth_wait_t *w) {
  rth__wait_leave(w, &((rth_watch_t *)w->obj)->lock);
}

rth_poll_t rth_watch_changed_poll(rth_watch_t *c, rth_watch_seen_t *seen,
                                  rth_wait_t *w, const rth_waker_t *waker) {
  rth_poll_t how = RTH_PENDING;
  rth_waker_t old = {NULL, NULL};
  rth__mutex_lock(&c->lock);
  if (seen->version != c->version)
    how = RTH_READY;
  else if (c->senders == 0)
    how = RTH_FAILED;
  seen->version = c->version;
  if (how == RTH_PENDING)
    old = rth__wait_queue(w, &c->waits, c, cancel_wait, waker);
  else if (w->cancel != NULL)
    old = rth__wait_end(w);
  rth__mutex_unlock(&c->lock);
  rth_waker_drop(&old);
  return how;
}

int rth_watch_has_changed(rth_watch_t *c, const rth_watch_seen_t *seen,
                          int *changed) {
  int err;
  rth__mutex_lock(&c->lock);
  *changed = seen->version != c->version;
  err = c->senders == 0 ? RTH_ECLOSED : 0;
  rth__mutex_unlock(&c->lock);
  return err;
}
