/* failure.h - how a task failed, apart from any Lua state; and JoinError. */
#ifndef RTHL_FAILURE_H
#define RTHL_FAILURE_H

#include "lua/fiber.h"
#include "lua/move.h"

/* What a failed or cancelled task leaves.  Counted, never changed. */
typedef struct rthL_Failure {
  rth_counter_t refs;
  uint64_t id;
  rthL_Message *value;   /* the error, encoded; NULL: take the message */
  rth_counter_t decoded; /* by so many states */
  const char *message;   /* one line */
  const char *rest;      /* further lines of the error; may be empty */
  const char *traceback; /* may be empty */
  uint8_t cancelled;
  uint8_t quiet;         /* of a runtime that reports none */
} rthL_Failure;

/* What a failure says of its task. */
typedef struct rthL_Who {
  uint64_t id;
  const char *name;  /* NULL: none */
  const char *where; /* file and line that spawned it; NULL: not noted */
} rthL_Who;

/* Makes one of the error at `err` and a traceback string (or nil) at `tb`.
** Raises. */
rthL_Failure *rthL_failure_new(lua_State *L, rthL_State *S, int err, int tb,
                               const rthL_Who *who);
/* The one of a cancelled task.  Raises (memory). */
rthL_Failure *rthL_failure_cancelled(lua_State *L, const rthL_Who *who);
/* One for lack of memory; shared, never freed.  quiet: not to be reported. */
rthL_Failure *rthL_failure_nomemory(int quiet);
void rthL_failure_free(rthL_Failure *f); /* One reference.  Thread: any */

/* The failure of a fiber whose error is on top of its coroutine.  Leaves the
** error on top of L.  Raises. */
rthL_Failure *rthL_failure_of(lua_State *L, rthL_State *S, rthL_Fiber *f,
                              const rthL_Who *who);

/* Failures are counted, in the whole process, when made and when somebody
** sees them, so that a wait knows when to look for dropped JoinHandles.
** All: Thread: any. */
void rthL_failure_made(void);
void rthL_failure_seen(void);
/* A JoinHandle that was dropped is only noticed by a collection: makes one if
** a task failed since the last, and nobody saw it.  Answers when (rth_now) to
** look again at the latest, or RTH_FOREVER.  Thread: the state's. */
uint64_t rthL_look_for_failures(rthL_State *S);
/* The same before a thread waits or sleeps: somebody may wait for a sender that
** was dropped here to be closed, and a JoinHandle may have been dropped whose
** task is yet to fail.  So while this state has such, each that was dropped is
** found a second after the last code that ran here, or ten times as long as a
** collection takes, whichever is later. */
uint64_t rthL_look_for_dropped(rthL_State *S);

/* Nobody will see f: reports it, unless quiet.  Borrows f. */
void rthL_failure_unseen(const rthL_Failure *f, int quiet);

/* Pushes the JoinError of f.  The error value is on top of the stack when
** has_value, and replaced by the JoinError; else it is decoded.  Consumes f
** unless it raises. */
void rthL_pushjoinerror(lua_State *L, rthL_State *S, rthL_Failure *f,
                        int has_value);
/* The same for a failure that comes later, when nothing can raise any more:
** the caller stores it in what this answers.  The error value is on top of
** the stack, and replaced.  Raises (memory). */
rthL_Failure **rthL_newjoinerror(lua_State *L, rthL_State *S);

void rthL_open_failure(lua_State *L, rthL_State *S);

#endif
