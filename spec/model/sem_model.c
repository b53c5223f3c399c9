/* sem_model - permits under threads that acquire, release, give up and close:
** no permit is lost or doubled, nobody sleeps for ever, and what the permits
** guard is used in order. */
#include <string.h>

#include "sync/sem.c"
#include "sync/wait.c"
#include "waiting.h"

static rth__sem_t sem;
static uint64_t total;
static int guarded; /* by all permits */

static void setup_of(uint64_t permits) {
  rth__sem_init(&sem, permits);
  waiting_init();
  total = permits;
  mc_touch(&guarded);
}
static void setup_1(void) { setup_of(1); }
static void setup_2(void) { setup_of(2); }

static rth_poll_t poll(uint64_t n) {
  rth_waker_t w = my_waker();
  return rth__sem_poll(&sem, n, &waits_of[mc_self()], &w);
}
static void release(uint64_t n) {
  if (rth__sem_release(&sem, n) != 0) mc_fail("too many permits");
}
static rth_poll_t acquire(uint64_t n) {
  rth_poll_t how;
  while ((how = poll(n)) == RTH_PENDING) sleep_here();
  return how;
}
static void use(void) { mc_touch(&guarded); }

static void one(void) {
  (void)acquire(1);
  use();
  release(1);
}
static void one_twice(void) {
  one();
  one();
}
static void give_up_or_use(void) {
  if (poll(1) == RTH_PENDING) {
    rth_wait_cancel(&waits_of[mc_self()]);
  } else {
    use();
    release(1);
  }
}
static void try_one(void) {
  if (rth__sem_try(&sem, 1) != 0) return;
  use();
  release(1);
}
static void both(void) {
  (void)acquire(2);
  use();
  release(2);
}
static void part(void) {
  (void)acquire(1);
  release(1);
}
static void give_up_both(void) {
  if (poll(2) == RTH_PENDING)
    rth_wait_cancel(&waits_of[mc_self()]);
  else
    release(2);
}
static void close_it(void) { rth__sem_close(&sem); }
static void one_or_closed(void) {
  if (acquire(1) != RTH_READY) return;
  use();
  release(1);
}

static void check(void) {
  if (!rth__waits_empty(&sem.waits)) mc_fail("somebody still waits");
  if (sem.word / ONE != total) mc_fail("permits are lost");
  if (sem.word & WAITERS) mc_fail("nobody waits, but the word says so");
}

/* ---- seeded bugs ------------------------------------------------------- */

static void try_split(mc_op_t *op) {
  if (in(op, MC_CAS, "rth__sem_try")) op->split = 1;
}
static void wait_split(mc_op_t *op) {
  if (in(op, MC_CAS, "take_or_wait")) op->split = 1;
}
static void release_split(mc_op_t *op) {
  if (in(op, MC_CAS, "rth__sem_release")) op->split = 1;
}
static void release_relaxed(mc_op_t *op) {
  if (in(op, MC_CAS, "rth__sem_release")) op->order = MC_RLX;
}
static void try_relaxed(mc_op_t *op) {
  if (in(op, MC_CAS, "rth__sem_try") || in(op, MC_LOAD, "rth__sem_try"))
    op->order = MC_RLX;
}

#define MODEL(n, s, ...) \
  .name = n, .setup = s, .threads = {__VA_ARGS__}, .check = check

static const mc_model_t models[] = {
    {MODEL("two want one permit", setup_1, one_twice, one),
     .preemptions = 4, .spurious = 1, .after = 1},
    {MODEL("three want one permit", setup_1, one, one, one),
     .preemptions = 3},
    {MODEL("one of two gives up", setup_1, one_twice, give_up_or_use),
     .preemptions = 3, .after = 1},
    {MODEL("one of three gives up", setup_1, one, give_up_or_use, one),
     .preemptions = 3},
    {MODEL("one comes and goes without waiting", setup_1, one_twice, try_one),
     .preemptions = 3},
    {MODEL("one wants all", setup_2, both, part, part), .preemptions = 3},
    {MODEL("who wants all gives up", setup_2, give_up_both, part, both),
     .preemptions = 3},
    {MODEL("closed meanwhile", setup_1, one_or_closed, one_or_closed,
           close_it), .preemptions = 3},
    {MODEL("store buffers", setup_1, one_twice, give_up_or_use),
     .preemptions = 2, .tso = 1},

    {MODEL("bug: try is a load and a store", setup_1, one_twice, try_one),
     .preemptions = 3, .mutate = try_split, .finds = ""},
    {MODEL("bug: beginning to wait is a load and a store", setup_1, one_twice,
           one), .preemptions = 3, .mutate = wait_split, .finds = "deadlock"},
    {MODEL("bug: release is a load and a store", setup_1, one_twice, one),
     .preemptions = 3, .mutate = release_split, .finds = ""},
    {MODEL("bug: release is relaxed", setup_1, one, try_one),
     .preemptions = 3, .mutate = release_relaxed, .finds = "race"},
    {MODEL("bug: acquire is relaxed", setup_1, one, try_one),
     .preemptions = 3, .mutate = try_relaxed, .finds = "race"},
};

int main(void) {
  return mc_main(models, (int)(sizeof models / sizeof *models));
}
