/* lock - mutex and rwlock over a value: permits, and who holds them all may
** change the value.
**
** WHY      a writer needs all permits, a reader one; so the order of the
**          semaphore is the order of the lock, and a writer that waits holds
**          up later readers.  A mutex is one with a single permit.  The value
**          is a shared message: readers decode it outside any lock.
** THREADS  any; the value: as the permits say [Y2].
*/
#include "base/mem.h"
#include "sync/msg.h"
#include "sync/sem.h"

enum { READERS = (1 << 29) - 1 }; /* at the same time */

struct rth_lock {
  rth__sem_t sem;
  uint64_t all;     /* r/o after init: permits of a writer */
  rth_msg_t *value; /* under the permits */
  rth__refs_t refs;
};

static int lock_new(uint64_t all, rth_msg_t *value, rth_lock_t **out) {
  rth_lock_t *l = rth__zalloc(sizeof *l);
  if (l == NULL) return RTH_ENOMEM;
  rth__sem_init(&l->sem, all);
  rth__init(&l->refs, 1);
  rth__msg_share(value);
  l->all = all;
  l->value = value;
  *out = l;
  return 0;
}

int rth_mutex_new(rth_msg_t *value, rth_lock_t **out) {
  return lock_new(1, value, out);
}
int rth_rwlock_new(rth_msg_t *value, rth_lock_t **out) {
  return lock_new(READERS, value, out);
}

rth_lock_t *rth_lock_ref(rth_lock_t *l) {
  rth__ref(&l->refs);
  return l;
}

void rth_lock_unref(rth_lock_t *l) {
  if (!rth__unref(&l->refs)) return;
  rth_msg_unref(l->value);
  rth__sem_destroy(&l->sem);
  rth__free(l);
}

static uint64_t permits(const rth_lock_t *l, rth_lock_mode_t mode) {
  return mode == RTH_LOCK_READ ? 1 : l->all;
}

rth_poll_t rth_lock_poll(rth_lock_t *l, rth_lock_mode_t mode, rth_wait_t *w,
                         const rth_waker_t *waker) {
  return rth__sem_poll(&l->sem, permits(l, mode), w, waker);
}

int rth_lock_try(rth_lock_t *l, rth_lock_mode_t mode) {
  return rth__sem_try(&l->sem, permits(l, mode));
}

void rth_lock_release(rth_lock_t *l, rth_lock_mode_t mode) {
  int err = rth__sem_release(&l->sem, permits(l, mode));
  RTH_CHECK(err == 0);
}

void rth_lock_downgrade(rth_lock_t *l) {
  int err = rth__sem_release(&l->sem, l->all - 1);
  RTH_CHECK(err == 0);
}

rth_msg_t *rth_lock_get(const rth_lock_t *l) { return l->value; }

void rth_lock_set(rth_lock_t *l, rth_msg_t *value) {
  rth_msg_t *old = l->value;
  rth__msg_share(value);
  l->value = value;
  rth_msg_unref(old);
}
