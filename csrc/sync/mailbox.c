/* mailbox - a stack that is taken whole (Treiber 1986), as queue/inbox is,
** whose top also says that the receiver waits.
**
** WHY      messages bring their own link, so a push is one compare-and-swap
**          and needs no memory.  "Empty" and "empty, and the receiver waits"
**          are two values of the one word that pushers change anyway, so
**          exactly one of them learns that it has to wake, and it looks at
**          nothing else; while messages are there nobody thinks of waking.
** THREADS  push, rouse: any.  The rest: the receiver's.
** OWNS     the messages in it; the waker.
** INVARIANT  top is `waiting` only while the receiver has nothing to read and
**          has lent its waker.  Who takes `waiting` away, has the waker:
**          a pusher gives it back with lent = 0, the receiver may recall it.
** SYNC     every change of `top` is an acquire-release RMW, those of a rouse
**          included, even where it has nothing to change: so of a rouse and
**          the receiver's wait one comes first and the other sees it.
**   [Y3] messages   push: release -> take: acquire.  rouse: release -> wait:
**                   acquire
**   [Y4] waker      wait: release of `waiting` -> pusher: acquire;
**                   pusher: release of lent -> receiver: acquire
*/
#include "sync/mailbox.h"

static rth_msg_t waiting_mark;
#define WAITING (&waiting_mark)

void rth__mailbox_init(rth__mailbox_t *b) {
  rth__init(&b->top, NULL);
  rth__init(&b->lent, 0);
  b->waker.ops = NULL;
  b->first = b->last = NULL;
  b->count = 0;
}

/* ---- pushers ----------------------------------------------------------- */

static void wake_receiver(rth__mailbox_t *b) {
  rth_waker_t k = b->waker;
  b->waker.ops = NULL;
  rth__store_rel(&b->lent, 0); /* [Y4] */
  rth_wake(&k);
}

void rth__mailbox_push(rth__mailbox_t *b, rth_msg_t *m) {
  rth_msg_t *top = rth__load_rlx(&b->top);
  do {
    m->u.next = top == WAITING ? NULL : top;
  } while (!rth__cas_weak_ar(&b->top, &top, m)); /* [Y3] [Y4] */
  if (top == WAITING) wake_receiver(b);
}

void rth__mailbox_rouse(rth__mailbox_t *b) {
  rth_msg_t *top = rth__load_rlx(&b->top), *next;
  do {
    next = top == WAITING ? NULL : top;
  } while (!rth__cas_weak_ar(&b->top, &top, next)); /* [Y3] [Y4] */
  if (top == WAITING) wake_receiver(b);
}

/* ---- the receiver ------------------------------------------------------ */

int rth__mailbox_take(rth__mailbox_t *b) {
  rth_msg_t *top = rth__load_rlx(&b->top), *newest, *oldest = NULL;
  if (top == NULL || top == WAITING) return 0;
  top = newest = rth__swap_ar(&b->top, NULL); /* [Y3] */
  while (top != NULL) {
    rth_msg_t *next = top->u.next;
    top->u.next = oldest;
    oldest = top;
    top = next;
    b->count++;
  }
  if (b->first == NULL)
    b->first = oldest;
  else
    b->last->u.next = oldest;
  b->last = newest;
  return 1;
}

rth_msg_t *rth__mailbox_pop(rth__mailbox_t *b) {
  rth_msg_t *m = b->first;
  if (m == NULL) {
    if (!rth__mailbox_take(b)) return NULL;
    m = b->first;
  }
  b->first = m->u.next;
  b->count--;
  return m;
}

/* Answers whether the waker is the receiver's now. */
static int recall(rth__mailbox_t *b) {
  rth_msg_t *top = WAITING;
  if (!rth__load_acq(&b->lent)) return 1; /* [Y4] */
  if (!rth__cas_ar(&b->top, &top, NULL))  /* [Y4] */
    return !rth__load_acq(&b->lent);      /* [Y4] */
  rth__store_rlx(&b->lent, 0);
  return 1;
}

int rth__mailbox_wait(rth__mailbox_t *b, const rth_waker_t *waker) {
  rth_msg_t *top = NULL;
  if (RTH_UNLIKELY(!recall(b))) {
    rth_wake_by_ref(waker); /* a pusher has its hand on it: once more */
    return 1;
  }
  if (!rth_waker_same(&b->waker, waker)) {
    rth_waker_t old = b->waker;
    b->waker = rth_waker_clone(waker);
    rth_waker_drop(&old);
  }
  rth__store_rlx(&b->lent, 1);
  if (rth__cas_ar(&b->top, &top, WAITING)) return 1; /* [Y3] [Y4] */
  rth__store_rlx(&b->lent, 0);
  rth_waker_drop(&b->waker);
  return 0;
}

void rth__mailbox_unwait(rth__mailbox_t *b) {
  if (recall(b)) rth_waker_drop(&b->waker);
}
