/* rthandle.h - the public face of the C core: an asynchronous, multi-core
** runtime of poll-based futures.  The Lua module is its first client and
** includes nothing else of the core.
**
** VOCABULARY
**   Thread     which thread may call: any | owner | creator | blocking.
**              "owner" of an executor is the thread that drives it now.
**   borrow     the pointer is good for the call only.
**   consume    a reference passes into the call, whatever it answers,
**              unless it says "on success".
**   own        the caller got a reference and must release it.
**
** ERRORS     0 or a negative RTH_E* code.  Nothing prints, nothing aborts on
**            lack of memory, threads or descriptors; a broken invariant
**            aborts with a message.
**
** TIMES      nanoseconds of a monotonic clock, uint64_t; timers have
**            millisecond grain and never fire early.
*/
#ifndef RTHANDLE_H
#define RTHANDLE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- errors ------------------------------------------------------------- */

/* X(name, number, text).  Where an errno fits, the number is the one that
** libuv uses on this system for it (UV_E*), so results pass through. */
#define RTH_ERRORS(X)                                                         \
  X(ENOMEM, -12, "out of memory")                                             \
  X(EAGAIN, -11, "resource temporarily unavailable")                          \
  X(EINVAL, -22, "invalid argument")                                          \
  X(EMFILE, -24, "too many open files")                                       \
  X(EINTR, -4, "interrupted")                                                 \
  X(ESHUTDOWN, -5001, "a runtime was found, but it is being shut down")       \
  X(ENESTED, -5002,                                                           \
    "Cannot start a runtime from within a runtime. This happens because a "   \
    "function (like block_on) attempted to block the current thread while "   \
    "the thread is being used to drive asynchronous tasks.")                  \
  X(ENOCONTEXT, -5003,                                                        \
    "there is no reactor running, must be called from the context of an "     \
    "rthandle runtime")                                                       \
  X(EBLOCKING, -5004,                                                         \
    "Cannot drop a runtime in a context where blocking is not allowed. This " \
    "happens when a runtime is dropped from within an asynchronous context.") \
  X(EUNHANDLED, -5005,                                                        \
    "a spawned task panicked and the runtime is configured to shut down on "  \
    "unhandled panic")                                                        \
  X(EGUARDORDER, -5006,                                                       \
    "EnterGuard values dropped out of order. Guards returned by "             \
    "Handle:enter() must be dropped in the reverse order as they were "       \
    "acquired.")                                                              \
  X(ECLOSED, -5007, "closed")

#define RTH__ERROR_ENUM(name, number, text) RTH_##name = number,
enum { RTH_ERRORS(RTH__ERROR_ENUM) RTH_OK = 0 };
#undef RTH__ERROR_ENUM

#if defined(__GNUC__)
#define RTH_MUSTUSE __attribute__((warn_unused_result))
#else
#define RTH_MUSTUSE
#endif

/* Text and name ("ESHUTDOWN") of a code; other system codes get libuv's.
** Thread: any.  Fails: never. */
const char *rth_strerror(int code);
const char *rth_err_name(int code);

/* ---- wakers and futures ------------------------------------------------- */

typedef enum rth_poll {
  RTH_PENDING = 0, /* not yet; the waker of the context was registered */
  RTH_READY = 1,   /* done; the output is the value */
  RTH_FAILED = 2   /* done; the output is the error ("panic") */
} rth_poll_t;

/* A waker makes one task be polled again.  All four may be called from any
** thread, never fail and never allocate. */
typedef struct rth_waker_ops {
  void (*clone)(void *data);       /* one more reference */
  void (*wake)(void *data);        /* consumes a reference */
  void (*wake_by_ref)(void *data); /* borrows one */
  void (*drop)(void *data);        /* releases a reference */
} rth_waker_ops_t;

typedef struct rth_waker {
  const rth_waker_ops_t *ops; /* NULL: the empty waker */
  void *data;
} rth_waker_t;

typedef struct rth_local rth_local_t;     /* an executor of pinned tasks */
typedef struct rth_handle rth_handle_t;   /* counted reference to a runtime */
typedef struct rth_runtime rth_runtime_t; /* its owner: shuts it down */
typedef struct rth_join rth_join_t;       /* JoinHandle of one task */
typedef struct rth_abort rth_abort_t;     /* AbortHandle of one task */

/* What one poll may use; borrowed, valid for the call. */
typedef struct rth_cx {
  rth_waker_t waker;  /* borrowed; clone to keep.  Empty on blocking threads */
  rth_local_t *local; /* executor that polls; NULL on blocking threads */
  void *data;         /* its user data (see rth_options.thread_start) */
  rth_handle_t *handle; /* borrowed: the runtime of the task */
  uint64_t task_id;
  uint32_t *budget;   /* cooperative budget of this poll: see rth_budget */
  uint8_t yielded;    /* set by rth_yield */
  uint8_t pinned;     /* set by rth_pin */
  uint8_t root;       /* the future of a block_on: no shutdown cancels it */
} rth_cx_t;

/* A future and what the runtime may do with it.  `self` is the memory that
** rth_spawn was told of. */
typedef struct rth_future_ops {
  /* Runs until it would wait.  On READY or FAILED *out is the output (NULL
  ** is one, too).  Never called again after that. */
  rth_poll_t (*poll)(void *self, rth_cx_t *cx, void **out);
  /* Optional.  The task is aborted or its runtime shut down before it was
  ** ready: end it now, on the thread that would have polled it.  Answers
  ** PENDING for "cancelled", or FAILED with *out. */
  rth_poll_t (*cancel)(void *self, rth_cx_t *cx, void **out);
  /* Optional.  Releases what self holds; once, after the last poll or
  ** cancel, before completion can be seen.  On the thread of the last poll;
  ** on any thread if there was none. */
  void (*drop)(void *self);
  /* Optional.  Releases an output that nobody took.  Any thread, but for
  ** tasks of an rth_local_t always the thread that holds the JoinHandle. */
  void (*drop_out)(void *out, rth_poll_t how);
} rth_future_ops_t;

/* Asks to be polled again after the other ready tasks and the driver have
** had their turn; then return RTH_PENDING.  Thread: the poll's. */
static inline void rth_yield(rth_cx_t *cx) { cx->yielded = 1; }

/* From now on only the executor that polls now may poll this task.
** Thread: the poll's. */
static inline void rth_pin(rth_cx_t *cx) { cx->pinned = 1; }

/* Takes one unit of the poll's budget for an operation that was ready.
** Answers 0 when none is left: then call rth_yield and return PENDING (the
** operation is still ready next time).  Blocking threads have no limit.
** Thread: the poll's. */
static inline int rth_budget(rth_cx_t *cx) {
  if (cx->budget == NULL) return 1;
  if (*cx->budget == 0) return 0;
  --*cx->budget;
  return 1;
}

static inline void rth_wake_by_ref(const rth_waker_t *w) {
  if (w->ops != NULL) w->ops->wake_by_ref(w->data);
}
static inline rth_waker_t rth_waker_clone(const rth_waker_t *w) {
  if (w->ops != NULL) w->ops->clone(w->data);
  return *w;
}
static inline int rth_waker_same(const rth_waker_t *a, const rth_waker_t *b) {
  return a->ops == b->ops && a->data == b->data;
}
/* Both leave *w empty, so a second call does nothing. */
static inline void rth_wake(rth_waker_t *w) {
  rth_waker_t k = *w;
  w->ops = NULL;
  if (k.ops != NULL) k.ops->wake(k.data);
}
static inline void rth_waker_drop(rth_waker_t *w) {
  rth_waker_t k = *w;
  w->ops = NULL;
  if (k.ops != NULL) k.ops->drop(k.data);
}

/* ---- runtime ------------------------------------------------------------ */

typedef enum rth_flavor {
  RTH_MULTI_THREAD = 0,
  RTH_CURRENT_THREAD = 1
} rth_flavor_t;

typedef enum rth_thread_kind {
  RTH_THREAD_WORKER = 0,  /* worker of a multi_thread runtime */
  RTH_THREAD_CURRENT = 1, /* the executor of a current_thread runtime */
  RTH_THREAD_BLOCKING = 2
} rth_thread_kind_t;

typedef struct rth_thread_info {
  rth_thread_kind_t kind;
  unsigned index;      /* worker number from 0; 0 for the others */
  rth_local_t *local;  /* its executor; NULL for BLOCKING */
  rth_handle_t *handle; /* borrowed */
} rth_thread_info_t;

typedef struct rth_options {
  rth_flavor_t flavor;
  unsigned worker_threads;       /* 0: RTHANDLE_WORKER_THREADS, else usable
                                    processors; multi_thread only */
  unsigned max_blocking_threads; /* 0: 512 */
  uint64_t thread_keep_alive;    /* of an idle blocking thread */
  const char *thread_name;       /* NULL: "rthandle-worker" */
  size_t thread_stack_size;      /* 0: the system's */
  const char *name;              /* NULL: none */
  unsigned event_interval;       /* 0: 61 */
  unsigned global_queue_interval; /* 0: 31, self-tuned on multi_thread */
  int start_paused;              /* test clock; current_thread only */
  int shutdown_on_unhandled;     /* current_thread only */
  /* Hooks; `arg` is passed to each.  thread_start runs on the new thread
  ** before its first task and sets *data, which polls see as cx->data;
  ** thread_stop after the last.  CURRENT: on the first thread that drives,
  ** and on the thread that ends it. */
  void (*thread_start)(void *arg, const rth_thread_info_t *t, void **data);
  void (*thread_stop)(void *arg, const rth_thread_info_t *t, void *data);
  /* A worker (CURRENT: who drives) has found nothing to do and will sleep.  It
  ** may wake tasks and spawn.  Answers when (rth_now) to look for work, and
  ** call this again, at the latest; or RTH_FOREVER.  NULL: nothing. */
  uint64_t (*thread_idle)(void *arg, void *data);
  /* A task failed and nobody can take its output any more.  Any thread;
  ** just before ops->drop_out. */
  void (*unhandled)(void *arg, uint64_t task_id, void *out);
  /* When nothing can call the others any more. */
  void (*release)(void *arg);
  void *arg;
} rth_options_t;

/* Fills in the defaults.  Reads no environment. */
void rth_options_init(rth_options_t *o);

/* The usable processors; *from_env says whether RTHANDLE_WORKER_THREADS gave
** the number.  RTH_EINVAL: the variable is set to something else than a
** number from 1. */
RTH_MUSTUSE int rth_default_workers(unsigned *n, int *from_env);

/* Starts a runtime.  On failure (ENOMEM, EAGAIN for a refused thread,
** EMFILE, EINVAL) nothing is left behind, and `release` was not called.
** Thread: any.  Blocks: until the workers run. */
RTH_MUSTUSE int rth_runtime_new(const rth_options_t *o, rth_runtime_t **out);

/* Borrowed handle, good until rth_runtime_free. */
rth_handle_t *rth_runtime_handle(rth_runtime_t *rt);

#define RTH_FOREVER UINT64_MAX

/* Ends a runtime: cancels every task, never starts queued blocking
** functions, and waits for threads at most `timeout` (0: not at all;
** RTH_FOREVER: without limit).  Idempotent: a second call only waits.
** RTH_EBLOCKING, and nothing done, on a thread that drives tasks unless
** timeout is 0.  Thread: any.  Blocks: as told. */
RTH_MUSTUSE int rth_runtime_shutdown(rth_runtime_t *rt, uint64_t timeout);

/* Whether it was shut down and no thread of it is left.  Thread: any. */
int rth_runtime_has_ended(rth_runtime_t *rt);

/* Shuts down in background if nobody did before, and gives up the owner's
** reference.  Thread: any.  Blocks: never. */
void rth_runtime_free(rth_runtime_t *rt);

/* ---- handle ------------------------------------------------------------- */

rth_handle_t *rth_handle_clone(rth_handle_t *h);  /* own */
void rth_handle_free(rth_handle_t *h);            /* consume */
uint64_t rth_handle_id(const rth_handle_t *h);    /* unique in the process */
const char *rth_handle_name(const rth_handle_t *h); /* or NULL */
rth_flavor_t rth_handle_flavor(const rth_handle_t *h);
unsigned rth_handle_num_workers(const rth_handle_t *h); /* 1: current_thread */
/* Whether its shutdown has begun: seen by whoever sees what that ended. */
int rth_handle_is_shutdown(const rth_handle_t *h);
void *rth_handle_arg(const rth_handle_t *h);      /* rth_options.arg */

/* Each thread that is in a block_on of the runtime looks again: it calls its
** before_wait.  Thread: any. */
void rth_handle_wake(rth_handle_t *h);

/* The runtime's clock: monotonic, or the test clock of a paused
** current_thread runtime.  Thread: any. */
uint64_t rth_handle_now(const rth_handle_t *h);
uint64_t rth_now(void);

/* Spawn flags. */
enum {
  RTH_SPAWN_SHARE = 1 /* offer it to other workers at once, even if this
                         worker could run it next (it may compute long) */
};

/* Spawns a future; `self` (size bytes) is copied into the task.  Never polls
** it inside the call.  On a shut-down runtime the future is dropped and the
** JoinHandle is finished, cancelled.  `out` may be NULL (detached).
** Consumes self on success.  Fails: ENOMEM.  Thread: any.  Blocks: never. */
RTH_MUSTUSE int rth_spawn(rth_handle_t *h, const rth_future_ops_t *ops,
                          const void *self, size_t size, unsigned flags,
                          rth_join_t **out);

/* Runs ops->poll once, on a thread for blocking work; it must not answer
** PENDING.  Consumes self on success.  Fails: ENOMEM; EAGAIN if no such
** thread lives and the system refuses one.  Thread: any. */
RTH_MUSTUSE int rth_spawn_blocking(rth_handle_t *h,
                                   const rth_future_ops_t *ops,
                                   const void *self, size_t size,
                                   rth_join_t **out);

/* ---- join, abort -------------------------------------------------------- */

typedef struct rth_outcome {
  rth_poll_t how; /* READY, FAILED; PENDING means cancelled */
  void *value;    /* output of READY and FAILED: the caller's from now on */
} rth_outcome_t;

/* READY and fills *o, once; PENDING and registers `w` (cloned; replaces the
** one before).  After READY only the calls below but this one are allowed.
** Thread: one at a time. */
rth_poll_t rth_join_poll(rth_join_t *j, const rth_waker_t *w,
                         rth_outcome_t *o);
/* Drops the registered waker, if any.  Thread: as rth_join_poll. */
void rth_join_unregister(rth_join_t *j);
int rth_join_is_finished(const rth_join_t *j);
uint64_t rth_join_id(const rth_join_t *j);
/* Borrowed: the runtime of the task. */
rth_handle_t *rth_join_handle(const rth_join_t *j);
/* Of a task of rth_local_spawn: its executor.  Borrowed. */
rth_local_t *rth_join_local(const rth_join_t *j);
/* The future's own memory inside the task; good until ops->drop.
** Thread: the one that polls the task. */
void *rth_join_self(const rth_join_t *j);
int rth_join_is_aborted(const rth_join_t *j);    /* or finished.  Thread: any */
void rth_join_abort(rth_join_t *j);              /* Thread: any.  Never fails */
rth_abort_t *rth_join_abort_handle(rth_join_t *j); /* own.  Never fails */
/* Detaches the task.  An output that nobody took is dropped: now, or when
** the task ends.  Consumes j. */
void rth_join_free(rth_join_t *j);

void rth_abort(rth_abort_t *a);                  /* Thread: any.  Never fails */
int rth_abort_is_finished(const rth_abort_t *a);
uint64_t rth_abort_id(const rth_abort_t *a);
rth_abort_t *rth_abort_clone(rth_abort_t *a);
void rth_abort_free(rth_abort_t *a);

/* ---- local executors and block_on --------------------------------------- */

/* An executor of pinned tasks that a plain thread drives inside block_on:
** the tasks of one Lua state outside the workers, say.  It belongs to a
** runtime: that one's clock, its shutdown cancels the tasks.
** Costs one descriptor, when first waited on.  Thread: any; afterwards used
** by one thread at a time ("owner").  Fails: ENOMEM. */
RTH_MUSTUSE int rth_local_new(rth_handle_t *h, void *data, rth_local_t **out);
/* Cancels what is left, on this thread; frees.  Not from inside its tasks.
** Thread: owner. */
void rth_local_free(rth_local_t *l);
/* Cancels all its tasks: here and now, unless this is called from inside one
** of them (then where they next suspend).  Thread: owner. */
void rth_local_cancel_all(rth_local_t *l);
/* The executor whose task this thread polls; NULL outside.  Workers have
** one, too. */
rth_local_t *rth_local_current(void);
void *rth_local_data(const rth_local_t *l);
rth_handle_t *rth_local_handle(const rth_local_t *l); /* borrow */
int rth_local_has_tasks(const rth_local_t *l);        /* Thread: owner */

/* Spawns a future that only `l` ever polls.  As rth_spawn, but
** Thread: owner (or any, while nobody drives l and the caller excludes
** that). */
RTH_MUSTUSE int rth_local_spawn(rth_local_t *l, const rth_future_ops_t *ops,
                                const void *self, size_t size,
                                rth_join_t **out);

/* A task of l that is spawned later with rth_local_spawn_reserved, or that its
** spawner runs itself and the core never sees: counts it and answers its id.
** 0: l takes no more tasks.  Thread: owner. */
uint64_t rth_local_reserve(rth_local_t *l);
/* An id that no other task has.  Thread: any. */
uint64_t rth_task_new_id(void);
RTH_MUSTUSE int rth_local_spawn_reserved(rth_local_t *l, uint64_t id,
                                         const rth_future_ops_t *ops,
                                         const void *self, size_t size,
                                         rth_join_t **out);

typedef struct rth_block_on {
  /* Drive the spawned tasks, timers and I/O of a current_thread runtime as
  ** well (Runtime::block_on).  If another thread does so already, take over
  ** when it leaves. */
  int drive;
  /* Optional: asked after each wait and between tasks, for a signal handler
  ** may have run on this thread.  Answer non-zero to end block_on with
  ** RTH_EINTR. */
  int (*interrupted)(void *arg);
  /* Optional: called before this thread waits, each time.  Answers when
  ** (rth_now) it wants to be called again at the latest, or RTH_FOREVER. */
  uint64_t (*before_wait)(void *arg);
  void *arg;
} rth_block_on_t;

/* Runs a future to completion on this thread, and l's other tasks meanwhile.
** `opts` may be NULL.  The future is polled as a task pinned to l; it needs
** no copy: `self` must live until the call returns.  *o as rth_join_poll.
** Fails: RTH_ENESTED on a thread that drives tasks; ENOMEM; EMFILE;
** RTH_EUNHANDLED; RTH_EINTR.  On all but ENESTED, ENOMEM and EMFILE the
** future was cancelled and dropped first; on those it was only dropped.
** Thread: becomes the owner for the call.  Blocks. */
RTH_MUSTUSE int rth_local_block_on(rth_local_t *l, const rth_block_on_t *opts,
                                   const rth_future_ops_t *ops, void *self,
                                   rth_outcome_t *o);

/* The same with an executor made for the call: plain C programs. */
RTH_MUSTUSE int rth_runtime_block_on(rth_runtime_t *rt,
                                     const rth_future_ops_t *ops, void *self,
                                     rth_outcome_t *o);
RTH_MUSTUSE int rth_handle_block_on(rth_handle_t *h,
                                    const rth_future_ops_t *ops, void *self,
                                    rth_outcome_t *o);

/* Whether this thread drives tasks now: block_on would be refused. */
int rth_is_driving(void);
/* Worker number of the calling thread, from 0, which is also who drives a
** current_thread runtime; -1 elsewhere. */
int rth_worker_index(void);
/* User data of the calling runtime thread (thread_start's); else NULL. */
void *rth_thread_data(void);

/* ---- current context (C programs; Lua keeps its own per state and task) - */

typedef struct rth_enter_guard {
  rth_handle_t *previous;
  unsigned depth;
} rth_enter_guard_t;

/* Makes h current on this thread until the guard is left.  Guards are left
** in reverse order: RTH_EGUARDORDER otherwise, and nothing changes. */
void rth_enter(rth_handle_t *h, rth_enter_guard_t *g);
RTH_MUSTUSE int rth_leave(rth_enter_guard_t *g);
/* The current handle of this thread: under rth_enter, or the runtime of the
** task or blocking function it runs.  Own; NULL: none. */
rth_handle_t *rth_current(void);

/* ---- timers ------------------------------------------------------------- */

/* Storage of one timer: the caller's (in a future, a userdata).  Used by one
** executor at a time; may move to another between two waits.  All fields are
** private. */
typedef struct rth_sleep {
  struct rth_sleep *next, **pprev; /* slot of the wheel */
  uint64_t deadline;               /* ns, clock of `handle` */
  uint64_t tick;                   /* ms, as the wheel sees it */
  rth_local_t *local;              /* in whose wheel; NULL: in none */
  rth_handle_t *handle;            /* owned */
  rth_waker_t waker;
  uint8_t level, slot, fired;
  uint8_t ahead; /* not polled yet: the deadline had not passed when made */
} rth_sleep_t;

/* Starts nothing: the first poll registers.  Takes a reference to h. */
void rth_sleep_init(rth_sleep_t *s, rth_handle_t *h, uint64_t deadline);
/* The same for a deadline `ns` from now; the clock is read once, here. */
void rth_sleep_init_in(rth_sleep_t *s, rth_handle_t *h, uint64_t ns);
/* READY, PENDING, or FAILED when the runtime was shut down (ESHUTDOWN).
** A passed deadline is READY without registering.  A task that had to wait
** for a timer stays on its executor (rth_pin).  Thread: the poll's. */
rth_poll_t rth_sleep_poll(rth_sleep_t *s, rth_cx_t *cx);
/* Thread: owner of the executor it was last polled on. */
void rth_sleep_reset(rth_sleep_t *s, uint64_t deadline);
void rth_sleep_unregister(rth_sleep_t *s); /* no wake from here on */
void rth_sleep_fini(rth_sleep_t *s);       /* unregisters, drops the handle */
int rth_sleep_is_elapsed(const rth_sleep_t *s);

/* Test clock of a current_thread runtime.  EINVAL: multi_thread, or already
** in that state.  advance: -ERANGE beyond 292 years, and nothing changes.
** Thread: the one that drives it. */
RTH_MUSTUSE int rth_clock_pause(rth_handle_t *h);
RTH_MUSTUSE int rth_clock_resume(rth_handle_t *h);
RTH_MUSTUSE int rth_clock_advance(rth_handle_t *h, uint64_t ns);

/* ---- metrics ------------------------------------------------------------ */

typedef struct rth_metrics {
  uint64_t num_workers, num_alive_tasks, spawned_tasks_count;
  uint64_t global_queue_depth, remote_schedule_count;
  uint64_t num_blocking_threads, num_idle_blocking_threads;
  uint64_t blocking_queue_depth, running_blocking;
} rth_metrics_t;

typedef struct rth_worker_metrics {
  uint64_t poll_count, steal_count, park_count, unpark_count, overflow_count;
  uint64_t busy_duration; /* ns */
  uint64_t local_queue_depth;
  void *data; /* of thread_start; the reader must know when it is good */
} rth_worker_metrics_t;

/* Thread: any.  Numbers of one moment each, not of one common moment. */
void rth_handle_metrics(const rth_handle_t *h, rth_metrics_t *m);
/* RTH_EINVAL: no such worker. */
RTH_MUSTUSE int rth_handle_worker_metrics(const rth_handle_t *h, unsigned i,
                                          rth_worker_metrics_t *m);

/* ---- for bindings ------------------------------------------------------- */

/* A number that any thread may change and read: a count of references, of
** events, of bytes. */
typedef struct rth_counter {
  uint64_t n; /* private */
} rth_counter_t;
/* Answers the new value.  Thread: any; who adds sees what all did who added
** before (so the one that takes the last reference may free). */
uint64_t rth_counter_add(rth_counter_t *c, int64_t by);
/* Orders nothing.  Thread: any; set: one at a time. */
uint64_t rth_counter_get(const rth_counter_t *c);
void rth_counter_set(rth_counter_t *c, uint64_t n);

/* The one runtime of the whole process, which nobody ends.  Thread: any. */
rth_handle_t *rth_default_handle(void); /* own; NULL: none yet */
/* Clones h.  RTH_EINVAL: there is one already. */
RTH_MUSTUSE int rth_default_set(rth_handle_t *h);

/* ---- memory ------------------------------------------------------------- */

/* All memory of the core comes from here.  Set before first use. */
typedef void *(*rth_alloc_fn)(void *old, size_t size); /* size 0: free */
void rth_set_allocator(rth_alloc_fn f);
/* For tests: how many allocations of the core are live, where they are counted
** from the first use on. */
void rth_count_allocations(void);
uint64_t rth_live_allocations(void);

#ifdef __cplusplus
}
#endif
#endif
