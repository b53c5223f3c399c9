/* rwlock_test - many readers or one writer, in the order they came. */
#include "harness.h"
#include "waits.h"

static rth_lock_t *l;

static void make(void) { ASSERT_OK(rth_rwlock_new(letter(1), &l)); }
static rth_poll_t read_poll(struct waiter *w) {
  return rth_lock_poll(l, RTH_LOCK_READ, &w->wait, &w->waker);
}
static rth_poll_t write_poll(struct waiter *w) {
  return rth_lock_poll(l, RTH_LOCK_WRITE, &w->wait, &w->waker);
}
static void read_end(void) { rth_lock_release(l, RTH_LOCK_READ); }
static void write_end(void) { rth_lock_release(l, RTH_LOCK_WRITE); }

TEST(readers_share) {
  WAITERS(w);
  make();
  ASSERT_EQ(read_poll(&w[0]), RTH_READY);
  ASSERT_EQ(read_poll(&w[1]), RTH_READY);
  ASSERT_OK(rth_lock_try(l, RTH_LOCK_READ));
  ASSERT_EQ(rth_lock_try(l, RTH_LOCK_WRITE), RTH_EAGAIN);
  read_end();
  read_end();
  read_end();
  ASSERT_OK(rth_lock_try(l, RTH_LOCK_WRITE));
  write_end();
  rth_lock_unref(l);
}

TEST(a_writer_excludes_readers_and_writers) {
  WAITERS(w);
  make();
  ASSERT_EQ(write_poll(&w[0]), RTH_READY);
  ASSERT_EQ(rth_lock_try(l, RTH_LOCK_READ), RTH_EAGAIN);
  ASSERT_EQ(read_poll(&w[1]), RTH_PENDING);
  ASSERT_EQ(write_poll(&w[2]), RTH_PENDING);
  write_end();
  ASSERT_EQ(read_poll(&w[1]), RTH_READY);
  ASSERT_EQ(write_poll(&w[2]), RTH_PENDING);
  read_end();
  ASSERT_EQ(write_poll(&w[2]), RTH_READY);
  write_end();
  rth_lock_unref(l);
}

TEST(a_writer_that_waits_holds_up_later_readers) {
  WAITERS(w);
  make();
  ASSERT_EQ(read_poll(&w[0]), RTH_READY);
  ASSERT_EQ(write_poll(&w[1]), RTH_PENDING);
  ASSERT_EQ(read_poll(&w[2]), RTH_PENDING);
  ASSERT_EQ(rth_lock_try(l, RTH_LOCK_READ), RTH_EAGAIN);
  read_end();
  ASSERT_EQ(woken(&w[1]), 1);
  ASSERT_EQ(woken(&w[2]), 0);
  ASSERT_EQ(write_poll(&w[1]), RTH_READY);
  write_end();
  ASSERT_EQ(read_poll(&w[2]), RTH_READY);
  read_end();
  rth_lock_unref(l);
}

TEST(a_writer_that_gives_up_lets_the_readers_go) {
  WAITERS(w);
  make();
  ASSERT_EQ(read_poll(&w[0]), RTH_READY);
  ASSERT_EQ(write_poll(&w[1]), RTH_PENDING);
  ASSERT_EQ(read_poll(&w[2]), RTH_PENDING);
  ASSERT_EQ(read_poll(&w[3]), RTH_PENDING);
  rth_wait_cancel(&w[1].wait);
  ASSERT_EQ(woken(&w[2]), 1);
  ASSERT_EQ(woken(&w[3]), 1);
  ASSERT_EQ(read_poll(&w[2]), RTH_READY);
  ASSERT_EQ(read_poll(&w[3]), RTH_READY);
  read_end();
  read_end();
  read_end();
  ASSERT_OK(rth_lock_try(l, RTH_LOCK_WRITE));
  write_end();
  rth_lock_unref(l);
}

TEST(all_readers_behind_a_writer_go_at_once) {
  WAITERS(w);
  unsigned i;
  make();
  ASSERT_EQ(write_poll(&w[0]), RTH_READY);
  for (i = 1; i < 8; i++) ASSERT_EQ(read_poll(&w[i]), RTH_PENDING);
  write_end();
  for (i = 1; i < 8; i++) {
    ASSERT_EQ(woken(&w[i]), 1);
    ASSERT_EQ(read_poll(&w[i]), RTH_READY);
  }
  for (i = 1; i < 8; i++) read_end();
  rth_lock_unref(l);
}

TEST(downgrade_lets_readers_in_but_no_writer) {
  WAITERS(w);
  make();
  ASSERT_EQ(write_poll(&w[0]), RTH_READY);
  ASSERT_EQ(read_poll(&w[1]), RTH_PENDING);
  ASSERT_EQ(write_poll(&w[2]), RTH_PENDING);
  rth_lock_set(l, letter(2));
  rth_lock_downgrade(l);
  ASSERT_EQ(read_poll(&w[1]), RTH_READY);
  ASSERT_EQ(number_of(rth_lock_get(l)), 2);
  ASSERT_EQ(write_poll(&w[2]), RTH_PENDING);
  read_end();
  read_end();
  ASSERT_EQ(write_poll(&w[2]), RTH_READY);
  write_end();
  rth_lock_unref(l);
  ASSERT_EQ(living_letters(), 0);
}

TEST(without_memory_there_is_no_rwlock) {
  EACH_ALLOCATION_FAILS(rth_rwlock_new(NULL, &l), rth_lock_unref(l));
}
