/* inbox - many producers, one consumer that takes all at once.
**
** WHY      a stack (Treiber 1986) that is only ever emptied whole has no ABA
**          problem, needs no dummy node and no memory; one exchange takes any
**          number.  Reversal gives FIFO back.
** THREADS  push: any; take: the executor's thread.
** OWNS     the NOTIFIED reference of each task in it.
** SYNC     every operation on `top` is seq_cst:
**   [B1] task, next   push: release -> take: acquire
**   [B2] sleeping     push, then an operation on where the consumer sleeps
**                     (its park word, exec's `parker`); consumer: an operation
**                     on that, then a look at `top`.  In the one order of all
**                     four the consumer sees the task or the pusher sees where
**                     to wake it.
*/
#include "queue/inbox.h"

int rth__inbox_push(rth__inbox_t *b, rth__task_t *t) {
  rth__task_t *top = rth__load_rlx(&b->top);
  do {
    t->next = top;
  } while (!rth__cas_sc(&b->top, &top, t)); /* [B1] [B2] */
  return top == NULL;
}

rth__task_t *rth__inbox_take(rth__inbox_t *b) {
  rth__task_t *newest = rth__swap_sc(&b->top, NULL); /* [B1] [B2] */
  size_t n = 0;
  return rth__task_reverse(newest, &n);
}
