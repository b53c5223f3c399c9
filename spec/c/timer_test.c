/* timer_test - sleeping: never early, reset, ended, moved, and the test
** clock, on which no test has to wait. */
#include "futures.h"

/* Sleeps; the output is the time at which it was polled ready. */
typedef struct sleeper {
  rth_sleep_t sleep;
  fate_t *fate; /* or NULL */
} sleeper_t;

static rth_poll_t sleeper_poll(void *self, rth_cx_t *cx, void **out) {
  sleeper_t *s = self;
  rth_poll_t how = rth_sleep_poll(&s->sleep, cx);
  if (s->fate != NULL) (void)rth__add_ar(&s->fate->polls, 1);
  *out = number(rth_handle_now(cx->handle));
  return how;
}
static void sleeper_drop(void *self) {
  sleeper_t *s = self;
  rth_sleep_fini(&s->sleep);
  if (s->fate != NULL) (void)rth__add_ar(&s->fate->drops, 1);
}
static const rth_future_ops_t sleeper_ops = {sleeper_poll, NULL, sleeper_drop,
                                             NULL};

static rth_join_t *spawn_sleep(rth_runtime_t *rt, uint64_t deadline,
                               fate_t *fate) {
  rth_handle_t *h = rth_runtime_handle(rt);
  sleeper_t s = {.fate = fate};
  rth_join_t *j;
  rth_sleep_init(&s.sleep, h, deadline);
  ASSERT_OK(rth_spawn(h, &sleeper_ops, &s, sizeof s, 0, &j));
  return j;
}

static rth_outcome_t sleep_in(rth_runtime_t *rt, uint64_t deadline) {
  rth_outcome_t o;
  sleeper_t s = {0};
  rth_sleep_init(&s.sleep, rth_runtime_handle(rt), deadline);
  ASSERT_OK(rth_runtime_block_on(rt, &sleeper_ops, &s, &o));
  return o;
}

static uint64_t now_of(rth_runtime_t *rt) {
  return rth_handle_now(rth_runtime_handle(rt));
}

/* ---- the real clock ----------------------------------------------------- */

TEST_FLAVORS(a_root_and_a_task_sleep_and_never_wake_early) {
  rth_runtime_t *rt = new_runtime(workers);
  uint64_t ns;
  for (ns = 1; ns <= 8 * MS; ns *= 3) {
    uint64_t deadline = now_of(rt) + ns;
    rth_outcome_t o = sleep_in(rt, deadline);
    ASSERT_EQ(o.how, RTH_READY);
    ASSERT_GE((uint64_t)o.value, deadline);
    deadline = now_of(rt) + ns;
    o = join_in(rt, spawn_sleep(rt, deadline, NULL));
    ASSERT_EQ(o.how, RTH_READY);
    ASSERT_GE((uint64_t)o.value, deadline);
  }
  close_runtime(rt);
}

TEST_FLAVORS(a_deadline_that_has_passed_is_ready_at_the_first_poll) {
  rth_runtime_t *rt = new_runtime(workers);
  fate_t fate = {0};
  ASSERT_EQ(sleep_in(rt, 0).how, RTH_READY);
  ASSERT_EQ(join_in(rt, spawn_sleep(rt, 0, &fate)).how, RTH_READY);
  ASSERT_FATE(&fate, polls, 1);
  close_runtime(rt);
}

static rth_outcome_t sleep_for(rth_runtime_t *rt, uint64_t ns, fate_t *fate) {
  rth_outcome_t o;
  sleeper_t s = {.fate = fate};
  rth_sleep_init_in(&s.sleep, rth_runtime_handle(rt), ns);
  ASSERT_OK(rth_runtime_block_on(rt, &sleeper_ops, &s, &o));
  return o;
}

TEST_FLAVORS(a_sleep_of_some_time_ends_no_earlier_and_one_of_none_at_once) {
  rth_runtime_t *rt = new_runtime(workers);
  fate_t fate = {0};
  uint64_t ns;
  for (ns = 1; ns <= 8 * MS; ns *= 3) {
    uint64_t deadline = now_of(rt) + ns;
    ASSERT_GE((uint64_t)sleep_for(rt, ns, NULL).value, deadline);
  }
  ASSERT_EQ(sleep_for(rt, 0, &fate).how, RTH_READY);
  ASSERT_FATE(&fate, polls, 1);
  close_runtime(rt);
}

TEST_FLAVORS(sleeping_tasks_fail_when_their_runtime_is_shut_down) {
  rth_runtime_t *rt = new_runtime(workers);
  rth_handle_t *h = rth_handle_clone(rth_runtime_handle(rt));
  fate_t fate = {0};
  rth_waker_t none = {0};
  rth_outcome_t o;
  sleeper_t s = {0};
  rth_join_t *j = spawn_sleep(rt, RTH_FOREVER, &fate);
  drive_until(rt, is_polled, &fate);
  close_runtime(rt);
  ASSERT_EQ(rth_join_poll(j, &none, &o), RTH_READY);
  ASSERT_EQ(o.how, RTH_PENDING); /* cancelled */
  ASSERT_FATE(&fate, drops, 1);
  rth_join_free(j);
  rth_sleep_init(&s.sleep, h, 0); /* a root goes on, and sees it */
  ASSERT_OK(rth_handle_block_on(h, &sleeper_ops, &s, &o));
  ASSERT_EQ(o.how, RTH_FAILED);
  rth_handle_free(h);
}

static void *close_later(void *rt) {
  usleep(10000);
  close_runtime(rt);
  return NULL;
}

TEST_FLAVORS(a_root_that_sleeps_is_woken_by_shutdown_and_fails) {
  rth_runtime_t *rt = new_runtime(workers);
  rth_handle_t *h = rth_handle_clone(rth_runtime_handle(rt));
  sleeper_t s = {0};
  rth_outcome_t o;
  pthread_t t;
  rth_sleep_init(&s.sleep, h, rth_now() + 1000 * SEC);
  pthread_create(&t, NULL, close_later, rt);
  ASSERT_OK(rth_handle_block_on(h, &sleeper_ops, &s, &o));
  ASSERT_EQ(o.how, RTH_FAILED);
  pthread_join(t, NULL);
  rth_handle_free(h);
}

enum { SLEEPERS = 1000 };

TEST_FLAVORS(a_thousand_tasks_sleep_at_once) {
  rth_runtime_t *rt = new_runtime(workers);
  rth_join_t *joins[SLEEPERS];
  uint64_t start = now_of(rt);
  unsigned i;
  for (i = 0; i < SLEEPERS; i++)
    joins[i] = spawn_sleep(rt, start + (i * 7919 % 20) * MS, NULL);
  for (i = 0; i < SLEEPERS; i++) {
    rth_outcome_t o = join_in(rt, joins[i]);
    ASSERT_EQ(o.how, RTH_READY);
    ASSERT_GE((uint64_t)o.value, start + (i * 7919 % 20) * MS);
  }
  close_runtime(rt);
}

TEST_FLAVORS(aborted_sleepers_leave_the_wheel) {
  rth_runtime_t *rt = new_runtime(workers);
  rth_join_t *joins[100];
  fate_t fate = {0};
  unsigned i;
  for (i = 0; i < 100; i++)
    joins[i] = spawn_sleep(rt, now_of(rt) + (i + 1) * 1000 * SEC, &fate);
  drive_until(rt, is_polled, &fate);
  for (i = 0; i < 100; i++) rth_join_abort(joins[i]);
  for (i = 0; i < 100; i++)
    ASSERT_EQ(join_in(rt, joins[i]).how, RTH_PENDING);
  ASSERT_FATE(&fate, drops, 100);
  close_runtime(rt);
}

TEST_FLAVORS(two_runtimes_keep_each_their_own_sleepers) {
  rth_runtime_t *a = new_runtime(workers), *b = new_runtime(1);
  rth_join_t *j = spawn_sleep(b, now_of(b) + 2 * MS, NULL);
  ASSERT_EQ(sleep_in(a, now_of(a) + MS).how, RTH_READY);
  ASSERT_EQ(join_in(a, j).how, RTH_READY);
  close_runtime(a);
  close_runtime(b);
}

/* ---- the test clock ----------------------------------------------------- */

static rth_runtime_t *paused(void) {
  rth_options_t o = options_for(CURRENT);
  rth_runtime_t *rt;
  o.start_paused = 1;
  ASSERT_OK(rth_runtime_new(&o, &rt));
  return rt;
}

TEST(paused_time_stands_still) {
  rth_runtime_t *rt = paused();
  uint64_t t = now_of(rt);
  usleep(2000);
  ASSERT_EQ(now_of(rt), t);
  close_runtime(rt);
}

TEST(paused_time_jumps_to_the_next_timer_when_all_is_idle) {
  rth_runtime_t *rt = paused();
  uint64_t t = now_of(rt), ns;
  for (ns = MS; ns < 400 * 24 * 3600 * SEC; ns *= 7) {
    ASSERT_EQ((uint64_t)sleep_in(rt, t + ns).value, t + ns);
    t += ns;
  }
  close_runtime(rt);
}

static RTH_ATOMIC(int) computes, may_end;
static int does_compute(void *arg) {
  (void)arg;
  return rth__load_acq(&computes);
}
static int is_let_go(void *arg) {
  (void)arg;
  return rth__load_acq(&may_end);
}
static void compute(void *arg, rth_cx_t *cx) {
  (void)cx;
  rth__store_rel(&computes, 1);
  spin_until(is_let_go, arg);
}
static void *let_go(void *rt) {
  uint64_t t = now_of(rt);
  usleep(10000);
  ASSERT_EQ(now_of(rt), t);
  rth__store_rel(&may_end, 1);
  return NULL;
}

TEST(paused_time_waits_for_a_blocking_function_and_goes_on_after_it) {
  rth_runtime_t *rt = paused();
  rth_join_t *j = spawn_blocking(rth_runtime_handle(rt),
                                 (job_t){.on_poll = compute});
  uint64_t t = now_of(rt);
  pthread_t thread;
  spin_until(does_compute, NULL);
  pthread_create(&thread, NULL, let_go, rt);
  ASSERT_EQ((uint64_t)sleep_in(rt, t + 100 * SEC).value, t + 100 * SEC);
  pthread_join(thread, NULL);
  (void)join_in(rt, j);
  close_runtime(rt);
}

/* Waits for a JoinHandle, or for so long that it never does. */
typedef struct join_or_sleep {
  joining_t join;
  sleeper_t sleeper;
} join_or_sleep_t;

static rth_poll_t join_or_sleep_poll(void *self, rth_cx_t *cx, void **out) {
  join_or_sleep_t *w = self;
  rth_poll_t how = rth_sleep_poll(&w->sleeper.sleep, cx);
  return joining_poll(&w->join, cx, out) == RTH_READY ? RTH_READY : how;
}
static void join_or_sleep_drop(void *self) {
  sleeper_drop(&((join_or_sleep_t *)self)->sleeper);
}
static const rth_future_ops_t join_or_sleep_ops = {join_or_sleep_poll, NULL,
                                                   join_or_sleep_drop, NULL};

/* The driver looks for work, and then whether a blocking function runs: one
** that ends in between has woken who waits for it. */
TEST(paused_time_stands_still_when_a_blocking_function_has_just_ended) {
  rth_runtime_t *rt = paused();
  rth_handle_t *h = rth_runtime_handle(rt);
  uint64_t t = now_of(rt);
  int i;
  for (i = 0; i < 20000; i++) {
    join_or_sleep_t w = {.join.join = spawn_blocking(h, (job_t){0})};
    rth_outcome_t o;
    rth_sleep_init(&w.sleeper.sleep, h, t + 1000 * SEC);
    ASSERT_OK(rth_runtime_block_on(rt, &join_or_sleep_ops, &w, &o));
    rth_join_free(w.join.join);
    ASSERT_EQ(now_of(rt), t);
  }
  close_runtime(rt);
}

static rth_poll_t advance_poll(void *self, rth_cx_t *cx, void **out) {
  (void)out;
  ASSERT_OK(rth_clock_advance(cx->handle, *(uint64_t *)self));
  return RTH_READY;
}
static const rth_future_ops_t advance_ops = {advance_poll, NULL, NULL, NULL};

TEST(advancing_moves_paused_time_by_so_much) {
  rth_runtime_t *rt = paused();
  uint64_t t = now_of(rt), by = 90 * SEC + 5;
  rth_outcome_t o;
  ASSERT_OK(rth_runtime_block_on(rt, &advance_ops, &by, &o));
  ASSERT_EQ(now_of(rt), t + by);
  close_runtime(rt);
}

static void sleep_by(rth_runtime_t *clock, rth_runtime_t *rt) {
  sleeper_t s = {0}, none = {.fate = &(fate_t){0}};
  uint64_t t = now_of(rt);
  rth_outcome_t o;
  rth_sleep_init_in(&s.sleep, rth_runtime_handle(clock), 5 * MS);
  ASSERT_OK(rth_runtime_block_on(rt, &sleeper_ops, &s, &o));
  ASSERT_EQ((uint64_t)o.value, t + 5 * MS);
  rth_sleep_init_in(&none.sleep, rth_runtime_handle(clock), 0);
  ASSERT_OK(rth_runtime_block_on(rt, &sleeper_ops, &none, &o));
  ASSERT_FATE(none.fate, polls, 1);
}

/* As under rth_enter, in a task of another runtime. */
TEST(a_sleep_takes_its_time_where_a_runtime_with_another_clock_polls_it) {
  rth_runtime_t *rt = paused(), *ahead = paused();
  ASSERT_OK(rth_clock_advance(rth_runtime_handle(ahead), 1000 * SEC));
  sleep_by(ahead, rt);
  sleep_by(rt, ahead);
  close_runtime(ahead);
  close_runtime(rt);
}

TEST(a_sleep_that_is_first_polled_after_its_deadline_is_over) {
  rth_runtime_t *rt = paused();
  uint64_t t = now_of(rt), by = 90 * SEC;
  sleeper_t s = {0};
  rth_outcome_t o;
  rth_sleep_init_in(&s.sleep, rth_runtime_handle(rt), SEC);
  ASSERT_OK(rth_runtime_block_on(rt, &advance_ops, &by, &o));
  ASSERT_OK(rth_runtime_block_on(rt, &sleeper_ops, &s, &o));
  ASSERT_EQ((uint64_t)o.value, t + by);
  close_runtime(rt);
}

static uint64_t woken_at[3];
static int woken;
static rth_poll_t noting_poll(void *self, rth_cx_t *cx, void **out) {
  sleeper_t *s = self;
  rth_poll_t how = rth_sleep_poll(&s->sleep, cx);
  (void)out;
  if (how == RTH_READY) woken_at[woken++] = rth_handle_now(cx->handle);
  return how;
}
static const rth_future_ops_t noting_ops = {noting_poll, NULL, sleeper_drop,
                                            NULL};

TEST(sleepers_wake_in_the_order_of_their_deadlines) {
  rth_runtime_t *rt = paused();
  rth_handle_t *h = rth_runtime_handle(rt);
  uint64_t t = now_of(rt), i;
  for (i = 3; i > 0; i--) {
    sleeper_t s = {0};
    rth_sleep_init(&s.sleep, h, t + i * 100 * SEC);
    ASSERT_OK(rth_spawn(h, &noting_ops, &s, sizeof s, 0, NULL));
  }
  ASSERT_EQ(sleep_in(rt, t + 1000 * SEC).how, RTH_READY);
  for (i = 0; i < 3; i++) ASSERT_EQ(woken_at[i], t + (i + 1) * 100 * SEC);
  close_runtime(rt);
}

TEST(a_clock_pauses_once_and_resumes_once) {
  rth_runtime_t *rt = paused(), *multi = new_runtime(1);
  rth_handle_t *h = rth_runtime_handle(rt);
  uint64_t t;
  ASSERT_EQ(rth_clock_pause(h), RTH_EINVAL);
  ASSERT_OK(rth_clock_advance(h, 500 * SEC));
  t = now_of(rt);
  ASSERT_OK(rth_clock_resume(h));
  ASSERT_EQ(rth_clock_resume(h), RTH_EINVAL);
  ASSERT_EQ(rth_clock_advance(h, 1), RTH_EINVAL);
  ASSERT_GE(now_of(rt), t);
  usleep(1000);
  ASSERT_GT(now_of(rt), t);
  ASSERT_EQ(rth_clock_pause(rth_runtime_handle(multi)), RTH_EINVAL);
  close_runtime(rt);
  close_runtime(multi);
}

/* ---- reset, unregister -------------------------------------------------- */

/* Sets its sleep once, at the first poll, to `reset`. */
typedef struct resetting {
  sleeper_t s;
  uint64_t reset;
} resetting_t;

static rth_poll_t resetting_poll(void *self, rth_cx_t *cx, void **out) {
  resetting_t *r = self;
  rth_poll_t how = rth_sleep_poll(&r->s.sleep, cx);
  *out = number(rth_handle_now(cx->handle));
  if (r->reset == 0) return how;
  ASSERT_EQ(how, RTH_PENDING);
  rth_sleep_reset(&r->s.sleep, r->reset);
  r->reset = 0;
  return RTH_PENDING;
}
static const rth_future_ops_t resetting_ops = {resetting_poll, NULL,
                                               sleeper_drop, NULL};

TEST(a_reset_sleep_wakes_at_its_new_time_earlier_or_later) {
  static const uint64_t resets[] = {1, 5, 99, 101, 100000};
  unsigned i;
  for (i = 0; i < sizeof resets / sizeof *resets; i++) {
    rth_runtime_t *rt = paused();
    uint64_t t = now_of(rt);
    resetting_t r = {.reset = t + resets[i] * SEC};
    rth_outcome_t o;
    rth_sleep_init(&r.s.sleep, rth_runtime_handle(rt), t + 100 * SEC);
    ASSERT_OK(rth_runtime_block_on(rt, &resetting_ops, &r, &o));
    ASSERT_EQ((uint64_t)o.value, t + resets[i] * SEC);
    close_runtime(rt);
  }
}

/* Registers, takes itself out, ends. */
static rth_poll_t giving_up_poll(void *self, rth_cx_t *cx, void **out) {
  sleeper_t *s = self;
  (void)out;
  ASSERT_EQ(rth_sleep_poll(&s->sleep, cx), RTH_PENDING);
  rth_sleep_unregister(&s->sleep);
  rth_sleep_unregister(&s->sleep);
  ASSERT(!rth_sleep_is_elapsed(&s->sleep));
  return RTH_READY;
}
static const rth_future_ops_t giving_up_ops = {giving_up_poll, NULL,
                                               sleeper_drop, NULL};

TEST_FLAVORS(an_unregistered_sleep_is_forgotten) {
  rth_runtime_t *rt = new_runtime(workers);
  sleeper_t s = {0};
  rth_join_t *j;
  rth_sleep_init(&s.sleep, rth_runtime_handle(rt), now_of(rt) + 1000 * SEC);
  ASSERT_OK(rth_spawn(rth_runtime_handle(rt), &giving_up_ops, &s, sizeof s, 0,
                      &j));
  ASSERT_EQ(join_in(rt, j).how, RTH_READY);
  close_runtime(rt);
}
