/* socket.h - what all kinds of sockets share: making, binding, addresses. */
#ifndef RTH_SOCKET_H
#define RTH_SOCKET_H

#include <sys/socket.h>

#include "rthandle_io.h"

/* A new descriptor, non-blocking and close-on-exec.  Fails: -errno. */
int rth__socket_new(int family, int type, int *fd);
/* The next connection of a listening one; `a` may be NULL.  Fails: -errno. */
int rth__socket_accept(int listening, int *fd, rth_addr_t *a);
/* Makes any descriptor non-blocking and close-on-exec.  Fails: -errno. */
int rth__socket_prepare(int fd);
int rth__socket_set(int fd, int level, int option, int value);

struct rth__bind {
  int type;       /* SOCK_STREAM, SOCK_DGRAM */
  int reuse_addr, reuse_port;
  int backlog;    /* 0: does not listen */
};
/* The first address of the list that can be bound.  Fails: the last error. */
int rth__socket_bind(const rth_addr_t *list, size_t n,
                     const struct rth__bind *b, int *fd);

int rth__socket_local(int fd, rth_addr_t *a);
int rth__socket_peer(int fd, rth_addr_t *a);

static inline int rth__addr_family(const rth_addr_t *a) {
  return ((const struct sockaddr *)(const void *)a->u.bytes)->sa_family;
}
static inline const struct sockaddr *rth__addr_at(const rth_addr_t *a) {
  return (const struct sockaddr *)(const void *)a->u.bytes;
}

#endif
