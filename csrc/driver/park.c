/* park - where one thread sleeps until work, a deadline or I/O.
**
** WHY      a word and a descriptor: an eventfd (a pipe where there is none)
**          under poll.  A condition variable cannot be left by a signal
**          handler, so Ctrl-C would not end a waiting script, and cannot wait
**          for a socket, too.  uv_async_send would do the same write, but its
**          handle must be closed through the loop and its check for a pending
**          send is no synchronisation.  Nothing is written while nobody
**          sleeps: the word says so.
** THREADS  park, open, close: the sleeper.  unpark: any.
** OWNS     the descriptors.
** SYNC
**   [P1] word   unpark: swap-sc NOTIFIED -> park: cas-sc EMPTY to PARKED, or
**               swap-sc EMPTY after the sleep.  What the waker published
**               before unpark is seen after park, and of "waker publishes,
**               sleeper looks a last time and sleeps" one sees the other:
**               model-checked in spec/model/park_model.c.
*/
#include "driver/park.h"

#include "rthandle.h"

#if !defined(RTH_MODEL)
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/eventfd.h>
#endif

#include "base/clock.h"
#include "base/fault.h"

void rth__parker_init(rth__parker_t *p) {
  rth__init(&p->word, RTH_PARK_EMPTY);
  p->fd_read = p->fd_write = -1;
  p->owed = 0;
  p->io[0] = p->io[1] = -1;
  p->luck = 1;
  p->unspun = 0;
}

int rth__parker_open(rth__parker_t *p) {
  if (p->fd_read >= 0) return 0;
  if (rth__fault(RTH_FAULT_WAKE_FD)) return RTH_EMFILE;
#if defined(__linux__)
  p->fd_read = p->fd_write = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (p->fd_read < 0) return RTH_EMFILE;
#else
  {
    int fd[2], i;
    if (pipe(fd) != 0) return RTH_EMFILE;
    for (i = 0; i < 2; i++) {
      fcntl(fd[i], F_SETFD, FD_CLOEXEC);
      fcntl(fd[i], F_SETFL, O_NONBLOCK);
    }
    p->fd_read = fd[0];
    p->fd_write = fd[1];
  }
#endif
  return 0;
}

void rth__parker_close(rth__parker_t *p) {
  if (p->fd_read < 0) return;
  if (p->fd_write != p->fd_read) close(p->fd_write);
  close(p->fd_read);
  p->fd_read = p->fd_write = -1;
  p->owed = 0;
}

void rth__parker_move(rth__parker_t *from, rth__parker_t *to) {
  to->fd_read = from->fd_read;
  to->fd_write = from->fd_write;
  to->owed = from->owed;
  to->luck = from->luck;
  to->unspun = from->unspun;
  from->fd_read = from->fd_write = -1;
  from->owed = 0;
}

/* A full counter or pipe is a wake-up already: what write says is nothing. */
static void fd_wake(rth__parker_t *p) {
  uint64_t one = 1;
  ssize_t n;
  do {
    n = write(p->fd_write, &one, sizeof one);
  } while (n < 0 && errno == EINTR);
}

/* An eventfd gives the sum of what was written, a pipe all of it. */
static void fd_clear(rth__parker_t *p) {
  uint64_t buffer[8];
  ssize_t n;
  do {
    n = read(p->fd_read, buffer, sizeof buffer);
    if (n > 0)
      p->owed -= p->fd_read == p->fd_write ? (int)buffer[0]
                                           : (int)(n / (ssize_t)sizeof *buffer);
  } while ((n < 0 && errno == EINTR) || n == (ssize_t)sizeof buffer);
}

/* Of one sleep: every system can count so far. */
#define LONGEST (86400 * RTH_SECOND)

/* Where signals are held, they come while it sleeps, and only then, so none
** comes between the caller's look at what they did and the sleep. */
static int sleep_on(struct pollfd *fds, nfds_t n, uint64_t ns,
                    const rth__signals_t *held) {
#if !defined(__APPLE__)
  struct timespec t = {(time_t)(ns / RTH_SECOND), (long)(ns % RTH_SECOND)};
  return ppoll(fds, n, ns == RTH_FOREVER ? NULL : &t,
               held != NULL ? &held->before : NULL);
#else /* has no ppoll: it sleeps a little long, and held signals come late */
  uint64_t ms = ns / RTH_MILLISECOND + (ns % RTH_MILLISECOND != 0);
  if (held != NULL && ms > 50) ms = 50;
  return poll(fds, n, ms > LONGEST / RTH_MILLISECOND ? -1 : (int)ms);
#endif
}

/* Sleeps; clears the descriptor where it was written. */
static void fd_sleep(rth__parker_t *p, uint64_t deadline,
                     const rth__signals_t *held) {
  struct pollfd fds[3] = {
      {p->fd_read, POLLIN, 0}, {p->io[0], POLLIN, 0}, {p->io[1], POLLIN, 0}};
  nfds_t n = 3;
  uint64_t ns = RTH_FOREVER;
  if (deadline != RTH_FOREVER) {
    uint64_t now = rth_now();
    ns = deadline > now ? deadline - now : 0;
    if (ns > LONGEST) ns = LONGEST;
  }
  /* A descriptor of -1 would be passed over, too. */
  if (p->io[0] < 0 && p->io[1] < 0) n = 1;
  if (sleep_on(fds, n, ns, held) > 0 && fds[0].revents != 0) fd_clear(p);
}
#else
void fd_wake(rth__parker_t *p);
void fd_sleep(rth__parker_t *p, uint64_t deadline,
              const rth__signals_t *held);
void rth__parker_close(rth__parker_t *p);
#endif

void rth__parker_park(rth__parker_t *p, uint64_t deadline,
                      const rth__signals_t *held) {
  uint32_t expected = RTH_PARK_EMPTY;
  if (rth__cas_sc(&p->word, &expected, RTH_PARK_PARKED)) { /* [P1] */
    fd_sleep(p, deadline, held);
    if (rth__swap_sc(&p->word, RTH_PARK_EMPTY) == RTH_PARK_NOTIFIED) /* [P1] */
      p->owed++;
  } else {
    (void)rth__swap_sc(&p->word, RTH_PARK_EMPTY); /* [P1] */
  }
}

/* Only who finds PARKED writes, and the sleeper has counted those: once all
** they wrote is read, nobody is on the way to the descriptor. */
void rth__parker_retire(rth__parker_t *p) {
  p->io[0] = p->io[1] = -1;
  while (p->owed > 0) fd_sleep(p, RTH_FOREVER, NULL);
  rth__parker_close(p);
}

void rth__parker_clear(rth__parker_t *p) {
  (void)rth__swap_sc(&p->word, RTH_PARK_EMPTY); /* [P1] */
}

void rth__unpark(rth__parker_t *p) {
  if (rth__swap_sc(&p->word, RTH_PARK_NOTIFIED) == RTH_PARK_PARKED) /* [P1] */
    fd_wake(p);
}
