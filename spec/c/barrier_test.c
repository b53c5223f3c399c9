/* barrier_test - rounds, leaders, and waits that are cancelled. */
#include "harness.h"
#include "waits.h"

static rth_barrier_t *b;

static void make(uint64_t n) { ASSERT_OK(rth_barrier_new(n, &b)); }
enum { PENDING = 0, PASSED, LEADER };
static int poll(struct waiter *w) {
  int leader;
  rth_poll_t how = rth_barrier_poll(b, &w->wait, &w->waker, &leader);
  if (how == RTH_PENDING) return PENDING;
  return leader ? LEADER : PASSED;
}

TEST(a_barrier_of_none_is_refused) {
  ASSERT_EQ(rth_barrier_new(0, &b), RTH_EINVAL);
}

TEST(a_barrier_of_one_never_waits) {
  WAITERS(w);
  int i;
  make(1);
  for (i = 0; i < 3; i++) ASSERT_EQ(poll(&w[0]), LEADER);
  rth_barrier_unref(b);
}

TEST(the_last_to_come_leads_round_after_round) {
  WAITERS(w);
  int round;
  make(3);
  for (round = 0; round < 5; round++) {
    ASSERT_EQ(poll(&w[0]), PENDING);
    ASSERT_EQ(poll(&w[1]), PENDING);
    ASSERT_EQ(poll(&w[0]), PENDING); /* has come already */
    ASSERT_EQ(poll(&w[2]), LEADER);
    ASSERT_EQ(woken(&w[0]), 1);
    ASSERT_EQ(woken(&w[1]), 1);
    ASSERT_EQ(poll(&w[0]), PASSED);
    ASSERT(!rth_wait_is_registered(&w[0].wait));
    ASSERT_EQ(poll(&w[1]), PASSED);
  }
  rth_barrier_unref(b);
}

TEST(the_next_round_may_begin_before_all_have_left) {
  WAITERS(w);
  make(2);
  ASSERT_EQ(poll(&w[0]), PENDING);
  ASSERT_EQ(poll(&w[1]), LEADER);
  ASSERT_EQ(poll(&w[1]), PENDING);
  ASSERT_EQ(poll(&w[0]), PASSED);
  ASSERT_EQ(poll(&w[0]), LEADER);
  ASSERT_EQ(poll(&w[1]), PASSED);
  rth_barrier_unref(b);
}

TEST(a_wait_that_is_cancelled_has_not_come) {
  WAITERS(w);
  make(2);
  ASSERT_EQ(poll(&w[0]), PENDING);
  rth_wait_cancel(&w[0].wait);
  ASSERT_EQ(held(&w[0]), 0);
  ASSERT_EQ(poll(&w[1]), PENDING);
  ASSERT_EQ(poll(&w[0]), LEADER);
  ASSERT_EQ(poll(&w[1]), PASSED);
  rth_barrier_unref(b);
}

TEST(a_wait_cancelled_after_its_round_changes_nothing) {
  WAITERS(w);
  make(2);
  ASSERT_EQ(poll(&w[0]), PENDING);
  ASSERT_EQ(poll(&w[1]), LEADER);
  rth_wait_cancel(&w[0].wait);
  ASSERT_EQ(poll(&w[2]), PENDING);
  ASSERT_EQ(poll(&w[3]), LEADER);
  ASSERT_EQ(poll(&w[2]), PASSED);
  rth_barrier_unref(b);
}

TEST(a_hundred_may_wait_for_each_other) {
  static struct waiter w[100];
  unsigned i;
  waiters_init(w, 100);
  make(100);
  for (i = 0; i < 99; i++) ASSERT_EQ(poll(&w[i]), PENDING);
  ASSERT_EQ(poll(&w[99]), LEADER);
  for (i = 0; i < 99; i++) {
    ASSERT_EQ(woken(&w[i]), 1);
    ASSERT_EQ(poll(&w[i]), PASSED);
  }
  rth_barrier_unref(rth_barrier_ref(b));
  rth_barrier_unref(b);
}

TEST(without_memory_there_is_no_barrier) {
  EACH_ALLOCATION_FAILS(rth_barrier_new(2, &b), rth_barrier_unref(b));
}
