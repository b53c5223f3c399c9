/* wheel_test - the timing wheel: single facts, then random operations against
** a list that is searched from end to end. */
#include "driver/wheel.h"

#include "base/rand.h"
#include "harness.h"

#define SLOTS UINT64_C(64)
#define ROUND (UINT64_C(1) << 36) /* ticks of the whole wheel */
#define YEAR (UINT64_C(1000) * 3600 * 24 * 365)

static rth__wheel_t wheel;

static void insert(rth_sleep_t *s, uint64_t tick) {
  s->tick = tick;
  ASSERT(rth__wheel_insert(&wheel, s));
}

TEST(an_empty_wheel_has_nothing_to_wait_for) {
  rth__wheel_init(&wheel, 5);
  ASSERT(rth__wheel_is_empty(&wheel));
  ASSERT_EQ(rth__wheel_next(&wheel), UINT64_MAX);
  ASSERT_PTR_EQ(rth__wheel_advance(&wheel, 500 * YEAR), NULL);
}

TEST(whatever_the_memory_held_a_new_wheel_is_empty) {
  memset(&wheel, 0xff, sizeof wheel);
  rth__wheel_init(&wheel, 5);
  ASSERT_EQ(rth__wheel_count(&wheel), 0);
  ASSERT_EQ(rth__wheel_next(&wheel), UINT64_MAX);
}

TEST(take_any_takes_every_timer_once) {
  rth_sleep_t s[8], *taken;
  unsigned i, n[8] = {0};
  rth__wheel_init(&wheel, 0);
  for (i = 0; i < 8; i++) insert(&s[i], 1 + (UINT64_C(1) << (6 * i)));
  while ((taken = rth__wheel_take_any(&wheel)) != NULL) n[taken - s]++;
  for (i = 0; i < 8; i++) ASSERT_EQ(n[i], 1);
  ASSERT(rth__wheel_is_empty(&wheel));
  ASSERT_EQ(rth__wheel_next(&wheel), UINT64_MAX);
}

TEST(a_tick_that_is_not_in_the_future_is_not_inserted) {
  rth_sleep_t s = {.tick = 5};
  rth__wheel_init(&wheel, 5);
  ASSERT(!rth__wheel_insert(&wheel, &s));
  s.tick = 4;
  ASSERT(!rth__wheel_insert(&wheel, &s));
  ASSERT(rth__wheel_is_empty(&wheel));
}

TEST(a_timer_is_due_at_its_tick_and_not_before) {
  static const uint64_t after[] = {
      1,         2,         63,        64,       65,       4095,
      4096,      4097,      262143,    262144,   16777216, ROUND / 64,
      ROUND - 1, ROUND,     ROUND + 1, 2 * ROUND, YEAR,    300 * YEAR};
  static const uint64_t starts[] = {0, 1, 63, 64, 4095, 123456789, ROUND - 1};
  unsigned i, k;
  for (i = 0; i < sizeof after / sizeof *after; i++)
    for (k = 0; k < sizeof starts / sizeof *starts; k++) {
      rth_sleep_t s = {.tick = 0};
      rth__wheel_init(&wheel, starts[k]);
      insert(&s, starts[k] + after[i]);
      ASSERT_PTR_EQ(rth__wheel_advance(&wheel, s.tick - 1), NULL);
      ASSERT_EQ(rth__wheel_count(&wheel), 1);
      ASSERT_EQ(rth__wheel_next(&wheel), s.tick);
      ASSERT_PTR_EQ(rth__wheel_advance(&wheel, s.tick), &s);
      ASSERT_PTR_EQ(s.next, NULL);
      ASSERT(rth__wheel_is_empty(&wheel));
    }
}

TEST(one_jump_finds_the_timers_of_all_levels_in_order) {
  rth_sleep_t s[20], *due;
  unsigned i;
  rth__wheel_init(&wheel, 7);
  for (i = 20; i-- > 0;) insert(&s[i], 8 + (UINT64_C(1) << (2 * i)));
  due = rth__wheel_advance(&wheel, 100 * YEAR);
  for (i = 0; i < 20; i++, due = due->next) ASSERT_PTR_EQ(due, &s[i]);
  ASSERT_PTR_EQ(due, NULL);
}

TEST(timers_of_one_tick_come_in_the_order_of_insertion) {
  rth_sleep_t s[4], *due;
  unsigned i;
  rth__wheel_init(&wheel, 0);
  insert(&s[0], 5000);
  insert(&s[1], 5000);
  ASSERT_PTR_EQ(rth__wheel_advance(&wheel, 4990), NULL); /* a finer level */
  insert(&s[2], 5000);
  insert(&s[3], 5000);
  due = rth__wheel_advance(&wheel, 5000);
  for (i = 0; i < 4; i++, due = due->next) ASSERT_PTR_EQ(due, &s[i]);
}

TEST(a_removed_timer_is_never_due) {
  rth_sleep_t s[3];
  rth__wheel_init(&wheel, 0);
  insert(&s[0], 10);
  insert(&s[1], 10);
  insert(&s[2], 10);
  rth__wheel_remove(&wheel, &s[1]);
  ASSERT_EQ(rth__wheel_count(&wheel), 2);
  ASSERT_PTR_EQ(rth__wheel_advance(&wheel, 10), &s[0]);
  ASSERT_PTR_EQ(s[0].next, &s[2]);
}

TEST(removing_the_last_timer_of_a_slot_empties_the_slot) {
  rth_sleep_t near, far;
  rth__wheel_init(&wheel, 0);
  insert(&near, 10);
  insert(&far, 20);
  rth__wheel_remove(&wheel, &near);
  ASSERT_EQ(rth__wheel_next(&wheel), 20);
  rth__wheel_remove(&wheel, &far);
  ASSERT_EQ(rth__wheel_next(&wheel), UINT64_MAX);
}

TEST(a_timer_that_has_moved_to_a_finer_level_can_be_removed) {
  rth_sleep_t s;
  rth__wheel_init(&wheel, 0);
  insert(&s, 64 * 64 + 64 + 1);
  ASSERT_PTR_EQ(rth__wheel_advance(&wheel, 64 * 64), NULL);
  ASSERT_PTR_EQ(rth__wheel_advance(&wheel, 64 * 64 + 64), NULL);
  rth__wheel_remove(&wheel, &s);
  ASSERT_PTR_EQ(rth__wheel_advance(&wheel, YEAR), NULL);
}

TEST(a_timer_a_whole_round_away_does_not_hide_a_nearer_one) {
  rth_sleep_t far, near;
  uint64_t slot = ROUND / SLOTS;
  rth__wheel_init(&wheel, 3 * slot);
  insert(&far, 3 * slot + ROUND + 5); /* in the slot of now itself */
  insert(&near, 4 * slot + 5);
  ASSERT_LE(rth__wheel_next(&wheel), near.tick);
  ASSERT_PTR_EQ(rth__wheel_advance(&wheel, near.tick), &near);
  ASSERT_PTR_EQ(near.next, NULL);
  ASSERT_PTR_EQ(rth__wheel_advance(&wheel, far.tick - 1), NULL);
  ASSERT_PTR_EQ(rth__wheel_advance(&wheel, far.tick), &far);
}

TEST(the_way_to_a_far_timer_has_few_stops) {
  rth_sleep_t s;
  unsigned stops = 0;
  rth__wheel_init(&wheel, 12345);
  insert(&s, 12345 + YEAR);
  while (rth__wheel_advance(&wheel, rth__wheel_next(&wheel)) == NULL) stops++;
  ASSERT_EQ(wheel.now, s.tick);
  ASSERT_LE(stops, RTH_WHEEL_LEVELS - 1);
}

TEST(advancing_back_does_nothing) {
  rth_sleep_t s;
  rth__wheel_init(&wheel, 100);
  insert(&s, 101);
  ASSERT_PTR_EQ(rth__wheel_advance(&wheel, 50), NULL);
  ASSERT_EQ(wheel.now, 100);
  ASSERT_PTR_EQ(rth__wheel_advance(&wheel, 101), &s);
}

/* ---- against a list ----------------------------------------------------- */

enum { N = 200 };

static struct item {
  rth_sleep_t s;
  uint64_t order; /* of insertion */
  int in;
} items[N];

static rth__rand_t rng;

static uint64_t wide(void) {
  uint64_t high = rth__rand_next(&rng);
  return high << 32 | rth__rand_next(&rng);
}

/* A distance whose number of digits is evenly spread, up to `bits`. */
static uint64_t distance(unsigned bits) {
  return wide() >> (63u - rth__rand_below(&rng, bits));
}

/* The first item of the list by (tick, order); NULL: none. */
static struct item *first(void) {
  struct item *f = NULL;
  unsigned i;
  for (i = 0; i < N; i++)
    if (items[i].in &&
        (f == NULL || items[i].s.tick < f->s.tick ||
         (items[i].s.tick == f->s.tick && items[i].order < f->order)))
      f = &items[i];
  return f;
}

static uint64_t in_list(void) {
  uint64_t n = 0;
  unsigned i;
  for (i = 0; i < N; i++) n += (uint64_t)items[i].in;
  return n;
}

static void check_advance(uint64_t now) {
  rth_sleep_t *due = rth__wheel_advance(&wheel, now), *next;
  struct item *f;
  for (; due != NULL; due = next) {
    next = due->next;
    f = first();
    ASSERT_PTR_EQ(due, &f->s);
    ASSERT_LE(due->tick, now);
    f->in = 0;
  }
  f = first();
  ASSERT(f == NULL || f->s.tick > now);
}

static void check_next(void) {
  struct item *f = first();
  uint64_t next = rth__wheel_next(&wheel);
  ASSERT_EQ(rth__wheel_count(&wheel), in_list());
  if (f == NULL) {
    ASSERT_EQ(next, UINT64_MAX);
  } else {
    ASSERT_GT(next, wheel.now);
    ASSERT_LE(next, f->s.tick);
  }
}

static void check_first(void) {
  uint64_t first = UINT64_MAX;
  unsigned i;
  for (i = 0; i < N; i++)
    if (items[i].in && items[i].s.tick < first) first = items[i].s.tick;
  ASSERT_EQ(rth__wheel_first(&wheel), first);
}

static void random_operations(uint64_t seed, unsigned bits) {
  unsigned step;
  uint64_t order = 0;
  rth__rand_seed(&rng, seed * UINT64_C(0x9E3779B97F4A7C15));
  memset(items, 0, sizeof items);
  rth__wheel_init(&wheel, distance(40));
  for (step = 0; step < 2000; step++) {
    struct item *it = &items[rth__rand_below(&rng, N)];
    unsigned what = rth__rand_below(&rng, 100);
    if (!it->in && what < 90) {
      it->s.tick = wheel.now + distance(bits);
      it->in = rth__wheel_insert(&wheel, &it->s);
      ASSERT_EQ(it->in, it->s.tick > wheel.now);
      it->order = order++;
    } else if (it->in && what < 50) {
      rth__wheel_remove(&wheel, &it->s);
      it->in = 0;
    } else if (what < 75) {
      check_advance(wheel.now + distance(bits > 12 ? bits - 10 : bits));
    } else if (!rth__wheel_is_empty(&wheel)) {
      check_advance(rth__wheel_next(&wheel));
    }
    check_next();
    check_first();
  }
  while (!rth__wheel_is_empty(&wheel)) check_advance(rth__wheel_next(&wheel));
  ASSERT_EQ(in_list(), 0);
}

TEST(random_operations_match_a_list_within_a_second) {
  uint64_t seed;
  for (seed = 1; seed <= 20; seed++) random_operations(seed, 10);
}
TEST(random_operations_match_a_list_over_all_levels) {
  uint64_t seed;
  for (seed = 1; seed <= 20; seed++) random_operations(seed, 36);
}
TEST(random_operations_match_a_list_beyond_the_top_level) {
  uint64_t seed;
  for (seed = 1; seed <= 20; seed++) random_operations(seed, 43);
}
