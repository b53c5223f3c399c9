/* wait - registering, ending and waking waits.  See wait.h. */
#include "sync/wait.h"

void rth__waits_move(rth__waits_t *to, rth__waits_t *from) {
  if (rth__waits_empty(from)) return;
  from->next->prev = to->prev;
  from->prev->next = to;
  to->prev->next = from->next;
  to->prev = from->prev;
  rth__waits_init(from);
}

rth_waker_t rth__wait_queue(rth_wait_t *w, rth__waits_t *l, void *obj,
                            void (*cancel)(rth_wait_t *),
                            const rth_waker_t *waker) {
  rth_waker_t old = {NULL, NULL};
  if (w->cancel == NULL || !rth_waker_same(&w->waker, waker)) {
    if (w->cancel != NULL) old = w->waker;
    w->waker = rth_waker_clone(waker);
  }
  if (!rth__wait_linked(w)) {
    w->link.next = l;
    w->link.prev = l->prev;
    l->prev->next = &w->link;
    l->prev = &w->link;
  }
  w->state = RTH_WAIT_QUEUED;
  w->obj = obj;
  w->cancel = cancel;
  return old;
}

rth_waker_t rth__wait_end(rth_wait_t *w) {
  w->cancel = NULL;
  w->state = RTH_WAIT_FRESH;
  return rth__wait_take(w);
}

void rth__wait_leave(rth_wait_t *w, rth__mutex_t *lock) {
  rth_waker_t old;
  rth__mutex_lock(lock);
  old = rth__wait_end(w);
  rth__mutex_unlock(lock);
  rth_waker_drop(&old);
}

void rth__wakes_run(rth__wakes_t *k) {
  unsigned i;
  for (i = 0; i < k->n; i++) rth_wake(&k->all[i]);
  k->n = 0;
}

/* Those that begin to wait meanwhile are not meant: hence a list of its own,
** out of which a wait that is cancelled takes itself. */
void rth__waits_wake(rth__waits_t *l, rth__mutex_t *lock) {
  rth__wakes_t wakes;
  rth__waits_t now;
  int more;
  rth__waits_init(&now);
  rth__waits_move(&now, l);
  for (;;) {
    rth_wait_t *w;
    wakes.n = 0;
    while (wakes.n < RTH_WAKE_BATCH && (w = rth__waits_first(&now)) != NULL)
      wakes.all[wakes.n++] = rth__wait_take(w);
    more = !rth__waits_empty(&now);
    rth__mutex_unlock(lock);
    rth__wakes_run(&wakes);
    if (!more) return;
    rth__mutex_lock(lock);
  }
}
