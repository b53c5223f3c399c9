/* inbox_test - tasks sent to one executor: order, who wakes, many threads. */
#include "queue/inbox.h"

#include <pthread.h>

#include "harness.h"
#include "tasks.h"

static rth__inbox_t inbox;

TEST(a_new_inbox_is_empty) {
  rth__inbox_init(&inbox);
  ASSERT(rth__inbox_is_empty(&inbox));
  ASSERT_PTR_EQ(rth__inbox_take(&inbox), NULL);
}

TEST(only_the_first_push_into_an_empty_inbox_says_so) {
  rth__inbox_init(&inbox);
  ASSERT(rth__inbox_push(&inbox, &tasks[0]));
  ASSERT(!rth__inbox_push(&inbox, &tasks[1]));
  ASSERT(!rth__inbox_is_empty(&inbox));
  (void)rth__inbox_take(&inbox);
  ASSERT(rth__inbox_push(&inbox, &tasks[2]));
}

TEST(take_gives_all_in_the_order_they_came) {
  rth__task_t *t;
  unsigned i;
  rth__inbox_init(&inbox);
  for (i = 0; i < 100; i++) (void)rth__inbox_push(&inbox, &tasks[i]);
  t = rth__inbox_take(&inbox);
  for (i = 0; i < 100; i++, t = t->next) ASSERT_PTR_EQ(t, &tasks[i]);
  ASSERT_PTR_EQ(t, NULL);
  ASSERT(rth__inbox_is_empty(&inbox));
}

enum { PRODUCERS = 4, EACH = TASKS / PRODUCERS };

static RTH_ATOMIC(unsigned) firsts; /* pushes that found it empty */

static void *producer(void *arg) {
  unsigned from = (unsigned)(uintptr_t)arg * EACH, i;
  for (i = from; i < from + EACH; i++)
    if (rth__inbox_push(&inbox, &tasks[i])) (void)rth__add_rlx(&firsts, 1);
  return NULL;
}

TEST(from_many_threads_each_task_arrives_once_and_in_its_threads_order) {
  pthread_t threads[PRODUCERS];
  unsigned next[PRODUCERS], i, taken = 0, batches = 0;
  rth__inbox_init(&inbox);
  for (i = 0; i < PRODUCERS; i++) {
    next[i] = i * EACH;
    pthread_create(&threads[i], NULL, producer, (void *)(uintptr_t)i);
  }
  while (taken < TASKS) {
    rth__task_t *t = rth__inbox_take(&inbox);
    batches += t != NULL;
    for (; t != NULL; t = t->next, taken++) {
      unsigned from = task_number(t) / EACH;
      ASSERT_EQ(task_number(t), next[from]);
      next[from]++;
    }
  }
  for (i = 0; i < PRODUCERS; i++) pthread_join(threads[i], NULL);
  ASSERT_EQ(rth__load_rlx(&firsts), batches); /* one waker for each batch */
}
