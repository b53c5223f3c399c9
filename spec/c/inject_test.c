/* inject_test - the global queue: order, batches, closing, many threads. */
#include "queue/inject.h"

#include <pthread.h>

#include "harness.h"
#include "tasks.h"

static rth__inject_t inject;

static void fill(unsigned from, unsigned to) {
  for (; from < to; from++) rth__inject_push(&inject, &tasks[from]);
}

TEST(tasks_come_out_in_the_order_they_went_in) {
  unsigned i;
  rth__inject_init(&inject);
  fill(0, 50);
  ASSERT_EQ(rth__inject_count(&inject), 50);
  for (i = 0; i < 50; i++) ASSERT_PTR_EQ(rth__inject_pop(&inject), &tasks[i]);
  ASSERT_PTR_EQ(rth__inject_pop(&inject), NULL);
  ASSERT_EQ(rth__inject_count(&inject), 0);
  rth__inject_destroy(&inject);
}

TEST(whatever_the_memory_held_a_new_queue_is_empty) {
  memset(&inject, 0xff, sizeof inject);
  rth__inject_init(&inject);
  ASSERT_EQ(rth__inject_count(&inject), 0);
  fill(0, 2);
  ASSERT_PTR_EQ(rth__inject_pop(&inject), &tasks[0]);
  ASSERT_PTR_EQ(rth__inject_pop(&inject), &tasks[1]);
}

TEST(an_emptied_queue_fills_again) {
  rth__inject_init(&inject);
  fill(0, 1);
  ASSERT_PTR_EQ(rth__inject_pop(&inject), &tasks[0]);
  fill(1, 3);
  ASSERT_PTR_EQ(rth__inject_pop(&inject), &tasks[1]);
  ASSERT_PTR_EQ(rth__inject_pop(&inject), &tasks[2]);
}

TEST(a_list_goes_in_behind_what_is_there) {
  rth__tasklist_t l = {NULL, NULL, 0};
  unsigned i;
  rth__inject_init(&inject);
  fill(0, 2);
  for (i = 2; i < 5; i++) rth__tasklist_add(&l, &tasks[i]);
  rth__inject_push_list(&inject, &l);
  fill(5, 6);
  ASSERT_EQ(rth__inject_count(&inject), 6);
  for (i = 0; i < 6; i++) ASSERT_PTR_EQ(rth__inject_pop(&inject), &tasks[i]);
}

TEST(a_list_goes_into_an_empty_queue) {
  rth__tasklist_t l = {NULL, NULL, 0};
  rth__inject_init(&inject);
  rth__tasklist_add(&l, &tasks[0]);
  rth__tasklist_add(&l, &tasks[1]);
  rth__inject_push_list(&inject, &l);
  ASSERT_EQ(rth__inject_count(&inject), 2);
  ASSERT_PTR_EQ(rth__inject_pop(&inject), &tasks[0]);
  ASSERT_PTR_EQ(rth__inject_pop(&inject), &tasks[1]);
}

TEST(an_empty_list_changes_nothing) {
  rth__tasklist_t l = {NULL, NULL, 0};
  rth__inject_init(&inject);
  rth__inject_push_list(&inject, &l);
  ASSERT_EQ(rth__inject_count(&inject), 0);
  ASSERT_PTR_EQ(rth__inject_pop(&inject), NULL);
}

TEST(pop_part_takes_a_part_and_one_more_the_oldest_in_order) {
  static const unsigned cases[][3] = {/* parts, max, expected of 10 */
                                      {1, 20, 10}, {2, 20, 6}, {3, 20, 4},
                                      {4, 2, 2},   {1, 0, 0},  {20, 20, 1}};
  unsigned c, i;
  for (c = 0; c < sizeof cases / sizeof *cases; c++) {
    unsigned expected = cases[c][2];
    rth__tasklist_t l;
    rth__inject_init(&inject);
    fill(0, 10);
    l = rth__inject_pop_part(&inject, cases[c][0], cases[c][1]);
    ASSERT_EQ(l.n, expected);
    ASSERT_EQ(rth__inject_count(&inject), 10 - expected);
    for (i = 0; i < expected; i++)
      ASSERT_PTR_EQ(rth__tasklist_take(&l), &tasks[i]);
    ASSERT_PTR_EQ(rth__tasklist_take(&l), NULL);
    for (; i < 10; i++) ASSERT_PTR_EQ(rth__inject_pop(&inject), &tasks[i]);
    rth__inject_destroy(&inject);
  }
}

/* ---- threads ------------------------------------------------------------ */

enum { PRODUCERS = 4, EACH = TASKS / PRODUCERS };

static void *producer(void *arg) {
  unsigned from = (unsigned)(uintptr_t)arg * EACH;
  fill(from, from + EACH);
  return NULL;
}

TEST(tasks_of_each_thread_come_out_in_its_order) {
  pthread_t threads[PRODUCERS];
  unsigned next[PRODUCERS], i, taken = 0;
  rth__inject_init(&inject);
  for (i = 0; i < PRODUCERS; i++) {
    next[i] = i * EACH;
    pthread_create(&threads[i], NULL, producer, (void *)(uintptr_t)i);
  }
  while (taken < TASKS) {
    rth__tasklist_t l = rth__inject_pop_part(&inject, 3, 7);
    rth__task_t *t;
    while ((t = rth__tasklist_take(&l)) != NULL) {
      ASSERT_EQ(task_number(t), next[task_number(t) / EACH]);
      next[task_number(t) / EACH]++;
      taken++;
    }
  }
  for (i = 0; i < PRODUCERS; i++) pthread_join(threads[i], NULL);
  ASSERT_EQ(rth__inject_count(&inject), 0);
}

/* The same tasks as lists of five. */
static void *producer_of_lists(void *arg) {
  unsigned from = (unsigned)(uintptr_t)arg * EACH, i;
  rth__tasklist_t l = {NULL, NULL, 0};
  for (i = from; i < from + EACH; i++) {
    rth__tasklist_add(&l, &tasks[i]);
    if (l.n < 5) continue;
    rth__inject_push_list(&inject, &l);
    l = (rth__tasklist_t){NULL, NULL, 0};
  }
  return NULL;
}

static RTH_ATOMIC(unsigned) consumed;

static void *consumer(void *arg) {
  (void)arg;
  while (rth__load_rlx(&consumed) < TASKS) {
    rth__task_t *t = rth__inject_pop(&inject);
    if (t == NULL) continue;
    task_seen(t);
    (void)rth__add_rlx(&consumed, 1);
  }
  return NULL;
}

TEST(between_many_threads_each_task_comes_out_once) {
  pthread_t threads[PRODUCERS + 2];
  unsigned i;
  rth__inject_init(&inject);
  for (i = 0; i < PRODUCERS; i++)
    pthread_create(&threads[i], NULL, i % 2 ? producer : producer_of_lists,
                   (void *)(uintptr_t)i);
  for (; i < PRODUCERS + 2; i++)
    pthread_create(&threads[i], NULL, consumer, NULL);
  for (i = 0; i < PRODUCERS + 2; i++) pthread_join(threads[i], NULL);
  ASSERT_EACH_SEEN_ONCE(TASKS);
}
