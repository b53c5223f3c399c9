/* inbox_model - tasks sent to one executor: each arrives once, in the order of
** its sender, and each batch has one sender who wakes. */
#include "queue/inbox.c"

#include <string.h>

enum { TASKS = 4 };

static rth__inbox_t inbox;
static rth__task_t tasks[TASKS];
static int seen[TASKS], firsts, batches;

static void setup(void) {
  int i;
  rth__inbox_init(&inbox);
  memset(seen, 0, sizeof seen);
  firsts = batches = 0;
  for (i = 0; i < TASKS; i++) mc_touch(&tasks[i]);
}

static void push(int i) {
  mc_touch(&tasks[i]);
  if (rth__inbox_push(&inbox, &tasks[i])) firsts++;
}

static void push_0_1(void) {
  push(0);
  push(1);
}
static void push_2_3(void) {
  push(2);
  push(3);
}

static void take(void) {
  rth__task_t *t = rth__inbox_take(&inbox);
  int i, last[2] = {-1, -1};
  batches += t != NULL;
  for (; t != NULL; t = t->next) {
    i = (int)(t - tasks);
    if (seen[i]++ != 0) mc_fail("task %d came out twice", i);
    if (i < last[i / 2]) mc_fail("task %d came out of order", i);
    if (i % 2 == 1 && seen[i - 1] == 0) mc_fail("task %d came too soon", i);
    last[i / 2] = i;
    mc_touch(t);
  }
}

static void take_thrice(void) {
  take();
  take();
  take();
}

static void check(void) {
  int i;
  take();
  for (i = 0; i < TASKS; i++)
    if (seen[i] != 1) mc_fail("task %d is lost", i);
  if (firsts != batches)
    mc_fail("%d batches, but %d were the first", batches, firsts);
}

/* ---- seeded bugs -------------------------------------------------------- */

static void take_not_atomic(mc_op_t *op) {
  if (op->kind == MC_SWAP) op->split = 1;
}
static void push_not_atomic(mc_op_t *op) {
  if (op->kind == MC_CAS) op->split = 1;
}
static void push_relaxed(mc_op_t *op) {
  if (op->kind == MC_CAS) op->order = MC_RLX;
}

static const mc_model_t models[] = {
    {.name = "two senders and the consumer",
     .setup = setup, .threads = {push_0_1, push_2_3, take_thrice},
     .check = check, .preemptions = 4},
    {.name = "store buffers",
     .setup = setup, .threads = {push_0_1, push_2_3, take_thrice},
     .check = check, .preemptions = 3, .tso = 1},
    {.name = "bug: take is a load and a store",
     .setup = setup, .threads = {push_0_1, push_2_3, take_thrice},
     .check = check, .preemptions = 3, .mutate = take_not_atomic,
     .finds = "lost"},
    {.name = "bug: push is a load and a store",
     .setup = setup, .threads = {push_0_1, push_2_3, take_thrice},
     .check = check, .preemptions = 3, .mutate = push_not_atomic,
     .finds = "task"},
    {.name = "bug: push is relaxed",
     .setup = setup, .threads = {push_0_1, push_2_3, take_thrice},
     .check = check, .preemptions = 3, .mutate = push_relaxed,
     .finds = "race"},
};

int main(void) {
  return mc_main(models, (int)(sizeof models / sizeof *models));
}
