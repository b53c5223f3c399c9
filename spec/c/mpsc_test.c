/* mpsc_test - channels: order, places, closing from both ends, cancelling. */
#include <pthread.h>
#include <sched.h>

#include "harness.h"
#include "waits.h"

static rth_mpsc_t *c;

static void make(uint64_t capacity) { ASSERT_OK(rth_mpsc_new(capacity, &c)); }
static void end(void) {
  rth_mpsc_tx_free(c);
  rth_mpsc_rx_free(c);
  ASSERT_EQ(living_letters(), 0);
}

static int try_send(int number) {
  rth_msg_t *m = letter(number);
  int err = rth_mpsc_try_send(c, m);
  if (err != 0) m->drop(m);
  return err;
}
/* The number, or the error. */
static int try_recv(void) {
  rth_msg_t *m;
  int err = rth_mpsc_try_recv(c, &m);
  return err == 0 ? opened(m) : err;
}
/* A number, or one of these. */
enum { PENDING = -100, FAILED = -101 };
static int recv(struct waiter *w) {
  rth_msg_t *m;
  rth_poll_t how = rth_mpsc_recv_poll(c, &w->wait, &w->waker, &m);
  if (how == RTH_READY) return opened(m);
  return how == RTH_PENDING ? PENDING : FAILED;
}
static rth_poll_t send(struct waiter *w, rth_msg_t *m) {
  return rth_mpsc_send_poll(c, &w->wait, &w->waker, m);
}
static rth_poll_t reserve(struct waiter *w, uint64_t n) {
  return rth_mpsc_reserve_poll(c, n, &w->wait, &w->waker);
}

/* ---- sending and receiving --------------------------------------------- */

TEST(messages_come_in_the_order_they_were_sent) {
  int i;
  make(0);
  for (i = 0; i < 1000; i++) ASSERT_OK(try_send(i));
  for (i = 0; i < 1000; i++) ASSERT_EQ(try_recv(), i);
  ASSERT_EQ(try_recv(), RTH_EAGAIN);
  end();
}

TEST(order_holds_while_old_messages_are_unread) {
  make(0);
  ASSERT_OK(try_send(1));
  ASSERT_OK(try_send(2));
  ASSERT_EQ(try_recv(), 1);
  ASSERT_OK(try_send(3));
  ASSERT_EQ(rth_mpsc_len(c), 2);
  ASSERT_OK(try_send(4));
  ASSERT_EQ(rth_mpsc_len(c), 3);
  ASSERT_EQ(try_recv(), 2);
  ASSERT_EQ(try_recv(), 3);
  ASSERT_EQ(try_recv(), 4);
  ASSERT_EQ(rth_mpsc_len(c), 0);
  end();
}

TEST(a_send_wakes_the_receiver_that_waits) {
  WAITERS(w);
  make(16);
  ASSERT_EQ(recv(&w[0]), PENDING);
  ASSERT_EQ(woken(&w[0]), 0);
  ASSERT_OK(try_send(7));
  ASSERT_EQ(woken(&w[0]), 1);
  ASSERT_EQ(held(&w[0]), 0);
  ASSERT_OK(try_send(8));
  ASSERT_EQ(woken(&w[0]), 0);
  ASSERT_EQ(recv(&w[0]), 7);
  ASSERT(!rth_wait_is_registered(&w[0].wait));
  ASSERT_EQ(recv(&w[0]), 8);
  ASSERT_EQ(recv(&w[0]), PENDING);
  ASSERT_OK(try_send(9));
  ASSERT_EQ(woken(&w[0]), 1);
  ASSERT_EQ(recv(&w[0]), 9);
  ASSERT_EQ(held(&w[0]), 0);
  end();
}

TEST(a_second_poll_of_the_receiver_replaces_its_waker) {
  WAITERS(w);
  rth_msg_t *m;
  make(0);
  ASSERT_EQ(recv(&w[0]), PENDING);
  ASSERT_EQ(recv(&w[0]), PENDING);
  ASSERT_EQ(held(&w[0]), 1);
  ASSERT_EQ(rth_mpsc_recv_poll(c, &w[0].wait, &w[1].waker, &m), RTH_PENDING);
  ASSERT_EQ(held(&w[0]), 0);
  ASSERT_OK(try_send(1));
  ASSERT_EQ(woken(&w[0]), 0);
  ASSERT_EQ(woken(&w[1]), 1);
  ASSERT_EQ(recv(&w[0]), 1);
  end();
}

TEST(recv_many_takes_what_is_there_up_to_the_limit) {
  WAITERS(w);
  rth_msg_t *m[8];
  size_t n, i;
  int k;
  make(10);
  ASSERT_EQ(rth_mpsc_recv_many_poll(c, &w[0].wait, &w[0].waker, m, 8, &n),
            RTH_PENDING);
  ASSERT_EQ(n, 0);
  for (k = 0; k < 10; k++) ASSERT_OK(try_send(k));
  ASSERT_EQ(rth_mpsc_recv_many_poll(c, &w[0].wait, &w[0].waker, m, 8, &n),
            RTH_READY);
  ASSERT_EQ(n, 8);
  ASSERT_EQ(rth_mpsc_capacity(c), 8);
  for (i = 0; i < n; i++) ASSERT_EQ(opened(m[i]), (int)i);
  ASSERT_EQ(rth_mpsc_recv_many_poll(c, &w[0].wait, &w[0].waker, m, 8, &n),
            RTH_READY);
  ASSERT_EQ(n, 2);
  for (i = 0; i < n; i++) ASSERT_EQ(opened(m[i]), (int)i + 8);
  end();
}

TEST(recv_many_of_an_ended_channel_fails) {
  WAITERS(w);
  rth_msg_t *m[8];
  size_t n = 5;
  make(10);
  ASSERT_OK(try_send(1));
  rth_mpsc_tx_free(c);
  ASSERT_EQ(rth_mpsc_recv_many_poll(c, &w[0].wait, &w[0].waker, m, 8, &n),
            RTH_READY);
  ASSERT_EQ(n, 1);
  ASSERT_EQ(opened(m[0]), 1);
  ASSERT_EQ(rth_mpsc_recv_many_poll(c, &w[0].wait, &w[0].waker, m, 8, &n),
            RTH_FAILED);
  ASSERT_EQ(n, 0);
  rth_mpsc_rx_free(c);
}

/* ---- places ------------------------------------------------------------ */

TEST(a_full_channel_refuses_until_a_message_is_received) {
  make(2);
  ASSERT_OK(try_send(1));
  ASSERT_OK(try_send(2));
  ASSERT_EQ(try_send(3), RTH_EAGAIN);
  ASSERT_EQ(try_recv(), 1);
  ASSERT_OK(try_send(3));
  ASSERT_EQ(try_send(4), RTH_EAGAIN);
  end();
}

TEST(senders_wait_for_places_in_order) {
  WAITERS(w);
  rth_msg_t *two = letter(2), *three = letter(3);
  make(1);
  ASSERT_EQ(send(&w[0], letter(1)), RTH_READY);
  ASSERT_EQ(send(&w[1], two), RTH_PENDING);
  ASSERT_EQ(send(&w[2], three), RTH_PENDING);
  ASSERT_EQ(try_recv(), 1);
  ASSERT_EQ(woken(&w[1]), 1);
  ASSERT_EQ(woken(&w[2]), 0);
  ASSERT_EQ(try_send(9), RTH_EAGAIN); /* the place is taken already */
  ASSERT_EQ(try_recv(), RTH_EAGAIN);
  ASSERT_EQ(rth_mpsc_len(c), 0);
  ASSERT_EQ(send(&w[1], two), RTH_READY);
  ASSERT_EQ(try_recv(), 2);
  ASSERT_EQ(woken(&w[2]), 1);
  ASSERT_EQ(send(&w[2], three), RTH_READY);
  ASSERT_EQ(try_recv(), 3);
  end();
}

TEST(a_cancelled_send_keeps_its_message_and_loses_no_place) {
  WAITERS(w);
  rth_msg_t *two = letter(2), *three = letter(3);
  make(1);
  ASSERT_OK(try_send(1));
  ASSERT_EQ(send(&w[1], two), RTH_PENDING);
  ASSERT_EQ(send(&w[2], three), RTH_PENDING);
  ASSERT_EQ(try_recv(), 1);
  rth_wait_cancel(&w[1].wait); /* it was woken: the place passes on */
  ASSERT_EQ(woken(&w[2]), 1);
  ASSERT_EQ(send(&w[2], three), RTH_READY);
  ASSERT_EQ(try_recv(), 3);
  ASSERT_EQ(rth_mpsc_capacity(c), 1);
  ASSERT_EQ(opened(two), 2);
  end();
}

TEST(reserved_places_are_taken_until_used_or_given_back) {
  WAITERS(w);
  make(4);
  ASSERT_EQ(reserve(&w[0], 3), RTH_READY);
  ASSERT_EQ(rth_mpsc_capacity(c), 1);
  ASSERT_EQ(rth_mpsc_try_reserve(c, 2), RTH_EAGAIN);
  ASSERT_EQ(reserve(&w[1], 2), RTH_PENDING);
  rth_mpsc_send_reserved(c, letter(1));
  ASSERT_EQ(woken(&w[1]), 0);
  rth_mpsc_unreserve(c, 2);
  ASSERT_EQ(woken(&w[1]), 1);
  ASSERT_EQ(reserve(&w[1], 2), RTH_READY);
  rth_mpsc_unreserve(c, 2);
  ASSERT_EQ(rth_mpsc_capacity(c), 3);
  ASSERT_EQ(try_recv(), 1);
  ASSERT_EQ(rth_mpsc_capacity(c), 4);
  end();
}

TEST(an_unbounded_channel_is_never_full) {
  int i;
  make(0);
  for (i = 0; i < 100000; i++) ASSERT_OK(try_send(i));
  ASSERT_EQ(rth_mpsc_len(c), 100000);
  end();
}

/* ---- the senders go ---------------------------------------------------- */

TEST(the_last_sender_that_goes_ends_the_channel_after_its_messages) {
  WAITERS(w);
  make(16);
  rth_mpsc_tx_clone(c);
  ASSERT_OK(try_send(1));
  rth_mpsc_tx_free(c);
  ASSERT_EQ(recv(&w[0]), 1);
  ASSERT_EQ(recv(&w[0]), PENDING);
  ASSERT_OK(try_send(2));
  rth_mpsc_tx_free(c);
  ASSERT_EQ(recv(&w[0]), 2);
  ASSERT_EQ(recv(&w[0]), FAILED);
  ASSERT_EQ(recv(&w[0]), FAILED);
  ASSERT_EQ(try_recv(), RTH_ECLOSED);
  rth_mpsc_rx_free(c);
}

TEST(the_last_sender_that_goes_wakes_the_receiver) {
  WAITERS(w);
  make(16);
  rth_mpsc_tx_clone(c);
  ASSERT_EQ(recv(&w[0]), PENDING);
  rth_mpsc_tx_free(c);
  ASSERT_EQ(woken(&w[0]), 0);
  rth_mpsc_tx_free(c);
  ASSERT_EQ(woken(&w[0]), 1);
  ASSERT_EQ(recv(&w[0]), FAILED);
  ASSERT_EQ(held(&w[0]), 0);
  rth_mpsc_rx_free(c);
}

/* ---- the receiver goes ------------------------------------------------- */

TEST(a_receiver_that_goes_closes_and_drops_what_is_unread) {
  WAITERS(w);
  rth_msg_t *m = letter(3);
  make(2);
  ASSERT_OK(try_send(1));
  ASSERT_OK(try_send(2));
  ASSERT_EQ(send(&w[0], m), RTH_PENDING);
  rth_mpsc_rx_free(c);
  ASSERT_EQ(living_letters(), 1);
  ASSERT_EQ(woken(&w[0]), 1);
  ASSERT_EQ(send(&w[0], m), RTH_FAILED);
  ASSERT_EQ(try_send(4), RTH_ECLOSED);
  ASSERT(rth_mpsc_is_closed(c));
  rth_mpsc_tx_free(c);
  ASSERT_EQ(opened(m), 3);
}

TEST(a_message_sent_after_the_receiver_went_is_dropped_with_the_channel) {
  WAITERS(w);
  make(1);
  ASSERT_EQ(reserve(&w[0], 1), RTH_READY);
  rth_mpsc_rx_free(c);
  rth_mpsc_send_reserved(c, letter(1));
  ASSERT_EQ(living_letters(), 1);
  rth_mpsc_tx_free(c);
  ASSERT_EQ(living_letters(), 0);
}

TEST(after_close_an_idle_channel_has_ended) {
  WAITERS(w);
  make(1);
  ASSERT_EQ(recv(&w[0]), PENDING);
  rth_mpsc_rx_close(c);
  ASSERT_EQ(woken(&w[0]), 1);
  ASSERT_EQ(recv(&w[0]), FAILED);
  ASSERT_EQ(try_send(1), RTH_ECLOSED);
  end();
}

TEST(after_close_what_was_sent_is_still_received) {
  WAITERS(w);
  make(0);
  ASSERT_OK(try_send(1));
  ASSERT_OK(try_send(2));
  rth_mpsc_rx_close(c);
  ASSERT_EQ(try_send(3), RTH_ECLOSED);
  ASSERT_EQ(recv(&w[0]), 1);
  ASSERT_EQ(try_recv(), 2);
  ASSERT_EQ(try_recv(), RTH_ECLOSED);
  ASSERT_EQ(recv(&w[0]), FAILED);
  end();
}

TEST(after_close_the_receiver_waits_for_reserved_places) {
  WAITERS(w);
  make(2);
  ASSERT_EQ(reserve(&w[0], 1), RTH_READY);
  ASSERT_EQ(reserve(&w[0], 1), RTH_READY);
  rth_mpsc_rx_close(c);
  ASSERT_EQ(recv(&w[1]), PENDING);
  rth_mpsc_send_reserved(c, letter(1));
  ASSERT_EQ(woken(&w[1]), 1);
  ASSERT_EQ(recv(&w[1]), 1);
  ASSERT_EQ(recv(&w[1]), PENDING);
  rth_mpsc_unreserve(c, 1);
  ASSERT_EQ(woken(&w[1]), 1);
  ASSERT_EQ(recv(&w[1]), FAILED);
  end();
}

TEST(after_close_a_cancelled_send_ends_the_channel) {
  WAITERS(w);
  rth_msg_t *m = letter(2);
  make(1);
  ASSERT_OK(try_send(1));
  ASSERT_EQ(send(&w[0], m), RTH_PENDING);
  ASSERT_EQ(try_recv(), 1); /* the place is w[0]'s */
  rth_mpsc_rx_close(c);
  ASSERT_EQ(recv(&w[1]), PENDING);
  rth_wait_cancel(&w[0].wait);
  ASSERT_EQ(woken(&w[1]), 1);
  ASSERT_EQ(recv(&w[1]), FAILED);
  ASSERT_EQ(opened(m), 2);
  end();
}

/* ---- cancelling a receive ---------------------------------------------- */

TEST(a_cancelled_receive_drops_its_waker_and_loses_nothing) {
  WAITERS(w);
  make(4);
  ASSERT_EQ(recv(&w[0]), PENDING);
  rth_wait_cancel(&w[0].wait);
  ASSERT_EQ(held(&w[0]), 0);
  ASSERT_OK(try_send(1));
  ASSERT_EQ(woken(&w[0]), 0);
  ASSERT_EQ(recv(&w[1]), 1);
  end();
}

TEST(a_receive_cancelled_after_its_wake_up_leaves_the_message) {
  WAITERS(w);
  make(4);
  ASSERT_EQ(recv(&w[0]), PENDING);
  ASSERT_OK(try_send(1));
  ASSERT_EQ(woken(&w[0]), 1);
  rth_wait_cancel(&w[0].wait);
  ASSERT_EQ(held(&w[0]), 0);
  ASSERT_EQ(recv(&w[1]), 1);
  ASSERT_EQ(recv(&w[1]), PENDING);
  ASSERT_OK(try_send(2));
  ASSERT_EQ(woken(&w[1]), 1);
  ASSERT_EQ(recv(&w[1]), 2);
  end();
}

/* ---- many threads ------------------------------------------------------ */

enum { PRODUCERS = 4 };

static int each; /* r/o while the threads run */

static void *producer(void *arg) {
  int from = (int)(uintptr_t)arg * each, i;
  for (i = from; i < from + each; i++) {
    rth_msg_t *m = letter(i);
    while (rth_mpsc_try_send(c, m) != 0) sched_yield();
  }
  rth_mpsc_tx_free(c);
  return NULL;
}

static void many_threads(uint64_t capacity, int messages) {
  WAITERS(w);
  pthread_t threads[PRODUCERS];
  int next[PRODUCERS], i, n;
  make(capacity);
  each = messages;
  for (i = 0; i < PRODUCERS; i++) {
    next[i] = i * each;
    rth_mpsc_tx_clone(c);
    pthread_create(&threads[i], NULL, producer, (void *)(uintptr_t)i);
  }
  rth_mpsc_tx_free(c);
  while ((n = recv(&w[0])) != FAILED) {
    if (n == PENDING) {
      while (woken(&w[0]) == 0) sched_yield();
      continue;
    }
    ASSERT_EQ(n, next[n / each]);
    next[n / each]++;
  }
  for (i = 0; i < PRODUCERS; i++) {
    pthread_join(threads[i], NULL);
    ASSERT_EQ(next[i], (i + 1) * each);
  }
  rth_mpsc_rx_free(c);
  ASSERT_EQ(living_letters(), 0);
  ASSERT_EQ(held(&w[0]), 0);
}

TEST(from_many_threads_all_arrive_in_each_threads_order) {
  many_threads(0, 20000);
}
/* Fewer: with one processor, each eight of them take turns of all threads. */
TEST(the_same_with_few_places) { many_threads(8, 2000); }

/* ---- failures ---------------------------------------------------------- */

TEST(a_capacity_beyond_the_maximum_is_refused) {
  ASSERT_EQ(rth_mpsc_new(RTH_MAX_PERMITS + 1, &c), RTH_EINVAL);
}

TEST(without_memory_there_is_no_channel) {
  EACH_ALLOCATION_FAILS(rth_mpsc_new(1, &c), end());
}
