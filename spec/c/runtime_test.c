/* runtime_test - starting, hooks, shutting down in every state. */
#include "base/fault.h"
#include "futures.h"

/* ---- starting ----------------------------------------------------------- */

TEST_FLAVORS(a_runtime_starts_and_closes_and_leaves_nothing) {
  close_runtime(new_runtime(workers));
}

TEST(options_that_make_no_sense_are_refused) {
  rth_options_t o = options_for(CURRENT);
  rth_runtime_t *rt = NULL;
  o.worker_threads = 1;
  ASSERT_EQ(rth_runtime_new(&o, &rt), RTH_EINVAL);
  o = options_for(2);
  o.start_paused = 1;
  ASSERT_EQ(rth_runtime_new(&o, &rt), RTH_EINVAL);
  o = options_for(2);
  o.shutdown_on_unhandled = 1;
  ASSERT_EQ(rth_runtime_new(&o, &rt), RTH_EINVAL);
}

TEST(idle_blocking_threads_stay_for_ten_seconds_unless_told) {
  rth_options_t o;
  rth_options_init(&o);
  ASSERT_EQ(o.thread_keep_alive, 10 * SEC);
}

TEST(the_environment_gives_the_number_of_workers) {
  rth_options_t o = options_for(4);
  rth_runtime_t *rt;
  setenv("RTHANDLE_WORKER_THREADS", "3", 1);
  o.worker_threads = 0;
  ASSERT_OK(rth_runtime_new(&o, &rt));
  ASSERT_EQ(rth_handle_num_workers(rth_runtime_handle(rt)), 3);
  close_runtime(rt);
}

TEST(a_number_of_workers_that_is_none_is_refused) {
  static const char *const bad[] = {"0", "-1", "x", "2x", "", " ", "1e3",
                                    "99999999999999999999"};
  unsigned i, n;
  int from_env;
  for (i = 0; i < sizeof bad / sizeof *bad; i++) {
    setenv("RTHANDLE_WORKER_THREADS", bad[i], 1);
    ASSERT_EQ(rth_default_workers(&n, &from_env), RTH_EINVAL);
  }
  unsetenv("RTHANDLE_WORKER_THREADS");
  ASSERT_OK(rth_default_workers(&n, &from_env));
  ASSERT(!from_env);
  ASSERT_GE(n, 1);
}

static RTH_ATOMIC(int) released;
static void release(void *arg) {
  (void)arg;
  (void)rth__add_ar(&released, 1);
}

TEST(a_refused_worker_thread_fails_the_start_and_leaves_nothing) {
  int refused;
  for (refused = 0; refused < 4; refused++) {
    rth_options_t o = options_for(4);
    rth_runtime_t *rt = NULL;
    o.release = release;
    rth__fault_set(RTH_FAULT_THREAD, refused, -1);
    ASSERT_EQ(rth_runtime_new(&o, &rt), RTH_EAGAIN);
    ASSERT_EQ(rth_live_allocations(), 0);
  }
  rth__fault_set(RTH_FAULT_THREAD, 0, 0);
  ASSERT_EQ(rth__load_acq(&released), 0);
  close_runtime(new_runtime(4));
}

TEST(a_refused_descriptor_fails_the_start_and_leaves_nothing) {
  int refused;
  for (refused = 0; refused < 4; refused++) {
    rth_options_t o = options_for(4);
    rth_runtime_t *rt = NULL;
    rth__fault_set(RTH_FAULT_WAKE_FD, refused, 1);
    ASSERT_EQ(rth_runtime_new(&o, &rt), RTH_EMFILE);
    ASSERT_EQ(rth_live_allocations(), 0);
  }
}

TEST_FLAVORS(a_refused_descriptor_fails_block_on_and_drops_its_future) {
  rth_runtime_t *rt = new_runtime(workers);
  fate_t fate = {0};
  job_t j = {.fate = &fate};
  rth_outcome_t o;
  rth__fault_set(RTH_FAULT_WAKE_FD, 0, 1);
  ASSERT_EQ(rth_runtime_block_on(rt, &job_ops, &j, &o), RTH_EMFILE);
  ASSERT_FATE(&fate, polls, 0);
  ASSERT_FATE(&fate, cancels, 0);
  ASSERT_FATE(&fate, drops, 1);
  close_runtime(rt);
}

TEST(names_ids_and_flavors_are_told) {
  rth_options_t o = options_for(2);
  rth_runtime_t *a, *b = new_runtime(CURRENT);
  char name[] = "mine";
  o.name = name;
  ASSERT_OK(rth_runtime_new(&o, &a));
  name[0] = 'x'; /* it was copied */
  ASSERT_STR_EQ(rth_handle_name(rth_runtime_handle(a)), "mine");
  ASSERT_PTR_EQ(rth_handle_name(rth_runtime_handle(b)), NULL);
  ASSERT_EQ(rth_handle_flavor(rth_runtime_handle(a)), RTH_MULTI_THREAD);
  ASSERT_EQ(rth_handle_flavor(rth_runtime_handle(b)), RTH_CURRENT_THREAD);
  ASSERT_EQ(rth_handle_num_workers(rth_runtime_handle(a)), 2);
  ASSERT_EQ(rth_handle_num_workers(rth_runtime_handle(b)), 1);
  ASSERT_NE(rth_handle_id(rth_runtime_handle(a)),
            rth_handle_id(rth_runtime_handle(b)));
  close_runtime(a);
  close_runtime(b);
}

/* ---- hooks -------------------------------------------------------------- */

static RTH_ATOMIC(int) started, stopped;
static RTH_ATOMIC(unsigned) indices; /* one bit each */

static void on_start(void *arg, const rth_thread_info_t *t, void **data) {
  ASSERT_PTR_EQ(arg, &started);
  *data = number(100 + t->index);
  (void)rth__add_ar(&started, 1);
  if (t->kind != RTH_THREAD_BLOCKING)
    (void)rth__or_ar(&indices, 1u << t->index);
}
static void on_stop(void *arg, const rth_thread_info_t *t, void *data) {
  ASSERT_PTR_EQ(arg, &started);
  ASSERT_PTR_EQ(data, number(100 + t->index));
  (void)rth__add_ar(&stopped, 1);
}

static rth_runtime_t *hooked(unsigned workers) {
  rth_options_t o = options_for(workers);
  rth_runtime_t *rt;
  o.thread_start = on_start;
  o.thread_stop = on_stop;
  o.release = release;
  o.arg = &started;
  ASSERT_OK(rth_runtime_new(&o, &rt));
  return rt;
}

TEST(every_worker_starts_and_stops_once) {
  close_runtime(hooked(4));
  ASSERT_EQ(rth__load_acq(&started), 4);
  ASSERT_EQ(rth__load_acq(&stopped), 4);
  ASSERT_EQ(rth__load_acq(&indices), 15);
  ASSERT_EQ(rth__load_acq(&released), 1);
}

TEST(a_blocking_thread_starts_and_stops_too) {
  rth_runtime_t *rt = hooked(1);
  (void)join_in(rt, spawn_blocking(rth_runtime_handle(rt), (job_t){0}));
  ASSERT_EQ(rth__load_acq(&started), 2);
  close_runtime(rt);
  ASSERT_EQ(rth__load_acq(&stopped), 2);
}

static void see_data(void *arg, rth_cx_t *cx) {
  (void)arg;
  ASSERT_PTR_EQ(cx->data, number(100 + (unsigned)rth_worker_index()));
  ASSERT_PTR_EQ(rth_thread_data(), cx->data);
}

TEST(polls_see_the_data_of_their_thread) {
  rth_runtime_t *rt = hooked(4);
  int i;
  for (i = 0; i < 100; i++)
    (void)join_in(rt, spawn(rth_runtime_handle(rt),
                            (job_t){.on_poll = see_data, .yields = 2}));
  close_runtime(rt);
}

static void see_blocking_data(void *arg, rth_cx_t *cx) {
  (void)arg;
  ASSERT_PTR_EQ(cx->data, number(100));
  ASSERT_PTR_EQ(rth_thread_data(), cx->data);
}

TEST(blocking_functions_see_the_data_of_their_thread) {
  rth_runtime_t *rt = hooked(1);
  (void)join_in(rt, spawn_blocking(rth_runtime_handle(rt),
                                   (job_t){.on_poll = see_blocking_data}));
  close_runtime(rt);
}

TEST(current_thread_starts_when_first_driven_and_stops_at_the_end) {
  rth_runtime_t *rt = hooked(CURRENT);
  ASSERT_EQ(rth__load_acq(&started), 0);
  (void)block_on(rt, (job_t){0});
  (void)block_on(rt, (job_t){0});
  ASSERT_EQ(rth__load_acq(&started), 1);
  ASSERT_EQ(rth__load_acq(&stopped), 0);
  close_runtime(rt);
  ASSERT_EQ(rth__load_acq(&stopped), 1);
  ASSERT_EQ(rth__load_acq(&released), 1);
}

TEST(release_waits_for_the_last_handle) {
  rth_runtime_t *rt = hooked(2);
  rth_handle_t *h = rth_handle_clone(rth_runtime_handle(rt));
  close_runtime(rt);
  ASSERT_EQ(rth__load_acq(&released), 0);
  ASSERT(rth_handle_is_shutdown(h));
  rth_handle_free(h);
  ASSERT_EQ(rth__load_acq(&released), 1);
}

/* ---- shutting down ------------------------------------------------------ */

TEST_FLAVORS(a_second_shutdown_does_nothing) {
  rth_runtime_t *rt = new_runtime(workers);
  ASSERT_OK(rth_runtime_shutdown(rt, RTH_FOREVER));
  ASSERT_OK(rth_runtime_shutdown(rt, RTH_FOREVER));
  ASSERT_OK(rth_runtime_shutdown(rt, 0));
  rth_runtime_free(rt);
}

TEST_FLAVORS(shutdown_drops_tasks_that_wait_and_not_before) {
  rth_runtime_t *rt = new_runtime(workers);
  gate_t gate = GATE_INIT;
  fate_t fates[10] = {0};
  int i;
  for (i = 0; i < 10; i++)
    detach(rth_runtime_handle(rt), (job_t){.fate = &fates[i], .gate = &gate});
  for (i = 0; i < 10; i++) drive_until(rt, is_polled, &fates[i]);
  for (i = 0; i < 10; i++) ASSERT_FATE(&fates[i], drops, 0);
  close_runtime(rt);
  for (i = 0; i < 10; i++) {
    ASSERT_FATE(&fates[i], cancels, 1);
    ASSERT_FATE(&fates[i], drops, 1);
  }
  gate_forget(&gate);
}

TEST(shutdown_ends_tasks_that_were_never_driven) {
  rth_runtime_t *rt = new_runtime(CURRENT);
  fate_t fate = {0};
  rth_join_t *j = spawn(rth_runtime_handle(rt), (job_t){.fate = &fate});
  close_runtime(rt);
  ASSERT_FATE(&fate, polls, 0);
  ASSERT_FATE(&fate, drops, 1);
  ASSERT(rth_join_is_finished(j));
  rth_join_free(j);
}

TEST_FLAVORS(a_pending_join_handle_ends_cancelled_at_shutdown) {
  rth_runtime_t *rt = new_runtime(workers);
  fate_t fate = {0};
  rth_waker_t none = {0};
  rth_outcome_t o;
  rth_join_t *j = spawn(rth_runtime_handle(rt),
                        (job_t){.fate = &fate, .forever = 1});
  drive_until(rt, is_polled, &fate);
  close_runtime(rt);
  ASSERT_EQ(rth_join_poll(j, &none, &o), RTH_READY);
  ASSERT_EQ(o.how, RTH_PENDING);
  rth_join_free(j);
}

TEST_FLAVORS(spawning_after_shutdown_gives_a_cancelled_join_handle) {
  rth_runtime_t *rt = new_runtime(workers);
  rth_handle_t *h = rth_handle_clone(rth_runtime_handle(rt));
  fate_t fate = {0};
  rth_waker_t none = {0};
  rth_outcome_t o;
  rth_join_t *j;
  int blocking;
  close_runtime(rt);
  for (blocking = 0; blocking < 2; blocking++) {
    job_t job = {.fate = &fate};
    j = blocking ? spawn_blocking(h, job) : spawn(h, job);
    ASSERT(rth_join_is_finished(j));
    ASSERT_EQ(rth_join_poll(j, &none, &o), RTH_READY);
    ASSERT_EQ(o.how, RTH_PENDING);
    rth_join_free(j);
  }
  ASSERT_FATE(&fate, polls, 0);
  ASSERT_FATE(&fate, drops, 2);
  rth_handle_free(h);
}

/* Its drop wakes who waits at the gate. */
static void open_on_drop(void *self) {
  gate_open(((job_t *)self)->gate);
  job_drop(self);
}
static const rth_future_ops_t opening_ops = {job_poll, NULL, open_on_drop,
                                             NULL};

TEST_FLAVORS(tasks_that_wake_each_other_when_dropped_do_not_hang_shutdown) {
  rth_runtime_t *rt = new_runtime(workers);
  gate_t gates[20];
  fate_t fate = {0};
  int i;
  for (i = 0; i < 20; i++) gates[i] = (gate_t)GATE_INIT;
  for (i = 0; i < 20; i++) {
    /* waits at its own gate, which it opens; the next waits there, too */
    job_t a = {.fate = &fate, .gate = &gates[i], .forever = 1};
    job_t b = {.fate = &fate, .gate = &gates[(i + 1) % 20], .forever = 1};
    ASSERT_OK(rth_spawn(rth_runtime_handle(rt), &opening_ops, &a, sizeof a, 0,
                        NULL));
    detach(rth_runtime_handle(rt), b);
  }
  drive_until(rt, is_polled, &fate);
  close_runtime(rt);
  ASSERT_FATE(&fate, drops, 40);
  for (i = 0; i < 20; i++) gate_forget(&gates[i]);
}

/* Between the first and the last task that shutdown finds there are so many
** that the workers end the first long before. */
enum { FIRST = 8, BETWEEN = 20000, WAITING = 64 };

static int all_polled(void *fate) {
  return rth__load_acq(&((fate_t *)fate)->polls) == FIRST + BETWEEN + WAITING;
}

TEST_FLAVORS(no_task_sees_another_end_by_shutdown) {
  rth_runtime_t *rt = new_runtime(workers);
  rth_handle_t *h = rth_runtime_handle(rt);
  gate_t gate = GATE_INIT;
  fate_t fate = {0};
  int i;
  for (i = 0; i < WAITING; i++)
    detach(h, (job_t){.fate = &fate, .gate = &gate, .forever = 1});
  for (i = 0; i < BETWEEN; i++) detach(h, (job_t){.fate = &fate, .forever = 1});
  for (i = 0; i < FIRST; i++) {
    job_t first = {.fate = &fate, .gate = &gate};
    ASSERT_OK(rth_spawn(h, &opening_ops, &first, sizeof first, 0, NULL));
  }
  drive_until(rt, all_polled, &fate);
  close_runtime(rt);
  ASSERT_FATE(&fate, polls, FIRST + BETWEEN + WAITING);
  ASSERT_FATE(&fate, drops, FIRST + BETWEEN + WAITING);
  gate_forget(&gate);
}

/* ---- shutdown and blocking functions ------------------------------------ */

static void wait_at(void *arg, rth_cx_t *cx) {
  gate_t *g = arg;
  int open = 0;
  (void)cx;
  while (!open) {
    pthread_mutex_lock(&g->lock);
    open = g->open;
    pthread_mutex_unlock(&g->lock);
    usleep(100);
  }
}

typedef struct blocking {
  fate_t fate, out;
  gate_t gate;
  RTH_ATOMIC(int) runs;
} blocking_t;

static void run_blocking(void *arg, rth_cx_t *cx) {
  blocking_t *b = arg;
  rth__store_rel(&b->runs, 1);
  wait_at(&b->gate, cx);
}
static int runs(void *b) { return rth__load_acq(&((blocking_t *)b)->runs); }

static job_t blocking_job(blocking_t *b) {
  return (job_t){.fate = &b->fate, .on_poll = run_blocking, .arg = b,
                 .out = &b->out};
}

/* A task that waits for another one. */
typedef struct waiting {
  fate_t *fate;
  rth_join_t *join;
} waiting_t;

static rth_poll_t waiting_poll(void *self, rth_cx_t *cx, void **out) {
  waiting_t *w = self;
  rth_outcome_t o;
  *out = NULL;
  COUNT(w, polls);
  return rth_join_poll(w->join, &cx->waker, &o);
}

static void waiting_drop(void *self) {
  waiting_t *w = self;
  rth_join_free(w->join);
  COUNT(w, drops);
}

static const rth_future_ops_t waiting_ops = {waiting_poll, NULL, waiting_drop,
                                             NULL};

enum { QUEUED = 5000 };

static int all_wait(void *fate) {
  return rth__load_acq(&((fate_t *)fate)->polls) == QUEUED;
}

TEST_FLAVORS(no_task_sees_shutdown_cancel_a_blocking_function_in_the_queue) {
  rth_options_t options = options_for(workers);
  rth_runtime_t *rt;
  blocking_t b = {.gate = GATE_INIT};
  fate_t fate = {0};
  int i;
  options.max_blocking_threads = 1;
  ASSERT_OK(rth_runtime_new(&options, &rt));
  rth_join_free(spawn_blocking(rth_runtime_handle(rt), blocking_job(&b)));
  for (i = 0; i < QUEUED; i++) {
    rth_handle_t *h = rth_runtime_handle(rt);
    waiting_t w = {&fate, spawn_blocking(h, (job_t){0})};
    ASSERT_OK(rth_spawn(h, &waiting_ops, &w, sizeof w, 0, NULL));
  }
  drive_until(rt, all_wait, &fate);
  ASSERT_OK(rth_runtime_shutdown(rt, 0));
  gate_open(&b.gate);
  close_runtime(rt);
  ASSERT_FATE(&fate, polls, QUEUED);
  ASSERT_FATE(&fate, drops, QUEUED);
}

static void *open_later(void *gate) {
  usleep(20000);
  gate_open(gate);
  return NULL;
}

TEST_FLAVORS(close_waits_for_a_blocking_function_that_runs) {
  rth_runtime_t *rt = new_runtime(workers);
  blocking_t b = {.gate = GATE_INIT};
  rth_join_t *j = spawn_blocking(rth_runtime_handle(rt), blocking_job(&b));
  rth_waker_t none = {0};
  rth_outcome_t o;
  pthread_t t;
  spin_until(runs, &b);
  pthread_create(&t, NULL, open_later, &b.gate);
  close_runtime(rt);
  ASSERT_FATE(&b.fate, drops, 1);
  pthread_join(t, NULL);
  ASSERT_EQ(rth_join_poll(j, &none, &o), RTH_READY);
  ASSERT_EQ(o.how, RTH_READY);
  rth_join_free(j);
}

TEST_FLAVORS(shutdown_with_a_timeout_leaves_a_blocking_function_behind) {
  rth_runtime_t *rt = new_runtime(workers);
  blocking_t b = {.gate = GATE_INIT};
  rth_join_t *j = spawn_blocking(rth_runtime_handle(rt), blocking_job(&b));
  spin_until(runs, &b);
  ASSERT_OK(rth_runtime_shutdown(rt, 5 * MS));
  ASSERT(!rth_join_is_finished(j));
  gate_open(&b.gate);
  ASSERT_OK(rth_runtime_shutdown(rt, RTH_FOREVER)); /* now it waits */
  ASSERT(rth_join_is_finished(j));
  rth_join_free(j);
  rth_runtime_free(rt);
  while (rth_live_allocations() != 0) usleep(100); /* its thread is detached */
}

TEST_FLAVORS(shutdown_in_background_does_not_wait) {
  rth_runtime_t *rt = new_runtime(workers);
  blocking_t b = {.gate = GATE_INIT};
  rth_join_t *j = spawn_blocking(rth_runtime_handle(rt), blocking_job(&b));
  spin_until(runs, &b);
  ASSERT_OK(rth_runtime_shutdown(rt, 0));
  rth_runtime_free(rt);
  ASSERT(!rth_join_is_finished(j));
  gate_open(&b.gate);
  spin_until(is_finished, j);
  rth_join_free(j);
  while (rth_live_allocations() != 0) usleep(100);
}

TEST_FLAVORS(shutdown_with_a_long_timeout_returns_when_nothing_runs) {
  rth_runtime_t *rt = new_runtime(workers);
  (void)join_in(rt, spawn_blocking(rth_runtime_handle(rt), (job_t){0}));
  ASSERT_OK(rth_runtime_shutdown(rt, 10000 * SEC));
  rth_runtime_free(rt);
}

/* ---- shutdown from where tasks run -------------------------------------- */

static void shut_down_inside(void *arg, rth_cx_t *cx) {
  (void)cx;
  ASSERT_EQ(rth_runtime_shutdown(arg, RTH_FOREVER), RTH_EBLOCKING);
  ASSERT_EQ(rth_runtime_shutdown(arg, SEC), RTH_EBLOCKING);
}

TEST_FLAVORS(a_task_may_not_wait_for_shutdown) {
  rth_runtime_t *rt = new_runtime(workers), *other = new_runtime(2);
  job_t j = {.on_poll = shut_down_inside, .arg = rt};
  (void)join_in(rt, spawn(rth_runtime_handle(rt), j));
  (void)block_on(rt, j);
  j.arg = other;
  (void)block_on(rt, j);
  ASSERT(!rth_handle_is_shutdown(rth_runtime_handle(rt)));
  ASSERT(!rth_handle_is_shutdown(rth_runtime_handle(other)));
  close_runtime(rt);
  close_runtime(other);
}

static void shut_down_in_background(void *arg, rth_cx_t *cx) {
  (void)cx;
  ASSERT_OK(rth_runtime_shutdown(arg, 0));
}

TEST_FLAVORS(a_task_may_shut_its_runtime_down_in_background) {
  rth_runtime_t *rt = new_runtime(workers);
  fate_t fate = {0};
  job_t j = {.fate = &fate, .on_poll = shut_down_in_background, .arg = rt,
             .forever = 1};
  rth_outcome_t o = join_in(rt, spawn(rth_runtime_handle(rt), j));
  ASSERT_EQ(o.how, RTH_PENDING); /* cancelled as it suspended */
  ASSERT_FATE(&fate, polls, 1);
  close_runtime(rt);
  while (rth_live_allocations() != 0) usleep(100); /* threads are detached */
}

static void make_another(void *arg, rth_cx_t *cx) {
  rth_runtime_t **out = arg;
  (void)cx;
  *out = new_runtime(2);
}

TEST_FLAVORS(a_task_may_make_a_runtime_that_is_used_outside) {
  rth_runtime_t *rt = new_runtime(workers), *other = NULL;
  job_t seven = {.out = number(7)};
  (void)block_on(rt, (job_t){.on_poll = make_another, .arg = &other});
  ASSERT_PTR_EQ(block_on(other, seven).value, number(7));
  close_runtime(other);
  close_runtime(rt);
}
