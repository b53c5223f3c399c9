/* rt.c - the rthandle side of the C suite: `rt NAME WORKERS` runs one
** benchmark and prints `NAME value ns`, the median time of one operation.
** bench/tokio/main.rs does the same work on Tokio, step for step: what is a
** `.await` there is a state of a future here.
**
** The shapes are those of Tokio's own benchmarks.  Tasks share `left` and
** `done`; all else belongs to the thread that measures or to one future.
*/
#include "bench.h"
#include "oneshot.h"

static rth_join_t *joins[10000];

/* ---- futures that many benchmarks use ----------------------------------- */

static rth_poll_t empty_poll(void *self, rth_cx_t *cx, void **out) {
  (void)self, (void)cx, (void)out;
  return RTH_READY;
}
static const rth_future_ops_t empty = {.poll = empty_poll};

static rth_poll_t finish_poll(void *self, rth_cx_t *cx, void **out) {
  (void)self, (void)cx, (void)out;
  finish_one();
  return RTH_READY;
}
static const rth_future_ops_t finish = {.poll = finish_poll};

/* Awaits `n` JoinHandles in order.  As in Tokio, each takes a unit of the
** budget. */
struct join_all {
  rth_join_t **handles;
  int next, n;
};

static rth_poll_t join_all_poll(void *self, rth_cx_t *cx, void **out) {
  struct join_all *f = self;
  rth_outcome_t o;
  (void)out;
  for (; f->next < f->n; f->next++) {
    rth_join_t *j = f->handles[f->next];
    if (!rth_budget(cx)) {
      rth_yield(cx);
      return RTH_PENDING;
    }
    if (rth_join_poll(j, &cx->waker, &o) == RTH_PENDING) return RTH_PENDING;
    if (o.how != RTH_READY) abort();
    rth_join_free(j);
  }
  return RTH_READY;
}
static const rth_future_ops_t join_all = {.poll = join_all_poll};

static void spawn_joins(int n) {
  for (int i = 0; i < n; i++)
    check(rth_spawn(handle, &empty, NULL, 0, 0, &joins[i]));
}

static void spawn_and_join(int n) {
  struct join_all all = {joins, 0, n};
  spawn_joins(n);
  block_on(&join_all, &all);
}

/* ---- spawning ------------------------------------------------------------ */

static rth_poll_t spawn_many_poll(void *self, rth_cx_t *cx, void **out) {
  (void)self, (void)cx, (void)out;
  for (int i = 0; i < 10000; i++) spawn(&finish, NULL, 0);
  wait_done();
  return RTH_READY;
}
static const rth_future_ops_t spawn_many = {.poll = spawn_many_poll};

static void spawn_many_local(void) {
  start(10000);
  block_on(&spawn_many, NULL);
}

static void spawn_many_remote_idle(void) { spawn_and_join(10000); }

/* Yields, computes for 10 us, and so on for ever. */
static rth_poll_t busy_poll(void *self, rth_cx_t *cx, void **out) {
  int *started = self;
  uint64_t begin = now();
  (void)out;
  while (*started && now() - begin < 10000) continue;
  *started = 1;
  rth_yield(cx);
  return RTH_PENDING;
}
static const rth_future_ops_t busy = {.poll = busy_poll};

static void spawn_many_remote_busy(void) {
  static int started;
  unsigned n = 2 * rth_handle_num_workers(handle);
  int no = 0;
  for (; !started && n > 0; n--) spawn(&busy, &no, sizeof no);
  started = 1;
  spawn_and_join(1000);
}

static rth_poll_t yield_once_poll(void *self, rth_cx_t *cx, void **out) {
  int *yielded = self;
  (void)out;
  if (*yielded) return RTH_READY;
  *yielded = 1;
  rth_yield(cx);
  return RTH_PENDING;
}
static const rth_future_ops_t yield_once = {.poll = yield_once_poll};

/* Spawns one task, or one blocking function, and awaits it. */
struct one {
  int blocking;
  rth_join_t *j;
};

static rth_poll_t one_poll(void *self, rth_cx_t *cx, void **out) {
  struct one *f = self;
  struct join_all all = {&f->j, 0, 1};
  int no = 0;
  if (f->j == NULL && f->blocking)
    check(rth_spawn_blocking(handle, &empty, NULL, 0, &f->j));
  else if (f->j == NULL)
    check(rth_spawn(handle, &yield_once, &no, sizeof no, 0, &f->j));
  return join_all_poll(&all, cx, out);
}
static const rth_future_ops_t one = {.poll = one_poll};

static void spawn_one(void) {
  struct one f = {0, NULL};
  block_on(&one, &f);
}

static void spawn_blocking_one(void) {
  struct one f = {1, NULL};
  block_on(&one, &f);
}

static rth_poll_t link_poll(void *self, rth_cx_t *cx, void **out);
static const rth_future_ops_t link = {.poll = link_poll};

static rth_poll_t link_poll(void *self, rth_cx_t *cx, void **out) {
  int n = *(int *)self;
  (void)cx, (void)out;
  if (n == 0) {
    sem_post(&done);
  } else {
    n--;
    spawn(&link, &n, sizeof n);
  }
  return RTH_READY;
}

static rth_poll_t chain_poll(void *self, rth_cx_t *cx, void **out) {
  int n = 1000;
  (void)self, (void)cx, (void)out;
  spawn(&link, &n, sizeof n);
  wait_done();
  return RTH_READY;
}
static const rth_future_ops_t chain = {.poll = chain_poll};

static void chained_spawn(void) { block_on(&chain, NULL); }

/* ---- waking -------------------------------------------------------------- */

struct pong {
  oneshot_t *rx1, *tx2;
};

static rth_poll_t pong_poll(void *self, rth_cx_t *cx, void **out) {
  struct pong *f = self;
  (void)out;
  if (oneshot_recv(f->rx1, cx) == RTH_PENDING) return RTH_PENDING;
  oneshot_send(f->tx2);
  return RTH_READY;
}
static const rth_future_ops_t pong = {.poll = pong_poll};

struct ping {
  oneshot_t *rx2; /* NULL: not started */
};

static rth_poll_t ping_poll(void *self, rth_cx_t *cx, void **out) {
  struct ping *f = self;
  (void)out;
  if (f->rx2 == NULL) {
    oneshot_t *first = oneshot_new();
    struct pong peer = {first, oneshot_new()};
    f->rx2 = peer.tx2;
    spawn(&pong, &peer, sizeof peer);
    oneshot_send(first);
  }
  if (oneshot_recv(f->rx2, cx) == RTH_PENDING) return RTH_PENDING;
  finish_one();
  return RTH_READY;
}
static const rth_future_ops_t ping = {.poll = ping_poll};

static rth_poll_t pings_poll(void *self, rth_cx_t *cx, void **out) {
  struct ping f = {NULL};
  (void)self, (void)cx, (void)out;
  for (int i = 0; i < 1000; i++) spawn(&ping, &f, sizeof f);
  return RTH_READY;
}
static const rth_future_ops_t pings = {.poll = pings_poll};

static rth_poll_t pinger_poll(void *self, rth_cx_t *cx, void **out) {
  (void)self, (void)cx, (void)out;
  spawn(&pings, NULL, 0);
  wait_done();
  return RTH_READY;
}
static const rth_future_ops_t pinger = {.poll = pinger_poll};

static void ping_pong(void) {
  start(1000);
  block_on(&pinger, NULL);
}

static rth_poll_t yielder_poll(void *self, rth_cx_t *cx, void **out) {
  int *n = self;
  (void)out;
  if (*n == 0) {
    sem_post(&done);
    return RTH_READY;
  }
  --*n;
  rth_yield(cx);
  return RTH_PENDING;
}
static const rth_future_ops_t yielder = {.poll = yielder_poll};

static void yield_many(void) {
  int n = 1000;
  for (int i = 0; i < 200; i++) spawn(&yielder, &n, sizeof n);
  for (int i = 0; i < 200; i++) wait_done();
}

/* ---- blocking functions --------------------------------------------------- */

/* Starts 100 batches of 16 empty functions and awaits each batch. */
struct batches {
  int batch;
  struct join_all all;
  rth_join_t *handles[16];
};

static rth_poll_t batches_poll(void *self, rth_cx_t *cx, void **out) {
  struct batches *f = self;
  for (; f->batch < 100; f->batch++) {
    if (f->all.n == 0) {
      for (int i = 0; i < 16; i++)
        check(rth_spawn_blocking(handle, &empty, NULL, 0, &f->handles[i]));
      f->all = (struct join_all){f->handles, 0, 16};
    }
    if (join_all_poll(&f->all, cx, out) == RTH_PENDING) return RTH_PENDING;
    f->all.n = 0;
  }
  return RTH_READY;
}
static const rth_future_ops_t batches = {.poll = batches_poll};

static void spawn_blocking(int tasks) {
  struct batches f = {.batch = 0};
  struct join_all all = {joins, 0, tasks};
  for (int i = 0; i < tasks; i++)
    check(rth_spawn(handle, &batches, &f, sizeof f, 0, &joins[i]));
  block_on(&join_all, &all);
}

static void spawn_blocking_1(void) { spawn_blocking(1); }
static void spawn_blocking_2(void) { spawn_blocking(2); }

/* ---- timers ---------------------------------------------------------------- */

struct sleeper {
  int started;
  rth_sleep_t sleep;
};

static rth_poll_t sleeper_poll(void *self, rth_cx_t *cx, void **out) {
  struct sleeper *f = self;
  (void)out;
  if (!f->started) {
    f->started = 1;
    rth_sleep_init_in(&f->sleep, cx->handle, 10 * MS);
  }
  if (rth_sleep_poll(&f->sleep, cx) == RTH_PENDING) return RTH_PENDING;
  rth_sleep_fini(&f->sleep);
  finish_one();
  return RTH_READY;
}
static const rth_future_ops_t sleeper = {.poll = sleeper_poll};

static void sleep_many(void) {
  struct sleeper f = {.started = 0};
  start(10000);
  for (int i = 0; i < 10000; i++) spawn(&sleeper, &f, sizeof f);
  wait_done();
}

/* ---- current_thread --------------------------------------------------------- */

static rth_poll_t spawn_then_join_poll(void *self, rth_cx_t *cx, void **out) {
  struct join_all *f = self;
  if (f->n == 0) {
    f->n = 1000;
    spawn_joins(f->n);
  }
  return join_all_poll(f, cx, out);
}
static const rth_future_ops_t spawn_then_join = {.poll = spawn_then_join_poll};

static void current_spawn_many_local(void) {
  struct join_all f = {joins, 0, 0};
  block_on(&spawn_then_join, &f);
}

static void current_spawn_many_remote_idle(void) { spawn_and_join(1000); }

/* ---- measuring ------------------------------------------------------------- */

static const struct bench benches[] = {
  {"spawn_many_local", 10000, spawn_many_local},
  {"spawn_many_remote_idle", 10000, spawn_many_remote_idle},
  {"spawn_many_remote_busy", 1000, spawn_many_remote_busy},
  {"spawn_one", 1, spawn_one},
  {"chained_spawn", 1000, chained_spawn},
  {"ping_pong", 1000, ping_pong},
  {"yield_many", 200 * 1000, yield_many},
  {"spawn_blocking_1", 100 * 16, spawn_blocking_1},
  {"spawn_blocking_2", 2 * 100 * 16, spawn_blocking_2},
  {"spawn_blocking_one", 1, spawn_blocking_one},
  {"sleep_many", 10000, sleep_many},
  {"current_spawn_many_local", 1000, current_spawn_many_local},
  {"current_spawn_many_remote_idle", 1000, current_spawn_many_remote_idle},
};

int main(int argc, char **argv) {
  return bench_main(benches, sizeof benches / sizeof *benches, argc, argv);
}
