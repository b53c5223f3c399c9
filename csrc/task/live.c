/* live - the set of live tasks of a runtime: what shutdown must end.
**
** WHY      a list in shards: adding and removing are two pointer writes under
**          a lock that is seldom disputed.  The closed bit is under the same
**          lock, so a task is either on the list when shutdown walks it or is
**          refused to its spawner: none slips through.
** THREADS  any.
** OWNS     one reference to each task on it.
** SYNC     locks; the counts are relaxed, exact once nobody adds.
*/
#include "task/live.h"

#include "base/mem.h"

#define SHARDS_MAX 256

int rth__live_init(rth__live_t *l, unsigned workers) {
  unsigned i, n = 1;
  while (n < 4 * workers && n < SHARDS_MAX) n *= 2;
  l->shards = rth__zalloc_aligned(n * sizeof *l->shards, RTH_CACHE_LINE);
  if (l->shards == NULL) return RTH_ENOMEM;
  l->mask = n - 1;
  for (i = 0; i < n; i++)
    rth__mutex_init(&l->shards[i].lock, RTH_RANK_OWNED);
  return 0;
}

void rth__live_destroy(rth__live_t *l) {
  unsigned i;
  if (l->shards == NULL) return;
  for (i = 0; i <= l->mask; i++) {
    RTH_CHECK(l->shards[i].first == NULL);
    rth__mutex_destroy(&l->shards[i].lock);
  }
  rth__free_aligned(l->shards);
}

void rth__live_link(rth__task_t **first, rth__task_t *t) {
  t->live_next = *first;
  t->live_pprev = first;
  if (*first != NULL) (*first)->live_pprev = &t->live_next;
  *first = t;
}

int rth__live_unlink(rth__task_t *t) {
  if (t->live_pprev == NULL) return 0;
  *t->live_pprev = t->live_next;
  if (t->live_next != NULL) t->live_next->live_pprev = t->live_pprev;
  t->live_next = NULL;
  t->live_pprev = NULL;
  return 1;
}

int rth__live_add(rth__live_t *l, rth__task_t *t) {
  rth__live_shard_t *s = &l->shards[t->id & l->mask];
  int added;
  rth__mutex_lock(&s->lock);
  added = !s->closed;
  if (added) {
    rth__live_link(&s->first, t);
    rth__bump(&s->count);
    rth__bump(&s->added);
  }
  rth__mutex_unlock(&s->lock);
  return added;
}

int rth__live_remove(rth__live_t *l, rth__task_t *t) {
  rth__live_shard_t *s = &l->shards[t->id & l->mask];
  int removed;
  rth__mutex_lock(&s->lock);
  removed = rth__live_unlink(t);
  if (removed) rth__store_rlx(&s->count, rth__load_rlx(&s->count) - 1);
  rth__mutex_unlock(&s->lock);
  return removed;
}

void rth__live_close(rth__live_t *l) {
  unsigned i;
  for (i = 0; i <= l->mask; i++) {
    rth__live_shard_t *s = &l->shards[i];
    rth__task_t *t;
    rth__mutex_lock(&s->lock);
    s->closed = 1;
    /* Aborting only marks and queues: no code of the future runs here. */
    for (t = s->first; t != NULL; t = t->live_next) rth__task_abort(t);
    rth__mutex_unlock(&s->lock);
  }
}

uint64_t rth__live_count(const rth__live_t *l) {
  uint64_t n = 0;
  unsigned i;
  for (i = 0; i <= l->mask; i++) n += rth__load_rlx(&l->shards[i].count);
  return n;
}

uint64_t rth__live_added(const rth__live_t *l) {
  uint64_t n = 0;
  unsigned i;
  for (i = 0; i <= l->mask; i++) n += rth__load_rlx(&l->shards[i].added);
  return n;
}
