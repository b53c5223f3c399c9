/* mutex_test - one holder, in order, and the value it guards. */
#include <pthread.h>
#include <sched.h>

#include "harness.h"
#include "waits.h"

static rth_lock_t *l;

static rth_poll_t poll(struct waiter *w) {
  return rth_lock_poll(l, RTH_LOCK_WRITE, &w->wait, &w->waker);
}
static int try_lock(void) { return rth_lock_try(l, RTH_LOCK_WRITE); }
static void unlock(void) { rth_lock_release(l, RTH_LOCK_WRITE); }

TEST(one_at_a_time_and_in_order) {
  WAITERS(w);
  ASSERT_OK(rth_mutex_new(NULL, &l));
  ASSERT_EQ(poll(&w[0]), RTH_READY);
  ASSERT_EQ(poll(&w[1]), RTH_PENDING);
  ASSERT_EQ(poll(&w[2]), RTH_PENDING);
  unlock();
  ASSERT_EQ(woken(&w[1]), 1);
  ASSERT_EQ(woken(&w[2]), 0);
  ASSERT_EQ(try_lock(), RTH_EAGAIN);
  ASSERT_EQ(poll(&w[1]), RTH_READY);
  unlock();
  ASSERT_EQ(poll(&w[2]), RTH_READY);
  unlock();
  rth_lock_unref(l);
}

TEST(try_lock_succeeds_where_it_is_free) {
  ASSERT_OK(rth_mutex_new(NULL, &l));
  ASSERT_OK(try_lock());
  ASSERT_EQ(try_lock(), RTH_EAGAIN);
  unlock();
  ASSERT_OK(try_lock());
  unlock();
  rth_lock_unref(l);
}

TEST(a_cancelled_wait_for_the_lock_passes_it_on) {
  WAITERS(w);
  ASSERT_OK(rth_mutex_new(NULL, &l));
  ASSERT_OK(try_lock());
  ASSERT_EQ(poll(&w[0]), RTH_PENDING);
  ASSERT_EQ(poll(&w[1]), RTH_PENDING);
  unlock();
  rth_wait_cancel(&w[0].wait);
  ASSERT_EQ(woken(&w[1]), 1);
  rth_wait_cancel(&w[1].wait);
  ASSERT_OK(try_lock());
  unlock();
  rth_lock_unref(l);
}

TEST(the_value_is_the_last_one_that_was_set) {
  ASSERT_OK(rth_mutex_new(letter(1), &l));
  ASSERT_OK(try_lock());
  ASSERT_EQ(number_of(rth_lock_get(l)), 1);
  rth_lock_set(l, letter(2));
  ASSERT_EQ(living_letters(), 1);
  unlock();
  ASSERT_OK(try_lock());
  ASSERT_EQ(number_of(rth_lock_get(l)), 2);
  unlock();
  rth_lock_unref(l);
  ASSERT_EQ(living_letters(), 0);
}

TEST(a_value_that_is_still_read_outlives_its_replacement) {
  rth_msg_t *old;
  ASSERT_OK(rth_mutex_new(letter(1), &l));
  ASSERT_OK(try_lock());
  old = rth_msg_ref(rth_lock_get(l));
  rth_lock_set(l, letter(2));
  unlock();
  rth_lock_unref(l);
  ASSERT_EQ(number_of(old), 1);
  rth_msg_unref(old);
  ASSERT_EQ(living_letters(), 0);
}

static int counter; /* guarded by l */

static void *count(void *arg) {
  struct waiter w;
  int i;
  (void)arg;
  waiters_init(&w, 1);
  for (i = 0; i < 5000; i++) {
    while (poll(&w) != RTH_READY)
      while (woken(&w) == 0) sched_yield();
    counter++;
    unlock();
  }
  return NULL;
}

TEST(threads_exclude_each_other) {
  pthread_t t[4];
  unsigned i;
  ASSERT_OK(rth_mutex_new(NULL, &l));
  for (i = 0; i < 4; i++) pthread_create(&t[i], NULL, count, NULL);
  for (i = 0; i < 4; i++) pthread_join(t[i], NULL);
  ASSERT_EQ(counter, 4 * 5000);
  rth_lock_unref(l);
}

TEST(without_memory_there_is_no_mutex_and_the_value_stays) {
  rth_msg_t *value = letter(1);
  EACH_ALLOCATION_FAILS(rth_mutex_new(value, &l), {
    ASSERT_EQ(living_letters(), 1);
    rth_lock_unref(rth_lock_ref(l));
    rth_lock_unref(l);
  });
}
