/* model_lock - the mutex of base/thread.h for models: one more atomic word
** and a wait of the checker. */
#include "base/atomic.h"
#include "base/thread.h"

/* The word lives in the lock's own memory. */
static uint32_t *word(rth__mutex_t *m) { return (uint32_t *)(void *)&m->m; }

static int is_free(void *m) { return *word(m) == 0; }

void rth__mutex_init(rth__mutex_t *m, enum rth__rank rank) {
  m->rank = rank;
  *word(m) = 0;
}

void rth__mutex_destroy(rth__mutex_t *m) { (void)m; }

void rth__mutex_lock(rth__mutex_t *m) {
  do { /* another may take it between the wait and the swap */
    if (mc_self() >= 0) mc_wait(is_free, m);
  } while (rth__swap_ar(word(m), 1u) != 0);
}

void rth__mutex_unlock(rth__mutex_t *m) { (void)rth__swap_ar(word(m), 0u); }
