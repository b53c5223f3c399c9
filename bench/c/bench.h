/* bench.h - what the programs of the C suite share: a runtime, a semaphore for
** the thread that measures, and the measuring.  `PROGRAM NAME WORKERS` runs one
** benchmark and prints `NAME value ns`, the median time of one operation.
*/
#ifndef BENCH_H
#define BENCH_H

#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "rthandle.h"

#define MS UINT64_C(1000000)
#define WARM_UP (100 * MS)
#define MEASURE (400 * MS)
#define MAX_ROUNDS 100000

static rth_runtime_t *runtime;
static rth_handle_t *handle;
static int left;   /* tasks of this round that still run */
static sem_t done; /* what the std channel is to the Rust side */

static void check(int code) {
  if (code == 0) return;
  fprintf(stderr, "bench: %s\n", rth_strerror(code));
  exit(1);
}

static uint64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000 * MS + (uint64_t)t.tv_nsec;
}

static void finish_one(void) {
  if (__atomic_fetch_sub(&left, 1, __ATOMIC_RELAXED) == 1) sem_post(&done);
}

static void start(int n) { __atomic_store_n(&left, n, __ATOMIC_RELAXED); }

static void wait_done(void) {
  while (sem_wait(&done) != 0) continue;
}

static void spawn(const rth_future_ops_t *ops, const void *self, size_t size) {
  check(rth_spawn(handle, ops, self, size, 0, NULL));
}

static void block_on(const rth_future_ops_t *ops, void *self) {
  rth_outcome_t o;
  check(rth_runtime_block_on(runtime, ops, self, &o));
  if (o.how != RTH_READY) abort();
}

/* ---- measuring ------------------------------------------------------------- */

struct bench {
  const char *name;
  int ops; /* in one round */
  void (*round)(void);
};

static int by_size(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return (x > y) - (x < y);
}

/* Median time of one operation, in ns. */
static double measure(const struct bench *b) {
  static uint64_t times[MAX_ROUNDS];
  size_t n = 0;
  uint64_t begin = now();
  while (now() - begin < WARM_UP) b->round();
  begin = now();
  while (n < MAX_ROUNDS && (n < 5 || now() - begin < MEASURE)) {
    uint64_t at = now();
    b->round();
    times[n++] = now() - at;
  }
  qsort(times, n, sizeof times[0], by_size);
  return (double)times[n / 2] / b->ops;
}

static const struct bench *find(const struct bench *all, size_t n,
                                const char *name) {
  for (size_t i = 0; i < n; i++)
    if (strcmp(all[i].name, name) == 0) return &all[i];
  return NULL;
}

static int bench_main(const struct bench *all, size_t n, int argc,
                      char **argv) {
  const struct bench *b = argc == 3 ? find(all, n, argv[1]) : NULL;
  rth_options_t o;
  if (b == NULL) return fprintf(stderr, "usage: %s NAME WORKERS\n", argv[0]), 2;
  rth_options_init(&o);
  if (strncmp(b->name, "current_", 8) == 0) o.flavor = RTH_CURRENT_THREAD;
  else o.worker_threads = (unsigned)atoi(argv[2]);
  sem_init(&done, 0, 0);
  check(rth_runtime_new(&o, &runtime));
  handle = rth_runtime_handle(runtime);
  printf("%s %.1f ns\n", b->name, measure(b));
  check(rth_runtime_shutdown(runtime, RTH_FOREVER));
  rth_runtime_free(runtime);
  sem_destroy(&done);
  return 0;
}

#endif
