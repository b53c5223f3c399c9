/* sync.c - channels and locks against Tokio's: `sync NAME WORKERS`.
** bench/tokio/sync.rs does the same work, step for step.
**
** A message here is a buffer from malloc, as a Lua message is; Tokio's are
** numbers in the channel's own memory.  Each ready operation takes a unit of
** the budget, as in Tokio.
*/
#include "bench.h"
#include "rthandle_sync.h"

/* Takes a unit, or ends the poll. */
#define BUDGET(cx)           \
  do {                       \
    if (!rth_budget(cx)) {   \
      rth_yield(cx);         \
      return RTH_PENDING;    \
    }                        \
  } while (0)

struct number {
  rth_msg_t head;
  size_t value;
};

static void number_drop(rth_msg_t *m) { free(m); }

static rth_msg_t *number(size_t value) {
  struct number *n = malloc(sizeof *n);
  if (n == NULL) abort();
  n->head.drop = number_drop;
  n->value = value;
  return &n->head;
}

static size_t number_of(rth_msg_t *m) {
  size_t value = ((struct number *)m)->value;
  free(m);
  return value;
}

/* ---- mpsc -------------------------------------------------------------- */

static rth_mpsc_t *channel;
static size_t sum;

struct producer {
  rth_wait_t wait;
  rth_msg_t *m;
  int n, bounded;
};

static rth_poll_t producer_poll(void *self, rth_cx_t *cx, void **out) {
  struct producer *f = self;
  (void)out;
  for (; f->n > 0; f->n--) {
    if (f->bounded) BUDGET(cx);
    if (f->m == NULL) f->m = number(1);
    if (rth_mpsc_send_poll(channel, &f->wait, &cx->waker, f->m) == RTH_PENDING)
      return RTH_PENDING;
    f->m = NULL;
  }
  rth_mpsc_tx_free(channel);
  return RTH_READY;
}
static const rth_future_ops_t producer = {.poll = producer_poll};

struct consumer {
  rth_wait_t wait;
  size_t got;
};

static rth_poll_t consumer_poll(void *self, rth_cx_t *cx, void **out) {
  struct consumer *f = self;
  rth_msg_t *m;
  rth_poll_t how;
  (void)out;
  for (;;) {
    BUDGET(cx);
    how = rth_mpsc_recv_poll(channel, &f->wait, &cx->waker, &m);
    if (how != RTH_READY) break;
    f->got += number_of(m);
  }
  if (how == RTH_PENDING) return RTH_PENDING;
  sum = f->got;
  rth_mpsc_rx_free(channel);
  sem_post(&done);
  return RTH_READY;
}
static const rth_future_ops_t consumer = {.poll = consumer_poll};

static rth_poll_t batch_consumer_poll(void *self, rth_cx_t *cx, void **out) {
  struct consumer *f = self;
  rth_msg_t *m[256];
  rth_poll_t how;
  size_t n;
  (void)out;
  for (;;) {
    BUDGET(cx);
    how = rth_mpsc_recv_many_poll(channel, &f->wait, &cx->waker, m, 256, &n);
    if (how != RTH_READY) break;
    while (n > 0) f->got += number_of(m[--n]);
  }
  if (how == RTH_PENDING) return RTH_PENDING;
  sum = f->got;
  rth_mpsc_rx_free(channel);
  sem_post(&done);
  return RTH_READY;
}
static const rth_future_ops_t batch_consumer = {.poll = batch_consumer_poll};

static void stream(uint64_t capacity, int producers, int each,
                   const rth_future_ops_t *receiver) {
  struct producer p = {RTH_WAIT_INIT, NULL, each, capacity != 0};
  struct consumer c = {RTH_WAIT_INIT, 0};
  check(rth_mpsc_new(capacity, &channel));
  check(rth_spawn(handle, receiver, &c, sizeof c, RTH_SPAWN_SHARE, NULL));
  for (int i = 0; i < producers; i++) {
    rth_mpsc_tx_clone(channel);
    check(rth_spawn(handle, &producer, &p, sizeof p, RTH_SPAWN_SHARE, NULL));
  }
  rth_mpsc_tx_free(channel);
  wait_done();
  if (sum != (size_t)(producers * each)) abort();
}

static void mpsc_unbounded(void) { stream(0, 1, 10000, &consumer); }
static void mpsc_bounded(void) { stream(1000, 1, 10000, &consumer); }
static void mpsc_many(void) { stream(0, 1, 10000, &batch_consumer); }
static void mpsc_5_unbounded(void) { stream(0, 5, 1000, &consumer); }
static void mpsc_5_bounded(void) { stream(1000000, 5, 1000, &consumer); }
static void mpsc_5_full(void) { stream(100, 5, 1000, &consumer); }

/* Fills, then empties. */
static rth_poll_t uncontended_poll(void *self, rth_cx_t *cx, void **out) {
  rth_wait_t w = RTH_WAIT_INIT;
  rth_msg_t *m;
  (void)self, (void)out;
  for (int i = 0; i < 5000; i++)
    if (rth_mpsc_send_poll(channel, &w, &cx->waker, number(1)) != RTH_READY)
      abort();
  for (int i = 0; i < 5000; i++) {
    if (rth_mpsc_recv_poll(channel, &w, &cx->waker, &m) != RTH_READY) abort();
    (void)number_of(m);
  }
  return RTH_READY;
}
static const rth_future_ops_t uncontended = {.poll = uncontended_poll};

static void uncontended_of(uint64_t capacity) {
  check(rth_mpsc_new(capacity, &channel));
  block_on(&uncontended, NULL);
  rth_mpsc_tx_free(channel);
  rth_mpsc_rx_free(channel);
}
static void mpsc_alone_bounded(void) { uncontended_of(5000); }
static void mpsc_alone_unbounded(void) { uncontended_of(0); }

/* ---- oneshot ----------------------------------------------------------- */

struct request {
  rth_msg_t head;
  rth_oneshot_t *answer;
};

static void request_drop(rth_msg_t *m) {
  rth_oneshot_tx_free(((struct request *)m)->answer);
  free(m);
}

struct server {
  rth_wait_t wait;
  rth_mpsc_t *channel; /* the next round may have begun when it ends */
};

static rth_poll_t server_poll(void *self, rth_cx_t *cx, void **out) {
  struct server *f = self;
  rth_msg_t *m;
  rth_poll_t how;
  (void)out;
  for (;;) {
    BUDGET(cx);
    how = rth_mpsc_recv_poll(f->channel, &f->wait, &cx->waker, &m);
    if (how != RTH_READY) break;
    check(rth_oneshot_send(((struct request *)m)->answer, number(1)));
    free(m);
  }
  if (how == RTH_PENDING) return RTH_PENDING;
  rth_mpsc_rx_free(f->channel);
  return RTH_READY;
}
static const rth_future_ops_t server = {.poll = server_poll};

struct client {
  rth_wait_t wait;
  rth_oneshot_t *answer;
  int n, sent;
};

/* One request at a time. */
static rth_poll_t client_poll(void *self, rth_cx_t *cx, void **out) {
  struct client *f = self;
  rth_msg_t *m;
  (void)out;
  for (; f->n > 0; f->n--) {
    if (f->answer == NULL) {
      struct request *r = malloc(sizeof *r);
      if (r == NULL) abort();
      check(rth_oneshot_new(&r->answer));
      r->head.drop = request_drop;
      f->answer = r->answer;
      check(rth_mpsc_try_send(channel, &r->head)); /* never full */
    }
    if (rth_oneshot_poll(f->answer, &f->wait, &cx->waker, &m) == RTH_PENDING)
      return RTH_PENDING;
    rth_oneshot_rx_free(f->answer);
    f->answer = NULL;
    sum += number_of(m);
  }
  rth_mpsc_tx_free(channel);
  return RTH_READY;
}
static const rth_future_ops_t client = {.poll = client_poll};

static void request_reply(void) {
  struct server s = {RTH_WAIT_INIT, NULL};
  struct client c = {.wait = RTH_WAIT_INIT, .n = 1000};
  sum = 0;
  check(rth_mpsc_new(10, &channel));
  s.channel = channel;
  spawn(&server, &s, sizeof s);
  block_on(&client, &c);
  if (sum != 1000) abort();
}

/* ---- semaphore, mutex -------------------------------------------------- */

static rth_semaphore_t *semaphore;

static rth_poll_t sem_alone_poll(void *self, rth_cx_t *cx, void **out) {
  rth_wait_t w = RTH_WAIT_INIT;
  (void)self, (void)out;
  for (int i = 0; i < 10000; i++) {
    if (rth_semaphore_poll(semaphore, 1, &w, &cx->waker) != RTH_READY) abort();
    check(rth_semaphore_release(semaphore, 1));
  }
  return RTH_READY;
}
static const rth_future_ops_t sem_alone = {.poll = sem_alone_poll};

static void semaphore_alone(void) {
  check(rth_semaphore_new(10, &semaphore));
  block_on(&sem_alone, NULL);
  rth_semaphore_unref(semaphore);
}

struct holder {
  rth_wait_t wait;
  int n, has;
};

/* Holds its permit over a yield. */
static rth_poll_t holder_poll(void *self, rth_cx_t *cx, void **out) {
  struct holder *f = self;
  (void)out;
  if (f->has) {
    check(rth_semaphore_release(semaphore, 1));
    f->has = 0;
    if (--f->n == 0) {
      finish_one();
      return RTH_READY;
    }
  }
  BUDGET(cx);
  if (rth_semaphore_poll(semaphore, 1, &f->wait, &cx->waker) == RTH_PENDING)
    return RTH_PENDING;
  f->has = 1;
  rth_yield(cx);
  return RTH_PENDING;
}
static const rth_future_ops_t holder = {.poll = holder_poll};

static void semaphore_contended(void) {
  struct holder f = {RTH_WAIT_INIT, 1000, 0};
  check(rth_semaphore_new(2, &semaphore));
  start(6);
  for (int i = 0; i < 6; i++)
    check(rth_spawn(handle, &holder, &f, sizeof f, RTH_SPAWN_SHARE, NULL));
  wait_done();
  rth_semaphore_unref(semaphore);
}

static rth_lock_t *mutex;

static rth_poll_t locker_poll(void *self, rth_cx_t *cx, void **out) {
  struct holder *f = self;
  (void)out;
  for (; f->n > 0; f->n--) {
    BUDGET(cx);
    if (rth_lock_poll(mutex, RTH_LOCK_WRITE, &f->wait, &cx->waker) ==
        RTH_PENDING)
      return RTH_PENDING;
    sum++;
    rth_lock_release(mutex, RTH_LOCK_WRITE);
  }
  finish_one();
  return RTH_READY;
}
static const rth_future_ops_t locker = {.poll = locker_poll};

static void mutex_contended(void) {
  struct holder f = {RTH_WAIT_INIT, 1000, 0};
  sum = 0;
  check(rth_mutex_new(NULL, &mutex));
  start(6);
  for (int i = 0; i < 6; i++)
    check(rth_spawn(handle, &locker, &f, sizeof f, RTH_SPAWN_SHARE, NULL));
  wait_done();
  if (sum != 6000) abort();
  rth_lock_unref(mutex);
}

/* ---- notify ------------------------------------------------------------ */

static rth_notify_t *notify[2];

struct player {
  rth_wait_t wait;
  int n, side;
};

/* Waits for its own, then notifies the other. */
static rth_poll_t player_poll(void *self, rth_cx_t *cx, void **out) {
  struct player *f = self;
  (void)out;
  for (; f->n > 0; f->n--) {
    if (rth_notify_poll(notify[f->side], &f->wait, &cx->waker) == RTH_PENDING)
      return RTH_PENDING;
    rth_notify_one(notify[!f->side]);
  }
  finish_one();
  return RTH_READY;
}
static const rth_future_ops_t player = {.poll = player_poll};

static void notify_one(void) {
  struct player f = {RTH_WAIT_INIT, 1000, 0};
  start(2);
  for (f.side = 0; f.side < 2; f.side++) check(rth_notify_new(&notify[f.side]));
  for (f.side = 0; f.side < 2; f.side++)
    check(rth_spawn(handle, &player, &f, sizeof f, RTH_SPAWN_SHARE, NULL));
  rth_notify_one(notify[0]);
  wait_done();
  for (f.side = 0; f.side < 2; f.side++) rth_notify_unref(notify[f.side]);
}

static int wakeups; /* of this round */

static rth_poll_t listener_poll(void *self, rth_cx_t *cx, void **out) {
  struct player *f = self;
  (void)out;
  while (rth_notify_poll(notify[0], &f->wait, &cx->waker) == RTH_READY)
    if (__atomic_add_fetch(&wakeups, 1, __ATOMIC_RELAXED) >= 5000) {
      finish_one();
      return RTH_READY;
    }
  return RTH_PENDING;
}
static const rth_future_ops_t listener = {.poll = listener_poll};

static rth_poll_t caller_poll(void *self, rth_cx_t *cx, void **out) {
  (void)self, (void)out;
  rth_notify_all(notify[0]);
  if (__atomic_load_n(&left, __ATOMIC_RELAXED) == 1) {
    finish_one();
    return RTH_READY;
  }
  rth_yield(cx);
  return RTH_PENDING;
}
static const rth_future_ops_t caller = {.poll = caller_poll};

/* 50 tasks are woken together until all have been often enough. */
static void notify_all(void) {
  struct player f = {RTH_WAIT_INIT, 0, 0};
  wakeups = 0;
  start(51);
  check(rth_notify_new(&notify[0]));
  for (int i = 0; i < 50; i++)
    check(rth_spawn(handle, &listener, &f, sizeof f, RTH_SPAWN_SHARE, NULL));
  spawn(&caller, NULL, 0);
  wait_done();
  rth_notify_unref(notify[0]);
}

/* ---- broadcast --------------------------------------------------------- */

static rth_broadcast_t *radio;

struct radio_rx {
  rth_wait_t wait;
  rth_broadcast_rx_t *rx;
};

static rth_poll_t radio_poll(void *self, rth_cx_t *cx, void **out) {
  struct radio_rx *f = self;
  rth_msg_t *m;
  uint64_t missed;
  rth_poll_t how;
  (void)out;
  for (;;) {
    BUDGET(cx);
    how = rth_broadcast_poll(f->rx, &f->wait, &cx->waker, &m, &missed);
    if (how != RTH_READY) break;
    rth_msg_unref(m);
  }
  if (how == RTH_PENDING) return RTH_PENDING;
  rth_broadcast_rx_free(f->rx);
  finish_one();
  return RTH_READY;
}
static const rth_future_ops_t radio_ops = {.poll = radio_poll};

static void broadcast_10(void) {
  struct radio_rx f = {RTH_WAIT_INIT, NULL};
  uint64_t n;
  check(rth_broadcast_new(1000, &radio, &f.rx));
  start(10);
  for (int i = 0; i < 10; i++) {
    if (i > 0) check(rth_broadcast_subscribe(radio, &f.rx));
    check(rth_spawn(handle, &radio_ops, &f, sizeof f, RTH_SPAWN_SHARE, NULL));
  }
  for (int i = 0; i < 1000; i++)
    check(rth_broadcast_send(radio, number(1), &n));
  rth_broadcast_tx_free(radio);
  wait_done();
}

static const struct bench benches[] = {
  {"mpsc_unbounded", 10000, mpsc_unbounded},
  {"mpsc_bounded", 10000, mpsc_bounded},
  {"mpsc_many", 10000, mpsc_many},
  {"mpsc_5_unbounded", 5000, mpsc_5_unbounded},
  {"mpsc_5_bounded", 5000, mpsc_5_bounded},
  {"mpsc_5_full", 5000, mpsc_5_full},
  {"mpsc_alone_unbounded", 5000, mpsc_alone_unbounded},
  {"mpsc_alone_bounded", 5000, mpsc_alone_bounded},
  {"request_reply", 1000, request_reply},
  {"current_request_reply", 1000, request_reply},
  {"semaphore_alone", 10000, semaphore_alone},
  {"semaphore_contended", 6000, semaphore_contended},
  {"mutex_contended", 6000, mutex_contended},
  {"notify_one", 2000, notify_one},
  {"notify_all", 5000, notify_all},
  {"broadcast_10", 10000, broadcast_10},
};

int main(int argc, char **argv) {
  return bench_main(benches, sizeof benches / sizeof *benches, argc, argv);
}
