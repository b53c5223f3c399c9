/* broadcast_test - everybody sees everything, or how much they missed. */
#include <pthread.h>
#include <sched.h>

#include "harness.h"
#include "waits.h"

static rth_broadcast_t *tx;
static rth_broadcast_rx_t *rx, *rx2;

static void make(uint64_t capacity) {
  ASSERT_OK(rth_broadcast_new(capacity, &tx, &rx));
}
/* Another receiver. */
static void make_two(uint64_t capacity) {
  make(capacity);
  ASSERT_OK(rth_broadcast_subscribe(tx, &rx2));
}
static void end(void) {
  rth_broadcast_tx_free(tx);
  rth_broadcast_rx_free(rx);
  ASSERT_EQ(living_letters(), 0);
}
static void end_two(void) {
  rth_broadcast_rx_free(rx2);
  end();
}

/* How many receivers, or the error. */
static int send(int number) {
  rth_msg_t *m = letter(number);
  uint64_t n;
  int err = rth_broadcast_send(tx, m, &n);
  if (err != 0) m->drop(m);
  return err == 0 ? (int)n : err;
}

enum { PENDING = -100, FAILED = -101, MISSED = -1000 };
static int seen(rth_msg_t *m, uint64_t missed) {
  int number;
  if (m == NULL) return MISSED - (int)missed;
  number = number_of(m);
  rth_msg_unref(m);
  return number;
}
/* A number, an error, or MISSED less how many. */
static int try_recv(rth_broadcast_rx_t *r) {
  rth_msg_t *m;
  uint64_t missed;
  int err = rth_broadcast_try_recv(r, &m, &missed);
  return err == 0 ? seen(m, missed) : err;
}
static int recv(rth_broadcast_rx_t *r, struct waiter *w) {
  rth_msg_t *m;
  uint64_t missed;
  rth_poll_t how = rth_broadcast_poll(r, &w->wait, &w->waker, &m, &missed);
  if (how == RTH_READY) return seen(m, missed);
  return how == RTH_PENDING ? PENDING : FAILED;
}

TEST(every_receiver_sees_every_message_in_order) {
  make_two(16);
  ASSERT_EQ(send(1), 2);
  ASSERT_EQ(send(2), 2);
  ASSERT_EQ(try_recv(rx), 1);
  ASSERT_EQ(try_recv(rx2), 1);
  ASSERT_EQ(try_recv(rx2), 2);
  ASSERT_EQ(try_recv(rx2), RTH_EAGAIN);
  ASSERT_EQ(try_recv(rx), 2);
  ASSERT_EQ(try_recv(rx), RTH_EAGAIN);
  end_two();
}

TEST(a_message_goes_when_the_last_receiver_has_seen_it) {
  make_two(16);
  (void)send(1);
  ASSERT_EQ(try_recv(rx), 1);
  ASSERT_EQ(living_letters(), 1);
  ASSERT_EQ(try_recv(rx2), 1);
  ASSERT_EQ(living_letters(), 0);
  end_two();
}

TEST(a_send_wakes_all_that_wait) {
  WAITERS(w);
  make_two(16);
  ASSERT_EQ(recv(rx, &w[0]), PENDING);
  ASSERT_EQ(recv(rx2, &w[1]), PENDING);
  ASSERT_EQ(send(1), 2);
  ASSERT_EQ(woken(&w[0]), 1);
  ASSERT_EQ(woken(&w[1]), 1);
  ASSERT_EQ(recv(rx, &w[0]), 1);
  ASSERT(!rth_wait_is_registered(&w[0].wait));
  ASSERT_EQ(recv(rx2, &w[1]), 1);
  ASSERT_EQ(recv(rx, &w[0]), PENDING);
  rth_wait_cancel(&w[0].wait);
  end_two();
}

TEST(a_new_receiver_sees_what_is_sent_from_now_on) {
  make(16);
  (void)send(1);
  ASSERT_OK(rth_broadcast_resubscribe(rx, &rx2));
  ASSERT_EQ(rth_broadcast_receivers(tx), 2);
  ASSERT_EQ(try_recv(rx2), RTH_EAGAIN);
  (void)send(2);
  ASSERT_EQ(try_recv(rx2), 2);
  ASSERT_EQ(try_recv(rx), 1);
  end_two();
}

TEST(without_receivers_a_send_fails_until_one_subscribes) {
  make(2);
  rth_broadcast_rx_free(rx);
  ASSERT_EQ(send(1), RTH_ECLOSED);
  ASSERT_OK(rth_broadcast_subscribe(tx, &rx));
  ASSERT_EQ(send(2), 1);
  ASSERT_EQ(try_recv(rx), 2);
  end();
}

TEST(a_slow_receiver_learns_how_much_it_missed_and_goes_on) {
  make_two(2);
  (void)send(1);
  (void)send(2);
  ASSERT_EQ(try_recv(rx), 1);
  (void)send(3);
  ASSERT_EQ(try_recv(rx), 2);
  ASSERT_EQ(try_recv(rx2), MISSED - 1);
  ASSERT_EQ(try_recv(rx2), 2);
  ASSERT_EQ(try_recv(rx2), 3);
  ASSERT_EQ(try_recv(rx2), RTH_EAGAIN);
  ASSERT_EQ(try_recv(rx), 3);
  end_two();
}

TEST(the_capacity_is_rounded_up_to_a_power_of_two) {
  int i;
  make(3);
  for (i = 1; i <= 4; i++) (void)send(i);
  ASSERT_EQ(try_recv(rx), 1);
  for (i = 5; i <= 8; i++) (void)send(i);
  ASSERT_EQ(rth_broadcast_len(rx), 7);
  ASSERT_EQ(try_recv(rx), MISSED - 3);
  for (i = 5; i <= 8; i++) ASSERT_EQ(try_recv(rx), i);
  ASSERT_EQ(rth_broadcast_len(rx), 0);
  end();
}

TEST(a_slow_receiver_is_told_by_a_wait_too) {
  WAITERS(w);
  make(1);
  (void)send(1);
  (void)send(2);
  ASSERT_EQ(recv(rx, &w[0]), MISSED - 1);
  ASSERT_EQ(recv(rx, &w[0]), 2);
  end();
}

TEST(after_the_last_sender_receivers_drain_and_end) {
  WAITERS(w);
  make_two(4);
  rth_broadcast_tx_clone(tx);
  ASSERT_EQ(recv(rx, &w[0]), PENDING);
  rth_broadcast_tx_free(tx);
  ASSERT_EQ(woken(&w[0]), 0);
  (void)send(1);
  rth_broadcast_tx_free(tx);
  ASSERT_EQ(recv(rx, &w[0]), 1);
  ASSERT_EQ(recv(rx, &w[0]), FAILED);
  ASSERT_EQ(try_recv(rx2), 1);
  ASSERT_EQ(try_recv(rx2), RTH_ECLOSED);
  rth_broadcast_rx_free(rx);
  rth_broadcast_rx_free(rx2);
}

TEST(the_last_sender_that_goes_wakes_those_that_wait) {
  WAITERS(w);
  make_two(4);
  ASSERT_EQ(recv(rx, &w[0]), PENDING);
  ASSERT_EQ(recv(rx2, &w[1]), PENDING);
  rth_broadcast_tx_free(tx);
  ASSERT_EQ(woken(&w[0]), 1);
  ASSERT_EQ(woken(&w[1]), 1);
  ASSERT_EQ(recv(rx, &w[0]), FAILED);
  rth_broadcast_rx_free(rx);
  rth_wait_cancel(&w[1].wait);
  rth_broadcast_rx_free(rx2);
}

TEST(a_receiver_that_goes_lets_go_of_what_it_had_not_seen) {
  make_two(4);
  (void)send(1);
  (void)send(2);
  ASSERT_EQ(try_recv(rx), 1);
  ASSERT_EQ(living_letters(), 2);
  rth_broadcast_rx_free(rx2);
  ASSERT_EQ(living_letters(), 1);
  ASSERT_EQ(send(3), 1);
  end();
}

TEST(a_slow_receiver_that_goes_lets_go_of_what_is_left) {
  int i;
  make_two(2);
  for (i = 1; i < 8; i++) (void)send(i);
  rth_broadcast_rx_free(rx2);
  ASSERT_EQ(try_recv(rx), MISSED - 5);
  ASSERT_EQ(try_recv(rx), 6);
  ASSERT_EQ(try_recv(rx), 7);
  ASSERT_EQ(living_letters(), 0);
  end();
}

TEST(a_cancelled_receive_loses_nothing) {
  WAITERS(w);
  make(4);
  ASSERT_EQ(recv(rx, &w[0]), PENDING);
  rth_wait_cancel(&w[0].wait);
  ASSERT_EQ(held(&w[0]), 0);
  (void)send(1);
  ASSERT_EQ(recv(rx, &w[0]), 1);
  ASSERT_EQ(recv(rx, &w[0]), PENDING);
  (void)send(2);
  rth_wait_cancel(&w[0].wait);
  ASSERT_EQ(recv(rx, &w[0]), 2);
  end();
}

enum { MESSAGES = 20000 };
static void *reader(void *arg) {
  rth_broadcast_rx_t *r = arg;
  struct waiter w;
  int next = 0, n;
  waiters_init(&w, 1);
  while ((n = recv(r, &w)) != FAILED) {
    if (n == PENDING) {
      while (woken(&w) == 0) sched_yield();
    } else if (n < 0) {
      next += MISSED - n;
    } else {
      ASSERT_EQ(n, next);
      next++;
    }
  }
  ASSERT_EQ(next, MESSAGES);
  rth_broadcast_rx_free(r);
  return NULL;
}

TEST(across_threads_each_sees_or_misses_every_message) {
  pthread_t t[3];
  int i;
  make(64);
  pthread_create(&t[0], NULL, reader, rx);
  for (i = 1; i < 3; i++) {
    ASSERT_OK(rth_broadcast_subscribe(tx, &rx2));
    pthread_create(&t[i], NULL, reader, rx2);
  }
  for (i = 0; i < MESSAGES; i++) ASSERT_EQ(send(i), 3);
  rth_broadcast_tx_free(tx);
  for (i = 0; i < 3; i++) pthread_join(t[i], NULL);
  ASSERT_EQ(living_letters(), 0);
}

TEST(a_capacity_of_none_or_far_too_many_is_refused) {
  ASSERT_EQ(rth_broadcast_new(0, &tx, &rx), RTH_EINVAL);
  ASSERT_EQ(rth_broadcast_new(UINT64_MAX, &tx, &rx), RTH_EINVAL);
}

TEST(without_memory_there_is_no_channel_and_no_receiver) {
  EACH_ALLOCATION_FAILS(rth_broadcast_new(2, &tx, &rx), (void)0);
  EACH_ALLOCATION_FAILS(rth_broadcast_subscribe(tx, &rx2), end_two());
}
