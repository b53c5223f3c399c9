/* compiler.h - what the compiler is told: visibility, hints, checks. */
#ifndef RTH_COMPILER_H
#define RTH_COMPILER_H

#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE /* pthread_setname_np, sched_getaffinity, ppoll, eventfd */
#endif

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define RTH_CACHE_LINE 64
#define RTH_ALIGNED(n) __attribute__((aligned(n)))
#define RTH_LIKELY(x) __builtin_expect(!!(x), 1)
#define RTH_UNLIKELY(x) __builtin_expect(!!(x), 0)

#define rth__container_of(ptr, type, member) \
  ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* A broken invariant: says where, and ends the process. */
#define RTH_BUG(text)                                                         \
  (fprintf(stderr, "rthandle: broken invariant: %s (%s:%d)\n", text, __FILE__, \
           __LINE__),                                                         \
   abort())
#define RTH_CHECK(cond) ((cond) ? (void)0 : RTH_BUG(#cond))

/* The same for checks too dear for release builds. */
#if defined(RTH_DEBUG)
#define RTH_ASSERT(cond) RTH_CHECK(cond)
#else
#define RTH_ASSERT(cond) ((void)0)
#endif

/* Spinning: tells the processor. */
static inline void rth__cpu_relax(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ __volatile__("yield");
#endif
}

#endif
