/* tasks.h - tasks that are only pushed about in queues, never polled. */
#ifndef TASKS_H
#define TASKS_H

#include "base/atomic.h"
#include "task/task.h"

enum { TASKS = 20000 };

static rth__task_t tasks[TASKS];
static RTH_ATOMIC(int) seen[TASKS]; /* how often each came out */

static inline unsigned task_number(const rth__task_t *t) {
  return (unsigned)(t - tasks);
}
static inline void task_seen(const rth__task_t *t) {
  (void)rth__add_rlx(&seen[task_number(t)], 1);
}

#define ASSERT_EACH_SEEN_ONCE(n)                                 \
  do {                                                           \
    for (unsigned task_i = 0; task_i < (unsigned)(n); task_i++)  \
      if (rth__load_rlx(&seen[task_i]) != 1)                     \
        HARNESS_FAIL("task %u came out %d times", task_i,        \
                     rth__load_rlx(&seen[task_i]));              \
  } while (0)

#endif
