/* oncecell_test - one maker, others wait, a failed maker lets the next try. */
#include "harness.h"
#include "waits.h"

static rth_once_t *o;

static void make(void) { ASSERT_OK(rth_once_new(&o)); }
enum { PENDING = -100, MAKER = -101 };
/* The value, or one of these. */
static int poll(struct waiter *w) {
  rth_msg_t *m;
  if (rth_once_poll(o, &w->wait, &w->waker, &m) == RTH_PENDING) return PENDING;
  return m == NULL ? MAKER : number_of(m);
}

TEST(the_first_makes_and_the_others_get_what_it_made) {
  WAITERS(w);
  make();
  ASSERT_PTR_EQ(rth_once_get(o), NULL);
  ASSERT_EQ(poll(&w[0]), MAKER);
  ASSERT_EQ(poll(&w[1]), PENDING);
  ASSERT_EQ(poll(&w[2]), PENDING);
  rth_once_finish(o, letter(5));
  ASSERT_EQ(woken(&w[1]), 1);
  ASSERT_EQ(poll(&w[1]), 5);
  ASSERT_EQ(poll(&w[2]), 5);
  ASSERT_EQ(poll(&w[3]), 5);
  ASSERT_EQ(number_of(rth_once_get(o)), 5);
  rth_once_unref(o);
  ASSERT_EQ(living_letters(), 0);
}

TEST(a_maker_that_fails_leaves_it_to_the_next) {
  WAITERS(w);
  make();
  ASSERT_EQ(poll(&w[0]), MAKER);
  ASSERT_EQ(poll(&w[1]), PENDING);
  ASSERT_EQ(poll(&w[2]), PENDING);
  rth_once_finish(o, NULL);
  ASSERT_EQ(woken(&w[2]), 0);
  ASSERT_EQ(poll(&w[1]), MAKER);
  ASSERT_PTR_EQ(rth_once_get(o), NULL);
  rth_once_finish(o, letter(6));
  ASSERT_EQ(poll(&w[2]), 6);
  rth_once_unref(o);
}

TEST(a_next_maker_that_is_cancelled_leaves_it_to_the_one_behind) {
  WAITERS(w);
  make();
  ASSERT_EQ(poll(&w[0]), MAKER);
  ASSERT_EQ(poll(&w[1]), PENDING);
  ASSERT_EQ(poll(&w[2]), PENDING);
  rth_once_finish(o, NULL);
  rth_wait_cancel(&w[1].wait);
  ASSERT_EQ(poll(&w[2]), MAKER);
  rth_once_finish(o, NULL);
  ASSERT_OK(rth_once_set(o, letter(1)));
  rth_once_unref(o);
}

TEST(set_works_once) {
  rth_msg_t *two = letter(2);
  make();
  ASSERT_OK(rth_once_set(o, letter(1)));
  ASSERT_EQ(rth_once_set(o, two), RTH_EINVAL);
  ASSERT_EQ(number_of(rth_once_get(o)), 1);
  two->drop(two);
  rth_once_unref(o);
}

TEST(set_is_refused_while_the_value_is_being_made) {
  WAITERS(w);
  rth_msg_t *two = letter(2);
  make();
  ASSERT_EQ(poll(&w[0]), MAKER);
  ASSERT_EQ(rth_once_set(o, two), RTH_EAGAIN);
  rth_once_finish(o, letter(1));
  ASSERT_EQ(rth_once_set(o, two), RTH_EINVAL);
  two->drop(two);
  rth_once_unref(rth_once_ref(o));
  rth_once_unref(o);
}

TEST(without_memory_there_is_no_cell) {
  EACH_ALLOCATION_FAILS(rth_once_new(&o), rth_once_unref(o));
}
