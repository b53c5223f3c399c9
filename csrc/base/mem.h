/* mem.h - memory of the core: one seam, counted, that tests can make fail. */
#ifndef RTH_MEM_H
#define RTH_MEM_H

#include "base/compiler.h"

/* `size` bytes, not cleared; NULL when there are none.  Thread: any. */
void *rth__alloc(size_t size);
/* The same, cleared. */
void *rth__zalloc(size_t size);
/* A cleared array; NULL on overflow, too. */
void *rth__array(size_t n, size_t size);
/* A cleared, aligned block for structures with cache-line fields. */
void *rth__zalloc_aligned(size_t size, size_t align);
void rth__free(void *p);         /* NULL is allowed */
void rth__free_aligned(void *p); /* of rth__zalloc_aligned */
/* A copy of a string; NULL for NULL or without memory. */
char *rth__strdup(const char *s);

#endif
