/* spin - a short look before a sleep.
**
** WHY      to wake a thread whose processor is idle takes some 8 us, and so
**          does the answer: a request from one thread to another, or an event
**          on a socket, is over long before.  So a thread that has nothing to
**          do spins for a moment first, if that has mostly paid lately.  It
**          does not yield: where all processors are busy that would cost it a
**          time slice, and a sleeper gets one sooner.
** THREADS  the sleeper.
** SYNC     the word is relaxed: a wake-up that is seen is taken by park or
**          clear [P1].
*/
#include <poll.h>

#include "base/clock.h"
#include "driver/park.h"
#include "rthandle.h"

#define SPIN UINT64_C(20000) /* ns: what two wake-ups take */

/* Spinning pays where more than two of three find something: one that does
** makes up for half of one that does not.  Now and then it is tried anew. */
enum { LUCK_MAX = 8, TRY_EVERY = 64 };

static int has_come(rth__parker_t *p) {
  struct pollfd fds[2] = {{p->io[0], POLLIN, 0}, {p->io[1], POLLIN, 0}};
  if (rth__load_rlx(&p->word) != RTH_PARK_EMPTY) return 1;
  if (p->io[0] < 0 && p->io[1] < 0) return 0;
  return poll(fds, 2, 0) > 0;
}

int rth__parker_spin(rth__parker_t *p, uint64_t deadline) {
  uint64_t end;
  if (p->luck == 0 && ++p->unspun % TRY_EVERY != 0) return 0;
  end = rth_now() + SPIN;
  if (deadline < end) end = deadline;
  do {
    if (has_come(p)) {
      if (p->luck < LUCK_MAX) p->luck++;
      return 1;
    }
    rth__cpu_relax();
  } while (rth_now() < end);
  p->luck = p->luck > 2 ? p->luck - 2 : 0;
  return 0;
}
