/* oom_test - every allocation fails once, and from then on: each call answers
** RTH_ENOMEM or works, and nothing is left behind. */
#include "futures.h"

static RTH_ATOMIC(int) passes;  /* allocations that still pass */
static RTH_ATOMIC(int) forever; /* then all fail; else one */
static RTH_ATOMIC(int) failed;  /* how many have */

static void *counting(void *old, size_t size) {
  if (size == 0) {
    free(old);
    return NULL;
  }
  if (rth__sub_ar(&passes, 1) <= 0 &&
      (rth__load_acq(&forever) || rth__load_acq(&failed) == 0)) {
    (void)rth__add_ar(&failed, 1);
    return NULL;
  }
  return realloc(old, size);
}

/* Runs f with failure after 0, 1, 2, … allocations until none fails in it. */
static void sweep(void (*f)(unsigned workers), unsigned workers) {
  int mode, n;
  rth_set_allocator(counting);
  for (mode = 0; mode < 2; mode++)
    for (n = 0;; n++) {
      rth__store_rel(&passes, n);
      rth__store_rel(&forever, mode);
      rth__store_rel(&failed, 0);
      f(workers);
      ASSERT_EQ(rth_live_allocations(), 0);
      if (rth__load_acq(&failed) == 0) break;
      ASSERT_LT(n, 1000);
    }
}

#define NO_MORE_FAILURES() rth__store_rel(&passes, 1000000000)

static rth_runtime_t *try_runtime(unsigned workers) {
  rth_options_t o = options_for(workers);
  rth_runtime_t *rt = NULL;
  int rc;
  o.name = "name";
  rc = rth_runtime_new(&o, &rt);
  if (rc != 0) ASSERT_EQ(rc, RTH_ENOMEM);
  return rc == 0 ? rt : NULL;
}

static void start_only(unsigned workers) {
  rth_runtime_t *rt = try_runtime(workers);
  if (rt != NULL) close_runtime(rt);
}

TEST(a_runtime_that_lacks_memory_does_not_start) {
  sweep(start_only, CURRENT);
  sweep(start_only, 1);
  sweep(start_only, 4);
}

static void spawn_some(unsigned workers) {
  rth_runtime_t *rt = try_runtime(workers);
  fate_t fate = {0};
  int i, spawned = 0;
  if (rt == NULL) return;
  for (i = 0; i < 4; i++) {
    int blocking = i % 2, rc;
    job_t j = {.fate = &fate, .yields = blocking ? 0 : i};
    rc = blocking ? rth_spawn_blocking(rth_runtime_handle(rt), &job_ops, &j,
                                       sizeof j, NULL)
                  : rth_spawn(rth_runtime_handle(rt), &job_ops, &j, sizeof j,
                              0, NULL);
    if (rc != 0) ASSERT_EQ(rc, RTH_ENOMEM);
    spawned += rc == 0;
  }
  NO_MORE_FAILURES();
  close_runtime(rt);
  ASSERT_FATE(&fate, drops, spawned);
}

TEST(spawning_without_memory_consumes_nothing) {
  sweep(spawn_some, CURRENT);
  sweep(spawn_some, 2);
}

static void block_on_some(unsigned workers) {
  rth_runtime_t *rt = try_runtime(workers);
  fate_t fate = {0};
  job_t j = {.fate = &fate, .yields = 2};
  rth_outcome_t o;
  int rc;
  if (rt == NULL) return;
  rc = rth_runtime_block_on(rt, &job_ops, &j, &o);
  if (rc != 0) ASSERT_EQ(rc, RTH_ENOMEM);
  ASSERT_FATE(&fate, polls, rc == 0 ? 3 : 0);
  ASSERT_FATE(&fate, drops, 1);
  NO_MORE_FAILURES();
  close_runtime(rt);
}

TEST(block_on_without_memory_drops_its_future_unpolled) {
  sweep(block_on_some, CURRENT);
  sweep(block_on_some, 2);
}

static void local_some(unsigned workers) {
  rth_runtime_t *rt = try_runtime(workers);
  fate_t fate = {0};
  job_t j = {.fate = &fate};
  rth_local_t *l = NULL;
  rth_outcome_t o;
  int rc, spawned;
  if (rt == NULL) return;
  rc = rth_local_new(rth_runtime_handle(rt), NULL, &l);
  if (rc == 0) {
    spawned = rth_local_spawn(l, &job_ops, &j, sizeof j, NULL) == 0;
    rc = rth_local_block_on(l, NULL, &job_ops, &j, &o);
    rth_local_free(l);
    ASSERT_FATE(&fate, drops, spawned + 1);
  }
  if (rc != 0) ASSERT_EQ(rc, RTH_ENOMEM);
  NO_MORE_FAILURES();
  close_runtime(rt);
}

TEST(a_local_executor_without_memory_leaves_nothing) {
  sweep(local_some, CURRENT);
  sweep(local_some, 2);
}

/* ---- what needs none ---------------------------------------------------- */

TEST_FLAVORS(waking_joining_aborting_sleeping_and_closing_need_no_memory) {
  rth_runtime_t *rt = new_runtime(workers);
  gate_t gate = GATE_INIT;
  fate_t fate = {0};
  rth_waker_t none = {0};
  rth_outcome_t o;
  rth_join_t *a = spawn(rth_runtime_handle(rt),
                        (job_t){.fate = &fate, .gate = &gate});
  rth_join_t *b = spawn(rth_runtime_handle(rt), (job_t){.forever = 1});
  rth_abort_t *abort = rth_join_abort_handle(b);
  rth_handle_t *h = rth_handle_clone(rth_runtime_handle(rt));
  rth_sleep_t sleep;
  drive_until(rt, is_polled, &fate);
  rth_set_allocator(counting); /* frees what the other gave */
  rth__store_rel(&forever, 1);
  rth__store_rel(&passes, 0);
  gate_open(&gate);
  rth_abort(abort);
  rth_abort_free(rth_abort_clone(abort));
  rth_abort_free(abort);
  rth_sleep_init(&sleep, h, 0);
  rth_sleep_reset(&sleep, 1);
  rth_sleep_fini(&sleep);
  rth_handle_free(rth_handle_clone(h));
  rth_handle_free(h);
  if (workers != CURRENT) {
    spin_until(is_finished, a);
    spin_until(is_finished, b);
  }
  ASSERT_OK(rth_runtime_shutdown(rt, RTH_FOREVER));
  ASSERT_EQ(rth_join_poll(a, &none, &o), RTH_READY);
  ASSERT_EQ(rth_join_poll(b, &none, &o), RTH_READY);
  rth_join_free(a);
  rth_join_free(b);
  rth_runtime_free(rt);
  ASSERT_EQ(rth__load_acq(&failed), 0);
}
