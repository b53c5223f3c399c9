/* msg - messages that several readers share.
**
** WHY      the count is in the message, so sharing one allocates nothing.  The
**          public header is C++, too, and knows no atomics: hence the cast.
** THREADS  any, with a reference.
*/
#include "sync/msg.h"

static rth__refs_t *refs_of(rth_msg_t *m) {
  return (rth__refs_t *)(void *)&m->u.refs;
}

void rth__msg_share(rth_msg_t *m) {
  if (m != NULL) rth__init(refs_of(m), 1);
}

rth_msg_t *rth_msg_ref(rth_msg_t *m) {
  if (m != NULL) rth__ref(refs_of(m));
  return m;
}

void rth_msg_unref(rth_msg_t *m) {
  if (m != NULL && rth__unref(refs_of(m))) m->drop(m);
}
