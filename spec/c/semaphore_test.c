/* semaphore_test - permits: order, parts, cancelling, closing. */
#include "harness.h"
#include "waits.h"

static rth_semaphore_t *s;

static void make(uint64_t permits) {
  ASSERT_OK(rth_semaphore_new(permits, &s));
}
static rth_poll_t poll(struct waiter *w, uint64_t n) {
  return rth_semaphore_poll(s, n, &w->wait, &w->waker);
}
static void release(uint64_t n) { ASSERT_OK(rth_semaphore_release(s, n)); }

TEST(try_acquire_takes_what_is_there) {
  make(1);
  ASSERT_OK(rth_semaphore_try(s, 1));
  ASSERT_EQ(rth_semaphore_available(s), 0);
  ASSERT_EQ(rth_semaphore_try(s, 1), RTH_EAGAIN);
  release(1);
  ASSERT_OK(rth_semaphore_try(s, 1));
  rth_semaphore_unref(s);
}

TEST(try_acquire_many_takes_all_or_nothing) {
  make(42);
  ASSERT_EQ(rth_semaphore_try(s, 43), RTH_EAGAIN);
  ASSERT_OK(rth_semaphore_try(s, 32));
  ASSERT_EQ(rth_semaphore_try(s, 11), RTH_EAGAIN);
  ASSERT_OK(rth_semaphore_try(s, 10));
  ASSERT_EQ(rth_semaphore_available(s), 0);
  rth_semaphore_unref(s);
}

TEST(nothing_can_always_be_acquired) {
  WAITERS(w);
  make(0);
  ASSERT_OK(rth_semaphore_try(s, 0));
  ASSERT_EQ(poll(&w[0], 0), RTH_READY);
  rth_semaphore_unref(s);
}

TEST(acquire_with_permits_does_not_wait) {
  WAITERS(w);
  make(2);
  ASSERT_EQ(poll(&w[0], 2), RTH_READY);
  ASSERT(!rth_wait_is_registered(&w[0].wait));
  ASSERT_EQ(held(&w[0]), 0);
  rth_semaphore_unref(s);
}

TEST(release_wakes_who_waits) {
  WAITERS(w);
  make(0);
  ASSERT_EQ(poll(&w[0], 1), RTH_PENDING);
  ASSERT_EQ(woken(&w[0]), 0);
  release(1);
  ASSERT_EQ(woken(&w[0]), 1);
  ASSERT_EQ(held(&w[0]), 0);
  ASSERT_EQ(rth_semaphore_available(s), 0);
  ASSERT_EQ(poll(&w[0], 1), RTH_READY);
  rth_semaphore_unref(s);
}

TEST(permits_go_to_the_first_that_waits) {
  WAITERS(w);
  make(0);
  ASSERT_EQ(poll(&w[0], 1), RTH_PENDING);
  ASSERT_EQ(poll(&w[1], 1), RTH_PENDING);
  release(1);
  ASSERT_EQ(woken(&w[0]), 1);
  ASSERT_EQ(woken(&w[1]), 0);
  ASSERT_EQ(poll(&w[1], 1), RTH_PENDING);
  release(1);
  ASSERT_EQ(woken(&w[1]), 1);
  ASSERT_EQ(poll(&w[0], 1), RTH_READY);
  ASSERT_EQ(poll(&w[1], 1), RTH_READY);
  rth_semaphore_unref(s);
}

TEST(a_permit_that_was_handed_over_cannot_be_overtaken) {
  WAITERS(w);
  make(0);
  ASSERT_EQ(poll(&w[0], 1), RTH_PENDING);
  release(1);
  ASSERT_EQ(rth_semaphore_try(s, 1), RTH_EAGAIN);
  ASSERT_EQ(poll(&w[0], 1), RTH_READY);
  rth_semaphore_unref(s);
}

TEST(who_wants_many_blocks_those_behind_who_want_few) {
  WAITERS(w);
  make(2);
  ASSERT_EQ(poll(&w[0], 3), RTH_PENDING);
  ASSERT_EQ(rth_semaphore_available(s), 0);
  ASSERT_EQ(rth_semaphore_try(s, 1), RTH_EAGAIN);
  ASSERT_EQ(poll(&w[1], 1), RTH_PENDING);
  release(1);
  ASSERT_EQ(woken(&w[0]), 1);
  ASSERT_EQ(woken(&w[1]), 0);
  ASSERT_EQ(poll(&w[0], 3), RTH_READY);
  release(3);
  ASSERT_EQ(poll(&w[1], 1), RTH_READY);
  ASSERT_EQ(rth_semaphore_available(s), 2);
  rth_semaphore_unref(s);
}

TEST(one_release_serves_several) {
  WAITERS(w);
  unsigned i;
  make(0);
  for (i = 0; i < 4; i++) ASSERT_EQ(poll(&w[i], i + 1), RTH_PENDING);
  release(7);
  for (i = 0; i < 3; i++) ASSERT_EQ(poll(&w[i], i + 1), RTH_READY);
  ASSERT_EQ(poll(&w[3], 4), RTH_PENDING);
  release(3);
  ASSERT_EQ(woken(&w[3]), 1);
  ASSERT_EQ(poll(&w[3], 4), RTH_READY);
  ASSERT_EQ(rth_semaphore_available(s), 0);
  rth_semaphore_unref(s);
}

TEST(one_release_serves_more_than_one_batch_of_wakers) {
  enum { MANY = 100 };
  static struct waiter w[MANY];
  unsigned i;
  waiters_init(w, MANY);
  make(0);
  for (i = 0; i < MANY; i++) ASSERT_EQ(poll(&w[i], 1), RTH_PENDING);
  release(MANY + 5);
  for (i = 0; i < MANY; i++) {
    ASSERT_EQ(woken(&w[i]), 1);
    ASSERT_EQ(poll(&w[i], 1), RTH_READY);
  }
  ASSERT_EQ(rth_semaphore_available(s), 5);
  rth_semaphore_unref(s);
}

TEST(a_second_poll_replaces_the_waker) {
  WAITERS(w);
  make(0);
  ASSERT_EQ(poll(&w[0], 1), RTH_PENDING);
  ASSERT_EQ(rth_semaphore_poll(s, 1, &w[0].wait, &w[1].waker), RTH_PENDING);
  ASSERT_EQ(held(&w[0]), 0);
  ASSERT_EQ(rth_semaphore_poll(s, 1, &w[0].wait, &w[1].waker), RTH_PENDING);
  ASSERT_EQ(held(&w[1]), 1);
  release(1);
  ASSERT_EQ(woken(&w[0]), 0);
  ASSERT_EQ(woken(&w[1]), 1);
  ASSERT_EQ(poll(&w[0], 1), RTH_READY);
  rth_semaphore_unref(s);
}

TEST(a_cancelled_wait_is_skipped) {
  WAITERS(w);
  make(0);
  ASSERT_EQ(poll(&w[0], 1), RTH_PENDING);
  ASSERT_EQ(poll(&w[1], 1), RTH_PENDING);
  rth_wait_cancel(&w[0].wait);
  ASSERT_EQ(held(&w[0]), 0);
  release(1);
  ASSERT_EQ(woken(&w[0]), 0);
  ASSERT_EQ(woken(&w[1]), 1);
  ASSERT_EQ(poll(&w[1], 1), RTH_READY);
  rth_semaphore_unref(s);
}

TEST(a_cancelled_wait_passes_its_permit_on) {
  WAITERS(w);
  make(0);
  ASSERT_EQ(poll(&w[0], 1), RTH_PENDING);
  ASSERT_EQ(poll(&w[1], 1), RTH_PENDING);
  release(1);
  ASSERT_EQ(woken(&w[0]), 1);
  rth_wait_cancel(&w[0].wait);
  ASSERT_EQ(woken(&w[1]), 1);
  ASSERT_EQ(poll(&w[1], 1), RTH_READY);
  rth_semaphore_unref(s);
}

TEST(a_cancelled_wait_gives_back_the_part_it_had) {
  WAITERS(w);
  make(3);
  ASSERT_EQ(poll(&w[0], 5), RTH_PENDING);
  ASSERT_EQ(poll(&w[1], 2), RTH_PENDING);
  ASSERT_EQ(poll(&w[2], 2), RTH_PENDING);
  rth_wait_cancel(&w[0].wait);
  ASSERT_EQ(poll(&w[1], 2), RTH_READY);
  ASSERT_EQ(poll(&w[2], 2), RTH_PENDING);
  release(1);
  ASSERT_EQ(poll(&w[2], 2), RTH_READY);
  ASSERT_EQ(rth_semaphore_available(s), 0);
  rth_semaphore_unref(s);
}

TEST(the_last_cancelled_wait_gives_back_to_the_semaphore) {
  WAITERS(w);
  make(3);
  ASSERT_EQ(poll(&w[0], 5), RTH_PENDING);
  rth_wait_cancel(&w[0].wait);
  ASSERT_EQ(rth_semaphore_available(s), 3);
  ASSERT_OK(rth_semaphore_try(s, 3));
  rth_semaphore_unref(s);
}

TEST(a_cancelled_wait_can_be_used_again) {
  WAITERS(w);
  make(0);
  ASSERT_EQ(poll(&w[0], 1), RTH_PENDING);
  rth_wait_cancel(&w[0].wait);
  rth_wait_cancel(&w[0].wait);
  ASSERT_EQ(poll(&w[0], 2), RTH_PENDING);
  release(2);
  ASSERT_EQ(poll(&w[0], 2), RTH_READY);
  rth_semaphore_unref(s);
}

TEST(close_fails_those_who_wait_and_those_who_come) {
  WAITERS(w);
  make(1);
  ASSERT_EQ(poll(&w[0], 2), RTH_PENDING);
  ASSERT_EQ(poll(&w[1], 1), RTH_PENDING);
  ASSERT(!rth_semaphore_is_closed(s));
  rth_semaphore_close(s);
  ASSERT(rth_semaphore_is_closed(s));
  ASSERT_EQ(woken(&w[0]), 1);
  ASSERT_EQ(woken(&w[1]), 1);
  ASSERT_EQ(poll(&w[0], 2), RTH_FAILED);
  ASSERT_EQ(poll(&w[1], 1), RTH_FAILED);
  ASSERT_EQ(poll(&w[2], 1), RTH_FAILED);
  ASSERT_EQ(rth_semaphore_try(s, 1), RTH_ECLOSED);
  ASSERT_EQ(rth_semaphore_available(s), 1);
  rth_semaphore_unref(s);
}

TEST(a_permit_handed_over_before_close_is_good) {
  WAITERS(w);
  make(0);
  ASSERT_EQ(poll(&w[0], 1), RTH_PENDING);
  release(1);
  rth_semaphore_close(s);
  ASSERT_EQ(poll(&w[0], 1), RTH_READY);
  release(1);
  ASSERT_EQ(rth_semaphore_available(s), 1);
  rth_semaphore_unref(s);
}

TEST(cancelling_a_wait_on_a_closed_semaphore_is_harmless) {
  WAITERS(w);
  make(1);
  ASSERT_EQ(poll(&w[0], 2), RTH_PENDING);
  rth_semaphore_close(s);
  rth_semaphore_close(s);
  rth_wait_cancel(&w[0].wait);
  ASSERT_EQ(rth_semaphore_available(s), 1);
  rth_semaphore_unref(s);
}

TEST(forget_takes_permits_away_but_no_more_than_there_are) {
  make(5);
  ASSERT_EQ(rth_semaphore_forget(s, 2), 2);
  ASSERT_EQ(rth_semaphore_available(s), 3);
  ASSERT_EQ(rth_semaphore_forget(s, 10), 3);
  ASSERT_EQ(rth_semaphore_forget(s, 10), 0);
  ASSERT_EQ(rth_semaphore_try(s, 1), RTH_EAGAIN);
  rth_semaphore_unref(s);
}

TEST(there_are_never_more_permits_than_the_maximum) {
  ASSERT_EQ(rth_semaphore_new(RTH_MAX_PERMITS + 1, &s), RTH_EINVAL);
  make(RTH_MAX_PERMITS);
  ASSERT_EQ(rth_semaphore_release(s, 1), RTH_EINVAL);
  ASSERT_EQ(rth_semaphore_release(s, UINT64_MAX), RTH_EINVAL);
  ASSERT_EQ(rth_semaphore_available(s), RTH_MAX_PERMITS);
  ASSERT_OK(rth_semaphore_try(s, RTH_MAX_PERMITS));
  release(RTH_MAX_PERMITS);
  rth_semaphore_unref(s);
}

TEST(a_reference_keeps_it) {
  make(1);
  ASSERT_PTR_EQ(rth_semaphore_ref(s), s);
  rth_semaphore_unref(s);
  ASSERT_EQ(rth_semaphore_available(s), 1);
  rth_semaphore_unref(s);
}

TEST(without_memory_there_is_no_semaphore) {
  EACH_ALLOCATION_FAILS(rth_semaphore_new(1, &s), rth_semaphore_unref(s));
}
