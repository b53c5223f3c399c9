/* oneshot_test - one message: sent, refused, cancelled, dropped. */
#include <pthread.h>
#include <sched.h>

#include "harness.h"
#include "waits.h"

static rth_oneshot_t *o;

static void make(void) { ASSERT_OK(rth_oneshot_new(&o)); }
enum { PENDING = -100, FAILED = -101 };
static int recv(struct waiter *w) {
  rth_msg_t *m;
  rth_poll_t how = rth_oneshot_poll(o, &w->wait, &w->waker, &m);
  if (how == RTH_READY) return opened(m);
  return how == RTH_PENDING ? PENDING : FAILED;
}

TEST(a_message_that_was_sent_is_received) {
  WAITERS(w);
  make();
  ASSERT_OK(rth_oneshot_send(o, letter(5)));
  ASSERT_EQ(recv(&w[0]), 5);
  ASSERT_EQ(held(&w[0]), 0);
  rth_oneshot_rx_free(o);
}

TEST(send_wakes_the_receiver) {
  WAITERS(w);
  make();
  ASSERT_EQ(recv(&w[0]), PENDING);
  ASSERT_EQ(recv(&w[0]), PENDING);
  ASSERT_EQ(held(&w[0]), 1);
  ASSERT_OK(rth_oneshot_send(o, letter(5)));
  ASSERT_EQ(woken(&w[0]), 1);
  ASSERT_EQ(held(&w[0]), 0);
  ASSERT_EQ(recv(&w[0]), 5);
  rth_oneshot_rx_free(o);
}

TEST(after_the_message_nothing_comes) {
  WAITERS(w);
  rth_msg_t *m;
  make();
  ASSERT_OK(rth_oneshot_send(o, letter(5)));
  ASSERT_EQ(recv(&w[0]), 5);
  ASSERT_EQ(recv(&w[0]), FAILED);
  ASSERT_EQ(rth_oneshot_try(o, &m), RTH_ECLOSED);
  rth_oneshot_rx_free(o);
}

TEST(a_sender_that_goes_fails_the_receiver) {
  WAITERS(w);
  rth_msg_t *m;
  make();
  ASSERT_EQ(rth_oneshot_try(o, &m), RTH_EAGAIN);
  ASSERT_EQ(recv(&w[0]), PENDING);
  rth_oneshot_tx_free(o);
  ASSERT_EQ(woken(&w[0]), 1);
  ASSERT_EQ(recv(&w[0]), FAILED);
  ASSERT_EQ(rth_oneshot_try(o, &m), RTH_ECLOSED);
  rth_oneshot_rx_free(o);
}

TEST(a_receiver_that_goes_refuses_the_message) {
  rth_msg_t *m = letter(5);
  make();
  ASSERT(!rth_oneshot_is_closed(o));
  rth_oneshot_rx_free(o);
  ASSERT(rth_oneshot_is_closed(o));
  ASSERT_EQ(rth_oneshot_send(o, m), RTH_ECLOSED);
  ASSERT_EQ(opened(m), 5);
}

TEST(a_message_that_nobody_took_is_dropped) {
  make();
  ASSERT_OK(rth_oneshot_send(o, letter(5)));
  rth_oneshot_rx_free(o);
  ASSERT_EQ(living_letters(), 0);
}

TEST(close_refuses_what_comes_and_keeps_what_came) {
  rth_msg_t *m = letter(6);
  make();
  rth_oneshot_close(o);
  ASSERT_EQ(rth_oneshot_send(o, m), RTH_ECLOSED);
  rth_oneshot_rx_free(o);
  make();
  ASSERT_OK(rth_oneshot_send(o, m));
  rth_oneshot_close(o);
  ASSERT_OK(rth_oneshot_try(o, &m));
  ASSERT_EQ(opened(m), 6);
  rth_oneshot_rx_free(o);
}

TEST(close_ends_a_wait) {
  WAITERS(w);
  make();
  ASSERT_EQ(recv(&w[0]), PENDING);
  rth_oneshot_close(o);
  ASSERT_EQ(woken(&w[0]), 1);
  ASSERT_EQ(recv(&w[0]), FAILED);
  ASSERT_EQ(held(&w[0]), 0);
  rth_oneshot_tx_free(o);
  rth_oneshot_rx_free(o);
}

TEST(a_cancelled_receive_leaves_the_message) {
  WAITERS(w);
  make();
  ASSERT_EQ(recv(&w[0]), PENDING);
  rth_wait_cancel(&w[0].wait);
  ASSERT_EQ(held(&w[0]), 0);
  ASSERT_OK(rth_oneshot_send(o, letter(5)));
  ASSERT_EQ(woken(&w[0]), 0);
  ASSERT_EQ(recv(&w[1]), 5);
  rth_oneshot_rx_free(o);
}

TEST(a_receive_cancelled_after_its_wake_up_leaves_the_message) {
  WAITERS(w);
  make();
  ASSERT_EQ(recv(&w[0]), PENDING);
  ASSERT_OK(rth_oneshot_send(o, letter(5)));
  rth_wait_cancel(&w[0].wait);
  ASSERT_EQ(recv(&w[1]), 5);
  rth_oneshot_rx_free(o);
}

static void *sender(void *arg) {
  ASSERT_OK(rth_oneshot_send(arg, letter(1)));
  return NULL;
}

TEST(sending_and_receiving_may_meet) {
  int i;
  for (i = 0; i < 300; i++) {
    WAITERS(w);
    pthread_t t;
    int n;
    make();
    pthread_create(&t, NULL, sender, o);
    while ((n = recv(&w[0])) == PENDING)
      while (woken(&w[0]) == 0) sched_yield();
    ASSERT_EQ(n, 1);
    pthread_join(t, NULL);
    rth_oneshot_rx_free(o);
    ASSERT_EQ(held(&w[0]), 0);
  }
}

TEST(without_memory_there_is_no_oneshot) {
  EACH_ALLOCATION_FAILS(rth_oneshot_new(&o), {
    rth_oneshot_tx_free(o);
    rth_oneshot_rx_free(o);
  });
}
