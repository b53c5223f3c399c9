/* loop.h - the libuv loop of one executor, made when it first waits for I/O.
*/
#ifndef RTH_LOOP_H
#define RTH_LOOP_H

#include <uv.h>

#include "base/compiler.h"
#include "rthandle.h"

/* Something that has handles on a loop.  Embedded in it; owner only. */
typedef struct rth__rider {
  struct rth__rider *next, **pprev;
  /* The runtime closes: lets who waits look again.  Closes nothing. */
  void (*wake)(struct rth__rider *r);
  /* The loop is about to close: takes its handles off (uv_close). */
  void (*leave)(struct rth__rider *r);
} rth__rider_t;

typedef struct rth__loop {
  uv_loop_t uv;
  rth__rider_t *riders;
  unsigned events;  /* since the turn began */
  unsigned closing; /* handles whose memory waits for uv_close to call back */
  int changed;      /* since the last turn: what libuv has not told epoll */
  void *spare;      /* a buffer that the next read may take; or NULL */
} rth__loop_t;

/* Fails: RTH_ENOMEM, RTH_EMFILE or the system's code. */
int rth__loop_new(rth__loop_t **out);
/* Every rider leaves.  Thread: owner. */
void rth__loop_free(rth__loop_t *l);

void rth__loop_add(rth__loop_t *l, rth__rider_t *r);
void rth__loop_remove(rth__loop_t *l, rth__rider_t *r);

/* Ready to read: a turn has something to do. */
static inline int rth__loop_fd(const rth__loop_t *l) {
  return uv_backend_fd(&l->uv);
}
/* Handles what is there, without waiting; answers how many events came.
** Thread: owner; not from inside a callback of the loop. */
unsigned rth__loop_turn(rth__loop_t *l);
/* Lets everyone who waits look again: the runtime closes. */
void rth__loop_wake_all(rth__loop_t *l);

/* The loop of an executor; the first call makes it.  Defined in sched/, which
** knows what an executor is.  Thread: owner.  Fails: as rth__loop_new. */
int rth__local_loop(rth_local_t *l, rth__loop_t **out);

#endif
