/* once - a value that is made once, by one task, while others wait for it.
**
** WHY      the right to make it is the one permit of a semaphore; closing the
**          semaphore says that the value is there.  So a maker that fails
**          gives the permit to the next, and the end wakes all.
** THREADS  any.
** SYNC
**   [Y8] value   finish: store-rel -> get: load-acq
*/
#include "base/mem.h"
#include "sync/msg.h"
#include "sync/sem.h"

struct rth_once {
  RTH_ATOMIC(rth_msg_t *) value; /* set once */
  rth__sem_t sem;
  rth__refs_t refs;
};

int rth_once_new(rth_once_t **out) {
  rth_once_t *o = rth__zalloc(sizeof *o);
  if (o == NULL) return RTH_ENOMEM;
  rth__init(&o->value, NULL);
  rth__sem_init(&o->sem, 1);
  rth__init(&o->refs, 1);
  *out = o;
  return 0;
}

rth_once_t *rth_once_ref(rth_once_t *o) {
  rth__ref(&o->refs);
  return o;
}

void rth_once_unref(rth_once_t *o) {
  if (!rth__unref(&o->refs)) return;
  rth_msg_unref(rth__load_rlx(&o->value));
  rth__sem_destroy(&o->sem);
  rth__free(o);
}

rth_msg_t *rth_once_get(rth_once_t *o) {
  return rth__load_acq(&o->value); /* [Y8] */
}

rth_poll_t rth_once_poll(rth_once_t *o, rth_wait_t *w,
                         const rth_waker_t *waker, rth_msg_t **value) {
  rth_poll_t how = RTH_READY;
  *value = NULL;
  if (w->cancel == NULL && (*value = rth_once_get(o)) != NULL) return how;
  how = rth__sem_poll(&o->sem, 1, w, waker);
  if (how == RTH_FAILED) *value = rth_once_get(o); /* closed: it is there */
  return how == RTH_PENDING ? how : RTH_READY;
}

void rth_once_finish(rth_once_t *o, rth_msg_t *value) {
  int err;
  if (value != NULL) {
    rth__msg_share(value);
    rth__store_rel(&o->value, value); /* [Y8] */
    rth__sem_close(&o->sem);
  } else {
    err = rth__sem_release(&o->sem, 1);
    RTH_CHECK(err == 0);
  }
}

int rth_once_set(rth_once_t *o, rth_msg_t *value) {
  int err = rth__sem_try(&o->sem, 1);
  if (err == RTH_ECLOSED) return RTH_EINVAL;
  if (err == 0) rth_once_finish(o, value);
  return err;
}
