/* thread - threads, locks and conditions of the system.
**
** WHY      POSIX directly: libuv's wrappers abort where the system refuses,
**          and its conditions give no monotonic deadline.
** THREADS  any.
*/
#include "base/thread.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/mem.h"
#include "rthandle.h"

/* ---- locks -------------------------------------------------------------- */

#if defined(RTH_DEBUG)
static _Thread_local unsigned held_ranks; /* one bit a rank */

static void rank_enter(enum rth__rank r) {
  RTH_CHECK((held_ranks >> r) == 0);
  held_ranks |= 1u << r;
}
static void rank_leave(enum rth__rank r) { held_ranks &= ~(1u << r); }
#else
static void rank_enter(enum rth__rank r) { (void)r; }
static void rank_leave(enum rth__rank r) { (void)r; }
#endif

void rth__mutex_init(rth__mutex_t *m, enum rth__rank rank) {
  RTH_CHECK(pthread_mutex_init(&m->m, NULL) == 0);
  m->rank = rank;
}

void rth__mutex_destroy(rth__mutex_t *m) { pthread_mutex_destroy(&m->m); }

void rth__mutex_lock(rth__mutex_t *m) {
  rank_enter(m->rank);
  pthread_mutex_lock(&m->m);
}

void rth__mutex_unlock(rth__mutex_t *m) {
  pthread_mutex_unlock(&m->m);
  rank_leave(m->rank);
}

void rth__assert_held(rth__mutex_t *m) {
#if defined(RTH_DEBUG)
  RTH_CHECK(held_ranks & (1u << m->rank));
#else
  (void)m;
#endif
}

void rth__cond_init(rth__cond_t *c) {
#if defined(__APPLE__)
  RTH_CHECK(pthread_cond_init(&c->c, NULL) == 0);
#else
  pthread_condattr_t a;
  RTH_CHECK(pthread_condattr_init(&a) == 0);
  RTH_CHECK(pthread_condattr_setclock(&a, CLOCK_MONOTONIC) == 0);
  RTH_CHECK(pthread_cond_init(&c->c, &a) == 0);
  pthread_condattr_destroy(&a);
#endif
}

void rth__cond_destroy(rth__cond_t *c) { pthread_cond_destroy(&c->c); }

void rth__cond_wait(rth__cond_t *c, rth__mutex_t *m) {
  rth__assert_held(m);
  pthread_cond_wait(&c->c, &m->m);
}

int rth__cond_wait_until(rth__cond_t *c, rth__mutex_t *m, uint64_t deadline) {
  struct timespec ts;
  uint64_t t = deadline;
  rth__assert_held(m);
#if defined(__APPLE__)
  {
    uint64_t now = rth_now();
    t = deadline > now ? deadline - now : 0;
    ts.tv_sec = (time_t)(t / RTH_SECOND);
    ts.tv_nsec = (long)(t % RTH_SECOND);
    return pthread_cond_timedwait_relative_np(&c->c, &m->m, &ts) == ETIMEDOUT
               ? RTH_EAGAIN
               : 0;
  }
#else
  ts.tv_sec = t / RTH_SECOND > INT_MAX ? INT_MAX : (time_t)(t / RTH_SECOND);
  ts.tv_nsec = (long)(t % RTH_SECOND);
  return pthread_cond_timedwait(&c->c, &m->m, &ts) == ETIMEDOUT ? RTH_EAGAIN
                                                                : 0;
#endif
}

void rth__cond_signal(rth__cond_t *c) { pthread_cond_signal(&c->c); }
void rth__cond_broadcast(rth__cond_t *c) { pthread_cond_broadcast(&c->c); }

/* ---- threads ------------------------------------------------------------ */

struct start {
  void (*main)(void *);
  void *arg;
  char name[16];
};

static void name_self(const char *name) {
#if defined(__APPLE__)
  pthread_setname_np(name);
#else
  pthread_setname_np(pthread_self(), name);
#endif
}

static void *thread_main(void *p) {
  struct start s = *(struct start *)p;
  rth__free(p);
  if (s.name[0] != '\0') name_self(s.name);
  s.main(s.arg);
  return NULL;
}

/* A stack the system would refuse is rounded up rather than rejected. */
static int set_stack(pthread_attr_t *a, size_t stack) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  size_t least = (size_t)PTHREAD_STACK_MIN;
  if (stack == 0) return 0;
  if (stack < least) stack = least;
  stack = (stack + page - 1) / page * page;
  return pthread_attr_setstacksize(a, stack);
}

int rth__thread_start(rth__thread_t *t, size_t stack, const char *name,
                      void (*main)(void *), void *arg) {
  struct start *s;
  pthread_attr_t attr;
  rth__signals_t signals;
  int err;
  if (rth__fault(RTH_FAULT_THREAD)) return RTH_EAGAIN;
  s = rth__zalloc(sizeof *s);
  if (s == NULL) return RTH_ENOMEM;
  s->main = main;
  s->arg = arg;
  if (name != NULL) memcpy(s->name, name, strnlen(name, sizeof s->name - 1));
  if (pthread_attr_init(&attr) != 0) {
    rth__free(s);
    return RTH_ENOMEM;
  }
  rth__signals_hold(&signals);
  err = set_stack(&attr, stack);
  if (err == 0) err = pthread_create(t, &attr, thread_main, s);
  rth__signals_release(&signals);
  pthread_attr_destroy(&attr);
  if (err == 0) return 0;
  rth__free(s);
  return err == ENOMEM ? RTH_ENOMEM : err == EINVAL ? RTH_EINVAL : RTH_EAGAIN;
}

void rth__thread_join(rth__thread_t t) { pthread_join(t, NULL); }
void rth__thread_detach(rth__thread_t t) { pthread_detach(t); }

void rth__signals_hold(rth__signals_t *s) {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &s->before);
}

void rth__signals_release(rth__signals_t *s) {
  pthread_sigmask(SIG_SETMASK, &s->before, NULL);
}

unsigned rth__processors(void) {
  long n;
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
    return (unsigned)CPU_COUNT(&set);
#endif
  n = sysconf(_SC_NPROCESSORS_ONLN);
  return n > 0 ? (unsigned)n : 1;
}

/* ---- fork --------------------------------------------------------------- */

static RTH_ATOMIC(unsigned) forks; /* relaxed: a child has one thread */
static pthread_once_t fork_once = PTHREAD_ONCE_INIT;

static void in_child(void) { (void)rth__add_rlx(&forks, 1); }
static void watch(void) { pthread_atfork(NULL, NULL, in_child); }

void rth__watch_forks(void) { pthread_once(&fork_once, watch); }
unsigned rth__forks(void) { return rth__load_rlx(&forks); }
