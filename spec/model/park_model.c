/* park_model - sleeping and waking: no task is left in an inbox while its
** consumer sleeps, wherever it sleeps.  The consumer's loop is that of
** sched/exec.c; a descriptor is a counter. */
#include "driver/park.c"
#include "queue/inbox.c"

#include <string.h>

enum { TASKS = 3 };

static struct executor {
  rth__inbox_t inbox;
  RTH_ATOMIC(rth__parker_t *) parker;
  rth__parker_t own, main;
} e;
static rth__task_t tasks[TASKS];
static int got, goal, closed;
static int early; /* the next sleeps end at a deadline, so many times */

static void setup(void) {
  memset(&e, 0, sizeof e);
  rth__inbox_init(&e.inbox);
  e.parker = &e.own;
  closed = early = 0;
  got = 0;
  goal = TASKS;
}

/* fd_write counts what was written. */
void fd_wake(rth__parker_t *p) {
  mc_point();
  MC_ASSERT(!closed);
  p->fd_write++;
}
static int is_written(void *p) { return ((rth__parker_t *)p)->fd_write > 0; }

void fd_sleep(rth__parker_t *p, uint64_t deadline,
              const rth__signals_t *held) {
  if (deadline != RTH_FOREVER) return;
  (void)held;
  mc_wait(is_written, p);
  p->owed -= p->fd_write;
  p->fd_write = 0;
}

void rth__parker_close(rth__parker_t *p) {
  (void)p;
  closed = 1;
}

/* ---- rth__exec_schedule, rth__exec_drain, rth__exec_park ---------------- */

static void send(int i) {
  mc_touch(&tasks[i]);
  if (rth__inbox_push(&e.inbox, &tasks[i]))
    rth__unpark(rth__load_sc(&e.parker));
}

static void drain(void) {
  rth__task_t *t;
  if (rth__inbox_is_empty(&e.inbox)) return;
  for (t = rth__inbox_take(&e.inbox); t != NULL; t = t->next, got++)
    mc_touch(t);
}

static void park(void) {
  rth__parker_park(rth__load_rlx(&e.parker), early-- > 0 ? 0 : RTH_FOREVER,
                   NULL);
}

static void consume(void) {
  for (drain(); got < goal; drain()) park();
}

static void consume_and_retire(void) {
  early = 1;
  consume();
  rth__parker_retire(&e.own);
}

static void send_0(void) { send(0); }
static void send_1_2(void) {
  send(1);
  send(2);
}

/* Takes the driver's place, waits, leaves it, waits. */
static void consume_and_move(void) {
  goal = 1;
  consume();
  (void)rth__swap_sc(&e.parker, &e.main);
  goal = 2;
  consume();
  (void)rth__swap_sc(&e.parker, &e.own);
  goal = TASKS;
  consume();
}

/* ---- a flag in place of the inbox: rth__core_close ---------------------- */

static RTH_ATOMIC(int) closing;

static void setup_flag(void) {
  setup();
  rth__init(&closing, 0);
}
static void wait_for_flag(void) {
  while (!rth__load_acq(&closing)) park();
}
static void close_it(void) {
  rth__store_rel(&closing, 1);
  rth__unpark(&e.own);
}

/* ---- seeded bugs -------------------------------------------------------- */

static void unpark_not_atomic(mc_op_t *op) {
  if (strcmp(op->func, "rth__unpark") == 0) op->split = 1;
}
/* The sleeper says that it sleeps with a store. */
static void park_by_store(mc_op_t *op) {
  if (op->kind == MC_CAS && strcmp(op->func, "rth__parker_park") == 0)
    op->split = 1;
}
static void wake_without_word(mc_op_t *op) {
  if (strcmp(op->func, "rth__unpark") == 0) op->value = RTH_PARK_EMPTY;
}
static void look_before_moving(mc_op_t *op) {
  if (strcmp(op->func, "consume_and_move") == 0) op->split = 1;
}

static const mc_model_t models[] = {
    {.name = "two senders and a sleeper",
     .setup = setup, .threads = {consume, send_0, send_1_2},
     .preemptions = 3},
    {.name = "two senders and a sleeper, store buffers",
     .setup = setup, .threads = {consume, send_0, send_1_2},
     .preemptions = 2, .tso = 1},
    {.name = "a sleeper that moves to another parker",
     .setup = setup, .threads = {consume_and_move, send_0, send_1_2},
     .preemptions = 3},
    {.name = "a sleeper that moves, store buffers",
     .setup = setup, .threads = {consume_and_move, send_0, send_1_2},
     .preemptions = 2, .tso = 1},
    {.name = "a flag and a sleeper, store buffers",
     .setup = setup_flag, .threads = {wait_for_flag, close_it},
     .preemptions = 4, .tso = 1},
    {.name = "a sleeper that retires",
     .setup = setup, .threads = {consume_and_retire, send_0, send_1_2},
     .preemptions = 3},
    {.name = "a sleeper that retires, store buffers",
     .setup = setup, .threads = {consume_and_retire, send_0, send_1_2},
     .preemptions = 2, .tso = 1},

    {.name = "bug: unpark is a load and a store",
     .setup = setup, .threads = {consume, send_0, send_1_2},
     .preemptions = 3, .mutate = unpark_not_atomic, .finds = "deadlock"},
    {.name = "bug: the sleeper stores that it sleeps",
     .setup = setup, .threads = {consume, send_0, send_1_2},
     .preemptions = 3, .tso = 1, .mutate = park_by_store,
     .finds = "deadlock"},
    {.name = "bug: unpark leaves no notification",
     .setup = setup, .threads = {consume, send_0, send_1_2},
     .preemptions = 3, .mutate = wake_without_word, .finds = "deadlock"},
    {.name = "bug: the sleeper moves with a store that is seen late",
     .setup = setup, .threads = {consume_and_move, send_0, send_1_2},
     .preemptions = 3, .tso = 1, .mutate = look_before_moving,
     .finds = "deadlock"},
};

int main(void) {
  return mc_main(models, (int)(sizeof models / sizeof *models));
}
