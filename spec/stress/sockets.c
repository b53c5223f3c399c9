/* sockets.c - sockets that move, are closed, aborted and shut down while
** there is traffic.  STRESS=1 runs a hundred times as long. */
#include "../c/sockets.h"

static int times(int n) { return getenv("STRESS") != NULL ? 100 * n : n; }

/* ---- a stream that changes its task with each message ------------------- */

static RTH_ATOMIC(int) moved; /* polls on another executor than before */

typedef struct hop {
  rth_stream_t *s;
  rth_local_t *from;
  uint32_t number; /* what came */
  rth_bytes_t data;
  rth_write_t write;
  int writing;
} hop_t;

static const rth_future_ops_t hop_ops;

static rth_poll_t hop_poll(void *self, rth_cx_t *cx, void **out) {
  hop_t *f = self, next = {0};
  int rc = RTH_READY;
  (void)out;
  if (f->from != NULL && f->from != cx->local) (void)rth__add_rlx(&moved, 1);
  f->from = NULL;
  if (!f->writing) {
    rc = rth_stream_read_exact(f->s, cx, 4, &f->data);
    if (rc == RTH_PENDING) return RTH_PENDING;
    if (rc < 0) return RTH_READY;
    memcpy(&f->number, f->data.at, 4);
    f->data.at = (const char *)&f->number;
    f->write = (rth_write_t){.pieces = &f->data, .n = 1};
    f->writing = 1;
  }
  rc = rth_stream_write_all(f->s, cx, &f->write);
  if (rc == RTH_PENDING) return RTH_PENDING;
  if (rc < 0) return RTH_READY;
  if (rth_stream_detach(f->s) != 0) return RTH_READY; /* shut down */
  next.s = f->s;
  next.from = cx->local;
  f->s = NULL;
  ASSERT_OK(rth_spawn(cx->handle, &hop_ops, &next, sizeof next,
                      RTH_SPAWN_SHARE, NULL));
  return RTH_READY;
}
static void hop_drop(void *self) { rth_stream_free(((hop_t *)self)->s); }
static const rth_future_ops_t hop_ops = {hop_poll, NULL, hop_drop, NULL};

/* Counts up and checks what comes back; two numbers are on their way. */
typedef struct count {
  rth_stream_t *s;
  uint32_t sent, received, limit;
  uint32_t number;
  rth_bytes_t data;
  rth_write_t write;
  int writing;
} count_t;

static rth_poll_t count_poll(void *self, rth_cx_t *cx, void **out) {
  count_t *f = self;
  rth_bytes_t got;
  uint32_t number;
  int rc;
  (void)out;
  while (f->received < f->limit) {
    if (f->writing || (f->sent < f->limit && f->sent < f->received + 2)) {
      if (!f->writing) {
        f->number = f->sent++;
        f->data = (rth_bytes_t){(const char *)&f->number, 4};
        f->write = (rth_write_t){.pieces = &f->data, .n = 1};
      }
      f->writing = 1;
      rc = rth_stream_write_all(f->s, cx, &f->write);
      if (rc == RTH_PENDING) return RTH_PENDING;
      ASSERT_EQ(rc, RTH_READY);
      f->writing = 0;
      continue;
    }
    rc = rth_stream_read_exact(f->s, cx, 4, &got);
    if (rc == RTH_PENDING) return RTH_PENDING;
    ASSERT_EQ(rc, RTH_READY);
    memcpy(&number, got.at, 4);
    ASSERT_EQ(number, f->received);
    f->received++;
  }
  return RTH_READY;
}
static void count_drop(void *self) { rth_stream_free(((count_t *)self)->s); }
static const rth_future_ops_t count_ops = {count_poll, NULL, count_drop, NULL};

TEST(streams_move_between_workers_under_traffic) {
  enum { N = 10 };
  host_t t = new_host(4);
  rth_join_t *j[N];
  int i;
  TIME_LIMIT(600);
  for (i = 0; i < N; i++) {
    count_t c = {.limit = (uint32_t)times(2000)};
    hop_t h = {0};
    rth_stream_t *s[2];
    tcp_pair(&t, s);
    c.s = s[0];
    h.s = s[1];
    ASSERT_OK(rth_spawn(t.h, &count_ops, &c, sizeof c, 0, &j[i]));
    ASSERT_OK(rth_spawn(t.h, &hop_ops, &h, sizeof h, 0, NULL));
  }
  for (i = 0; i < N; i++) finish_call(&t, j[i]);
  ASSERT_GT(rth__load_rlx(&moved), 0);
  close_host(&t);
}

/* ---- closing what others wait in ---------------------------------------- */

/* On its executor: a reader, a writer that is stuck, and then a close. */
typedef struct closer {
  int left, turns, stage;
  rth_stream_t *s[2];
  rth_join_t *j[2];
  int rc[2];
} closer_t;

static char stuck[8 << 20];

static void closer_start(closer_t *f, rth_cx_t *cx) {
  call_t r = {.f = do_some, .n = 1, .answer = &f->rc[0]};
  call_t w = {.f = do_write, .data = {stuck, sizeof stuck},
              .answer = &f->rc[1]};
  ASSERT_OK(rth_stream_pair(cx->handle, f->s));
  r.s = w.s = f->s[0];
  ASSERT_OK(rth_local_spawn(cx->local, &call_ops, &r, sizeof r, &f->j[0]));
  ASSERT_OK(rth_local_spawn(cx->local, &call_ops, &w, sizeof w, &f->j[1]));
  f->turns = f->left % 4;
  f->stage = 1;
}

static int closer_end(closer_t *f, rth_cx_t *cx) {
  rth_outcome_t o;
  int i;
  for (i = 0; i < 2; i++) {
    if (f->j[i] == NULL) continue;
    if (rth_join_poll(f->j[i], &cx->waker, &o) == RTH_PENDING) return 0;
    rth_join_free(f->j[i]);
    f->j[i] = NULL;
    ASSERT(f->rc[i] == -ECANCELED || f->rc[i] == -EBADF);
  }
  rth_stream_free(f->s[0]);
  rth_stream_free(f->s[1]);
  f->stage = 0;
  f->left--;
  return 1;
}

static rth_poll_t closer_poll(void *self, rth_cx_t *cx, void **out) {
  closer_t *f = self;
  (void)out;
  rth_pin(cx);
  while (f->left > 0) {
    if (f->stage == 0) closer_start(f, cx);
    if (f->turns-- > 0) {
      rth_yield(cx);
      return RTH_PENDING;
    }
    if (f->stage == 1) rth_stream_close(f->s[0]);
    f->stage = 2;
    if (!closer_end(f, cx)) return RTH_PENDING;
  }
  return RTH_READY;
}
static const rth_future_ops_t closer_ops = {closer_poll, NULL, NULL, NULL};

TEST(closing_wakes_who_waits_on_every_worker) {
  enum { N = 8 };
  host_t t = new_host(4);
  rth_join_t *j[N];
  int i;
  TIME_LIMIT(600);
  for (i = 0; i < N; i++) {
    closer_t c = {.left = times(100)};
    ASSERT_OK(rth_spawn(t.h, &closer_ops, &c, sizeof c, RTH_SPAWN_SHARE,
                        &j[i]));
  }
  for (i = 0; i < N; i++) finish_call(&t, j[i]);
  close_host(&t);
}

/* ---- aborting and shutting down ----------------------------------------- */

TEST(aborted_tasks_take_their_sockets_along) {
  enum { N = 20 };
  host_t t = new_host(4);
  int round, i;
  TIME_LIMIT(600);
  for (round = 0; round < times(30); round++) {
    rth_join_t *j[2 * N];
    for (i = 0; i < N; i++) {
      echo_t a = {0}, b = {0};
      rth_stream_t *s[2];
      ASSERT_OK(rth_stream_pair(t.h, s));
      a.s = s[0];
      b.s = s[1];
      ASSERT_EQ(write_bytes(&t, s[0], bytes("x")), RTH_READY);
      ASSERT_OK(rth_spawn(t.h, &echo_ops, &a, sizeof a, 0, &j[2 * i]));
      ASSERT_OK(rth_spawn(t.h, &echo_ops, &b, sizeof b, 0, &j[2 * i + 1]));
    }
    for (i = 0; i < 2 * N; i++) {
      rth_join_abort(j[i]);
      finish_call(&t, j[i]);
    }
  }
  close_host(&t);
}

TEST(runtimes_end_under_traffic) {
  enum { N = 20 };
  int round, i;
  TIME_LIMIT(600);
  for (round = 0; round < times(30); round++) {
    host_t t = new_host(round % 5 == 0 ? CURRENT : (unsigned)(round % 5));
    for (i = 0; i < N; i++) {
      hop_t h = {0};
      echo_t e = {0};
      rth_stream_t *s[2];
      tcp_pair(&t, s);
      ASSERT_EQ(write_bytes(&t, s[0], bytes("over")), RTH_READY);
      h.s = s[1];
      e.s = s[0];
      ASSERT_OK(rth_spawn(t.h, &hop_ops, &h, sizeof h, 0, NULL));
      ASSERT_OK(rth_spawn(t.h, &echo_ops, &e, sizeof e, 0, NULL));
    }
    settle(&t);
    close_host(&t);
  }
}
