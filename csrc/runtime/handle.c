/* handle - what one can ask of a runtime, and its test clock.
**
** THREADS  any; the clock: the thread that drives.
** OWNS     a handle is the core itself: cloning counts.
*/
#include <errno.h>

#include "base/clock.h"
#include "blocking/pool.h"
#include "sched/context.h"
#include "sched/worker.h"

rth_handle_t *rth_handle_clone(rth_handle_t *h) {
  rth__core_ref(h);
  return h;
}

void rth_handle_free(rth_handle_t *h) { rth__core_unref(h); }
uint64_t rth_handle_id(const rth_handle_t *h) { return h->id; }
const char *rth_handle_name(const rth_handle_t *h) { return h->options.name; }
rth_flavor_t rth_handle_flavor(const rth_handle_t *h) {
  return h->options.flavor;
}
unsigned rth_handle_num_workers(const rth_handle_t *h) {
  return h->num_workers;
}
void *rth_handle_arg(const rth_handle_t *h) { return h->options.arg; }

int rth_handle_is_shutdown(const rth_handle_t *h) {
  return rth__load_rlx(&((rth_handle_t *)(uintptr_t)h)->ending) ||
         h->forks != rth__forks();
}

/* Ends a task whose future stays the caller's. */
static void give_back(rth__task_t *t) {
  static const rth_future_ops_t nothing = {0};
  t->ops = &nothing;
  rth__task_refuse(t, 1);
  rth_join_free((rth_join_t *)t);
}

int rth_spawn_blocking(rth_handle_t *h, const rth_future_ops_t *ops,
                       const void *self, size_t size, rth_join_t **out) {
  rth__task_t *t =
      rth__task_new(&h->sched, 0, ops, self, size, RTH_TASK_BLOCKING);
  int err = 0;
  if (t == NULL) return RTH_ENOMEM;
  rth__core_ref(h);
  if (h->forks != rth__forks())
    rth__task_refuse(t, 1);
  else
    err = rth__pool_spawn(h->pool, t);
  if (err != 0)
    give_back(t);
  else if (out != NULL)
    *out = (rth_join_t *)t;
  else
    rth_join_free((rth_join_t *)t);
  return err;
}

/* ---- metrics ------------------------------------------------------------ */

static void add_local(rth_metrics_t *m, const rth__exec_t *ce) {
  rth__exec_t *e = (rth__exec_t *)(uintptr_t)ce;
  m->num_alive_tasks += rth__load_rlx(&e->live_count);
  m->spawned_tasks_count += rth__load_rlx(&e->spawned);
}

void rth_handle_metrics(const rth_handle_t *ch, rth_metrics_t *m) {
  rth_handle_t *h = (rth_handle_t *)(uintptr_t)ch;
  rth__exec_t *e;
  unsigned i;
  *m = (rth_metrics_t){0};
  m->num_workers = h->num_workers;
  m->num_alive_tasks = rth__live_count(&h->live);
  m->spawned_tasks_count = rth__live_added(&h->live);
  m->global_queue_depth = h->main != NULL
                              ? rth__load_rlx(&h->main->inbox_count)
                              : rth__inject_count(&h->inject);
  m->remote_schedule_count = rth__load_rlx(&h->remote);
  rth__pool_metrics(h->pool, m);
  for (i = 0; h->workers != NULL && i < h->num_workers; i++)
    add_local(m, &h->workers[i].exec);
  if (h->main != NULL) add_local(m, h->main);
  rth__mutex_lock(&h->lock);
  m->spawned_tasks_count += h->spawned;
  for (e = h->locals; e != NULL; e = e->peer_next) add_local(m, e);
  rth__mutex_unlock(&h->lock);
}

int rth_handle_worker_metrics(const rth_handle_t *ch, unsigned i,
                              rth_worker_metrics_t *m) {
  rth_handle_t *h = (rth_handle_t *)(uintptr_t)ch;
  rth__exec_t *e;
  uint64_t since;
  *m = (rth_worker_metrics_t){0};
  if (i >= h->num_workers) return RTH_EINVAL;
  e = h->main != NULL ? h->main : &h->workers[i].exec;
  m->poll_count = rth__load_rlx(&e->polls);
  m->park_count = rth__load_rlx(&e->parks);
  m->unpark_count = rth__load_rlx(&e->unparks);
  m->local_queue_depth = rth__load_rlx(&e->ready_count);
  m->busy_duration = rth__load_rlx(&e->busy);
  since = rth__load_rlx(&e->busy_since);
  if (since != 0) m->busy_duration += rth_now() - since;
  m->data = e->data;
  if (h->workers != NULL) {
    m->steal_count = rth__load_rlx(&h->workers[i].steals);
    m->overflow_count = rth__load_rlx(&h->workers[i].overflows);
    m->local_queue_depth += rth__ring_len(&h->workers[i].ring);
  }
  return 0;
}

/* ---- the test clock ----------------------------------------------------- */

static int can(const rth_handle_t *h, int paused) {
  rth_handle_t *m = (rth_handle_t *)(uintptr_t)h;
  return h->main != NULL && rth__load_rlx(&m->paused) == paused;
}

int rth_clock_pause(rth_handle_t *h) {
  if (!can(h, 0)) return RTH_EINVAL;
  rth__store_rlx(&h->frozen, rth_handle_now(h));
  rth__store_rlx(&h->paused, 1);
  rth__store_rlx(&h->clock_used, 1);
  return 0;
}

int rth_clock_resume(rth_handle_t *h) {
  if (!can(h, 1)) return RTH_EINVAL;
  /* Time jumped ahead of the real one: `behind` wraps, and so does its use. */
  rth__store_rlx(&h->behind, rth_now() - rth__load_rlx(&h->frozen));
  rth__store_rlx(&h->paused, 0);
  return 0;
}

int rth_clock_advance(rth_handle_t *h, uint64_t ns) {
  uint64_t now;
  if (!can(h, 1)) return RTH_EINVAL;
  now = rth__time_add(rth__load_rlx(&h->frozen), ns);
  if (now > RTH_TIME_MAX) return -ERANGE;
  rth__store_rlx(&h->frozen, now);
  return 0;
}
