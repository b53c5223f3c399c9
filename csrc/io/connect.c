/* connect - making a connection: each address of a name in turn.
**
** THREADS  the poll's.
** OWNS     the lookup, the socket being connected, the texts.
*/
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "io/socket.h"
#include "io/stream.h"

#define TEXT_SIZE 512
#define PAUSE (2 * RTH_MILLISECOND)

struct rth_connect {
  rth_handle_t *handle;
  rth_lookup_t *lookup; /* NULL: `one` is the list */
  rth_addr_t one;
  const rth_addr_t *list; /* NULL: not known yet */
  size_t n, next;
  int named;      /* the caller gave a name, so errors say the addresses */
  int connecting; /* the socket is on its way to list[next] */
  int paused;     /* a Unix listener's queue is full: try again */
  rth__source_t io; /* fd -1: none now */
  rth_sleep_t pause;
  int error; /* the last */
  size_t used;
  char text[TEXT_SIZE]; /* the addresses and their errors */
  char whole[TEXT_SIZE + 128];
};

static rth_connect_t *new_connect(rth_handle_t *h) {
  rth_connect_t *c = rth__zalloc(sizeof *c);
  if (c == NULL) return NULL;
  c->handle = rth_handle_clone(h);
  rth__source_init(&c->io, h, -1);
  c->error = RTH_EINVAL;
  return c;
}

int rth_unix_connect(rth_handle_t *h, const rth_addr_t *a,
                     rth_connect_t **out) {
  rth_connect_t *c;
  if (rth_handle_is_shutdown(h)) return RTH_ESHUTDOWN;
  c = new_connect(h);
  if (c == NULL) return RTH_ENOMEM;
  c->one = *a;
  c->list = &c->one;
  c->n = 1;
  *out = c;
  return 0;
}

int rth_tcp_connect(rth_handle_t *h, const char *text, rth_connect_t **out) {
  rth_connect_t *c;
  int err;
  if (rth_handle_is_shutdown(h)) return RTH_ESHUTDOWN;
  c = new_connect(h);
  if (c == NULL) return RTH_ENOMEM;
  if (rth_addr_parse(&c->one, text) == 0) {
    c->list = &c->one;
    c->n = 1;
  } else {
    c->named = 1;
    err = rth_lookup_new(h, text, &c->lookup);
    if (err != 0) {
      rth_connect_free(c);
      return err;
    }
  }
  *out = c;
  return 0;
}

/* ---- one address -------------------------------------------------------- */

/* 0: it is connected.  RTH_EAGAIN: a Unix listener's queue is full. */
static int start(rth_connect_t *c) {
  const rth_addr_t *a = &c->list[c->next];
  int fd, err = rth__socket_new(rth__addr_family(a), SOCK_STREAM, &fd);
  if (err != 0) return err;
  if (connect(fd, rth__addr_at(a), a->size) != 0) err = -errno;
  if (err != 0 && err != -EINPROGRESS && err != -EINTR) {
    (void)close(fd);
    return err;
  }
  c->io.fd = fd;
  return err != 0 ? -EINPROGRESS : 0;
}

/* What became of it. */
static int outcome(const rth_connect_t *c) {
  int err = 0;
  socklen_t size = sizeof err;
  if (getsockopt(c->io.fd, SOL_SOCKET, SO_ERROR, &err, &size) != 0)
    err = errno;
  return -err;
}

static void note_error(rth_connect_t *c, int err) {
  char name[RTH_ADDR_TEXT];
  int n;
  c->error = err;
  n = snprintf(c->text + c->used, TEXT_SIZE - c->used, "%s%s: %s",
               c->used > 0 ? ", " : "",
               rth_addr_format(&c->list[c->next], name), rth_err_name(err));
  c->used += (size_t)n < TEXT_SIZE - c->used ? (size_t)n
                                             : TEXT_SIZE - c->used - 1;
}

/* The socket becomes a stream, off the loop: any executor may use it. */
static int give(rth_connect_t *c, rth_stream_t **out) {
  int fd = c->io.fd, err;
  rth__source_end(&c->io, RTH_SIDE_WRITE);
  (void)rth__source_detach(&c->io);
  err = rth__stream_new(c->io.handle, fd, out);
  if (err != 0) return c->error = err;
  c->io.fd = -1;
  return RTH_READY;
}

/* PENDING, or what became of the attempt; 0 would be both, so READY: done. */
static int attempt(rth_connect_t *c, rth_cx_t *cx) {
  int err;
  if (!c->connecting) {
    err = start(c);
    if (err != -EINPROGRESS) return err == 0 ? RTH_READY : err;
    c->connecting = 1;
    return rth__source_wait(&c->io, cx, RTH_SIDE_WRITE);
  }
  if (c->io.side[RTH_SIDE_WRITE].waker.ops != NULL) /* not woken yet */
    return rth__source_wait(&c->io, cx, RTH_SIDE_WRITE);
  err = outcome(c);
  return err == 0 ? RTH_READY : err;
}

/* ---- all of them -------------------------------------------------------- */

static int take_list(rth_connect_t *c, rth_cx_t *cx) {
  int rc;
  if (c->list != NULL) return RTH_READY;
  rc = rth_lookup_poll(c->lookup, cx, &c->list, &c->n);
  if (rc < 0) c->error = rc;
  return rc;
}

static void end_pause(rth_connect_t *c) {
  if (c->paused) rth_sleep_fini(&c->pause);
  c->paused = 0;
}

static int begin_pause(rth_connect_t *c, rth_cx_t *cx) {
  end_pause(c);
  rth_sleep_init_in(&c->pause, cx->handle, PAUSE);
  c->paused = 1;
  rth_pin(cx);
  return rth_sleep_poll(&c->pause, cx) == RTH_FAILED ? RTH_ESHUTDOWN
                                                     : RTH_PENDING;
}

static int try_next(rth_connect_t *c, rth_cx_t *cx, rth_stream_t **out) {
  int rc;
  while (c->next < c->n) {
    rc = attempt(c, cx);
    if (rc == RTH_PENDING) return rc;
    if (rc == RTH_READY) return give(c, out);
    if (rc == -EAGAIN && !c->connecting) return begin_pause(c, cx);
    note_error(c, rc);
    rth__source_end(&c->io, RTH_SIDE_WRITE);
    rth__source_close(&c->io);
    c->connecting = 0;
    c->next++;
  }
  return c->error;
}

int rth_connect_poll(rth_connect_t *c, rth_cx_t *cx, rth_stream_t **out) {
  int rc;
  if (cx->local == NULL) return c->error = RTH_ENOCONTEXT;
  if (rth_handle_is_shutdown(cx->handle)) return c->error = RTH_ESHUTDOWN;
  if (c->paused) {
    rth_poll_t p = rth_sleep_poll(&c->pause, cx);
    if (p == RTH_FAILED) return c->error = RTH_ESHUTDOWN;
    if (p == RTH_PENDING) return RTH_PENDING;
    end_pause(c);
  }
  rc = take_list(c, cx);
  return rc == RTH_READY ? try_next(c, cx, out) : rc;
}

const char *rth_connect_error(const rth_connect_t *cc) {
  rth_connect_t *c = (rth_connect_t *)(uintptr_t)cc;
  int all = c->used > 0 && (c->named || c->n > 1);
  (void)snprintf(c->whole, sizeof c->whole, all ? "%s: %s (%s)" : "%s: %s",
                 rth_err_name(c->error), rth_strerror(c->error), c->text);
  return c->whole;
}

void rth_connect_free(rth_connect_t *c) {
  if (c == NULL) return;
  end_pause(c);
  rth__source_fini(&c->io);
  rth_lookup_free(c->lookup);
  rth_handle_free(c->handle);
  rth__free(c);
}
