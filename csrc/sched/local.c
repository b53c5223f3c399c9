/* local - executors of plain threads, and block_on: a thread runs one future
** to its end, and whatever else is its to run meanwhile.
**
** WHY      the future is a task like any other, pinned to the executor, so
**          that its wakers may outlive the call.  A current_thread runtime has
**          no thread: whoever is in block_on drives its executor too, one
**          thread at a time, and sleeps on that executor's parker for both.
** THREADS  the owner of the executor; one drives `main`, under drive_lock.
** OWNS     an rth_local_t has a reference to its core and is on its list.
*/
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "sched/context.h"
#include "sched/core.h"

/* ---- executors ---------------------------------------------------------- */

int rth_local_new(rth_handle_t *h, void *data, rth_local_t **out) {
  rth__exec_t *e = rth__zalloc(sizeof *e);
  if (e == NULL) return RTH_ENOMEM;
  rth__core_ref(h);
  rth__exec_init(e, h);
  e->counted = 1;
  e->data = data;
  rth__mutex_lock(&h->lock);
  rth__parker_move(&h->spare, &e->own);
  e->peer_next = h->locals;
  e->peer_pprev = &h->locals;
  if (h->locals != NULL) h->locals->peer_pprev = &e->peer_next;
  h->locals = e;
  rth__mutex_unlock(&h->lock);
  *out = e;
  return 0;
}

static void run_all(rth__exec_t *e) {
  rth__task_t *t;
  do {
    while ((t = rth__exec_next(e)) != NULL) rth__exec_run(e, t);
    rth__exec_turn(e);
  } while (e->ready.first != NULL);
}

/* Runs until its local tasks have ended.  All are aborted: a waker on another
** thread that has a task in hand is all there is to wait for, shortly. */
static void end_tasks(rth__exec_t *e) {
  unsigned driving = rth__context.driving++;
  rth__exec_acquire(e);
  run_all(e);
  while (e->live != NULL) {
    if (rth__inbox_is_empty(&e->inbox)) rth__cpu_relax();
    run_all(e);
  }
  rth__exec_release(e);
  rth__context.driving = driving;
}

void rth_local_cancel_all(rth_local_t *l) {
  rth__task_t *t;
  for (t = l->live; t != NULL; t = t->live_next) rth__task_abort(t);
  if (l->running == 0 && l->live != NULL) end_tasks(l);
}

void rth_local_free(rth_local_t *l) {
  rth_handle_t *h = l->core;
  RTH_CHECK(l->running == 0);
  rth__exec_close(l);
  end_tasks(l);
  rth__exec_close_loop(l);
  rth__mutex_lock(&h->lock);
  h->spawned += rth__load_rlx(&l->spawned);
  *l->peer_pprev = l->peer_next;
  if (l->peer_next != NULL) l->peer_next->peer_pprev = l->peer_pprev;
  rth__mutex_unlock(&h->lock);
  rth__exec_unref(l);
}

void *rth_local_data(const rth_local_t *l) { return l->data; }
rth_handle_t *rth_local_handle(const rth_local_t *l) { return l->core; }
int rth_local_has_tasks(const rth_local_t *l) { return l->live != NULL; }

/* ---- driving a current_thread runtime ----------------------------------- */

/* What one block_on is about. */
typedef struct rth__drive {
  rth__exec_t *e;    /* of this thread */
  rth__exec_t *main; /* the runtime's, while this thread drives it */
  rth_handle_t *core;
  const rth_block_on_t *opts;
  rth__task_t *root;
  rth__drive_waiter_t waiter;
  int queued; /* waiter is on the list */
  int told; /* the root was polled since the runtime began to close */
  int error;
} rth__drive_t;

static void start_main(rth_handle_t *core) {
  rth_thread_info_t info = {RTH_THREAD_CURRENT, 0, core->main, core};
  rth_options_t *o = &core->options;
  if (core->main_started) return;
  core->main_started = 1;
  if (o->thread_start != NULL)
    o->thread_start(o->arg, &info, &core->main->data);
  core->main->cx.data = core->main->data;
}

/* From now on this thread's executor wakes where main sleeps. */
static void take_main(rth__drive_t *d) {
  d->main = d->core->main;
  rth__context.mains++;
  rth__exec_acquire(d->main);
  (void)rth__swap_sc(&d->e->parker, &d->main->own); /* [X1] */
  start_main(d->core);
}

/* Tries to become the driver; else waits in line for it. */
static void try_drive(rth__drive_t *d) {
  rth_handle_t *core = d->core;
  int won;
  if (d->main != NULL || core->main == NULL) return;
  if (d->opts == NULL || !d->opts->drive || d->told) return;
  rth__mutex_lock(&core->drive_lock);
  won = !core->driven && !core->main_stopped;
  if (won) core->driven = 1;
  if (!won && !d->queued) {
    d->waiter.exec = d->e;
    d->waiter.next = core->drive_waiters;
    core->drive_waiters = &d->waiter;
    d->queued = 1;
  }
  rth__mutex_unlock(&core->drive_lock);
  if (won) take_main(d);
}

static void unqueue(rth__drive_t *d) {
  rth__drive_waiter_t **p = &d->core->drive_waiters;
  if (!d->queued) return;
  while (*p != &d->waiter) p = &(*p)->next;
  *p = d->waiter.next;
  d->queued = 0;
}

/* Runs the closed executor until all tasks of the runtime have ended.
** Thread: the driver. */
static void end_main(rth_handle_t *core) {
  rth_thread_info_t info = {RTH_THREAD_CURRENT, 0, core->main, core};
  rth_options_t *o = &core->options;
  if (!core->main->closed) rth__exec_close(core->main);
  do {
    run_all(core->main);
  } while (core->main->live != NULL || !rth__core_empty(core));
  rth__exec_close_loop(core->main);
  if (core->main_started && o->thread_stop != NULL)
    o->thread_stop(o->arg, &info, core->main->data);
}

/* Under drive_lock: leaves the driver's place, and lets the next one try. */
static void hand_on(rth_handle_t *core, int driver) {
  if (driver) {
    rth__exec_release(core->main);
    core->driven = 0;
  }
  if (!core->driven && core->drive_waiters != NULL)
    rth__exec_unpark(core->drive_waiters->exec);
}

/* Thread: the driver, which is none any more. */
static void finish_main(rth_handle_t *core) {
  end_main(core);
  rth__mutex_lock(&core->drive_lock);
  core->main_stopped = 1; /* from here on nobody opens its parker again */
  rth__mutex_unlock(&core->drive_lock);
  rth__parker_retire(&core->main->own);
  rth__mutex_lock(&core->drive_lock);
  hand_on(core, 1);
  rth__mutex_unlock(&core->drive_lock);
  rth__mutex_lock(&core->lock);
  core->workers_alive--;
  rth__cond_broadcast(&core->stopped);
  rth__mutex_unlock(&core->lock);
}

void rth__main_end(rth_handle_t *core) {
  int won;
  rth__mutex_lock(&core->drive_lock);
  won = !core->driven && !core->main_stopped;
  if (won) core->driven = 1;
  rth__mutex_unlock(&core->drive_lock);
  if (!won) return;
  rth__context.driving++;
  rth__context.mains++;
  rth__exec_acquire(core->main);
  finish_main(core);
  rth__context.mains--;
  rth__context.driving--;
}

/* Leaves the driver's place, or the line for it.  Who closes the runtime and
** finds it driven leaves its end to the driver: so that looks under the lock
** whether anybody did. */
static void leave_main(rth__drive_t *d) {
  rth_handle_t *core = d->core;
  int driver = d->main != NULL, ends;
  if (!driver && !d->queued) return;
  if (driver) (void)rth__swap_sc(&d->e->parker, &d->e->own); /* [X1] */
  rth__mutex_lock(&core->drive_lock);
  unqueue(d);
  ends = driver && rth__closing(core);
  if (!ends) hand_on(core, driver);
  rth__mutex_unlock(&core->drive_lock);
  if (ends) finish_main(core);
  if (driver) rth__context.mains--;
  d->main = NULL;
}

/* ---- block_on ----------------------------------------------------------- */

static int root_done(rth__drive_t *d) {
  return rth__task_is_complete(d->root);
}

/* Runs up to event_interval tasks of each executor; answers how many. */
static unsigned run_some(rth__drive_t *d) {
  unsigned n = 0, limit = d->core->event_interval, m;
  rth__task_t *t;
  while (n < limit && (t = rth__exec_next(d->e)) != NULL) {
    rth__exec_run(d->e, t);
    n++;
    if (t == d->root && root_done(d)) return n;
  }
  if (d->main == NULL) return n;
  for (m = 0; m < limit && (t = rth__exec_next(d->main)) != NULL; m++) {
    if (m % d->core->options.global_queue_interval == 0)
      (void)rth__exec_drain(d->main);
    rth__exec_run(d->main, t);
  }
  return n + m;
}

static void turn(rth__drive_t *d) {
  (void)rth__exec_drain(d->e);
  rth__exec_turn(d->e);
  if (d->main == NULL) return;
  (void)rth__exec_drain(d->main);
  rth__exec_turn(d->main);
}

static int idle(rth__drive_t *d) {
  return d->e->ready.first == NULL && d->e->yielded.first == NULL &&
         (d->main == NULL ||
          (d->main->ready.first == NULL && d->main->yielded.first == NULL));
}

/* The clock of a paused runtime jumps to the next timer when all is idle; the
** time a blocking function takes is not idle, and what its end has woken was
** sent before it ceased to count. */
static int jump_clock(rth__drive_t *d) {
  rth_handle_t *h = d->core;
  uint64_t next, main_next;
  rth_metrics_t m;
  if (!rth__load_rlx(&h->paused)) return 0;
  next = rth__wheel_first(&d->e->wheel);
  main_next = d->main != NULL ? rth__wheel_first(&d->main->wheel) : UINT64_MAX;
  if (main_next < next) next = main_next;
  if (next >= RTH_TICK_NEVER) return 0;
  rth_handle_metrics(h, &m);
  if (m.running_blocking + m.blocking_queue_depth > 0) return 0;
  turn(d);
  if (!idle(d)) return 1;
  rth__store_rlx(&h->frozen, h->started_at + next * RTH_MILLISECOND);
  return 1;
}

/* A signal handler may run while the thread waits, or while it is busy. */
static void look_interrupted(rth__drive_t *d) {
  const rth_block_on_t *o = d->opts;
  if (o != NULL && o->interrupted != NULL && d->error == 0 &&
      o->interrupted(o->arg))
    d->error = RTH_EINTR;
}

static uint64_t wait_deadline(rth__drive_t *d, uint64_t again) {
  uint64_t deadline = rth__exec_deadline(d->e), other;
  if (again < deadline) deadline = again;
  if (d->main == NULL) return deadline;
  other = rth__exec_deadline(d->main);
  return other < deadline ? other : deadline;
}

/* Where main is driven, both executors sleep on its parker.  Workers that are
** all awake need the processors: then this thread does not spin. */
static void park(rth__drive_t *d, uint64_t again) {
  rth__exec_t *e = d->main != NULL ? d->main : d->e;
  rth__exec_t *also = d->main != NULL ? d->e : NULL;
  int spin = d->core->main != NULL || !rth__idle_all_awake(&d->core->idle);
  rth__signals_t held;
  if (d->opts == NULL || d->opts->interrupted == NULL) {
    rth__exec_park(e, also, wait_deadline(d, again), NULL, spin);
    return;
  }
  rth__signals_hold(&held);
  look_interrupted(d);
  if (d->error == 0)
    rth__exec_park(e, also, wait_deadline(d, again), &held, spin);
  rth__signals_release(&held);
}

/* The hooks look at what their states keep, which may give work.  Answers when
** to look again. */
static uint64_t look_around(rth__drive_t *d) {
  const rth_options_t *hooks = &d->core->options;
  uint64_t again = RTH_FOREVER, other;
  if (d->opts != NULL && d->opts->before_wait != NULL)
    again = d->opts->before_wait(d->opts->arg);
  if (d->main != NULL && hooks->thread_idle != NULL) {
    other = hooks->thread_idle(hooks->arg, d->main->data);
    if (other < again) again = other;
  }
  turn(d);
  return again;
}

static void wait_for_work(rth__drive_t *d) {
  uint64_t again = look_around(d);
  if (idle(d) && !jump_clock(d)) park(d, again);
}

/* A closing runtime: everything but the root ends, the runtime's own tasks at
** once, for somebody may wait for that; the root is polled once more, so that
** whatever it waits for can say so. */
static void close_if_closing(rth__drive_t *d) {
  if (RTH_LIKELY(!rth__closing(d->core))) return;
  if (!d->told) rth__task_wake(d->root);
  d->told = 1;
  if (!d->e->closed) rth__exec_close(d->e);
  leave_main(d);
  if (rth__load_rlx(&d->core->unhandled) && d->error == 0)
    d->error = RTH_EUNHANDLED;
}

static void drive_until_done(rth__drive_t *d) {
  int aborted = 0;
  for (;;) {
    try_drive(d);
    close_if_closing(d);
    if (d->error != 0 && !aborted) {
      aborted = 1;
      rth__task_abort(d->root);
    }
    if (run_some(d) == 0 && idle(d) && !root_done(d)) {
      turn(d);
      if (idle(d)) wait_for_work(d);
    }
    if (root_done(d)) return;
    look_interrupted(d);
    turn(d);
  }
}

static rth__task_t *new_root(rth__exec_t *e, const rth_future_ops_t *ops,
                             void *self) {
  rth__task_t *t =
      rth__task_new(&e->core->sched, 0, ops, self, 0, RTH_TASK_ROOT);
  if (t == NULL) return NULL;
  t->home = e;
  if (e->counted)
    rth__exec_ref(e);
  else
    rth__core_ref(e->core);
  return t;
}

/* Several threads may come to drive for the first time. */
static int open_main(rth_handle_t *h) {
  int err = 0;
  rth__mutex_lock(&h->drive_lock);
  if (!h->main_stopped) err = rth__parker_open(&h->main->own);
  rth__mutex_unlock(&h->drive_lock);
  return err;
}

int rth_local_block_on(rth_local_t *l, const rth_block_on_t *opts,
                       const rth_future_ops_t *ops, void *self,
                       rth_outcome_t *o) {
  rth__drive_t d = {0};
  rth__parker_t *sleeps_on = &l->own;
  rth_waker_t none = {0};
  int err = rth_is_driving() ? RTH_ENESTED : 0;
  d.e = l;
  d.core = l->core;
  d.opts = opts;
  if (err == 0) err = rth__parker_open(sleeps_on);
  if (err == 0 && l->core->main != NULL) err = open_main(l->core);
  if (err == 0 && (d.root = new_root(l, ops, self)) == NULL) err = RTH_ENOMEM;
  if (err != 0) {
    if (ops->drop != NULL) ops->drop(self);
    return err;
  }
  rth__context.driving++;
  rth__exec_acquire(l);
  rth__exec_schedule(l, d.root);
  drive_until_done(&d);
  leave_main(&d);
  rth__exec_release(l);
  rth__context.driving--;
  if (rth_join_poll((rth_join_t *)d.root, &none, o) != RTH_READY)
    RTH_BUG("root is finished");
  rth_join_free((rth_join_t *)d.root);
  return d.error;
}

int rth__block_on(rth_handle_t *h, int drive, const rth_future_ops_t *ops,
                  void *self, rth_outcome_t *o) {
  rth_block_on_t opts = {0};
  rth_local_t *l;
  int err = rth_local_new(h, NULL, &l);
  if (err != 0) {
    if (ops->drop != NULL) ops->drop(self);
    return err;
  }
  opts.drive = drive;
  err = rth_local_block_on(l, &opts, ops, self, o);
  rth_local_free(l);
  return err;
}

int rth_handle_block_on(rth_handle_t *h, const rth_future_ops_t *ops,
                        void *self, rth_outcome_t *o) {
  return rth__block_on(h, 0, ops, self, o);
}
