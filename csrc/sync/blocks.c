/* blocks - memory for messages, used again.
**
** WHY      a message is made on one thread and freed on another, again and
**          again, and each such free makes the two meet at the lock of the
**          allocator.  So who receives keeps the blocks, and hands a batch of
**          them to those that send: they meet once for each batch, at one
**          word.
** THREADS  a cache: its owner's.  The depot: any.
** OWNS     a cache has its blocks, the depot those handed in; the last cache
**          that is closed empties the depot.
** INVARIANT  the depot is a stack of batches of BATCH blocks each: `next` links
**          the blocks of one, `below` of its first block is the next batch.  It
**          is taken whole, so no batch comes back while somebody looks at it.
** SYNC
**   [Y11] the blocks   hand_in: RMW on `depot` -> take: RMW on `depot`
**   [Y12] the depot        close: RMW on `users` -> the last close: RMW on it
**   `batches` is an estimate: relaxed.
*/
#include "base/atomic.h"
#include "base/mem.h"
#include "rthandle_sync.h"

typedef struct block {
  struct block *next, *below;
} block_t;

enum { BATCH = 32, MAX_BATCHES = 64, KEEP = 2 * BATCH };
#if defined(__SANITIZE_ADDRESS__)
enum { AGAIN = 0 }; /* every use is a new block, which it can watch */
#else
enum { AGAIN = 1 };
#endif

static RTH_ATOMIC(block_t *) depot; /* [Y11] */
static RTH_ATOMIC(uint64_t) batches, users;

/* ---- the depot --------------------------------------------------------- */

static void hand_in(block_t *first, block_t *last) {
  block_t *top = rth__load_rlx(&depot);
  do {
    last->below = top;
  } while (!rth__cas_weak_ar(&depot, &top, first)); /* [Y11] */
}

/* One batch, or NULL. */
static block_t *take(void) {
  block_t *all, *rest, *last;
  if (rth__load_rlx(&depot) == NULL) return NULL;
  all = rth__swap_ar(&depot, NULL); /* [Y11] */
  if (all == NULL) return NULL;
  (void)rth__sub_rlx(&batches, 1);
  rest = last = all->below;
  if (rest == NULL) return all;
  while (last->below != NULL) last = last->below;
  hand_in(rest, last);
  return all;
}

static void free_all(block_t *b) {
  while (b != NULL) {
    block_t *next = b->next;
    rth__free(b);
    b = next;
  }
}

/* ---- caches ------------------------------------------------------------ */

void rth_blocks_open(rth_blocks_t *c) {
  c->first = NULL;
  c->n = 0;
  (void)rth__add_ar(&users, 1); /* [Y12] */
}

void rth_blocks_close(rth_blocks_t *c) {
  block_t *b;
  free_all(c->first);
  c->first = NULL;
  c->n = 0;
  if (rth__sub_ar(&users, 1) != 1) return; /* [Y12] */
  while ((b = take()) != NULL) free_all(b);
}

void *rth_block_get(rth_blocks_t *c) {
  block_t *b = c->first;
  if (b == NULL) {
    b = take();
    if (b == NULL) return rth__alloc(RTH_BLOCK_SIZE);
    c->n = BATCH;
  }
  c->first = b->next;
  c->n--;
  return b;
}

/* There are BATCH blocks too many. */
static void give_batch(rth_blocks_t *c) {
  block_t *first = c->first, *last = first;
  unsigned i;
  for (i = 1; i < BATCH; i++) last = last->next;
  c->first = last->next;
  c->n -= BATCH;
  last->next = NULL;
  if (rth__load_rlx(&batches) >= MAX_BATCHES) {
    free_all(first);
    return;
  }
  (void)rth__add_rlx(&batches, 1);
  hand_in(first, first);
}

void rth_block_put(rth_blocks_t *c, void *block) {
  block_t *b = block;
  if (c == NULL || !AGAIN) {
    rth__free(block);
    return;
  }
  b->next = c->first;
  c->first = b;
  if (++c->n >= KEEP) give_batch(c);
}
