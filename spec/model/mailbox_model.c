/* mailbox_model - the queue of a channel, its pushers, and a receiver that
** sleeps, gives up and comes again: no message is lost, doubled, overtaken or
** used without order; the waker has one user; nobody sleeps for ever. */
#include <string.h>

#include "sync/mailbox.c"
#include "waiting.h"

enum { MESSAGES = 4 };

static rth__mailbox_t box;
static rth_msg_t messages[MESSAGES];
static int seen[MESSAGES], got, expected;
static RTH_ATOMIC(uint32_t) senders;

static void setup_of(int n, uint32_t num_senders) {
  int i;
  rth__mailbox_init(&box);
  waiting_init();
  rth__init(&senders, num_senders);
  memset(seen, 0, sizeof seen);
  got = 0;
  expected = n;
  for (i = 0; i < MESSAGES; i++) mc_touch(&messages[i]);
}
static void setup_1(void) { setup_of(1, 1); }
static void setup_2(void) { setup_of(2, 1); }
static void setup_2_senders(void) { setup_of(2, 2); }
static void setup_goes(void) { setup_of(1, 1); }

/* ---- pushers ----------------------------------------------------------- */

static void push(int i) {
  mc_touch(&messages[i]);
  rth__mailbox_push(&box, &messages[i]);
}
static void push_0(void) { push(0); }
static void push_1(void) { push(1); }
static void push_0_1(void) {
  push(0);
  push(1);
}
static void leave(void) {
  if (rth__sub_ar(&senders, 1) == 1) rth__mailbox_rouse(&box);
}
static void push_0_and_leave(void) {
  push(0);
  leave();
}
static void push_1_and_leave(void) {
  push(1);
  leave();
}

/* ---- the receiver ------------------------------------------------------ */

static void take(rth_msg_t *m) {
  int i = (int)(m - messages);
  if (seen[i]++ != 0) mc_fail("message %d came twice", i);
  mc_touch(m);
  got++;
}

static int is_given_back(void *b) { return ((rth__mailbox_t *)b)->lent == 0; }

/* One poll that found nothing: leaves the waker.  0: look again. */
static int wait(void) {
  rth_waker_t w = my_waker();
  if (!rth__mailbox_wait(&box, &w)) return 0;
  if (rth__load_rlx(&box.top) == WAITING) return 1;
  if (rth__load_rlx(&awake[mc_self()])) mc_wait(is_given_back, &box);
  return 1;
}

static void receive(void) {
  while (got < expected) {
    rth_msg_t *m = rth__mailbox_pop(&box);
    if (m != NULL) take(m);
    else if (wait()) sleep_here();
  }
}
/* Polls once for nothing, gives up, and comes again. */
static void give_up_and_receive(void) {
  rth_msg_t *m = rth__mailbox_pop(&box);
  if (m != NULL) take(m);
  else if (wait()) rth__mailbox_unwait(&box);
  receive();
}
/* Polls twice before it sleeps. */
static void poll_twice_and_receive(void) {
  rth_msg_t *m = rth__mailbox_pop(&box);
  if (m != NULL) take(m);
  else if (wait()) (void)wait();
  receive();
}
/* Until the last sender has gone and all is read. */
static void receive_to_the_end(void) {
  for (;;) {
    rth_msg_t *m = rth__mailbox_pop(&box);
    if (m == NULL && rth__load_acq(&senders) == 0) {
      m = rth__mailbox_pop(&box);
      if (m == NULL) return;
    }
    if (m != NULL) {
      take(m);
      continue;
    }
    if (!wait()) continue;
    if (rth__load_acq(&senders) == 0)
      rth__mailbox_unwait(&box);
    else
      sleep_here();
  }
}

static void check(void) {
  if (got != expected) mc_fail("%d of %d messages", got, expected);
}

/* ---- the waker's one user, and seeded bugs ----------------------------- */

/* Where pushers and the receiver have the waker in hand. */
static void watch(mc_op_t *op) {
  if (in(op, MC_STORE, "wake_receiver")) mc_touch(&box.waker);
  if (in(op, MC_STORE, "rth__mailbox_wait") && op->value == 1)
    mc_touch(&box.waker);
}
static void push_split(mc_op_t *op) {
  if (in(op, MC_CAS, "rth__mailbox_push")) op->split = 1;
}
static void wait_split(mc_op_t *op) {
  if (in(op, MC_CAS, "rth__mailbox_wait")) op->split = 1;
}
static void recall_split(mc_op_t *op) {
  if (in(op, MC_CAS, "recall")) op->split = 1;
}
static void push_relaxed(mc_op_t *op) {
  if (in(op, MC_CAS, "rth__mailbox_push")) op->order = MC_RLX;
}
static void take_relaxed(mc_op_t *op) {
  if (in(op, MC_SWAP, "rth__mailbox_take")) op->order = MC_RLX;
}
static void lent_relaxed(mc_op_t *op) {
  watch(op);
  if (in(op, MC_STORE, "wake_receiver")) op->order = MC_RLX;
}
static void wait_relaxed(mc_op_t *op) {
  watch(op);
  if (in(op, MC_CAS, "rth__mailbox_wait")) op->order = MC_RLX;
}

#define MODEL(n, s, ...) \
  .name = n, .setup = s, .threads = {__VA_ARGS__}, .check = check, \
  .preemptions = 3

static const mc_model_t models[] = {
    {MODEL("a pusher and the receiver", setup_2, push_0_1, receive),
     .mutate = watch, .spurious = 1, .after = 1},
    {MODEL("two pushers and the receiver", setup_2_senders, push_0, push_1,
           receive), .mutate = watch, .after = 1},
    {MODEL("the receiver gives up once", setup_2, push_0_1,
           give_up_and_receive), .mutate = watch, .after = 1},
    {MODEL("the receiver gives up once beside two pushers", setup_2_senders,
           push_0, push_1, give_up_and_receive), .mutate = watch},
    {MODEL("the receiver polls for nothing", setup_2, push_0_1,
           poll_twice_and_receive), .mutate = watch, .after = 1},
    {MODEL("the last sender goes", setup_goes, push_0_and_leave,
           receive_to_the_end), .mutate = watch, .after = 1},
    {MODEL("two senders go", setup_2_senders, push_0_and_leave,
           push_1_and_leave, receive_to_the_end), .mutate = watch},
    {MODEL("store buffers", setup_2, push_0_1, give_up_and_receive),
     .mutate = watch, .tso = 1},

    {MODEL("bug: a push is a load and a store", setup_2_senders, push_0,
           push_1, receive), .mutate = push_split, .finds = "deadlock"},
    {MODEL("bug: a wait is a load and a store", setup_1, push_0, receive),
     .mutate = wait_split, .finds = "deadlock"},
    {MODEL("bug: a recall is a load and a store", setup_1, push_0,
           give_up_and_receive), .mutate = recall_split, .finds = "deadlock"},
    {MODEL("bug: a push is relaxed", setup_2, push_0_1, receive),
     .mutate = push_relaxed, .finds = "race"},
    {MODEL("bug: a take is relaxed", setup_2, push_0_1, receive),
     .mutate = take_relaxed, .finds = "race"},
    {MODEL("bug: the waker is given back relaxed", setup_2, push_0_1,
           poll_twice_and_receive), .mutate = lent_relaxed, .finds = "race"},
    {MODEL("bug: the waker is lent relaxed", setup_1, push_0, receive),
     .mutate = wait_relaxed, .finds = "race"},
};

int main(void) {
  return mc_main(models, (int)(sizeof models / sizeof *models));
}
