/* source - a descriptor that tasks wait for.
**
** WHY      uv_poll_t on a descriptor of our own rather than libuv's streams:
**          an operation is tried before it waits, nothing is queued inside
**          the loop, and the descriptor can move to another thread.
**          Each change of what a uv_poll_t watches costs system calls, so it
**          stays as it is when a wait is over; it is narrowed only when an
**          event comes that nobody waits for.  A connection that is read in
**          turn with its peer never changes it.
** THREADS  the owner of the executor; see source.h.
** OWNS     the descriptor, a reference to the runtime, a waker for each side
**          that waits.  The watch is the loop's until uv_close calls back.
** INVARIANT  a descriptor is closed only after its uv_poll_t was: else libuv
**          would abort on a stale number.
*/
#include "io/source.h"

#include <errno.h>
#include <unistd.h>

#include "base/mem.h"

#define IGNORED_MAX 16

typedef struct rth__watch {
  rth__rider_t rider;
  uv_poll_t poll;
  rth__loop_t *loop;
  rth__source_t *source;
  int events; /* what it is started for; 0: stopped */
} rth__watch_t;

static const int side_event[2] = {UV_READABLE, UV_WRITABLE};

void rth__source_init(rth__source_t *s, rth_handle_t *h, int fd) {
  *s = (rth__source_t){0};
  s->fd = fd;
  s->handle = rth_handle_clone(h);
}

int rth__source_check(const rth__source_t *s) {
  if (rth_handle_is_shutdown(s->handle)) return RTH_ESHUTDOWN;
  return s->fd < 0 ? -EBADF : 0;
}

rth__loop_t *rth__source_loop(const rth__source_t *s) {
  return s->watch != NULL ? s->watch->loop : NULL;
}

/* ---- events ------------------------------------------------------------- */

static void on_event(uv_poll_t *p, int status, int events);

/* Starts or narrows.  Each call makes libuv leave epoll and enter it anew. */
static int watch_for(rth__watch_t *w, int events) {
  int err;
  if (events == w->events) return 0;
  err = events != 0 ? uv_poll_start(&w->poll, events, on_event)
                    : uv_poll_stop(&w->poll);
  w->events = err == 0 ? events : 0;
  w->loop->changed = 1;
  return err;
}

/* Answers whether the watch should go on looking for this. */
static int fire(rth__waiter_t *r, rth_waker_t *wake) {
  r->dry = 0;
  if (r->waker.ops != NULL) {
    *wake = r->waker;
    r->waker.ops = NULL;
    r->ignored = 0;
    return 1;
  }
  return r->owner != NULL && ++r->ignored < IGNORED_MAX;
}

/* After an error libuv has stopped it: whoever tries will see the error. */
static void on_event(uv_poll_t *p, int status, int events) {
  rth__watch_t *w = rth__container_of(p, rth__watch_t, poll);
  rth_waker_t wake[2] = {{0}};
  int i, keep = w->events;
  w->loop->events++;
  if (status < 0) {
    events = UV_READABLE | UV_WRITABLE;
    keep = w->events = 0;
  }
  for (i = 0; i < 2; i++)
    if ((events & side_event[i]) && !fire(&w->source->side[i], &wake[i]))
      keep &= ~side_event[i];
  (void)watch_for(w, keep); /* to watch for less cannot fail */
  rth_wake(&wake[0]);       /* last: a waker may end anything */
  rth_wake(&wake[1]);
}

/* ---- on and off the loop ------------------------------------------------ */

static void on_closed(uv_handle_t *h) {
  rth__watch_t *w = rth__container_of(h, rth__watch_t, poll);
  w->loop->closing--;
  rth__free(w);
}

static void take_off(rth__source_t *s) {
  rth__watch_t *w = s->watch;
  if (w == NULL) return;
  s->watch = NULL;
  w->source = NULL;
  rth__loop_remove(w->loop, &w->rider);
  w->loop->closing++;
  w->loop->changed = 1;
  uv_close((uv_handle_t *)&w->poll, on_closed);
}

static void wake_side(rth__waiter_t *r) {
  r->dry = 0;
  rth_wake(&r->waker);
}

static void rider_wake(rth__rider_t *r) {
  rth__source_t *s = rth__container_of(r, rth__watch_t, rider)->source;
  wake_side(&s->side[0]);
  wake_side(&s->side[1]);
}

static void rider_leave(rth__rider_t *r) {
  rth__source_t *s = rth__container_of(r, rth__watch_t, rider)->source;
  take_off(s);
  wake_side(&s->side[0]);
  wake_side(&s->side[1]);
}

static int put_on(rth__source_t *s, rth__loop_t *l) {
  rth__watch_t *w = rth__zalloc(sizeof *w);
  int err;
  if (w == NULL) return RTH_ENOMEM;
  err = uv_poll_init(&l->uv, &w->poll, s->fd);
  if (err != 0) {
    rth__free(w);
    return err;
  }
  w->rider.wake = rider_wake;
  w->rider.leave = rider_leave;
  w->loop = l;
  w->source = s;
  s->watch = w;
  rth__loop_add(l, &w->rider);
  return 0;
}

int rth__source_detach(rth__source_t *s) {
  if (s->side[0].owner != NULL || s->side[1].owner != NULL) return -EBUSY;
  take_off(s);
  return 0;
}

/* ---- operations --------------------------------------------------------- */

static void use(rth__source_t *s, rth_handle_t *h) {
  if (RTH_LIKELY(s->handle == h)) return;
  rth_handle_free(s->handle);
  s->handle = rth_handle_clone(h);
}

int rth__source_begin(rth__source_t *s, rth_cx_t *cx, enum rth__side side) {
  rth__waiter_t *r = &s->side[side];
  if (RTH_UNLIKELY(cx->local == NULL)) return RTH_ENOCONTEXT;
  if (r->owner != NULL && r->owner != cx->waker.data) return -EBUSY;
  if (RTH_UNLIKELY(rth_handle_is_shutdown(cx->handle))) {
    rth__source_end(s, side);
    return RTH_ESHUTDOWN;
  }
  if (RTH_UNLIKELY(s->fd < 0)) {
    int cancelled = r->cancelled;
    r->cancelled = 0;
    rth__source_end(s, side);
    return cancelled ? -ECANCELED : -EBADF;
  }
  if (!rth_budget(cx)) {
    rth_yield(cx);
    return RTH_PENDING;
  }
  use(s, cx->handle);
  return RTH_READY;
}

int rth__source_wait(rth__source_t *s, rth_cx_t *cx, enum rth__side side) {
  rth__waiter_t *r = &s->side[side];
  rth__loop_t *l;
  int err = rth__local_loop(cx->local, &l);
  if (err == 0 && s->watch != NULL && s->watch->loop != l) {
    if (s->side[!side].owner != NULL)
      err = -EBUSY;
    else
      take_off(s);
  }
  if (err == 0 && s->watch == NULL) err = put_on(s, l);
  if (err == 0) err = watch_for(s->watch, s->watch->events | side_event[side]);
  if (err != 0) {
    rth__source_end(s, side);
    return err;
  }
  if (!rth_waker_same(&r->waker, &cx->waker)) {
    rth_waker_drop(&r->waker);
    r->waker = rth_waker_clone(&cx->waker);
  }
  r->owner = cx->waker.data;
  r->ignored = 0;
  rth_pin(cx);
  return RTH_PENDING;
}

void rth__source_end(rth__source_t *s, enum rth__side side) {
  rth__waiter_t *r = &s->side[side];
  r->owner = NULL;
  rth_waker_drop(&r->waker);
}

/* ---- the end ------------------------------------------------------------ */

void rth__source_close(rth__source_t *s) {
  rth_waker_t wake[2];
  int i;
  if (s->fd < 0) return;
  take_off(s);
  (void)close(s->fd);
  s->fd = -1;
  for (i = 0; i < 2; i++) {
    s->side[i].cancelled = s->side[i].owner != NULL;
    wake[i] = s->side[i].waker;
    s->side[i].waker.ops = NULL;
  }
  rth_wake(&wake[0]);
  rth_wake(&wake[1]);
}

void rth__source_fini(rth__source_t *s) {
  rth__source_close(s);
  rth__source_end(s, RTH_SIDE_READ);
  rth__source_end(s, RTH_SIDE_WRITE);
  if (s->handle != NULL) rth_handle_free(s->handle);
  s->handle = NULL;
}
