/* local_test - executors of pinned tasks on plain threads. */
#include "futures.h"

static rth_local_t *new_local(rth_runtime_t *rt, void *data) {
  rth_local_t *l;
  ASSERT_OK(rth_local_new(rth_runtime_handle(rt), data, &l));
  return l;
}

static rth_join_t *local_spawn(rth_local_t *l, job_t j) {
  rth_join_t *out;
  ASSERT_OK(rth_local_spawn(l, &job_ops, &j, sizeof j, &out));
  return out;
}

static void drive(rth_local_t *l, job_t j) {
  rth_outcome_t o;
  ASSERT_OK(rth_local_block_on(l, NULL, &job_ops, &j, &o));
}

static void join_local(rth_local_t *l, rth_join_t *join, rth_outcome_t *o) {
  joining_t j = {.join = join};
  rth_outcome_t root;
  ASSERT_OK(rth_local_block_on(l, NULL, &joining_ops, &j, &root));
  rth_join_free(join);
  if (o != NULL) *o = j.o;
}

TEST_FLAVORS(an_executor_knows_its_data_runtime_and_tasks) {
  rth_runtime_t *rt = new_runtime(workers);
  int data;
  rth_local_t *l = new_local(rt, &data);
  rth_join_t *j;
  ASSERT_PTR_EQ(rth_local_data(l), &data);
  ASSERT_PTR_EQ(rth_local_handle(l), rth_runtime_handle(rt));
  ASSERT(!rth_local_has_tasks(l));
  j = local_spawn(l, (job_t){0});
  ASSERT_PTR_EQ(rth_join_local(j), l);
  ASSERT(rth_local_has_tasks(l));
  join_local(l, j, NULL);
  ASSERT(!rth_local_has_tasks(l));
  rth_local_free(l);
  close_runtime(rt);
}

typedef struct home {
  rth_local_t *local;
  pthread_t thread;
  void *data;
} home_t;

static void see_home(void *arg, rth_cx_t *cx) {
  home_t *h = arg;
  ASSERT_PTR_EQ(cx->local, h->local);
  ASSERT_PTR_EQ(cx->data, h->data);
  ASSERT_PTR_EQ(rth_local_current(), h->local);
  ASSERT(pthread_equal(pthread_self(), h->thread));
}

TEST_FLAVORS(local_tasks_run_on_the_thread_that_drives) {
  rth_runtime_t *rt = new_runtime(workers);
  home_t home = {.thread = pthread_self(), .data = &home};
  rth_join_t *j;
  home.local = new_local(rt, &home);
  j = local_spawn(home.local,
                  (job_t){.on_poll = see_home, .arg = &home, .yields = 5});
  join_local(home.local, j, NULL);
  rth_local_free(home.local);
  close_runtime(rt);
}

TEST_FLAVORS(local_tasks_wait_for_the_next_block_on) {
  rth_runtime_t *rt = new_runtime(workers);
  rth_local_t *l = new_local(rt, NULL);
  fate_t fate = {0};
  rth_join_t *j = local_spawn(l, (job_t){.fate = &fate, .yields = 100});
  drive(l, (job_t){0});
  ASSERT_FATE(&fate, drops, 0);
  join_local(l, j, NULL);
  ASSERT_FATE(&fate, polls, 101);
  rth_local_free(l);
  close_runtime(rt);
}

TEST_FLAVORS(freeing_an_executor_cancels_what_is_left) {
  rth_runtime_t *rt = new_runtime(workers);
  rth_local_t *l = new_local(rt, NULL);
  gate_t gate = GATE_INIT;
  fate_t never = {0}, polled = {0};
  rth_waker_t none = {0};
  rth_outcome_t o;
  rth_join_t *j = local_spawn(l, (job_t){.fate = &polled, .gate = &gate});
  drive(l, (job_t){.yields = 3});
  ASSERT_FATE(&polled, polls, 1);
  rth_join_free(local_spawn(l, (job_t){.fate = &never}));
  rth_local_free(l);
  ASSERT_FATE(&never, polls, 0);
  ASSERT_FATE(&never, drops, 1);
  ASSERT_FATE(&polled, cancels, 1);
  ASSERT_FATE(&polled, drops, 1);
  ASSERT_EQ(rth_join_poll(j, &none, &o), RTH_READY);
  ASSERT_EQ(o.how, RTH_PENDING);
  rth_join_free(j);
  gate_open(&gate); /* its waker has outlived the executor */
  close_runtime(rt);
}

TEST_FLAVORS(cancel_all_cancels_and_leaves_the_executor_usable) {
  rth_runtime_t *rt = new_runtime(workers);
  rth_local_t *l = new_local(rt, NULL);
  fate_t fate = {0};
  int i;
  for (i = 0; i < 10; i++)
    rth_join_free(local_spawn(l, (job_t){.fate = &fate, .forever = 1}));
  rth_local_cancel_all(l);
  ASSERT_FATE(&fate, drops, 10);
  ASSERT(!rth_local_has_tasks(l));
  join_local(l, local_spawn(l, (job_t){.fate = &fate}), NULL);
  ASSERT_FATE(&fate, polls, 1);
  rth_local_free(l);
  close_runtime(rt);
}

static void cancel_all(void *l, rth_cx_t *cx) {
  (void)cx;
  rth_local_cancel_all(l);
}

TEST_FLAVORS(cancel_all_inside_a_task_takes_effect_at_the_next_suspension) {
  rth_runtime_t *rt = new_runtime(workers);
  rth_local_t *l = new_local(rt, NULL);
  fate_t a = {0}, b = {0};
  rth_join_t *first, *second;
  rth_outcome_t o;
  first = local_spawn(l, (job_t){.fate = &a, .on_poll = cancel_all, .arg = l});
  second = local_spawn(l, (job_t){.fate = &b, .yields = 5});
  join_local(l, first, &o);
  ASSERT_EQ(o.how, RTH_READY); /* it did not suspend any more */
  join_local(l, second, &o);
  ASSERT_EQ(o.how, RTH_PENDING);
  ASSERT_FATE(&b, polls, 0);
  rth_local_free(l);
  close_runtime(rt);
}

TEST_FLAVORS(closing_the_runtime_cancels_local_tasks_where_they_are_driven) {
  rth_runtime_t *rt = new_runtime(workers);
  rth_local_t *l = new_local(rt, NULL);
  fate_t fate = {0};
  rth_join_t *j = local_spawn(l, (job_t){.fate = &fate, .forever = 1});
  rth_outcome_t o;
  close_runtime(rt);
  join_local(l, j, &o);
  ASSERT_EQ(o.how, RTH_PENDING);
  ASSERT_FATE(&fate, drops, 1);
  ASSERT_EQ(rth_local_reserve(l), 0); /* and takes no more */
  rth_local_free(l);
}

TEST_FLAVORS(a_reserved_task_has_the_id_that_was_told) {
  rth_runtime_t *rt = new_runtime(workers);
  rth_local_t *l = new_local(rt, NULL);
  job_t job = {.out = number(3)};
  uint64_t id = rth_local_reserve(l);
  rth_join_t *j;
  rth_outcome_t o;
  rth_metrics_t m;
  ASSERT_NE(id, 0);
  rth_handle_metrics(rth_runtime_handle(rt), &m);
  ASSERT_EQ(m.spawned_tasks_count, 1);
  ASSERT_OK(rth_local_spawn_reserved(l, id, &number_ops, &job, sizeof job,
                                     &j));
  ASSERT_EQ(rth_join_id(j), id);
  join_local(l, j, &o);
  ASSERT_PTR_EQ(o.value, number(3));
  rth_handle_metrics(rth_runtime_handle(rt), &m);
  ASSERT_EQ(m.spawned_tasks_count, 1);
  rth_local_free(l);
  close_runtime(rt);
}

static gate_t *opened_before_wait;
static uint64_t open_before_wait(void *arg) {
  (void)arg;
  gate_open(opened_before_wait);
  return RTH_FOREVER;
}

TEST_FLAVORS(what_before_wait_wakes_is_run_before_the_wait) {
  rth_runtime_t *rt = new_runtime(workers);
  rth_local_t *l = new_local(rt, NULL);
  gate_t gate = GATE_INIT;
  rth_block_on_t opts = {.drive = 1, .before_wait = open_before_wait};
  job_t root = {.gate = &gate, .yields = 2};
  rth_outcome_t o;
  opened_before_wait = &gate;
  ASSERT_OK(rth_local_block_on(l, &opts, &job_ops, &root, &o));
  ASSERT_EQ(o.how, RTH_READY);
  rth_local_free(l);
  close_runtime(rt);
}

static void *drive_another(void *rt) {
  rth_local_t *l = new_local(rt, NULL);
  int i;
  for (i = 0; i < 100; i++)
    join_local(l, local_spawn(l, (job_t){.yields = i % 5}), NULL);
  rth_local_free(l);
  return NULL;
}

TEST_FLAVORS(many_threads_each_drive_an_executor_of_their_own) {
  rth_runtime_t *rt = new_runtime(workers);
  pthread_t t[4];
  int i;
  for (i = 0; i < 4; i++) pthread_create(&t[i], NULL, drive_another, rt);
  for (i = 0; i < 4; i++) pthread_join(t[i], NULL);
  close_runtime(rt);
}
