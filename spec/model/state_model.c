/* state_model - the life of one task between its runners, wakers, an aborter
** and its JoinHandle: polled by one at a time, in a queue once, no wake lost,
** dropped once, its output in one place, freed once and last. */
#include "task/join.c"
#include "task/task.c"

/* The future and all around it. */
static struct world {
  uint32_t queue_lock, event_lock, list_lock, flag_lock;
  int queued, listed, freed;
  int in_poll, yielded, drops, cancels;
  int event;          /* under event_lock */
  rth_waker_t stored; /* under event_lock */
  int taken, dropped; /* outputs */
  int flags[2];       /* wakers A and B of the JoinHandle were woken */
  int wakers;         /* of them there are */
} w;
static char future, output, uses[MC_THREADS];
static rth__task_t *task;
static union { /* the task's memory */
  rth__task_t t;
  char bytes[512];
} memory;

void *rth__alloc(size_t size) {
  MC_ASSERT(size <= sizeof memory);
  return &memory;
}
void rth__free(void *p) { memset(p, 0xdd, sizeof memory.t); }

/* This thread is about to give up its reference. */
static void last_use(void) { mc_touch(&uses[mc_self()]); }

/* ---- the scheduler ------------------------------------------------------ */

static void schedule_task(rth__sched_t *s, rth__task_t *t) {
  (void)s;
  (void)t;
  mc_lock(&w.queue_lock);
  if (w.queued++ != 0) mc_fail("in a queue twice");
  mc_unlock(&w.queue_lock);
}
static void yield_task(rth__sched_t *s, rth__task_t *t, rth_cx_t *cx) {
  (void)cx;
  schedule_task(s, t);
}
static int release_task(rth__sched_t *s, rth__task_t *t) {
  int was;
  (void)s;
  (void)t;
  mc_lock(&w.list_lock);
  was = w.listed;
  w.listed = 0;
  mc_unlock(&w.list_lock);
  return was;
}
static void unhandled_task(rth__sched_t *s, rth__task_t *t) {
  (void)s;
  (void)t;
}
static void freed_task(rth__sched_t *s, rth__task_t *t) {
  int i;
  (void)s;
  (void)t;
  if (w.freed++ != 0) mc_fail("freed twice");
  for (i = 0; i < MC_THREADS; i++) mc_touch(&uses[i]);
}
static rth__sched_t sched = {schedule_task, yield_task, release_task,
                             unhandled_task, freed_task};

static int work_or_end(void *unused) {
  (void)unused;
  return w.queued > 0 || w.freed;
}

static void run(void) {
  while (!w.freed) {
    rth_cx_t cx = {0};
    int got;
    mc_wait(work_or_end, NULL);
    mc_lock(&w.queue_lock);
    got = w.queued > 0;
    if (got) w.queued--;
    mc_unlock(&w.queue_lock);
    if (!got) continue;
    last_use();
    rth__task_run(task, &cx);
  }
}

/* ---- the future: ready after the event ---------------------------------- */

static void enter(void) {
  mc_touch(&future);
  if (w.in_poll) mc_fail("two threads run it");
  w.in_poll = 1;
  mc_point();
  w.in_poll = 0;
}

static rth_poll_t poll_it(void *self, rth_cx_t *cx, void **out) {
  int ready;
  (void)self;
  enter();
  mc_lock(&w.event_lock);
  ready = w.event;
  if (!ready) {
    rth_waker_drop(&w.stored);
    w.stored = rth_waker_clone(&cx->waker);
  }
  mc_unlock(&w.event_lock);
  if (!ready) return RTH_PENDING;
  mc_touch(&output);
  *out = &output;
  return RTH_READY;
}

/* Yields the first time. */
static rth_poll_t yield_it(void *self, rth_cx_t *cx, void **out) {
  rth_poll_t how = poll_it(self, cx, out);
  if (how == RTH_PENDING && !w.yielded) {
    rth_yield(cx);
    w.yielded = 1;
  }
  return how;
}

static rth_poll_t cancel_it(void *self, rth_cx_t *cx, void **out) {
  (void)self;
  (void)cx;
  (void)out;
  enter();
  w.cancels++;
  return RTH_PENDING;
}
static void drop_it(void *self) {
  rth_waker_t stored;
  (void)self;
  mc_touch(&future);
  if (w.drops++ != 0) mc_fail("dropped twice");
  mc_lock(&w.event_lock);
  stored = w.stored;
  w.stored.ops = NULL;
  mc_unlock(&w.event_lock);
  rth_waker_drop(&stored);
}
static void drop_output(void *out, rth_poll_t how) {
  (void)how;
  MC_ASSERT(out == &output);
  mc_touch(&output);
  w.dropped++;
}
static const rth_future_ops_t waiting_ops = {poll_it, cancel_it, drop_it,
                                             drop_output};
static const rth_future_ops_t yielding_ops = {yield_it, cancel_it, drop_it,
                                              drop_output};

/* ---- wakers, aborter ---------------------------------------------------- */

static void happen(void) {
  rth_waker_t stored;
  mc_lock(&w.event_lock);
  w.event = 1;
  stored = w.stored;
  w.stored.ops = NULL;
  mc_unlock(&w.event_lock);
  if (stored.ops != NULL) last_use();
  rth_wake(&stored);
}
static void happen_by_ref(void) {
  rth_waker_t stored;
  mc_lock(&w.event_lock);
  w.event = 1;
  stored = w.stored;
  w.stored.ops = NULL;
  mc_unlock(&w.event_lock);
  rth_wake_by_ref(&stored);
  if (stored.ops != NULL) last_use();
  rth_waker_drop(&stored);
}

/* A waker that setup cloned; wakes for nothing. */
static rth_waker_t spare;
static void noise(void) {
  rth_wake_by_ref(&spare);
  last_use();
  rth_wake(&spare);
}
static void noise_and_event(void) {
  noise();
  happen();
}

static void abort_it(void) {
  rth_abort((rth_abort_t *)task);
  last_use();
  rth_abort_free((rth_abort_t *)task);
}

/* ---- the JoinHandle ----------------------------------------------------- */

static void join_clone(void *flag) {
  (void)flag;
  mc_lock(&w.flag_lock);
  w.wakers++;
  mc_unlock(&w.flag_lock);
}
static void join_drop(void *flag) {
  (void)flag;
  mc_lock(&w.flag_lock);
  w.wakers--;
  mc_unlock(&w.flag_lock);
}
static void join_wake_by_ref(void *flag) {
  mc_lock(&w.flag_lock);
  *(int *)flag = 1;
  mc_unlock(&w.flag_lock);
}
static void join_wake(void *flag) {
  join_wake_by_ref(flag);
  join_drop(flag);
}
static const rth_waker_ops_t join_ops = {join_clone, join_wake,
                                         join_wake_by_ref, join_drop};
static const rth_waker_t waker_a = {&join_ops, &w.flags[0]};
static const rth_waker_t waker_b = {&join_ops, &w.flags[1]};

static int is_set(void *flag) { return *(int *)flag; }

static void take_output(const rth_outcome_t *o) {
  if (o->how == RTH_PENDING) return;
  MC_ASSERT(o->value == &output);
  mc_touch(&output);
  w.taken++;
}

static void end_join(void) {
  last_use();
  rth_join_free((rth_join_t *)task);
}

/* Waits with `waker`, which must be woken. */
static void join_with(const rth_waker_t *waker) {
  rth_outcome_t o;
  while (rth_join_poll((rth_join_t *)task, waker, &o) == RTH_PENDING)
    mc_wait(is_set, waker->data);
  take_output(&o);
}

static void join_it(void) {
  join_with(&waker_a);
  end_join();
}
static void join_with_another(void) {
  rth_outcome_t o;
  if (rth_join_poll((rth_join_t *)task, &waker_a, &o) == RTH_READY)
    take_output(&o);
  else
    join_with(&waker_b);
  end_join();
}
static void ask_and_leave(void) {
  rth_outcome_t o;
  if (rth_join_poll((rth_join_t *)task, &waker_a, &o) == RTH_READY)
    take_output(&o);
  end_join();
}
static void unregister_and_join(void) {
  rth_outcome_t o;
  if (rth_join_poll((rth_join_t *)task, &waker_a, &o) == RTH_READY) {
    take_output(&o);
  } else {
    rth_join_unregister((rth_join_t *)task);
    join_with(&waker_b);
  }
  end_join();
}

/* ---- models ------------------------------------------------------------- */

static void setup_with(const rth_future_ops_t *ops, int refs) {
  int i;
  memset(&w, 0, sizeof w);
  memset(&memory, 0, sizeof memory);
  task = rth__task_new(&sched, 0, ops, NULL, 0, 0);
  w.queued = w.listed = 1;
  for (i = 0; i < refs; i++) rth__state_ref(&task->state);
  spare = (rth_waker_t){&task_waker_ops, task};
}

static void setup(void) { setup_with(&waiting_ops, 0); }
static void setup_ref(void) { setup_with(&waiting_ops, 1); }
static void setup_yield(void) { setup_with(&yielding_ops, 0); }
static void setup_yield_ref(void) { setup_with(&yielding_ops, 1); }

static void check(void) {
  MC_ASSERT(w.freed == 1 && w.drops == 1 && w.queued == 0 && w.wakers == 0);
  MC_ASSERT(w.cancels + w.taken + w.dropped == 1);
}

static void relaxed(mc_op_t *op, mc_kind_t kind, const char *func) {
  if (op->kind == kind && strcmp(op->func, func) == 0) op->order = MC_RLX;
}
static void split(mc_op_t *op, const char *func) {
  if (op->kind == MC_CAS && strcmp(op->func, func) == 0) op->split = 1;
}
static void complete_relaxed(mc_op_t *op) {
  relaxed(op, MC_ADD, "rth__state_to_complete");
}
static void set_relaxed(mc_op_t *op) {
  relaxed(op, MC_LOAD, "rth__state_set_join_waker");
}
static void unref_relaxed(mc_op_t *op) {
  relaxed(op, MC_SUB, "rth__state_unref");
}
static void idle_split(mc_op_t *op) { split(op, "rth__state_to_idle"); }
static void wake_split(mc_op_t *op) { split(op, "rth__state_wake"); }
static void drop_join_split(mc_op_t *op) { split(op, "rth__state_drop_join"); }
static void abort_split(mc_op_t *op) { split(op, "rth__state_abort"); }
static void resume_split(mc_op_t *op) {
  if (op->kind == MC_AND && strcmp(op->func, "rth__state_resume") == 0)
    op->split = 1;
}

#define MODEL(about, start, bound, ...)                        \
  {.name = about, .setup = start, .threads = {__VA_ARGS__},    \
   .check = check, .preemptions = bound}
#define BUG(about, start, bound, how, text, ...)               \
  {.name = "bug: " about, .setup = start,                      \
   .threads = {__VA_ARGS__}, .check = check,                   \
   .preemptions = bound, .mutate = how, .finds = text}

static const mc_model_t models[] = {
    MODEL("woken and joined", setup, 3, run, happen, join_it),
    MODEL("woken by reference and joined", setup, 3, run, happen_by_ref,
          join_it),
    MODEL("two runners", setup, 2, run, run, happen, join_it),
    MODEL("woken for nothing, too", setup_ref, 2, run, noise_and_event,
          join_it),
    MODEL("two runners and noise", setup_ref, 1, run, run, noise_and_event,
          join_it),
    MODEL("aborted and joined", setup_ref, 2, run, happen, abort_it, join_it),
    MODEL("aborted and left", setup_ref, 2, run, happen, abort_it,
          ask_and_leave),
    MODEL("joined with another waker", setup, 3, run, happen,
          join_with_another),
    MODEL("asked and left", setup, 3, run, happen, ask_and_leave),
    MODEL("unregistered and joined", setup, 3, run, happen,
          unregister_and_join),
    MODEL("yields and is joined", setup_yield, 2, run, happen, join_it),
    MODEL("yields between two runners", setup_yield, 2, run, run, happen,
          join_it),
    MODEL("yields and is aborted", setup_yield_ref, 2, run, happen, abort_it,
          join_it),
    MODEL("yields between two runners and noise", setup_yield_ref, 1, run, run,
          noise_and_event, join_it),
    MODEL("yields between two runners and is aborted", setup_yield_ref, 1, run,
          run, abort_it, ask_and_leave),

    BUG("the output is published relaxed", setup, 2, complete_relaxed, "race",
        run, happen, join_it),
    BUG("a late JoinHandle reads relaxed", setup, 2, set_relaxed, "race", run,
        happen, join_it),
    BUG("references are dropped relaxed", setup_ref, 2, unref_relaxed, "race",
        run, happen, abort_it, join_it),
    BUG("idle is a load and a store", setup, 2, idle_split, "deadlock", run,
        happen, join_it),
    BUG("wake is a load and a store", setup, 2, wake_split, "", run, happen,
        join_it),
    BUG("dropping the JoinHandle is a load and a store", setup, 2,
        drop_join_split, "", run, happen, ask_and_leave),
    BUG("resuming is a load and a store", setup_yield_ref, 2, resume_split, "",
        run, happen, abort_it, join_it),
    BUG("abort is a load and a store", setup_ref, 2, abort_split, "", run,
        happen, abort_it, join_it),
};

int main(void) {
  return mc_main(models, (int)(sizeof models / sizeof *models));
}
