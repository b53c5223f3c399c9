/* fiber.h - a coroutine that the runtime runs: the body of a task, of
** block_on, or of a part of a task (the function of timeout).
**
** A fiber suspends on an operation.  Whoever polls the fiber polls that
** operation first and resumes the coroutine only when it is ready, so
** spurious wakes cost no resume.
*/
#ifndef RTHL_FIBER_H
#define RTHL_FIBER_H

#include "lua/state.h"

typedef struct rthL_Op rthL_Op;

typedef struct rthL_OpType {
  /* Answers READY when the waiting is over, however it ended; PENDING once
  ** the waker of cx is registered.  May not raise; runs no Lua but fibers.
  ** NULL, for one that never goes through rthL_await: it is ready. */
  rth_poll_t (*poll)(rthL_State *S, rthL_Op *op, rth_cx_t *cx);
  /* Nobody waits any more: deregisters.  Once, in place of finish; also for
  ** an operation that was never polled.  Answers 1 where what it had to close
  ** failed: the error is on top of `to`. */
  int (*cancel)(rthL_State *S, rthL_Op *op, lua_State *to);
  /* Pushes the results of a READY operation, or raises. */
  int (*finish)(lua_State *L, rthL_State *S, rthL_Op *op);
} rthL_OpType;

/* First member of each operation.  It is no memory of Lua: a script may close
** the coroutine that waits (coroutine.close), and the fiber still has it. */
struct rthL_Op {
  const rthL_OpType *type;
};

/* What few fibers need. */
typedef struct rthL_Extra {
  rthL_Enter *enter;  /* runtimes that the fiber has entered */
  rthL_Bound *bound;  /* its task-local values */
  lua_State **nested; /* rt.coroutines that run inside, outermost first */
  int nnested, cnested;
} rthL_Extra;

struct rthL_Fiber {
  lua_State *co;      /* NULL: none (not yet, or ended) */
  rthL_Op *op;        /* what it waits for; NULL: it has not started, or runs */
  rthL_Extra *extra;  /* NULL: not needed yet */
  int ref;            /* of co in the table of coroutines */
  uint8_t base;       /* values on its stack below the function */
  uint8_t started;
  uint8_t closing;    /* it may not suspend any more */
  uint8_t part;       /* it is an rthL_Part */
};

/* A fiber that is a part of another one: the function of timeout, say. */
typedef struct rthL_Part {
  rthL_Fiber fiber;
  rthL_Fiber *whole; /* NULL: plain code */
} rthL_Part;

/* The fiber that f is a part of, or NULL. */
static inline rthL_Fiber *rthL_whole(rthL_Fiber *f) {
  return f->part ? ((rthL_Part *)f)->whole : NULL;
}

typedef enum rthL_Run {
  RTHL_WAITS,
  RTHL_ENDED, /* its values are on top of co */
  RTHL_FAILED /* the error is on top of co */
} rthL_Run;

/* Takes a coroutine, new or used.  Fills *f.  Raises (memory). */
void rthL_fiber_open(lua_State *L, rthL_State *S, rthL_Fiber *f);
/* Moves the function and arguments from index `first` of L onto a new fiber.
** Raises; the fiber is released then. */
void rthL_fiber_load(lua_State *L, rthL_State *S, rthL_Fiber *f, int first);
/* Runs it until it waits or ends.  *n: how many values.  Raises never. */
rthL_Run rthL_fiber_run(rthL_State *S, rthL_Fiber *f, rth_cx_t *cx, int *n);
/* Ends a fiber that waits (or never started, or failed): leaves its operation,
** closes nested coroutines, innermost first, then its own.  Answers 1 where
** that failed: the error is on top of `to`, for which there is room.  cx: what
** it may use meanwhile; NULL: what there is. */
int rthL_fiber_cancel(rthL_State *S, rthL_Fiber *f, rth_cx_t *cx,
                      lua_State *to);
/* The same where there was no memory to see to an error: that is lost. */
void rthL_fiber_abandon(rthL_State *S, rthL_Fiber *f, rth_cx_t *cx);
/* Pushes the error of a FAILED fiber on L, after closing what is open; an
** error in that takes its place.  L has room for two. */
void rthL_fiber_error(lua_State *L, rthL_State *S, rthL_Fiber *f);
/* Gives the coroutine back.  It has ended or was cancelled; what is on its
** stack goes.  Never raises; may be called again. */
void rthL_fiber_release(rthL_State *S, rthL_Fiber *f);
/* Lets coroutines go that a burst of tasks left and nobody needs.  Called
** before each wait. */
void rthL_pool_age(rthL_State *S);

/* The extra part, made if need be.  Raises (memory). */
rthL_Extra *rthL_fiber_extra(lua_State *L, rthL_Fiber *f);

/* ---- waiting ------------------------------------------------------------ */

/* Waits for op; `return rthL_await(...)` from the C function.  In a fiber it
** suspends; in plain code it blocks the thread, on the executor of `h`. */
int rthL_await(lua_State *L, rthL_State *S, rthL_Op *op, rth_handle_t *h);

/* The same in a fiber, for an operation that was polled and is PENDING. */
int rthL_await_pending(lua_State *L, rthL_State *S, rthL_Op *op);

/* Whether this code, in a fiber, may suspend it. */
int rthL_may_suspend(lua_State *L, rthL_State *S);

/* Whether the polled task ends where it next suspends, for its runtime closes.
** What that ended is no answer to it: a wait that has no other suspends. */
static inline int rthL_ends(const rth_cx_t *cx) {
  return !cx->root && rth_handle_is_shutdown(cx->handle);
}
/* The same for code that looks before it waits. */
int rthL_ends_here(lua_State *L, rthL_State *S);

/* Whether the stock interpreter's SIGINT handler set its hook on the main
** thread since the wait began that S->hook is of. */
int rthL_interrupted(const rthL_State *S);
/* Lets that hook raise its error, out of the call that waited. */
int rthL_raise_interrupt(lua_State *L, rthL_State *S);

/* Lets everything else run once. */
int rthL_yield_now(lua_State *L);

/* What a coroutine of rt.coroutine yields to its resumer when the whole task
** suspends. */
extern const char rthL_suspend_mark;
#define RTHL_SUSPEND ((void *)(uintptr_t)&rthL_suspend_mark)

/* Runs a function (or waits for an awaitable) at index `first`, with the
** arguments after it, to its end on this plain thread, on h's executor.
** Pushes its values, or raises. */
int rthL_block_on(lua_State *L, rthL_State *S, rth_handle_t *h, int drive,
                  int first);

/* Turns an awaitable at index `first` into its function `await` and itself;
** leaves a function as it is; raises on anything else. */
void rthL_checkawaitable(lua_State *L, int first);

#endif
