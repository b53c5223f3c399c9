/* wait.h - what all waits have in common: a list under the object's lock.
**
** WHY      a wait is a node in the waiter's own storage, so waiting allocates
**          nothing; it goes when its owner says so, hence every step that
**          reads it is under the object's lock, and wakers are taken out of
**          the nodes there and woken behind it.
**          The lists are rings with a head that is a link, too: a node leaves
**          the list that it is in without knowing which one that is, so a
**          list of nodes to wake may stand on the waker's stack.
** THREADS  `cancel`, `obj`, `want`: the waiter's.  The rest: under the lock. */
#ifndef RTH_WAIT_H
#define RTH_WAIT_H

#include "base/compiler.h"
#include "base/thread.h"
#include "rthandle_sync.h"

enum { /* rth_wait.state */
  RTH_WAIT_FRESH = 0,
  RTH_WAIT_QUEUED,
  RTH_WAIT_GRANTED, /* has what it waited for; cancel must pass it on */
  RTH_WAIT_CLOSED,
  RTH_WAIT_PREPARED /* of a notify: n is set; not registered */
};

typedef rth_wait_link_t rth__waits_t; /* the head of a ring */

static inline void rth__waits_init(rth__waits_t *l) {
  l->next = l->prev = l;
}
static inline int rth__waits_empty(const rth__waits_t *l) {
  return l->next == l;
}
static inline rth_wait_t *rth__wait_of(rth_wait_link_t *l) {
  return rth__container_of(l, rth_wait_t, link);
}
/* NULL: empty. */
static inline rth_wait_t *rth__waits_first(rth__waits_t *l) {
  return l->next == l ? NULL : rth__wait_of(l->next);
}
static inline int rth__wait_linked(const rth_wait_t *w) {
  return w->link.next != NULL;
}
static inline void rth__wait_unlink(rth_wait_t *w) {
  if (!rth__wait_linked(w)) return;
  w->link.prev->next = w->link.next;
  w->link.next->prev = w->link.prev;
  w->link.next = w->link.prev = NULL;
}
/* Appends all of `from`, which is empty then. */
void rth__waits_move(rth__waits_t *to, rth__waits_t *from);

/* Registers a wait, or gives one that is registered the waker of this poll,
** and puts it into the list if it is in none.  Answers a waker to drop after
** the lock.  Thread: the waiter's, under the lock. */
rth_waker_t rth__wait_queue(rth_wait_t *w, rth__waits_t *l, void *obj,
                            void (*cancel)(rth_wait_t *),
                            const rth_waker_t *waker);
/* Makes it fresh.  Answers a waker to drop after the lock.  Thread: the
** waiter's, under the lock. */
rth_waker_t rth__wait_end(rth_wait_t *w);

/* A cancel where nothing was handed over. */
void rth__wait_leave(rth_wait_t *w, rth__mutex_t *lock);

/* Takes a wait out of its list and its waker out of it; the wait belongs to
** its owner from here on.  Thread: any, under the lock. */
static inline rth_waker_t rth__wait_take(rth_wait_t *w) {
  rth_waker_t k = w->waker;
  w->waker.ops = NULL;
  rth__wait_unlink(w);
  return k;
}

/* Wakers on their way out of the lock. */
enum { RTH_WAKE_BATCH = 32 };
typedef struct rth__wakes {
  unsigned n;
  rth_waker_t all[RTH_WAKE_BATCH];
} rth__wakes_t;
void rth__wakes_run(rth__wakes_t *k);

/* Wakes all that are in the list now.  Enters with the lock held, and leaves
** without it. */
void rth__waits_wake(rth__waits_t *l, rth__mutex_t *lock);

#endif
