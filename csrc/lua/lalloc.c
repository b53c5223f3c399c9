/* lalloc - memory of the Lua half.
**
** WHY      Values on their way between Lua states belong to no state, so they
**          cannot live in Lua's memory.
** THREADS  rthL_realloc: any.  A map belongs to its holder.
*/
#include "lua/lalloc.h"

#include <stdlib.h>

/* Weak: a test that fails allocations brings its own. */
__attribute__((weak)) void *rthL_realloc(void *old, size_t size) {
  if (size == 0) {
    free(old);
    return NULL;
  }
  return realloc(old, size);
}

static int map_grow(rthL_Map *m) {
  rthL_Map big = {NULL, m->cap == 0 ? 32 : m->cap * 2, m->n};
  size_t i;
  if (big.cap > SIZE_MAX / sizeof *big.v) return 0;
  big.v = (rthL_MapSlot *)rthL_realloc(NULL, big.cap * sizeof *big.v);
  if (big.v == NULL) return 0;
  memset(big.v, 0, big.cap * sizeof *big.v);
  for (i = 0; i < m->cap; i++)
    if (m->v[i].key != NULL) *rthL_map_slot(&big, m->v[i].key) = m->v[i];
  rthL_realloc(m->v, 0);
  *m = big;
  return 1;
}

int rthL_map_set(rthL_Map *m, const void *key, uint64_t value) {
  rthL_MapSlot *s;
  if (m->n * 2 >= m->cap && !map_grow(m)) return 0;
  s = rthL_map_slot(m, key);
  if (s->key == NULL) m->n++;
  s->key = key;
  s->value = value;
  return 1;
}

/* Keeps a small table; one that was big for once is given back. */
void rthL_map_clear(rthL_Map *m) {
  if (m->n == 0) return;
  if (m->cap > 4096)
    rthL_map_free(m);
  else
    memset(m->v, 0, m->cap * sizeof *m->v);
  m->n = 0;
}

void rthL_map_free(rthL_Map *m) {
  rthL_realloc(m->v, 0);
  memset(m, 0, sizeof *m);
}
