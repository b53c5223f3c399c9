/* join.h - JoinHandle, of moved and of local tasks. */
#ifndef RTHL_JOIN_H
#define RTHL_JOIN_H

#include "lua/failure.h"
#include "lua/fiber.h"

typedef struct rthL_JoinOp rthL_JoinOp;

typedef enum rthL_JoinState {
  RTHL_J_PENDING,
  RTHL_J_RAW,       /* ended; `out` is still as the core gave it */
  RTHL_J_VALUES,    /* user value 1: the value, or a table of `n` */
  RTHL_J_WATCH,     /* local, failed: user value 1 is the watch */
  RTHL_J_CANCELLED, /* nobody asked for the JoinError yet */
  RTHL_J_ERROR,     /* user value 1: the JoinError */
  RTHL_J_MOVED      /* empty */
} rthL_JoinState;

/* What a new task is called, and where it was spawned: stack indices of
** strings.  0: not known. */
typedef struct rthL_Tags {
  int name, where;
} rthL_Tags;

/* Begin of the payload of a JoinHandle.  User value 1: see the states; user
** value 2, where `named`: the name of the task; 3, where `placed` (local ones):
** where it was spawned. */
typedef struct rthL_Join {
  union {
    rth_join_t *core; /* owned; NULL: nothing to ask the core any more */
    struct rthL_Task **from; /* fresh: who points to it */
  } u;
  rthL_JoinOp *head; /* who waits, in order; the first one's waker is the
                        core's where the task was moved */
  rthL_JoinOp *last; /* good while head is not NULL */
  uint64_t id;
  int n;             /* VALUES: how many */
  uint8_t state;     /* an rthL_JoinState */
  uint8_t local : 1; /* it is an rthL_Task, else an rthL_Remote */
  uint8_t named : 1, placed : 1;
  uint8_t cancelled : 1; /* ERROR: that of a cancelled task */
  uint8_t held : 1, fresh : 1; /* local: see rthL_Task */
  uint8_t here : 1;  /* local: it runs inside an await */
} rthL_Join;

/* The JoinHandle of a task that was moved. */
typedef struct rthL_Remote {
  rthL_Join join;
  void *out; /* RAW: a message, or a failure */
  rth_poll_t how;
} rthL_Remote;

/* A task of this Lua state and its JoinHandle in one.  The coroutine has the
** userdata at the bottom of its stack, so it lives as long as the task.  A
** stack's bottom cannot be reached while it is suspended or failed: so once
** it suspends, the table of coroutines has the userdata in its place, and
** user value 1 the coroutine (`held`).
** A task that a fiber spawns is `fresh` until that fiber suspends: the core
** has not heard of it, and never will if it is awaited, and ends, before.
** Fresh ones are linked: the next one stands in place of fiber.op. */
typedef struct rthL_Task {
  rthL_Join join;
  rthL_Fiber fiber;
} rthL_Task;

/* Pushes a JoinHandle without a core.  The name is at index `name`; 0: none.
** Raises. */
rthL_Remote *rthL_join_new(lua_State *L, rthL_State *S, int name);
/* Whether its task has ended with a failure (and was not just cancelled).
** Asks the core, which wakes all who wait. */
int rthL_join_failed(rthL_Join *j);
/* Whether it was cancelled.  Asks nobody. */
static inline int rthL_join_cancelled(const rthL_Join *j) {
  return j->state == RTHL_J_CANCELLED ||
         (j->state == RTHL_J_ERROR && j->cancelled);
}
/* It ended: wakes all who wait. */
void rthL_join_wake(rthL_Join *j);
/* Pushes the name of the task of the JoinHandle at idx; answers it, or
** NULL. */
const char *rthL_join_pushname(lua_State *L, rthL_Join *j, int idx);
/* What there is to say of it; pushes two values that keep the strings. */
rthL_Who rthL_join_who(lua_State *L, rthL_Join *j, int idx);

/* Pushes its outcome, which is there, as `join` or as `await` gives it; the
** latter raises a failure.  The JoinHandle is at index 1.  Raises (memory). */
int rthL_join_push(lua_State *L, rthL_State *S, rthL_Join *j, int joining);
/* The core's task, which a local one gets here where it had none; NULL: it has
** ended, or the runtime has.  Never raises. */
rth_join_t *rthL_join_core(rthL_State *S, rthL_Join *j);

/* Aborts its task.  Never raises. */
void rthL_join_stop(rthL_State *S, rthL_Join *j);
/* Pushes an AbortHandle.  Raises (memory). */
int rthL_pushabort(lua_State *L, rthL_State *S, rthL_Join *j);

/* A watch: who waits without an operation that is polled.  Pushes one, a
** userdata that must live as long as it watches. */
void rthL_join_newwatch(lua_State *L);
/* Consumes w, and wakes it when the task of j has ended. */
void rthL_join_watch(rthL_State *S, rthL_Join *j, rthL_JoinOp *o,
                     rth_waker_t *w);
void rthL_join_unwatch(rthL_State *S, rthL_JoinOp *o); /* wakes no more */
/* Pushes true and the values, or false and the JoinError, of the JoinHandle at
** index 1, whose task has ended. */
int rthL_join_outcome(lua_State *L, rthL_State *S);

/* ---- local tasks -------------------------------------------------------- */

/* spawn_local: the function at index f and what follows.  Pushes the
** JoinHandle. */
int rthL_spawn_local(lua_State *L, rthL_State *S, rth_handle_t *h, int f,
                     rthL_Tags tags);
/* Whether one of h, spawned here, runs while this code waits: a task's thread
** is in a block_on of one runtime, and runs no local tasks of another. */
int rthL_local_runs(const rthL_State *S, const rth_handle_t *h);
/* Raises: this code would wait for one that does not. */
int rthL_local_refuse(lua_State *L);
/* Gives the core, for executor l, all fresh tasks.  Never raises. */
void rthL_local_flush(rthL_State *S, rth_local_t *l);
/* Gives it one that runs inside an await. */
void rthL_local_give(rthL_State *S, rthL_Task *t, rth_local_t *l);
/* Cancels a fresh task. */
void rthL_local_forget(rthL_State *S, rthL_Task *t);
/* Runs a task that was not started yet right here, in the await of another
** one of its executor: its JoinHandle is at index 1 of the running coroutine.
** READY: it ended. */
rth_poll_t rthL_local_run_here(rthL_State *S, rthL_Task *t, rth_cx_t *cx);
/* Pushes the JoinError of a failed local task; the watch is on top of the
** stack, and replaced. */
void rthL_watch_see(lua_State *L, rthL_State *S);

void rthL_open_join(lua_State *L, rthL_State *S);
void rthL_open_abort(lua_State *L, rthL_State *S);
void rthL_open_local(lua_State *L, rthL_State *S);

#endif
