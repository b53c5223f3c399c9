/* metrics_test - what a runtime tells of itself. */
#include "futures.h"

/* ---- tasks -------------------------------------------------------------- */

TEST_FLAVORS(tasks_are_counted) {
  rth_runtime_t *rt = new_runtime(workers);
  rth_handle_t *h = rth_runtime_handle(rt);
  gate_t gate = GATE_INIT;
  fate_t fate = {0};
  rth_join_t *a = spawn(h, (job_t){.gate = &gate, .fate = &fate});
  rth_metrics_t m;
  (void)join_in(rt, spawn(h, (job_t){0}));
  drive_until(rt, is_polled, &fate);
  rth_handle_metrics(h, &m);
  ASSERT_EQ(m.num_workers, workers == CURRENT ? 1 : workers);
  ASSERT_EQ(m.num_alive_tasks, 1);
  ASSERT_EQ(m.spawned_tasks_count, 2);
  gate_open(&gate);
  (void)join_in(rt, a);
  rth_handle_metrics(h, &m);
  ASSERT_EQ(m.num_alive_tasks, 0);
  close_runtime(rt);
}

TEST_FLAVORS(every_worker_has_metrics_and_no_other) {
  rth_runtime_t *rt = new_runtime(workers);
  rth_handle_t *h = rth_runtime_handle(rt);
  unsigned i, n = rth_handle_num_workers(h);
  rth_worker_metrics_t m;
  uint64_t polls = 0;
  (void)join_in(rt, spawn(h, (job_t){.yields = 9}));
  for (i = 0; i < n; i++) {
    ASSERT_OK(rth_handle_worker_metrics(h, i, &m));
    polls += m.poll_count;
  }
  ASSERT_EQ(polls, 10);
  ASSERT_EQ(rth_handle_worker_metrics(h, n, &m), RTH_EINVAL);
  close_runtime(rt);
}

static rth_metrics_t metrics(rth_runtime_t *rt) {
  rth_metrics_t m;
  rth_handle_metrics(rth_runtime_handle(rt), &m);
  return m;
}
static rth_worker_metrics_t worker_metrics(rth_runtime_t *rt, unsigned i) {
  rth_worker_metrics_t m;
  ASSERT_OK(rth_handle_worker_metrics(rth_runtime_handle(rt), i, &m));
  return m;
}

static void spawn_ten(void *h, rth_cx_t *cx) {
  int i;
  (void)cx;
  for (i = 0; i < 10; i++) detach(h, (job_t){0});
}

TEST(spawns_and_wakes_from_outside_are_remote_and_others_are_not) {
  rth_runtime_t *rt = new_runtime(1);
  rth_handle_t *h = rth_runtime_handle(rt);
  gate_t gate = GATE_INIT;
  fate_t fate = {0};
  rth_join_t *j;
  (void)join_in(rt, spawn(h, (job_t){.on_poll = spawn_ten, .arg = h}));
  ASSERT_EQ(metrics(rt).remote_schedule_count, 1);
  j = spawn(h, (job_t){.fate = &fate, .gate = &gate});
  spin_until(is_polled, &fate);
  gate_open(&gate);
  (void)join_in(rt, j);
  ASSERT_EQ(metrics(rt).remote_schedule_count, 3);
  close_runtime(rt);
}

/* ---- queues ------------------------------------------------------------- */

/* Holds its worker while `open` is not set. */
typedef struct hold {
  RTH_ATOMIC(int) holds, open;
} hold_t;

static int is_held(void *h) { return rth__load_acq(&((hold_t *)h)->holds); }
static int is_let_go(void *h) { return rth__load_acq(&((hold_t *)h)->open); }
static void hold(void *h, rth_cx_t *cx) {
  (void)cx;
  rth__store_rel(&((hold_t *)h)->holds, 1);
  spin_until(is_let_go, h);
}

TEST(the_global_queue_is_measured) {
  rth_runtime_t *rt = new_runtime(1);
  rth_handle_t *h = rth_runtime_handle(rt);
  hold_t held = {0};
  rth_join_t *last;
  int i;
  detach(h, (job_t){.on_poll = hold, .arg = &held});
  spin_until(is_held, &held);
  for (i = 0; i < 4; i++) detach(h, (job_t){0});
  last = spawn(h, (job_t){0});
  ASSERT_EQ(metrics(rt).global_queue_depth, 5);
  rth__store_rel(&held.open, 1);
  (void)join_in(rt, last);
  ASSERT_EQ(metrics(rt).global_queue_depth, 0);
  close_runtime(rt);
}

TEST(what_was_sent_to_current_thread_is_measured) {
  rth_runtime_t *rt = new_runtime(CURRENT);
  int i;
  for (i = 0; i < 5; i++) detach(rth_runtime_handle(rt), (job_t){0});
  ASSERT_EQ(metrics(rt).global_queue_depth, 5);
  (void)block_on(rt, (job_t){.yields = 3});
  ASSERT_EQ(metrics(rt).global_queue_depth, 0);
  close_runtime(rt);
}

static void measure_own_queue(void *rt, rth_cx_t *cx) {
  job_t j = {0};
  int i;
  for (i = 0; i < 10; i++)
    ASSERT_OK(rth_spawn(cx->handle, &job_ops, &j, sizeof j, RTH_SPAWN_SHARE,
                        NULL));
  ASSERT_EQ(worker_metrics(rt, 0).local_queue_depth, 10);
  for (i = 10; i < 300; i++)
    ASSERT_OK(rth_spawn(cx->handle, &job_ops, &j, sizeof j, RTH_SPAWN_SHARE,
                        NULL));
  ASSERT_EQ(worker_metrics(rt, 0).overflow_count, 1);
  ASSERT_EQ(worker_metrics(rt, 0).local_queue_depth, 300 - 129);
  ASSERT_EQ(metrics(rt).global_queue_depth, 129);
}

TEST(a_workers_queue_and_its_overflows_are_measured) {
  rth_runtime_t *rt = new_runtime(1);
  job_t j = {.on_poll = measure_own_queue, .arg = rt};
  (void)join_in(rt, spawn(rth_runtime_handle(rt), j));
  close_runtime(rt);
}

/* ---- workers ------------------------------------------------------------ */

static RTH_ATOMIC(int) ran;
static int has_run(void *arg) {
  (void)arg;
  return rth__load_acq(&ran);
}
static void note_run(void *arg, rth_cx_t *cx) {
  (void)arg;
  (void)cx;
  rth__store_rel(&ran, 1);
}
static void spawn_and_hold(void *arg, rth_cx_t *cx) {
  job_t j = {.on_poll = note_run};
  (void)arg;
  ASSERT_OK(rth_spawn(cx->handle, &job_ops, &j, sizeof j, RTH_SPAWN_SHARE,
                      NULL));
  spin_until(has_run, NULL);
}

TEST(what_is_stolen_is_counted) {
  rth_runtime_t *rt = new_runtime(2);
  (void)join_in(rt, spawn(rth_runtime_handle(rt),
                          (job_t){.on_poll = spawn_and_hold}));
  ASSERT_EQ(worker_metrics(rt, 0).steal_count +
                worker_metrics(rt, 1).steal_count,
            1);
  close_runtime(rt);
}

static int has_parked(void *rt) {
  return worker_metrics(rt, 0).park_count > 0;
}

TEST(an_idle_worker_parks) {
  rth_runtime_t *rt = new_runtime(1);
  spin_until(has_parked, rt);
  close_runtime(rt);
}

static void be_busy(void *arg, rth_cx_t *cx) {
  uint64_t until = rth_now() + 5 * MS;
  (void)arg;
  (void)cx;
  while (rth_now() < until) continue;
}

TEST_FLAVORS(the_time_that_tasks_take_is_busy) {
  rth_runtime_t *rt = new_runtime(workers);
  uint64_t busy = 0;
  unsigned i;
  (void)join_in(rt, spawn(rth_runtime_handle(rt),
                          (job_t){.on_poll = be_busy}));
  for (i = 0; i < metrics(rt).num_workers; i++)
    busy += worker_metrics(rt, i).busy_duration;
  ASSERT_GE(busy, 5 * MS);
  close_runtime(rt);
}
