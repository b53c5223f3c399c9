/* state.h - the task word: everything that threads dispute about a task, in
** one atomic.
**
** WHY      one word gives one modification order, so each transition sees
**          all that came before it.  It is changed only by the named
**          transitions below; each answers what the caller must do now.
**          (The bits and their meaning follow Tokio's task state.)
**
** BITS
**   RUNNING        somebody polls or cancels the task, or it has yielded and
**                  is in a queue: a lock around it
**   COMPLETE       the future is gone, the output stands; never unset
**   NOTIFIED       one reference is in a queue (or will be put there by the
**                  runner); unset when a poll begins
**   JOIN_INTEREST  a JoinHandle exists; it may take the output
**   JOIN_WAKER     join_waker holds a waker and belongs to the runtime;
**                  unset: it belongs to the JoinHandle
**   CANCELLED      abort or shutdown was asked; never unset
**   the rest       reference count
**
** THREADS  any, but for resume, to_idle and to_complete: who has RUNNING.
**
** SYNC     all transitions are acquire-release on the word.
**   [S1] the future's fields   to_idle: release -> to_running: acquire; of a
**                              task that yielded: as its queue orders them
**   [S2] output                to_complete: release -> JoinHandle: acquire
**   [S3] join_waker            set_join_waker: release -> to_complete: acquire
**                              unset by the runtime -> JoinHandle: acquire
**   [S4] last use              ref_dec: release -> whoever frees: acquire
*/
#ifndef RTH_STATE_H
#define RTH_STATE_H

#include "base/atomic.h"

#define RTH_S_RUNNING UINT64_C(1)
#define RTH_S_COMPLETE UINT64_C(2)
#define RTH_S_NOTIFIED UINT64_C(4)
#define RTH_S_JOIN_INTEREST UINT64_C(8)
#define RTH_S_JOIN_WAKER UINT64_C(16)
#define RTH_S_CANCELLED UINT64_C(32)
#define RTH_S_REF UINT64_C(64)

#define RTH_S_LIFE (RTH_S_RUNNING | RTH_S_COMPLETE)

typedef RTH_ATOMIC(uint64_t) rth__state_t;

/* What a new task is: queued, with a JoinHandle, and three references: the
** list of live tasks, the queue, the JoinHandle. */
#define RTH_S_INITIAL (3 * RTH_S_REF | RTH_S_JOIN_INTEREST | RTH_S_NOTIFIED)

/* What the caller of a transition must do. */
enum rth__todo {
  RTH_DO_NOTHING,
  RTH_DO_SUBMIT, /* put a reference into a queue (it was counted) */
  RTH_DO_POLL,   /* the caller holds RUNNING: poll */
  RTH_DO_CANCEL, /* the caller holds RUNNING: cancel */
  RTH_DO_FREE    /* that was the last reference */
};

static inline uint64_t rth__state_load(rth__state_t *s) {
  return rth__load_acq(s); /* [S2] */
}

static inline void rth__state_ref(rth__state_t *s) {
  (void)rth__add_rlx(s, RTH_S_REF); /* from a reference that exists */
}

/* Releases `n` references. */
static inline enum rth__todo rth__state_unref(rth__state_t *s, uint64_t n) {
  uint64_t before = rth__sub_ar(s, n * RTH_S_REF); /* [S4] */
  RTH_ASSERT(before / RTH_S_REF >= n);
  return before / RTH_S_REF == n ? RTH_DO_FREE : RTH_DO_NOTHING;
}

/* A queue gave the task away: its reference passes to the caller.  POLL or
** CANCEL: it stays the caller's.  NOTHING or FREE: somebody else runs or has
** ended it; the reference is gone. */
static inline enum rth__todo rth__state_to_running(rth__state_t *s) {
  uint64_t cur = rth__load_rlx(s), next;
  do {
    RTH_ASSERT(cur & RTH_S_NOTIFIED);
    if (RTH_UNLIKELY(cur & RTH_S_LIFE))
      next = cur - RTH_S_REF;
    else
      next = (cur & ~RTH_S_NOTIFIED) | RTH_S_RUNNING;
  } while (!rth__cas_weak_ar(s, &cur, next)); /* [S1] */
  if (RTH_UNLIKELY(cur & RTH_S_LIFE))
    return next < RTH_S_REF ? RTH_DO_FREE : RTH_DO_NOTHING;
  return cur & RTH_S_CANCELLED ? RTH_DO_CANCEL : RTH_DO_POLL;
}

/* The poll answered PENDING.  NOTHING, FREE: the reference is gone.  SUBMIT:
** it was woken meanwhile, the caller's reference goes into a queue.  CANCEL:
** still RUNNING. */
static inline enum rth__todo rth__state_to_idle(rth__state_t *s) {
  uint64_t cur = rth__load_rlx(s), next;
  do {
    if (RTH_UNLIKELY(cur & RTH_S_CANCELLED)) return RTH_DO_CANCEL;
    next = cur & ~RTH_S_RUNNING;
    if (!(cur & RTH_S_NOTIFIED)) next -= RTH_S_REF;
  } while (!rth__cas_weak_ar(s, &cur, next)); /* [S1] */
  if (cur & RTH_S_NOTIFIED) return RTH_DO_SUBMIT;
  return next < RTH_S_REF ? RTH_DO_FREE : RTH_DO_NOTHING;
}

/* A queue gave a task away that had yielded: it is RUNNING still. */
static inline enum rth__todo rth__state_resume(rth__state_t *s) {
  uint64_t cur = rth__load_rlx(s);
  RTH_ASSERT((cur & RTH_S_LIFE) == RTH_S_RUNNING);
  if (RTH_UNLIKELY(cur & RTH_S_NOTIFIED))
    cur = rth__and_ar(s, ~RTH_S_NOTIFIED); /* [S1] */
  return cur & RTH_S_CANCELLED ? RTH_DO_CANCEL : RTH_DO_POLL;
}

/* The output stands.  Answers the word before. */
static inline uint64_t rth__state_to_complete(rth__state_t *s) {
  /* RUNNING is set and COMPLETE is not: adding flips both. */
  return rth__add_ar(s, RTH_S_COMPLETE - RTH_S_RUNNING); /* [S2] [S3] */
}

/* A waker that keeps its reference. */
static inline enum rth__todo rth__state_wake_by_ref(rth__state_t *s) {
  uint64_t cur = rth__load_rlx(s), next;
  do {
    if (cur & RTH_S_RUNNING)
      next = cur | RTH_S_NOTIFIED;
    else if (cur & (RTH_S_COMPLETE | RTH_S_NOTIFIED))
      next = cur; /* written all the same: the coming poll must see us */
    else
      next = (cur | RTH_S_NOTIFIED) + RTH_S_REF;
  } while (!rth__cas_weak_ar(s, &cur, next)); /* [S1] */
  return next >= cur + RTH_S_REF ? RTH_DO_SUBMIT : RTH_DO_NOTHING;
}

/* A waker that gives its reference.  SUBMIT: the queue got a reference of its
** own, and the caller drops this one only after it has queued the task: until
** then it keeps the executor alive, which the task's last reference may free
** as soon as another thread has run it. */
static inline enum rth__todo rth__state_wake(rth__state_t *s) {
  uint64_t cur = rth__load_rlx(s), next;
  int submit;
  do {
    submit = !(cur & (RTH_S_LIFE | RTH_S_NOTIFIED));
    if (submit)
      next = (cur | RTH_S_NOTIFIED) + RTH_S_REF;
    else if (cur & RTH_S_RUNNING)
      next = (cur | RTH_S_NOTIFIED) - RTH_S_REF;
    else
      next = cur - RTH_S_REF;
  } while (!rth__cas_weak_ar(s, &cur, next)); /* [S1] [S4] */
  if (submit) return RTH_DO_SUBMIT;
  return next < RTH_S_REF ? RTH_DO_FREE : RTH_DO_NOTHING;
}

/* Abort from anywhere, by someone who has a reference.  SUBMIT: a new
** reference goes into a queue so that the task's thread cancels it. */
static inline enum rth__todo rth__state_abort(rth__state_t *s) {
  uint64_t cur = rth__load_rlx(s), next;
  int submit;
  do {
    if (cur & (RTH_S_COMPLETE | RTH_S_CANCELLED)) return RTH_DO_NOTHING;
    submit = !(cur & (RTH_S_RUNNING | RTH_S_NOTIFIED));
    next = cur | RTH_S_CANCELLED | RTH_S_NOTIFIED;
    if (submit) next += RTH_S_REF;
  } while (!rth__cas_weak_ar(s, &cur, next)); /* [S1] */
  return submit ? RTH_DO_SUBMIT : RTH_DO_NOTHING;
}

/* The JoinHandle stored a waker: hands it to the runtime.  0: the task is
** complete, the waker stays the JoinHandle's. */
static inline int rth__state_set_join_waker(rth__state_t *s) {
  uint64_t cur = rth__load_acq(s); /* [S2] where it is complete */
  do {
    if (cur & RTH_S_COMPLETE) return 0;
  } while (!rth__cas_weak_ar(s, &cur, cur | RTH_S_JOIN_WAKER)); /* [S3] */
  return 1;
}

/* The JoinHandle takes its waker back.  0: the task is complete. */
static inline int rth__state_unset_join_waker(rth__state_t *s) {
  uint64_t cur = rth__load_acq(s); /* [S2] where it is complete */
  do {
    if (cur & RTH_S_COMPLETE) return 0;
  } while (!rth__cas_weak_ar(s, &cur, cur & ~RTH_S_JOIN_WAKER)); /* [S3] */
  return 1;
}

/* The runtime has woken the join waker of a complete task and gives the field
** back.  Answers whether there is still a JoinHandle to own it. */
static inline int rth__state_return_join_waker(rth__state_t *s) {
  return (rth__and_ar(s, ~RTH_S_JOIN_WAKER) & RTH_S_JOIN_INTEREST) != 0;
  /* [S3] */
}

/* The JoinHandle goes.  Answers the word after: COMPLETE: the caller drops
** the output; no JOIN_WAKER: it drops the waker. */
static inline uint64_t rth__state_drop_join(rth__state_t *s) {
  uint64_t cur = rth__load_rlx(s), next;
  do {
    next = cur & ~RTH_S_JOIN_INTEREST;
    if (!(cur & RTH_S_COMPLETE)) next &= ~RTH_S_JOIN_WAKER;
  } while (!rth__cas_weak_ar(s, &cur, next)); /* [S2] [S3] */
  return next;
}

#endif
