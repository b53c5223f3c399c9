/* oneshot - one message from one sender to one receiver.
**
** WHY      one word says what happened, so neither end takes a lock.
** THREADS  each end: one thread at a time.
** OWNS     each end has a reference.
** INVARIANT  `waker` is the receiver's while the word is not WAITING; who
**          takes WAITING away has it.  `m` is the sender's until SENT, then
**          the receiver's.
** SYNC     every change of the word is an acquire-release RMW:
**   [Y6] m       send: release -> receiver: acquire
**   [Y7] waker   receiver: release of WAITING -> sender: acquire
*/
#include "base/mem.h"
#include "sync/refs.h"
#include "sync/wait.h"

enum {
  EMPTY,   /* nothing yet */
  WAITING, /* the same, and the receiver has left its waker */
  SENT,
  GONE,    /* the sender, without sending */
  CLOSED   /* the receiver did, before anything was sent */
};

struct rth_oneshot {
  RTH_ATOMIC(uint32_t) word;
  rth__refs_t refs;
  rth_msg_t *m;      /* [Y6] */
  rth_waker_t waker; /* [Y7] */
};

int rth_oneshot_new(rth_oneshot_t **out) {
  rth_oneshot_t *o = rth__zalloc(sizeof *o);
  if (o == NULL) return RTH_ENOMEM;
  rth__init(&o->word, EMPTY);
  rth__init(&o->refs, 2);
  *out = o;
  return 0;
}

/* A message was received, refused, or dropped by the receiver by now. */
static void unref(rth_oneshot_t *o) {
  if (rth__unref(&o->refs)) rth__free(o);
}

/* ---- the sender -------------------------------------------------------- */

/* The last word of the sender.  Answers whether the receiver is still there. */
static int finish(rth_oneshot_t *o, uint32_t word) {
  uint32_t cur = rth__load_rlx(&o->word);
  do {
    if (cur == CLOSED) return 0;
  } while (!rth__cas_weak_ar(&o->word, &cur, word)); /* [Y6] [Y7] */
  if (cur == WAITING) rth_wake(&o->waker);
  return 1;
}

int rth_oneshot_send(rth_oneshot_t *o, rth_msg_t *m) {
  int sent;
  o->m = m;
  sent = finish(o, SENT);
  if (!sent) o->m = NULL;
  unref(o);
  return sent ? 0 : RTH_ECLOSED;
}

void rth_oneshot_tx_free(rth_oneshot_t *o) {
  (void)finish(o, GONE);
  unref(o);
}

int rth_oneshot_is_closed(rth_oneshot_t *o) {
  return rth__load_rlx(&o->word) == CLOSED;
}

/* ---- the receiver ------------------------------------------------------ */

int rth_oneshot_try(rth_oneshot_t *o, rth_msg_t **m) {
  uint32_t cur = rth__load_acq(&o->word); /* [Y6] */
  *m = NULL;
  if (cur == EMPTY || cur == WAITING) return RTH_EAGAIN;
  if (cur != SENT || o->m == NULL) return RTH_ECLOSED; /* NULL: was taken */
  *m = o->m;
  o->m = NULL;
  return 0;
}

/* From WAITING or EMPTY to `word`, with the waker in hand again.  0: the
** sender was faster. */
static int take_back(rth_oneshot_t *o, uint32_t word) {
  uint32_t cur = rth__load_rlx(&o->word);
  while (cur == EMPTY || cur == WAITING) {
    if (cur == word) return 1;
    if (!rth__cas_ar(&o->word, &cur, word)) continue; /* [Y6] */
    if (cur == WAITING) rth_waker_drop(&o->waker);
    return 1;
  }
  return 0;
}

static void cancel_recv(rth_wait_t *w) {
  w->cancel = NULL;
  (void)take_back(w->obj, EMPTY);
}

rth_poll_t rth_oneshot_poll(rth_oneshot_t *o, rth_wait_t *w,
                            const rth_waker_t *waker, rth_msg_t **m) {
  int err = rth_oneshot_try(o, m);
  if (err == RTH_EAGAIN && take_back(o, EMPTY)) {
    uint32_t cur = EMPTY;
    o->waker = rth_waker_clone(waker);
    if (rth__cas_ar(&o->word, &cur, WAITING)) { /* [Y6] [Y7] */
      w->obj = o;
      w->cancel = cancel_recv;
      return RTH_PENDING;
    }
    rth_waker_drop(&o->waker);
  }
  if (err == RTH_EAGAIN) err = rth_oneshot_try(o, m);
  w->cancel = NULL;
  return err == 0 ? RTH_READY : RTH_FAILED;
}

void rth_oneshot_close(rth_oneshot_t *o) {
  uint32_t cur = rth__load_rlx(&o->word);
  if (cur != WAITING) {
    (void)take_back(o, CLOSED);
    return;
  }
  /* Somebody waits, in another task of this thread: that is over, too. */
  if (rth__cas_ar(&o->word, &cur, CLOSED)) rth_wake(&o->waker); /* [Y6] */
}

void rth_oneshot_rx_free(rth_oneshot_t *o) {
  rth_msg_t *m;
  (void)take_back(o, CLOSED);
  if (rth_oneshot_try(o, &m) == 0) m->drop(m);
  unref(o);
}
