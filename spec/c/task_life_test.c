/* task_life_test - every combination of how a task is spawned, ends, is
** joined, dropped and aborted: the future is dropped once, its output goes to
** one place, and the waker of its JoinHandle is woken once and released. */
#include "futures.h"

enum { SPAWN, LOCAL };
enum { NOT_POLLED, POLLED };
enum { DROP_AT_ONCE, DROP_WHEN_POLLED, DROP_FINISHED, DROP_CONSUMED, DROPS };
enum { NO_ABORT, ABORT_AT_ONCE, ABORT_POLLED, ABORT_FINISHED, ABORT_CONSUMED,
       ABORTS };
enum { BY_JOIN, BY_HANDLE };

typedef struct combination {
  unsigned workers;
  int where;   /* SPAWN, LOCAL */
  rth_poll_t how; /* READY, FAILED */
  int interest; /* POLLED: a waker is registered before the first poll */
  int drop, abort, abort_by;
} combination_t;

/* ---- a waker that counts ------------------------------------------------ */

static RTH_ATOMIC(int) wakes, wakers;

static void count_clone(void *d) {
  (void)d;
  (void)rth__add_ar(&wakers, 1);
}
static void count_wake_by_ref(void *d) {
  (void)d;
  (void)rth__add_ar(&wakes, 1);
}
static void count_drop(void *d) {
  (void)d;
  (void)rth__sub_ar(&wakers, 1);
}
static void count_wake(void *d) {
  count_wake_by_ref(d);
  count_drop(d);
}
static const rth_waker_ops_t count_ops = {count_clone, count_wake,
                                          count_wake_by_ref, count_drop};

static RTH_ATOMIC(int) unhandled;
static void on_unhandled(void *arg, uint64_t id, void *out) {
  (void)arg;
  (void)id;
  ASSERT(out != NULL);
  (void)rth__add_ar(&unhandled, 1);
}

/* ---- one combination ---------------------------------------------------- */

typedef struct run {
  combination_t c;
  fate_t fate, out;
  gate_t gate;
  rth_runtime_t *rt;
  rth_local_t *local;
  rth_join_t *join; /* NULL: dropped */
  rth_abort_t *abort;
  int consumed;
  rth_outcome_t o;
} run_t;

/* Drives the executor of a local task or of the runtime until cond(arg). */
static void drive(run_t *r, int (*cond)(void *)) {
  until_t u = {cond, &r->fate, 0};
  rth_outcome_t o;
  if (r->c.where == LOCAL)
    ASSERT_OK(rth_local_block_on(r->local, NULL, &until_ops, &u, &o));
  else
    drive_until(r->rt, cond, &r->fate);
}

static void maybe_drop(run_t *r, int now) {
  if (r->c.drop != now || r->join == NULL) return;
  rth_join_free(r->join);
  r->join = NULL;
}

static void maybe_abort(run_t *r, int now) {
  if (r->c.abort != now) return;
  if (r->c.abort_by == BY_HANDLE)
    rth_abort(r->abort);
  else if (r->join != NULL)
    rth_join_abort(r->join);
}

static void spawn_it(run_t *r) {
  job_t j = {.fate = &r->fate, .gate = &r->gate, .how = r->c.how,
             .out = &r->out};
  rth_waker_t w = {&count_ops, NULL};
  if (r->c.where == LOCAL)
    ASSERT_OK(rth_local_spawn(r->local, &job_ops, &j, sizeof j, &r->join));
  else
    r->join = spawn(rth_runtime_handle(r->rt), j);
  if (r->c.abort_by == BY_HANDLE) r->abort = rth_join_abort_handle(r->join);
  if (r->c.interest == POLLED)
    ASSERT_EQ(rth_join_poll(r->join, &w, &r->o), RTH_PENDING);
}

static void consume(run_t *r) {
  static const rth_waker_t none = {NULL, NULL};
  if (r->join == NULL) return;
  ASSERT_EQ(rth_join_poll(r->join, &none, &r->o), RTH_READY);
  r->consumed = 1;
}

/* The abort came while the task could not have ended by itself. */
static int cancels(const combination_t *c) {
  int before_end = c->abort == ABORT_AT_ONCE || c->abort == ABORT_POLLED;
  return before_end && !(c->abort_by == BY_JOIN && c->drop == DROP_AT_ONCE);
}

static int finished(void *run) {
  run_t *r = run;
  if (r->join != NULL) return rth_join_is_finished(r->join);
  return r->abort == NULL || rth_abort_is_finished(r->abort);
}

static void check(run_t *r) {
  int cancelled = cancels(&r->c), lost = !cancelled && !r->consumed;
  int reported = rth__load_acq(&unhandled), left = rth__load_acq(&wakers);
  int woken = rth__load_acq(&wakes);
  ASSERT_FATE(&r->fate, drops, 1);
  ASSERT_FATE(&r->fate, cancels, cancelled);
  ASSERT_FATE(&r->out, outputs_dropped, lost);
  ASSERT_EQ(reported, lost && r->c.how == RTH_FAILED);
  ASSERT_EQ(left, 0);
  if (r->c.interest == POLLED && r->c.drop == DROP_WHEN_POLLED && cancelled)
    ASSERT_LE(woken, 1); /* a worker may be faster than the drop */
  else
    ASSERT_EQ(woken, r->c.interest == POLLED && r->c.drop >= DROP_FINISHED);
  if (r->consumed) {
    ASSERT_EQ(r->o.how, cancelled ? RTH_PENDING : r->c.how);
    ASSERT_PTR_EQ(r->o.value, cancelled ? NULL : &r->out);
  }
}

/* For a failure to say which it was. */
static void name_it(const combination_t *c) {
  static char name[100];
  snprintf(name, sizeof name,
           "workers %u, local %d, %s, joined %d, drop %d, abort %d by %d",
           c->workers, c->where, c->how == RTH_READY ? "ready" : "fails",
           c->interest, c->drop, c->abort, c->abort_by);
  harness_name = name;
}

static void run_combination(const combination_t *c) {
  static run_t r;
  rth_options_t o = options_for(c->workers);
  gate_t closed = GATE_INIT;
  memset(&r, 0, sizeof r);
  r.gate = closed;
  r.c = *c;
  name_it(c);
  rth__store_rlx(&wakes, 0);
  rth__store_rlx(&unhandled, 0);
  o.unhandled = on_unhandled;
  ASSERT_OK(rth_runtime_new(&o, &r.rt));
  if (c->where == LOCAL)
    ASSERT_OK(rth_local_new(rth_runtime_handle(r.rt), NULL, &r.local));
  spawn_it(&r);
  maybe_drop(&r, DROP_AT_ONCE);
  maybe_abort(&r, ABORT_AT_ONCE);
  if (!(cancels(c) && c->abort == ABORT_AT_ONCE)) drive(&r, is_polled);
  maybe_abort(&r, ABORT_POLLED);
  maybe_drop(&r, DROP_WHEN_POLLED);
  if (!cancels(c)) gate_open(&r.gate);
  drive(&r, is_dropped);
  spin_until(finished, &r);
  maybe_abort(&r, ABORT_FINISHED);
  maybe_drop(&r, DROP_FINISHED);
  consume(&r);
  maybe_abort(&r, ABORT_CONSUMED);
  maybe_drop(&r, DROP_CONSUMED);
  if (r.abort != NULL) rth_abort_free(r.abort);
  gate_forget(&r.gate);
  if (r.local != NULL) rth_local_free(r.local);
  close_runtime(r.rt);
  check(&r);
}

static void all(unsigned workers, int where) {
  combination_t c = {.workers = workers, .where = where};
  for (c.how = RTH_READY; c.how <= RTH_FAILED; c.how++)
    for (c.interest = NOT_POLLED; c.interest <= POLLED; c.interest++)
      for (c.drop = 0; c.drop < DROPS; c.drop++)
        for (c.abort = 0; c.abort < ABORTS; c.abort++)
          for (c.abort_by = BY_JOIN; c.abort_by <= BY_HANDLE; c.abort_by++)
            run_combination(&c);
}

TEST(every_life_of_a_task_on_current_thread) { all(CURRENT, SPAWN); }
TEST(every_life_of_a_task_on_one_worker) { all(1, SPAWN); }
TEST(every_life_of_a_task_on_two_workers) { all(2, SPAWN); }
TEST(every_life_of_a_task_on_sixteen_workers) { all(16, SPAWN); }
TEST(every_life_of_a_local_task_on_current_thread) { all(CURRENT, LOCAL); }
TEST(every_life_of_a_local_task_on_two_workers) { all(2, LOCAL); }
