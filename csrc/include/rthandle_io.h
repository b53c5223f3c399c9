/* rthandle_io.h - sockets of the C core: TCP, UDP, Unix, names.
**
** OPERATIONS that may have to wait take an rth_cx_t and answer an int:
**   RTH_READY (1)    done
**   RTH_PENDING (0)  the task waits; the same call again when it is polled
**   below 0          an error: the negative errno (-ECONNRESET), RTH_EOF, a
**                    number of libuv's (names: UV_EAI_*) or an RTH_E* code.
** A task that waits is pinned to its executor.  One task may read and another
** write at the same time; a second reader (writer, accepter) gets -EBUSY.
** An operation that is given up while it is PENDING must be cancelled
** (rth_*_cancel); nothing that was read is lost by that.
**
** THREADS  "user": the owner of the executor on which the socket last waited,
**          or any thread, one at a time, once it was detached.  A socket that
**          is polled on another executor of the same thread moves by itself.
**          A socket that never waited is detached.
**
** After the shutdown of its runtime every call answers RTH_ESHUTDOWN; only
** cancel, close and free still work.
*/
#ifndef RTHANDLE_IO_H
#define RTHANDLE_IO_H

#include "rthandle.h"

#ifdef __cplusplus
extern "C" {
#endif

#define RTH_EOF (-4095) /* the end of a stream: libuv's UV_EOF */

typedef struct rth_bytes {
  const char *at;
  size_t n;
} rth_bytes_t;

/* ---- addresses ---------------------------------------------------------- */

/* A system socket address; copied freely.  size 0: none. */
typedef struct rth_addr {
  uint32_t size;
  union {
    uint64_t align;
    char bytes[128];
  } u;
} rth_addr_t;

#define RTH_ADDR_TEXT 160 /* room for any address and its 0 */

/* "127.0.0.1:80", "[::1]:80": numbers only.  Fails: RTH_EINVAL.
** Thread: any. */
RTH_MUSTUSE int rth_addr_parse(rth_addr_t *a, const char *text);
/* Fails: RTH_EINVAL (too long). */
RTH_MUSTUSE int rth_addr_unix(rth_addr_t *a, const char *path, size_t n);
/* Writes the text; answers it.  A Unix address without a path is "". */
char *rth_addr_format(const rth_addr_t *a, char text[RTH_ADDR_TEXT]);

/* ---- names -------------------------------------------------------------- */

/* One question to the system's resolver, asked on a thread of its own, which
** nobody waits for: not a worker, not shutdown, not exit. */
typedef struct rth_lookup rth_lookup_t;

/* "host:port".  Numbers are answered at once.  Fails: RTH_EINVAL (no port),
** RTH_ENOMEM, RTH_EAGAIN (no thread), RTH_ESHUTDOWN.  Thread: any. */
RTH_MUSTUSE int rth_lookup_new(rth_handle_t *h, const char *text,
                               rth_lookup_t **out);
/* READY: the list, borrowed until it is freed.  Thread: the poll's. */
int rth_lookup_poll(rth_lookup_t *l, rth_cx_t *cx, const rth_addr_t **list,
                    size_t *n);
/* Gives up the question if it is not answered.  NULL is allowed. */
void rth_lookup_free(rth_lookup_t *l);

/* ---- streams: TCP and Unix ---------------------------------------------- */

typedef struct rth_stream rth_stream_t;
typedef struct rth_connect rth_connect_t;

/* "host:port": each address of the name in turn.  Fails: as rth_lookup_new. */
RTH_MUSTUSE int rth_tcp_connect(rth_handle_t *h, const char *text,
                                rth_connect_t **out);
RTH_MUSTUSE int rth_unix_connect(rth_handle_t *h, const rth_addr_t *a,
                                 rth_connect_t **out);
/* READY: *out is the caller's, detached.  An error is that of the last
** address.  Thread: the poll's. */
int rth_connect_poll(rth_connect_t *c, rth_cx_t *cx, rth_stream_t **out);
/* After an error: its text, with each address that was tried if there were
** several or a name was given.  Borrowed. */
const char *rth_connect_error(const rth_connect_t *c);
void rth_connect_free(rth_connect_t *c); /* gives it up; NULL is allowed */

/* Two Unix streams, connected to each other. */
RTH_MUSTUSE int rth_stream_pair(rth_handle_t *h, rth_stream_t *out[2]);
/* Takes over a connected stream socket.  Consumes fd on success.
** Fails: RTH_ENOMEM, RTH_ESHUTDOWN, errors of fcntl. */
RTH_MUSTUSE int rth_stream_from_fd(rth_handle_t *h, int fd,
                                   rth_stream_t **out);
/* A second stream of the same connection, for another executor: one of them
** reads, the other one writes.  The buffer stays with `s`.
** Fails: RTH_ENOMEM, RTH_EMFILE, RTH_ESHUTDOWN. */
RTH_MUSTUSE int rth_stream_dup(rth_stream_t *s, rth_stream_t **out);
/* What `from` has in its buffer goes to its new dup `to`, which is to read
** from now on.  Nobody waits to read.  Thread: user of both. */
void rth_stream_move_input(rth_stream_t *from, rth_stream_t *to);
/* The runtime that used it last.  Borrowed.  Thread: user. */
rth_handle_t *rth_stream_handle(const rth_stream_t *s);

/* What a read answers is borrowed: good until the next read of the stream,
** cancel or free.
**
** At the end of the stream, and after an error of the connection, what had
** arrived comes first; each read after that answers RTH_EOF, or that error. */

/* What is there, 1 to max bytes. */
int rth_stream_read_some(rth_stream_t *s, rth_cx_t *cx, size_t max,
                         rth_bytes_t *out);
/* n bytes.  An end before that is an error; what there is stays unread. */
int rth_stream_read_exact(rth_stream_t *s, rth_cx_t *cx, size_t n,
                          rth_bytes_t *out);
/* Up to and with the delimiter (n >= 1 bytes); at the end, the rest.
** -EMSGSIZE: more than max bytes without one; they stay unread. */
int rth_stream_read_until(rth_stream_t *s, rth_cx_t *cx, rth_bytes_t delim,
                          size_t max, rth_bytes_t *out);
/* A line of at most max bytes, without its \n or \r\n. */
int rth_stream_read_line(rth_stream_t *s, rth_cx_t *cx, size_t max,
                         rth_bytes_t *out);
/* Everything until the end, which may be nothing.  -EMSGSIZE: more than
** limit; it stays unread. */
int rth_stream_read_all(rth_stream_t *s, rth_cx_t *cx, size_t limit,
                        rth_bytes_t *out);

/* The last read gives back the last n bytes of what it took, or all if that is
** less: for one that was not cancelled in time, or was used in part.  Nothing
** was read from the stream since.  Once.  Thread: user. */
void rth_stream_unread(rth_stream_t *s, size_t n);
/* What the last read answered is not looked at any more: a stream whose buffer
** is empty, and that has no more to read now, needs none.  Thread: user. */
void rth_stream_trim(rth_stream_t *s);
/* How many bytes came and were not taken yet.  Thread: user. */
size_t rth_stream_buffered(const rth_stream_t *s);

/* Progress of one write.  The pieces are borrowed until it is done. */
typedef struct rth_write {
  const rth_bytes_t *pieces;
  size_t n;
  size_t next, offset; /* private: 0 at first */
} rth_write_t;

/* Writes all pieces.  Waits while the peer does not keep up: nothing is
** queued but in the system.  Never raises SIGPIPE. */
int rth_stream_write_all(rth_stream_t *s, rth_cx_t *cx, rth_write_t *w);

/* The pending read or write is given up.  Thread: user. */
void rth_stream_cancel_read(rth_stream_t *s);
void rth_stream_cancel_write(rth_stream_t *s);
/* The task that waits to read (to write), if any, is polled again.
** Thread: user. */
void rth_stream_wake_read(rth_stream_t *s);
void rth_stream_wake_write(rth_stream_t *s);

/* Sends FIN: the peer reads the end.  Thread: user. */
RTH_MUSTUSE int rth_stream_shutdown(rth_stream_t *s);
RTH_MUSTUSE int rth_stream_set_nodelay(rth_stream_t *s, int on); /* TCP */
RTH_MUSTUSE int rth_stream_nodelay(const rth_stream_t *s, int *on);
RTH_MUSTUSE int rth_stream_local_addr(const rth_stream_t *s, rth_addr_t *a);
RTH_MUSTUSE int rth_stream_peer_addr(const rth_stream_t *s, rth_addr_t *a);

/* Leaves its executor: another thread may use it from now on.
** Fails: -EBUSY, a task waits.  Thread: user. */
RTH_MUSTUSE int rth_stream_detach(rth_stream_t *s);
/* Closes the descriptor.  Tasks that wait are woken with -ECANCELED; calls
** after that answer -EBADF.  Idempotent.  Thread: user. */
void rth_stream_close(rth_stream_t *s);
int rth_stream_is_closed(const rth_stream_t *s);
/* Closes it and releases the memory.  NULL is allowed.  Thread: user. */
void rth_stream_free(rth_stream_t *s);

/* ---- listeners: TCP and Unix -------------------------------------------- */

typedef struct rth_listener rth_listener_t;

typedef struct rth_listen_options {
  int backlog;    /* 0: 1024 */
  int reuse_port; /* several sockets may listen on one address */
} rth_listen_options_t;

/* Binds the first address of the list that can be, with SO_REUSEADDR for TCP.
** o may be NULL.  Fails: error of the last address.  Thread: any. */
RTH_MUSTUSE int rth_listen(rth_handle_t *h, const rth_addr_t *list, size_t n,
                           const rth_listen_options_t *o,
                           rth_listener_t **out);
/* READY: *out is the caller's, detached.  `peer` may be NULL.  Without
** descriptors or memory in the system it waits and tries again. */
int rth_listener_accept(rth_listener_t *l, rth_cx_t *cx, rth_stream_t **out,
                        rth_addr_t *peer);
void rth_listener_cancel(rth_listener_t *l);
RTH_MUSTUSE int rth_listener_local_addr(const rth_listener_t *l,
                                        rth_addr_t *a);
/* As those of streams. */
rth_handle_t *rth_listener_handle(const rth_listener_t *l);
RTH_MUSTUSE int rth_listener_detach(rth_listener_t *l);
void rth_listener_close(rth_listener_t *l);
int rth_listener_is_closed(const rth_listener_t *l);
void rth_listener_free(rth_listener_t *l);

/* ---- UDP ---------------------------------------------------------------- */

typedef struct rth_udp rth_udp_t;

/* Binds the first address of the list that can be. */
RTH_MUSTUSE int rth_udp_bind(rth_handle_t *h, const rth_addr_t *list, size_t n,
                             int reuse_port, rth_udp_t **out);
/* From now on datagrams come from there only, and `to` may be NULL. */
RTH_MUSTUSE int rth_udp_connect(rth_udp_t *u, const rth_addr_t *a);
/* READY: the datagram is sent, whole. */
int rth_udp_send(rth_udp_t *u, rth_cx_t *cx, rth_bytes_t data,
                 const rth_addr_t *to);
/* READY: one datagram, cut at max bytes; borrowed until the next receive,
** cancel or free.  `from` may be NULL. */
int rth_udp_recv(rth_udp_t *u, rth_cx_t *cx, size_t max, rth_bytes_t *out,
                 rth_addr_t *from);
void rth_udp_cancel_recv(rth_udp_t *u);
void rth_udp_cancel_send(rth_udp_t *u);
RTH_MUSTUSE int rth_udp_set_broadcast(rth_udp_t *u, int on);
RTH_MUSTUSE int rth_udp_local_addr(const rth_udp_t *u, rth_addr_t *a);
RTH_MUSTUSE int rth_udp_peer_addr(const rth_udp_t *u, rth_addr_t *a);
/* As those of streams. */
rth_handle_t *rth_udp_handle(const rth_udp_t *u);
RTH_MUSTUSE int rth_udp_detach(rth_udp_t *u);
void rth_udp_close(rth_udp_t *u);
int rth_udp_is_closed(const rth_udp_t *u);
void rth_udp_free(rth_udp_t *u);

#ifdef __cplusplus
}
#endif
#endif
