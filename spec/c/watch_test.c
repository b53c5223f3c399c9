/* watch_test - the last value, and who has seen it. */
#include "harness.h"
#include "waits.h"

static rth_watch_t *c;
static rth_watch_seen_t seen;

static void make(int number) {
  ASSERT_OK(rth_watch_new(letter(number), &c, &seen));
}
static void end(void) {
  rth_watch_tx_free(c);
  rth_watch_rx_free(c);
  ASSERT_EQ(living_letters(), 0);
}
static int borrow(rth_watch_seen_t *s) {
  rth_msg_t *m = rth_watch_borrow(c, s);
  int n = number_of(m);
  rth_msg_unref(m);
  return n;
}
static int send(int number) {
  rth_msg_t *m = letter(number);
  int err = rth_watch_send(c, m);
  if (err != 0) m->drop(m);
  return err;
}
static rth_poll_t changed(struct waiter *w) {
  return rth_watch_changed_poll(c, &seen, &w->wait, &w->waker);
}
/* Whether it has, or the error. */
static int has_changed(void) {
  int yes, err = rth_watch_has_changed(c, &seen, &yes);
  return err == 0 ? yes : err;
}

TEST(the_initial_value_counts_as_seen) {
  WAITERS(w);
  make(1);
  ASSERT_EQ(has_changed(), 0);
  ASSERT_EQ(changed(&w[0]), RTH_PENDING);
  ASSERT_EQ(borrow(NULL), 1);
  rth_wait_cancel(&w[0].wait);
  ASSERT_EQ(held(&w[0]), 0);
  end();
}

TEST(a_send_wakes_and_is_seen_once) {
  WAITERS(w);
  make(1);
  ASSERT_EQ(changed(&w[0]), RTH_PENDING);
  ASSERT_OK(send(2));
  ASSERT_EQ(woken(&w[0]), 1);
  ASSERT_EQ(changed(&w[0]), RTH_READY);
  ASSERT(!rth_wait_is_registered(&w[0].wait));
  ASSERT_EQ(borrow(NULL), 2);
  ASSERT_EQ(changed(&w[0]), RTH_PENDING);
  rth_wait_cancel(&w[0].wait);
  end();
}

TEST(only_the_last_value_is_kept) {
  WAITERS(w);
  make(1);
  ASSERT_OK(send(2));
  ASSERT_OK(send(3));
  ASSERT_EQ(living_letters(), 1);
  ASSERT_EQ(changed(&w[0]), RTH_READY);
  ASSERT_EQ(borrow(NULL), 3);
  ASSERT_EQ(has_changed(), 0);
  end();
}

TEST(borrow_marks_as_seen_only_where_told) {
  make(1);
  ASSERT_OK(send(2));
  ASSERT_EQ(borrow(NULL), 2);
  ASSERT_EQ(has_changed(), 1);
  ASSERT_EQ(borrow(&seen), 2);
  ASSERT_EQ(has_changed(), 0);
  end();
}

TEST(a_borrowed_value_outlives_its_replacement) {
  rth_msg_t *m;
  make(1);
  m = rth_watch_borrow(c, NULL);
  ASSERT_OK(send(2));
  ASSERT_EQ(number_of(m), 1);
  rth_msg_unref(m);
  ASSERT_EQ(living_letters(), 1);
  end();
}

TEST(each_receiver_sees_for_itself) {
  WAITERS(w);
  rth_watch_seen_t mine = {0}, clone;
  make(1);
  ASSERT_OK(send(2));
  rth_watch_subscribe(c, &mine);
  rth_watch_rx_clone(c);
  clone = seen;
  ASSERT_EQ(rth_watch_receivers(c), 3);
  ASSERT_EQ(rth_watch_changed_poll(c, &mine, &w[0].wait, &w[0].waker),
            RTH_PENDING);
  ASSERT_EQ(rth_watch_changed_poll(c, &clone, &w[1].wait, &w[1].waker),
            RTH_READY);
  ASSERT_EQ(has_changed(), 1);
  ASSERT_OK(send(3));
  ASSERT_EQ(woken(&w[0]), 1);
  ASSERT_EQ(rth_watch_changed_poll(c, &mine, &w[0].wait, &w[0].waker),
            RTH_READY);
  rth_watch_rx_free(c);
  rth_watch_rx_free(c);
  end();
}

TEST(a_send_without_receivers_stores_nothing) {
  make(1);
  rth_watch_rx_free(c);
  ASSERT_EQ(send(2), RTH_ECLOSED);
  ASSERT_EQ(borrow(NULL), 1);
  rth_watch_replace(c, letter(3));
  ASSERT_EQ(borrow(NULL), 3);
  rth_watch_subscribe(c, &seen);
  ASSERT_OK(send(4));
  ASSERT_EQ(borrow(&seen), 4);
  end();
}

TEST(after_the_last_sender_an_unseen_value_is_still_seen) {
  WAITERS(w);
  make(1);
  ASSERT_OK(send(2));
  rth_watch_tx_free(c);
  ASSERT_EQ(has_changed(), RTH_ECLOSED);
  ASSERT_EQ(changed(&w[0]), RTH_READY);
  ASSERT_EQ(changed(&w[0]), RTH_FAILED);
  ASSERT_EQ(borrow(NULL), 2);
  rth_watch_rx_free(c);
}

TEST(the_last_sender_that_goes_wakes_those_that_wait) {
  WAITERS(w);
  make(1);
  rth_watch_tx_clone(c);
  ASSERT_EQ(changed(&w[0]), RTH_PENDING);
  rth_watch_tx_free(c);
  ASSERT_EQ(woken(&w[0]), 0);
  rth_watch_tx_free(c);
  ASSERT_EQ(woken(&w[0]), 1);
  ASSERT_EQ(changed(&w[0]), RTH_FAILED);
  ASSERT_EQ(held(&w[0]), 0);
  rth_watch_rx_free(c);
}

TEST(a_wait_cancelled_after_its_wake_up_has_not_seen) {
  WAITERS(w);
  make(1);
  ASSERT_EQ(changed(&w[0]), RTH_PENDING);
  ASSERT_OK(send(2));
  rth_wait_cancel(&w[0].wait);
  ASSERT_EQ(has_changed(), 1);
  ASSERT_EQ(changed(&w[0]), RTH_READY);
  end();
}

TEST(without_memory_there_is_no_watch_and_the_value_stays) {
  rth_msg_t *value = letter(1);
  EACH_ALLOCATION_FAILS(rth_watch_new(value, &c, &seen), end());
}
