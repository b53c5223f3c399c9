/* futures.h - futures for tests: each counts what is done to it. */
#ifndef FUTURES_H
#define FUTURES_H

#include <pthread.h>
#include <sched.h>

#include "base/atomic.h"
#include "harness.h"
#include "rthandle.h"

#define MS UINT64_C(1000000)
#define SEC UINT64_C(1000000000)

/* ---- runtimes ----------------------------------------------------------- */

/* The flavours that most tests run on. */
enum { CURRENT = 0 }; /* else: that many workers */

static inline rth_options_t options_for(unsigned workers) {
  rth_options_t o;
  rth_options_init(&o);
  o.flavor = workers == CURRENT ? RTH_CURRENT_THREAD : RTH_MULTI_THREAD;
  o.worker_threads = workers;
  return o;
}

static inline rth_runtime_t *new_runtime(unsigned workers) {
  rth_options_t o = options_for(workers);
  rth_runtime_t *rt = NULL;
  ASSERT_OK(rth_runtime_new(&o, &rt));
  return rt;
}

static inline void close_runtime(rth_runtime_t *rt) {
  ASSERT_OK(rth_runtime_shutdown(rt, RTH_FOREVER));
  rth_runtime_free(rt);
}

/* TEST_WORKERS=n in place of 4. */
static inline unsigned many_workers(void) {
  const char *n = getenv("TEST_WORKERS");
  return n != NULL ? (unsigned)strtoul(n, NULL, 10) : 4;
}

/* Defines TESTs name_current, name_1 and name_many. */
#define TEST_FLAVORS(name)                    \
  static void name(unsigned workers);         \
  TEST(name##_current) { name(CURRENT); }     \
  TEST(name##_1) { name(1); }                 \
  TEST(name##_many) { name(many_workers()); } \
  static void name(unsigned workers)

/* ---- what happened to a future ------------------------------------------ */

typedef struct fate {
  RTH_ATOMIC(int) polls, cancels, drops, outputs_dropped;
} fate_t;

/* ---- a gate: closed, then open for ever --------------------------------- */

enum { GATE_WAITERS = 1024 };

typedef struct gate {
  pthread_mutex_t lock;
  int open, waiters;
  rth_waker_t wakers[GATE_WAITERS];
} gate_t;

#define GATE_INIT {.lock = PTHREAD_MUTEX_INITIALIZER}

/* Whether it is open; else the waker will be woken. */
static inline int gate_pass(gate_t *g, const rth_waker_t *w) {
  int i, open;
  pthread_mutex_lock(&g->lock);
  open = g->open;
  for (i = 0; !open && i < g->waiters; i++)
    if (rth_waker_same(&g->wakers[i], w)) break;
  if (!open && i == g->waiters) {
    ASSERT_LT(g->waiters, (int)GATE_WAITERS);
    g->wakers[g->waiters++] = rth_waker_clone(w);
  }
  pthread_mutex_unlock(&g->lock);
  return open;
}

static inline void gate_open(gate_t *g) {
  int i, n;
  pthread_mutex_lock(&g->lock);
  g->open = 1;
  n = g->waiters;
  g->waiters = 0;
  pthread_mutex_unlock(&g->lock);
  for (i = 0; i < n; i++) rth_wake(&g->wakers[i]);
}

/* Drops the wakers of those that wait. */
static inline void gate_forget(gate_t *g) {
  int i, n;
  pthread_mutex_lock(&g->lock);
  n = g->waiters;
  g->waiters = 0;
  pthread_mutex_unlock(&g->lock);
  for (i = 0; i < n; i++) rth_waker_drop(&g->wakers[i]);
}

/* ---- a future that does as it is told ----------------------------------- */

typedef struct job {
  fate_t *fate;  /* or NULL */
  gate_t *gate;  /* waits for it first, if there is one */
  int yields;    /* then yields so often */
  int forever;   /* then never ends */
  rth_poll_t how; /* then this is the result; 0: READY */
  void *out;
  void (*on_poll)(void *arg, rth_cx_t *cx); /* in each poll, if not NULL */
  void *arg;
} job_t;

#define COUNT(job, what)                                                  \
  ((job)->fate != NULL ? (void)rth__add_ar(&(job)->fate->what, 1) : (void)0)

static inline rth_poll_t job_poll(void *self, rth_cx_t *cx, void **out) {
  job_t *j = self;
  if (j->on_poll != NULL) j->on_poll(j->arg, cx);
  COUNT(j, polls);
  if (j->gate != NULL && !gate_pass(j->gate, &cx->waker)) return RTH_PENDING;
  if (j->yields > 0) {
    j->yields--;
    rth_yield(cx);
    return RTH_PENDING;
  }
  if (j->forever) return RTH_PENDING;
  *out = j->out;
  return j->how == RTH_FAILED ? RTH_FAILED : RTH_READY;
}

static inline rth_poll_t job_cancel(void *self, rth_cx_t *cx, void **out) {
  (void)cx;
  (void)out;
  COUNT((job_t *)self, cancels);
  return RTH_PENDING;
}

static inline void job_drop(void *self) { COUNT((job_t *)self, drops); }

/* Outputs are fates, where an output counts. */
static inline void job_drop_out(void *out, rth_poll_t how) {
  (void)how;
  if (out != NULL) (void)rth__add_ar(&((fate_t *)out)->outputs_dropped, 1);
}

static const rth_future_ops_t job_ops = {job_poll, job_cancel, job_drop,
                                         job_drop_out};
/* The output is a number, not a fate. */
static const rth_future_ops_t number_ops = {job_poll, job_cancel, job_drop,
                                            NULL};

static inline rth_join_t *spawn(rth_handle_t *h, job_t j) {
  rth_join_t *out = NULL;
  ASSERT_OK(rth_spawn(h, &job_ops, &j, sizeof j, 0, &out));
  return out;
}

static inline void detach(rth_handle_t *h, job_t j) {
  ASSERT_OK(rth_spawn(h, &job_ops, &j, sizeof j, 0, NULL));
}

static inline rth_join_t *spawn_number(rth_handle_t *h, job_t j) {
  rth_join_t *out = NULL;
  ASSERT_OK(rth_spawn(h, &number_ops, &j, sizeof j, 0, &out));
  return out;
}

static inline rth_join_t *spawn_blocking(rth_handle_t *h, job_t j) {
  rth_join_t *out = NULL;
  ASSERT_OK(rth_spawn_blocking(h, &job_ops, &j, sizeof j, &out));
  return out;
}

static inline void *number(uintptr_t n) { return (void *)n; }

/* ---- roots of block_on -------------------------------------------------- */

/* Waits for a JoinHandle; the output is o. */
typedef struct joining {
  rth_join_t *join;
  rth_outcome_t o;
} joining_t;

static inline rth_poll_t joining_poll(void *self, rth_cx_t *cx, void **out) {
  joining_t *j = self;
  *out = NULL;
  return rth_join_poll(j->join, &cx->waker, &j->o);
}
static const rth_future_ops_t joining_ops = {joining_poll, NULL, NULL, NULL};

/* Waits on this thread; consumes the JoinHandle. */
static inline rth_outcome_t join_in(rth_runtime_t *rt, rth_join_t *join) {
  joining_t j = {.join = join};
  rth_outcome_t o;
  ASSERT_OK(rth_runtime_block_on(rt, &joining_ops, &j, &o));
  ASSERT_EQ(o.how, RTH_READY);
  rth_join_free(join);
  return j.o;
}

/* Drives the runtime until cond(arg). */
typedef struct until {
  int (*cond)(void *);
  void *arg;
  unsigned polls;
} until_t;

static inline rth_poll_t until_poll(void *self, rth_cx_t *cx, void **out) {
  until_t *u = self;
  (void)out;
  if (u->cond(u->arg)) return RTH_READY;
  /* What it waits for may need this processor; a busy neighbour would take it
  ** for milliseconds each time. */
  if (++u->polls % 64 == 0) sched_yield();
  rth_yield(cx);
  return RTH_PENDING;
}
static const rth_future_ops_t until_ops = {until_poll, NULL, NULL, NULL};

static inline void drive_until(rth_runtime_t *rt, int (*cond)(void *),
                               void *arg) {
  until_t u = {cond, arg, 0};
  rth_outcome_t o;
  ASSERT_OK(rth_runtime_block_on(rt, &until_ops, &u, &o));
}

/* Runs one job as the root. */
static inline rth_outcome_t block_on(rth_runtime_t *rt, job_t j) {
  rth_outcome_t o;
  ASSERT_OK(rth_runtime_block_on(rt, &number_ops, &j, &o));
  return o;
}

/* ---- conditions --------------------------------------------------------- */

static inline int is_polled(void *fate) {
  return rth__load_acq(&((fate_t *)fate)->polls) > 0;
}
static inline int is_dropped(void *fate) {
  return rth__load_acq(&((fate_t *)fate)->drops) > 0;
}
static inline int is_finished(void *join) { return rth_join_is_finished(join); }

static inline void spin_until(int (*cond)(void *), void *arg) {
  while (!cond(arg)) usleep(100);
}

#define ASSERT_FATE(f, what, n)           \
  do {                                    \
    int what = rth__load_acq(&(f)->what); \
    ASSERT_EQ(what, n);                   \
  } while (0)

#endif
