/* rand.h - a small generator for victims and seeds (Marsaglia's xorshift).
** Not for secrets. */
#ifndef RTH_RAND_H
#define RTH_RAND_H

#include "base/compiler.h"

typedef struct rth__rand {
  uint32_t one, two;
} rth__rand_t;

static inline void rth__rand_seed(rth__rand_t *r, uint64_t seed) {
  r->one = (uint32_t)seed | 1u;
  r->two = (uint32_t)(seed >> 32) | 1u;
}

static inline uint32_t rth__rand_next(rth__rand_t *r) {
  uint32_t s1 = r->one;
  uint32_t s0 = r->two;
  s1 ^= s1 << 17;
  s1 = s1 ^ s0 ^ (s1 >> 7) ^ (s0 >> 16);
  r->one = s0;
  r->two = s1;
  return s0 + s1;
}

/* A number below n, evenly enough, without a division. */
static inline uint32_t rth__rand_below(rth__rand_t *r, uint32_t n) {
  return (uint32_t)(((uint64_t)rth__rand_next(r) * n) >> 32);
}

#endif
