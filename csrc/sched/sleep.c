/* sleep - a timer: an entry in the wheel of the executor that polls it.
**
** WHY      storage is the caller's, so a timer costs no allocation; starting
**          and cancelling are O(1), for most timeouts never fire.  The first
**          poll registers, where it is known which thread waits.  It also
**          pins the task: a wheel has no lock, so whoever polls or cancels the
**          task must be the wheel's owner.
** THREADS  the owner of the executor whose wheel it is in.  It may be polled
**          on another executor of the same thread later: it moves along.
** OWNS     a reference to the runtime, and the waker while registered.
*/
#include "base/clock.h"
#include "sched/context.h"
#include "sched/core.h"

void rth_sleep_init(rth_sleep_t *s, rth_handle_t *h, uint64_t deadline) {
  *s = (rth_sleep_t){0};
  s->handle = rth_handle_clone(h);
  s->deadline = deadline;
}

void rth_sleep_init_in(rth_sleep_t *s, rth_handle_t *h, uint64_t ns) {
  rth_sleep_init(s, h, rth__time_add(rth_handle_now(h), ns));
  s->ahead = ns > 0;
}

void rth_sleep_unregister(rth_sleep_t *s) {
  if (s->local != NULL) rth__exec_forget(s->local, s);
  rth_waker_drop(&s->waker);
}

static rth_poll_t elapsed(rth_sleep_t *s) {
  rth_sleep_unregister(s);
  s->fired = 1;
  return RTH_READY;
}

/* The deadline on e's clock, of which the timer's own may be far ahead or
** behind, where it is that of another runtime (rth_enter). */
static uint64_t deadline_on(const rth_sleep_t *s, const rth__exec_t *e) {
  uint64_t now;
  if (RTH_LIKELY(s->handle == e->core)) return s->deadline;
  now = rth_handle_now(s->handle);
  if (s->deadline <= now) return 0;
  return rth__time_add(rth_handle_now(e->core), s->deadline - now);
}

rth_poll_t rth_sleep_poll(rth_sleep_t *s, rth_cx_t *cx) {
  rth__exec_t *e = cx->local;
  uint64_t deadline;
  if (rth__closing(s->handle) || rth__closing(e->core)) {
    rth_sleep_unregister(s);
    /* A task of the runtime that closes is cancelled as it suspends. */
    return rth__closing(e->core) && !cx->root ? RTH_PENDING : RTH_FAILED;
  }
  deadline = deadline_on(s, e);
  if (s->fired || (!s->ahead && deadline <= rth_handle_now(e->core)))
    return elapsed(s);
  s->ahead = 0;
  if (s->local == e) {
    if (rth_waker_same(&s->waker, &cx->waker)) return RTH_PENDING;
    rth_waker_drop(&s->waker);
    s->waker = rth_waker_clone(&cx->waker);
    return RTH_PENDING;
  }
  rth_sleep_unregister(s);
  s->waker = rth_waker_clone(&cx->waker);
  if (rth__wheel_is_empty(&e->wheel)) /* it did not move on meanwhile */
    (void)rth__wheel_advance(&e->wheel, rth__core_tick_now(e->core));
  s->tick = rth__core_tick_up(e->core, deadline);
  if (!rth__wheel_insert(&e->wheel, s)) return elapsed(s);
  s->local = e;
  rth_pin(cx); /* else another worker may end the task, and with it s */
  return RTH_PENDING;
}

void rth_sleep_reset(rth_sleep_t *s, uint64_t deadline) {
  rth_waker_t w = s->waker;
  s->waker.ops = NULL;
  rth_sleep_unregister(s);
  s->deadline = deadline;
  s->fired = s->ahead = 0;
  rth_wake(&w); /* who waits, polls again and registers anew */
}

void rth_sleep_fini(rth_sleep_t *s) {
  rth_sleep_unregister(s);
  if (s->handle != NULL) rth_handle_free(s->handle);
  s->handle = NULL;
}

int rth_sleep_is_elapsed(const rth_sleep_t *s) {
  return s->fired || s->deadline <= rth_handle_now(s->handle);
}
