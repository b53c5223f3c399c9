/* stream - a connected TCP or Unix socket: its life, writing, options.
**
** WHY      writing goes straight to the system, from the caller's memory: a
**          slow peer makes the writer wait, and nothing grows.
** THREADS  the user of the stream.
** OWNS     the source and the buffer.
*/
#include "io/stream.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/mem.h"
#include "io/socket.h"

#define PIECES 64 /* in one system call */

#if !defined(MSG_NOSIGNAL)
#define MSG_NOSIGNAL 0 /* SO_NOSIGPIPE does it */
#endif

/* ---- life --------------------------------------------------------------- */

int rth__stream_new(rth_handle_t *h, int fd, rth_stream_t **out) {
  rth_stream_t *s = rth__zalloc(sizeof *s);
  if (s == NULL) return RTH_ENOMEM;
  rth__source_init(&s->io, h, fd);
  *out = s;
  return 0;
}

int rth_stream_from_fd(rth_handle_t *h, int fd, rth_stream_t **out) {
  int err = rth_handle_is_shutdown(h) ? RTH_ESHUTDOWN : 0;
  if (err == 0) err = rth__socket_prepare(fd);
  return err != 0 ? err : rth__stream_new(h, fd, out);
}

int rth_stream_pair(rth_handle_t *h, rth_stream_t *out[2]) {
  int fd[2], err;
  if (rth_handle_is_shutdown(h)) return RTH_ESHUTDOWN;
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd) != 0) return -errno;
  err = rth_stream_from_fd(h, fd[0], &out[0]);
  if (err == 0) {
    err = rth_stream_from_fd(h, fd[1], &out[1]);
    if (err == 0) return 0;
    rth_stream_free(out[0]);
  } else {
    (void)close(fd[0]);
  }
  (void)close(fd[1]);
  return err;
}

int rth_stream_dup(rth_stream_t *s, rth_stream_t **out) {
  int fd, err = rth__source_check(&s->io);
  if (err != 0) return err;
  fd = dup(s->io.fd);
  if (fd < 0) return -errno;
  err = rth_stream_from_fd(s->io.handle, fd, out);
  if (err != 0) (void)close(fd);
  return err;
}

void rth_stream_move_input(rth_stream_t *from, rth_stream_t *to) {
  rth__buffer_t none = {0};
  to->in = from->in;
  to->chunk = from->chunk;
  to->end = from->end;
  from->in = none;
}

rth_handle_t *rth_stream_handle(const rth_stream_t *s) { return s->io.handle; }

int rth_stream_detach(rth_stream_t *s) {
  int err = rth__source_detach(&s->io);
  if (err == 0) rth__buffer_trim(&s->in, NULL);
  return err;
}

void rth_stream_close(rth_stream_t *s) { rth__source_close(&s->io); }

int rth_stream_is_closed(const rth_stream_t *s) { return s->io.fd < 0; }

void rth_stream_free(rth_stream_t *s) {
  if (s == NULL) return;
  rth__source_fini(&s->io);
  rth__free(s->in.mem);
  rth__free(s);
}

void rth_stream_cancel_read(rth_stream_t *s) {
  s->scanned = 0; /* the next read may look for something else */
  rth__source_end(&s->io, RTH_SIDE_READ);
}

void rth_stream_cancel_write(rth_stream_t *s) {
  rth__source_end(&s->io, RTH_SIDE_WRITE);
}

void rth_stream_wake_read(rth_stream_t *s) {
  rth_wake(&s->io.side[RTH_SIDE_READ].waker);
}

void rth_stream_wake_write(rth_stream_t *s) {
  rth_wake(&s->io.side[RTH_SIDE_WRITE].waker);
}

/* ---- writing ------------------------------------------------------------ */

/* The next pieces; answers their bytes. */
static size_t gather(const rth_write_t *w, struct iovec *v, size_t *n) {
  size_t i = w->next, skip = w->offset, bytes = 0;
  for (*n = 0; i < w->n && *n < PIECES; i++, skip = 0) {
    if (w->pieces[i].n == skip) continue;
    v[*n].iov_base = (void *)(uintptr_t)(w->pieces[i].at + skip);
    v[*n].iov_len = w->pieces[i].n - skip;
    bytes += v[(*n)++].iov_len;
  }
  return bytes;
}

static void advance(rth_write_t *w, size_t bytes) {
  while (w->next < w->n && bytes >= w->pieces[w->next].n - w->offset) {
    bytes -= w->pieces[w->next++].n - w->offset;
    w->offset = 0;
  }
  w->offset += bytes;
}

/* Sends once.  1: all that was asked; 0: the system is full; or an error. */
static int send_some(int fd, rth_write_t *w) {
  struct iovec v[PIECES];
  struct msghdr m = {0};
  size_t n, bytes = gather(w, v, &n);
  ssize_t sent;
  m.msg_iov = v;
  m.msg_iovlen = n;
  do {
    sent = n == 1 ? send(fd, v->iov_base, v->iov_len, MSG_NOSIGNAL)
                  : sendmsg(fd, &m, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  if (sent < 0) return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -errno;
  advance(w, (size_t)sent);
  return (size_t)sent == bytes;
}

int rth_stream_write_all(rth_stream_t *s, rth_cx_t *cx, rth_write_t *w) {
  rth__waiter_t *side = &s->io.side[RTH_SIDE_WRITE];
  int rc = rth__source_begin(&s->io, cx, RTH_SIDE_WRITE);
  if (rc != RTH_READY) return rc;
  advance(w, 0); /* over empty pieces */
  while (w->next < w->n) {
    if (side->dry) return rth__source_wait(&s->io, cx, RTH_SIDE_WRITE);
    rc = send_some(s->io.fd, w);
    if (rc < 0) {
      rth__source_end(&s->io, RTH_SIDE_WRITE);
      return rc;
    }
    side->dry = rc == 0;
    if (rc > 0 && w->next < w->n && !rth_budget(cx)) {
      rth_yield(cx);
      return RTH_PENDING;
    }
  }
  rth__source_end(&s->io, RTH_SIDE_WRITE);
  return RTH_READY;
}

int rth_stream_shutdown(rth_stream_t *s) {
  int err = rth__source_check(&s->io);
  if (err != 0) return err;
  if (shutdown(s->io.fd, SHUT_WR) != 0 && errno != ENOTCONN) return -errno;
  return 0; /* a connection that is gone needs none */
}

/* ---- options ------------------------------------------------------------ */

int rth_stream_set_nodelay(rth_stream_t *s, int on) {
  int err = rth__source_check(&s->io);
  if (err != 0) return err;
  return rth__socket_set(s->io.fd, IPPROTO_TCP, TCP_NODELAY, on != 0);
}

int rth_stream_nodelay(const rth_stream_t *s, int *on) {
  int err = rth__source_check(&s->io);
  socklen_t size = sizeof *on;
  if (err != 0) return err;
  return getsockopt(s->io.fd, IPPROTO_TCP, TCP_NODELAY, on, &size) != 0
             ? -errno
             : 0;
}

int rth_stream_local_addr(const rth_stream_t *s, rth_addr_t *a) {
  int err = rth__source_check(&s->io);
  return err != 0 ? err : rth__socket_local(s->io.fd, a);
}

int rth_stream_peer_addr(const rth_stream_t *s, rth_addr_t *a) {
  int err = rth__source_check(&s->io);
  return err != 0 ? err : rth__socket_peer(s->io.fd, a);
}
