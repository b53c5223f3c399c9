/* waits.h - for tests of csrc/sync: wakers that count, messages that count,
** and an allocator that fails.
**
** A poll of these tests is a poll as a task would do it, without a task. */
#ifndef WAITS_H
#define WAITS_H

#include "base/atomic.h"
#include "rthandle_sync.h"

/* A waker, what was done with it, and how often it is held. */
struct tester {
  RTH_ATOMIC(int) refs;
  RTH_ATOMIC(int) wakes;
};

static void tester_clone(void *data) {
  (void)rth__add_rlx(&((struct tester *)data)->refs, 1);
}
static void tester_drop(void *data) {
  (void)rth__sub_rlx(&((struct tester *)data)->refs, 1);
}
static void tester_wake_by_ref(void *data) {
  (void)rth__add_rlx(&((struct tester *)data)->wakes, 1);
}
static void tester_wake(void *data) {
  tester_wake_by_ref(data);
  tester_drop(data);
}
static const rth_waker_ops_t tester_ops = {tester_clone, tester_wake,
                                           tester_wake_by_ref, tester_drop};

/* Eight waiters: a wait, a waker, and whether it was woken since the last
** look. */
struct waiter {
  rth_wait_t wait;
  rth_waker_t waker;
  struct tester t;
};

static inline void waiters_init(struct waiter *w, unsigned n) {
  unsigned i;
  for (i = 0; i < n; i++) {
    rth_wait_init(&w[i].wait);
    rth__init(&w[i].t.refs, 0);
    rth__init(&w[i].t.wakes, 0);
    w[i].waker.ops = &tester_ops;
    w[i].waker.data = &w[i].t;
  }
}

#define WAITERS(name) \
  struct waiter name[8]; \
  waiters_init(name, 8)

/* How often it was woken since the last call. */
static inline int woken(struct waiter *w) {
  return rth__swap_ar(&w->t.wakes, 0);
}
/* How many clones of its waker are held. */
static inline int held(struct waiter *w) { return rth__load_rlx(&w->t.refs); }

/* A message with a number. */
struct letter {
  rth_msg_t head;
  int number;
};
static RTH_ATOMIC(int) letters; /* that exist */

static void letter_drop(rth_msg_t *m) {
  (void)rth__sub_rlx(&letters, 1);
  free(m);
}
static inline rth_msg_t *letter(int number) {
  struct letter *l = malloc(sizeof *l);
  if (l == NULL) abort();
  l->head.drop = letter_drop;
  l->number = number;
  (void)rth__add_rlx(&letters, 1);
  return &l->head;
}
static inline int number_of(const rth_msg_t *m) {
  return ((const struct letter *)(const void *)m)->number;
}
/* Its number, and the end of it. */
static inline int opened(rth_msg_t *m) {
  int n = number_of(m);
  m->drop(m);
  return n;
}
static inline int living_letters(void) { return rth__load_rlx(&letters); }

/* An allocator that answers NULL once, after `left` calls. */
static RTH_ATOMIC(int) allocations_left;
static inline void *failing_alloc(void *old, size_t size) {
  if (size == 0) {
    free(old);
    return NULL;
  }
  if (rth__sub_rlx(&allocations_left, 1) == 0) return NULL;
  return realloc(old, size);
}

/* Lets each allocation of `make` fail once: make answers an error and leaves
** nothing, until it succeeds with all of them; `unmake` ends that. */
#define EACH_ALLOCATION_FAILS(make, unmake)            \
  do {                                                 \
    int fail_at = 0, err;                              \
    rth_set_allocator(failing_alloc);                  \
    for (;; fail_at++) {                               \
      uint64_t live = rth_live_allocations();          \
      rth__store_rlx(&allocations_left, fail_at);      \
      err = (make);                                    \
      if (err == 0) break;                             \
      ASSERT_EQ(err, RTH_ENOMEM);                      \
      ASSERT_EQ(rth_live_allocations(), live);         \
    }                                                  \
    ASSERT_GT(fail_at, 0);                             \
    unmake;                                            \
  } while (0)

#endif
