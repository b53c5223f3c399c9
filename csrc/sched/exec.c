/* exec - an executor: queue, inbox, timers and parker of one driving thread.
**
** WHY      a started Lua coroutine cannot leave its Lua state, and one thread
**          owns that: so such tasks have a home, and everything here but the
**          inbox and the wake-up is that thread's alone.  Workers, the
**          current_thread runtime and waiting plain threads share this one
**          mechanism and differ in what they do besides.
** THREADS  owner: the thread in `thread`; schedule, unpark: any.
** OWNS     a queue's reference to each task in ready, yielded and inbox; the
**          list's to each in `live`.
** INVARIANT  a task with home e is polled only by the owner of e.
** SYNC
**   [X1] parker  where a driver sleeps somewhere else than in `own`:
**                waker: inbox push (sc), load-sc parker; driver: swap-sc
**                parker, take from the inbox (sc).  So either the waker wakes
**                the new place, or the driver finds the task before sleeping.
**   [X2] refs    unref: sub-ar -> free.
**   `thread` is relaxed: it is only compared with the reader's own address,
**   and only that thread ever writes that address.
*/
#include "sched/exec.h"

#include "base/clock.h"
#include "base/mem.h"
#include "sched/context.h"

void rth__exec_init(rth__exec_t *e, rth_handle_t *core) {
  e->core = core;
  rth__parker_init(&e->own);
  rth__init(&e->parker, &e->own);
  rth__init(&e->refs, 1);
  rth__inbox_init(&e->inbox);
  rth__wheel_init(&e->wheel, rth__core_tick_now(core));
  e->cx.local = e;
  e->cx.handle = core;
  e->cx.budget = &e->budget;
}

void rth__exec_destroy(rth__exec_t *e) {
  RTH_CHECK(e->ready.first == NULL && e->yielded.first == NULL);
  RTH_CHECK(e->live == NULL);
  rth__exec_close_loop(e);
  rth__parker_close(&e->own);
}

void rth__exec_ref(rth__exec_t *e) { (void)rth__add_rlx(&e->refs, 1); }

void rth__exec_unref(rth__exec_t *e) {
  rth_handle_t *core = e->core;
  if (rth__sub_ar(&e->refs, 1) != 1) return; /* [X2] */
  rth__mutex_lock(&core->lock);
  if (core->spare.fd_read < 0 && !rth__closing(core))
    rth__parker_move(&e->own, &core->spare);
  rth__mutex_unlock(&core->lock);
  rth__exec_destroy(e);
  rth__free(e);
  rth__core_unref(core);
}

/* Busy time runs from here to the next sleep or release. */
static void begin_busy(rth__exec_t *e) {
  rth__store_rlx(&e->busy_since, rth_now());
}

static void end_busy(rth__exec_t *e) {
  uint64_t since = rth__load_rlx(&e->busy_since);
  rth__store_rlx(&e->busy, rth__load_rlx(&e->busy) + (rth_now() - since));
  rth__store_rlx(&e->busy_since, 0);
}

void rth__exec_acquire(rth__exec_t *e) {
  e->cx.data = e->data;
  rth__store_rlx(&e->thread, &rth__context);
  begin_busy(e);
}

void rth__exec_release(rth__exec_t *e) {
  end_busy(e);
  rth__store_rlx(&e->thread, NULL);
}

static int owned_here(rth__exec_t *e) {
  return rth__load_rlx(&e->thread) == &rth__context;
}

/* ---- queues ------------------------------------------------------------- */

static void push_ready(rth__exec_t *e, rth__task_t *t) {
  rth__fifo_push(&e->ready, t);
  rth__bump(&e->ready_count);
}

void rth__exec_unpark(rth__exec_t *e) {
  rth__unpark(rth__load_sc(&e->parker)); /* [X1] */
}

void rth__exec_schedule(rth__exec_t *e, rth__task_t *t) {
  if (owned_here(e)) {
    push_ready(e, t);
    return;
  }
  (void)rth__add_rlx(&e->inbox_count, 1);
  if (rth__inbox_push(&e->inbox, t)) rth__exec_unpark(e); /* [X1] */
}

int rth__exec_take_inbox(rth__exec_t *e) {
  rth__task_t *t, *next;
  uint64_t n = 0;
  for (t = rth__inbox_take(&e->inbox); t != NULL; t = next) { /* [X1] */
    next = t->next;
    push_ready(e, t);
    n++;
  }
  (void)rth__sub_rlx(&e->inbox_count, n);
  return n > 0;
}

/* ---- tasks -------------------------------------------------------------- */

int rth__exec_add_local(rth__exec_t *e, rth__task_t *t) {
  if (e->closed) return 0;
  rth__live_link(&e->live, t);
  rth__bump(&e->live_count);
  return 1;
}

int rth__exec_remove_local(rth__exec_t *e, rth__task_t *t) {
  if (!rth__live_unlink(t)) return 0;
  rth__store_rlx(&e->live_count, rth__load_rlx(&e->live_count) - 1);
  return 1;
}

void rth__exec_close(rth__exec_t *e) {
  rth__task_t *t;
  e->closed = 1;
  for (t = e->live; t != NULL; t = t->live_next) rth__task_abort(t);
}

/* ---- the driver's turn -------------------------------------------------- */

/* A waker may end any other timer, so those that are due stay linked, as a
** list of their own, until it is their turn. */
static void fire(rth__exec_t *e, rth_sleep_t *due) {
  rth_sleep_t *s;
  for (s = due, e->firing = due; s != NULL; s = s->next) {
    s->pprev = s == due ? &e->firing : s->pprev;
    if (s->next != NULL) s->next->pprev = &s->next;
    s->level = RTH_SLEEP_FIRING;
  }
  while ((s = e->firing) != NULL) {
    rth_waker_t w = s->waker;
    s->waker.ops = NULL;
    rth__exec_forget(e, s);
    s->fired = 1;
    rth_wake(&w);
  }
}

void rth__exec_forget(rth__exec_t *e, rth_sleep_t *s) {
  s->local = NULL;
  if (s->level != RTH_SLEEP_FIRING) {
    rth__wheel_remove(&e->wheel, s);
    return;
  }
  *s->pprev = s->next;
  if (s->next != NULL) s->next->pprev = s->pprev;
}

static void fire_timers(rth__exec_t *e) {
  rth_sleep_t *s;
  if (rth__wheel_is_empty(&e->wheel)) return;
  if (rth__closing(e->core)) { /* no more time here: their futures will see */
    while ((s = rth__wheel_take_any(&e->wheel)) != NULL) {
      s->local = NULL;
      rth_wake(&s->waker);
    }
    return;
  }
  fire(e, rth__wheel_advance(&e->wheel, rth__core_tick_now(e->core)));
}

int rth__local_loop(rth_local_t *l, rth__loop_t **out) {
  int err = l->loop != NULL ? 0 : rth__loop_new(&l->loop);
  *out = l->loop;
  return err;
}

void rth__exec_close_loop(rth__exec_t *e) {
  rth__loop_free(e->loop);
  e->loop = NULL;
}

unsigned rth__exec_turn_io(rth__exec_t *e) {
  if (e->loop == NULL) return 0;
  if (RTH_UNLIKELY(rth__closing(e->core))) rth__loop_wake_all(e->loop);
  return rth__loop_turn(e->loop);
}

void rth__exec_do_turn(rth__exec_t *e) {
  rth__task_t *t;
  fire_timers(e);
  (void)rth__exec_turn_io(e);
  while ((t = rth__fifo_pop(&e->yielded)) != NULL) push_ready(e, t);
}

uint64_t rth__exec_deadline(rth__exec_t *e) {
  uint64_t tick;
  if (rth__wheel_is_empty(&e->wheel)) return RTH_FOREVER;
  tick = rth__wheel_next(&e->wheel);
  return tick == UINT64_MAX ? RTH_FOREVER
                            : rth__core_tick_time(e->core, tick);
}

/* What to sleep on for a loop.  libuv tells epoll of new watchers only in a
** turn: where one is due, *events counts what it brought. */
static int prepare_io(rth__exec_t *e, unsigned *events) {
  if (e == NULL || e->loop == NULL) return -1;
  if (e->loop->changed) *events += rth__exec_turn_io(e);
  return rth__loop_fd(e->loop);
}

void rth__exec_park(rth__exec_t *e, rth__exec_t *also, uint64_t deadline,
                    const rth__signals_t *held, int spin) {
  rth__parker_t *p = rth__load_rlx(&e->parker); /* own write */
  unsigned events = 0;
  p->io[0] = prepare_io(e, &events);
  p->io[1] = prepare_io(also, &events);
  if (events > 0) return;
  end_busy(e);
  rth__bump(&e->parks);
  if (spin && rth__parker_spin(p, deadline))
    rth__parker_clear(p);
  else
    rth__parker_park(p, deadline, held);
  rth__bump(&e->unparks);
  begin_busy(e);
}
