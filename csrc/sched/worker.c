/* worker - one thread of a multi_thread runtime.
**
** WHY      each worker runs its own queues and helps itself from others only
**          when those are empty, so the usual path takes no lock and shares
**          no line.  Order: every now and then the global queue (else it
**          could starve); the LIFO slot, three times in a row at most;
**          pinned and stealable tasks in turn; the global queue; others',
**          for the system may have stopped their worker for milliseconds;
**          those that have yielded.
** THREADS  the worker's own; schedule: on the worker; notify: any.
** OWNS     a queue's reference to each task in lifo and ring.
** INVARIANT  a worker sleeps only with empty queues of its own, and once it is
**          on the list of sleepers it looks at all queues.  It is not enough
**          that the last searcher does: one that came while a searcher was
**          about to find something else, and this one about to sleep, would
**          wait for a busy worker (spec/model/idle_model.c).  A task on its
**          way from one queue to another is in none, and whoever looks then
**          may sleep: so the worker that moved it, and runs something else
**          first, tells the sleepers, or it is a searcher, who tells as it
**          ends its search.
*/
#include "sched/worker.h"

#include "base/clock.h"
#include "sched/context.h"

#define LIFO_POLLS_MAX 3
#define BATCH_MAX (RTH_RING_SIZE / 2)
#define TUNE_TARGET 200000.0 /* ns of polls between looks at the global queue */
#define TUNE_ALPHA 0.1
#define TUNE_MIN 2.0
#define TUNE_MAX 127.0

void rth__workers_notify(rth_handle_t *core) {
  int i = rth__idle_to_notify(&core->idle);
  if (i >= 0) rth__exec_unpark(&core->workers[i].exec);
}

/* ---- queues ------------------------------------------------------------- */

/* Others could take a task that waits here for another one to end. */
static int has_to_spare(rth__worker_t *w) {
  uint32_t n = rth__ring_len(&w->ring);
  return n > 1 ||
         (n == 1 && (w->lifo != NULL || w->exec.ready.first != NULL));
}

static void push_ring(rth__worker_t *w, rth__task_t *t) {
  if (rth__ring_push(&w->ring, t, &w->core->inject)) rth__bump(&w->overflows);
}

void rth__worker_schedule(rth__worker_t *w, rth__task_t *t, int share) {
  if (!share) {
    rth__task_t *before = w->lifo;
    w->lifo = t;
    if (before == NULL) return;
    t = before;
  }
  push_ring(w, t);
  rth__workers_notify(w->core);
}

static rth__task_t *from_inject(rth__worker_t *w) {
  size_t room = rth__ring_room(&w->ring);
  size_t max = room == 0 ? 1 : room < BATCH_MAX ? room : BATCH_MAX;
  rth__tasklist_t batch =
      rth__inject_pop_part(&w->core->inject, w->core->num_workers, max);
  rth__task_t *t = rth__tasklist_take(&batch);
  if (batch.n == 0) return t;
  rth__ring_push_batch(&w->ring, &batch);
  if (!w->searching) rth__workers_notify(w->core);
  return t;
}

static rth__task_t *own_task(rth__worker_t *w) {
  rth__task_t *t = w->lifo;
  if (t != NULL && w->lifo_polls < LIFO_POLLS_MAX) {
    w->lifo = NULL;
    w->lifo_polls++;
    return t;
  }
  if (t != NULL) { /* had its turns: behind the others */
    w->lifo = NULL;
    push_ring(w, t);
    if (has_to_spare(w)) rth__workers_notify(w->core);
  }
  w->lifo_polls = 0;
  w->pinned_first = !w->pinned_first;
  if (w->pinned_first) {
    t = rth__exec_next(&w->exec);
    return t != NULL ? t : rth__ring_pop(&w->ring);
  }
  t = rth__ring_pop(&w->ring);
  return t != NULL ? t : rth__exec_next(&w->exec);
}

static rth__task_t *next_task(rth__worker_t *w) {
  rth__task_t *t;
  if (w->tick % w->global_queue_interval == 0) {
    (void)rth__exec_drain(&w->exec);
    t = rth__inject_pop(&w->core->inject);
    if (t != NULL) return t;
  }
  t = own_task(w);
  return t != NULL ? t : from_inject(w);
}

/* ---- searching ---------------------------------------------------------- */

static rth__task_t *steal(rth__worker_t *w) {
  rth_handle_t *core = w->core;
  unsigned i, n = core->num_workers, start = rth__rand_below(&w->rand, n);
  for (i = 0; i < n; i++) {
    rth__worker_t *victim = &core->workers[(start + i) % n];
    uint32_t stolen = 0;
    rth__task_t *t;
    if (victim == w) continue;
    t = rth__ring_steal_into(&victim->ring, &w->ring, &stolen);
    if (t != NULL) {
      rth__store_rlx(&w->steals, rth__load_rlx(&w->steals) + stolen);
      if (stolen > 1 && !w->searching) rth__workers_notify(core);
      return t;
    }
  }
  return from_inject(w);
}

/* Whether anyone could take something now. */
static int work_to_take(rth_handle_t *core) {
  unsigned i;
  if (!rth__inject_is_empty(&core->inject)) return 1;
  for (i = 0; i < core->num_workers; i++)
    if (!rth__ring_is_empty(&core->workers[i].ring)) return 1;
  return 0;
}

static rth__task_t *search(rth__worker_t *w) {
  if (!w->searching) {
    if (!rth__idle_start_search(&w->core->idle)) return NULL;
    w->searching = 1;
  }
  return steal(w);
}

/* It found something, or sleeps.  Who came while the last searcher searched
** woke nobody: that is done here. */
static void end_search(rth__worker_t *w) {
  w->searching = 0;
  if (rth__idle_end_search(&w->core->idle) && work_to_take(w->core))
    rth__workers_notify(w->core);
}

/* ---- turns and sleep ---------------------------------------------------- */

/* Adapts how often the global queue is looked at to how long polls take. */
static void tune(rth__worker_t *w) {
  uint64_t now = rth_now();
  if (w->turn_at != 0 && w->since_turn > 0) {
    double each = (double)(now - w->turn_at) / w->since_turn;
    double n;
    w->mean_poll += TUNE_ALPHA * (each - w->mean_poll);
    n = TUNE_TARGET / (w->mean_poll + 1.0);
    n = n < TUNE_MIN ? TUNE_MIN : n > TUNE_MAX ? TUNE_MAX : n;
    w->global_queue_interval = (unsigned)n;
  }
  w->turn_at = now;
  w->since_turn = 0;
}

static void requeue_yielded(rth__worker_t *w) {
  rth__task_t *t;
  rth__fifo_t yielded = w->exec.yielded;
  w->exec.yielded = (rth__fifo_t){0};
  while ((t = rth__fifo_pop(&yielded)) != NULL) {
    if (t->home != NULL)
      rth__exec_schedule(&w->exec, t);
    else
      push_ring(w, t);
  }
  if (has_to_spare(w)) rth__workers_notify(w->core);
}

static void turn(rth__worker_t *w) {
  rth__exec_drain(&w->exec);
  if (w->exec.yielded.first != NULL) requeue_yielded(w);
  rth__exec_turn(&w->exec);
  if (w->core->options.global_queue_interval == 0) tune(w);
  w->since_turn = 0;
}

/* All tasks have ended after the runtime was closed. */
static int finished(rth__worker_t *w) {
  if (!w->closed) {
    if (!rth__closing(w->core)) return 0;
    w->closed = 1;
    rth__exec_close(&w->exec);
  }
  return w->exec.live == NULL && rth__core_empty(w->core);
}

static int has_own_work(rth__worker_t *w) {
  return w->exec.ready.first != NULL || w->lifo != NULL ||
         !rth__ring_is_empty(&w->ring) ||
         rth__closing(w->core) != w->closed || finished(w);
}

/* The hook may give it work, and may take long: meanwhile this is no searcher,
** for whose sake no other worker would be woken. */
static uint64_t look_around(rth__worker_t *w) {
  rth_options_t *o = &w->core->options;
  if (o->thread_idle == NULL) return RTH_FOREVER;
  if (w->searching) end_search(w);
  return o->thread_idle(o->arg, w->exec.data);
}

/* Sleeps until there may be work, or `until`.  While another worker is awake,
** work for this one is work that the other could have done: a quick wake-up
** costs more then, by lines that move between processors, than it gains. */
static void sleep_worker(rth__worker_t *w, uint64_t until) {
  rth__exec_t *e = &w->exec;
  rth__idle_sleep(&w->core->idle, w->index, w->searching);
  if (work_to_take(w->core)) rth__workers_notify(w->core);
  w->searching = 0;
  for (;;) {
    uint64_t deadline = rth__exec_deadline(e);
    rth__exec_park(e, NULL, deadline < until ? deadline : until, NULL,
                   rth__idle_all_asleep(&w->core->idle));
    rth__exec_drain(e);
    rth__exec_turn(e);
    if (has_own_work(w) || (until != RTH_FOREVER && rth_now() >= until)) {
      w->searching = !rth__idle_wake_self(&w->core->idle, w->index);
      break;
    }
    if (!rth__idle_is_asleep(&w->core->idle, w->index)) {
      w->searching = 1;
      break;
    }
  }
  w->turn_at = 0;
  w->since_turn = 0;
}

/* ---- the thread --------------------------------------------------------- */

static void run(rth__worker_t *w, rth__task_t *t) {
  if (w->searching) end_search(w);
  w->tick++;
  rth__exec_run(&w->exec, t);
  if (++w->since_turn >= w->core->event_interval) turn(w);
}

static void wake_the_others(rth__worker_t *w) {
  unsigned i;
  for (i = 0; i < w->core->num_workers; i++)
    if (i != w->index) rth__exec_unpark(&w->core->workers[i].exec);
}

static void work(rth__worker_t *w) {
  while (!finished(w)) {
    rth__task_t *t = next_task(w);
    if (t != NULL) {
      run(w, t);
      continue;
    }
    if (w->exec.yielded.first != NULL) { /* these let all others go first */
      t = steal(w);
      if (t != NULL)
        run(w, t);
      else
        turn(w);
      continue;
    }
    if (rth__exec_turn_io(&w->exec) > 0) continue; /* its own before others' */
    t = search(w);
    if (t != NULL) {
      run(w, t);
    } else {
      uint64_t until = look_around(w);
      if (!has_own_work(w)) sleep_worker(w, until);
    }
  }
  wake_the_others(w);
}

static void hello(rth__worker_t *w, rth_thread_info_t *info) {
  rth_options_t *o = &w->core->options;
  info->kind = RTH_THREAD_WORKER;
  info->index = w->index;
  info->local = &w->exec;
  info->handle = w->core;
  rth__exec_acquire(&w->exec);
  if (o->thread_start != NULL) o->thread_start(o->arg, info, &w->exec.data);
  rth__context.data = w->exec.cx.data = w->exec.data;
  rth__mutex_lock(&w->core->lock);
  w->core->workers_ready++;
  rth__cond_broadcast(&w->core->stopped);
  rth__mutex_unlock(&w->core->lock);
}

static void goodbye(rth__worker_t *w, rth_thread_info_t *info) {
  rth_handle_t *core = w->core;
  rth_options_t *o = &core->options;
  if (o->thread_stop != NULL) o->thread_stop(o->arg, info, w->exec.data);
  rth__context.data = NULL;
  rth__exec_close_loop(&w->exec);
  rth__exec_release(&w->exec);
  rth__parker_retire(&w->exec.own);
  rth__mutex_lock(&core->lock);
  core->workers_alive--;
  rth__cond_broadcast(&core->stopped);
  rth__mutex_unlock(&core->lock);
  rth__context.worker = NULL;
  rth__core_unref(core);
}

void rth__worker_main(void *worker) {
  rth__worker_t *w = worker;
  rth_thread_info_t info;
  rth__context.worker = w;
  hello(w, &info);
  rth__context.driving = 1;
  work(w);
  rth__context.driving = 0;
  goodbye(w, &info);
}
