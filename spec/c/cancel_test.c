/* cancel_test - cancellation tokens: trees, waits, order of release. */
#include <pthread.h>
#include <sched.h>

#include "harness.h"
#include "waits.h"

static rth_token_t *root;

static void make(void) { ASSERT_OK(rth_token_new(&root)); }
static rth_token_t *child_of(rth_token_t *parent) {
  rth_token_t *c;
  ASSERT_OK(rth_token_child(parent, &c));
  return c;
}
static rth_poll_t poll(rth_token_t *token, struct waiter *w) {
  return rth_token_poll(token, &w->wait, &w->waker);
}

TEST(cancel_wakes_those_that_wait) {
  WAITERS(w);
  make();
  ASSERT_EQ(poll(root, &w[0]), RTH_PENDING);
  ASSERT_EQ(poll(root, &w[1]), RTH_PENDING);
  ASSERT(!rth_token_is_cancelled(root));
  rth_token_cancel(root);
  ASSERT(rth_token_is_cancelled(root));
  ASSERT_EQ(woken(&w[0]), 1);
  ASSERT_EQ(woken(&w[1]), 1);
  ASSERT_EQ(poll(root, &w[0]), RTH_READY);
  ASSERT(!rth_wait_is_registered(&w[0].wait));
  ASSERT_EQ(poll(root, &w[1]), RTH_READY);
  ASSERT_EQ(poll(root, &w[2]), RTH_READY);
  rth_token_cancel(root);
  rth_token_unref(root);
}

TEST(a_child_is_cancelled_with_its_parent) {
  WAITERS(w);
  rth_token_t *c;
  make();
  c = child_of(root);
  ASSERT_EQ(poll(c, &w[0]), RTH_PENDING);
  ASSERT_EQ(poll(root, &w[1]), RTH_PENDING);
  rth_token_cancel(root);
  ASSERT_EQ(woken(&w[0]), 1);
  ASSERT_EQ(woken(&w[1]), 1);
  ASSERT_EQ(poll(c, &w[0]), RTH_READY);
  ASSERT_EQ(poll(root, &w[1]), RTH_READY);
  rth_token_unref(c);
  rth_token_unref(root);
}

TEST(a_parent_is_not_cancelled_with_its_child) {
  WAITERS(w);
  rth_token_t *a, *b;
  make();
  a = child_of(root);
  b = child_of(root);
  ASSERT_EQ(poll(root, &w[0]), RTH_PENDING);
  rth_token_cancel(a);
  ASSERT(rth_token_is_cancelled(a));
  ASSERT(!rth_token_is_cancelled(b));
  ASSERT(!rth_token_is_cancelled(root));
  ASSERT_EQ(woken(&w[0]), 0);
  rth_wait_cancel(&w[0].wait);
  rth_token_cancel(root);
  ASSERT(rth_token_is_cancelled(b));
  rth_token_unref(a);
  rth_token_unref(b);
  rth_token_unref(root);
}

TEST(a_child_of_a_cancelled_parent_is_born_cancelled) {
  rth_token_t *c, *d;
  make();
  rth_token_cancel(root);
  c = child_of(root);
  d = child_of(c);
  ASSERT(rth_token_is_cancelled(c));
  ASSERT(rth_token_is_cancelled(d));
  rth_token_unref(root);
  rth_token_unref(c);
  rth_token_unref(d);
}

TEST(a_whole_tree_is_cancelled) {
  enum { WIDE = 3, ALL = 1 + 3 + 9 + 27 };
  rth_token_t *all[ALL];
  int i, n = 1;
  make();
  all[0] = root;
  for (i = 0; n < ALL; i++)
    for (int k = 0; k < WIDE; k++) all[n++] = child_of(all[i]);
  rth_token_cancel(all[1]);
  n = 0;
  for (i = 0; i < ALL; i++) n += rth_token_is_cancelled(all[i]);
  ASSERT_EQ(n, 1 + 3 + 9);
  rth_token_cancel(root);
  for (i = 0; i < ALL; i++) ASSERT(rth_token_is_cancelled(all[i]));
  for (i = 0; i < ALL; i++) rth_token_unref(all[i]);
}

TEST(children_of_a_token_that_went_belong_to_its_parent) {
  WAITERS(w);
  rth_token_t *child, *a, *b;
  make();
  child = child_of(root);
  a = child_of(child);
  b = child_of(child);
  rth_token_unref(child);
  ASSERT_EQ(poll(a, &w[0]), RTH_PENDING);
  rth_token_cancel(root);
  ASSERT_EQ(woken(&w[0]), 1);
  ASSERT_EQ(poll(a, &w[0]), RTH_READY);
  ASSERT(rth_token_is_cancelled(b));
  rth_token_unref(b);
  rth_token_unref(root);
  rth_token_unref(a);
}

TEST(children_of_a_root_that_went_are_not_cancelled) {
  rth_token_t *a, *b;
  make();
  a = child_of(root);
  b = child_of(a);
  rth_token_unref(root);
  ASSERT(!rth_token_is_cancelled(a));
  rth_token_cancel(a);
  ASSERT(rth_token_is_cancelled(b));
  rth_token_unref(a);
  rth_token_unref(b);
}

TEST(a_chain_whose_links_go_stays_short) {
  rth_token_t *next;
  uint64_t live;
  int i;
  make();
  live = rth_live_allocations();
  for (i = 0; i < 1000; i++) {
    next = child_of(root);
    rth_token_unref(root);
    root = next;
  }
  ASSERT_EQ(rth_live_allocations(), live);
  rth_token_unref(root);
}

TEST(a_cancelled_wait_is_not_woken) {
  WAITERS(w);
  make();
  ASSERT_EQ(poll(root, &w[0]), RTH_PENDING);
  ASSERT_EQ(poll(root, &w[1]), RTH_PENDING);
  rth_wait_cancel(&w[0].wait);
  ASSERT_EQ(held(&w[0]), 0);
  rth_token_cancel(root);
  ASSERT_EQ(woken(&w[0]), 0);
  ASSERT_EQ(woken(&w[1]), 1);
  rth_wait_cancel(&w[1].wait);
  rth_token_unref(root);
}

TEST(a_reference_is_the_same_token) {
  make();
  ASSERT_PTR_EQ(rth_token_ref(root), root);
  rth_token_unref(root);
  rth_token_cancel(root);
  ASSERT(rth_token_is_cancelled(root));
  rth_token_unref(root);
}

static void *make_and_drop_children(void *arg) {
  rth_token_t *mine = rth_token_ref(arg);
  int i;
  for (i = 0; i < 2000; i++) {
    rth_token_t *c = child_of(mine), *d = child_of(c);
    if (i % 3 == 0) {
      rth_token_unref(c);
      c = rth_token_ref(d);
    }
    rth_token_unref(mine);
    mine = d;
    if (i % 16 == 0) {
      rth_token_unref(mine);
      mine = rth_token_ref(arg);
    }
    rth_token_unref(c);
  }
  while (!rth_token_is_cancelled(mine)) sched_yield();
  rth_token_unref(mine);
  return NULL;
}

TEST(trees_may_grow_and_shrink_while_they_are_cancelled) {
  pthread_t threads[3];
  int i;
  make();
  for (i = 0; i < 3; i++)
    pthread_create(&threads[i], NULL, make_and_drop_children, root);
  for (i = 0; i < 100; i++) sched_yield();
  rth_token_cancel(root);
  for (i = 0; i < 3; i++) pthread_join(threads[i], NULL);
  rth_token_unref(root);
}

TEST(without_memory_there_is_no_token) {
  rth_token_t *c;
  EACH_ALLOCATION_FAILS(rth_token_new(&root), (void)0);
  EACH_ALLOCATION_FAILS(rth_token_child(root, &c), rth_token_unref(c));
  rth_token_unref(root);
}
