/* task_test - tasks among each other: order, waking, stealing, pinning,
** joining, aborting from elsewhere, contexts. */
#include "futures.h"

/* ---- polls and wakes ---------------------------------------------------- */

TEST_FLAVORS(a_task_is_polled_once_for_each_wake) {
  rth_runtime_t *rt = new_runtime(workers);
  fate_t fate = {0};
  gate_t gate = GATE_INIT;
  rth_join_t *j = spawn(rth_runtime_handle(rt),
                        (job_t){.fate = &fate, .gate = &gate, .yields = 2});
  drive_until(rt, is_polled, &fate);
  gate_open(&gate);
  (void)join_in(rt, j);
  ASSERT_FATE(&fate, polls, 4); /* first, gate, two yields */
  close_runtime(rt);
}

static void wake_thrice(void *arg, rth_cx_t *cx) {
  (void)arg;
  rth_wake_by_ref(&cx->waker);
  rth_wake_by_ref(&cx->waker);
  rth_wake_by_ref(&cx->waker);
}

/* Ends at its n-th poll. */
typedef struct countdown {
  int left;
  void (*on_poll)(void *arg, rth_cx_t *cx);
  fate_t *fate;
} countdown_t;

static rth_poll_t countdown_poll(void *self, rth_cx_t *cx, void **out) {
  countdown_t *c = self;
  (void)out;
  (void)rth__add_ar(&c->fate->polls, 1);
  if (--c->left == 0) return RTH_READY;
  c->on_poll(NULL, cx);
  return RTH_PENDING;
}
static const rth_future_ops_t countdown_ops = {countdown_poll, NULL, NULL,
                                               NULL};

TEST_FLAVORS(wakes_during_a_poll_make_one_more_poll) {
  rth_runtime_t *rt = new_runtime(workers);
  fate_t fate = {0};
  countdown_t c = {3, wake_thrice, &fate};
  rth_join_t *j;
  ASSERT_OK(rth_spawn(rth_runtime_handle(rt), &countdown_ops, &c, sizeof c, 0,
                      &j));
  (void)join_in(rt, j);
  ASSERT_FATE(&fate, polls, 3);
  close_runtime(rt);
}

TEST(the_yield_of_one_task_is_not_that_of_the_next) {
  rth_runtime_t *rt = new_runtime(CURRENT);
  gate_t gate = GATE_INIT;
  fate_t fate = {0};
  detach(rth_runtime_handle(rt), (job_t){.yields = 1});
  detach(rth_runtime_handle(rt), (job_t){.fate = &fate, .gate = &gate});
  (void)block_on(rt, (job_t){.yields = 10});
  ASSERT_FATE(&fate, polls, 1);
  gate_forget(&gate);
  close_runtime(rt);
}

static uint64_t seen_id;
static void note_id(void *arg, rth_cx_t *cx) {
  (void)arg;
  seen_id = cx->task_id;
}

TEST_FLAVORS(a_poll_knows_the_id_of_its_task) {
  rth_runtime_t *rt = new_runtime(workers);
  rth_join_t *j = spawn(rth_runtime_handle(rt),
                        (job_t){.on_poll = note_id});
  uint64_t id = rth_join_id(j);
  (void)join_in(rt, j);
  ASSERT_EQ(seen_id, id);
  close_runtime(rt);
}

/* A waker that is kept outlives the task, and even the runtime. */
static rth_waker_t kept;
static void keep_waker(void *arg, rth_cx_t *cx) {
  (void)arg;
  if (kept.ops == NULL) kept = rth_waker_clone(&cx->waker);
}

TEST_FLAVORS(a_waker_may_outlive_its_task_and_the_runtime) {
  rth_runtime_t *rt = new_runtime(workers);
  (void)join_in(rt, spawn(rth_runtime_handle(rt),
                          (job_t){.on_poll = keep_waker}));
  rth_wake_by_ref(&kept);
  close_runtime(rt);
  rth_wake_by_ref(&kept);
  rth_wake(&kept);
}

static pthread_key_t at_thread_end;
static void wake_kept(void *unused) {
  (void)unused;
  rth_wake(&kept);
}
static void *end_with_wake(void *arg) {
  (void)arg;
  pthread_setspecific(at_thread_end, &kept);
  return NULL;
}

TEST_FLAVORS(a_thread_may_wake_a_task_as_it_ends_after_the_runtime) {
  rth_runtime_t *rt = new_runtime(workers);
  pthread_t t;
  fate_t fate = {0};
  pthread_key_create(&at_thread_end, wake_kept);
  detach(rth_runtime_handle(rt),
         (job_t){.fate = &fate, .on_poll = keep_waker, .forever = 1});
  drive_until(rt, is_polled, &fate);
  close_runtime(rt);
  pthread_create(&t, NULL, end_with_wake, NULL);
  pthread_join(t, NULL);
}

/* ---- order -------------------------------------------------------------- */

static int order[16], ordered;
static void note_order(void *arg, rth_cx_t *cx) {
  (void)cx;
  order[ordered++] = (int)(uintptr_t)arg;
}

TEST(current_thread_runs_tasks_in_the_order_of_spawning) {
  rth_runtime_t *rt = new_runtime(CURRENT);
  rth_handle_t *h = rth_runtime_handle(rt);
  uintptr_t i;
  for (i = 0; i < 8; i++)
    detach(h, (job_t){.on_poll = note_order, .arg = number(i)});
  (void)join_in(rt, spawn(h, (job_t){0}));
  for (i = 0; i < 8; i++) ASSERT_EQ(order[i], (int)i);
  close_runtime(rt);
}

TEST(a_task_that_yields_comes_after_those_that_are_ready) {
  rth_runtime_t *rt = new_runtime(CURRENT);
  rth_handle_t *h = rth_runtime_handle(rt);
  uintptr_t i;
  for (i = 0; i < 3; i++)
    detach(h, (job_t){.on_poll = note_order, .arg = number(i), .yields = 1});
  (void)join_in(rt, spawn(h, (job_t){.yields = 1}));
  for (i = 0; i < 6; i++) ASSERT_EQ(order[i], (int)(i % 3));
  close_runtime(rt);
}

/* ---- where tasks run ---------------------------------------------------- */

static RTH_ATOMIC(unsigned) seen_workers;
static void note_worker(void *arg, rth_cx_t *cx) {
  (void)arg;
  (void)cx;
  ASSERT_GE(rth_worker_index(), 0);
  (void)rth__or_ar(&seen_workers, 1u << rth_worker_index());
}
static int both_seen(void *arg) {
  (void)arg;
  return rth__load_acq(&seen_workers) == 3;
}

/* Holds its worker until the other has run something. */
static void hold_worker(void *arg, rth_cx_t *cx) {
  note_worker(arg, cx);
  spin_until(both_seen, NULL);
}

static void spawn_fifty(void *h, rth_cx_t *cx) {
  int i;
  (void)cx;
  for (i = 0; i < 50; i++)
    detach(h, (job_t){.on_poll = note_worker});
  note_worker(NULL, cx);
  spin_until(both_seen, NULL);
}

TEST(what_a_busy_worker_spawned_is_stolen) {
  rth_runtime_t *rt = new_runtime(2);
  rth_handle_t *h = rth_runtime_handle(rt);
  (void)join_in(rt, spawn(h, (job_t){.on_poll = spawn_fifty, .arg = h}));
  close_runtime(rt);
}

static void spawn_shared(void *h, rth_cx_t *cx) {
  job_t j = {.on_poll = note_worker};
  ASSERT_OK(rth_spawn(h, &job_ops, &j, sizeof j, RTH_SPAWN_SHARE, NULL));
  hold_worker(NULL, cx);
}

TEST(a_shared_spawn_is_taken_by_another_worker_at_once) {
  rth_runtime_t *rt = new_runtime(2);
  rth_handle_t *h = rth_runtime_handle(rt);
  (void)join_in(rt, spawn(h, (job_t){.on_poll = spawn_shared, .arg = h}));
  close_runtime(rt);
}

typedef struct pinned {
  int worker; /* -1: not yet */
  int polls;
} pinned_t;

static rth_poll_t pinned_poll(void *self, rth_cx_t *cx, void **out) {
  pinned_t *p = self;
  (void)out;
  if (p->worker < 0) {
    p->worker = rth_worker_index();
    rth_pin(cx);
  }
  ASSERT_EQ(rth_worker_index(), p->worker);
  if (++p->polls == 50) return RTH_READY;
  if (p->polls % 2)
    rth_yield(cx);
  else
    rth_wake_by_ref(&cx->waker);
  return RTH_PENDING;
}
static const rth_future_ops_t pinned_ops = {pinned_poll, NULL, NULL, NULL};

TEST(a_pinned_task_stays_on_its_worker) {
  rth_runtime_t *rt = new_runtime(4);
  rth_join_t *joins[100];
  int i;
  for (i = 0; i < 100; i++) {
    pinned_t p = {-1, 0};
    ASSERT_OK(rth_spawn(rth_runtime_handle(rt), &pinned_ops, &p, sizeof p, 0,
                        &joins[i]));
  }
  for (i = 0; i < 100; i++) (void)join_in(rt, joins[i]);
  close_runtime(rt);
}

TEST_FLAVORS(outside_tasks_there_is_no_worker_and_no_context) {
  rth_runtime_t *rt = new_runtime(workers);
  ASSERT_EQ(rth_worker_index(), -1);
  ASSERT_PTR_EQ(rth_current(), NULL);
  ASSERT_PTR_EQ(rth_local_current(), NULL);
  ASSERT_PTR_EQ(rth_thread_data(), NULL);
  close_runtime(rt);
}

static void see_context(void *rt, rth_cx_t *cx) {
  rth_handle_t *h = rth_current();
  ASSERT_PTR_EQ(h, rth_runtime_handle(rt));
  ASSERT_PTR_EQ(cx->handle, h);
  ASSERT_PTR_EQ(rth_local_current(), cx->local);
  rth_handle_free(h);
}

TEST_FLAVORS(tasks_roots_and_blocking_functions_know_their_runtime) {
  rth_runtime_t *rt = new_runtime(workers);
  rth_handle_t *h = rth_runtime_handle(rt);
  job_t j = {.on_poll = see_context, .arg = rt};
  (void)join_in(rt, spawn(h, j));
  (void)join_in(rt, spawn_blocking(h, j));
  (void)block_on(rt, j);
  close_runtime(rt);
}

/* ---- long chains -------------------------------------------------------- */

static RTH_ATOMIC(int) chain_ends;

static void spawn_next(void *h, rth_cx_t *cx) {
  (void)cx;
  if (!rth__load_acq(&chain_ends))
    detach(h, (job_t){.on_poll = spawn_next, .arg = h});
}

TEST(a_chain_of_spawns_does_not_starve_a_worker_s_other_tasks) {
  rth_runtime_t *rt = new_runtime(1);
  rth_handle_t *h = rth_runtime_handle(rt);
  detach(h, (job_t){.on_poll = spawn_next, .arg = h});
  (void)join_in(rt, spawn(h, (job_t){.yields = 50}));
  rth__store_rel(&chain_ends, 1);
  close_runtime(rt);
}

static RTH_ATOMIC(int) budget_left;
static void use_budget(void *arg, rth_cx_t *cx) {
  int n = 0;
  (void)arg;
  while (n < 1000 && rth_budget(cx)) n++;
  rth__store_rel(&budget_left, n);
}

TEST_FLAVORS(a_poll_has_a_budget_of_128) {
  rth_runtime_t *rt = new_runtime(workers);
  (void)join_in(rt, spawn(rth_runtime_handle(rt),
                          (job_t){.on_poll = use_budget, .yields = 1}));
  ASSERT_EQ(rth__load_acq(&budget_left), 128);
  (void)join_in(rt, spawn_blocking(rth_runtime_handle(rt),
                                   (job_t){.on_poll = use_budget}));
  ASSERT_EQ(rth__load_acq(&budget_left), 1000);
  close_runtime(rt);
}

/* ---- joining and aborting from elsewhere -------------------------------- */

/* Waits for another task's JoinHandle; owns it. */
typedef struct awaiting {
  rth_join_t **join;
  fate_t *fate;
} awaiting_t;

static rth_poll_t awaiting_poll(void *self, rth_cx_t *cx, void **out) {
  awaiting_t *a = self;
  rth_outcome_t o;
  (void)rth__add_ar(&a->fate->polls, 1);
  if (*a->join == NULL || !rth_join_poll(*a->join, &cx->waker, &o))
    return RTH_PENDING;
  *out = o.value;
  return o.how == RTH_PENDING ? RTH_FAILED : o.how;
}
static void awaiting_drop(void *self) {
  awaiting_t *a = self;
  if (*a->join != NULL) rth_join_free(*a->join);
  (void)rth__add_ar(&a->fate->drops, 1);
}
static const rth_future_ops_t awaiting_ops = {awaiting_poll, NULL,
                                              awaiting_drop, NULL};

static void make_cycle(void *arg, rth_cx_t *cx) {
  static rth_join_t *joins[2];
  awaiting_t a = {&joins[1], arg}, b = {&joins[0], arg};
  ASSERT_OK(rth_spawn(cx->handle, &awaiting_ops, &a, sizeof a, 0, &joins[0]));
  ASSERT_OK(rth_spawn(cx->handle, &awaiting_ops, &b, sizeof b, 0, &joins[1]));
}

TEST(two_tasks_that_join_each_other_leave_nothing_at_shutdown) {
  rth_runtime_t *rt = new_runtime(CURRENT);
  fate_t fate = {0};
  (void)block_on(rt, (job_t){.on_poll = make_cycle, .arg = &fate});
  (void)block_on(rt, (job_t){.yields = 10});
  close_runtime(rt);
  ASSERT_FATE(&fate, drops, 2);
}

typedef struct chained {
  rth_join_t *join;
  int depth;
} chained_t;

static rth_poll_t chained_poll(void *self, rth_cx_t *cx, void **out);
static const rth_future_ops_t chained_ops = {chained_poll, NULL, NULL, NULL};

static rth_poll_t chained_poll(void *self, rth_cx_t *cx, void **out) {
  chained_t *c = self, next = {NULL, c->depth - 1};
  rth_outcome_t o;
  if (c->depth == 0) {
    *out = number(1);
    return RTH_READY;
  }
  if (c->join == NULL)
    ASSERT_OK(rth_spawn(cx->handle, &chained_ops, &next, sizeof next, 0,
                        &c->join));
  if (!rth_join_poll(c->join, &cx->waker, &o)) return RTH_PENDING;
  rth_join_free(c->join);
  *out = number((uintptr_t)o.value + 1);
  return RTH_READY;
}

TEST_FLAVORS(a_chain_of_a_thousand_tasks_that_join_passes_its_value_up) {
  rth_runtime_t *rt = new_runtime(workers);
  chained_t c = {NULL, 1000};
  rth_join_t *j;
  ASSERT_OK(rth_spawn(rth_runtime_handle(rt), &chained_ops, &c, sizeof c, 0,
                      &j));
  ASSERT_PTR_EQ(join_in(rt, j).value, number(1001));
  close_runtime(rt);
}

TEST_FLAVORS(an_unregistered_join_handle_wakes_nobody) {
  rth_runtime_t *rt = new_runtime(workers);
  gate_t gate = GATE_INIT;
  fate_t fate = {0}, waiter = {0};
  rth_join_t *j = spawn(rth_runtime_handle(rt),
                        (job_t){.fate = &fate, .gate = &gate});
  rth_outcome_t o;
  drive_until(rt, is_polled, &fate);
  detach(rth_runtime_handle(rt),
         (job_t){.fate = &waiter, .on_poll = keep_waker, .forever = 1});
  drive_until(rt, is_polled, &waiter);
  ASSERT_EQ(rth_join_poll(j, &kept, &o), RTH_PENDING);
  rth_join_unregister(j);
  rth_waker_drop(&kept);
  gate_open(&gate);
  drive_until(rt, is_finished, j);
  ASSERT_FATE(&waiter, polls, 1);
  (void)join_in(rt, j);
  close_runtime(rt);
}

static void abort_it(void *join, rth_cx_t *cx) {
  (void)cx;
  rth_join_abort(join);
}

TEST_FLAVORS(a_task_that_aborts_itself_ends_at_its_next_suspension) {
  rth_runtime_t *rt = new_runtime(workers);
  gate_t gate = GATE_INIT;
  fate_t fate = {0};
  job_t job = {.fate = &fate, .gate = &gate, .on_poll = keep_waker};
  rth_join_t *j = spawn(rth_runtime_handle(rt), job), *aborter;
  drive_until(rt, is_polled, &fate);
  aborter = spawn(rth_runtime_handle(rt),
                  (job_t){.on_poll = abort_it, .arg = j});
  (void)join_in(rt, aborter);
  ASSERT_EQ(join_in(rt, j).how, RTH_PENDING);
  ASSERT_FATE(&fate, cancels, 1);
  ASSERT_FATE(&fate, polls, 1);
  rth_waker_drop(&kept);
  gate_forget(&gate);
  close_runtime(rt);
}

static void *abort_from_thread(void *abort) {
  rth_abort(abort);
  rth_abort_free(abort);
  return NULL;
}

static pthread_t cancelled_on;
static rth_poll_t note_cancel(void *self, rth_cx_t *cx, void **out) {
  cancelled_on = pthread_self();
  return job_cancel(self, cx, out);
}
static const rth_future_ops_t noting_ops = {job_poll, note_cancel, job_drop,
                                            NULL};

TEST_FLAVORS(a_local_task_aborted_from_a_thread_is_cancelled_by_its_owner) {
  rth_runtime_t *rt = new_runtime(workers);
  gate_t gate = GATE_INIT;
  fate_t fate = {0};
  job_t job = {.fate = &fate, .gate = &gate};
  joining_t joining = {0};
  rth_local_t *l;
  rth_outcome_t o;
  pthread_t t;
  ASSERT_OK(rth_local_new(rth_runtime_handle(rt), NULL, &l));
  ASSERT_OK(rth_local_spawn(l, &noting_ops, &job, sizeof job, &joining.join));
  pthread_create(&t, NULL, abort_from_thread,
                 rth_join_abort_handle(joining.join));
  ASSERT_OK(rth_local_block_on(l, NULL, &joining_ops, &joining, &o));
  pthread_join(t, NULL);
  ASSERT_EQ(joining.o.how, RTH_PENDING);
  ASSERT_FATE(&fate, cancels, 1);
  ASSERT(pthread_equal(cancelled_on, pthread_self()));
  rth_join_free(joining.join);
  gate_forget(&gate);
  rth_local_free(l);
  close_runtime(rt);
}
