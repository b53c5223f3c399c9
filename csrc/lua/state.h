/* state.h - what the module keeps for one Lua state, and the helpers that
** every file of the binding uses.
**
** One thread at a time runs a Lua state; everything here is that thread's.
*/
#ifndef RTHL_STATE_H
#define RTHL_STATE_H

#include "lauxlib.h"
#include "lua.h"
#include "rthandle.h"
#include "rthandle_sync.h"

typedef enum rthL_Type {
  RTHL_STATE,    /* first: so its __gc runs last */
  RTHL_RUNTIME,
  RTHL_HANDLE,
  RTHL_GUARD,    /* EnterGuard */
  RTHL_JOIN,     /* JoinHandle of a moved task */
  RTHL_LOCAL,    /* JoinHandle of a local task: has no __gc */
  RTHL_WATCH,    /* of the failure of a local task */
  RTHL_ABORT,
  RTHL_ERROR,    /* JoinError */
  RTHL_TRYERROR, /* TryCurrentError */
  RTHL_SLEEP,
  RTHL_ELAPSED,
  RTHL_INTERVAL,
  RTHL_JOINSET,
  RTHL_SCOPE,
  RTHL_LOCALKEY,
  RTHL_BOUND,    /* a task-local value */
  RTHL_SENDER,   /* rt.sync, from here on */
  RTHL_RECEIVER,
  RTHL_ONESHOT_TX,
  RTHL_ONESHOT_RX,
  RTHL_SEMAPHORE,
  RTHL_PERMIT,
  RTHL_MUTEX,
  RTHL_RWLOCK,
  RTHL_LOCKGUARD,
  RTHL_NOTIFY,
  RTHL_BARRIER,
  RTHL_TOKEN,
  RTHL_DROPGUARD,
  RTHL_BROADCAST_TX,
  RTHL_BROADCAST_RX,
  RTHL_WATCH_TX,
  RTHL_WATCH_RX,
  RTHL_ONCE,
  RTHL_ONCEDUTY,
  RTHL_STREAMWRITER, /* rt.net, from here on: in an order of its own */
  RTHL_TCPSTREAM,
  RTHL_UNIXSTREAM,
  RTHL_STREAMREADER,
  RTHL_TCPLISTENER,
  RTHL_UNIXLISTENER,
  RTHL_UDPSOCKET,
  RTHL_LOOKUP,
  RTHL_NTYPES
} rthL_Type;

typedef struct rthL_Fiber rthL_Fiber;
typedef struct rthL_Enter rthL_Enter;
typedef struct rthL_Bound rthL_Bound;

/* An executor that this state drives itself, for one runtime. */
typedef struct rthL_Executor {
  struct rthL_Executor *next;
  rth_local_t *local;   /* NULL: not needed yet */
  rth_handle_t *handle; /* owned */
  int drive;            /* bare waits drive the runtime: it was made here */
} rthL_Executor;

typedef struct rthL_Pooled {
  lua_State *co;
  int ref;
} rthL_Pooled;

typedef enum rthL_Ran {
  RTHL_REST,
  RTHL_RAN,
  RTHL_WAITED /* and has waited since */
} rthL_Ran;

typedef struct rthL_State {
  lua_State *L;        /* main thread of the Lua state */
  /* What runs now.  Saved and restored by whoever changes it. */
  rth_cx_t *cx;        /* of the poll that runs; NULL outside */
  rthL_Fiber *cur;     /* the fiber that runs; NULL: plain code */
  lua_State *running;  /* the coroutine that may suspend; NULL: none may */
  const void *ready;   /* the operation whose waiter is resumed now */
  int ccall;           /* running is NULL because of a C function's call */
  lua_State *from;     /* innermost thread known to run: for API calls */
  struct rthL_Task *fresh, **fresh_last; /* local tasks the core has not got */
  rthL_Enter *enter;   /* handles that plain code has entered */
  rthL_Bound *bound;   /* task-local values of plain code */
  unsigned depth;      /* of local tasks that run inside an await */

  rth_handle_t *home;  /* own states: their runtime (borrowed) */
  rth_local_t *executor; /* own states of workers: theirs (borrowed) */
  uint64_t task_id;    /* of the blocking function that runs; 0: none */
  rthL_Executor *executors;

  rthL_Pooled *pool;   /* coroutines to use again */
  int npool, cpool;
  int pool_idle;       /* the least npool since the pool was last aged */
  uint64_t pool_after; /* rth_now before which it is not aged again */
  struct Page *pages;  /* see block.c */
  rth_blocks_t blocks; /* for messages */
  rth_msg_t *held;     /* messages whose values are being made; see sync.c */
  int anchors;         /* reference of the table that holds coroutines */
  int module;          /* reference of the module table */
  int bindings;        /* and of all task-local values, by address */
  int stray;           /* and of the error of a yield out of a task */
  int mt[RTHL_NTYPES]; /* references of the metatables */
  const void *mtp[RTHL_NTYPES]; /* and their addresses */

  lua_Hook hook;       /* of the main thread when a wait began */
  uint64_t failures;   /* made, at the last look for dropped handles */
  uint64_t look_after; /* rth_now before which there is no other */
  /* Senders that nobody closed: see rthL_look_for_dropped. */
  uint64_t senders;       /* userdata of them, not yet finalized */
  uint64_t dropped;       /* finalized without being closed */
  uint64_t senders_after; /* rth_now before which nobody looks for more */
  uint64_t patience;      /* ns between two looks that find nothing */
  uint64_t handles;       /* JoinHandles and watches, not yet finalized */
  uint64_t handles_after; /* as senders_after */
  uint8_t ran;            /* Lua code, since the last look: an rthL_Ran */
  uint8_t own;         /* a state of a runtime */
  uint8_t closing;     /* lua_close has reached us */
  uint8_t interrupted; /* the last wait ended by Ctrl-C */
} rthL_State;

/* The state's context, in functions that the module registered. */
#define rthL_here(L) ((rthL_State *)lua_touserdata((L), lua_upvalueindex(1)))
/* Elsewhere; NULL where the module is not open.  Never raises. */
rthL_State *rthL_find(lua_State *L);

/* Makes the context and its table of coroutines.  Raises. */
rthL_State *rthL_state_open(lua_State *L);
/* What plain code leaves behind at the end of a blocking function. */
void rthL_state_reset(rthL_State *S);

/* ---- userdata ----------------------------------------------------------- */

/* Makes a metatable: pushes it; index 1 of `methods` may be NULL.  Raises. */
void rthL_type(lua_State *L, rthL_State *S, rthL_Type t, const char *name,
               const luaL_Reg *meta, const luaL_Reg *methods);
/* Pushes a zeroed userdata with its metatable.  Raises. */
void *rthL_new(lua_State *L, rthL_State *S, rthL_Type t, size_t size, int nuv);
/* The userdata at idx, or NULL.  Never raises. */
void *rthL_to(lua_State *L, rthL_State *S, int idx, rthL_Type t);
/* The same, or raises the usual argument error. */
void *rthL_check(lua_State *L, rthL_State *S, int idx, rthL_Type t);
/* Sets functions that find their context in their upvalue. */
void rthL_setfuncs(lua_State *L, rthL_State *S, const luaL_Reg *l);

/* ---- small things ------------------------------------------------------- */

/* lua_closethread of every 5.4: ends a coroutine, running what it has to
** close.  LUA_OK, or a status with the error on top of co. */
int rthL_closethread(lua_State *co, lua_State *from);

/* Writes one report to standard error, whole, in one call. */
void rthL_report(const char *format, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 1, 2)))
#endif
    ;

/* Raises: unknown <what> option 'key', with the nearest of n names if one is
** near.  The names are the first members of structs of `size` bytes. */
int rthL_unknown(lua_State *L, const char *what, const char *key,
                 const void *names, size_t size, int n);

/* Raises the text of a core's error code. */
int rthL_raise(lua_State *L, int code);

/* Pushes the traceback of co from `level` on, on L: as luaL_traceback, but
** without its search through package.loaded for each frame. */
void rthL_traceback(lua_State *L, lua_State *co, int level);

/* Seconds (checked: a number, not NaN, not negative) to nanoseconds;
** RTH_FOREVER for math.huge and whatever is too far. */
uint64_t rthL_checkseconds(lua_State *L, int arg);
/* The other way round. */
void rthL_pushseconds(lua_State *L, uint64_t ns);

/* Keeps the value at idx alive until it is let go, whatever becomes of the
** stack that has it: for what an operation points to.  Raises (memory). */
int rthL_keep(lua_State *L, int idx);
void rthL_let_go(rthL_State *S, int kept); /* 0: nothing.  Never raises */

/* A block for an operation that may be waited for long, outside the memory of
** Lua: RTHL_BLOCK bytes; NULL: no memory. */
enum { RTHL_BLOCK = 80 };
void *rthL_block_get(rthL_State *S);
void rthL_block_put(rthL_State *S, void *block);
void rthL_block_close(rthL_State *S); /* all were put back */

/* ---- executors of this state -------------------------------------------- */

/* The entry for h's runtime, made if need be.  Raises. */
rthL_Executor *rthL_executor(lua_State *L, rthL_State *S, rth_handle_t *h);
/* The same, with its rth_local_t.  Never raises; answers an RTH_E code. */
int rthL_executor_open(rthL_State *S, rth_handle_t *h, rthL_Executor **out);
/* Frees those of ended runtimes; their local tasks are cancelled.  Nothing
** happens inside a task.  Raises (memory). */
void rthL_executors_sweep(lua_State *L, rthL_State *S);

#endif
