/* notify_model - notifications under threads that wait and give up: what is
** meant for one reaches one, what is meant for all reaches all that wait. */
#include <string.h>

#include "sync/notify.c"
#include "sync/wait.c"
#include "waiting.h"

void *rth__zalloc(size_t size) { return calloc(1, size); }
void rth__free(void *p) { free(p); }

static rth_notify_t *notify;
static int work; /* done before a notification, seen behind it */

static void setup(void) {
  if (notify != NULL) rth__free(notify);
  if (rth_notify_new(&notify) != 0) abort();
  waiting_init();
  mc_touch(&work);
}

static rth_poll_t poll(void) {
  rth_waker_t w = my_waker();
  return rth_notify_poll(notify, &waits_of[mc_self()], &w);
}
static void wait(void) {
  while (poll() == RTH_PENDING) sleep_here();
}

static void notify_one(void) {
  mc_touch(&work);
  rth_notify_one(notify);
}
static void notify_all(void) {
  mc_touch(&work);
  rth_notify_all(notify);
}
/* Both notify; not in one order, so neither is the other's. */
static void just_one(void) { rth_notify_one(notify); }
static void just_all(void) { rth_notify_all(notify); }

static void wait_and_use(void) {
  wait();
  mc_touch(&work);
}
/* Passes on what it gets, or gives up so that it passes on. */
static void give_up(void) {
  if (poll() == RTH_PENDING)
    rth_wait_cancel(&waits_of[mc_self()]);
  else
    rth_notify_one(notify);
}
static void wait_and_pass_on(void) {
  wait();
  rth_notify_one(notify);
}
/* Made before the others run. */
static void setup_prepared(void) {
  setup();
  rth_notify_prepare(notify, &waits_of[0]);
  rth_notify_prepare(notify, &waits_of[1]);
}

static void check(void) {
  if (!rth__waits_empty(&notify->waits)) mc_fail("somebody still waits");
  if ((notify->word & STATE) == WAITING)
    mc_fail("nobody waits, but the word says so");
}

/* ---- seeded bugs ------------------------------------------------------- */

static void wait_split(mc_op_t *op) {
  if (in(op, MC_CAS, "take_or_wait")) op->split = 1;
}
static void change_split(mc_op_t *op) {
  if (in(op, MC_CAS, "change")) op->split = 1;
}
static void change_relaxed(mc_op_t *op) {
  if (in(op, MC_CAS, "change")) op->order = MC_RLX;
}

#define MODEL(n, s, ...) \
  .name = n, .setup = s, .threads = {__VA_ARGS__}, .check = check

static const mc_model_t models[] = {
    {MODEL("one is notified", setup, wait_and_use, notify_one),
     .preemptions = 4, .spurious = 1, .after = 1},
    {MODEL("one is notified, another gives up", setup, wait_and_use, give_up,
           notify_one), .preemptions = 3},
    {MODEL("one passes it on", setup, wait_and_pass_on, wait_and_pass_on,
           just_one), .preemptions = 3},
    {MODEL("all reach a prepared wait", setup_prepared, wait_and_use,
           notify_all), .preemptions = 4, .after = 1},
    {MODEL("all reach all, one or not", setup_prepared, wait, wait, just_all,
           just_one), .preemptions = 2},
    {MODEL("store buffers", setup, wait_and_use, give_up, notify_one),
     .preemptions = 2, .tso = 1},

    {MODEL("bug: beginning to wait is a load and a store", setup, wait_and_use,
           notify_one), .preemptions = 3, .mutate = wait_split,
     .finds = "deadlock"},
    {MODEL("bug: a notification is a load and a store", setup, wait_and_use,
           notify_one), .preemptions = 3, .mutate = change_split,
     .finds = "deadlock"},
    {MODEL("bug: a notification is relaxed", setup, wait_and_use, notify_one),
     .preemptions = 3, .mutate = change_relaxed, .finds = "race"},
};

int main(void) {
  return mc_main(models, (int)(sizeof models / sizeof *models));
}
