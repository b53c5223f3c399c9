/* sched - how tasks reach their runtime: spawning, queueing, ending, closing.
**
** WHY      one set of functions for both flavours: a task with a home goes to
**          that executor, one without to the worker that calls or to the
**          global queue.
** THREADS  any.
** SYNC
**   [C1] refs    unref: sub-ar -> free.
**   [C2] phase   close: store-rel after the live list was closed -> whoever
**                sees it closing finds no task added any more: load-acq.
**   `ending` is relaxed: it is set before the first task is aborted or refused,
**   and abort and wake-ups [S1] order that before the run of any task that is
**   woken by the end of another.
*/
#include "base/clock.h"
#include "base/mem.h"
#include "sched/context.h"
#include "sched/worker.h"

static rth_handle_t *core_of(rth__sched_t *s) { return (rth_handle_t *)s; }

void rth__core_ref(rth_handle_t *h) { (void)rth__add_rlx(&h->refs, 1); }

void rth__core_unref(rth_handle_t *h) {
  if (rth__sub_ar(&h->refs, 1) == 1) rth__core_free(h); /* [C1] */
}

/* ---- queueing ----------------------------------------------------------- */

static void to_any_worker(rth_handle_t *core, rth__task_t *t) {
  (void)rth__add_rlx(&core->remote, 1);
  rth__inject_push(&core->inject, t);
  rth__workers_notify(core);
}

static void schedule(rth__sched_t *s, rth__task_t *t) {
  rth_handle_t *core = core_of(s);
  rth__worker_t *w;
  if (t->home != NULL) {
    rth__exec_schedule(t->home, t);
    return;
  }
  w = rth__context.worker;
  if (w != NULL && w->core == core)
    rth__worker_schedule(w, t, 0);
  else
    to_any_worker(core, t);
}

static void yield(rth__sched_t *s, rth__task_t *t, rth_cx_t *cx) {
  (void)s;
  rth__fifo_push(&cx->local->yielded, t);
}

/* ---- the end of a task -------------------------------------------------- */

static int release(rth__sched_t *s, rth__task_t *t) {
  if (t->flags & RTH_TASK_LOCAL) return rth__exec_remove_local(t->home, t);
  if (t->flags & (RTH_TASK_ROOT | RTH_TASK_BLOCKING)) return 1;
  return rth__live_remove(&core_of(s)->live, t);
}

static void unhandled(rth__sched_t *s, rth__task_t *t) {
  rth_handle_t *core = core_of(s);
  rth_options_t *o = &core->options;
  if (t->flags & RTH_TASK_ROOT) return;
  if (o->unhandled != NULL) o->unhandled(o->arg, t->id, t->out);
  if (o->shutdown_on_unhandled) {
    rth__store_rlx(&core->unhandled, 1);
    rth__core_end(core);
  }
}

static void freed(rth__sched_t *s, rth__task_t *t) {
  if (t->home != NULL && t->home->counted)
    rth__exec_unref(t->home);
  else
    rth__core_unref(core_of(s));
}

void rth__sched_init(rth__sched_t *s) {
  s->schedule = schedule;
  s->yield = yield;
  s->release = release;
  s->unhandled = unhandled;
  s->freed = freed;
}

/* ---- spawning ----------------------------------------------------------- */

static void give_join(rth__task_t *t, rth_join_t **out) {
  if (out != NULL)
    *out = (rth_join_t *)t;
  else
    rth_join_free((rth_join_t *)t);
}

int rth_spawn(rth_handle_t *h, const rth_future_ops_t *ops, const void *self,
              size_t size, unsigned flags, rth_join_t **out) {
  rth__task_t *t = rth__task_new(&h->sched, 0, ops, self, size, 0);
  rth__worker_t *w = rth__context.worker;
  if (t == NULL) return RTH_ENOMEM;
  rth__core_ref(h);
  t->home = h->main; /* NULL on multi_thread: any worker's */
  if (h->forks != rth__forks() ||
      !rth__live_add(&h->live, t)) {
    give_join(t, out);
    rth__task_refuse(t, 2);
    return 0;
  }
  give_join(t, out);
  if (w != NULL && w->core == h)
    rth__worker_schedule(w, t, (flags & RTH_SPAWN_SHARE) != 0);
  else
    schedule(&h->sched, t);
  return 0;
}

uint64_t rth_task_new_id(void) { return rth__task_next_id(); }

uint64_t rth_local_reserve(rth_local_t *l) {
  if (l->closed || rth__closing(l->core)) return 0;
  rth__bump(&l->spawned);
  return rth__task_next_id();
}

int rth_local_spawn_reserved(rth_local_t *l, uint64_t id,
                             const rth_future_ops_t *ops, const void *self,
                             size_t size, rth_join_t **out) {
  rth__task_t *t =
      rth__task_new(&l->core->sched, id, ops, self, size, RTH_TASK_LOCAL);
  if (t == NULL) return RTH_ENOMEM;
  t->home = l;
  if (l->counted)
    rth__exec_ref(l);
  else
    rth__core_ref(l->core);
  give_join(t, out);
  if (rth__closing(l->core) || !rth__exec_add_local(l, t))
    rth__task_refuse(t, 2);
  else
    rth__exec_schedule(l, t);
  return 0;
}

int rth_local_spawn(rth_local_t *l, const rth_future_ops_t *ops,
                    const void *self, size_t size, rth_join_t **out) {
  rth__bump(&l->spawned);
  return rth_local_spawn_reserved(l, 0, ops, self, size, out);
}

/* ---- closing ------------------------------------------------------------ */

void rth_handle_wake(rth_handle_t *h) {
  rth__exec_t *e;
  rth__mutex_lock(&h->lock);
  for (e = h->locals; e != NULL; e = e->peer_next) rth__exec_unpark(e);
  rth__mutex_unlock(&h->lock);
}

void rth__core_unpark(rth_handle_t *h) {
  unsigned i;
  if (h->main != NULL) rth__exec_unpark(h->main);
  for (i = 0; h->workers != NULL && i < h->num_workers; i++)
    rth__exec_unpark(&h->workers[i].exec);
  rth_handle_wake(h);
}

void rth__core_close(rth_handle_t *h) {
  rth__core_end_polls(h);
  rth__live_close(&h->live);
  rth__store_rel(&h->phase, RTH_CLOSING); /* [C2] */
  rth__core_unpark(h);
}

/* ---- time --------------------------------------------------------------- */

uint64_t rth_handle_now(const rth_handle_t *ch) {
  rth_handle_t *h = (rth_handle_t *)(uintptr_t)ch;
  if (RTH_LIKELY(!rth__load_rlx(&h->clock_used))) return rth_now();
  if (rth__load_rlx(&h->paused)) return rth__load_rlx(&h->frozen);
  return rth_now() - rth__load_rlx(&h->behind);
}

uint64_t rth__core_tick_up(const rth_handle_t *h, uint64_t deadline) {
  uint64_t ns = deadline > h->started_at ? deadline - h->started_at : 0;
  uint64_t tick = ns / RTH_MILLISECOND + (ns % RTH_MILLISECOND != 0);
  return deadline > RTH_TIME_MAX ? RTH_TICK_NEVER : tick;
}

uint64_t rth__core_tick_now(const rth_handle_t *h) {
  uint64_t now = rth_handle_now(h);
  return now > h->started_at ? (now - h->started_at) / RTH_MILLISECOND : 0;
}

/* The test clock's time in terms of rth_now. */
uint64_t rth__core_tick_time(const rth_handle_t *ch, uint64_t tick) {
  rth_handle_t *h = (rth_handle_t *)(uintptr_t)ch;
  uint64_t ns;
  if (rth__load_rlx(&h->paused)) return RTH_FOREVER;
  if (tick > RTH_TIME_MAX / RTH_MILLISECOND) return RTH_FOREVER;
  ns = rth__time_add(h->started_at, tick * RTH_MILLISECOND);
  return ns + rth__load_rlx(&h->behind); /* wraps where time jumped ahead */
}
