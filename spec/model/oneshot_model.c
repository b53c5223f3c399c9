/* oneshot_model - one message or none, and a receiver that sleeps, gives up,
** comes again or goes. */
#include <string.h>

#include "sync/oneshot.c"
#include "waiting.h"

void *rth__zalloc(size_t size) { return calloc(1, size); }
static rth_oneshot_t *freed;
void rth__free(void *p) {
  if (freed != NULL) mc_fail("freed twice");
  freed = p;
}

static rth_oneshot_t *o;
static rth_msg_t message;
static int ends; /* of the message: received, refused or dropped */
static int received, leaves;

static void message_drop(rth_msg_t *m) {
  mc_touch(m);
  ends++;
}

static void setup(void) {
  free(o); /* of the run before */
  freed = NULL;
  if (rth_oneshot_new(&o) != 0) abort();
  waiting_init();
  message.drop = message_drop;
  ends = received = leaves = 0;
  mc_touch(&message);
  mc_touch(&o->waker);
}

static void send(void) {
  mc_touch(&message);
  if (rth_oneshot_send(o, &message) != 0) message_drop(&message);
}
static void go(void) {
  ends++; /* there is none */
  leaves = 1;
  rth_oneshot_tx_free(o);
}

static rth_poll_t poll(void) {
  rth_waker_t w = my_waker();
  rth_msg_t *m;
  rth_poll_t how = rth_oneshot_poll(o, &waits_of[mc_self()], &w, &m);
  if (how == RTH_READY) {
    received = 1;
    message_drop(m);
  }
  return how;
}
static void receive(void) {
  while (poll() == RTH_PENDING) sleep_here();
  rth_oneshot_rx_free(o);
}
static void give_up_and_receive(void) {
  if (poll() == RTH_PENDING) rth_wait_cancel(&waits_of[mc_self()]);
  if (!received) receive();
  else rth_oneshot_rx_free(o);
}
static void poll_and_leave(void) {
  leaves = 1;
  (void)poll();
  rth_wait_cancel(&waits_of[mc_self()]);
  rth_oneshot_rx_free(o);
}

static void check(void) {
  if (ends != 1) mc_fail("the message ended %d times", ends);
  if (!received && !leaves) mc_fail("the message is lost");
  if (freed != o) mc_fail("not freed");
}

/* ---- the waker's one user, and seeded bugs ----------------------------- */

static void watch(mc_op_t *op) {
  if (in(op, MC_CAS, "rth_oneshot_poll")) mc_touch(&o->waker);
  if (in(op, MC_SWAP, "sleeper_wake")) mc_touch(&o->waker);
}
static void send_split(mc_op_t *op) {
  if (in(op, MC_CAS, "finish")) op->split = 1;
}
static void wait_split(mc_op_t *op) {
  if (in(op, MC_CAS, "rth_oneshot_poll")) op->split = 1;
}
static void send_relaxed(mc_op_t *op) {
  if (in(op, MC_CAS, "finish")) op->order = MC_RLX;
}
static void wait_relaxed(mc_op_t *op) {
  watch(op);
  if (in(op, MC_CAS, "rth_oneshot_poll")) op->order = MC_RLX;
}

#define MODEL(n, ...) \
  .name = n, .setup = setup, .threads = {__VA_ARGS__}, .check = check, \
  .preemptions = 4

static const mc_model_t models[] = {
    {MODEL("sent and received", send, receive), .mutate = watch,
     .spurious = 1, .after = 1},
    {MODEL("the sender goes", go, receive), .mutate = watch, .after = 1},
    {MODEL("the receiver gives up once", send, give_up_and_receive),
     .mutate = watch, .after = 1},
    {MODEL("the receiver goes", send, poll_and_leave), .mutate = watch,
     .after = 1},
    {MODEL("store buffers", send, give_up_and_receive), .mutate = watch,
     .tso = 1},

    {MODEL("bug: a send is a load and a store", send, receive),
     .mutate = send_split, .finds = "deadlock"},
    {MODEL("bug: a wait is a load and a store", send, receive),
     .mutate = wait_split, .finds = "deadlock"},
    {MODEL("bug: a send is relaxed", send, receive),
     .mutate = send_relaxed, .finds = "race"},
    {MODEL("bug: a wait is relaxed", send, receive),
     .mutate = wait_relaxed, .finds = "race"},
};

int main(void) {
  return mc_main(models, (int)(sizeof models / sizeof *models));
}
