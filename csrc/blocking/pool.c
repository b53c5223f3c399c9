/* pool - threads for blocking work: they come on demand and go when idle.
**
** WHY      our own: libuv's pool is one for the process, has four threads,
**          and aborts when a thread cannot be started.  One lock: a job here
**          is long against it.
** THREADS  spawn, shutdown, metrics: any.
** OWNS     a queue's reference to each queued task; each thread has one to
**          the core.  A thread that ends is joined by the next that ends, or
**          by shutdown; once shutdown has stopped waiting, they detach.
** INVARIANT  idle threads >= notifications on their way; a queued task has a
**          notified or busy thread that will take it.
*/
#include "blocking/pool.h"

#include "base/clock.h"
#include "base/mem.h"
#include "sched/context.h"

struct rth__pool {
  rth_handle_t *core; /* r/o */
  rth__mutex_t lock;  /* all below are under it */
  rth__cond_t work;   /* for idle threads */
  rth__cond_t ended;  /* a thread ended */
  rth__fifo_t queue;
  unsigned queued, threads, idle, running;
  unsigned notified; /* idle threads that were promised work */
  int closed, detach;
  int has_ended; /* last_ended waits to be joined */
  rth__thread_t last_ended;
};

rth__pool_t *rth__pool_new(rth_handle_t *core) {
  rth__pool_t *p = rth__zalloc(sizeof *p);
  if (p == NULL) return NULL;
  p->core = core;
  rth__mutex_init(&p->lock, RTH_RANK_POOL);
  rth__cond_init(&p->work);
  rth__cond_init(&p->ended);
  return p;
}

void rth__pool_free(rth__pool_t *p) {
  if (p == NULL) return;
  RTH_CHECK(p->threads == 0 && p->queue.first == NULL);
  rth__cond_destroy(&p->ended);
  rth__cond_destroy(&p->work);
  rth__mutex_destroy(&p->lock);
  rth__free(p);
}

/* ---- a thread ----------------------------------------------------------- */

static rth__task_t *pop(rth__pool_t *p) {
  rth__task_t *t = rth__fifo_pop(&p->queue);
  if (t != NULL) p->queued--;
  return t;
}

static void run_queue(rth__pool_t *p, rth_cx_t *cx) {
  rth__task_t *t;
  while (!p->closed && (t = pop(p)) != NULL) {
    p->running++;
    rth__mutex_unlock(&p->lock);
    rth__task_run(t, cx);
    rth__mutex_lock(&p->lock);
    p->running--;
    if (p->running > 0 || p->core->main == NULL) continue;
    rth__mutex_unlock(&p->lock);
    rth__core_unpark(p->core); /* a paused clock may go on */
    rth__mutex_lock(&p->lock);
  }
}

/* Waits for work.  0: nothing came for so long, or the pool is closed. */
static int wait_idle(rth__pool_t *p) {
  uint64_t until =
      rth__time_add(rth_now(), p->core->options.thread_keep_alive);
  int late = 0;
  p->idle++;
  while (!p->closed && p->notified == 0 && !late)
    late = rth__cond_wait_until(&p->work, &p->lock, until) != 0;
  if (p->notified > 0) { /* who notified, took us off the idle ones */
    p->notified--;
    return 1;
  }
  p->idle--;
  return 0;
}

/* Under lock.  Puts this thread where the next one finds it to join; answers
** whether there was one before. */
static int leave(rth__pool_t *p, rth__thread_t *before) {
  int had = p->has_ended;
  p->threads--;
  *before = p->last_ended;
  p->has_ended = !p->detach;
  p->last_ended = pthread_self();
  if (p->detach) rth__thread_detach(pthread_self());
  rth__cond_broadcast(&p->ended);
  return had;
}

static void blocking_main(void *pool) {
  rth__pool_t *p = pool;
  rth_handle_t *core = p->core;
  rth_options_t *o = &core->options;
  rth_thread_info_t info = {RTH_THREAD_BLOCKING, 0, NULL, core};
  rth_cx_t cx = {0};
  rth__thread_t before;
  int had;
  rth__context.blocking = core;
  if (o->thread_start != NULL)
    o->thread_start(o->arg, &info, &rth__context.data);
  cx.data = rth__context.data;
  cx.handle = core;
  rth__mutex_lock(&p->lock);
  do {
    run_queue(p, &cx);
  } while (wait_idle(p));
  rth__mutex_unlock(&p->lock);
  if (o->thread_stop != NULL)
    o->thread_stop(o->arg, &info, rth__context.data);
  rth__context.blocking = NULL;
  rth__context.data = NULL;
  rth__mutex_lock(&p->lock);
  had = leave(p, &before);
  rth__mutex_unlock(&p->lock);
  if (had) rth__thread_join(before);
  rth__core_unref(core);
}

/* ---- spawning ----------------------------------------------------------- */

/* Under lock. */
static int start_thread(rth__pool_t *p) {
  rth_options_t *o = &p->core->options;
  rth__thread_t t;
  int err;
  rth__core_ref(p->core);
  err = rth__thread_start(&t, o->thread_stack_size, o->thread_name,
                          blocking_main, p);
  if (err == 0)
    p->threads++;
  else
    rth__core_unref(p->core);
  return err;
}

/* Under lock: the task is the last of the queue.  Sees to it that somebody
** will run it; *wake: the caller signals, once it has left the lock. */
static int provide_thread(rth__pool_t *p, int *wake) {
  int err;
  *wake = p->idle > 0;
  if (*wake) {
    p->idle--;
    p->notified++;
    return 0;
  }
  if (p->threads >= p->core->options.max_blocking_threads) return 0;
  err = start_thread(p);
  return p->threads > 0 ? 0 : err; /* those that live will come to it */
}

int rth__pool_spawn(rth__pool_t *p, rth__task_t *t) {
  int err = 0, wake = 0, closed;
  rth__mutex_lock(&p->lock);
  closed = p->closed;
  if (!closed) {
    rth__fifo_push(&p->queue, t);
    p->queued++;
    err = provide_thread(p, &wake);
    if (err != 0) (void)pop(p); /* no thread, so it is the only one */
  }
  rth__mutex_unlock(&p->lock);
  if (wake) rth__cond_signal(&p->work);
  if (closed) rth__task_refuse(t, 1);
  return err;
}

/* ---- the end ------------------------------------------------------------ */

/* Under lock, which it leaves meanwhile. */
static void cancel_queue(rth__pool_t *p) {
  rth__task_t *t;
  while ((t = pop(p)) != NULL) {
    rth__mutex_unlock(&p->lock);
    rth__task_refuse(t, 1);
    rth__mutex_lock(&p->lock);
  }
}

void rth__pool_shutdown(rth__pool_t *p, uint64_t deadline, int last) {
  rth__thread_t ended;
  int had;
  rth__mutex_lock(&p->lock);
  p->closed = 1;
  rth__cond_broadcast(&p->work);
  cancel_queue(p);
  while (p->threads > 0 && deadline != 0) {
    if (deadline == RTH_FOREVER)
      rth__cond_wait(&p->ended, &p->lock);
    else if (rth__cond_wait_until(&p->ended, &p->lock, deadline) != 0)
      break;
  }
  if (p->threads > 0 && last) p->detach = 1;
  had = p->has_ended;
  ended = p->last_ended;
  p->has_ended = 0;
  rth__mutex_unlock(&p->lock);
  if (had) rth__thread_join(ended);
}

void rth__pool_metrics(rth__pool_t *p, rth_metrics_t *m) {
  rth__mutex_lock(&p->lock);
  m->num_blocking_threads = p->threads;
  m->num_idle_blocking_threads = p->idle;
  m->blocking_queue_depth = p->queued;
  m->running_blocking = p->running;
  rth__mutex_unlock(&p->lock);
}
