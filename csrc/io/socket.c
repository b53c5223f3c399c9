/* socket - what all kinds of sockets share: making, binding, addresses.
**
** WHY      one place that knows how systems differ in flags at creation and
**          in keeping SIGPIPE away.
** THREADS  any; no state.
*/
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE /* accept4 */
#endif
#include "io/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/compiler.h"

int rth__socket_prepare(int fd) {
  int flags = fcntl(fd, F_GETFL);
  if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) return -errno;
  if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) return -errno;
#if defined(SO_NOSIGPIPE)
  (void)rth__socket_set(fd, SOL_SOCKET, SO_NOSIGPIPE, 1);
#endif
  return 0;
}

int rth__socket_set(int fd, int level, int option, int value) {
  return setsockopt(fd, level, option, &value, sizeof value) != 0 ? -errno : 0;
}

#if defined(__linux__)
static int new_socket(int family, int type) {
  return socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}
static int new_accepted(int listening, struct sockaddr *a, socklen_t *size) {
  return accept4(listening, a, size, SOCK_NONBLOCK | SOCK_CLOEXEC);
}
static int finish_new(int made, int *fd) {
  *fd = made;
  return made < 0 ? -errno : 0;
}
#else
static int new_socket(int family, int type) { return socket(family, type, 0); }
static int new_accepted(int listening, struct sockaddr *a, socklen_t *size) {
  return accept(listening, a, size);
}
static int finish_new(int made, int *fd) {
  int err = made < 0 ? -errno : rth__socket_prepare(made);
  if (err != 0 && made >= 0) (void)close(made);
  *fd = err != 0 ? -1 : made;
  return err;
}
#endif

int rth__socket_new(int family, int type, int *fd) {
  return finish_new(new_socket(family, type), fd);
}

int rth__socket_accept(int listening, int *fd, rth_addr_t *a) {
  rth_addr_t peer;
  struct sockaddr *at = (struct sockaddr *)(void *)peer.u.bytes;
  socklen_t size = sizeof peer.u.bytes;
  int err = finish_new(new_accepted(listening, at, &size), fd);
  peer.size = size;
  if (err == 0 && a != NULL) *a = peer;
  return err;
}

static int bind_one(const rth_addr_t *a, const struct rth__bind *b, int *fd) {
  int made, err = rth__socket_new(rth__addr_family(a), b->type, &made);
  if (err != 0) return err;
  if (b->reuse_addr && rth__addr_family(a) != AF_UNIX)
    err = rth__socket_set(made, SOL_SOCKET, SO_REUSEADDR, 1);
  if (err == 0 && b->reuse_port)
    err = rth__socket_set(made, SOL_SOCKET, SO_REUSEPORT, 1);
  if (err == 0 && bind(made, rth__addr_at(a), a->size) != 0) err = -errno;
  if (err == 0 && b->backlog > 0 && listen(made, b->backlog) != 0)
    err = -errno;
  if (err != 0)
    (void)close(made);
  else
    *fd = made;
  return err;
}

int rth__socket_bind(const rth_addr_t *list, size_t n,
                     const struct rth__bind *b, int *fd) {
  int err = RTH_EINVAL;
  size_t i;
  for (i = 0; i < n; i++)
    if ((err = bind_one(&list[i], b, fd)) == 0) return 0;
  return err;
}

static int ask(int (*f)(int, struct sockaddr *, socklen_t *), int fd,
               rth_addr_t *a) {
  socklen_t size = sizeof a->u.bytes;
  if (f(fd, (struct sockaddr *)(void *)a->u.bytes, &size) != 0) return -errno;
  a->size = size;
  return 0;
}

int rth__socket_local(int fd, rth_addr_t *a) {
  return ask(getsockname, fd, a);
}

int rth__socket_peer(int fd, rth_addr_t *a) { return ask(getpeername, fd, a); }
