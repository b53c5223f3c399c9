/* ring - a bounded queue with one producer and thieves that take half.
**
** WHY      the protocol of Tokio's local queue (which follows Go's): FIFO, so
**          every task gets its turn; bounded, so no growth and no memory to
**          reclaim; half at a time, so a thief seldom comes back; no fence,
**          so the sanitizers see all of it.  Rejected: the Chase-Lev deque
**          (Le et al. 2013): owner LIFO, thieves take one, grows, and needs
**          seq_cst fences or accesses on the owner's path.
** THREADS  push, pop: the owner; steal: any worker, into its own ring.
** OWNS     the NOTIFIED reference of each task in it.
** INVARIANT  steal <= real <= tail <= steal + size, modulo 2^32.  Positions
**          count up for ever; slot = position modulo size.  Both halves of
**          head are in one word, so a thief that slept through a whole round
**          of 2^32 positions only could be fooled.
** STEAL    1. real moves over the tasks to take: nobody else may take them,
**          and `steal` stays, so that the owner does not write there yet;
**          2. the thief copies; 3. steal catches up with real.  While steal
**          lags no second thief starts and the owner may only pop.
** SYNC
**   [R1] slots, forth   tail: release (push) -> acquire (steal)
**   [R2] slots, back    head: release (steal done, popped) -> acquire (push):
**                       the owner writes a slot only after it was read
**   [R3] who takes      head: every taker moves `real` by cas, so a position
**                       goes to one of them
*/
#include "queue/ring.h"

#define MASK (RTH_RING_SIZE - 1u)
#define HALF (RTH_RING_SIZE / 2u)

static uint64_t pack(uint32_t steal, uint32_t real) {
  return (uint64_t)steal << 32 | real;
}
static uint32_t steal_of(uint64_t head) { return (uint32_t)(head >> 32); }
static uint32_t real_of(uint64_t head) { return (uint32_t)head; }

void rth__ring_init(rth__ring_t *r) {
  rth__init(&r->head, 0);
  rth__init(&r->tail, 0);
}

/* Moves the oldest half and `t` to the inject queue.  0: a thief took
** something meanwhile, so there is room now. */
static int overflow(rth__ring_t *r, uint32_t real, rth__task_t *t,
                    rth__inject_t *inject) {
  uint64_t expected = pack(real, real);
  rth__tasklist_t l = {NULL, NULL, 0};
  uint32_t i;
  if (!rth__cas_ar(&r->head, &expected, /* [R3] */
                   pack(real + HALF, real + HALF)))
    return 0;
  for (i = 0; i < HALF; i++)
    rth__tasklist_add(&l, r->slots[(real + i) & MASK]);
  rth__tasklist_add(&l, t);
  rth__inject_push_list(inject, &l);
  return 1;
}

int rth__ring_push(rth__ring_t *r, rth__task_t *t, rth__inject_t *inject) {
  uint32_t tail = rth__load_rlx(&r->tail); /* only we write it */
  for (;;) {
    uint64_t head = rth__load_acq(&r->head); /* [R2] */
    if (RTH_LIKELY(tail - steal_of(head) < RTH_RING_SIZE)) {
      r->slots[tail & MASK] = t;
      rth__store_rel(&r->tail, tail + 1); /* [R1] */
      return 0;
    }
    if (steal_of(head) != real_of(head)) {
      rth__tasklist_t one = {NULL, NULL, 0};
      rth__tasklist_add(&one, t);
      rth__inject_push_list(inject, &one);
      return 1;
    }
    if (overflow(r, real_of(head), t, inject)) return 1;
  }
}

uint32_t rth__ring_room(rth__ring_t *r) {
  uint32_t tail = rth__load_rlx(&r->tail);
  return RTH_RING_SIZE - (tail - steal_of(rth__load_acq(&r->head))); /* [R2] */
}

void rth__ring_push_batch(rth__ring_t *r, rth__tasklist_t *l) {
  uint32_t tail = rth__load_rlx(&r->tail);
  rth__task_t *t;
  RTH_CHECK(l->n <= rth__ring_room(r));
  while ((t = rth__tasklist_take(l)) != NULL) r->slots[tail++ & MASK] = t;
  rth__store_rel(&r->tail, tail); /* [R1] */
}

rth__task_t *rth__ring_pop(rth__ring_t *r) {
  uint32_t tail = rth__load_rlx(&r->tail);
  uint64_t head = rth__load_acq(&r->head); /* [R3] */
  uint32_t real;
  uint64_t next;
  do {
    real = real_of(head);
    if (real == tail) return NULL;
    /* A thief at work keeps its mark. */
    next = steal_of(head) == real ? pack(real + 1, real + 1)
                                  : pack(steal_of(head), real + 1);
  } while (!rth__cas_weak_ar(&r->head, &head, next)); /* [R2] [R3] */
  return r->slots[real & MASK]; /* only we could write it again */
}

/* Claims half of src; answers how many, from *first on. */
static uint32_t claim(rth__ring_t *src, uint32_t *first, uint64_t *claimed) {
  uint64_t head = rth__load_acq(&src->head); /* [R3] */
  uint32_t n;
  do {
    uint32_t tail = rth__load_acq(&src->tail); /* [R1] */
    *first = real_of(head);
    if (steal_of(head) != *first) return 0;
    n = tail - *first;
    n -= n / 2;
    if (n == 0) return 0;
    *claimed = pack(*first, *first + n);
  } while (!rth__cas_weak_ar(&src->head, &head, *claimed)); /* [R3] */
  return n;
}

rth__task_t *rth__ring_steal_into(rth__ring_t *src, rth__ring_t *dst,
                                  uint32_t *count) {
  uint32_t tail = rth__load_rlx(&dst->tail);
  uint32_t first, i, n;
  uint64_t head;
  rth__task_t *t = NULL;
  *count = 0;
  /* dst may look empty while a thief still reads from it. */
  if (rth__ring_room(dst) < HALF) return NULL;
  n = claim(src, &first, &head);
  if (n == 0) return NULL;
  RTH_CHECK(n <= HALF);
  for (i = 0; i < n; i++) {
    t = src->slots[(first + i) & MASK];
    dst->slots[(tail + i) & MASK] = t;
  }
  /* The owner may have popped meanwhile: real moved, steal did not. */
  while (!rth__cas_weak_ar(&src->head, &head,
                           pack(real_of(head), real_of(head)))) /* [R2] */
    continue;
  if (n > 1) rth__store_rel(&dst->tail, tail + n - 1); /* [R1] */
  *count = n;
  return t;
}

uint32_t rth__ring_len(rth__ring_t *r) {
  uint32_t real = real_of(rth__load_acq(&r->head)); /* [R3] */
  uint32_t n = rth__load_acq(&r->tail) - real;      /* [R1] */
  /* Read one after the other: the tasks between may be gone. */
  return n <= RTH_RING_SIZE ? n : RTH_RING_SIZE;
}
