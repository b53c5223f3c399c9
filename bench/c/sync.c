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

/* ---- mpsc ------------------------------------------------------------------ */

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

static const struct bench benches[] = {
  {"mpsc_unbounded", 10000, mpsc_unbounded},
  {"mpsc_bounded", 10000, mpsc_bounded},
  {"mpsc_many", 10000, mpsc_many},
  {"mpsc_5_unbounded", 5000, mpsc_5_unbounded},
  {"mpsc_5_bounded", 5000, mpsc_5_bounded},
  {"mpsc_5_full", 5000, mpsc_5_full},
  {"mpsc_alone_unbounded", 5000, mpsc_alone_unbounded},
  {"mpsc_alone_bounded", 5000, mpsc_alone_bounded},
};

int main(int argc, char **argv) {
  return bench_main(benches, sizeof benches / sizeof *benches, argc, argv);
}
