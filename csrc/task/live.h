/* live.h - the set of live tasks of a runtime: what shutdown must end. */
#ifndef RTH_LIVE_H
#define RTH_LIVE_H

#include "base/thread.h"
#include "task/task.h"

typedef struct rth__live_shard {
  rth__mutex_t lock;
  rth__task_t *first;         /* under lock */
  int closed;                 /* under lock */
  RTH_ATOMIC(uint64_t) count; /* written under lock, read by anyone */
  RTH_ATOMIC(uint64_t) added; /* as count; ever */
} RTH_ALIGNED(RTH_CACHE_LINE) rth__live_shard_t;

typedef struct rth__live {
  rth__live_shard_t *shards;
  unsigned mask; /* number of shards - 1 */
} rth__live_t;

int rth__live_init(rth__live_t *l, unsigned workers); /* Fails: ENOMEM */
void rth__live_destroy(rth__live_t *l);               /* empty by now */

/* Adds a new task, with its list reference.  0: closed, nothing done. */
int rth__live_add(rth__live_t *l, rth__task_t *t);
/* Takes it off; answers whether it was on. */
int rth__live_remove(rth__live_t *l, rth__task_t *t);
/* From here on nothing is added; everything that is there is aborted. */
void rth__live_close(rth__live_t *l);
uint64_t rth__live_count(const rth__live_t *l); /* now */
uint64_t rth__live_added(const rth__live_t *l); /* ever */

/* The same links without a lock: the list of one owner. */
void rth__live_link(rth__task_t **first, rth__task_t *t);
int rth__live_unlink(rth__task_t *t);

#endif
