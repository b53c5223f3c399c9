/* ring_model - the run queue of a worker under its owner and thieves, with
** four slots: no task is lost, doubled, or used without order. */
#define RTH_RING_SIZE 4u
#include "queue/inject.c"
#include "queue/ring.c"

#include <string.h>

enum { TASKS = 8 };

static rth__ring_t ring, loot[2];
static rth__inject_t inject;
static rth__task_t tasks[TASKS];
static int seen[TASKS];
static int pushed, last_popped;

static void setup(void) {
  int i;
  memset(&ring, 0, sizeof ring);
  memset(loot, 0, sizeof loot);
  memset(&inject, 0, sizeof inject);
  memset(seen, 0, sizeof seen);
  rth__ring_init(&ring);
  rth__ring_init(&loot[0]);
  rth__ring_init(&loot[1]);
  rth__inject_init(&inject);
  pushed = 0;
  last_popped = -1;
  for (i = 0; i < TASKS; i++) mc_touch(&tasks[i]);
}

static int out(rth__task_t *t) {
  int i = (int)(t - tasks);
  if (seen[i]++ != 0) mc_fail("task %d came out twice", i);
  mc_touch(t);
  return i;
}

static void push(int n) {
  while (n-- > 0) {
    mc_touch(&tasks[pushed]);
    (void)rth__ring_push(&ring, &tasks[pushed++], &inject);
  }
}

static void pop(int n) {
  while (n-- > 0) {
    rth__task_t *t = rth__ring_pop(&ring);
    int i;
    if (t == NULL) return;
    i = out(t);
    if (i <= last_popped) mc_fail("task %d popped after %d", i, last_popped);
    last_popped = i;
  }
}

static void steal(rth__ring_t *mine) {
  uint32_t n;
  rth__task_t *t = rth__ring_steal_into(&ring, mine, &n);
  if (t == NULL) return;
  (void)out(t);
  while ((t = rth__ring_pop(mine)) != NULL) (void)out(t);
}

static void thief_0(void) { steal(&loot[0]); }
static void thief_1(void) { steal(&loot[1]); }
static void thief_twice(void) {
  steal(&loot[0]);
  steal(&loot[0]);
}

static void push_and_pop(void) {
  push(3);
  pop(2);
  push(1);
  pop(3);
}
static void flow_over(void) {
  push(5);
  pop(1);
  push(2);
  pop(4);
}
/* Comes around: writes slots that a thief may still read. */
static void around(void) {
  push(4);
  pop(2);
  push(3);
}

static void check(void) {
  rth__task_t *t;
  int i;
  while ((t = rth__ring_pop(&ring)) != NULL) (void)out(t);
  while ((t = rth__inject_pop(&inject)) != NULL) (void)out(t);
  for (i = 0; i < pushed; i++)
    if (seen[i] != 1) mc_fail("task %d is lost", i);
}

/* ---- seeded bugs -------------------------------------------------------- */

/* The thief leaves no mark that it copies. */
static void no_mark(mc_op_t *op) {
  if (op->kind == MC_CAS && strcmp(op->func, "claim") == 0)
    op->value = pack(real_of(op->value), real_of(op->value));
}
static void claim_not_atomic(mc_op_t *op) {
  if (op->kind == MC_CAS && strcmp(op->func, "claim") == 0) op->split = 1;
}
static void pop_not_atomic(mc_op_t *op) {
  if (op->kind == MC_CAS && strcmp(op->func, "rth__ring_pop") == 0)
    op->split = 1;
}
static void tail_relaxed(mc_op_t *op) {
  if (op->kind == MC_STORE && strcmp(op->func, "rth__ring_push") == 0)
    op->order = MC_RLX;
}
static void tail_read_relaxed(mc_op_t *op) {
  if (op->kind == MC_LOAD && strcmp(op->func, "claim") == 0)
    op->order = MC_RLX;
}

static const mc_model_t models[] = {
    {.name = "owner and thief",
     .setup = setup, .threads = {push_and_pop, thief_0}, .check = check,
     .preemptions = 3, .spurious = 1, .after = 1},
    {.name = "owner and thief that comes again",
     .setup = setup, .threads = {push_and_pop, thief_twice}, .check = check,
     .preemptions = 3},
    {.name = "owner flows over beside a thief",
     .setup = setup, .threads = {flow_over, thief_0}, .check = check,
     .preemptions = 3},
    {.name = "owner comes around beside a thief",
     .setup = setup, .threads = {around, thief_twice}, .check = check,
     .preemptions = 3, .after = 1},
    {.name = "owner and two thieves",
     .setup = setup, .threads = {push_and_pop, thief_0, thief_1},
     .check = check, .preemptions = 2, .after = 1},
    {.name = "owner flows over beside two thieves",
     .setup = setup, .threads = {flow_over, thief_0, thief_1},
     .check = check, .preemptions = 2, .after = 1},
    {.name = "store buffers",
     .setup = setup, .threads = {push_and_pop, thief_0}, .check = check,
     .preemptions = 1, .tso = 1},

    {.name = "bug: no mark while a thief copies",
     .setup = setup, .threads = {around, thief_0}, .check = check,
     .preemptions = 3, .after = 1, .mutate = no_mark, .finds = "race"},
    {.name = "bug: claim is a load and a store",
     .setup = setup, .threads = {push_and_pop, thief_0}, .check = check,
     .preemptions = 3, .mutate = claim_not_atomic, .finds = "twice"},
    {.name = "bug: pop is a load and a store",
     .setup = setup, .threads = {push_and_pop, thief_0}, .check = check,
     .preemptions = 3, .mutate = pop_not_atomic, .finds = "twice"},
    {.name = "bug: tail is published relaxed",
     .setup = setup, .threads = {push_and_pop, thief_0}, .check = check,
     .preemptions = 3, .mutate = tail_relaxed, .finds = "race"},
    {.name = "bug: tail is read relaxed",
     .setup = setup, .threads = {push_and_pop, thief_0}, .check = check,
     .preemptions = 3, .mutate = tail_read_relaxed, .finds = "race"},
};

int main(void) {
  return mc_main(models, (int)(sizeof models / sizeof *models));
}
