/* fault.h - named places where a test makes the system refuse.
**
** Memory has its own seam (mem.h).  These are the refusals that a test cannot
** bring about from outside: a superuser has no limit of threads, say. */
#ifndef RTH_FAULT_H
#define RTH_FAULT_H

enum rth__fault {
  RTH_FAULT_THREAD,
  RTH_FAULT_WAKE_FD,
  RTH_FAULT_LOOP,
  RTH_FAULT_COUNT
};

/* Lets the next `skip` calls pass at this place, then fails `n` of them
** (-1: all).  Thread: any, before the calls.  Test builds and release builds
** alike: one relaxed load on a path that makes a system call. */
void rth__fault_set(enum rth__fault at, int skip, int n);
int rth__fault(enum rth__fault at); /* whether to fail now */

#endif
