/* mailbox.h - many pushers, one receiver that may wait: the queue of an mpsc
** channel. */
#ifndef RTH_MAILBOX_H
#define RTH_MAILBOX_H

#include "base/atomic.h"
#include "rthandle_sync.h"

typedef struct rth__mailbox {
  RTH_ATOMIC(rth_msg_t *) top; /* newest first; or NULL, or "waiting" */
  RTH_ATOMIC(uint32_t) lent;   /* waker is a pusher's, if one comes */
  rth_waker_t waker;           /* [Y4] */
  /* The receiver's: taken, oldest first.  Far from what pushers write. */
  RTH_ALIGNED(RTH_CACHE_LINE) rth_msg_t *first;
  rth_msg_t *last;
  size_t count; /* of these */
} rth__mailbox_t;

void rth__mailbox_init(rth__mailbox_t *b);

/* Thread: any. */
void rth__mailbox_push(rth__mailbox_t *b, rth_msg_t *m);
/* Wakes the receiver, who looks at something else than messages: whatever the
** caller did before is seen by then. */
void rth__mailbox_rouse(rth__mailbox_t *b);

/* Thread: the receiver's, all below.  The oldest; NULL: empty. */
rth_msg_t *rth__mailbox_pop(rth__mailbox_t *b);
/* Takes all that is there from the pushers; answers whether there was any. */
int rth__mailbox_take(rth__mailbox_t *b);
/* Lends the waker to the pushers.  0: messages are there, nothing was done. */
int rth__mailbox_wait(rth__mailbox_t *b, const rth_waker_t *waker);
/* Waits no longer. */
void rth__mailbox_unwait(rth__mailbox_t *b);

#endif
