/* sockets.h - socket operations for tests: each as a future (a call), and as
** a function that drives the runtime until it is done. */
#ifndef SOCKETS_H
#define SOCKETS_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "futures.h"
#include "rthandle_io.h"

/* ---- where the test's own thread waits ---------------------------------- */

typedef struct host {
  rth_runtime_t *rt;
  rth_handle_t *h;
  rth_local_t *l;
} host_t;

static inline host_t new_host(unsigned workers) {
  host_t t;
  t.rt = new_runtime(workers);
  t.h = rth_runtime_handle(t.rt);
  ASSERT_OK(rth_local_new(t.h, NULL, &t.l));
  return t;
}

static inline void close_host(host_t *t) {
  rth_local_free(t->l);
  close_runtime(t->rt);
}

static inline void host_block_on(host_t *t, const rth_future_ops_t *ops,
                                 void *self) {
  rth_block_on_t opts = {.drive = 1};
  rth_outcome_t o;
  ASSERT_OK(rth_local_block_on(t->l, &opts, ops, self, &o));
}

/* ---- one call ----------------------------------------------------------- */

typedef struct call call_t;
struct call {
  int (*f)(call_t *c, rth_cx_t *cx);
  rth_stream_t *s;
  rth_listener_t *listener;
  rth_connect_t *connect;
  rth_udp_t *udp;
  rth_lookup_t *lookup;
  size_t n;
  rth_bytes_t data;
  rth_bytes_t out;
  rth_write_t write;
  rth_stream_t *made;
  rth_addr_t addr;
  const rth_addr_t *list;
  int rc;
  int *answer;         /* where rc goes, if not NULL */
  rth_stream_t **give; /* where `made` goes, if not NULL */
  fate_t *fate; /* or NULL */
};

static inline rth_poll_t call_poll(void *self, rth_cx_t *cx, void **out) {
  call_t *c = self;
  (void)out;
  COUNT(c, polls);
  c->rc = c->f(c, cx);
  if (c->rc == RTH_PENDING) return RTH_PENDING;
  if (c->answer != NULL) *c->answer = c->rc;
  if (c->give != NULL) *c->give = c->made;
  return RTH_READY;
}
static inline void call_drop(void *self) { COUNT((call_t *)self, drops); }
static const rth_future_ops_t call_ops = {call_poll, NULL, call_drop, NULL};

static inline int call(host_t *t, call_t *c) {
  host_block_on(t, &call_ops, c);
  return c->rc;
}

/* As another task of this thread. */
static inline rth_join_t *start_call(host_t *t, call_t c) {
  rth_join_t *j = NULL;
  ASSERT_OK(rth_local_spawn(t->l, &call_ops, &c, sizeof c, &j));
  return j;
}

static inline void finish_call(host_t *t, rth_join_t *j) {
  joining_t w = {.join = j};
  host_block_on(t, &joining_ops, &w);
  rth_join_free(j);
}

static inline rth_poll_t turns_poll(void *self, rth_cx_t *cx, void **out) {
  int *n = self;
  (void)out;
  if ((*n)-- == 0) return RTH_READY;
  rth_yield(cx);
  return RTH_PENDING;
}
static const rth_future_ops_t turns_ops = {turns_poll, NULL, NULL, NULL};

/* Lets the other tasks of this thread run until they wait. */
static inline void settle(host_t *t) {
  int n = 3;
  host_block_on(t, &turns_ops, &n);
}

static inline rth_bytes_t bytes(const char *s) {
  rth_bytes_t b = {s, strlen(s)};
  return b;
}

/* ---- reads -------------------------------------------------------------- */

static inline int do_some(call_t *c, rth_cx_t *cx) {
  return rth_stream_read_some(c->s, cx, c->n, &c->out);
}
static inline int do_exact(call_t *c, rth_cx_t *cx) {
  return rth_stream_read_exact(c->s, cx, c->n, &c->out);
}
static inline int do_line(call_t *c, rth_cx_t *cx) {
  return rth_stream_read_line(c->s, cx, c->n, &c->out);
}
static inline int do_until(call_t *c, rth_cx_t *cx) {
  return rth_stream_read_until(c->s, cx, c->data, c->n, &c->out);
}
static inline int do_all(call_t *c, rth_cx_t *cx) {
  return rth_stream_read_all(c->s, cx, c->n, &c->out);
}
static inline int do_write(call_t *c, rth_cx_t *cx) {
  if (c->write.pieces == NULL) {
    c->write.pieces = &c->data;
    c->write.n = 1;
  }
  return rth_stream_write_all(c->s, cx, &c->write);
}

/* The error, or what was read, as a string in a static buffer. */
static inline const char *read_with(host_t *t, rth_stream_t *s,
                                    int (*f)(call_t *, rth_cx_t *), size_t n,
                                    const char *delim) {
  static char text[4096];
  call_t c = {.f = f, .s = s, .n = n};
  if (delim != NULL) c.data = bytes(delim);
  if (call(t, &c) < 0) return rth_err_name(c.rc);
  ASSERT_LT(c.out.n, sizeof text);
  memcpy(text, c.out.at, c.out.n);
  text[c.out.n] = '\0';
  return text;
}

static inline const char *read_some(host_t *t, rth_stream_t *s, size_t max) {
  return read_with(t, s, do_some, max, NULL);
}
static inline const char *read_exact(host_t *t, rth_stream_t *s, size_t n) {
  return read_with(t, s, do_exact, n, NULL);
}
static inline const char *read_line(host_t *t, rth_stream_t *s, size_t max) {
  return read_with(t, s, do_line, max, NULL);
}
static inline const char *read_all(host_t *t, rth_stream_t *s, size_t limit) {
  return read_with(t, s, do_all, limit, NULL);
}

static inline int write_bytes(host_t *t, rth_stream_t *s, rth_bytes_t data) {
  call_t c = {.f = do_write, .s = s, .data = data};
  return call(t, &c);
}
static inline void write_text(host_t *t, rth_stream_t *s, const char *text) {
  ASSERT_EQ(write_bytes(t, s, bytes(text)), RTH_READY);
}

/* ---- connections -------------------------------------------------------- */

static inline rth_addr_t address(const char *text) {
  rth_addr_t a;
  ASSERT_OK(rth_addr_parse(&a, text));
  return a;
}

static inline rth_listener_t *listen_at(host_t *t, rth_addr_t a) {
  rth_listener_t *l = NULL;
  ASSERT_OK(rth_listen(t->h, &a, 1, NULL, &l));
  return l;
}
static inline rth_listener_t *new_listener(host_t *t) {
  return listen_at(t, address("127.0.0.1:0"));
}
static inline const char *listener_text(rth_listener_t *l) {
  static char text[RTH_ADDR_TEXT];
  rth_addr_t a;
  ASSERT_OK(rth_listener_local_addr(l, &a));
  return rth_addr_format(&a, text);
}

static inline int do_accept(call_t *c, rth_cx_t *cx) {
  return rth_listener_accept(c->listener, cx, &c->made, &c->addr);
}
static inline int do_connect(call_t *c, rth_cx_t *cx) {
  return rth_connect_poll(c->connect, cx, &c->made);
}

static inline rth_stream_t *accept_one(host_t *t, rth_listener_t *l) {
  call_t c = {.f = do_accept, .listener = l};
  ASSERT_EQ(call(t, &c), RTH_READY);
  return c.made;
}

static inline int try_connect(host_t *t, const char *text, rth_stream_t **s,
                              char *message) {
  call_t c = {.f = do_connect};
  int rc;
  ASSERT_OK(rth_tcp_connect(t->h, text, &c.connect));
  rc = call(t, &c);
  if (rc == RTH_READY) *s = c.made;
  if (message != NULL) strcpy(message, rth_connect_error(c.connect));
  rth_connect_free(c.connect);
  return rc;
}

static inline rth_stream_t *connect_to(host_t *t, rth_listener_t *l) {
  rth_stream_t *s = NULL;
  ASSERT_EQ(try_connect(t, listener_text(l), &s, NULL), RTH_READY);
  return s;
}

/* Two ends of a TCP connection. */
static inline void tcp_pair(host_t *t, rth_stream_t *s[2]) {
  rth_listener_t *l = new_listener(t);
  s[0] = connect_to(t, l);
  s[1] = accept_one(t, l);
  rth_listener_free(l);
}

/* A blocking socket of the system as the other end. */
static inline int raw_connect(rth_listener_t *l) {
  rth_addr_t a;
  int fd;
  ASSERT_OK(rth_listener_local_addr(l, &a));
  fd = socket(((struct sockaddr *)(void *)a.u.bytes)->sa_family, SOCK_STREAM,
              0);
  ASSERT_GE(fd, 0);
  ASSERT_EQ(connect(fd, (struct sockaddr *)(void *)a.u.bytes, a.size), 0);
  return fd;
}

static inline void raw_reset(int fd) {
  struct linger now = {1, 0};
  ASSERT_EQ(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now), 0);
  close(fd);
}

/* ---- an echo server ----------------------------------------------------- */

typedef struct echo {
  rth_stream_t *s;
  int writing;
  rth_bytes_t data;
  rth_write_t write;
} echo_t;

static inline rth_poll_t echo_poll(void *self, rth_cx_t *cx, void **out) {
  echo_t *f = self;
  (void)out;
  for (;;) {
    int rc = f->writing ? rth_stream_write_all(f->s, cx, &f->write)
                        : rth_stream_read_some(f->s, cx, SIZE_MAX, &f->data);
    if (rc == RTH_PENDING) return RTH_PENDING;
    if (rc < 0) return RTH_READY;
    f->writing = !f->writing;
    f->write = (rth_write_t){.pieces = &f->data, .n = 1};
  }
}
static inline void echo_drop(void *self) {
  rth_stream_free(((echo_t *)self)->s);
}
static const rth_future_ops_t echo_ops = {echo_poll, NULL, echo_drop, NULL};

/* Accepts for ever; each connection gets a task of its own. */
typedef struct server {
  rth_listener_t *listener;
} server_t;

static inline rth_poll_t server_poll(void *self, rth_cx_t *cx, void **out) {
  server_t *f = self;
  (void)out;
  for (;;) {
    echo_t e = {0};
    int rc = rth_listener_accept(f->listener, cx, &e.s, NULL);
    if (rc == RTH_PENDING) return RTH_PENDING;
    if (rc < 0) return RTH_READY;
    ASSERT_OK(rth_spawn(cx->handle, &echo_ops, &e, sizeof e, 0, NULL));
  }
}
static inline void server_drop(void *self) {
  rth_listener_free(((server_t *)self)->listener);
}
static const rth_future_ops_t server_ops = {server_poll, NULL, server_drop,
                                            NULL};

/* Answers its address, in a static buffer. */
static inline const char *start_server(host_t *t) {
  server_t f = {new_listener(t)};
  const char *text = listener_text(f.listener);
  ASSERT_OK(rth_spawn(t->h, &server_ops, &f, sizeof f, 0, NULL));
  return text;
}

#endif
