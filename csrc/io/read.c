/* read - reading a stream through its buffer.
**
** WHY      what has come stays in the buffer until an operation is complete,
**          so one that is given up on the way loses nothing.  A read that did
**          not fill the room it had took all there was: the next one waits
**          first, which saves a system call.
** THREADS  the user of the stream.
** INVARIANT  `end` is set once no more bytes will come.
*/
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "io/stream.h"

#define CHUNK_MIN (RTH_BUFFER_SIZE / 2)
#define CHUNK_MAX (64u * 1024)

/* ---- filling the buffer ------------------------------------------------- */

static int wait_for_more(rth_stream_t *s, rth_cx_t *cx) {
  int rc = rth__source_wait(&s->io, cx, RTH_SIDE_READ);
  if (rth__buffer_len(&s->in) == 0) {
    rth__buffer_trim(&s->in, rth__source_loop(&s->io));
    s->chunk = 0;
  }
  return rc;
}

/* Those who read much at a time get a larger buffer. */
static void adapt(rth_stream_t *s, size_t got, size_t room) {
  if (got == room && s->chunk < CHUNK_MAX) s->chunk = 2 * room;
}

/* Reads once, into room for `need` bytes or more.  READY: there is more in the
** buffer, or `end` is set.  Else PENDING or an error. */
static int fill(rth_stream_t *s, rth_cx_t *cx, size_t need) {
  rth__waiter_t *side = &s->io.side[RTH_SIDE_READ];
  rth__buffer_t *b = &s->in;
  size_t room = s->chunk > CHUNK_MIN ? s->chunk : CHUNK_MIN;
  ssize_t n;
  if (side->dry) return wait_for_more(s, cx);
  if (need > room) room = need;
  if (rth__buffer_reserve(b, room, rth__source_loop(&s->io)) != 0) {
    rth__source_end(&s->io, RTH_SIDE_READ);
    return RTH_ENOMEM;
  }
  room = b->size - b->to;
  do {
    n = recv(s->io.fd, b->mem + b->to, room, 0);
  } while (n < 0 && errno == EINTR);
  if (n > 0) {
    b->to += (size_t)n;
    side->dry = (size_t)n < room;
    adapt(s, (size_t)n, room);
  } else if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
    side->dry = 1;
    return wait_for_more(s, cx);
  } else {
    s->end = n == 0 ? RTH_EOF : -errno;
  }
  return RTH_READY;
}

static int begin(rth_stream_t *s, rth_cx_t *cx) {
  return rth__source_begin(&s->io, cx, RTH_SIDE_READ);
}

static int finish(rth_stream_t *s, size_t n, rth_bytes_t *out) {
  *out = rth__buffer_take(&s->in, n);
  s->taken = n;
  s->scanned = 0;
  rth__source_end(&s->io, RTH_SIDE_READ);
  return RTH_READY;
}

/* What is in the buffer stays there. */
static int fail(rth_stream_t *s, int err) {
  rth_stream_cancel_read(s);
  return err;
}

void rth_stream_unread(rth_stream_t *s, size_t n) {
  s->in.from -= n < s->taken ? n : s->taken;
  s->taken = 0;
}

/* Else the next read goes on in the same memory. */
void rth_stream_trim(rth_stream_t *s) {
  if (!s->io.side[RTH_SIDE_READ].dry && s->end == 0) return;
  if (rth__buffer_len(&s->in) > 0) return;
  s->taken = 0;
  rth__buffer_trim(&s->in, rth__source_loop(&s->io));
}

size_t rth_stream_buffered(const rth_stream_t *s) {
  return rth__buffer_len(&s->in);
}

/* ---- amounts ------------------------------------------------------------ */

int rth_stream_read_some(rth_stream_t *s, rth_cx_t *cx, size_t max,
                         rth_bytes_t *out) {
  int rc = begin(s, cx);
  size_t len;
  while (rc == RTH_READY && (len = rth__buffer_len(&s->in)) == 0 && max > 0) {
    if (s->end != 0) return fail(s, s->end);
    rc = fill(s, cx, 1);
  }
  if (rc != RTH_READY) return rc;
  len = rth__buffer_len(&s->in);
  return finish(s, len < max ? len : max, out);
}

int rth_stream_read_exact(rth_stream_t *s, rth_cx_t *cx, size_t n,
                          rth_bytes_t *out) {
  int rc = begin(s, cx);
  size_t len;
  while (rc == RTH_READY && (len = rth__buffer_len(&s->in)) < n) {
    if (s->end != 0) return fail(s, s->end);
    /* n may be a stranger's: the memory grows with what has come. */
    rc = fill(s, cx, n - len < CHUNK_MAX ? n - len : CHUNK_MAX);
  }
  return rc == RTH_READY ? finish(s, n, out) : rc;
}

int rth_stream_read_all(rth_stream_t *s, rth_cx_t *cx, size_t limit,
                        rth_bytes_t *out) {
  int rc = begin(s, cx);
  while (rc == RTH_READY && s->end == 0 && rth__buffer_len(&s->in) <= limit)
    rc = fill(s, cx, 1);
  if (rc != RTH_READY) return rc;
  if (rth__buffer_len(&s->in) > limit) return fail(s, -EMSGSIZE);
  if (s->end != RTH_EOF) return fail(s, s->end);
  return finish(s, rth__buffer_len(&s->in), out);
}

/* ---- delimiters --------------------------------------------------------- */

/* How many bytes up to and with the delimiter; 0: it is not there yet. */
static size_t find(rth_stream_t *s, rth_bytes_t delim) {
  const char *at = rth__buffer_at(&s->in), *hit;
  size_t len = rth__buffer_len(&s->in);
  while (len - s->scanned >= delim.n) {
    hit = memchr(at + s->scanned, delim.at[0],
                 len - s->scanned - (delim.n - 1));
    s->scanned = hit != NULL ? (size_t)(hit - at) : len - (delim.n - 1);
    if (hit == NULL) return 0;
    if (memcmp(hit, delim.at, delim.n) == 0) return s->scanned + delim.n;
    s->scanned++;
  }
  return 0;
}

/* READY: *n >= 1 is the length of the next part, delimiter included, or of the
** rest at the end of the stream. */
static int next_part(rth_stream_t *s, rth_cx_t *cx, rth_bytes_t delim,
                     size_t max, size_t *n) {
  int rc = begin(s, cx);
  *n = 0;
  while (rc == RTH_READY) {
    size_t len = rth__buffer_len(&s->in);
    if (len > 0 && (*n = find(s, delim)) > 0)
      return *n <= max ? RTH_READY : fail(s, -EMSGSIZE);
    if (len > max) return fail(s, -EMSGSIZE);
    if (s->end != 0 && len == 0) return fail(s, s->end);
    if (s->end != 0) {
      *n = len;
      return RTH_READY;
    }
    rc = fill(s, cx, 1);
  }
  if (rc < 0) s->scanned = 0; /* the next read may look for something else */
  return rc;
}

int rth_stream_read_until(rth_stream_t *s, rth_cx_t *cx, rth_bytes_t delim,
                          size_t max, rth_bytes_t *out) {
  size_t n;
  int rc = next_part(s, cx, delim, max, &n);
  return rc == RTH_READY ? finish(s, n, out) : rc;
}

/* Whether what was scanned, which has no newline, begins too long a line. */
static int is_too_long(const rth_stream_t *s, size_t max) {
  size_t n = s->scanned;
  return n > max && (n - max > 1 || rth__buffer_at(&s->in)[max] != '\r');
}

/* The end of a line does not count. */
int rth_stream_read_line(rth_stream_t *s, rth_cx_t *cx, size_t max,
                         rth_bytes_t *out) {
  static const rth_bytes_t newline = {"\n", 1};
  size_t n;
  int rc = next_part(s, cx, newline, max < SIZE_MAX - 2 ? max + 2 : max, &n);
  size_t line = n;
  const char *at = rth__buffer_at(&s->in);
  if (rc == RTH_PENDING && is_too_long(s, max)) return fail(s, -EMSGSIZE);
  if (rc != RTH_READY) return rc;
  if (at[line - 1] == '\n') line--;
  if (line < n && line > 0 && at[line - 1] == '\r') line--;
  if (line > max) return fail(s, -EMSGSIZE);
  rc = finish(s, n, out);
  out->n = line;
  return rc;
}
