/* ring.h - the run queue of one worker: it pushes and pops, others steal
** half. */
#ifndef RTH_RING_H
#define RTH_RING_H

#include "base/atomic.h"
#include "queue/inject.h"
#include "task/task.h"

/* Slots; a power of two.  The model checker runs it with fewer. */
#if !defined(RTH_RING_SIZE)
#define RTH_RING_SIZE 256u
#endif

typedef struct rth__ring {
  /* steal:32 | real:32.  [steal, real) is being copied by a thief; the two
  ** are equal when there is none.  [real, tail) may be taken. */
  RTH_ALIGNED(RTH_CACHE_LINE) RTH_ATOMIC(uint64_t) head;
  /* Written by the owner only. */
  RTH_ALIGNED(RTH_CACHE_LINE) RTH_ATOMIC(uint32_t) tail;
  rth__task_t *slots[RTH_RING_SIZE]; /* [R1] [R2] */
} rth__ring_t;

void rth__ring_init(rth__ring_t *r);

/* Puts a task at the end.  When there is no room it goes to `inject`, with
** half of the ring unless a thief is at work: then answers 1 ("overflowed").
** Thread: owner.  Never fails. */
int rth__ring_push(rth__ring_t *r, rth__task_t *t, rth__inject_t *inject);
/* Puts a whole list at the end; it must fit (rth__ring_room).
** Thread: owner. */
void rth__ring_push_batch(rth__ring_t *r, rth__tasklist_t *l);
/* Tasks that fit for certain: thieves only make room.  Thread: owner. */
uint32_t rth__ring_room(rth__ring_t *r);
/* The oldest; NULL: none.  Thread: owner. */
rth__task_t *rth__ring_pop(rth__ring_t *r);
/* Moves half of src, rounded up, to dst, and answers one of them to run now;
** NULL: nothing there, another thief is at work, or dst is more than half
** full.  *n: how many left src.  Thread: owner of dst. */
rth__task_t *rth__ring_steal_into(rth__ring_t *src, rth__ring_t *dst,
                                  uint32_t *n);
/* Tasks that may be taken; a moment's view unless the owner asks.
** Thread: any. */
uint32_t rth__ring_len(rth__ring_t *r);
static inline int rth__ring_is_empty(rth__ring_t *r) {
  return rth__ring_len(r) == 0;
}

#endif
