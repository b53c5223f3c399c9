/* mc.h - a model checker: runs small programs of a few threads through every
** interleaving of their atomic operations.
**
**   static const mc_model models[] = {
**     {.name = "...", .setup = f, .threads = {a, b}, .check = g}, ...};
**   int main(void) { return mc_main(models, N); }
**
** A model compiles the sources that it checks with -DRTH_MODEL: then
** base/atomic.h takes its operations from model_atomic.h, and each is a point
** where the checker may switch threads.  `setup` and `check` run alone, before
** and after.  What threads share besides atomics is checked with mc_touch.
**
** What it explores
**   - all schedules with at most `preemptions` switches away from a thread
**     that could have gone on (a thread that waits or ends costs nothing);
**   - tso: stores stay in a buffer of their thread until it does a
**     read-modify-write or the checker lets them out, as on x86;
**   - one failure for nothing of a weak cas in each run, where `spurious`;
**   - after: a switch right behind a cas that was done, too, so that plain
**     accesses behind it are apart from it.
** What it finds
**   - mc_fail and MC_ASSERT, everybody waiting ("deadlock": a lost wake-up),
**     no end, and touches without a happens-before edge between them: orders
**     that are named too weakly are found although the runs are sequentially
**     consistent (or TSO).
** A model with `finds` is a seeded bug: `mutate` spoils operations as they
** come, and the checker must find a failure whose text contains `finds`. */
#ifndef MC_H
#define MC_H

#include <stddef.h>
#include <stdint.h>

enum { MC_THREADS = 4 };

typedef enum mc_kind {
  MC_LOAD,
  MC_STORE,
  MC_SWAP,
  MC_ADD,
  MC_SUB,
  MC_OR,
  MC_AND,
  MC_CAS
} mc_kind_t;

typedef enum mc_order { MC_RLX, MC_ACQ, MC_REL, MC_AR, MC_SC } mc_order_t;

typedef struct mc_op {
  const char *func; /* where it stands */
  mc_kind_t kind;
  mc_order_t order;
  int weak;  /* cas */
  int split; /* a mutation: the read-modify-write is a load and a store */
  void *addr;
  unsigned size;
  uint64_t value;    /* to store, add, …; new value of a cas */
  uint64_t expected; /* cas */
} mc_op_t;

typedef struct mc_model {
  const char *name;
  void (*setup)(void);
  void (*threads[MC_THREADS])(void);
  void (*check)(void); /* or NULL */
  int (*rests)(void);  /* whether it is well that all wait; NULL: never */
  int preemptions;
  int tso;
  int spurious;
  int after;
  void (*mutate)(mc_op_t *op);
  const char *finds;
} mc_model_t;

int mc_main(const mc_model_t *models, int n);

/* One atomic operation; *ok: whether a cas was done.  The value before. */
uint64_t mc_atomic(mc_op_t op, int *ok);

/* A choice of the environment: 0 … n-1, all are tried. */
unsigned mc_choose(unsigned n);

/* Blocks until ready(arg), a function without effects. */
void mc_wait(int (*ready)(void *), void *arg);

/* A point where threads may switch: before a system call, say. */
void mc_point(void);

/* A lock; the word is 0 while it is free. */
void mc_lock(uint32_t *word);
void mc_unlock(uint32_t *word);

/* This thread uses `obj` as its own: everything that others did with it must
** have happened before. */
void mc_touch(const void *obj);

int mc_self(void); /* number of the thread; -1 in setup and check */

/* Ends the run.  Not in setup. */
__attribute__((noreturn, format(printf, 1, 2))) void mc_fail(const char *f,
                                                             ...);
#define MC_ASSERT(cond) \
  ((cond) ? (void)0 : mc_fail("not true: %s (line %d)", #cond, __LINE__))

#endif
