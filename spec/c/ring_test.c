/* ring_test - the run queue of a worker: order, limits, stealing, and that no
** task is lost or doubled.  The interleavings are in spec/model. */
#include "queue/ring.h"

#include <pthread.h>

#include "harness.h"
#include "tasks.h"

static rth__ring_t ring, other;
static rth__inject_t inject;

static void setup(void) {
  memset(&ring, 0xff, sizeof ring);
  rth__ring_init(&ring);
  rth__ring_init(&other);
  rth__inject_init(&inject);
}

/* Pushes tasks [from, to), none of which may flow over. */
static void fill(unsigned from, unsigned to) {
  for (; from < to; from++)
    ASSERT(!rth__ring_push(&ring, &tasks[from], &inject));
}

static rth__tasklist_t list_of(unsigned from, unsigned n) {
  rth__tasklist_t l = {NULL, NULL, 0};
  while (n-- > 0) rth__tasklist_add(&l, &tasks[from++]);
  return l;
}

TEST(an_empty_ring_gives_nothing) {
  uint32_t n = 9;
  setup();
  ASSERT(rth__ring_is_empty(&ring));
  ASSERT_PTR_EQ(rth__ring_pop(&ring), NULL);
  ASSERT_PTR_EQ(rth__ring_steal_into(&ring, &other, &n), NULL);
  ASSERT_EQ(n, 0);
}

TEST(tasks_come_out_in_the_order_they_went_in) {
  unsigned i;
  setup();
  fill(0, 100);
  for (i = 0; i < 100; i++) ASSERT_PTR_EQ(rth__ring_pop(&ring), &tasks[i]);
  ASSERT_PTR_EQ(rth__ring_pop(&ring), NULL);
}

TEST(two_hundred_and_fifty_six_fit_one_at_a_time) {
  setup();
  fill(0, 256);
  ASSERT_EQ(rth__ring_len(&ring), 256);
  ASSERT_EQ(rth__ring_room(&ring), 0);
  ASSERT_EQ(rth__inject_count(&inject), 0);
}

TEST(two_hundred_and_fifty_six_fit_all_at_once) {
  rth__tasklist_t l = list_of(0, 256);
  unsigned i;
  setup();
  rth__ring_push_batch(&ring, &l);
  ASSERT_EQ(rth__ring_len(&ring), 256);
  for (i = 0; i < 256; i++) ASSERT_PTR_EQ(rth__ring_pop(&ring), &tasks[i]);
}

TEST(two_hundred_and_fifty_six_fit_in_chunks_of_any_size) {
  unsigned size, at;
  setup();
  for (size = 1; size <= 256; size++) {
    for (at = 0; at < 256; at += size) {
      rth__tasklist_t l = list_of(at, at + size < 256 ? size : 256 - at);
      rth__ring_push_batch(&ring, &l);
    }
    ASSERT_EQ(rth__ring_room(&ring), 0);
    for (at = 0; at < 256; at++)
      ASSERT_PTR_EQ(rth__ring_pop(&ring), &tasks[at]);
    ASSERT(rth__ring_is_empty(&ring));
  }
}

TEST(one_more_than_fits_moves_the_older_half_and_itself_to_inject) {
  unsigned i;
  setup();
  fill(0, 256);
  ASSERT(rth__ring_push(&ring, &tasks[256], &inject));
  ASSERT_EQ(rth__inject_count(&inject), 129);
  for (i = 0; i < 128; i++) ASSERT_PTR_EQ(rth__inject_pop(&inject), &tasks[i]);
  ASSERT_PTR_EQ(rth__inject_pop(&inject), &tasks[256]);
  for (i = 128; i < 256; i++) ASSERT_PTR_EQ(rth__ring_pop(&ring), &tasks[i]);
  ASSERT(rth__ring_is_empty(&ring));
}

TEST(a_thief_takes_the_older_half_rounded_up_and_runs_the_last_of_it) {
  unsigned i;
  uint32_t n;
  setup();
  fill(0, 7);
  ASSERT_PTR_EQ(rth__ring_steal_into(&ring, &other, &n), &tasks[3]);
  ASSERT_EQ(n, 4);
  for (i = 0; i < 3; i++) ASSERT_PTR_EQ(rth__ring_pop(&other), &tasks[i]);
  ASSERT_PTR_EQ(rth__ring_pop(&other), NULL);
  for (i = 4; i < 7; i++) ASSERT_PTR_EQ(rth__ring_pop(&ring), &tasks[i]);
}

TEST(a_thief_takes_the_only_task) {
  uint32_t n;
  setup();
  fill(0, 1);
  ASSERT_PTR_EQ(rth__ring_steal_into(&ring, &other, &n), &tasks[0]);
  ASSERT_EQ(n, 1);
  ASSERT(rth__ring_is_empty(&ring));
  ASSERT(rth__ring_is_empty(&other));
}

TEST(a_thief_takes_128_of_a_full_ring) {
  uint32_t n;
  setup();
  fill(0, 256);
  ASSERT_PTR_EQ(rth__ring_steal_into(&ring, &other, &n), &tasks[127]);
  ASSERT_EQ(n, 128);
  ASSERT_EQ(rth__ring_len(&other), 127);
  ASSERT_EQ(rth__ring_room(&ring), 128);
}

TEST(a_thief_that_is_more_than_half_full_takes_nothing) {
  uint32_t n;
  setup();
  fill(0, 10);
  while (rth__ring_len(&other) < 129)
    ASSERT(!rth__ring_push(&other, &tasks[300 + rth__ring_len(&other)],
                           &inject));
  ASSERT_PTR_EQ(rth__ring_steal_into(&ring, &other, &n), NULL);
  ASSERT_EQ(rth__ring_len(&ring), 10);
  (void)rth__ring_pop(&other);
  ASSERT(rth__ring_steal_into(&ring, &other, &n) != NULL);
}

/* A thief at work: what its first step leaves behind. */
static void begin_steal(unsigned n) {
  uint64_t head = rth__load_rlx(&ring.head);
  rth__store_rlx(&ring.head, head + n);
}

TEST(beside_a_thief_a_full_ring_sends_only_the_new_task_to_inject) {
  setup();
  fill(0, 256);
  begin_steal(100);
  ASSERT(rth__ring_push(&ring, &tasks[256], &inject));
  ASSERT_EQ(rth__inject_count(&inject), 1);
  ASSERT_PTR_EQ(rth__inject_pop(&inject), &tasks[256]);
  ASSERT_EQ(rth__ring_len(&ring), 156);
}

TEST(beside_a_thief_the_owner_pops_what_was_not_claimed) {
  setup();
  fill(0, 10);
  begin_steal(5);
  ASSERT_PTR_EQ(rth__ring_pop(&ring), &tasks[5]);
  ASSERT_PTR_EQ(rth__ring_pop(&ring), &tasks[6]);
  ASSERT_EQ(rth__ring_len(&ring), 3);
  ASSERT_EQ(rth__ring_room(&ring), 246);
}

TEST(each_pop_makes_room_for_one) {
  uint32_t n;
  setup();
  fill(0, 10);
  ASSERT_PTR_EQ(rth__ring_pop(&ring), &tasks[0]);
  ASSERT_EQ(rth__ring_room(&ring), 247);
  ASSERT_EQ(rth__ring_len(&ring), 9);
  ASSERT_PTR_EQ(rth__ring_steal_into(&ring, &other, &n), &tasks[5]);
}

TEST(a_second_thief_goes_away) {
  uint32_t n;
  setup();
  fill(0, 10);
  begin_steal(5);
  ASSERT_PTR_EQ(rth__ring_steal_into(&ring, &other, &n), NULL);
}

TEST(positions_may_wrap_around) {
  uint32_t n, start = UINT32_MAX - 100;
  unsigned i;
  setup();
  rth__init(&ring.head, (uint64_t)start << 32 | start);
  rth__init(&ring.tail, start);
  fill(0, 256);
  ASSERT(rth__ring_push(&ring, &tasks[256], &inject));
  ASSERT_PTR_EQ(rth__ring_steal_into(&ring, &other, &n), &tasks[191]);
  for (i = 192; i < 256; i++) ASSERT_PTR_EQ(rth__ring_pop(&ring), &tasks[i]);
  ASSERT(rth__ring_is_empty(&ring));
}

/* ---- threads ------------------------------------------------------------ */

static RTH_ATOMIC(int) owner_done;

static void drain(rth__ring_t *r) {
  rth__task_t *t;
  while ((t = rth__ring_pop(r)) != NULL) task_seen(t);
}

static void *thief(void *arg) {
  static _Thread_local rth__ring_t mine;
  (void)arg;
  rth__ring_init(&mine);
  for (;;) {
    int last = rth__load_acq(&owner_done);
    uint32_t n;
    rth__task_t *t = rth__ring_steal_into(&ring, &mine, &n);
    if (t != NULL) task_seen(t);
    drain(&mine);
    if (last && t == NULL) return NULL;
  }
}

/* The owner pushes all tasks and pops one for `pushes` pushed. */
static void stress(int thieves, unsigned pushes) {
  pthread_t threads[2];
  rth__task_t *t;
  unsigned i;
  int k;
  setup();
  for (k = 0; k < thieves; k++)
    ASSERT_EQ(pthread_create(&threads[k], NULL, thief, NULL), 0);
  for (i = 0; i < TASKS; i++) {
    rth__ring_push(&ring, &tasks[i], &inject);
    if (i % pushes == 0 && (t = rth__ring_pop(&ring)) != NULL) task_seen(t);
  }
  drain(&ring);
  rth__store_rel(&owner_done, 1);
  for (k = 0; k < thieves; k++) pthread_join(threads[k], NULL);
  while ((t = rth__inject_pop(&inject)) != NULL) task_seen(t);
  ASSERT_EACH_SEEN_ONCE(TASKS);
}

TEST(beside_one_thief_each_task_comes_out_once) { stress(1, 3); }
TEST(beside_two_thieves_each_task_comes_out_once) { stress(2, 3); }
TEST(a_busy_owner_beside_two_thieves_loses_nothing) { stress(2, 1); }
TEST(a_flood_that_flows_over_beside_two_thieves_loses_nothing) {
  stress(2, 1000);
}
