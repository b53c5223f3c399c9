/* loop - the libuv loop of one executor.
**
** WHY      one loop a thread that drives, so that a socket's readiness, its
**          task and its data stay on one processor.  The thread never sleeps
**          in libuv: it sleeps in its parker, with the loop's descriptor among
**          what it waits for, and then lets libuv handle what came.  So a
**          wake-up is the parker's, a signal ends the sleep (libuv would go on
**          sleeping), and one thread can wait for two loops.
** THREADS  the executor's owner; another thread may own it later.
** OWNS     the uv_loop_t and the spare buffer.  Riders own themselves.
** INVARIANT  callbacks only mark and wake: no task runs inside uv_run, so a
**          turn is never entered twice.
*/
#include "driver/loop.h"

#include <unistd.h>

#include "base/fault.h"
#include "base/mem.h"

/* Without descriptors the first loop of a process would abort inside libuv,
** which then makes a pipe of its own for signals: ask before. */
static int descriptors_left(void) {
  int fd[6], n = 0, got;
  while (n < 6 && pipe(fd + n) == 0) n += 2;
  got = n == 6;
  while (n > 0) close(fd[--n]);
  return got;
}

int rth__loop_new(rth__loop_t **out) {
  rth__loop_t *l;
  int err;
  if (rth__fault(RTH_FAULT_LOOP) || !descriptors_left()) return RTH_EMFILE;
  l = rth__zalloc(sizeof *l);
  if (l == NULL) return RTH_ENOMEM;
  err = uv_loop_init(&l->uv);
  if (err != 0) {
    rth__free(l);
    return err;
  }
  *out = l;
  return 0;
}

void rth__loop_free(rth__loop_t *l) {
  if (l == NULL) return;
  while (l->riders != NULL) l->riders->leave(l->riders);
  (void)uv_run(&l->uv, UV_RUN_DEFAULT); /* until all are closed */
  RTH_CHECK(l->closing == 0);
  RTH_CHECK(uv_loop_close(&l->uv) == 0);
  rth__free(l->spare);
  rth__free(l);
}

void rth__loop_add(rth__loop_t *l, rth__rider_t *r) {
  r->next = l->riders;
  r->pprev = &l->riders;
  if (r->next != NULL) r->next->pprev = &r->next;
  l->riders = r;
}

void rth__loop_remove(rth__loop_t *l, rth__rider_t *r) {
  (void)l;
  *r->pprev = r->next;
  if (r->next != NULL) r->next->pprev = r->pprev;
}

unsigned rth__loop_turn(rth__loop_t *l) {
  l->events = 0;
  l->changed = 0;
  if (l->riders == NULL && l->closing == 0) return 0;
  (void)uv_run(&l->uv, UV_RUN_NOWAIT);
  return l->events;
}

void rth__loop_wake_all(rth__loop_t *l) {
  rth__rider_t *r, *next;
  for (r = l->riders; r != NULL; r = next) {
    next = r->next;
    r->wake(r);
  }
}
