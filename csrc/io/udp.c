/* udp - datagrams.
**
** WHY      a datagram is received into the socket's buffer, which is there
**          only while one is: see buffer.c.
** THREADS  the user of the socket.
** OWNS     the source and the buffer.
*/
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "io/buffer.h"
#include "io/socket.h"
#include "io/source.h"

#define DATAGRAM_MAX 65536u

#if !defined(MSG_NOSIGNAL)
#define MSG_NOSIGNAL 0
#endif

struct rth_udp {
  rth__source_t io;
  rth__buffer_t in;
};

int rth_udp_bind(rth_handle_t *h, const rth_addr_t *list, size_t n,
                 int reuse_port, rth_udp_t **out) {
  struct rth__bind b = {SOCK_DGRAM, 0, reuse_port, 0};
  rth_udp_t *u;
  int fd, err;
  if (rth_handle_is_shutdown(h)) return RTH_ESHUTDOWN;
  err = rth__socket_bind(list, n, &b, &fd);
  if (err != 0) return err;
  u = rth__zalloc(sizeof *u);
  if (u == NULL) {
    (void)close(fd);
    return RTH_ENOMEM;
  }
  rth__source_init(&u->io, h, fd);
  *out = u;
  return 0;
}

int rth_udp_connect(rth_udp_t *u, const rth_addr_t *a) {
  int err = rth__source_check(&u->io);
  if (err != 0) return err;
  return connect(u->io.fd, rth__addr_at(a), a->size) != 0 ? -errno : 0;
}

static int would_block(void) { return errno == EAGAIN || errno == EWOULDBLOCK; }

/* ---- sending and receiving ---------------------------------------------- */

int rth_udp_send(rth_udp_t *u, rth_cx_t *cx, rth_bytes_t data,
                 const rth_addr_t *to) {
  int rc = rth__source_begin(&u->io, cx, RTH_SIDE_WRITE);
  ssize_t n;
  if (rc != RTH_READY) return rc;
  do {
    n = sendto(u->io.fd, data.at, data.n, MSG_NOSIGNAL,
               to != NULL ? rth__addr_at(to) : NULL,
               to != NULL ? to->size : 0);
  } while (n < 0 && errno == EINTR);
  if (n < 0 && would_block())
    return rth__source_wait(&u->io, cx, RTH_SIDE_WRITE);
  rc = n < 0 ? -errno : RTH_READY;
  rth__source_end(&u->io, RTH_SIDE_WRITE);
  return rc;
}

static int wait_for_more(rth_udp_t *u, rth_cx_t *cx) {
  int rc = rth__source_wait(&u->io, cx, RTH_SIDE_READ);
  u->in.from = u->in.to = 0;
  rth__buffer_trim(&u->in, rth__source_loop(&u->io));
  return rc;
}

int rth_udp_recv(rth_udp_t *u, rth_cx_t *cx, size_t max, rth_bytes_t *out,
                 rth_addr_t *from) {
  rth_addr_t peer = {0};
  socklen_t size = sizeof peer.u.bytes;
  int rc = rth__source_begin(&u->io, cx, RTH_SIDE_READ);
  ssize_t n;
  if (rc != RTH_READY) return rc;
  if (max > DATAGRAM_MAX) max = DATAGRAM_MAX;
  u->in.from = u->in.to = 0;
  if (rth__buffer_reserve(&u->in, max > 0 ? max : 1,
                          rth__source_loop(&u->io)) != 0) {
    rth__source_end(&u->io, RTH_SIDE_READ);
    return RTH_ENOMEM;
  }
  do {
    n = recvfrom(u->io.fd, u->in.mem, max, 0,
                 (struct sockaddr *)(void *)peer.u.bytes, &size);
  } while (n < 0 && errno == EINTR);
  if (n < 0 && would_block()) return wait_for_more(u, cx);
  rc = n < 0 ? -errno : RTH_READY;
  rth__source_end(&u->io, RTH_SIDE_READ);
  if (n < 0) return rc;
  out->at = u->in.mem;
  out->n = (size_t)n;
  peer.size = size;
  if (from != NULL) *from = peer;
  return rc;
}

void rth_udp_cancel_recv(rth_udp_t *u) {
  rth__source_end(&u->io, RTH_SIDE_READ);
}

void rth_udp_cancel_send(rth_udp_t *u) {
  rth__source_end(&u->io, RTH_SIDE_WRITE);
}

/* ---- the rest ----------------------------------------------------------- */

int rth_udp_set_broadcast(rth_udp_t *u, int on) {
  int err = rth__source_check(&u->io);
  if (err != 0) return err;
  return rth__socket_set(u->io.fd, SOL_SOCKET, SO_BROADCAST, on != 0);
}

int rth_udp_local_addr(const rth_udp_t *u, rth_addr_t *a) {
  int err = rth__source_check(&u->io);
  return err != 0 ? err : rth__socket_local(u->io.fd, a);
}

int rth_udp_peer_addr(const rth_udp_t *u, rth_addr_t *a) {
  int err = rth__source_check(&u->io);
  return err != 0 ? err : rth__socket_peer(u->io.fd, a);
}

rth_handle_t *rth_udp_handle(const rth_udp_t *u) { return u->io.handle; }

int rth_udp_detach(rth_udp_t *u) {
  int err = rth__source_detach(&u->io);
  if (err == 0) {
    u->in.from = u->in.to = 0;
    rth__buffer_trim(&u->in, NULL);
  }
  return err;
}

void rth_udp_close(rth_udp_t *u) { rth__source_close(&u->io); }

int rth_udp_is_closed(const rth_udp_t *u) { return u->io.fd < 0; }

void rth_udp_free(rth_udp_t *u) {
  if (u == NULL) return;
  rth__source_fini(&u->io);
  rth__free(u->in.mem);
  rth__free(u);
}
