/* wheel - a hierarchical timing wheel (Varghese and Lauck 1987).
**
** WHY      insert and remove are O(1) and touch two entries: most timers are
**          timeouts that never fire.  A heap pays log n for each and keeps an
**          array; one uv_timer a sleeper is such a heap.
** THREADS  the executor's.
** OWNS     nothing: entries are linked in place and never outlive their
**          rth_sleep_t, which takes itself out.
** INVARIANT  with the 6 bits of a level called a digit of the tick: a timer
**          stands at the level of the highest digit in which its tick differs
**          from `now`, in the slot that this digit names.  So all of level k
**          is due before all of level k+1, at level 0 a slot is one tick, and
**          below the top level no slot at or behind now's digit is occupied.
**          Ticks beyond the top digit (2 years) stand at the top level, too,
**          and go round once more each time their slot comes up.
*/
#include "driver/wheel.h"

#include <string.h>

#define BITS RTH_WHEEL_BITS
#define TOP (RTH_WHEEL_LEVELS - 1u)
#define SLOT_MASK (RTH_WHEEL_SLOTS - 1u)

void rth__wheel_init(rth__wheel_t *w, uint64_t now) {
  memset(w, 0, sizeof *w);
  w->now = now;
}

static unsigned digit(uint64_t tick, unsigned level) {
  return (unsigned)(tick >> (level * BITS)) & SLOT_MASK;
}

/* tick != now */
static unsigned level_for(uint64_t now, uint64_t tick) {
  unsigned high = 63u - (unsigned)__builtin_clzll(now ^ tick);
  unsigned level = high / BITS;
  return level < TOP ? level : TOP;
}

/* Links a timer with tick > now into its slot. */
static void place(rth__wheel_t *w, rth_sleep_t *s) {
  unsigned level = level_for(w->now, s->tick);
  unsigned slot = digit(s->tick, level);
  rth_sleep_t **head = &w->levels[level].slots[slot];
  s->level = (uint8_t)level;
  s->slot = (uint8_t)slot;
  s->next = *head;
  s->pprev = head;
  if (s->next != NULL) s->next->pprev = &s->next;
  *head = s;
  w->levels[level].occupied |= UINT64_C(1) << slot;
}

int rth__wheel_insert(rth__wheel_t *w, rth_sleep_t *s) {
  if (s->tick <= w->now) return 0;
  place(w, s);
  w->count++;
  return 1;
}

void rth__wheel_remove(rth__wheel_t *w, rth_sleep_t *s) {
  rth__wheel_level_t *l = &w->levels[s->level];
  *s->pprev = s->next;
  if (s->next != NULL) s->next->pprev = s->pprev;
  if (l->slots[s->slot] == NULL) l->occupied &= ~(UINT64_C(1) << s->slot);
  w->count--;
}

/* The lowest level that has timers; RTH_WHEEL_LEVELS: none has. */
static unsigned first_level(const rth__wheel_t *w) {
  unsigned level = 0;
  while (level < RTH_WHEEL_LEVELS && w->levels[level].occupied == 0) level++;
  return level;
}

/* The tick at which the next occupied slot of a level begins.  The slot of
** `now` itself comes last: what is in it is a whole round away. */
static uint64_t next_of(const rth__wheel_t *w, unsigned level) {
  uint64_t occupied = w->levels[level].occupied;
  unsigned from = (digit(w->now, level) + 1u) & SLOT_MASK;
  unsigned ahead;
  if (from != 0) occupied = occupied >> from | occupied << (64u - from);
  ahead = (unsigned)__builtin_ctzll(occupied) + 1u;
  return ((w->now >> (level * BITS)) + ahead) << (level * BITS);
}

uint64_t rth__wheel_next(const rth__wheel_t *w) {
  unsigned level = first_level(w);
  return level < RTH_WHEEL_LEVELS ? next_of(w, level) : UINT64_MAX;
}

uint64_t rth__wheel_first(const rth__wheel_t *w) {
  unsigned level = first_level(w), slot;
  uint64_t first = UINT64_MAX;
  for (slot = 0; level < RTH_WHEEL_LEVELS && slot < RTH_WHEEL_SLOTS; slot++) {
    const rth_sleep_t *s = w->levels[level].slots[slot];
    for (; s != NULL; s = s->next)
      if (s->tick < first) first = s->tick;
  }
  return first;
}

/* Empties a slot; oldest first. */
static rth_sleep_t *take_slot(rth__wheel_level_t *l, unsigned slot) {
  rth_sleep_t *s = l->slots[slot], *oldest = NULL;
  l->slots[slot] = NULL;
  l->occupied &= ~(UINT64_C(1) << slot);
  while (s != NULL) {
    rth_sleep_t *next = s->next;
    s->next = oldest;
    oldest = s;
    s = next;
  }
  return oldest;
}

rth_sleep_t *rth__wheel_advance(rth__wheel_t *w, uint64_t now) {
  rth_sleep_t *due = NULL, **end = &due;
  unsigned level;
  while ((level = first_level(w)) < RTH_WHEEL_LEVELS) {
    uint64_t at = next_of(w, level);
    rth_sleep_t *s, *next;
    if (at > now) break;
    w->now = at;
    for (s = take_slot(&w->levels[level], digit(at, level)); s; s = next) {
      next = s->next;
      if (s->tick > at) {
        place(w, s);
        continue;
      }
      s->next = NULL;
      *end = s;
      end = &s->next;
      w->count--;
    }
  }
  if (now > w->now) w->now = now;
  return due;
}

rth_sleep_t *rth__wheel_take_any(rth__wheel_t *w) {
  unsigned level = first_level(w);
  rth_sleep_t *s;
  if (level == RTH_WHEEL_LEVELS) return NULL;
  s = w->levels[level]
          .slots[__builtin_ctzll(w->levels[level].occupied)];
  rth__wheel_remove(w, s);
  return s;
}
