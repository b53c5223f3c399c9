/* mc - the model checker: threads, search and memory.
**
** WHY      the lock-free parts are few and small; what a stress test meets by
**          luck once in a month, a search over schedules meets in a second.
**          Debian has no checker for C programs, and this one runs the very
**          sources that are shipped.
** HOW      the threads of a model are contexts in one process.  A run follows
**          a list of choices and appends the first option wherever the list
**          ends; after the run the last choice that has another option takes
**          it, what is behind is dropped, and the model runs again from
**          setup: depth first, no state is stored.
**          Most bugs need few preemptions (Musuvathi and Qadeer 2007), so
**          their number is bounded.
** MEMORY   each location has the vector clock that its last release left;
**          read-modify-writes continue it, plain stores replace it.  A touch
**          must be above the clock of the last touch by another thread.
*/
#include "mc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

/* Tenfold slower there: every search is a little less deep. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MC_LESS 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define MC_LESS 1
#endif
#if !defined(MC_LESS)
#define MC_LESS 0
#endif

enum {
  STACK = 256 * 1024,
  CHOICES = 4000,
  EVENTS = 2000,
  BUFFER = 8,
  PLACES = 1024 /* a power of two */
};

typedef struct clock {
  unsigned at[MC_THREADS + 1]; /* the last one: setup */
} vclock_t;

typedef struct place { /* what is known of an address */
  const void *addr;
  vclock_t released;
  int touched_by; /* thread, or -1 */
  unsigned touched_at;
} place_t;

typedef struct stored { /* a store in a buffer */
  void *addr;
  unsigned size;
  uint64_t value;
  vclock_t clock;
  int releases;
} stored_t;

typedef struct thread {
  ucontext_t context;
  int done;
  int (*ready)(void *); /* waits for that; NULL: can run */
  void *arg;
  vclock_t clock;
  stored_t buffer[BUFFER];
  unsigned buffered;
} thread_t;

typedef struct event {
  int thread;
  mc_op_t op;
  uint64_t before;
  int ok;
} event_t;

static const mc_model_t *model;
static thread_t threads[MC_THREADS];
static char *stacks[MC_THREADS];
static ucontext_t outside;
static int self = -1; /* who runs */
static int num_threads, preemptions, spurious;

static struct {
  unsigned char taken, of;
} choices[CHOICES];
static int num_choices, depth;

static place_t places[PLACES];
static event_t events[EVENTS];
static int num_events;
static char failure[400];
static jmp_buf in_check;

/* ---- switching ---------------------------------------------------------- */

static void leave(void) {
  int me = self;
  self = -1;
  if (me < 0) abort();
  swapcontext(&threads[me].context, &outside);
  abort();
}

void mc_fail(const char *format, ...) {
  va_list args;
  va_start(args, format);
  vsnprintf(failure, sizeof failure, format, args);
  va_end(args);
  if (self >= 0) leave();
  longjmp(in_check, 1);
}

int mc_self(void) { return self; }

unsigned mc_choose(unsigned n) {
  unsigned taken = 0;
  if (n <= 1) return 0;
  if (depth == CHOICES) mc_fail("no end: too many choices");
  if (depth < num_choices) {
    taken = choices[depth].taken;
    if (choices[depth].of != n) mc_fail("the model is not deterministic");
  } else {
    choices[depth].taken = 0;
    choices[depth].of = (unsigned char)n;
    num_choices++;
  }
  depth++;
  return taken;
}

/* ---- memory ------------------------------------------------------------- */

static void join(vclock_t *into, const vclock_t *from) {
  int i;
  for (i = 0; i <= MC_THREADS; i++)
    if (from->at[i] > into->at[i]) into->at[i] = from->at[i];
}

static place_t *place_of(const void *addr) {
  size_t i = ((uintptr_t)addr >> 2) * 2654435761u % PLACES;
  while (places[i].addr != addr && places[i].addr != NULL) i = (i + 1) % PLACES;
  if (places[i].addr == NULL) {
    places[i].addr = addr;
    places[i].touched_by = -1;
  }
  return &places[i];
}

static uint64_t read_memory(const void *addr, unsigned size) {
  uint32_t four;
  uint64_t eight;
  if (size == 4) {
    memcpy(&four, addr, 4);
    return four;
  }
  memcpy(&eight, addr, 8);
  return eight;
}

static void write_memory(void *addr, unsigned size, uint64_t value) {
  uint32_t four = (uint32_t)value;
  memcpy(addr, size == 4 ? (void *)&four : (void *)&value, size);
}

static void store(const stored_t *s) {
  place_t *p = place_of(s->addr);
  write_memory(s->addr, s->size, s->value);
  if (s->releases)
    p->released = s->clock;
  else
    memset(&p->released, 0, sizeof p->released);
}

static void flush_one(thread_t *t) {
  store(&t->buffer[0]);
  t->buffered--;
  memmove(&t->buffer[0], &t->buffer[1], t->buffered * sizeof t->buffer[0]);
}

void mc_touch(const void *obj) {
  place_t *p = place_of(obj);
  int by = p->touched_by, me = self >= 0 ? self : MC_THREADS;
  if (self >= 0 && by >= 0 && by != me &&
      threads[self].clock.at[by] < p->touched_at)
    mc_fail("race: used by thread %d, then by %d, without order", by, self);
  p->touched_by = me;
  p->touched_at = self >= 0 ? threads[self].clock.at[me] : 0;
}

/* ---- the scheduler ------------------------------------------------------ */

static int can_run(int i) {
  thread_t *t = &threads[i];
  return !t->done && (t->ready == NULL || t->ready(t->arg));
}

typedef struct move {
  int thread, flush;
} move_t;

/* What may come next; the first is to go on with the thread that runs. */
static unsigned moves_of(move_t *m) {
  unsigned n = 0;
  int i, go_on = self >= 0 && can_run(self);
  if (go_on) m[n++] = (move_t){self, 0};
  if (!go_on || preemptions > 0)
    for (i = 0; i < num_threads; i++)
      if (i != self && can_run(i)) m[n++] = (move_t){i, 0};
  for (i = 0; i < num_threads; i++)
    if (threads[i].buffered > 0) m[n++] = (move_t){i, 1};
  return n;
}

/* Picks who goes on; comes back when that is the caller. */
static void schedule(void) {
  int me = self;
  for (;;) {
    move_t moves[2 * MC_THREADS];
    unsigned n = moves_of(moves);
    move_t m;
    if (n == 0) leave(); /* all have ended, or all wait */
    m = moves[mc_choose(n)];
    if (m.flush) {
      flush_one(&threads[m.thread]);
      continue;
    }
    if (m.thread != me && can_run(me)) preemptions--;
    threads[m.thread].ready = NULL;
    if (m.thread == me) return;
    self = m.thread;
    swapcontext(&threads[me].context, &threads[m.thread].context);
    return;
  }
}

void mc_wait(int (*ready)(void *), void *arg) {
  threads[self].ready = ready;
  threads[self].arg = arg;
  schedule();
}

void mc_point(void) {
  if (self >= 0) schedule();
}

static int is_free(void *word) { return *(uint32_t *)word == 0; }

void mc_lock(uint32_t *word) {
  if (self >= 0) {
    thread_t *t = &threads[self];
    mc_wait(is_free, word);
    while (t->buffered > 0) flush_one(t);
    join(&t->clock, &place_of(word)->released);
  }
  *word = 1;
}

/* No switch before it: who runs there, only waits for the lock. */
void mc_unlock(uint32_t *word) {
  if (self >= 0) {
    thread_t *t = &threads[self];
    while (t->buffered > 0) flush_one(t);
    join(&place_of(word)->released, &t->clock);
    t->clock.at[self]++;
  }
  *word = 0;
}

static void entry(int i) {
  model->threads[i]();
  threads[i].done = 1;
  schedule();
  abort();
}

/* ---- operations --------------------------------------------------------- */

static int acquires(mc_order_t o) { return o == MC_ACQ || o >= MC_AR; }
static int releases(mc_order_t o) { return o >= MC_REL; }

static uint64_t result_of(const mc_op_t *op, uint64_t old) {
  switch (op->kind) {
    case MC_ADD:
      return old + op->value;
    case MC_SUB:
      return old - op->value;
    case MC_OR:
      return old | op->value;
    case MC_AND:
      return old & op->value;
    default:
      return op->value;
  }
}

static uint64_t do_load(thread_t *t, const mc_op_t *op) {
  unsigned i;
  for (i = t->buffered; i-- > 0;)
    if (t->buffer[i].addr == op->addr) return t->buffer[i].value;
  if (acquires(op->order)) join(&t->clock, &place_of(op->addr)->released);
  return read_memory(op->addr, op->size);
}

static void do_store(thread_t *t, const mc_op_t *op, uint64_t value) {
  stored_t s = {op->addr, op->size, value, t->clock, releases(op->order)};
  if (model->tso && t->buffered == BUFFER) mc_fail("store buffer too small");
  if (model->tso)
    t->buffer[t->buffered++] = s;
  else
    store(&s);
  t->clock.at[self]++;
}

static int fails_for_nothing(const mc_op_t *op) {
  if (!op->weak || !model->spurious || spurious == 0 || mc_choose(2) == 0)
    return 0;
  spurious--;
  return 1;
}

static uint64_t do_rmw(thread_t *t, const mc_op_t *op, int *ok) {
  place_t *p = place_of(op->addr);
  uint64_t old;
  while (t->buffered > 0) flush_one(t);
  old = read_memory(op->addr, op->size);
  if (acquires(op->order)) join(&t->clock, &p->released);
  if (op->kind == MC_CAS && (old != op->expected || fails_for_nothing(op))) {
    *ok = 0;
    return old;
  }
  *ok = 1;
  if (releases(op->order)) join(&p->released, &t->clock);
  write_memory(op->addr, op->size, result_of(op, old));
  t->clock.at[self]++;
  return old;
}

static uint64_t do_split(thread_t *t, mc_op_t *op, int *ok) {
  uint64_t old = do_load(t, op);
  *ok = op->kind != MC_CAS || old == op->expected;
  if (!*ok) return old;
  schedule();
  do_store(t, op, result_of(op, old));
  return old;
}

/* In setup and check: no threads, no choices. */
static uint64_t alone(const mc_op_t *op, int *ok) {
  uint64_t old = read_memory(op->addr, op->size);
  *ok = op->kind != MC_CAS || old == op->expected;
  if (*ok && op->kind != MC_LOAD)
    write_memory(op->addr, op->size, result_of(op, old));
  return old;
}

uint64_t mc_atomic(mc_op_t op, int *ok) {
  int done = 1;
  uint64_t old = 0;
  if (ok == NULL) ok = &done;
  if (self < 0) return alone(&op, ok);
  if (model->mutate != NULL) model->mutate(&op);
  schedule();
  if (op.kind == MC_LOAD)
    old = do_load(&threads[self], &op);
  else if (op.kind == MC_STORE)
    do_store(&threads[self], &op, op.value);
  else if (op.split)
    old = do_split(&threads[self], &op, ok);
  else
    old = do_rmw(&threads[self], &op, ok);
  if (num_events == EVENTS) mc_fail("no end: too many operations");
  events[num_events++] = (event_t){self, op, old, *ok};
  if (model->after && op.kind == MC_CAS && *ok) schedule();
  return old;
}

/* ---- runs --------------------------------------------------------------- */

static void prepare(int i) {
  thread_t *t = &threads[i];
  memset(t, 0, sizeof *t);
  t->clock.at[i] = 1;
  if (stacks[i] == NULL) stacks[i] = malloc(STACK);
  getcontext(&t->context);
  t->context.uc_stack.ss_sp = stacks[i];
  t->context.uc_stack.ss_size = STACK;
  t->context.uc_link = NULL;
  makecontext(&t->context, (void (*)(void))entry, 1, i);
}

static void find_deadlock(void) {
  int i;
  if (model->rests != NULL && model->rests()) return;
  for (i = 0; i < num_threads; i++)
    if (!threads[i].done && failure[0] == 0)
      snprintf(failure, sizeof failure, "deadlock: thread %d waits for ever",
               i);
}

static void run_once(void) {
  unsigned first;
  int i;
  depth = num_events = 0;
  preemptions = model->preemptions - (model->finds == NULL ? MC_LESS : 0);
  spurious = 1;
  failure[0] = 0;
  memset(places, 0, sizeof places);
  for (i = 0; i < num_threads; i++) prepare(i);
  model->setup();
  first = mc_choose((unsigned)num_threads);
  self = (int)first;
  swapcontext(&outside, &threads[first].context);
  self = -1;
  if (failure[0] == 0) find_deadlock();
  if (failure[0] == 0 && model->check != NULL && setjmp(in_check) == 0)
    model->check();
}

/* The next list of choices; 0: all were tried. */
static int next_run(void) {
  while (num_choices > 0) {
    if (++choices[num_choices - 1].taken < choices[num_choices - 1].of)
      return 1;
    num_choices--;
  }
  return 0;
}

static void print_trace(void) {
  static const char *const kinds[] = {"load", "store", "swap", "add",
                                      "sub",  "or",    "and",  "cas"};
  static const char *const orders[] = {"rlx", "acq", "rel", "ar", "sc"};
  int i;
  for (i = 0; i < num_events; i++) {
    const event_t *e = &events[i];
    fprintf(stderr, "  %d %*s%s: %s_%s %p: %#llx %s %#llx%s\n", e->thread,
            e->thread * 4, "", e->op.func, kinds[e->op.kind],
            orders[e->op.order], e->op.addr, (unsigned long long)e->before,
            e->op.kind == MC_LOAD ? "" : "<-", (unsigned long long)e->op.value,
            e->ok ? "" : " failed");
  }
}

/* Answers whether it went as it should. */
static int run_model(const mc_model_t *m) {
  unsigned long runs = 0;
  model = m;
  num_choices = 0;
  for (num_threads = 0; num_threads < MC_THREADS && m->threads[num_threads];)
    num_threads++;
  do {
    run_once();
    runs++;
  } while (failure[0] == 0 && next_run());
  if (getenv("MC_VERBOSE") != NULL)
    printf("%9lu runs: %s%s%s\n", runs, m->name, failure[0] ? ": " : "",
           failure);
  if (m->finds == NULL && failure[0] == 0) return 1;
  if (m->finds != NULL && strstr(failure, m->finds) != NULL) return 1;
  if (m->finds != NULL && failure[0] == 0) {
    fprintf(stderr, "%s: %lu runs, but the seeded bug was not found\n",
            m->name, runs);
    return 0;
  }
  fprintf(stderr, "%s: %s (run %lu)\n", m->name, failure, runs);
  print_trace();
  return 0;
}

int mc_main(const mc_model_t *models, int n) {
  int i, passed = 0;
  for (i = 0; i < n; i++) passed += run_model(&models[i]);
  for (i = 0; i < MC_THREADS; i++) free(stacks[i]);
  printf("%d passed, %d failed\n", passed, n - passed);
  return passed == n ? 0 : 1;
}
