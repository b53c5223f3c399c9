/* idle - which workers sleep, which search, and whom to wake.
**
** WHY      waking a sleeping processor is dear, a task that waits while one
**          sleeps is worse.  So: wake one only if nobody searches, let half
**          of the workers search at most, and have the last searcher that
**          finds work wake the next.  (The scheme is Tokio's and Go's.)
** THREADS  any; sleep, wake_self, search: the worker.
** SYNC
**   [I1] state  spawner: pushes a task, then add-sc (of 0) and looks for
**               searchers; worker: sub-sc as it stops searching, then looks
**               at all queues.  Read-modify-writes on both sides, so one of
**               the two sees the other.  Model-checked in
**               spec/model/idle_model.c.
**   sleepers are under the lock; the counts in `state` change under it, too,
**   when workers go to sleep or are woken.  all_asleep and all_awake only
**   judge whether spinning pays: relaxed.
*/
#include "sched/idle.h"

#include "base/mem.h"
#include "rthandle.h"

#define SEARCHING 1u
#define UNPARKED (1u << 16)

static unsigned searching(uint32_t state) { return state & 0xffffu; }
static unsigned unparked(uint32_t state) { return state >> 16; }

int rth__idle_init(rth__idle_t *i, unsigned workers) {
  i->sleepers = rth__array(workers, sizeof *i->sleepers);
  if (i->sleepers == NULL) return RTH_ENOMEM;
  i->num_workers = workers;
  rth__init(&i->state, workers * UNPARKED);
  rth__mutex_init(&i->lock, RTH_RANK_SLEEPERS);
  return 0;
}

void rth__idle_destroy(rth__idle_t *i) {
  if (i->sleepers == NULL) return;
  rth__mutex_destroy(&i->lock);
  rth__free(i->sleepers);
}

static int worth_waking(rth__idle_t *i) {
  uint32_t s = rth__add_sc(&i->state, 0); /* [I1] after the push */
  return searching(s) == 0 && unparked(s) < i->num_workers;
}

int rth__idle_to_notify(rth__idle_t *i) {
  int w = -1;
  if (!worth_waking(i)) return -1;
  rth__mutex_lock(&i->lock);
  if (i->num_sleepers > 0 && worth_waking(i)) {
    w = (int)i->sleepers[--i->num_sleepers];
    (void)rth__add_sc(&i->state, UNPARKED + SEARCHING); /* [I1] */
  }
  rth__mutex_unlock(&i->lock);
  return w;
}

int rth__idle_start_search(rth__idle_t *i) {
  uint32_t s = rth__add_sc(&i->state, 0); /* [I1] */
  if (2 * searching(s) >= i->num_workers) return 0;
  (void)rth__add_sc(&i->state, SEARCHING); /* [I1] */
  return 1;
}

int rth__idle_end_search(rth__idle_t *i) {
  return searching(rth__sub_sc(&i->state, SEARCHING)) == 1; /* [I1] */
}

void rth__idle_sleep(rth__idle_t *i, unsigned w, int is_searching) {
  rth__mutex_lock(&i->lock);
  (void)rth__sub_sc(&i->state, UNPARKED + (is_searching ? SEARCHING : 0u));
  /* [I1] before the last look at the queues */
  i->sleepers[i->num_sleepers++] = w;
  rth__mutex_unlock(&i->lock);
}

static int find(rth__idle_t *i, unsigned w) {
  unsigned k;
  for (k = 0; k < i->num_sleepers; k++)
    if (i->sleepers[k] == w) return (int)k;
  return -1;
}

int rth__idle_wake_self(rth__idle_t *i, unsigned w) {
  int k;
  rth__mutex_lock(&i->lock);
  k = find(i, w);
  if (k >= 0) {
    i->sleepers[k] = i->sleepers[--i->num_sleepers];
    (void)rth__add_sc(&i->state, UNPARKED); /* [I1] */
  }
  rth__mutex_unlock(&i->lock);
  return k >= 0;
}

int rth__idle_is_asleep(rth__idle_t *i, unsigned w) {
  int k;
  rth__mutex_lock(&i->lock);
  k = find(i, w);
  rth__mutex_unlock(&i->lock);
  return k >= 0;
}

int rth__idle_all_asleep(rth__idle_t *i) {
  return unparked(rth__load_rlx(&i->state)) == 0;
}

int rth__idle_all_awake(rth__idle_t *i) {
  return unparked(rth__load_rlx(&i->state)) == i->num_workers;
}
