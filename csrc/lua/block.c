/* block - memory for what many tasks wait on at once: their timers.
**
** WHY      a userdata would cost 60 % more for each sleeping task, and work for
**          the collector; malloc 20 % more.  So blocks of one size come from
**          pages; a page whose blocks are all free goes back.
** THREADS  the one that runs the Lua state.
** OWNS     the pages: see rthL_State.  Pages with free blocks are linked.
*/
#include <stdlib.h>

#include "lua/state.h"

enum { PAGE = 4096 };

typedef struct Page {
  struct Page *next, **pprev; /* pages with free blocks; pprev NULL: full */
  void *free;                 /* blocks; each points to the next */
  unsigned used;
  unsigned fresh;             /* blocks from here on were never used */
} Page;

enum { BLOCKS = (PAGE - sizeof(Page)) / RTHL_BLOCK };

static void link_page(rthL_State *S, Page *p) {
  p->next = S->pages;
  p->pprev = &S->pages;
  if (p->next != NULL) p->next->pprev = &p->next;
  S->pages = p;
}

static void unlink_page(Page *p) {
  *p->pprev = p->next;
  if (p->next != NULL) p->next->pprev = p->pprev;
  p->pprev = NULL;
}

static Page *new_page(rthL_State *S) {
  void *memory;
  Page *p;
  if (posix_memalign(&memory, PAGE, PAGE) != 0) return NULL;
  p = memory;
  p->free = NULL;
  p->used = p->fresh = 0;
  link_page(S, p);
  return p;
}

void *rthL_block_get(rthL_State *S) {
  Page *p = S->pages;
  void *block;
  if (p == NULL && (p = new_page(S)) == NULL) return NULL;
  block = p->free;
  if (block != NULL)
    p->free = *(void **)block;
  else
    block = (char *)(p + 1) + p->fresh++ * (size_t)RTHL_BLOCK;
  if (++p->used == BLOCKS) unlink_page(p);
  return block;
}

void rthL_block_put(rthL_State *S, void *block) {
  Page *p = (Page *)((uintptr_t)block & ~(uintptr_t)(PAGE - 1));
  *(void **)block = p->free;
  p->free = block;
  if (p->used-- == BLOCKS) link_page(S, p);
  if (p->used > 0 || (S->pages == p && p->next == NULL && !S->closing))
    return; /* one page stays */
  unlink_page(p);
  free(p);
}

void rthL_block_close(rthL_State *S) {
  Page *p = S->pages;
  if (p == NULL || p->used > 0) return;
  unlink_page(p);
  free(p);
}
