/* default - the one runtime of the whole process, which nobody ends.
**
** WHY      a first script, and libraries that know nothing of each other,
**          need a runtime without passing one around.
** OWNS     one reference to the handle, for the life of the process.
** SYNC
**   [D1] the handle      rth_default_set: cas-acq_rel -> rth_default_handle:
**                        load-acquire
*/
#include "base/atomic.h"
#include "rthandle.h"

static RTH_ATOMIC(rth_handle_t *) the_handle; /* [D1] */

rth_handle_t *rth_default_handle(void) {
  rth_handle_t *h = rth__load_acq(&the_handle); /* [D1] */
  return h != NULL ? rth_handle_clone(h) : NULL;
}

int rth_default_set(rth_handle_t *h) {
  rth_handle_t *none = NULL, *mine = rth_handle_clone(h);
  if (rth__cas_ar(&the_handle, &none, mine)) return RTH_OK; /* [D1] */
  rth_handle_free(mine);
  return RTH_EINVAL;
}
