/* idle_model - which workers sleep and whom to wake: no worker sleeps while
** there is work that it could take, even if the others never end theirs.  The
** workers' loop is that of sched/worker.c, with the inject queue and, where
** they take batches, with rings of one slot. */
#include "driver/park.c"
#include "queue/inject.c"
#include "sched/idle.c"

#include <string.h>

enum { WORKERS = 2, TASKS = 2 };

static rth__idle_t idle;
static rth__inject_t inject;
static rth__parker_t parkers[WORKERS];
static rth__task_t tasks[TASKS];
static unsigned sleepers[WORKERS];
static RTH_ATOMIC(rth__task_t *) rings[WORKERS];
static int searches[WORKERS], done;
static enum { NOBODY, LAST, ALL } looks; /* before it sleeps */
static int batches; /* workers take all there is */
static int tells;   /* who keeps a task for later tells the sleepers */

void *rth__array(size_t n, size_t size) {
  (void)n;
  (void)size;
  return sleepers;
}
void rth__free(void *p) { (void)p; }

static void setup(void) {
  memset(&idle, 0, sizeof idle);
  memset(&inject, 0, sizeof inject);
  memset(parkers, 0, sizeof parkers);
  memset(rings, 0, sizeof rings);
  memset(searches, 0, sizeof searches);
  done = batches = 0;
  looks = ALL;
  tells = 1;
  (void)rth__idle_init(&idle, WORKERS);
  rth__inject_init(&inject);
}

static void setup_last_looks(void) {
  setup();
  looks = LAST;
}
static void setup_nobody_looks(void) {
  setup();
  looks = NOBODY;
}
static void setup_batches(void) {
  setup();
  batches = 1;
}
static void setup_batches_untold(void) {
  setup_batches();
  tells = 0;
}

void fd_wake(rth__parker_t *p) {
  mc_point();
  p->fd_write++;
}
static int is_written(void *p) { return ((rth__parker_t *)p)->fd_write > 0; }

void fd_sleep(rth__parker_t *p, uint64_t deadline,
              const rth__signals_t *held) {
  (void)deadline;
  (void)held;
  mc_wait(is_written, p);
  p->fd_write = 0;
}

void rth__parker_close(rth__parker_t *p) { (void)p; }

/* ---- worker.c ----------------------------------------------------------- */

static void notify(void) {
  int w = rth__idle_to_notify(&idle);
  if (w >= 0) rth__unpark(&parkers[w]);
}

static int work_to_take(void) {
  int w;
  if (!rth__inject_is_empty(&inject)) return 1;
  for (w = 0; batches && w < WORKERS; w++)
    if (rth__load_acq(&rings[w]) != NULL) return 1;
  return 0;
}

static void end_search(int w) {
  searches[w] = 0;
  if (rth__idle_end_search(&idle) && work_to_take()) notify();
}

/* Puts one task into its ring and runs something else first. */
static void keep(int w, rth__task_t *t) {
  rth__store_rel(&rings[w], t);
  if (tells && !searches[w]) notify();
}

static rth__task_t *from_inject(int w) {
  rth__tasklist_t batch;
  rth__task_t *t;
  if (!batches) return rth__inject_pop(&inject);
  batch = rth__inject_pop_part(&inject, 1, TASKS);
  t = rth__tasklist_take(&batch);
  if (batch.n > 0) keep(w, rth__tasklist_take(&batch));
  return t;
}

static rth__task_t *from_ring(int w) {
  rth__task_t *t = batches ? rth__load_acq(&rings[w]) : NULL;
  return t != NULL && rth__cas_ar(&rings[w], &t, NULL) ? t : NULL;
}

static int all_done(void *arg) {
  (void)arg;
  return done == TASKS - 1;
}

/* The first task computes until the others have run: somebody else must. */
static void run(int w, rth__task_t *t) {
  if (searches[w]) end_search(w);
  mc_touch(t);
  if (t == &tasks[0])
    mc_wait(all_done, NULL);
  else
    done++;
}

static rth__task_t *search(int w) {
  rth__task_t *t;
  if (!searches[w]) {
    if (!rth__idle_start_search(&idle)) return NULL;
    searches[w] = 1;
  }
  t = from_ring(1 - w);
  return t != NULL ? t : from_inject(w);
}

static void sleep_worker(int w) {
  int last = searches[w] && searching(idle.state) == 1;
  rth__idle_sleep(&idle, (unsigned)w, searches[w]);
  if (looks >= (last ? LAST : ALL) && work_to_take()) notify();
  searches[w] = 0;
  do {
    rth__parker_park(&parkers[w], UINT64_MAX, NULL);
  } while (rth__idle_is_asleep(&idle, (unsigned)w));
  searches[w] = 1;
}

static void work(int w) {
  for (;;) {
    rth__task_t *t = from_ring(w);
    if (t == NULL) t = from_inject(w);
    if (t == NULL) t = search(w);
    if (t != NULL)
      run(w, t);
    else
      sleep_worker(w);
  }
}

static void worker_0(void) { work(0); }
static void worker_1(void) { work(1); }

/* Two tasks of it have yielded, and it queues them again. */
static void worker_0_yielded(void) {
  mc_touch(&tasks[0]);
  mc_touch(&tasks[1]);
  keep(0, &tasks[1]);
  run(0, &tasks[0]);
  work(0);
}

static void spawn(int i) {
  mc_touch(&tasks[i]);
  rth__inject_push(&inject, &tasks[i]);
  notify();
}

static void spawn_both(void) {
  spawn(0);
  spawn(1);
}
static void spawn_0(void) { spawn(0); }
static void spawn_1(void) { spawn(1); }

/* All sleep, and nothing is left to do. */
static int rests(void) {
  return done == TASKS - 1 && inject.top == NULL && inject.list.first == NULL &&
         rings[0] == NULL && rings[1] == NULL &&
         idle.num_sleepers == WORKERS && idle.state == 0;
}

/* ---- seeded bugs -------------------------------------------------------- */

/* The woken worker is not counted as a searcher. */
static void woken_not_counted(mc_op_t *op) {
  if (op->kind == MC_ADD && strcmp(op->func, "rth__idle_to_notify") == 0)
    op->value = UNPARKED;
}
static void sleep_not_atomic(mc_op_t *op) {
  if (strcmp(op->func, "rth__idle_start_search") == 0 && op->value != 0)
    op->split = 1;
}

/* Who takes says that there is a list only when it has one. */
static void listed_too_late(mc_op_t *op) {
  if (op->kind == MC_STORE && strcmp(op->func, "listed") == 0) op->value = 0;
}

static const mc_model_t models[] = {
    {.name = "two workers and a spawner",
     .setup = setup, .threads = {worker_0, worker_1, spawn_both},
     .rests = rests, .preemptions = 2},
    {.name = "two workers and two spawners",
     .setup = setup, .threads = {worker_0, worker_1, spawn_0, spawn_1},
     .rests = rests, .preemptions = 2},
    {.name = "two workers and a spawner, store buffers",
     .setup = setup, .threads = {worker_0, worker_1, spawn_both},
     .rests = rests, .preemptions = 1, .tso = 1},
    {.name = "two workers that take batches, and a spawner",
     .setup = setup_batches, .threads = {worker_0, worker_1, spawn_both},
     .rests = rests, .preemptions = 2},
    {.name = "tasks that yielded beside a worker that goes to sleep",
     .setup = setup_batches, .threads = {worker_0_yielded, worker_1},
     .rests = rests, .preemptions = 3},

    {.name = "bug: who goes to sleep does not look again",
     .setup = setup_nobody_looks, .threads = {worker_0, worker_1, spawn_both},
     .rests = rests, .preemptions = 2, .finds = "deadlock"},
    {.name = "bug: only the last searcher looks again",
     .setup = setup_last_looks, .threads = {worker_0, worker_1, spawn_both},
     .rests = rests, .preemptions = 3, .finds = "deadlock"},
    {.name = "bug: the woken worker is not counted as a searcher",
     .setup = setup, .threads = {worker_0, worker_1, spawn_both},
     .rests = rests, .preemptions = 2, .mutate = woken_not_counted,
     .finds = "deadlock"},
    {.name = "bug: searchers are counted with a load and a store",
     .setup = setup, .threads = {worker_0, worker_1, spawn_both},
     .rests = rests, .preemptions = 3, .mutate = sleep_not_atomic,
     .finds = "deadlock"},
    {.name = "bug: a task leaves the newest before it is listed",
     .setup = setup, .threads = {worker_0, worker_1, spawn_both},
     .rests = rests, .preemptions = 3, .mutate = listed_too_late,
     .finds = "deadlock"},
    {.name = "bug: who took a batch tells nobody",
     .setup = setup_batches_untold, .threads = {worker_0, worker_1, spawn_both},
     .rests = rests, .preemptions = 2, .finds = "deadlock"},
    {.name = "bug: who queues tasks that yielded tells nobody",
     .setup = setup_batches_untold, .threads = {worker_0_yielded, worker_1},
     .rests = rests, .preemptions = 2, .finds = "deadlock"},
};

int main(void) {
  return mc_main(models, (int)(sizeof models / sizeof *models));
}
