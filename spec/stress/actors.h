/* actors.h - for stress tests of csrc/sync: tasks that give up waiting at
** random, come again for nothing, and are aborted from outside.
**
** STRESS=n makes a run n times as long; SEED=n begins with another seed. */
#ifndef ACTORS_H
#define ACTORS_H

#include "../c/harness.h"
#include "../c/waits.h"

#include "base/rand.h"

enum { ACTORS = 48, ROUNDS = HARNESS_SLOW > 1 ? 400 : 2000 };

struct actor;
typedef rth_poll_t (*run_fn)(struct actor *a, rth_cx_t *cx);

/* A task of these tests. */
struct actor {
  rth_wait_t wait;
  rth__rand_t rand;
  run_fn run;
  void (*undo)(struct actor *a); /* it was aborted: gives back what it has */
  int number, round, step;
  uint64_t k;
  rth_msg_t *m;
  void *obj;
  rth_watch_seen_t seen;
};

static RTH_ATOMIC(int) left; /* actors that still live */

static rth_poll_t actor_poll(void *self, rth_cx_t *cx, void **out) {
  struct actor *a = self;
  (void)out;
  return a->run(a, cx);
}
static rth_poll_t actor_cancel(void *self, rth_cx_t *cx, void **out) {
  struct actor *a = self;
  (void)cx, (void)out;
  rth_wait_cancel(&a->wait);
  if (a->undo != NULL) a->undo(a);
  return RTH_PENDING;
}
static void actor_drop(void *self) {
  (void)self;
  (void)rth__sub_ar(&left, 1);
}
static const rth_future_ops_t actor_ops = {actor_poll, actor_cancel,
                                           actor_drop, NULL};

static int chance(struct actor *a, uint32_t one_in) {
  return rth__rand_below(&a->rand, one_in) == 0;
}

/* What an actor does whose poll answered PENDING: waits, or gives up and
** comes again, or comes again for nothing. */
static rth_poll_t waits(struct actor *a, rth_cx_t *cx) {
  switch (rth__rand_below(&a->rand, 6)) {
    case 0:
      rth_wait_cancel(&a->wait);
      rth_yield(cx);
      break;
    case 1:
      rth_yield(cx);
      break;
    default:
      break;
  }
  return RTH_PENDING;
}
static rth_poll_t yields(rth_cx_t *cx) {
  rth_yield(cx);
  return RTH_PENDING;
}

/* ---- running ----------------------------------------------------------- */

static rth_runtime_t *runtime;
static rth_join_t *joins[2 * ACTORS];
static int spawned;
static rth__rand_t chaos;

static int from_env(const char *name, int otherwise) {
  const char *s = getenv(name);
  return s != NULL && atoi(s) > 0 ? atoi(s) : otherwise;
}

static void spawn(run_fn run, void (*undo)(struct actor *), void *obj) {
  struct actor a = {.wait = RTH_WAIT_INIT, .run = run, .undo = undo,
                    .number = spawned, .obj = obj};
  rth__rand_seed(&a.rand, ((uint64_t)rth__rand_next(&chaos) << 32) |
                              rth__rand_next(&chaos));
  (void)rth__add_rlx(&left, 1);
  ASSERT_OK(rth_spawn(rth_runtime_handle(runtime), &actor_ops, &a, sizeof a,
                      RTH_SPAWN_SHARE, &joins[spawned++]));
}

static void begin(unsigned workers) {
  rth_options_t o;
  rth_options_init(&o);
  o.worker_threads = workers;
  spawned = 0;
  ASSERT_OK(rth_runtime_new(&o, &runtime));
}

/* Waits for the end of all; aborts some of the first `victims`. */
static void end(int victims) {
  int i;
  while (rth__load_acq(&left) > 0) {
    if (victims > 0)
      rth_join_abort(joins[rth__rand_below(&chaos, (uint32_t)victims)]);
    usleep(rth__rand_below(&chaos, 300));
  }
  for (i = 0; i < spawned; i++) rth_join_free(joins[i]);
  ASSERT_OK(rth_runtime_shutdown(runtime, RTH_FOREVER));
  rth_runtime_free(runtime);
}

/* Runs a scenario on 1, 2, 4, 8 and 16 workers. */
static void on_all(void (*scenario)(unsigned workers)) {
  int times = from_env("STRESS", 1), i;
  unsigned workers;
  TIME_LIMIT(60 * times);
  rth__rand_seed(&chaos, (uint64_t)from_env("SEED", 1) * 0x9e3779b97f4a7c15u);
  for (i = 0; i < times; i++)
    for (workers = 1; workers <= 16; workers *= 2) scenario(workers);
}

#endif
