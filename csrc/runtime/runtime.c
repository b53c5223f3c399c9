/* runtime - starting and ending a runtime.
**
** WHY      everything a runtime needs is acquired here, so that it either
**          starts whole or leaves nothing behind; ending it is one order of
**          steps for every reason: close, let the tasks end on their threads,
**          wait for threads as long as was asked.
** THREADS  any.
** OWNS     rth_runtime_t has one reference to the core; each thread has one.
*/
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "blocking/pool.h"
#include "sched/context.h"
#include "sched/worker.h"

struct rth_runtime {
  rth_handle_t *core;
};

static RTH_ATOMIC(uint64_t) last_id; /* relaxed: only uniqueness counts */

/* ---- starting ----------------------------------------------------------- */

static int copy_options(rth_handle_t *h, const rth_options_t *o) {
  rth_options_t *mine = &h->options;
  int multi = o->flavor == RTH_MULTI_THREAD;
  int err = 0, from_env;
  *mine = *o;
  mine->name = rth__strdup(o->name);
  mine->thread_name =
      rth__strdup(o->thread_name != NULL ? o->thread_name : "rthandle-worker");
  if ((o->name != NULL && mine->name == NULL) || mine->thread_name == NULL)
    return RTH_ENOMEM;
  if (mine->event_interval == 0) mine->event_interval = 61;
  if (mine->max_blocking_threads == 0) mine->max_blocking_threads = 512;
  if (mine->global_queue_interval == 0 && !multi)
    mine->global_queue_interval = 31;
  h->num_workers = multi ? o->worker_threads : 1;
  if (h->num_workers == 0)
    err = rth_default_workers(&h->num_workers, &from_env);
  if (h->num_workers > 0xffff) err = RTH_EINVAL;
  h->event_interval = mine->event_interval;
  return err;
}

static int check_options(const rth_options_t *o) {
  int multi = o->flavor == RTH_MULTI_THREAD;
  if (!multi && o->worker_threads != 0) return RTH_EINVAL;
  if (multi && (o->start_paused || o->shutdown_on_unhandled))
    return RTH_EINVAL;
  return 0;
}

static int init_workers(rth_handle_t *h) {
  unsigned i, n = h->num_workers;
  int err = rth__idle_init(&h->idle, n);
  if (err != 0) return err;
  h->workers = rth__zalloc_aligned(n * sizeof *h->workers, RTH_CACHE_LINE);
  if (h->workers == NULL) return RTH_ENOMEM;
  for (i = 0; i < n; i++) {
    rth__worker_t *w = &h->workers[i];
    rth__exec_init(&w->exec, h);
    rth__ring_init(&w->ring);
    rth__rand_seed(&w->rand, rth_now() + i * UINT64_C(0x9e3779b97f4a7c15));
    w->index = i;
    w->core = h;
    w->global_queue_interval = h->options.global_queue_interval;
    if (w->global_queue_interval == 0) w->global_queue_interval = 61;
  }
  for (i = 0; i < n; i++)
    if ((err = rth__parker_open(&h->workers[i].exec.own)) != 0) return err;
  return 0;
}

static int init_main(rth_handle_t *h) {
  h->main = rth__zalloc(sizeof *h->main);
  if (h->main == NULL) return RTH_ENOMEM;
  h->workers_alive = 1;
  rth__exec_init(h->main, h);
  if (h->options.start_paused) {
    rth__store_rlx(&h->clock_used, 1);
    rth__store_rlx(&h->paused, 1);
    rth__store_rlx(&h->frozen, h->started_at);
  }
  return 0;
}

static int start_workers(rth_handle_t *h) {
  rth_options_t *o = &h->options;
  unsigned i;
  int err = 0;
  rth__mutex_lock(&h->lock);
  for (i = 0; i < h->num_workers && err == 0; i++) {
    rth__worker_t *w = &h->workers[i];
    rth__core_ref(h);
    err = rth__thread_start(&w->thread, o->thread_stack_size, o->thread_name,
                            rth__worker_main, w);
    if (err == 0)
      h->workers_alive++;
    else
      rth__core_unref(h);
  }
  h->workers_started = h->workers_alive;
  while (err == 0 && h->workers_ready < h->num_workers)
    rth__cond_wait(&h->stopped, &h->lock);
  rth__mutex_unlock(&h->lock);
  return err;
}

static rth_handle_t *new_core(void) {
  rth_handle_t *h = rth__zalloc(sizeof *h);
  if (h == NULL) return NULL;
  rth__init(&h->refs, 1);
  rth__sched_init(&h->sched);
  rth__parker_init(&h->spare);
  rth__mutex_init(&h->lock, RTH_RANK_RUNTIME);
  rth__mutex_init(&h->drive_lock, RTH_RANK_DRIVE);
  rth__cond_init(&h->stopped);
  rth__inject_init(&h->inject);
  h->id = rth__add_rlx(&last_id, 1) + 1;
  h->started_at = rth_now();
  rth__watch_forks();
  h->forks = rth__forks();
  return h;
}

static int init_core(rth_handle_t *h, const rth_options_t *o) {
  int err = copy_options(h, o);
  if (err == 0) err = rth__live_init(&h->live, h->num_workers);
  if (err != 0) return err;
  h->pool = rth__pool_new(h);
  if (h->pool == NULL) return RTH_ENOMEM;
  return o->flavor == RTH_MULTI_THREAD ? init_workers(h) : init_main(h);
}

/* Waits for the workers until `deadline`; joins them when all have ended.
** `last`: else lets go of them.  Whoever drives a current_thread runtime is
** waited for as a worker is. */
static void end_workers(rth_handle_t *h, uint64_t deadline, int last) {
  unsigned i;
  int mine, alive;
  rth__mutex_lock(&h->lock);
  while (h->workers_alive > 0 && deadline != 0) {
    if (deadline == RTH_FOREVER)
      rth__cond_wait(&h->stopped, &h->lock);
    else if (rth__cond_wait_until(&h->stopped, &h->lock, deadline) != 0)
      break;
  }
  alive = h->workers_alive > 0;
  mine = !h->joined && (last || !alive);
  if (mine) h->joined = 1;
  rth__mutex_unlock(&h->lock);
  for (i = 0; mine && i < h->workers_started; i++) {
    if (alive)
      rth__thread_detach(h->workers[i].thread);
    else
      rth__thread_join(h->workers[i].thread);
  }
}

void rth__core_end(rth_handle_t *h) {
  rth__core_end_polls(h); /* before the end of anything wakes a task */
  /* Before the core: its end ends what blocking functions wait for, and their
  ** threads would take the next ones. */
  rth__pool_shutdown(h->pool, 0, 0);
  rth__core_close(h);
}

/* The steps of every shutdown.  `deadline` 0: waits for nothing.  `last`:
** nobody will wait again, so threads that still run are on their own. */
static void end(rth_handle_t *h, uint64_t deadline, int last) {
  rth__core_end(h);
  if (h->main != NULL) rth__main_end(h);
  end_workers(h, deadline, last);
  rth__pool_shutdown(h->pool, deadline, last);
  rth__mutex_lock(&h->lock);
  rth__parker_close(&h->spare); /* none is kept any more */
  rth__mutex_unlock(&h->lock);
}

int rth_runtime_new(const rth_options_t *o, rth_runtime_t **out) {
  rth_runtime_t *rt;
  rth_handle_t *h;
  int err = check_options(o);
  if (err != 0) return err;
  rt = rth__zalloc(sizeof *rt);
  h = new_core();
  if (rt == NULL || h == NULL) {
    err = RTH_ENOMEM;
    goto fail;
  }
  rt->core = h;
  err = init_core(h, o);
  if (err == 0 && h->workers != NULL) err = start_workers(h);
  if (err != 0) goto fail;
  *out = rt;
  return 0;
fail:
  if (h != NULL) {
    h->options.release = NULL; /* the caller keeps its arg */
    if (h->workers_started > 0) end(h, RTH_FOREVER, 1);
    rth__core_unref(h);
  }
  rth__free(rt);
  return err;
}

rth_handle_t *rth_runtime_handle(rth_runtime_t *rt) { return rt->core; }

/* ---- ending ------------------------------------------------------------- */

void rth__core_free(rth_handle_t *h) {
  rth_options_t *o = &h->options;
  unsigned i;
  for (i = 0; h->workers != NULL && i < h->num_workers; i++)
    rth__exec_destroy(&h->workers[i].exec);
  rth__free_aligned(h->workers);
  rth__idle_destroy(&h->idle);
  if (h->main != NULL) rth__exec_destroy(h->main);
  rth__free(h->main);
  rth__parker_close(&h->spare);
  rth__pool_free(h->pool);
  rth__live_destroy(&h->live);
  rth__inject_destroy(&h->inject);
  rth__cond_destroy(&h->stopped);
  rth__mutex_destroy(&h->drive_lock);
  rth__mutex_destroy(&h->lock);
  if (o->release != NULL) o->release(o->arg);
  rth__free((void *)(uintptr_t)o->name);
  rth__free((void *)(uintptr_t)o->thread_name);
  rth__free(h);
}

int rth_runtime_shutdown(rth_runtime_t *rt, uint64_t timeout) {
  rth_handle_t *h = rt->core;
  uint64_t deadline = timeout == 0 ? 0 : rth__time_add(rth_now(), timeout);
  if (h->forks != rth__forks()) return 0;
  if (timeout > 0 && rth_is_driving()) return RTH_EBLOCKING;
  end(h, deadline, 0);
  return 0;
}

int rth_runtime_has_ended(rth_runtime_t *rt) {
  rth_handle_t *h = rt->core;
  rth_metrics_t m;
  unsigned alive;
  if (h->forks != rth__forks()) return 1;
  rth__mutex_lock(&h->lock);
  alive = h->workers_alive;
  rth__mutex_unlock(&h->lock);
  rth_handle_metrics(h, &m);
  return rth__closing(h) && alive == 0 && m.num_blocking_threads == 0;
}

void rth_runtime_free(rth_runtime_t *rt) {
  rth_handle_t *h = rt->core;
  if (h->forks == rth__forks()) {
    end(h, 0, 1);
    rth__core_unref(h);
  } /* else: the child of a fork leaves the dead threads' memory alone */
  rth__free(rt);
}

int rth_runtime_block_on(rth_runtime_t *rt, const rth_future_ops_t *ops,
                         void *self, rth_outcome_t *o) {
  return rth__block_on(rt->core, 1, ops, self, o);
}
