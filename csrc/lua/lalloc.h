/* lalloc.h - where the Lua half gets plain memory, and two small containers.
**
** One seam, so that tests can fail the n-th allocation.  Nothing here raises
** or aborts: lack of memory is an answer.
*/
#ifndef RTHL_LALLOC_H
#define RTHL_LALLOC_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* As realloc; size 0 frees and answers NULL.  Thread: any. */
void *rthL_realloc(void *old, size_t size);

/* Grows an array of `*cap` elements of `size` bytes until it holds `need`.
** Answers the array, or NULL with everything left as it was. */
static inline void *rthL_grow(void *v, size_t *cap, size_t need, size_t size) {
  size_t n = *cap < 8 ? 8 : *cap;
  void *p;
  if (v != NULL && need <= *cap) return v;
  while (n < need) {
    if (n > SIZE_MAX / 2) return NULL;
    n *= 2;
  }
  if (n > SIZE_MAX / size) return NULL;
  p = rthL_realloc(v, n * size);
  if (p != NULL) *cap = n;
  return p;
}

/* ---- growing bytes ------------------------------------------------------ */

typedef struct rthL_Buf {
  unsigned char *p;
  size_t n, cap;
  int fixed; /* the memory is somebody else's: no more than `cap` */
  int oom;   /* an append was lost; sticky until the next reset */
} rthL_Buf;

/* Room for `k` more bytes, uninitialised, already counted; NULL: no memory.
** More than doubling is taken exactly: a 100 MB string costs 100 MB. */
static inline unsigned char *rthL_buf_room(rthL_Buf *b, size_t k) {
  unsigned char *p;
  if (k > b->cap - b->n) {
    size_t cap = b->cap < 128 ? 256 : b->cap * 2;
    if (b->fixed || k > SIZE_MAX / 2 || b->cap > SIZE_MAX / 4) goto oom;
    if (cap < b->n + k) cap = b->n + k + 64;
    p = (unsigned char *)rthL_realloc(b->p, cap);
    if (p == NULL) goto oom;
    b->p = p;
    b->cap = cap;
  }
  p = b->p + b->n;
  b->n += k;
  return p;
oom:
  b->oom = 1;
  return NULL;
}

static inline void rthL_buf_put(rthL_Buf *b, const void *s, size_t k) {
  unsigned char *p = rthL_buf_room(b, k);
  if (p != NULL && k != 0) memcpy(p, s, k);
}

static inline void rthL_buf_u8(rthL_Buf *b, unsigned v) {
  unsigned char *p = rthL_buf_room(b, 1);
  if (p != NULL) *p = (unsigned char)v;
}

static inline void rthL_buf_u32(rthL_Buf *b, uint32_t v) {
  rthL_buf_put(b, &v, sizeof v);
}

static inline void rthL_buf_free(rthL_Buf *b) {
  rthL_realloc(b->p, 0);
  memset(b, 0, sizeof *b);
}

/* ---- pointer -> number -------------------------------------------------- */

typedef struct rthL_MapSlot {
  const void *key; /* NULL: empty */
  uint64_t value;
} rthL_MapSlot;

typedef struct rthL_Map { /* open addressing, at most half full */
  rthL_MapSlot *v;
  size_t cap, n; /* cap: 0 or a power of two */
} rthL_Map;

static inline size_t rthL_map_hash(const void *key) {
  uint64_t h = (uint64_t)(uintptr_t)key * UINT64_C(0x9E3779B97F4A7C15);
  return (size_t)(h >> 32);
}

/* The slot of `key`, or the empty one where it belongs.  Needs cap > n. */
static inline rthL_MapSlot *rthL_map_slot(const rthL_Map *m, const void *key) {
  size_t i = rthL_map_hash(key) & (m->cap - 1);
  while (m->v[i].key != NULL && m->v[i].key != key) i = (i + 1) & (m->cap - 1);
  return &m->v[i];
}

/* NULL: not there. */
static inline rthL_MapSlot *rthL_map_get(const rthL_Map *m, const void *key) {
  rthL_MapSlot *s;
  if (m->n == 0) return NULL;
  s = rthL_map_slot(m, key);
  return s->key != NULL ? s : NULL;
}

/* 0: no memory. */
int rthL_map_set(rthL_Map *m, const void *key, uint64_t value);
void rthL_map_clear(rthL_Map *m);
void rthL_map_free(rthL_Map *m);

#endif
