/* mem - memory of the core.
**
** WHY      one seam, so that tests count what lives and make any allocation
**          fail; everything else is the system's allocator.  A program counts
**          nothing: all its threads would meet at that one number.
** THREADS  any.
** SYNC     `live` is a statistic: relaxed.
*/
#include "base/mem.h"

#include <string.h>

#include "base/atomic.h"
#include "rthandle.h"

static void *system_alloc(void *old, size_t size) {
  if (size == 0) {
    free(old);
    return NULL;
  }
  return realloc(old, size);
}

static rth_alloc_fn allocator = system_alloc; /* r/o after first use */
static int counting;                           /* r/o after first use */
static RTH_ATOMIC(uint64_t) live;

void rth_set_allocator(rth_alloc_fn f) {
  allocator = f != NULL ? f : system_alloc;
}

void rth_count_allocations(void) { counting = 1; }
uint64_t rth_live_allocations(void) { return rth__load_rlx(&live); }

void *rth__alloc(size_t size) {
  void *p = allocator(NULL, size);
  if (RTH_UNLIKELY(counting) && p != NULL) (void)rth__add_rlx(&live, 1);
  return p;
}

void *rth__zalloc(size_t size) {
  void *p = rth__alloc(size);
  if (p != NULL) memset(p, 0, size);
  return p;
}

void *rth__array(size_t n, size_t size) {
  if (n != 0 && size > SIZE_MAX / n) return NULL;
  return rth__zalloc(n * size);
}

/* The pointer to the whole block stands right before the aligned part. */
void *rth__zalloc_aligned(size_t size, size_t align) {
  char *whole = rth__zalloc(size + align + sizeof(void *));
  uintptr_t at;
  if (whole == NULL) return NULL;
  at = (uintptr_t)whole + sizeof(void *);
  at = (at + align - 1) & ~(uintptr_t)(align - 1);
  ((void **)at)[-1] = whole;
  return (void *)at;
}

void rth__free(void *p) {
  if (p == NULL) return;
  if (RTH_UNLIKELY(counting)) (void)rth__sub_rlx(&live, 1);
  allocator(p, 0);
}

void rth__free_aligned(void *p) {
  if (p != NULL) rth__free(((void **)p)[-1]);
}

char *rth__strdup(const char *s) {
  size_t n;
  char *copy;
  if (s == NULL) return NULL;
  n = strlen(s) + 1;
  copy = rth__alloc(n);
  if (copy != NULL) memcpy(copy, s, n);
  return copy;
}
