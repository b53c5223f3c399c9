/* pool_test - blocking functions: threads on demand, their number and end, the
** queue, refusals of the system. */
#include "base/fault.h"
#include "futures.h"

static rth_runtime_t *pool_of(unsigned max, uint64_t keep_alive) {
  rth_options_t o = options_for(1);
  rth_runtime_t *rt;
  o.max_blocking_threads = max;
  if (keep_alive != 0) o.thread_keep_alive = keep_alive;
  ASSERT_OK(rth_runtime_new(&o, &rt));
  return rt;
}

/* A blocking function that runs until its gate opens. */
typedef struct held {
  gate_t gate;
  RTH_ATOMIC(int) running, most; /* at once */
} held_t;

static void hold(void *arg, rth_cx_t *cx) {
  held_t *h = arg;
  int now = rth__add_ar(&h->running, 1) + 1, open = 0;
  int most = rth__load_acq(&h->most);
  ASSERT_PTR_EQ(cx->local, NULL);
  while (now > most && !rth__cas_ar(&h->most, &most, now)) continue;
  while (!open) {
    pthread_mutex_lock(&h->gate.lock);
    open = h->gate.open;
    pthread_mutex_unlock(&h->gate.lock);
    usleep(100);
  }
  (void)rth__sub_ar(&h->running, 1);
}

static job_t held_job(held_t *h, uintptr_t n) {
  return (job_t){.on_poll = hold, .arg = h, .out = number(n)};
}
static rth_join_t *spawn_held(rth_runtime_t *rt, held_t *h, uintptr_t n) {
  job_t j = held_job(h, n);
  rth_join_t *out;
  ASSERT_OK(rth_spawn_blocking(rth_runtime_handle(rt), &number_ops, &j,
                               sizeof j, &out));
  return out;
}
static rth_metrics_t metrics(rth_runtime_t *rt) {
  rth_metrics_t m;
  rth_handle_metrics(rth_runtime_handle(rt), &m);
  return m;
}

static int three_run(void *h) {
  return rth__load_acq(&((held_t *)h)->running) == 3;
}
static int one_runs(void *h) {
  return rth__load_acq(&((held_t *)h)->running) == 1;
}

TEST_FLAVORS(a_blocking_function_gives_its_output) {
  rth_runtime_t *rt = new_runtime(workers);
  job_t j = {.out = number(42)};
  rth_join_t *join;
  int i;
  for (i = 0; i < 100; i++) {
    ASSERT_OK(rth_spawn_blocking(rth_runtime_handle(rt), &number_ops, &j,
                                 sizeof j, &join));
    ASSERT_PTR_EQ(join_in(rt, join).value, number(42));
  }
  close_runtime(rt);
}

TEST_FLAVORS(a_blocking_function_may_fail) {
  rth_runtime_t *rt = new_runtime(workers);
  rth_outcome_t o = join_in(rt, spawn_blocking(rth_runtime_handle(rt),
                                               (job_t){.how = RTH_FAILED}));
  ASSERT_EQ(o.how, RTH_FAILED);
  close_runtime(rt);
}

TEST(no_more_threads_run_than_are_allowed) {
  rth_runtime_t *rt = pool_of(3, 0);
  held_t h = {.gate = GATE_INIT};
  rth_join_t *joins[10];
  uintptr_t i;
  for (i = 0; i < 10; i++) joins[i] = spawn_held(rt, &h, i);
  spin_until(three_run, &h);
  ASSERT_EQ(metrics(rt).num_blocking_threads, 3);
  ASSERT_EQ(metrics(rt).blocking_queue_depth, 7);
  gate_open(&h.gate);
  for (i = 0; i < 10; i++)
    ASSERT_PTR_EQ(join_in(rt, joins[i]).value, number(i));
  i = (uintptr_t)rth__load_acq(&h.most);
  ASSERT_EQ(i, 3);
  close_runtime(rt);
}

static int is_idle(void *rt) {
  return metrics(rt).num_idle_blocking_threads == 1;
}
static int is_gone(void *rt) { return metrics(rt).num_blocking_threads == 0; }

TEST(an_idle_thread_is_used_again) {
  rth_runtime_t *rt = pool_of(10, 0);
  int i;
  for (i = 0; i < 50; i++) {
    (void)join_in(rt, spawn_blocking(rth_runtime_handle(rt), (job_t){0}));
    spin_until(is_idle, rt);
    ASSERT_EQ(metrics(rt).num_blocking_threads, 1);
  }
  close_runtime(rt);
}

TEST(an_idle_thread_ends_after_its_keep_alive) {
  rth_runtime_t *rt = pool_of(10, 2 * MS);
  int i;
  for (i = 0; i < 3; i++) {
    (void)join_in(rt, spawn_blocking(rth_runtime_handle(rt), (job_t){0}));
    spin_until(is_gone, rt);
  }
  close_runtime(rt);
}

TEST(threads_that_come_and_go_lose_no_function) {
  rth_runtime_t *rt = pool_of(4, 1); /* ends at once */
  fate_t fate = {0};
  int i;
  for (i = 0; i < 1000; i++) {
    job_t j = {.fate = &fate};
    ASSERT_OK(rth_spawn_blocking(rth_runtime_handle(rt), &job_ops, &j,
                                 sizeof j, NULL));
    if (i % 10 == 0)
      (void)join_in(rt, spawn_blocking(rth_runtime_handle(rt), (job_t){0}));
  }
  spin_until(is_gone, rt);
  ASSERT_FATE(&fate, polls, 1000);
  ASSERT_FATE(&fate, drops, 1000);
  close_runtime(rt);
}

TEST(an_aborted_function_in_the_queue_never_runs) {
  rth_runtime_t *rt = pool_of(1, 0);
  held_t h = {.gate = GATE_INIT};
  fate_t fate = {0};
  rth_join_t *running = spawn_held(rt, &h, 0), *queued;
  spin_until(one_runs, &h);
  queued = spawn_blocking(rth_runtime_handle(rt), (job_t){.fate = &fate});
  rth_join_abort(queued);
  gate_open(&h.gate);
  ASSERT_EQ(join_in(rt, queued).how, RTH_PENDING);
  ASSERT_FATE(&fate, polls, 0);
  ASSERT_FATE(&fate, drops, 1);
  ASSERT_EQ(join_in(rt, running).how, RTH_READY);
  close_runtime(rt);
}

TEST(an_aborted_function_that_runs_goes_on_to_its_end) {
  rth_runtime_t *rt = pool_of(1, 0);
  held_t h = {.gate = GATE_INIT};
  rth_join_t *j = spawn_held(rt, &h, 7);
  spin_until(one_runs, &h);
  rth_join_abort(j);
  gate_open(&h.gate);
  ASSERT_PTR_EQ(join_in(rt, j).value, number(7));
  close_runtime(rt);
}

TEST(shutdown_never_starts_what_is_queued) {
  rth_runtime_t *rt = pool_of(1, 0);
  held_t h = {.gate = GATE_INIT};
  fate_t fate = {0};
  rth_waker_t none = {0};
  rth_outcome_t o;
  rth_join_t *running = spawn_held(rt, &h, 0), *queued[5];
  int i;
  spin_until(one_runs, &h);
  for (i = 0; i < 5; i++)
    queued[i] = spawn_blocking(rth_runtime_handle(rt),
                               (job_t){.fate = &fate});
  ASSERT_OK(rth_runtime_shutdown(rt, 1));
  for (i = 0; i < 5; i++) {
    ASSERT_EQ(rth_join_poll(queued[i], &none, &o), RTH_READY);
    ASSERT_EQ(o.how, RTH_PENDING);
    rth_join_free(queued[i]);
  }
  ASSERT_FATE(&fate, polls, 0);
  ASSERT_FATE(&fate, drops, 5);
  gate_open(&h.gate);
  close_runtime(rt);
  rth_join_free(running);
  while (rth_live_allocations() != 0) usleep(100);
}

/* ---- from inside -------------------------------------------------------- */

static void spawn_both(void *rt, rth_cx_t *cx) {
  rth_handle_t *h = rth_current();
  (void)cx;
  ASSERT_EQ(join_in(rt, spawn(h, (job_t){.yields = 1})).how, RTH_READY);
  ASSERT_EQ(join_in(rt, spawn_blocking(h, (job_t){0})).how, RTH_READY);
  rth_handle_free(h);
}

TEST_FLAVORS(a_blocking_function_may_spawn_and_wait_for_both_kinds) {
  rth_runtime_t *rt = new_runtime(workers);
  job_t j = {.on_poll = spawn_both, .arg = rt};
  (void)join_in(rt, spawn_blocking(rth_runtime_handle(rt), j));
  close_runtime(rt);
}

/* ---- a system that refuses threads -------------------------------------- */

TEST(without_any_thread_a_refusal_is_answered_and_nothing_is_consumed) {
  rth_runtime_t *rt = pool_of(4, 0);
  fate_t fate = {0};
  job_t j = {.fate = &fate};
  rth_join_t *join = NULL;
  rth__fault_set(RTH_FAULT_THREAD, 0, 1);
  ASSERT_EQ(rth_spawn_blocking(rth_runtime_handle(rt), &job_ops, &j, sizeof j,
                               &join),
            RTH_EAGAIN);
  ASSERT_PTR_EQ(join, NULL);
  ASSERT_FATE(&fate, drops, 0);
  ASSERT_OK(rth_spawn_blocking(rth_runtime_handle(rt), &job_ops, &j, sizeof j,
                               &join)); /* now there is one */
  ASSERT_EQ(join_in(rt, join).how, RTH_READY);
  close_runtime(rt);
}

TEST(while_one_thread_lives_refused_ones_only_make_the_queue_longer) {
  rth_runtime_t *rt = pool_of(4, 0);
  held_t h = {.gate = GATE_INIT};
  rth_join_t *joins[10];
  uintptr_t i;
  rth__fault_set(RTH_FAULT_THREAD, 1, -1);
  for (i = 0; i < 10; i++) joins[i] = spawn_held(rt, &h, i);
  spin_until(one_runs, &h);
  ASSERT_EQ(metrics(rt).num_blocking_threads, 1);
  ASSERT_EQ(metrics(rt).blocking_queue_depth, 9);
  gate_open(&h.gate);
  for (i = 0; i < 10; i++)
    ASSERT_PTR_EQ(join_in(rt, joins[i]).value, number(i));
  close_runtime(rt);
}

/* ---- conservation ------------------------------------------------------- */

static fate_t storm_fate;

static void *storm(void *rt) {
  int i;
  for (i = 0; i < 500; i++) {
    job_t j = {.fate = &storm_fate};
    ASSERT_OK(rth_spawn_blocking(rth_runtime_handle(rt), &job_ops, &j,
                                 sizeof j, NULL));
  }
  return NULL;
}

TEST(functions_from_many_threads_run_once_each_or_are_cancelled) {
  rth_runtime_t *rt = pool_of(8, MS);
  pthread_t t[4];
  int i, polls, cancels;
  for (i = 0; i < 4; i++) pthread_create(&t[i], NULL, storm, rt);
  for (i = 0; i < 4; i++) pthread_join(t[i], NULL);
  close_runtime(rt);
  polls = rth__load_acq(&storm_fate.polls);
  cancels = 2000 - polls;
  ASSERT_GE(cancels, 0);
  ASSERT_FATE(&storm_fate, drops, 2000);
}
