/* semaphore - permits for C programs and Lua: a counted rth__sem_t. */
#include "base/mem.h"
#include "sync/refs.h"
#include "sync/sem.h"

struct rth_semaphore {
  rth__sem_t sem;
  rth__refs_t refs;
};

int rth_semaphore_new(uint64_t permits, rth_semaphore_t **out) {
  rth_semaphore_t *s;
  if (permits > RTH_MAX_PERMITS) return RTH_EINVAL;
  s = rth__zalloc(sizeof *s);
  if (s == NULL) return RTH_ENOMEM;
  rth__sem_init(&s->sem, permits);
  rth__init(&s->refs, 1);
  *out = s;
  return 0;
}

rth_semaphore_t *rth_semaphore_ref(rth_semaphore_t *s) {
  rth__ref(&s->refs);
  return s;
}

void rth_semaphore_unref(rth_semaphore_t *s) {
  if (!rth__unref(&s->refs)) return;
  rth__sem_destroy(&s->sem);
  rth__free(s);
}

rth_poll_t rth_semaphore_poll(rth_semaphore_t *s, uint64_t n, rth_wait_t *w,
                              const rth_waker_t *waker) {
  return rth__sem_poll(&s->sem, n, w, waker);
}

int rth_semaphore_try(rth_semaphore_t *s, uint64_t n) {
  return rth__sem_try(&s->sem, n);
}

int rth_semaphore_release(rth_semaphore_t *s, uint64_t n) {
  return rth__sem_release(&s->sem, n);
}

uint64_t rth_semaphore_forget(rth_semaphore_t *s, uint64_t n) {
  return rth__sem_forget(&s->sem, n);
}

uint64_t rth_semaphore_available(rth_semaphore_t *s) {
  return rth__sem_available(&s->sem);
}

void rth_semaphore_close(rth_semaphore_t *s) { rth__sem_close(&s->sem); }

int rth_semaphore_is_closed(rth_semaphore_t *s) {
  return rth__sem_is_closed(&s->sem);
}
