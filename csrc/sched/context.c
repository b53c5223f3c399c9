/* context - what a thread knows of itself; the current handle of C programs.
**
** THREADS  its own only.
** OWNS     the current handle: the innermost guard holds a reference.
*/
#include "sched/context.h"

#include "sched/core.h"
#include "sched/worker.h"

_Thread_local rth__context_t rth__context;

void rth_enter(rth_handle_t *h, rth_enter_guard_t *g) {
  rth__context_t *c = &rth__context;
  g->previous = c->entered;
  g->depth = ++c->depth;
  c->entered = rth_handle_clone(h);
}

int rth_leave(rth_enter_guard_t *g) {
  rth__context_t *c = &rth__context;
  if (g->depth != c->depth) return RTH_EGUARDORDER;
  rth_handle_free(c->entered);
  c->entered = g->previous;
  c->depth--;
  return 0;
}

rth_handle_t *rth_current(void) {
  rth__context_t *c = &rth__context;
  rth_handle_t *h = c->entered;
  if (h == NULL && c->exec != NULL) h = c->exec->core;
  if (h == NULL) h = c->blocking;
  return h != NULL ? rth_handle_clone(h) : NULL;
}

rth_local_t *rth_local_current(void) { return rth__context.exec; }

int rth_is_driving(void) { return rth__context.driving != 0; }

int rth_worker_index(void) {
  rth__context_t *c = &rth__context;
  if (c->worker != NULL) return (int)c->worker->index;
  return c->mains > 0 ? 0 : -1;
}

void *rth_thread_data(void) { return rth__context.data; }
