/* primes.c - the C core without Lua: tasks on several workers, a join of all
** of them, a timer, an abort, a blocking function, block_on.
**
** Build, from the root of the project:
**
**   make                       (makes build/librthandle.a)
**   cc -std=c11 -O2 -Icsrc/include examples/c/primes.c \
**      build/librthandle.a -luv -lpthread -o build/primes
**   build/primes
**
** A future is a struct and a poll function.  poll is called until it answers
** RTH_READY or RTH_FAILED; when it answers RTH_PENDING it has arranged for
** the waker of its context to be woken (everything it polled did so for it),
** or asked for another turn with rth_yield.  Nothing here uses a lock: one
** thread at a time polls a task.
**
** It prints the same lines each time, however the tasks were spread.
*/
#include <rthandle.h>

#include <stdio.h>
#include <stdlib.h>

enum { TASKS = 8, STEP = 50000, SLICE = 1000 };

#define MS (UINT64_C(1000000)) /* in nanoseconds */

static void must(int code, const char *what) {
  if (code == 0) return;
  fprintf(stderr, "%s: %s\n", what, rth_strerror(code));
  exit(1);
}

/* ---- a task that computes ---------------------------------------------- */

/* Counts the primes of [next, end).  The runtime copies the struct into the
** task, so it may live on the spawner's stack. */
struct count {
  unsigned next, end;
  uintptr_t found; /* the output: a number in the place of a pointer */
};

static int is_prime(unsigned n) {
  if (n < 2) return 0;
  for (unsigned d = 2; d <= n / d; d++)
    if (n % d == 0) return 0;
  return 1;
}

/* A slice at a time: a task that computes for long without a break would
** keep its worker from timers and from other tasks. */
static rth_poll_t count_poll(void *self, rth_cx_t *cx, void **out) {
  struct count *c = self;
  for (unsigned i = 0; i < SLICE && c->next < c->end; i++)
    c->found += (uintptr_t)is_prime(c->next++);
  if (c->next < c->end) {
    rth_yield(cx);
    return RTH_PENDING;
  }
  *out = (void *)c->found;
  return RTH_READY;
}

static const rth_future_ops_t count_ops = {count_poll, NULL, NULL, NULL};

/* ---- a task that waits ------------------------------------------------- */

struct nap {
  rth_sleep_t sleep;
};

static rth_poll_t nap_poll(void *self, rth_cx_t *cx, void **out) {
  struct nap *n = self;
  (void)out;
  return rth_sleep_poll(&n->sleep, cx);
}

/* Runs after the last poll, and where the task is aborted. */
static void nap_drop(void *self) {
  struct nap *n = self;
  rth_sleep_fini(&n->sleep);
}

static const rth_future_ops_t nap_ops = {nap_poll, NULL, nap_drop, NULL};

static rth_join_t *spawn_nap(rth_handle_t *h, uint64_t ns) {
  struct nap n;
  rth_join_t *j;
  rth_sleep_init_in(&n.sleep, h, ns);
  must(rth_spawn(h, &nap_ops, &n, sizeof n, 0, &j), "rth_spawn");
  return j;
}

/* ---- a blocking function ------------------------------------------------ */

/* Polled once, on a thread where it may block as long as it likes. */
static rth_poll_t name_poll(void *self, rth_cx_t *cx, void **out) {
  (void)self;
  (void)cx;
  *out = rth_worker_index() < 0 ? "a thread for blocking work" : "a worker";
  return RTH_READY;
}

static const rth_future_ops_t name_ops = {name_poll, NULL, NULL, NULL};

/* ---- the root: joins what main has spawned ------------------------------- */

struct root {
  unsigned n;
  rth_join_t *join[TASKS];
  rth_outcome_t outcome[TASKS];
};

static rth_poll_t root_poll(void *self, rth_cx_t *cx, void **out) {
  struct root *r = self;
  unsigned waiting = 0;
  (void)out;
  for (unsigned i = 0; i < r->n; i++) {
    if (r->join[i] == NULL) continue; /* ended in an earlier poll */
    if (rth_join_poll(r->join[i], &cx->waker, &r->outcome[i]) == RTH_PENDING) {
      waiting++;
      continue;
    }
    rth_join_free(r->join[i]);
    r->join[i] = NULL;
  }
  return waiting > 0 ? RTH_PENDING : RTH_READY;
}

static const rth_future_ops_t root_ops = {root_poll, NULL, NULL, NULL};

static void join_all(rth_runtime_t *rt, struct root *r) {
  rth_outcome_t o;
  must(rth_runtime_block_on(rt, &root_ops, r, &o), "rth_runtime_block_on");
}

/* ---- main ---------------------------------------------------------------- */

static void count_primes(rth_runtime_t *rt, rth_handle_t *h) {
  struct root r = {.n = TASKS};
  uintptr_t sum = 0;
  for (unsigned i = 0; i < TASKS; i++) {
    struct count c = {i * STEP, (i + 1) * STEP, 0};
    must(rth_spawn(h, &count_ops, &c, sizeof c, RTH_SPAWN_SHARE, &r.join[i]),
         "rth_spawn");
  }
  join_all(rt, &r);
  for (unsigned i = 0; i < TASKS; i++) {
    printf("task %u: %lu primes\n", i + 1,
           (unsigned long)(uintptr_t)r.outcome[i].value);
    sum += (uintptr_t)r.outcome[i].value;
  }
  printf("all: %lu primes below %d\n", (unsigned long)sum, TASKS * STEP);
}

static void sleep_and_abort(rth_runtime_t *rt, rth_handle_t *h) {
  struct root r = {.n = 2};
  uint64_t start = rth_handle_now(h);
  r.join[0] = spawn_nap(h, 20 * MS);
  r.join[1] = spawn_nap(h, 3600 * 1000 * MS);
  rth_join_abort(r.join[1]);
  join_all(rt, &r);
  printf("a nap of 20 ms ended: %s, never early: %s\n",
         r.outcome[0].how == RTH_READY ? "yes" : "no",
         rth_handle_now(h) - start >= 20 * MS ? "yes" : "no");
  printf("a nap of an hour was cancelled: %s\n",
         r.outcome[1].how == RTH_PENDING ? "yes" : "no");
}

static void block(rth_runtime_t *rt, rth_handle_t *h) {
  struct root r = {.n = 1};
  must(rth_spawn_blocking(h, &name_ops, NULL, 0, &r.join[0]),
       "rth_spawn_blocking");
  join_all(rt, &r);
  printf("the blocking function ran on %s\n", (const char *)r.outcome[0].value);
}

int main(void) {
  rth_options_t o;
  rth_runtime_t *rt;
  rth_handle_t *h;
  rth_options_init(&o);
  o.worker_threads = 4;
  must(rth_runtime_new(&o, &rt), "rth_runtime_new");
  h = rth_runtime_handle(rt); /* borrowed: good until rth_runtime_free */

  count_primes(rt, h);
  sleep_and_abort(rt, h);
  block(rt, h);

  must(rth_runtime_shutdown(rt, RTH_FOREVER), "rth_runtime_shutdown");
  rth_runtime_free(rt);
  return 0;
}
