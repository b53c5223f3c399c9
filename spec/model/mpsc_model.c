/* mpsc_model - the end of a channel from both sides: what was sent before is
** received, and the receiver does not sleep through it. */
#include <string.h>

/* As one file: all operations must be those of the checker. */
#include "sync/sem.c"
#include "sync/wait.c"
#undef CLOSED
#include "sync/mailbox.c"
#include "sync/mpsc.c"
#include "waiting.h"

void *rth__zalloc_aligned(size_t size, size_t align) {
  void *p = aligned_alloc(align, (size + align - 1) / align * align);
  return p == NULL ? NULL : memset(p, 0, size);
}
static void *freed;
static int used_by[MC_THREADS]; /* each thread's use of the channel */
void rth__free_aligned(void *p) {
  int i;
  if (freed != NULL) mc_fail("freed twice");
  for (i = 0; i < MC_THREADS; i++) mc_touch(&used_by[i]);
  freed = p;
}

enum { MESSAGES = 2 };
static rth_mpsc_t *channel;
static rth_msg_t messages[MESSAGES];
static RTH_ATOMIC(uint32_t) told; /* close_receive_and_tell -> give_up_and_go */
static int sent[MESSAGES], received[MESSAGES], ended[MESSAGES];

static void message_drop(rth_msg_t *m) {
  mc_touch(m);
  ended[m - messages]++;
}

static void setup_of(uint64_t capacity, int senders) {
  int i;
  free(channel); /* of the run before */
  freed = NULL;
  if (rth_mpsc_new(capacity, &channel) != 0) abort();
  while (--senders > 0) rth_mpsc_tx_clone(channel);
  waiting_init();
  rth__init(&told, 0);
  for (i = 0; i < MESSAGES; i++) {
    messages[i].drop = message_drop;
    sent[i] = received[i] = ended[i] = 0;
    mc_touch(&messages[i]);
  }
}
static void setup_unbounded(void) { setup_of(0, 1); }
static void setup_one_place(void) { setup_of(1, 1); }
static void setup_full(void) {
  setup_of(1, 1);
  if (rth_mpsc_try_send(channel, &messages[0]) != 0) abort();
  sent[0] = 1;
}
static void setup_two_senders(void) { setup_of(0, 2); }

/* ---- senders ----------------------------------------------------------- */

static void send(int i) {
  rth_wait_t *w = &waits_of[mc_self()];
  rth_waker_t k = my_waker();
  rth_poll_t how;
  mc_touch(&messages[i]);
  while ((how = rth_mpsc_send_poll(channel, w, &k, &messages[i])) ==
         RTH_PENDING)
    sleep_here();
  sent[i] = how == RTH_READY;
}
static void go(void) {
  mc_touch(&used_by[mc_self()]);
  rth_mpsc_tx_free(channel);
}
static void send_and_go(void) {
  send(0);
  go();
}
static void send_both_and_go(void) {
  send(0);
  send(1);
  go();
}
static void send_other_and_go(void) {
  send(1);
  go();
}
static void reserve_and_go(void) {
  if (rth_mpsc_try_reserve(channel, 1) == 0) rth_mpsc_unreserve(channel, 1);
  go();
}
/* Waits for a place, but not for long. */
static void give_up_and_go(void) {
  rth_wait_t *w = &waits_of[mc_self()];
  rth_waker_t k = my_waker();
  rth_poll_t how = rth_mpsc_reserve_poll(channel, 1, w, &k);
  if (how == RTH_PENDING) rth_wait_cancel(w);
  if (how == RTH_READY) rth_mpsc_unreserve(channel, 1);
  mc_wait(is_awake, &told); /* the receiver has ended */
  go();
}

/* ---- the receiver ------------------------------------------------------ */

static rth_poll_t receive_one(void) {
  rth_waker_t k = my_waker();
  rth_msg_t *m;
  rth_poll_t how =
      rth_mpsc_recv_poll(channel, &waits_of[mc_self()], &k, &m);
  if (how == RTH_READY) {
    received[m - messages]++;
    message_drop(m);
  }
  return how;
}
static void receive_all(void) {
  rth_poll_t how;
  while ((how = receive_one()) != RTH_FAILED)
    if (how == RTH_PENDING) sleep_here();
}
static void leave(void) {
  mc_touch(&used_by[mc_self()]);
  rth_mpsc_rx_free(channel);
}
static void receive(void) {
  receive_all();
  leave();
}
static void close_and_receive(void) {
  rth_mpsc_rx_close(channel);
  receive();
}
/* The sender stays until the receiver has seen the end. */
static void close_receive_and_tell(void) {
  (void)receive_one();
  rth_mpsc_rx_close(channel);
  receive_all();
  (void)rth__swap_ar(&told, 1u);
  leave();
}
static void receive_one_and_leave(void) {
  if (receive_one() == RTH_PENDING) rth_wait_cancel(&waits_of[mc_self()]);
  leave();
}

static void check(void) {
  int i;
  for (i = 0; i < MESSAGES; i++)
    if (ended[i] != sent[i])
      mc_fail("message %d: sent %d, ended %d", i, sent[i], ended[i]);
  if (freed != channel) mc_fail("not freed");
}
static void check_received(void) {
  int i;
  check();
  for (i = 0; i < MESSAGES; i++)
    if (received[i] != sent[i]) mc_fail("message %d is lost", i);
}

/* ---- seeded bugs ------------------------------------------------------- */

static void go_split(mc_op_t *op) {
  if (in(op, MC_SUB, "rth_mpsc_tx_free")) op->split = 1;
}
static void unref_relaxed(mc_op_t *op) {
  if (in(op, MC_SUB, "rth__unref")) op->order = MC_RLX;
}

#define MODEL(n, s, ...) \
  .check = check_received, MODEL_UNCHECKED(n, s, __VA_ARGS__)
#define MODEL_UNCHECKED(n, s, ...) \
  .name = n, .setup = s, .threads = {__VA_ARGS__}

static const mc_model_t models[] = {
    {MODEL("the sender goes", setup_unbounded, send_and_go, receive),
     .preemptions = 4, .after = 1},
    {MODEL("the sender goes from a channel of one place", setup_one_place,
           send_both_and_go, receive), .preemptions = 3},
    {MODEL("two senders go", setup_two_senders, send_and_go,
           send_other_and_go, receive), .preemptions = 2},
    {MODEL("the receiver closes", setup_one_place, send_both_and_go,
           close_and_receive), .preemptions = 3},
    {MODEL("closed while a place is reserved", setup_one_place,
           reserve_and_go, close_and_receive), .preemptions = 3},
    {MODEL("closed while a place is given up", setup_full,
           give_up_and_go, close_receive_and_tell), .preemptions = 3,
     .after = 1},
    {MODEL_UNCHECKED("the receiver goes", setup_one_place, send_both_and_go,
                     receive_one_and_leave), .preemptions = 3, .check = check},
    {MODEL("store buffers", setup_unbounded, send_and_go, receive),
     .preemptions = 2, .tso = 1},

    {MODEL("bug: leaving is a load and a store", setup_two_senders,
           send_and_go, send_other_and_go, receive), .preemptions = 2,
     .mutate = go_split, .finds = "deadlock"},
    {MODEL("bug: the last use is relaxed", setup_unbounded, send_and_go,
           receive), .preemptions = 3, .mutate = unref_relaxed, .finds = "race"},
};

int main(void) {
  return mc_main(models, (int)(sizeof models / sizeof *models));
}
