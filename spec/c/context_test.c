/* context_test - the current handle, the process-wide default, counters,
** error texts, forks. */
#include "futures.h"

static void assert_current(rth_handle_t *expected) {
  rth_handle_t *h = rth_current();
  ASSERT_PTR_EQ(h, expected);
  if (h != NULL) rth_handle_free(h);
}

/* ---- enter, leave ------------------------------------------------------- */

TEST_FLAVORS(an_entered_handle_is_current_until_it_is_left) {
  rth_runtime_t *rt = new_runtime(workers);
  rth_enter_guard_t g;
  assert_current(NULL);
  rth_enter(rth_runtime_handle(rt), &g);
  assert_current(rth_runtime_handle(rt));
  ASSERT_OK(rth_leave(&g));
  assert_current(NULL);
  close_runtime(rt);
}

TEST(guards_nest) {
  rth_runtime_t *a = new_runtime(CURRENT), *b = new_runtime(1);
  rth_enter_guard_t outer, inner, again;
  rth_enter(rth_runtime_handle(a), &outer);
  rth_enter(rth_runtime_handle(b), &inner);
  rth_enter(rth_runtime_handle(b), &again);
  assert_current(rth_runtime_handle(b));
  ASSERT_OK(rth_leave(&again));
  ASSERT_OK(rth_leave(&inner));
  assert_current(rth_runtime_handle(a));
  ASSERT_OK(rth_leave(&outer));
  close_runtime(a);
  close_runtime(b);
}

TEST(guards_left_out_of_order_change_nothing) {
  rth_runtime_t *a = new_runtime(CURRENT), *b = new_runtime(1);
  rth_enter_guard_t outer, inner;
  rth_enter(rth_runtime_handle(a), &outer);
  rth_enter(rth_runtime_handle(b), &inner);
  ASSERT_EQ(rth_leave(&outer), RTH_EGUARDORDER);
  assert_current(rth_runtime_handle(b));
  ASSERT_OK(rth_leave(&inner));
  assert_current(rth_runtime_handle(a));
  ASSERT_OK(rth_leave(&outer));
  assert_current(NULL);
  close_runtime(a);
  close_runtime(b);
}

TEST(an_entered_handle_outlives_its_runtime) {
  rth_runtime_t *rt = new_runtime(1);
  rth_handle_t *h = rth_runtime_handle(rt);
  rth_enter_guard_t g;
  rth_enter(h, &g);
  close_runtime(rt);
  ASSERT(rth_handle_is_shutdown(h));
  assert_current(h);
  ASSERT_OK(rth_leave(&g));
}

/* ---- the default runtime ------------------------------------------------ */

TEST(the_first_default_stays) {
  rth_runtime_t *a = new_runtime(CURRENT), *b = new_runtime(CURRENT);
  rth_handle_t *h;
  ALLOW_LIVE(); /* the process keeps it */
  ASSERT_PTR_EQ(rth_default_handle(), NULL);
  ASSERT_OK(rth_default_set(rth_runtime_handle(a)));
  ASSERT_EQ(rth_default_set(rth_runtime_handle(b)), RTH_EINVAL);
  h = rth_default_handle();
  ASSERT_PTR_EQ(h, rth_runtime_handle(a));
  rth_handle_free(h);
  close_runtime(a);
  close_runtime(b);
}

/* ---- small things ------------------------------------------------------- */

TEST(a_counter_counts) {
  rth_counter_t c = {0};
  ASSERT_EQ(rth_counter_add(&c, 5), 5);
  ASSERT_EQ(rth_counter_add(&c, -3), 2);
  ASSERT_EQ(rth_counter_get(&c), 2);
  rth_counter_set(&c, 9);
  ASSERT_EQ(rth_counter_get(&c), 9);
}

TEST(every_code_has_a_name_and_a_text) {
#define CHECK_ERROR(name, number, text)             \
  ASSERT_STR_EQ(rth_err_name(RTH_##name), #name);   \
  ASSERT_STR_EQ(rth_strerror(RTH_##name), text);
  RTH_ERRORS(CHECK_ERROR)
  ASSERT_STR_EQ(rth_err_name(0), "OK");
  ASSERT(rth_strerror(-2)[0] != 0); /* the system's: ENOENT */
  ASSERT(rth_strerror(-9999)[0] != 0);
}

TEST_FLAVORS(handles_of_one_runtime_are_the_same) {
  rth_options_t o = options_for(workers);
  rth_runtime_t *rt;
  rth_handle_t *h;
  o.arg = &o;
  ASSERT_OK(rth_runtime_new(&o, &rt));
  h = rth_handle_clone(rth_runtime_handle(rt));
  ASSERT_PTR_EQ(h, rth_runtime_handle(rt));
  ASSERT_PTR_EQ(rth_handle_arg(h), &o);
  rth_handle_free(h);
  close_runtime(rt);
}

TEST_FLAVORS(a_join_handle_tells_of_its_task) {
  rth_runtime_t *rt = new_runtime(workers);
  rth_handle_t *h = rth_runtime_handle(rt);
  gate_t gate = GATE_INIT;
  rth_join_t *a = spawn(h, (job_t){.gate = &gate}), *b = spawn(h, (job_t){0});
  rth_abort_t *abort = rth_join_abort_handle(a);
  ASSERT_GT(rth_join_id(b), rth_join_id(a));
  ASSERT_EQ(rth_abort_id(abort), rth_join_id(a));
  ASSERT_GT(rth_task_new_id(), rth_join_id(b));
  ASSERT_PTR_EQ(rth_join_handle(a), h);
  ASSERT(!rth_join_is_aborted(a));
  rth_abort(abort);
  ASSERT(rth_join_is_aborted(a));
  ASSERT_EQ(join_in(rt, a).how, RTH_PENDING);
  ASSERT(rth_abort_is_finished(abort));
  rth_abort_free(abort);
  (void)join_in(rt, b);
  gate_forget(&gate);
  close_runtime(rt);
}

static int has_ended(void *rt) { return rth_runtime_has_ended(rt); }

TEST_FLAVORS(a_runtime_has_ended_when_its_threads_have) {
  rth_runtime_t *rt = new_runtime(workers);
  (void)join_in(rt, spawn_blocking(rth_runtime_handle(rt), (job_t){0}));
  ASSERT(!rth_runtime_has_ended(rt));
  ASSERT_OK(rth_runtime_shutdown(rt, 0));
  spin_until(has_ended, rt);
  ASSERT_OK(rth_runtime_shutdown(rt, RTH_FOREVER));
  rth_runtime_free(rt);
}

/* ---- a runtime that ends with its thread -------------------------------- */

static pthread_key_t runtime_key;
static void close_at_end(void *rt) { close_runtime(rt); }
static void *own_a_runtime(void *arg) {
  rth_runtime_t *rt = new_runtime(*(unsigned *)arg);
  pthread_setspecific(runtime_key, rt);
  detach(rth_runtime_handle(rt), (job_t){.forever = 1});
  (void)block_on(rt, (job_t){.yields = 3});
  return NULL;
}

TEST_FLAVORS(a_runtime_may_be_closed_as_its_thread_ends) {
  pthread_t t;
  pthread_key_create(&runtime_key, close_at_end);
  pthread_create(&t, NULL, own_a_runtime, &workers);
  pthread_join(t, NULL);
}

/* ---- forks -------------------------------------------------------------- */

/* In the child the threads are gone; asking must not hang. */
static int in_child(rth_runtime_t *rt) {
  rth_handle_t *h = rth_runtime_handle(rt);
  rth_waker_t none = {0};
  rth_outcome_t o;
  rth_join_t *j;
  if (!rth_handle_is_shutdown(h)) return 1;
  j = spawn(h, (job_t){0});
  if (rth_join_poll(j, &none, &o) != RTH_READY || o.how != RTH_PENDING)
    return 2;
  rth_join_free(j);
  if (rth_runtime_shutdown(rt, RTH_FOREVER) != 0) return 3;
  rth_runtime_free(rt);
  return 0;
}

TEST_FLAVORS(in_a_forked_child_a_runtime_is_shut_down) {
  rth_runtime_t *rt = new_runtime(workers);
  int status;
  pid_t pid;
  (void)join_in(rt, spawn(rth_runtime_handle(rt), (job_t){0}));
  pid = fork();
  if (pid == 0) {
    TIME_LIMIT(30);
    _exit(in_child(rt));
  }
  ASSERT_EQ(waitpid(pid, &status, 0), pid);
  ASSERT_EQ(status, 0);
  (void)join_in(rt, spawn(rth_runtime_handle(rt), (job_t){0}));
  close_runtime(rt);
}
