/* listener - accepting connections: TCP and Unix.
**
** WHY      a server must outlive a flood: when the system has no descriptors
**          or memory left, the connection stays in the queue of the system,
**          and accepting pauses instead of spinning or failing.  What the
**          system reports about the connection rather than the listener (it
**          was reset before we took it) is passed over.
** THREADS  the user of the listener.
** OWNS     the source, the timer of the pause.
*/
#include <errno.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "io/socket.h"
#include "io/stream.h"

#define PAUSE (20 * RTH_MILLISECOND)

struct rth_listener {
  rth__source_t io;
  rth_sleep_t pause;
  int paused; /* `pause` is initialised */
};

int rth_listen(rth_handle_t *h, const rth_addr_t *list, size_t n,
               const rth_listen_options_t *o, rth_listener_t **out) {
  struct rth__bind b = {SOCK_STREAM, 1, 0, 1024};
  rth_listener_t *l;
  int fd, err;
  if (rth_handle_is_shutdown(h)) return RTH_ESHUTDOWN;
  if (o != NULL) b.reuse_port = o->reuse_port;
  if (o != NULL && o->backlog > 0) b.backlog = o->backlog;
  err = rth__socket_bind(list, n, &b, &fd);
  if (err != 0) return err;
  l = rth__zalloc(sizeof *l);
  if (l == NULL) {
    (void)close(fd);
    return RTH_ENOMEM;
  }
  rth__source_init(&l->io, h, fd);
  *out = l;
  return 0;
}

/* ---- accepting ---------------------------------------------------------- */

/* The system, not the listener, is in want. */
static int is_shortage(int err) {
  return err == -EMFILE || err == -ENFILE || err == -ENOBUFS ||
         err == -ENOMEM;
}

/* Errors of a connection that died in the queue; try the next one. */
static int is_passing(int err) {
  switch (-err) {
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case EPERM:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENETUNREACH:
      return 1;
    default:
      return 0;
  }
}

static void end_pause(rth_listener_t *l) {
  if (l->paused) rth_sleep_fini(&l->pause);
  l->paused = 0;
}

/* READY: the pause is over, or there is none. */
static int pause_poll(rth_listener_t *l, rth_cx_t *cx) {
  rth_poll_t p;
  if (!l->paused) return RTH_READY;
  p = rth_sleep_poll(&l->pause, cx);
  if (p == RTH_PENDING) return RTH_PENDING;
  end_pause(l);
  if (p == RTH_READY) return RTH_READY;
  rth__source_end(&l->io, RTH_SIDE_READ);
  return RTH_ESHUTDOWN;
}

static int begin_pause(rth_listener_t *l, rth_cx_t *cx) {
  rth_sleep_init_in(&l->pause, cx->handle, PAUSE);
  l->paused = 1;
  rth_pin(cx);
  l->io.side[RTH_SIDE_READ].owner = cx->waker.data;
  return pause_poll(l, cx);
}

static int give(rth_listener_t *l, int fd, rth_stream_t **out) {
  int err = rth__stream_new(l->io.handle, fd, out);
  rth__source_end(&l->io, RTH_SIDE_READ);
  if (err != 0) (void)close(fd);
  return err != 0 ? err : RTH_READY;
}

int rth_listener_accept(rth_listener_t *l, rth_cx_t *cx, rth_stream_t **out,
                        rth_addr_t *peer) {
  int fd, err, rc = rth__source_begin(&l->io, cx, RTH_SIDE_READ);
  if (rc == RTH_READY) rc = pause_poll(l, cx);
  if (rc == RTH_ESHUTDOWN) end_pause(l); /* it was that runtime's */
  if (rc != RTH_READY) return rc;
  do {
    err = rth__socket_accept(l->io.fd, &fd, peer);
  } while (is_passing(err));
  if (err == 0) return give(l, fd, out);
  if (err == -EAGAIN || err == -EWOULDBLOCK) {
    err = rth__source_wait(&l->io, cx, RTH_SIDE_READ);
    if (err == RTH_PENDING) return RTH_PENDING;
  }
  if (is_shortage(err)) return begin_pause(l, cx);
  rth__source_end(&l->io, RTH_SIDE_READ);
  return err;
}

/* ---- the rest ----------------------------------------------------------- */

void rth_listener_cancel(rth_listener_t *l) {
  end_pause(l);
  rth__source_end(&l->io, RTH_SIDE_READ);
}

int rth_listener_local_addr(const rth_listener_t *l, rth_addr_t *a) {
  int err = rth__source_check(&l->io);
  return err != 0 ? err : rth__socket_local(l->io.fd, a);
}

rth_handle_t *rth_listener_handle(const rth_listener_t *l) {
  return l->io.handle;
}

int rth_listener_detach(rth_listener_t *l) {
  return rth__source_detach(&l->io);
}

void rth_listener_close(rth_listener_t *l) {
  rth_waker_t w = {0};
  if (l->paused) { /* who accepts waits for the timer, not for the source */
    w = rth_waker_clone(&l->pause.waker);
    end_pause(l);
  }
  rth__source_close(&l->io);
  rth_wake(&w);
}

int rth_listener_is_closed(const rth_listener_t *l) { return l->io.fd < 0; }

void rth_listener_free(rth_listener_t *l) {
  if (l == NULL) return;
  end_pause(l);
  rth__source_fini(&l->io);
  rth__free(l);
}
