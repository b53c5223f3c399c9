/* notify_test - one, all, what is kept, and what passes on. */
#include "harness.h"
#include "waits.h"

static rth_notify_t *n;

static void make(void) { ASSERT_OK(rth_notify_new(&n)); }
static rth_poll_t poll(struct waiter *w) {
  return rth_notify_poll(n, &w->wait, &w->waker);
}
static void end(void) { rth_notify_unref(n); }

TEST(one_that_waits_is_notified) {
  WAITERS(w);
  make();
  ASSERT_EQ(poll(&w[0]), RTH_PENDING);
  rth_notify_one(n);
  ASSERT_EQ(woken(&w[0]), 1);
  ASSERT_EQ(poll(&w[0]), RTH_READY);
  ASSERT(!rth_wait_is_registered(&w[0].wait));
  ASSERT_EQ(held(&w[0]), 0);
  ASSERT_EQ(poll(&w[0]), RTH_PENDING);
  rth_wait_cancel(&w[0].wait);
  end();
}

TEST(one_notification_is_kept_not_two) {
  WAITERS(w);
  make();
  rth_notify_one(n);
  rth_notify_one(n);
  ASSERT_EQ(poll(&w[0]), RTH_READY);
  ASSERT_EQ(poll(&w[0]), RTH_PENDING);
  rth_wait_cancel(&w[0].wait);
  end();
}

TEST(each_notification_goes_to_the_first_that_waits) {
  WAITERS(w);
  make();
  ASSERT_EQ(poll(&w[0]), RTH_PENDING);
  ASSERT_EQ(poll(&w[1]), RTH_PENDING);
  rth_notify_one(n);
  ASSERT_EQ(woken(&w[0]), 1);
  ASSERT_EQ(woken(&w[1]), 0);
  ASSERT_EQ(poll(&w[1]), RTH_PENDING);
  rth_notify_one(n);
  ASSERT_EQ(poll(&w[1]), RTH_READY);
  ASSERT_EQ(poll(&w[0]), RTH_READY);
  end();
}

TEST(a_notified_wait_that_is_cancelled_passes_it_on) {
  WAITERS(w);
  make();
  ASSERT_EQ(poll(&w[0]), RTH_PENDING);
  ASSERT_EQ(poll(&w[1]), RTH_PENDING);
  rth_notify_one(n);
  rth_wait_cancel(&w[0].wait);
  ASSERT_EQ(woken(&w[1]), 1);
  ASSERT_EQ(poll(&w[1]), RTH_READY);
  end();
}

TEST(the_last_notified_wait_that_is_cancelled_keeps_it) {
  WAITERS(w);
  make();
  ASSERT_EQ(poll(&w[0]), RTH_PENDING);
  rth_notify_one(n);
  rth_wait_cancel(&w[0].wait);
  ASSERT_EQ(poll(&w[1]), RTH_READY);
  end();
}

TEST(a_wait_that_was_not_notified_passes_nothing_on) {
  WAITERS(w);
  make();
  ASSERT_EQ(poll(&w[0]), RTH_PENDING);
  ASSERT_EQ(poll(&w[1]), RTH_PENDING);
  rth_wait_cancel(&w[0].wait);
  ASSERT_EQ(woken(&w[1]), 0);
  rth_wait_cancel(&w[1].wait);
  ASSERT_EQ(poll(&w[0]), RTH_PENDING);
  rth_wait_cancel(&w[0].wait);
  end();
}

TEST(all_that_wait_are_notified_and_nothing_is_kept) {
  WAITERS(w);
  make();
  rth_notify_all(n);
  ASSERT_EQ(poll(&w[0]), RTH_PENDING);
  ASSERT_EQ(poll(&w[1]), RTH_PENDING);
  rth_notify_all(n);
  ASSERT_EQ(woken(&w[0]), 1);
  ASSERT_EQ(woken(&w[1]), 1);
  ASSERT_EQ(poll(&w[2]), RTH_PENDING);
  ASSERT_EQ(poll(&w[0]), RTH_READY);
  ASSERT_EQ(poll(&w[1]), RTH_READY);
  rth_wait_cancel(&w[2].wait);
  end();
}

TEST(more_than_one_batch_is_notified_at_once) {
  static struct waiter w[100];
  unsigned i;
  waiters_init(w, 100);
  make();
  for (i = 0; i < 100; i++) ASSERT_EQ(poll(&w[i]), RTH_PENDING);
  rth_notify_all(n);
  for (i = 0; i < 100; i++) {
    ASSERT_EQ(woken(&w[i]), 1);
    ASSERT_EQ(poll(&w[i]), RTH_READY);
  }
  end();
}

TEST(after_notify_all_a_cancelled_wait_passes_nothing_on) {
  WAITERS(w);
  make();
  ASSERT_EQ(poll(&w[0]), RTH_PENDING);
  rth_notify_all(n);
  rth_wait_cancel(&w[0].wait);
  ASSERT_EQ(poll(&w[1]), RTH_PENDING);
  rth_wait_cancel(&w[1].wait);
  end();
}

TEST(notify_all_reaches_a_prepared_wait) {
  WAITERS(w);
  make();
  rth_notify_prepare(n, &w[0].wait);
  rth_notify_all(n);
  ASSERT_EQ(poll(&w[1]), RTH_PENDING);
  ASSERT_EQ(poll(&w[0]), RTH_READY);
  ASSERT_EQ(poll(&w[0]), RTH_PENDING);
  rth_wait_cancel(&w[0].wait);
  rth_wait_cancel(&w[1].wait);
  end();
}

TEST(a_prepared_wait_that_all_reached_takes_nothing_that_is_kept) {
  WAITERS(w);
  make();
  rth_notify_prepare(n, &w[0].wait);
  rth_notify_one(n);
  rth_notify_all(n);
  ASSERT_EQ(poll(&w[0]), RTH_READY);
  ASSERT_EQ(poll(&w[1]), RTH_READY);
  end();
}

TEST(notify_one_does_not_reach_a_prepared_wait_before_its_poll) {
  WAITERS(w);
  make();
  rth_notify_prepare(n, &w[0].wait);
  ASSERT_EQ(poll(&w[1]), RTH_PENDING);
  rth_notify_one(n);
  ASSERT_EQ(poll(&w[1]), RTH_READY);
  ASSERT_EQ(poll(&w[0]), RTH_PENDING);
  rth_wait_cancel(&w[0].wait);
  end();
}

/* A waker that does something when it wakes, as a task that is polled at once
** on another thread would. */
static struct waiter nested[2];
static void nested_wake(void *data) {
  (void)data;
  rth_wait_cancel(&nested[1].wait);
  ASSERT_EQ(poll(&nested[0]), RTH_READY);
  ASSERT_EQ(poll(&nested[0]), RTH_PENDING);
}
static const rth_waker_ops_t nested_ops = {tester_clone, nested_wake,
                                           nested_wake, tester_drop};

TEST(a_waker_may_use_the_object_that_wakes_it) {
  make();
  waiters_init(nested, 2);
  nested[0].waker.ops = &nested_ops;
  ASSERT_EQ(poll(&nested[0]), RTH_PENDING);
  ASSERT_EQ(poll(&nested[1]), RTH_PENDING);
  rth_notify_all(n);
  rth_wait_cancel(&nested[0].wait);
  end();
}

TEST(without_memory_there_is_no_notify) {
  EACH_ALLOCATION_FAILS(rth_notify_new(&n),
                        rth_notify_unref(rth_notify_ref(n));
                        end());
}
