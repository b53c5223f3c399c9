/* worker_test - no worker sleeps beside work that it could take, and none of
** a worker's queues starves. */
#include "futures.h"

static rth_handle_t *handle;

static unsigned other_worker(void) { return 1u - (unsigned)rth_worker_index(); }

static int sleeps(void *worker) {
  rth_worker_metrics_t m;
  ASSERT_OK(rth_handle_worker_metrics(handle, *(unsigned *)worker, &m));
  return m.park_count > m.unpark_count;
}

/* Holds this worker until the other one sleeps. */
static void wait_for_sleeper(void) {
  unsigned other = other_worker();
  spin_until(sleeps, &other);
}

static int is_set(void *flag) { return rth__load_acq((RTH_ATOMIC(int) *)flag); }
static void set(RTH_ATOMIC(int) *flag) { rth__store_rel(flag, 1); }

static void end(rth_join_t *j) {
  spin_until(is_finished, j);
  rth_join_free(j);
}

/* ---- tasks that yielded ------------------------------------------------- */

static RTH_ATOMIC(int) held, both_yielded, meets[2];

/* Two of them yield, and then each holds its worker until it meets the other:
** they need two workers. */
typedef struct meeting {
  int number, polls;
} meeting_t;

static rth_poll_t meeting_poll(void *self, rth_cx_t *cx, void **out) {
  meeting_t *m = self;
  (void)out;
  if (m->polls++ == 0) {
    if (m->number == 1) { /* the first has yielded */
      set(&both_yielded);
      wait_for_sleeper();
    }
    rth_yield(cx);
    return RTH_PENDING;
  }
  set(&meets[m->number]);
  spin_until(is_set, &meets[!m->number]);
  return RTH_READY;
}
static const rth_future_ops_t meeting_ops = {meeting_poll, NULL, NULL, NULL};

/* So that nobody steals before they have yielded. */
static void hold(void *arg, rth_cx_t *cx) {
  (void)arg;
  (void)cx;
  set(&held);
  spin_until(is_set, &both_yielded);
}

static void spawn_meetings(void *arg, rth_cx_t *cx) {
  rth_join_t **joins = arg;
  int i;
  (void)cx;
  spin_until(is_set, &held);
  for (i = 1; i >= 0; i--) { /* who is spawned last runs first */
    meeting_t m = {i, 0};
    ASSERT_OK(rth_spawn(handle, &meeting_ops, &m, sizeof m, 0, &joins[i]));
  }
}

TEST(tasks_that_yielded_are_shared_with_a_worker_that_sleeps) {
  rth_runtime_t *rt = new_runtime(2);
  rth_join_t *joins[4];
  int i;
  handle = rth_runtime_handle(rt);
  joins[2] = spawn(handle, (job_t){.on_poll = hold});
  joins[3] = spawn(handle, (job_t){.on_poll = spawn_meetings, .arg = joins});
  for (i = 3; i >= 0; i--) end(joins[i]);
  close_runtime(rt);
}

/* ---- the LIFO slot ------------------------------------------------------ */

static RTH_ATOMIC(int) lifo_done;

/* Comes back to the LIFO slot until its turns there are over. */
static rth_poll_t again_poll(void *self, rth_cx_t *cx, void **out) {
  int *polls = self;
  (void)out;
  if (++*polls <= 3) {
    rth_wake_by_ref(&cx->waker);
    return RTH_PENDING;
  }
  set(&lifo_done);
  return RTH_READY;
}
static const rth_future_ops_t again_ops = {again_poll, NULL, NULL, NULL};

static void wait_for_lifo(void *arg, rth_cx_t *cx) {
  (void)arg;
  (void)cx;
  spin_until(is_set, &lifo_done);
}

static void spawn_beside_pinned(void *arg, rth_cx_t *cx) {
  rth_join_t **joins = arg;
  job_t pinned = {.on_poll = wait_for_lifo};
  int polls = 0;
  wait_for_sleeper();
  ASSERT_OK(rth_local_spawn(cx->local, &job_ops, &pinned, sizeof pinned,
                            &joins[0]));
  ASSERT_OK(rth_spawn(handle, &again_ops, &polls, sizeof polls, 0, &joins[1]));
}

/* With `before` pinned tasks run, whose turn it is afterwards differs. */
static void lifo_beside_pinned(int before) {
  rth_runtime_t *rt = new_runtime(2);
  rth_join_t *joins[2];
  handle = rth_runtime_handle(rt);
  rth__store_rel(&lifo_done, 0);
  while (before-- > 0) end(spawn(handle, (job_t){0}));
  end(spawn(handle, (job_t){.on_poll = spawn_beside_pinned, .arg = joins}));
  end(joins[1]);
  end(joins[0]);
  close_runtime(rt);
}

TEST(what_leaves_the_lifo_slot_is_shared_with_a_worker_that_sleeps) {
  int before;
  for (before = 0; before < 4; before++) lifo_beside_pinned(before);
}

/* ---- all queues get their turn ------------------------------------------ */

enum { FLOOD = 1000 };
static RTH_ATOMIC(int) filled, flooded, flood_ran, ring_ran_after;

static void count_flood(void *arg, rth_cx_t *cx) {
  (void)arg;
  (void)cx;
  (void)rth__add_rlx(&flood_ran, 1);
}
static void note_flood(void *arg, rth_cx_t *cx) {
  (void)arg;
  (void)cx;
  rth__store_rel(&ring_ran_after, rth__load_rlx(&flood_ran));
}

/* Is always ready, until the flood is over. */
static rth_poll_t busy_poll(void *self, rth_cx_t *cx, void **out) {
  (void)self;
  (void)out;
  if (rth__load_rlx(&flood_ran) == FLOOD) return RTH_READY;
  rth_wake_by_ref(&cx->waker);
  return RTH_PENDING;
}
static const rth_future_ops_t busy_ops = {busy_poll, NULL, NULL, NULL};

static void fill_queues(void *arg, rth_cx_t *cx) {
  rth_join_t **joins = arg;
  job_t in_ring = {.on_poll = note_flood};
  char none = 0;
  ASSERT_OK(rth_local_spawn(cx->local, &busy_ops, &none, 1, &joins[0]));
  ASSERT_OK(rth_spawn(handle, &job_ops, &in_ring, sizeof in_ring,
                      RTH_SPAWN_SHARE, &joins[1]));
  set(&filled);
  spin_until(is_set, &flooded);
}

TEST(the_ring_gets_its_turn_beside_pinned_tasks_and_a_flood_from_outside) {
  rth_options_t o = options_for(1);
  rth_runtime_t *rt;
  rth_join_t *joins[2], *filler;
  int i;
  o.global_queue_interval = 2; /* what long polls tune it to */
  ASSERT_OK(rth_runtime_new(&o, &rt));
  handle = rth_runtime_handle(rt);
  filler = spawn(handle, (job_t){.on_poll = fill_queues, .arg = joins});
  spin_until(is_set, &filled);
  for (i = 0; i < FLOOD; i++) detach(handle, (job_t){.on_poll = count_flood});
  set(&flooded);
  end(filler);
  end(joins[1]);
  end(joins[0]);
  ASSERT_LT(rth__load_acq(&ring_ran_after), FLOOD / 10);
  close_runtime(rt);
}
