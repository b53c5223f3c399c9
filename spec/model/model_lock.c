/* model_lock - the mutex of base/thread.h for models. */
#include "base/thread.h"
#include "mc.h"

/* The word lives in the lock's own memory. */
static uint32_t *word(rth__mutex_t *m) { return (uint32_t *)(void *)&m->m; }

void rth__mutex_init(rth__mutex_t *m, enum rth__rank rank) {
  m->rank = rank;
  *word(m) = 0;
}

void rth__mutex_destroy(rth__mutex_t *m) { (void)m; }
void rth__mutex_lock(rth__mutex_t *m) { mc_lock(word(m)); }
void rth__mutex_unlock(rth__mutex_t *m) { mc_unlock(word(m)); }
