/* sync.h - what the Lua faces of rthandle_sync.h have in common.
**
** Each is a userdata that begins with an rthL_Box.  A wait is an operation
** outside the memory of Lua that keeps the object alive by a reference of its
** own: lua_close may finalize the userdata before it cancels the tasks.
*/
#ifndef RTHL_SYNC_H
#define RTHL_SYNC_H

#include "lua/fiber.h"
#include "lua/move.h"
#include "rthandle_sync.h"

typedef struct rthL_Box {
  void *core;  /* owned; NULL: closed, sent or moved */
  struct rthL_WaitOp *waiting; /* receivers: the one wait on it */
  uint8_t moved;
  uint8_t counted; /* among the senders of its state */
} rthL_Box;

typedef struct rthL_WaitOp rthL_WaitOp;

typedef struct rthL_WaitType {
  rth_poll_t (*poll)(rthL_WaitOp *o, const rth_waker_t *waker);
  /* Pushes the results; *o is a copy by then, and nothing is registered. */
  int (*finish)(lua_State *L, rthL_State *S, rthL_WaitOp *o);
  void (*keep)(void *core); /* one more reference; NULL: a receiver, */
  void (*let)(void *core);  /* which is freed only if its box has gone */
} rthL_WaitType;

struct rthL_WaitOp {
  rthL_Op op;
  const rthL_WaitType *type;
  rth_handle_t *handle;  /* for plain code; borrowed; NULL: it may not wait */
  void *core;
  rthL_Box *box;         /* a receiver's; NULL: finalized, or another type */
  rth_msg_t *message;    /* to be sent, or received */
  rth_wait_t wait;
  uint64_t n;            /* the type's */
  void *data;            /* the type's */
  rth_poll_t result;
  uint8_t shut;          /* FAILED, for the runtime has ended */
  uint8_t counted;       /* the message is shared: ours is a reference */
  uint8_t cancelled;     /* all it says is that a task was */
};

/* The handle for a bare wait in plain code: of the current runtime, else of
** one that this state made or waited in; NULL: there is none.
** Runs no finalizer.  Raises (memory). */
rth_handle_t *rthL_wait_handle(lua_State *L, rthL_State *S);
/* An operation on box->core, whose handle is h (of rthL_wait_handle; NULL: it
** must be ready).  NULL: no memory.  Never raises. */
rthL_WaitOp *rthL_wait_new(const rthL_WaitType *type, rthL_Box *box,
                           rth_handle_t *h);
/* `return rthL_wait(...)` from the C function. */
int rthL_wait(lua_State *L, rthL_State *S, rthL_WaitOp *o);
/* Both: the object's box is at index 1. */
int rthL_wait_on(lua_State *L, rthL_State *S, const rthL_WaitType *type,
                 rthL_Box *box, uint64_t n, void *data);

/* Whether something may be had right away, without a wait. */
static inline int rthL_may_try(const rthL_State *S) {
  return S->cur == NULL || S->cx->budget == NULL || *S->cx->budget > 0;
}
/* It was had. */
static inline void rthL_tried(const rthL_State *S) {
  if (S->cur != NULL) (void)rth_budget(S->cx);
}

/* ---- messages ----------------------------------------------------------- */

/* The value at idx (not nil: an argument error) as a message.  Raises. */
rth_msg_t *rthL_sync_encode(lua_State *L, rthL_State *S, int idx);
/* One that is decoded many times: holds no objects of the library; nil is
** NULL.  Raises. */
rth_msg_t *rthL_sync_encode_shared(lua_State *L, rthL_State *S, int idx);
/* Pushes the value and frees the message; raises where it cannot be had. */
void rthL_sync_push(lua_State *L, rthL_State *S, rth_msg_t *m);
/* The same for a counted message, NULL is nil: releases the reference. */
void rthL_sync_push_shared(lua_State *L, rth_msg_t *m);
/* Pushes the value of one that is borrowed; NULL is nil. */
void rthL_sync_copy(lua_State *L, rth_msg_t *m);

/* ---- small things ------------------------------------------------------- */

int rthL_nil_and(lua_State *L, const char *why);
/* An integer from `min` to the most permits there may be. */
uint64_t rthL_checkcount(lua_State *L, int arg, lua_Integer min);
/* The box at index 1, or raises; its core may be NULL. */
rthL_Box *rthL_checkbox(lua_State *L, rthL_State *S, rthL_Type t);
/* One of a type that nobody can close: it has a core.  Raises in a finalizer
** that runs after its own, at the end of the state. */
rthL_Box *rthL_checklive(lua_State *L, rthL_State *S, rthL_Type t);
/* A receiver's, which is free for a wait; raises if it was moved. */
rthL_Box *rthL_checkreceiver(lua_State *L, rthL_State *S, rthL_Type t);
/* Pushes a box of a type that RTHL_SHARED or RTHL_MOVED made.  A sender, which
** counts as closed when it is collected, is counted.  Raises (memory). */
rthL_Box *rthL_newbox(lua_State *L, rthL_State *S, rthL_Type t);
/* One that rthL_newbox counted is closed, or collected. */
static inline void rthL_uncount(rthL_State *S, rthL_Box *b) {
  if (!b->counted) return;
  b->counted = 0;
  S->senders--;
  if (b->core != NULL) S->dropped++;
}
/* A core's error while making an object. */
int rthL_sync_error(lua_State *L, int rc);

/* The functions by which a counted object is shared between states.  keep and
** let: of a reference. */
#define RTHL_SHARED(name, TYPE, core_t, ref, unref)                           \
  static void name##_keep(void *p) { (void)ref((core_t *)p); }                \
  static void name##_let(void *p) { unref((core_t *)p); }                     \
  static const char *name##_check(lua_State *L, int idx) {                    \
    const rthL_Box *b = lua_touserdata(L, idx);                               \
    return b->core == NULL ? "it was closed" : NULL;                          \
  }                                                                           \
  static void *name##_take(lua_State *L, int idx) {                           \
    rthL_Box *b = lua_touserdata(L, idx);                                     \
    name##_keep(b->core);                                                     \
    return b->core;                                                           \
  }                                                                           \
  static void name##_push(lua_State *L, void *p) {                            \
    rthL_Box *b = rthL_newbox(L, rthL_find(L), TYPE);                         \
    b->core = p;                                                              \
  }                                                                           \
  static int name##_gc(lua_State *L) {                                        \
    rthL_Box *b = lua_touserdata(L, 1);                                       \
    void *core = b->core;                                                     \
    rthL_uncount(rthL_here(L), b);                                            \
    b->core = NULL;                                                           \
    if (core != NULL) name##_let(core);                                       \
    return 0;                                                                 \
  }                                                                           \
  static const rthL_MoveOps name##_ops = {name##_check, name##_take,          \
                                          name##_push, name##_let, name##_keep}

/* The same for what has one owner: a receiver. */
#define RTHL_MOVED(name, TYPE, core_t, destroy, title)                        \
  static void name##_let(void *p) { destroy((core_t *)p); }                   \
  static const char *name##_check(lua_State *L, int idx) {                    \
    const rthL_Box *b = lua_touserdata(L, idx);                               \
    if (b->waiting != NULL) return title " is being waited on";               \
    if (b->core != NULL) return NULL;                                         \
    return b->moved ? title " was moved" : title " was used up";              \
  }                                                                           \
  static void *name##_take(lua_State *L, int idx) {                           \
    rthL_Box *b = lua_touserdata(L, idx);                                     \
    void *core = b->core;                                                     \
    b->core = NULL;                                                           \
    b->moved = 1;                                                             \
    return core;                                                              \
  }                                                                           \
  static void name##_push(lua_State *L, void *p) {                            \
    rthL_Box *b = rthL_newbox(L, rthL_find(L), TYPE);                         \
    b->core = p;                                                              \
  }                                                                           \
  static int name##_gc(lua_State *L) {                                        \
    rthL_Box *b = lua_touserdata(L, 1);                                       \
    void *core = b->core;                                                     \
    rthL_uncount(rthL_here(L), b);                                            \
    b->core = NULL;                                                           \
    if (b->waiting != NULL) { /* the wait frees it */                         \
      b->waiting->box = NULL;                                                 \
      b->waiting = NULL;                                                      \
    } else if (core != NULL) {                                                \
      name##_let(core);                                                       \
    }                                                                         \
    return 0;                                                                 \
  }                                                                           \
  static const rthL_MoveOps name##_ops = {name##_check, name##_take,          \
                                          name##_push, name##_let, NULL}

/* ---- the types ---------------------------------------------------------- */

void rthL_open_sync(lua_State *L, rthL_State *S);
/* Each: puts its functions into rt.sync, which is on top of the stack. */
void rthL_open_mpsc(lua_State *L, rthL_State *S);
void rthL_open_oneshot(lua_State *L, rthL_State *S);
void rthL_open_semaphore(lua_State *L, rthL_State *S);
void rthL_open_locks(lua_State *L, rthL_State *S);
void rthL_open_notify(lua_State *L, rthL_State *S);
void rthL_open_broadcast(lua_State *L, rthL_State *S);
void rthL_open_watch(lua_State *L, rthL_State *S);
void rthL_open_once(lua_State *L, rthL_State *S);
/* The module is on top of the stack. */
void rthL_open_token(lua_State *L, rthL_State *S);
void rthL_open_select(lua_State *L, rthL_State *S);
void rthL_open_joinset(lua_State *L, rthL_State *S);
void rthL_open_scope(lua_State *L, rthL_State *S);

/* token:run_until_cancelled(f, ...) */
int rthL_run_until_cancelled(lua_State *L);

#endif
