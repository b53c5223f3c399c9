/* core_stress - the C core under loads that leave nothing to chance but time:
** storms of spawns, shutdown at any moment, aborts that race the end, many
** workers on few processors.  Short by default; STRESS=1: long. */
#include "../c/futures.h"

#include "base/rand.h"

/* How much more to do than the short run. */
static int scaled(int n) {
  int slow = HARNESS_SLOW > 1 ? 10 : 1;
  TIME_LIMIT(600);
  return (getenv("STRESS") != NULL ? 20 * n : n) / slow;
}

/* STRESS_SEED=n repeats a run as far as the system allows. */
static rth__rand_t rng;
static void seed(void) {
  const char *given = getenv("STRESS_SEED");
  unsigned s = given != NULL ? (unsigned)strtoul(given, NULL, 10)
                             : (unsigned)rth_now();
  static char name[80];
  snprintf(name, sizeof name, "%s (STRESS_SEED=%u)", harness_name, s);
  harness_name = name;
  rth__rand_seed(&rng, s * UINT64_C(0x9E3779B97F4A7C15));
}
static unsigned below(unsigned n) { return rth__rand_below(&rng, n); }

/* ---- a million tasks ---------------------------------------------------- */

enum { BATCH = 1000 };

/* A root that spawns a batch and joins it. */
typedef struct batch {
  rth_join_t *joins[BATCH];
  int at;
} batch_t;

static rth_poll_t batch_poll(void *self, rth_cx_t *cx, void **out) {
  batch_t *b = self;
  rth_outcome_t o;
  (void)out;
  for (; b->at < BATCH; b->at++) {
    if (!rth_join_poll(b->joins[b->at], &cx->waker, &o)) return RTH_PENDING;
    ASSERT_PTR_EQ(o.value, number(5));
    rth_join_free(b->joins[b->at]);
  }
  return RTH_READY;
}
static const rth_future_ops_t batch_ops = {batch_poll, NULL, NULL, NULL};

static void million(unsigned workers) {
  rth_runtime_t *rt = new_runtime(workers);
  rth_handle_t *h = rth_runtime_handle(rt);
  int n = scaled(1000), i, k;
  uint64_t live = 0;
  for (i = 0; i < n; i++) {
    batch_t b = {.at = 0};
    rth_outcome_t o;
    for (k = 0; k < BATCH; k++)
      b.joins[k] = spawn_number(h, (job_t){.out = number(5), .yields = k % 3});
    ASSERT_OK(rth_runtime_block_on(rt, &batch_ops, &b, &o));
    if (i == 0) live = rth_live_allocations();
    ASSERT_LE(rth_live_allocations(), live + 16); /* of the moment */
  }
  close_runtime(rt);
}

TEST(a_million_tasks_on_current_thread) { million(CURRENT); }
TEST(a_million_tasks_on_two_workers) { million(2); }
TEST(a_million_tasks_on_sixteen_workers) { million(16); }

/* ---- storms ------------------------------------------------------------- */

typedef struct storm {
  rth_handle_t *h;
  int n;
  fate_t fate;
} storm_t;

static void spawn_two(void *arg, rth_cx_t *cx) {
  storm_t *s = arg;
  job_t j = {.fate = &s->fate, .yields = 1};
  (void)cx;
  ASSERT_OK(rth_spawn(s->h, &job_ops, &j, sizeof j, RTH_SPAWN_SHARE, NULL));
  detach(s->h, j);
}

static void *spawn_many(void *arg) {
  storm_t *s = arg;
  int i;
  for (i = 0; i < s->n; i++)
    detach(s->h, (job_t){.fate = &s->fate, .on_poll = spawn_two, .arg = s});
  return NULL;
}

static int all_dropped(void *arg) {
  storm_t *s = arg;
  return rth__load_acq(&s->fate.drops) == 3 * 4 * s->n;
}

static void storm(unsigned workers) {
  rth_runtime_t *rt = new_runtime(workers);
  storm_t s = {.h = rth_runtime_handle(rt), .n = scaled(20000)};
  pthread_t t[4];
  int i;
  for (i = 0; i < 4; i++) pthread_create(&t[i], NULL, spawn_many, &s);
  drive_until(rt, all_dropped, &s);
  for (i = 0; i < 4; i++) pthread_join(t[i], NULL);
  ASSERT_FATE(&s.fate, cancels, 0);
  ASSERT_FATE(&s.fate, polls, 4 * s.n * 5);
  close_runtime(rt);
}

TEST(four_threads_storm_current_thread) { storm(CURRENT); }
TEST(four_threads_storm_one_worker) { storm(1); }
TEST(four_threads_storm_two_workers) { storm(2); }
TEST(four_threads_storm_sixteen_workers) { storm(16); }

/* ---- no wake is lost ---------------------------------------------------- */

/* Each gate is opened once by one of two threads; each task passes many gates,
** each of which it must be woken for. */
enum { GATES = 50, WALKERS = 8 };

typedef struct walk {
  gate_t gates[WALKERS][GATES];
  RTH_ATOMIC(int) at[WALKERS]; /* the gate that it waits for */
  int opener;
} walk_t;

typedef struct walker {
  walk_t *walk;
  int number, next;
} walker_t;

static rth_poll_t walker_poll(void *self, rth_cx_t *cx, void **out) {
  walker_t *w = self;
  (void)out;
  while (w->next < GATES) {
    rth__store_rel(&w->walk->at[w->number], w->next);
    if (!gate_pass(&w->walk->gates[w->number][w->next], &cx->waker))
      return RTH_PENDING;
    w->next++;
  }
  return RTH_READY;
}
static const rth_future_ops_t walker_ops = {walker_poll, NULL, NULL, NULL};

static void *open_gates(void *arg) {
  walk_t *walk = arg;
  int g, w;
  for (g = 0; g < GATES; g++)
    for (w = 0; w < WALKERS; w++) {
      if (g % 3 != 0) /* sometimes early, sometimes as it registers */
        while (rth__load_acq(&walk->at[w]) < g) sched_yield();
      gate_open(&walk->gates[w][g]);
    }
  return NULL;
}

static void walk_gates(unsigned workers) {
  static walk_t walk;
  rth_runtime_t *rt = new_runtime(workers);
  rth_join_t *joins[WALKERS];
  int n = scaled(100), i, g, w;
  for (i = 0; i < n; i++) {
    pthread_t t;
    for (w = 0; w < WALKERS; w++) {
      walker_t walker = {&walk, w, 0};
      for (g = 0; g < GATES; g++) walk.gates[w][g] = (gate_t)GATE_INIT;
      rth__store_rel(&walk.at[w], -1);
      ASSERT_OK(rth_spawn(rth_runtime_handle(rt), &walker_ops, &walker,
                          sizeof walker, 0, &joins[w]));
    }
    pthread_create(&t, NULL, open_gates, &walk);
    for (w = 0; w < WALKERS; w++) (void)join_in(rt, joins[w]);
    pthread_join(t, NULL);
  }
  close_runtime(rt);
}

TEST(no_wake_is_lost_on_current_thread) { walk_gates(CURRENT); }
TEST(no_wake_is_lost_on_one_worker) { walk_gates(1); }
TEST(no_wake_is_lost_on_four_workers) { walk_gates(4); }
TEST(no_wake_is_lost_on_sixteen_workers) { walk_gates(16); }

/* ---- aborts that race the end ------------------------------------------- */

typedef struct race {
  RTH_ATOMIC(int) go;
  gate_t gate;
  rth_abort_t *abort;
} race_t;

static void *abort_now(void *arg) {
  race_t *r = arg;
  while (!rth__load_acq(&r->go)) sched_yield();
  rth_abort(r->abort);
  rth_abort_free(r->abort);
  return NULL;
}
static void *open_now(void *arg) {
  race_t *r = arg;
  while (!rth__load_acq(&r->go)) sched_yield();
  gate_open(&r->gate);
  return NULL;
}

static void race_once(rth_runtime_t *rt, int dropped) {
  race_t r = {.gate = GATE_INIT};
  fate_t fate = {0}, out = {0};
  rth_join_t *j = spawn(rth_runtime_handle(rt),
                        (job_t){.fate = &fate, .gate = &r.gate, .out = &out});
  pthread_t a, b;
  int cancelled, outputs;
  rth_outcome_t o = {RTH_PENDING, NULL};
  r.abort = rth_join_abort_handle(j);
  pthread_create(&a, NULL, abort_now, &r);
  pthread_create(&b, NULL, open_now, &r);
  if (below(2)) drive_until(rt, is_polled, &fate);
  rth__store_rel(&r.go, 1);
  if (dropped)
    rth_join_free(j);
  else
    o = join_in(rt, j);
  drive_until(rt, is_dropped, &fate);
  pthread_join(a, NULL);
  pthread_join(b, NULL);
  gate_forget(&r.gate);
  cancelled = rth__load_acq(&fate.cancels);
  if (!dropped) ASSERT_EQ(o.how == RTH_PENDING, cancelled);
  while (dropped && !cancelled && rth__load_acq(&out.outputs_dropped) == 0)
    usleep(100);
  outputs = rth__load_acq(&out.outputs_dropped);
  ASSERT_EQ(outputs, dropped && !cancelled);
  ASSERT_FATE(&fate, drops, 1);
}

static void race_many(unsigned workers) {
  rth_runtime_t *rt = new_runtime(workers);
  int n = scaled(1000), i;
  seed();
  for (i = 0; i < n; i++) race_once(rt, i % 2);
  close_runtime(rt);
}

TEST(aborts_race_the_end_on_current_thread) { race_many(CURRENT); }
TEST(aborts_race_the_end_on_two_workers) { race_many(2); }
TEST(aborts_race_the_end_on_sixteen_workers) { race_many(16); }

/* ---- shutdown at any moment --------------------------------------------- */

typedef struct sleeping {
  rth_sleep_t sleep;
  fate_t *fate;
} sleeping_t;

static rth_poll_t sleeping_poll(void *self, rth_cx_t *cx, void **out) {
  (void)out;
  return rth_sleep_poll(&((sleeping_t *)self)->sleep, cx);
}
static void sleeping_drop(void *self) {
  rth_sleep_fini(&((sleeping_t *)self)->sleep);
  (void)rth__add_ar(&((sleeping_t *)self)->fate->drops, 1);
}
static const rth_future_ops_t sleeping_ops = {sleeping_poll, NULL,
                                              sleeping_drop, NULL};

static RTH_ATOMIC(int) spawned;

static void spawn_something(rth_handle_t *h, fate_t *fate, unsigned what) {
  job_t j = {.fate = fate, .yields = (int)(what % 5)};
  sleeping_t s = {.fate = fate};
  (void)rth__add_ar(&spawned, 1);
  switch (what % 4) {
    case 0:
      j.forever = 1;
      detach(h, j);
      break;
    case 1:
      j.yields = 0;
      ASSERT_OK(rth_spawn_blocking(h, &job_ops, &j, sizeof j, NULL));
      break;
    case 2:
      rth_sleep_init(&s.sleep, h, rth_now() + what * MS / 8);
      ASSERT_OK(rth_spawn(h, &sleeping_ops, &s, sizeof s, 0, NULL));
      break;
    default:
      detach(h, j);
  }
}

typedef struct feeder {
  rth_handle_t *h;
  fate_t *fate;
  RTH_ATOMIC(int) stop;
} feeder_t;

static void *feed(void *arg) {
  feeder_t *f = arg;
  unsigned i;
  for (i = 0; !rth__load_acq(&f->stop) && i < 2000; i++)
    spawn_something(f->h, f->fate, i);
  rth_handle_free(f->h);
  return NULL;
}

/* `fate` lives on: with a timeout of 0 threads may end later. */
static void shut_down_once(unsigned workers, fate_t *fate) {
  static const uint64_t timeouts[] = {0, MS / 10, RTH_FOREVER, RTH_FOREVER};
  rth_runtime_t *rt = new_runtime(workers);
  feeder_t f = {.h = rth_handle_clone(rth_runtime_handle(rt)), .fate = fate};
  pthread_t t;
  unsigned spins = below(20000);
  pthread_create(&t, NULL, feed, &f);
  if (workers == CURRENT && below(2))
    (void)block_on(rt, (job_t){.yields = (int)below(50)});
  while (spins-- > 0) rth__cpu_relax();
  ASSERT_OK(rth_runtime_shutdown(rt, timeouts[below(4)]));
  rth__store_rel(&f.stop, 1);
  pthread_join(t, NULL);
  rth_runtime_free(rt);
}

static void shut_down_often(unsigned workers) {
  static fate_t fate;
  int n = scaled(250), i;
  seed();
  for (i = 0; i < n; i++) shut_down_once(workers, &fate);
  while (rth_live_allocations() != 0) usleep(100);
  i = rth__load_acq(&spawned);
  ASSERT_FATE(&fate, drops, i);
}

TEST(shutdown_at_any_moment_on_current_thread) { shut_down_often(CURRENT); }
TEST(shutdown_at_any_moment_on_one_worker) { shut_down_often(1); }
TEST(shutdown_at_any_moment_on_two_workers) { shut_down_often(2); }
TEST(shutdown_at_any_moment_on_sixteen_workers) { shut_down_often(16); }

/* ---- runtimes that come and go ------------------------------------------ */

static RTH_ATOMIC(int) started, stopped;
static void on_start(void *arg, const rth_thread_info_t *t, void **data) {
  (void)arg;
  (void)t;
  *data = NULL;
  (void)rth__add_ar(&started, 1);
}
static void on_stop(void *arg, const rth_thread_info_t *t, void *data) {
  (void)arg;
  (void)t;
  (void)data;
  (void)rth__add_ar(&stopped, 1);
}

TEST(as_many_threads_stop_as_start_and_every_future_is_dropped) {
  int n = scaled(1000), i, ended;
  fate_t fate = {0};
  for (i = 0; i < n; i++) {
    rth_options_t o = options_for(1 + (unsigned)i % 4);
    rth_runtime_t *rt;
    o.thread_start = on_start;
    o.thread_stop = on_stop;
    ASSERT_OK(rth_runtime_new(&o, &rt));
    detach(rth_runtime_handle(rt), (job_t){.fate = &fate, .forever = 1});
    close_runtime(rt);
  }
  ended = rth__load_acq(&stopped);
  ASSERT_EQ(ended, rth__load_acq(&started));
  ASSERT_FATE(&fate, drops, n);
}
