/* blocks_test - memory for messages: it comes back to those that send, none
** is lost, and none is used twice at a time. */
#include <pthread.h>
#include <string.h>

#include "harness.h"
#include "waits.h"

enum { MANY = 1000 };

static void *blocks[MANY];

TEST(a_block_that_was_put_back_is_got_again) {
  rth_blocks_t c;
  void *b;
  rth_blocks_open(&c);
  b = rth_block_get(&c);
  ASSERT(b != NULL);
  memset(b, 0xff, RTH_BLOCK_SIZE);
  rth_block_put(&c, b);
#if !defined(__SANITIZE_ADDRESS__) /* there each block is a new one */
  ASSERT(rth_block_get(&c) == b);
  rth_block_put(&c, b);
#endif
  rth_blocks_close(&c);
}

TEST(blocks_go_from_one_cache_to_the_other_in_batches) {
  rth_blocks_t from, to;
  uint64_t live;
  int i;
  rth_blocks_open(&from);
  rth_blocks_open(&to);
  for (i = 0; i < MANY; i++) blocks[i] = rth_block_get(&from);
  live = rth_live_allocations();
  for (i = 0; i < MANY; i++) rth_block_put(&to, blocks[i]);
  for (i = 0; i < MANY / 2; i++) blocks[i] = rth_block_get(&from);
  ASSERT_LE(rth_live_allocations(), live); /* fewer where none is used again */
  for (i = 0; i < MANY / 2; i++) rth_block_put(NULL, blocks[i]);
  rth_blocks_close(&from);
  rth_blocks_close(&to); /* the harness sees what is left */
}

TEST(a_cache_does_not_keep_everything_for_ever) {
  enum { BATCH = 32, MOST = 64 + 2 };
  static void *all[4 * MOST * BATCH];
  rth_blocks_t c;
  int i;
  rth_blocks_open(&c);
  for (i = 0; i < 4 * MOST * BATCH; i++) all[i] = rth_block_get(&c);
  for (i = 0; i < 4 * MOST * BATCH; i++) rth_block_put(&c, all[i]);
  ASSERT_LE(rth_live_allocations(), MOST * BATCH);
  rth_blocks_close(&c);
}

static void *no_memory(void *old, size_t size) {
  (void)old;
  (void)size;
  return NULL;
}

TEST(no_memory_is_an_answer) {
  rth_blocks_t c;
  rth_blocks_open(&c);
  rth_set_allocator(no_memory);
  ASSERT(rth_block_get(&c) == NULL);
  rth_set_allocator(NULL);
  rth_blocks_close(&c);
}

/* Two threads send blocks to each other over a channel, as messages. */
typedef struct side {
  rth_mpsc_t *out, *in;
  uint64_t mark;
} side_t;

typedef struct parcel {
  rth_msg_t head;
  uint64_t mark[RTH_BLOCK_SIZE / 8 - sizeof(rth_msg_t) / 8];
} parcel_t;

static void no_drop(rth_msg_t *m) { (void)m; }

static void *exchange(void *arg) {
  enum { ROUNDS = 20000, LAST = sizeof((parcel_t *)NULL)->mark / 8 - 1 };
  side_t *s = arg;
  rth_blocks_t c;
  int sent = 0, received = 0;
  rth_blocks_open(&c);
  while (sent < ROUNDS || received < ROUNDS) {
    rth_msg_t *m;
    if (sent < ROUNDS) {
      parcel_t *p = rth_block_get(&c);
      ASSERT(p != NULL);
      p->head.drop = no_drop;
      p->mark[0] = p->mark[LAST] = s->mark + (uint64_t)sent++;
      ASSERT_OK(rth_mpsc_try_send(s->out, &p->head));
    }
    while (rth_mpsc_try_recv(s->in, &m) == 0) {
      parcel_t *p = (parcel_t *)(void *)m;
      uint64_t want = (UINT64_C(1) << 32) - s->mark + (uint64_t)received++;
      ASSERT_EQ(p->mark[0], want);
      ASSERT_EQ(p->mark[LAST], want);
      rth_block_put(&c, m);
    }
  }
  rth_blocks_close(&c);
  return NULL;
}

TEST(threads_that_exchange_blocks_never_share_one) {
  rth_mpsc_t *a, *b;
  side_t one, two;
  pthread_t t;
  ASSERT_OK(rth_mpsc_new(0, &a));
  ASSERT_OK(rth_mpsc_new(0, &b));
  one.out = two.in = a;
  one.in = two.out = b;
  one.mark = 0;
  two.mark = UINT64_C(1) << 32;
  ASSERT_EQ(pthread_create(&t, NULL, exchange, &two), 0);
  exchange(&one);
  pthread_join(t, NULL);
  rth_mpsc_tx_free(a);
  rth_mpsc_rx_free(a);
  rth_mpsc_tx_free(b);
  rth_mpsc_rx_free(b);
}
