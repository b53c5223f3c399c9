/* rthandle_sync.h - channels, locks and cancellation between tasks.
**
** Every primitive is one counted object that any thread may use; nothing here
** knows a runtime: who waits, leaves a waker (see rthandle.h).
**
** WAITING    a wait has its storage in the future that waits:
**
**              rth_wait_t w = RTH_WAIT_INIT;
**              how = rth_semaphore_poll(s, 1, &w, &cx->waker);
**
**            PENDING: w is registered, and stays at its address until a poll
**            answers something else or rth_wait_cancel; poll it again with
**            the same object and the same arguments, when it was woken or any
**            time before.  READY: the caller has what it waited for.  FAILED:
**            the object is closed.  After both, w is fresh again.
**            rth_wait_cancel ends a wait so that nothing is lost: what was
**            handed to it already (a permit, a lock, a notification) goes to
**            the next one.  A wake-up that was on its way may still come.
**            An object must outlive the waits on it.
** ORDER      waits are served first come, first served.
** MESSAGES   values are buffers of the caller's with an rth_msg_t as their
**            first member, so a channel allocates nothing for them.  One
**            message is in one place at a time; what several readers share
**            (broadcast, watch, the value of a lock) is counted and is never
**            written to.
** ERRORS     RTH_ECLOSED: the other side is gone.  RTH_EAGAIN: not now (full,
**            empty, locked).  Where a call says "consumes m on success", m is
**            the caller's again after an error.
** THREADS    any, unless a call says otherwise.  Nothing blocks; nothing
**            allocates but the functions that make an object.  Wakers are
**            woken, and messages dropped, under no lock; a waker's clone is
**            called under one, so it must not do more than count.
*/
#ifndef RTHANDLE_SYNC_H
#define RTHANDLE_SYNC_H

#include "rthandle.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- waits ------------------------------------------------------------- */

typedef struct rth_wait_link {
  struct rth_wait_link *next, *prev;
} rth_wait_link_t;

/* All fields are private. */
typedef struct rth_wait {
  rth_wait_link_t link;               /* under the object's lock */
  rth_waker_t waker;                  /* the same */
  uint64_t n;                         /* the same */
  void (*cancel)(struct rth_wait *w); /* the waiter's; NULL: not registered */
  void *obj;                          /* the waiter's */
  uint64_t want;                      /* the waiter's */
  uint8_t state;                      /* under the object's lock */
} rth_wait_t;

#define RTH_WAIT_INIT {{NULL, NULL}, {NULL, NULL}, 0, NULL, NULL, 0, 0}
static inline void rth_wait_init(rth_wait_t *w) {
  const rth_wait_t fresh = RTH_WAIT_INIT;
  *w = fresh;
}
static inline int rth_wait_is_registered(const rth_wait_t *w) {
  return w->cancel != NULL;
}
/* Does nothing for a wait that is not registered.  Thread: the waiter's. */
static inline void rth_wait_cancel(rth_wait_t *w) {
  if (w->cancel != NULL) w->cancel(w);
}

/* ---- messages ---------------------------------------------------------- */

typedef struct rth_msg {
  union {
    struct rth_msg *next; /* in a queue */
    uint64_t refs;        /* shared by readers */
  } u;                    /* private */
  /* Releases it.  Any thread. */
  void (*drop)(struct rth_msg *m);
} rth_msg_t;

/* References to a message that came out of a broadcast, a watch or a lock. */
rth_msg_t *rth_msg_ref(rth_msg_t *m);  /* own.  NULL is allowed */
void rth_msg_unref(rth_msg_t *m);      /* consume.  NULL is allowed */

/* Memory for messages: blocks of one size, which go back from those that
** receive to those that send without a meeting in the allocator.  Each thread
** that sends or receives much has a cache. */
enum { RTH_BLOCK_SIZE = 240 };
typedef struct rth_blocks {
  void *first; /* private */
  unsigned n;  /* private */
} rth_blocks_t;
void rth_blocks_open(rth_blocks_t *c);
void rth_blocks_close(rth_blocks_t *c); /* its blocks in use stay good */
/* RTH_BLOCK_SIZE bytes, not cleared; NULL: no memory.  Thread: the cache's. */
void *rth_block_get(rth_blocks_t *c);
/* Consumes a block.  c: where it is kept; NULL: nowhere.  Thread: the cache's;
** any without one. */
void rth_block_put(rth_blocks_t *c, void *block);

/* ---- semaphore --------------------------------------------------------- */

typedef struct rth_semaphore rth_semaphore_t;

#define RTH_MAX_PERMITS (UINT64_MAX >> 3)

/* EINVAL: more than RTH_MAX_PERMITS. */
RTH_MUSTUSE int rth_semaphore_new(uint64_t permits, rth_semaphore_t **out);
rth_semaphore_t *rth_semaphore_ref(rth_semaphore_t *s);
void rth_semaphore_unref(rth_semaphore_t *s);

/* Acquires n permits: all of them at once, or it waits for them, and those
** that come later wait behind it. */
rth_poll_t rth_semaphore_poll(rth_semaphore_t *s, uint64_t n, rth_wait_t *w,
                              const rth_waker_t *waker);
/* EAGAIN, ECLOSED. */
RTH_MUSTUSE int rth_semaphore_try(rth_semaphore_t *s, uint64_t n);
/* Gives permits back, or adds new ones.  EINVAL, and nothing done: there
** would be more than RTH_MAX_PERMITS. */
RTH_MUSTUSE int rth_semaphore_release(rth_semaphore_t *s, uint64_t n);
/* Takes up to n permits away for good; answers how many there were. */
uint64_t rth_semaphore_forget(rth_semaphore_t *s, uint64_t n);
uint64_t rth_semaphore_available(rth_semaphore_t *s);
/* Waits fail from here on; permits may still be released. */
void rth_semaphore_close(rth_semaphore_t *s);
int rth_semaphore_is_closed(rth_semaphore_t *s);

/* ---- mutex, rwlock: they guard a shared message or nothing ------------- */

typedef struct rth_lock rth_lock_t;

/* A mutex admits one holder; an rwlock any number of readers, or one writer,
** and a writer that waits holds up the readers behind it.  Consumes the value
** (it may be NULL) on success. */
RTH_MUSTUSE int rth_mutex_new(rth_msg_t *value, rth_lock_t **out);
RTH_MUSTUSE int rth_rwlock_new(rth_msg_t *value, rth_lock_t **out);
rth_lock_t *rth_lock_ref(rth_lock_t *l);
void rth_lock_unref(rth_lock_t *l);

typedef enum rth_lock_mode {
  RTH_LOCK_WRITE = 0, /* the only one for a mutex */
  RTH_LOCK_READ = 1
} rth_lock_mode_t;

rth_poll_t rth_lock_poll(rth_lock_t *l, rth_lock_mode_t mode, rth_wait_t *w,
                         const rth_waker_t *waker);
RTH_MUSTUSE int rth_lock_try(rth_lock_t *l, rth_lock_mode_t mode); /* EAGAIN */
void rth_lock_release(rth_lock_t *l, rth_lock_mode_t mode);
void rth_lock_downgrade(rth_lock_t *l); /* from WRITE to READ, at once */
/* The value, borrowed while the lock is held; NULL: none.
** Thread: a holder's. */
rth_msg_t *rth_lock_get(const rth_lock_t *l);
/* Stores another value.  Consumes.  Thread: the writer's. */
void rth_lock_set(rth_lock_t *l, rth_msg_t *value);

/* ---- once cell --------------------------------------------------------- */

typedef struct rth_once rth_once_t;

RTH_MUSTUSE int rth_once_new(rth_once_t **out);
rth_once_t *rth_once_ref(rth_once_t *o);
void rth_once_unref(rth_once_t *o);

/* The value, good as long as o; NULL: not set. */
rth_msg_t *rth_once_get(rth_once_t *o);
/* READY and a value: set.  READY and NULL: the caller is the one that makes
** the value, and must call rth_once_finish. */
rth_poll_t rth_once_poll(rth_once_t *o, rth_wait_t *w,
                         const rth_waker_t *waker, rth_msg_t **value);
/* The value that was made; NULL: it failed, the next one tries.  Consumes. */
void rth_once_finish(rth_once_t *o, rth_msg_t *value);
/* EINVAL: set already; EAGAIN: being made.  Consumes value on success. */
RTH_MUSTUSE int rth_once_set(rth_once_t *o, rth_msg_t *value);

/* ---- notify ------------------------------------------------------------ */

typedef struct rth_notify rth_notify_t;

RTH_MUSTUSE int rth_notify_new(rth_notify_t **out);
rth_notify_t *rth_notify_ref(rth_notify_t *n);
void rth_notify_unref(rth_notify_t *n);

/* Optional, for a fresh wait: rth_notify_all reaches it from here on, before
** its first poll already. */
void rth_notify_prepare(rth_notify_t *n, rth_wait_t *w);
rth_poll_t rth_notify_poll(rth_notify_t *n, rth_wait_t *w,
                           const rth_waker_t *waker);
/* Wakes the first that waits; stores one notification where nobody does. */
void rth_notify_one(rth_notify_t *n);
/* Wakes all that wait now; stores nothing. */
void rth_notify_all(rth_notify_t *n);

/* ---- barrier ----------------------------------------------------------- */

typedef struct rth_barrier rth_barrier_t;

/* EINVAL: n is 0. */
RTH_MUSTUSE int rth_barrier_new(uint64_t n, rth_barrier_t **out);
rth_barrier_t *rth_barrier_ref(rth_barrier_t *b);
void rth_barrier_unref(rth_barrier_t *b);
/* READY when n wait; *leader is 1 for the last to come.  A wait that is
** cancelled before has not come. */
rth_poll_t rth_barrier_poll(rth_barrier_t *b, rth_wait_t *w,
                            const rth_waker_t *waker, int *leader);

/* ---- oneshot: one message, once ---------------------------------------- */

typedef struct rth_oneshot rth_oneshot_t;

/* Both ends, each of which has to be freed. */
RTH_MUSTUSE int rth_oneshot_new(rth_oneshot_t **out);
/* Consumes the sender's end; m on success.  ECLOSED. */
RTH_MUSTUSE int rth_oneshot_send(rth_oneshot_t *o, rth_msg_t *m);
int rth_oneshot_is_closed(rth_oneshot_t *o); /* the receiver is */
void rth_oneshot_tx_free(rth_oneshot_t *o);        /* without sending */

/* READY with the message, once; FAILED: it never comes.
** Thread: the receiver's, these four. */
rth_poll_t rth_oneshot_poll(rth_oneshot_t *o, rth_wait_t *w,
                            const rth_waker_t *waker, rth_msg_t **m);
RTH_MUSTUSE int rth_oneshot_try(rth_oneshot_t *o, rth_msg_t **m);
void rth_oneshot_close(rth_oneshot_t *o); /* sends fail from here on */
void rth_oneshot_rx_free(rth_oneshot_t *o);

/* ---- mpsc: many senders, one receiver ---------------------------------- */

typedef struct rth_mpsc rth_mpsc_t;

/* One sender and the receiver.  capacity 0: unbounded.  EINVAL: more than
** RTH_MAX_PERMITS. */
RTH_MUSTUSE int rth_mpsc_new(uint64_t capacity, rth_mpsc_t **out);

void rth_mpsc_tx_clone(rth_mpsc_t *c); /* one more sender, from a sender */
void rth_mpsc_tx_free(rth_mpsc_t *c);  /* the last one closes the channel */
/* Waits for a place, then sends.  Consumes m with READY only. */
rth_poll_t rth_mpsc_send_poll(rth_mpsc_t *c, rth_wait_t *w,
                              const rth_waker_t *waker, rth_msg_t *m);
/* EAGAIN: full; ECLOSED.  Consumes m on success. */
RTH_MUSTUSE int rth_mpsc_try_send(rth_mpsc_t *c, rth_msg_t *m);
/* Places for later: n rth_mpsc_send_reserved or rth_mpsc_unreserve. */
rth_poll_t rth_mpsc_reserve_poll(rth_mpsc_t *c, uint64_t n, rth_wait_t *w,
                                 const rth_waker_t *waker);
RTH_MUSTUSE int rth_mpsc_try_reserve(rth_mpsc_t *c, uint64_t n);
void rth_mpsc_send_reserved(rth_mpsc_t *c, rth_msg_t *m); /* consume */
void rth_mpsc_unreserve(rth_mpsc_t *c, uint64_t n);
uint64_t rth_mpsc_capacity(rth_mpsc_t *c); /* free places now */
int rth_mpsc_is_closed(rth_mpsc_t *c);     /* by the receiver */

/* The next message; FAILED: there is none and never will be.
** Thread: the receiver's, and one wait at a time; all below. */
rth_poll_t rth_mpsc_recv_poll(rth_mpsc_t *c, rth_wait_t *w,
                              const rth_waker_t *waker, rth_msg_t **m);
/* As many as there are, at most `limit` (not 0), at least one with READY. */
rth_poll_t rth_mpsc_recv_many_poll(rth_mpsc_t *c, rth_wait_t *w,
                                   const rth_waker_t *waker, rth_msg_t **m,
                                   size_t limit, size_t *n);
/* EAGAIN: empty; ECLOSED. */
RTH_MUSTUSE int rth_mpsc_try_recv(rth_mpsc_t *c, rth_msg_t **m);
/* What is there, at most `limit`; answers how many: 0 is no end. */
size_t rth_mpsc_take(rth_mpsc_t *c, rth_msg_t **m, size_t limit);
size_t rth_mpsc_len(rth_mpsc_t *c);
/* Sends fail from here on; what was sent or reserved still comes. */
void rth_mpsc_rx_close(rth_mpsc_t *c);
void rth_mpsc_rx_free(rth_mpsc_t *c); /* closes, drops what is left */

/* ---- broadcast: each receiver sees every message ----------------------- */

typedef struct rth_broadcast rth_broadcast_t;       /* the channel */
typedef struct rth_broadcast_rx rth_broadcast_rx_t; /* one receiver */

/* Keeps the last `capacity` messages, rounded up to a power of two, for slow
** receivers.  One sender and one receiver.  EINVAL: 0, or too many. */
RTH_MUSTUSE int rth_broadcast_new(uint64_t capacity, rth_broadcast_t **tx,
                                  rth_broadcast_rx_t **rx);
void rth_broadcast_tx_clone(rth_broadcast_t *c);
void rth_broadcast_tx_free(rth_broadcast_t *c);
/* *receivers: how many will see it.  ECLOSED: none.  Consumes on success. */
RTH_MUSTUSE int rth_broadcast_send(rth_broadcast_t *c, rth_msg_t *m,
                                   uint64_t *receivers);
/* A receiver that sees what is sent from now on. */
RTH_MUSTUSE int rth_broadcast_subscribe(rth_broadcast_t *c,
                                        rth_broadcast_rx_t **rx);
RTH_MUSTUSE int rth_broadcast_resubscribe(rth_broadcast_rx_t *from,
                                          rth_broadcast_rx_t **rx);
uint64_t rth_broadcast_receivers(rth_broadcast_t *c);

/* READY: *m, own, or NULL and *missed: so many were overwritten before this
** receiver saw them; the next poll gives the oldest that is left.  FAILED: no
** sender is left, and all was seen.  Thread: the receiver's. */
rth_poll_t rth_broadcast_poll(rth_broadcast_rx_t *rx, rth_wait_t *w,
                              const rth_waker_t *waker, rth_msg_t **m,
                              uint64_t *missed);
/* EAGAIN: empty; ECLOSED. */
RTH_MUSTUSE int rth_broadcast_try_recv(rth_broadcast_rx_t *rx, rth_msg_t **m,
                                       uint64_t *missed);
uint64_t rth_broadcast_len(rth_broadcast_rx_t *rx); /* not yet seen */
void rth_broadcast_rx_free(rth_broadcast_rx_t *rx);

/* ---- watch: the last value --------------------------------------------- */

typedef struct rth_watch rth_watch_t;

/* What one receiver has seen; the receiver's. */
typedef struct rth_watch_seen {
  uint64_t version; /* private */
} rth_watch_seen_t;

/* One sender and one receiver, that has seen the initial value.  Consumes the
** value on success. */
RTH_MUSTUSE int rth_watch_new(rth_msg_t *value, rth_watch_t **out,
                              rth_watch_seen_t *seen);
void rth_watch_tx_clone(rth_watch_t *c);
void rth_watch_tx_free(rth_watch_t *c);
/* One more receiver; seen: that of another one, or of rth_watch_subscribe. */
void rth_watch_rx_clone(rth_watch_t *c);
void rth_watch_rx_free(rth_watch_t *c);
/* One more receiver, from a sender; it has seen the value. */
void rth_watch_subscribe(rth_watch_t *c, rth_watch_seen_t *seen);
uint64_t rth_watch_receivers(rth_watch_t *c);

/* ECLOSED: no receiver; the value is not stored.  Consumes on success. */
RTH_MUSTUSE int rth_watch_send(rth_watch_t *c, rth_msg_t *value);
void rth_watch_replace(rth_watch_t *c, rth_msg_t *value); /* stores always */
/* The value, own.  seen != NULL: marks it as seen. */
rth_msg_t *rth_watch_borrow(rth_watch_t *c, rth_watch_seen_t *seen);
/* READY: there is a value that was not seen; it is now.  FAILED: no sender is
** left, and the last value was seen. */
rth_poll_t rth_watch_changed_poll(rth_watch_t *c, rth_watch_seen_t *seen,
                                  rth_wait_t *w, const rth_waker_t *waker);
/* *changed: not seen yet.  ECLOSED: no sender is left. */
RTH_MUSTUSE int rth_watch_has_changed(rth_watch_t *c,
                                      const rth_watch_seen_t *seen,
                                      int *changed);

/* ---- cancellation token: a tree ---------------------------------------- */

typedef struct rth_token rth_token_t;

RTH_MUSTUSE int rth_token_new(rth_token_t **out);
/* Cancelled with its parent, not the other way round. */
RTH_MUSTUSE int rth_token_child(rth_token_t *parent, rth_token_t **out);
rth_token_t *rth_token_ref(rth_token_t *t);
void rth_token_unref(rth_token_t *t);
void rth_token_cancel(rth_token_t *t); /* the whole subtree; idempotent */
int rth_token_is_cancelled(rth_token_t *t);
rth_poll_t rth_token_poll(rth_token_t *t, rth_wait_t *w,
                          const rth_waker_t *waker);

#ifdef __cplusplus
}
#endif
#endif
