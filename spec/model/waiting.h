/* waiting.h - for models of csrc/sync: wakers of the checker's threads, and
** the memory that the sources ask for. */
#ifndef WAITING_H
#define WAITING_H

#include "base/atomic.h"
#include "base/mem.h"
#include "rthandle_sync.h"

/* Thread i sleeps until its word is set; a wake is an RMW, as that of a task
** is. */
static RTH_ATOMIC(uint32_t) awake[MC_THREADS];
static rth_wait_t waits_of[MC_THREADS];

static void sleeper_clone(void *data) { (void)data; }
static void sleeper_wake(void *data) {
  (void)rth__swap_ar((uint32_t *)data, 1u);
}
static const rth_waker_ops_t sleeper_ops = {sleeper_clone, sleeper_wake,
                                            sleeper_wake, sleeper_clone};

static inline rth_waker_t my_waker(void) {
  rth_waker_t w = {&sleeper_ops, &awake[mc_self()]};
  return w;
}
static int is_awake(void *word) { return *(uint32_t *)word != 0; }
static inline void sleep_here(void) {
  mc_wait(is_awake, &awake[mc_self()]);
  (void)rth__swap_ar(&awake[mc_self()], 0u);
}
static inline void waiting_init(void) {
  int i;
  for (i = 0; i < MC_THREADS; i++) {
    rth__init(&awake[i], 0);
    rth_wait_init(&waits_of[i]);
  }
}

/* ---- seeded bugs ------------------------------------------------------- */

static inline int in(const mc_op_t *op, mc_kind_t kind, const char *func) {
  return op->kind == kind && strcmp(op->func, func) == 0;
}

#endif
