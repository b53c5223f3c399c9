/* block_on_test - one thread runs a future to its end: roots, load, who drives
** a current_thread runtime, and what is refused. */
#include "futures.h"

#include <fcntl.h>
#include <sys/time.h>

/* ---- roots -------------------------------------------------------------- */

TEST_FLAVORS(block_on_gives_the_output_of_its_future) {
  rth_runtime_t *rt = new_runtime(workers);
  rth_outcome_t o = block_on(rt, (job_t){.out = number(42)});
  ASSERT_EQ(o.how, RTH_READY);
  ASSERT_PTR_EQ(o.value, number(42));
  o = block_on(rt, (job_t){.out = number(43), .how = RTH_FAILED});
  ASSERT_EQ(o.how, RTH_FAILED);
  ASSERT_PTR_EQ(o.value, number(43));
  close_runtime(rt);
}

TEST_FLAVORS(a_root_is_polled_once_for_each_wake_and_dropped_once) {
  rth_runtime_t *rt = new_runtime(workers);
  fate_t fate = {0};
  (void)block_on(rt, (job_t){.fate = &fate, .yields = 3});
  ASSERT_FATE(&fate, polls, 4);
  ASSERT_FATE(&fate, drops, 1);
  ASSERT_FATE(&fate, cancels, 0);
  close_runtime(rt);
}

static void *open_soon(void *gate) {
  usleep(5000);
  gate_open(gate);
  return NULL;
}

TEST_FLAVORS(a_thread_wakes_a_root_that_sleeps) {
  rth_runtime_t *rt = new_runtime(workers);
  int i;
  for (i = 0; i < 10; i++) {
    gate_t gate = GATE_INIT;
    pthread_t t;
    pthread_create(&t, NULL, open_soon, &gate);
    (void)block_on(rt, (job_t){.gate = &gate});
    pthread_join(t, NULL);
  }
  close_runtime(rt);
}

enum { MANY = 200 };

static gate_t gates[MANY];

static void *open_all(void *arg) {
  int i;
  (void)arg;
  for (i = 0; i < MANY; i++) gate_open(&gates[i]);
  return NULL;
}

TEST_FLAVORS(many_tasks_fed_by_a_thread_all_end) {
  rth_runtime_t *rt = new_runtime(workers);
  rth_join_t *joins[MANY];
  pthread_t t;
  uintptr_t i;
  for (i = 0; i < MANY; i++) {
    gates[i] = (gate_t)GATE_INIT;
    joins[i] = spawn_number(rth_runtime_handle(rt),
                            (job_t){.gate = &gates[i], .out = number(i)});
  }
  pthread_create(&t, NULL, open_all, NULL);
  for (i = 0; i < MANY; i++)
    ASSERT_PTR_EQ(join_in(rt, joins[i]).value, number(i));
  pthread_join(t, NULL);
  close_runtime(rt);
}

/* ---- load --------------------------------------------------------------- */

TEST_FLAVORS(a_root_ends_though_tasks_are_always_ready) {
  rth_runtime_t *rt = new_runtime(workers);
  int i;
  for (i = 0; i < 5; i++)
    detach(rth_runtime_handle(rt), (job_t){.yields = 1000000000});
  (void)block_on(rt, (job_t){.yields = 100});
  close_runtime(rt);
}

TEST_FLAVORS(a_task_ends_though_others_are_always_ready) {
  rth_runtime_t *rt = new_runtime(workers);
  int i;
  for (i = 0; i < 5; i++)
    detach(rth_runtime_handle(rt), (job_t){.yields = 1000000000});
  (void)join_in(rt, spawn(rth_runtime_handle(rt), (job_t){.yields = 100}));
  close_runtime(rt);
}

/* Wakes itself, rather than yielding. */
static void wake_self(void *arg, rth_cx_t *cx) {
  (void)arg;
  rth_wake_by_ref(&cx->waker);
}

TEST_FLAVORS(tasks_that_wake_themselves_starve_nobody) {
  rth_runtime_t *rt = new_runtime(workers);
  int i;
  for (i = 0; i < 5; i++)
    detach(rth_runtime_handle(rt),
           (job_t){.on_poll = wake_self, .forever = 1});
  (void)join_in(rt, spawn(rth_runtime_handle(rt), (job_t){.yields = 10}));
  (void)block_on(rt, (job_t){.yields = 10});
  close_runtime(rt);
}

/* ---- spawning from another thread --------------------------------------- */

static void open_gate(void *gate, rth_cx_t *cx) {
  (void)cx;
  gate_open(gate);
}

typedef struct spawner {
  rth_handle_t *h;
  gate_t *gate;
} spawner_t;

static void *spawn_opener(void *arg) {
  spawner_t *s = arg;
  usleep(5000);
  detach(s->h, (job_t){.on_poll = open_gate, .arg = s->gate});
  return NULL;
}

static void spawned_elsewhere(unsigned workers, int load) {
  rth_runtime_t *rt = new_runtime(workers);
  gate_t gate = GATE_INIT;
  spawner_t s = {rth_runtime_handle(rt), &gate};
  pthread_t t;
  if (load)
    detach(s.h, (job_t){.on_poll = wake_self, .forever = 1});
  pthread_create(&t, NULL, spawn_opener, &s);
  (void)block_on(rt, (job_t){.gate = &gate});
  pthread_join(t, NULL);
  close_runtime(rt);
}

TEST_FLAVORS(a_spawn_from_another_thread_wakes_an_idle_runtime) {
  spawned_elsewhere(workers, 0);
}
TEST_FLAVORS(a_spawn_from_another_thread_runs_under_load) {
  spawned_elsewhere(workers, 1);
}

/* ---- refusals ----------------------------------------------------------- */

static void nest(void *arg, rth_cx_t *cx) {
  fate_t fate = {0};
  job_t j = {.fate = &fate};
  rth_outcome_t o;
  (void)cx;
  ASSERT(rth_is_driving());
  ASSERT_EQ(rth_runtime_block_on(arg, &job_ops, &j, &o), RTH_ENESTED);
  ASSERT_EQ(rth_handle_block_on(rth_runtime_handle(arg), &job_ops, &j, &o),
            RTH_ENESTED);
  ASSERT_FATE(&fate, polls, 0);
  ASSERT_FATE(&fate, cancels, 0);
  ASSERT_FATE(&fate, drops, 2);
}

TEST_FLAVORS(block_on_inside_a_task_or_a_root_is_refused) {
  rth_runtime_t *rt = new_runtime(workers), *other = new_runtime(1);
  ASSERT(!rth_is_driving());
  (void)join_in(rt, spawn(rth_runtime_handle(rt),
                          (job_t){.on_poll = nest, .arg = rt}));
  (void)block_on(rt, (job_t){.on_poll = nest, .arg = rt});
  (void)block_on(rt, (job_t){.on_poll = nest, .arg = other});
  ASSERT(!rth_is_driving());
  close_runtime(other);
  close_runtime(rt);
}

static void block_inside(void *arg, rth_cx_t *cx) {
  (void)cx;
  ASSERT(!rth_is_driving());
  ASSERT_PTR_EQ(block_on(arg, (job_t){.out = number(3), .yields = 3}).value,
                number(3));
}

TEST_FLAVORS(block_on_inside_a_blocking_function_works) {
  rth_runtime_t *rt = new_runtime(workers);
  (void)join_in(rt, spawn_blocking(rth_runtime_handle(rt),
                                   (job_t){.on_poll = block_inside,
                                           .arg = rt}));
  close_runtime(rt);
}

/* ---- who drives a current_thread runtime -------------------------------- */

TEST(a_task_makes_no_progress_until_someone_drives) {
  rth_runtime_t *rt = new_runtime(CURRENT);
  fate_t fate = {0};
  rth_join_t *j = spawn(rth_runtime_handle(rt), (job_t){.fate = &fate});
  job_t root = {.yields = 100};
  rth_outcome_t o;
  ASSERT_OK(rth_handle_block_on(rth_runtime_handle(rt), &number_ops, &root,
                                &o)); /* does not drive */
  ASSERT_FATE(&fate, polls, 0);
  (void)join_in(rt, j);
  ASSERT_FATE(&fate, polls, 1);
  close_runtime(rt);
}

typedef struct driver {
  rth_runtime_t *rt;
  gate_t gate;
  pthread_t thread;
  fate_t fate;
} driver_t;

static void *drive(void *arg) {
  driver_t *d = arg;
  (void)block_on(d->rt, (job_t){.gate = &d->gate, .fate = &d->fate});
  return NULL;
}

static void start_driver(driver_t *d, rth_runtime_t *rt) {
  d->rt = rt;
  d->gate = (gate_t)GATE_INIT;
  pthread_create(&d->thread, NULL, drive, d);
  spin_until(is_polled, &d->fate);
}

static void end_driver(driver_t *d) {
  gate_open(&d->gate);
  pthread_join(d->thread, NULL);
}

TEST(when_the_driver_leaves_another_thread_takes_over) {
  rth_runtime_t *rt = new_runtime(CURRENT);
  driver_t a = {0}, b = {0}, c = {0};
  fate_t fate = {0};
  start_driver(&a, rt);
  start_driver(&b, rt);
  start_driver(&c, rt);
  end_driver(&a);
  detach(rth_runtime_handle(rt), (job_t){.fate = &fate, .yields = 5});
  spin_until(is_dropped, &fate); /* b or c drives */
  end_driver(&c);
  memset(&fate, 0, sizeof fate);
  detach(rth_runtime_handle(rt), (job_t){.fate = &fate, .yields = 5});
  spin_until(is_dropped, &fate);
  end_driver(&b);
  close_runtime(rt);
}

/* How many descriptors this process has. */
static int count_fds(void) {
  int fd, n = 0;
  for (fd = 0; fd < 1024; fd++) n += fcntl(fd, F_GETFD) >= 0;
  return n;
}

TEST(shutdown_waits_for_the_thread_that_drives) {
  rth_runtime_t *rt = new_runtime(CURRENT);
  rth_handle_t *h = rth_handle_clone(rth_runtime_handle(rt));
  driver_t a = {0}, b = {0};
  fate_t fates[20] = {{0}};
  int i;
  start_driver(&a, rt);
  start_driver(&b, rt);
  for (i = 0; i < 20; i++)
    detach(h, (job_t){.fate = &fates[i], .forever = 1});
  ASSERT_OK(rth_runtime_shutdown(rt, RTH_FOREVER));
  for (i = 0; i < 20; i++) ASSERT_FATE(&fates[i], drops, 1);
  ASSERT_EQ(rth_runtime_has_ended(rt), 1);
  end_driver(&a); /* their roots go on */
  end_driver(&b);
  close_runtime(rt);
  rth_handle_free(h);
}

static void *close_it(void *rt) {
  ASSERT_OK(rth_runtime_shutdown(rt, RTH_FOREVER));
  return NULL;
}

TEST(shutdown_and_the_driver_that_leaves_do_not_miss_each_other) {
  int i;
  for (i = 0; i < 300; i++) {
    rth_runtime_t *rt = new_runtime(CURRENT);
    pthread_t closer;
    driver_t a = {0};
    start_driver(&a, rt);
    pthread_create(&closer, NULL, close_it, rt);
    end_driver(&a);
    pthread_join(closer, NULL);
    close_runtime(rt);
  }
}

TEST_FLAVORS(a_runtime_that_has_ended_keeps_no_descriptor) {
  int before = count_fds();
  rth_runtime_t *rt = new_runtime(workers);
  rth_handle_t *h = rth_runtime_handle(rt);
  rth_outcome_t o;
  job_t root = {.yields = 2};
  (void)join_in(rt, spawn(h, (job_t){.yields = 5}));
  ASSERT_OK(rth_runtime_shutdown(rt, RTH_FOREVER));
  ASSERT_EQ(count_fds(), before);
  ASSERT_OK(rth_runtime_block_on(rt, &number_ops, &root, &o));
  ASSERT_EQ(count_fds(), before);
  close_runtime(rt);
}

static void *drive_often(void *rt) {
  int i;
  for (i = 0; i < 200; i++) {
    rth_handle_t *h = rth_runtime_handle(rt);
    ASSERT_PTR_EQ(join_in(rt, spawn_number(h, (job_t){.yields = i % 7,
                                                      .out = number(9)}))
                      .value,
                  number(9));
  }
  return NULL;
}

TEST_FLAVORS(threads_in_and_out_of_block_on_never_stall_each_other) {
  rth_runtime_t *rt = new_runtime(workers);
  pthread_t t[4];
  int i;
  for (i = 0; i < 4; i++) pthread_create(&t[i], NULL, drive_often, rt);
  for (i = 0; i < 4; i++) pthread_join(t[i], NULL);
  close_runtime(rt);
}

TEST(tasks_that_are_left_go_on_in_the_next_block_on) {
  rth_runtime_t *rt = new_runtime(CURRENT);
  fate_t fate = {0};
  rth_join_t *j = spawn(rth_runtime_handle(rt),
                        (job_t){.fate = &fate, .yields = 1000});
  (void)block_on(rt, (job_t){.yields = 2});
  ASSERT_FATE(&fate, drops, 0);
  (void)join_in(rt, j);
  ASSERT_FATE(&fate, polls, 1001);
  close_runtime(rt);
}

/* ---- ends that are not the future's own --------------------------------- */

TEST_FLAVORS(block_on_goes_on_after_its_runtime_was_shut_down) {
  rth_runtime_t *rt = new_runtime(workers);
  rth_handle_t *h = rth_handle_clone(rth_runtime_handle(rt));
  job_t j = {.yields = 3, .out = number(5)};
  rth_outcome_t o;
  close_runtime(rt);
  ASSERT_OK(rth_handle_block_on(h, &number_ops, &j, &o));
  ASSERT_PTR_EQ(o.value, number(5));
  rth_handle_free(h);
}

TEST(an_unhandled_failure_may_end_every_block_on) {
  rth_options_t o = options_for(CURRENT);
  fate_t fate = {0}, out = {0};
  gate_t never = GATE_INIT;
  job_t root = {.fate = &fate, .gate = &never};
  rth_runtime_t *rt;
  rth_outcome_t outcome;
  o.shutdown_on_unhandled = 1;
  ASSERT_OK(rth_runtime_new(&o, &rt));
  detach(rth_runtime_handle(rt), (job_t){.how = RTH_FAILED, .out = &out});
  ASSERT_EQ(rth_runtime_block_on(rt, &job_ops, &root, &outcome),
            RTH_EUNHANDLED);
  ASSERT_FATE(&fate, cancels, 1);
  ASSERT_FATE(&fate, drops, 1);
  ASSERT_FATE(&out, outputs_dropped, 1);
  root.gate = NULL;
  ASSERT_EQ(rth_runtime_block_on(rt, &job_ops, &root, &outcome),
            RTH_EUNHANDLED);
  gate_forget(&never);
  close_runtime(rt);
}

static int is_open(void *gate) { return gate_pass(gate, &(rth_waker_t){0}); }
static void occupy(void *arg, rth_cx_t *cx) {
  (void)cx;
  spin_until(is_open, arg);
}

TEST(a_blocking_function_does_not_begin_after_a_failure_that_nobody_can_see) {
  rth_options_t o = options_for(CURRENT);
  fate_t fate = {0}, out = {0};
  gate_t gate = GATE_INIT, never = GATE_INIT;
  job_t root = {.gate = &never};
  rth_runtime_t *rt;
  rth_handle_t *h;
  rth_outcome_t outcome;
  o.shutdown_on_unhandled = 1;
  o.max_blocking_threads = 1;
  ASSERT_OK(rth_runtime_new(&o, &rt));
  h = rth_runtime_handle(rt);
  rth_join_free(spawn_blocking(h, (job_t){.on_poll = occupy, .arg = &gate}));
  rth_join_free(spawn_blocking(h, (job_t){.fate = &fate})); /* in the queue */
  detach(h, (job_t){.how = RTH_FAILED, .out = &out});
  ASSERT_EQ(rth_runtime_block_on(rt, &job_ops, &root, &outcome),
            RTH_EUNHANDLED);
  ASSERT_FATE(&fate, drops, 1);
  rth_join_free(spawn_blocking(h, (job_t){.fate = &fate}));
  ASSERT_FATE(&fate, drops, 2);
  gate_open(&gate);
  close_runtime(rt);
  ASSERT_FATE(&fate, polls, 0);
  gate_forget(&gate);
  gate_forget(&never);
}

TEST(a_failure_that_is_joined_ends_nothing) {
  rth_options_t o = options_for(CURRENT);
  rth_runtime_t *rt;
  fate_t out = {0};
  o.shutdown_on_unhandled = 1;
  ASSERT_OK(rth_runtime_new(&o, &rt));
  ASSERT_EQ(join_in(rt, spawn(rth_runtime_handle(rt),
                              (job_t){.how = RTH_FAILED, .out = &out}))
                .how,
            RTH_FAILED);
  ASSERT_FATE(&out, outputs_dropped, 0);
  (void)block_on(rt, (job_t){0});
  close_runtime(rt);
}

static volatile sig_atomic_t signals;
static void on_signal(int n) {
  (void)n;
  signals++;
}
static int was_interrupted(void *arg) { return arg != NULL && signals > 0; }

static void interrupted(unsigned workers, int ends) {
  struct sigaction sa = {.sa_handler = on_signal};
  struct itimerval soon = {.it_value = {.tv_usec = 5000}};
  rth_runtime_t *rt = new_runtime(workers);
  rth_block_on_t opts = {.drive = 1, .interrupted = was_interrupted};
  gate_t gate = GATE_INIT;
  fate_t fate = {0};
  job_t root = {.fate = &fate, .gate = &gate};
  rth_local_t *l;
  rth_outcome_t o;
  pthread_t t;
  int rc;
  sigaction(SIGVTALRM, &sa, NULL);
  sigaction(SIGALRM, &sa, NULL); /* replaces the time limit */
  opts.arg = ends ? &opts : NULL;
  ASSERT_OK(rth_local_new(rth_runtime_handle(rt), NULL, &l));
  setitimer(ITIMER_REAL, &soon, NULL);
  if (!ends) {
    usleep(20000);
    pthread_create(&t, NULL, open_soon, &gate);
  }
  rc = rth_local_block_on(l, &opts, &job_ops, &root, &o);
  ASSERT_EQ(rc, ends ? RTH_EINTR : 0);
  ASSERT_EQ(signals, 1);
  ASSERT_FATE(&fate, cancels, ends);
  ASSERT_FATE(&fate, drops, 1);
  gate_forget(&gate);
  if (!ends) pthread_join(t, NULL);
  rth_local_free(l);
  close_runtime(rt);
}

TEST_FLAVORS(a_signal_may_end_block_on_that_waits) { interrupted(workers, 1); }
TEST_FLAVORS(a_signal_that_is_not_ours_ends_nothing) {
  interrupted(workers, 0);
}
