/* udp_test - datagrams. */
#include "sockets.h"

static rth_udp_t *bind_at(host_t *t, const char *text) {
  rth_addr_t a = address(text);
  rth_udp_t *u = NULL;
  ASSERT_OK(rth_udp_bind(t->h, &a, 1, 0, &u));
  return u;
}

static rth_addr_t address_of(rth_udp_t *u) {
  rth_addr_t a;
  ASSERT_OK(rth_udp_local_addr(u, &a));
  return a;
}

static int do_send(call_t *c, rth_cx_t *cx) {
  return rth_udp_send(c->udp, cx, c->data, c->addr.size > 0 ? &c->addr : NULL);
}
static int do_recv(call_t *c, rth_cx_t *cx) {
  return rth_udp_recv(c->udp, cx, c->n, &c->out, &c->addr);
}

static int send_text(host_t *t, rth_udp_t *u, const char *text,
                     const rth_addr_t *to) {
  call_t c = {.f = do_send, .udp = u, .data = bytes(text)};
  if (to != NULL) c.addr = *to;
  return call(t, &c);
}

/* The datagram or the error's name, in a static buffer. */
static const char *receive(host_t *t, rth_udp_t *u, size_t max,
                           rth_addr_t *from) {
  static char text[256];
  call_t c = {.f = do_recv, .udp = u, .n = max};
  if (call(t, &c) < 0) return rth_err_name(c.rc);
  ASSERT_LT(c.out.n, sizeof text);
  memcpy(text, c.out.at, c.out.n);
  text[c.out.n] = '\0';
  if (from != NULL) *from = c.addr;
  return text;
}

static void with_two(unsigned workers,
                     void (*f)(host_t *t, rth_udp_t *u, rth_udp_t *v)) {
  host_t t = new_host(workers);
  rth_udp_t *u = bind_at(&t, "127.0.0.1:0"), *v = bind_at(&t, "127.0.0.1:0");
  f(&t, u, v);
  rth_udp_free(u);
  rth_udp_free(v);
  close_host(&t);
}

#define TEST_TWO(name)                                             \
  static void name##_(host_t *t, rth_udp_t *u, rth_udp_t *v);      \
  TEST(name##_current) { with_two(CURRENT, name##_); }             \
  TEST(name##_2) { with_two(2, name##_); }                         \
  static void name##_(host_t *t, rth_udp_t *u, rth_udp_t *v)

TEST_TWO(a_datagram_says_who_sent_it) {
  rth_addr_t to = address_of(v), from;
  char one[RTH_ADDR_TEXT], two[RTH_ADDR_TEXT];
  ASSERT_EQ(send_text(t, u, "hello", &to), RTH_READY);
  ASSERT_STR_EQ(receive(t, v, 100, &from), "hello");
  to = address_of(u);
  ASSERT_STR_EQ(rth_addr_format(&from, one), rth_addr_format(&to, two));
}

TEST_TWO(connected_sockets_need_no_address) {
  rth_addr_t a = address_of(u), b = address_of(v);
  ASSERT_OK(rth_udp_connect(u, &b));
  ASSERT_OK(rth_udp_connect(v, &a));
  ASSERT_EQ(send_text(t, u, "ping", NULL), RTH_READY);
  ASSERT_STR_EQ(receive(t, v, 100, NULL), "ping");
  ASSERT_EQ(send_text(t, v, "pong", NULL), RTH_READY);
  ASSERT_STR_EQ(receive(t, u, 100, NULL), "pong");
  ASSERT_OK(rth_udp_peer_addr(u, &a));
}

TEST_TWO(a_socket_without_a_peer_needs_an_address) {
  rth_addr_t a;
  (void)v;
  ASSERT_EQ(send_text(t, u, "x", NULL), -EDESTADDRREQ);
  ASSERT_EQ(rth_udp_peer_addr(u, &a), -ENOTCONN);
}

TEST_TWO(receiving_waits_for_a_datagram) {
  rth_addr_t to = address_of(v);
  fate_t fate = {0};
  call_t c = {.f = do_recv, .udp = v, .n = 10, .fate = &fate};
  rth_join_t *j = start_call(t, c);
  settle(t);
  ASSERT_FATE(&fate, polls, 1);
  ASSERT_EQ(send_text(t, u, "x", &to), RTH_READY);
  finish_call(t, j);
  ASSERT_FATE(&fate, polls, 2);
}

TEST_TWO(a_datagram_may_be_empty) {
  rth_addr_t to = address_of(v), from;
  ASSERT_EQ(send_text(t, u, "", &to), RTH_READY);
  ASSERT_STR_EQ(receive(t, v, 100, &from), "");
  ASSERT_GT(from.size, 0);
}

TEST_TWO(a_datagram_is_cut_at_the_size_asked_for) {
  rth_addr_t to = address_of(v);
  ASSERT_EQ(send_text(t, u, "0123456789", &to), RTH_READY);
  ASSERT_EQ(send_text(t, u, "next", &to), RTH_READY);
  ASSERT_STR_EQ(receive(t, v, 4, NULL), "0123");
  ASSERT_STR_EQ(receive(t, v, 100, NULL), "next");
}

TEST_TWO(the_largest_datagram_arrives) {
  enum { N = 65507 };
  static char data[N];
  rth_addr_t to = address_of(v);
  call_t c = {.f = do_send, .udp = u, .data = {data, N}, .addr = to};
  call_t r = {.f = do_recv, .udp = v, .n = SIZE_MAX};
  memset(data, 'z', N);
  ASSERT_EQ(call(t, &c), RTH_READY);
  ASSERT_EQ(call(t, &r), RTH_READY);
  ASSERT_EQ(r.out.n, N);
  ASSERT_EQ(memcmp(r.out.at, data, N), 0);
}

TEST_TWO(a_datagram_too_large_is_refused) {
  static char data[70000];
  rth_addr_t to = address_of(v);
  call_t c = {.f = do_send, .udp = u, .data = {data, 70000}, .addr = to};
  ASSERT_EQ(call(t, &c), -EMSGSIZE);
}

TEST_TWO(nobody_at_the_other_end_is_an_error_of_the_next_call) {
  rth_addr_t to = address_of(v);
  ASSERT_OK(rth_udp_connect(u, &to));
  rth_udp_close(v);
  ASSERT_EQ(send_text(t, u, "x", NULL), RTH_READY);
  ASSERT_STR_EQ(receive(t, u, 10, NULL), "ECONNREFUSED");
}

TEST_TWO(such_an_error_wakes_who_receives) {
  rth_addr_t to = address_of(v);
  int rc = 0;
  call_t c = {.f = do_recv, .udp = u, .n = 10, .answer = &rc};
  rth_join_t *j;
  ASSERT_OK(rth_udp_connect(u, &to));
  rth_udp_close(v);
  j = start_call(t, c);
  settle(t);
  ASSERT_EQ(send_text(t, u, "x", NULL), RTH_READY);
  finish_call(t, j);
  ASSERT_EQ(rc, -ECONNREFUSED);
}

TEST_TWO(a_second_receiver_is_refused) {
  call_t c = {.f = do_recv, .udp = u, .n = 10};
  rth_join_t *j = start_call(t, c);
  (void)v;
  settle(t);
  ASSERT_STR_EQ(receive(t, u, 10, NULL), "EBUSY");
  rth_join_abort(j);
  rth_udp_cancel_recv(u);
  finish_call(t, j);
}

TEST_TWO(a_cancelled_receive_leaves_the_datagram) {
  rth_addr_t to = address_of(v);
  call_t c = {.f = do_recv, .udp = v, .n = 10};
  rth_join_t *j = start_call(t, c);
  settle(t);
  ASSERT_EQ(send_text(t, u, "x", &to), RTH_READY);
  rth_join_abort(j);
  rth_udp_cancel_recv(v);
  finish_call(t, j);
  ASSERT_STR_EQ(receive(t, v, 10, NULL), "x");
}

TEST_TWO(closing_wakes_the_receiver) {
  int rc = 0;
  call_t c = {.f = do_recv, .udp = u, .n = 10, .answer = &rc};
  rth_join_t *j = start_call(t, c);
  (void)v;
  settle(t);
  rth_udp_close(u);
  finish_call(t, j);
  ASSERT_EQ(rc, -ECANCELED);
  ASSERT_STR_EQ(receive(t, u, 10, NULL), "EBADF");
}

TEST_TWO(broadcast_may_be_allowed) {
  (void)t;
  (void)v;
  ASSERT_OK(rth_udp_set_broadcast(u, 1));
}

TEST(two_sockets_may_share_a_port) {
  host_t t = new_host(1);
  rth_addr_t a = address("127.0.0.1:0");
  rth_udp_t *u, *v;
  ASSERT_OK(rth_udp_bind(t.h, &a, 1, 1, &u));
  a = address_of(u);
  ASSERT_OK(rth_udp_bind(t.h, &a, 1, 1, &v));
  rth_udp_free(v);
  ASSERT_EQ(rth_udp_bind(t.h, &a, 1, 0, &v), -EADDRINUSE);
  rth_udp_free(u);
  close_host(&t);
}

/* ---- tasks that never wait, or move ------------------------------------- */

typedef struct trips {
  rth_udp_t *u;
  rth_addr_t to;
  int left, sent, yields;
  int *yielded;
} trips_t;

/* Sends to itself and receives: always ready.  Counts its polls. */
static rth_poll_t trips_poll(void *self, rth_cx_t *cx, void **out) {
  trips_t *f = self;
  rth_bytes_t got;
  (void)out;
  for (;;) {
    int rc = f->sent ? rth_udp_recv(f->u, cx, 10, &got, NULL)
                     : rth_udp_send(f->u, cx, bytes("x"), &f->to);
    if (rc == RTH_PENDING) {
      f->yields++;
      return RTH_PENDING;
    }
    ASSERT_EQ(rc, RTH_READY);
    f->sent = !f->sent;
    if (!f->sent && --f->left == 0) return RTH_READY;
  }
}
static const rth_future_ops_t trips_ops = {trips_poll, NULL, NULL, NULL};

TEST_TWO(a_task_that_is_always_ready_yields_by_budget) {
  trips_t f = {.u = u, .to = address_of(u), .left = 1025};
  (void)v;
  host_block_on(t, &trips_ops, &f);
  /* One for each budget used up; where the system brings a datagram a little
  ** later, there are more. */
  ASSERT_GE(f.yields, 1024 * 2 / 128);
}

typedef struct mirror {
  rth_udp_t *u;
  rth_addr_t from;
  rth_bytes_t got;
  int sending;
} mirror_t;

static rth_poll_t mirror_poll(void *self, rth_cx_t *cx, void **out) {
  mirror_t *f = self;
  (void)out;
  for (;;) {
    int rc = f->sending ? rth_udp_send(f->u, cx, f->got, &f->from)
                        : rth_udp_recv(f->u, cx, 100, &f->got, &f->from);
    if (rc == RTH_PENDING) return RTH_PENDING;
    if (rc < 0) return RTH_READY;
    f->sending = !f->sending;
  }
}
static void mirror_drop(void *self) { rth_udp_free(((mirror_t *)self)->u); }
static const rth_future_ops_t mirror_ops = {mirror_poll, NULL, mirror_drop,
                                            NULL};

TEST(a_socket_moves_to_a_worker) {
  host_t t = new_host(2);
  rth_udp_t *u = bind_at(&t, "127.0.0.1:0");
  mirror_t m = {.u = bind_at(&t, "127.0.0.1:0")};
  rth_addr_t to = address_of(m.u);
  call_t c = {.f = do_recv, .udp = m.u, .n = 10};
  rth_join_t *j = start_call(&t, c);
  settle(&t);
  ASSERT_EQ(rth_udp_detach(m.u), -EBUSY);
  ASSERT_EQ(send_text(&t, u, "a", &to), RTH_READY);
  finish_call(&t, j);
  ASSERT_OK(rth_udp_detach(m.u));
  ASSERT_OK(rth_spawn(t.h, &mirror_ops, &m, sizeof m, 0, NULL));
  ASSERT_EQ(send_text(&t, u, "b", &to), RTH_READY);
  ASSERT_STR_EQ(receive(&t, u, 10, NULL), "b");
  rth_udp_free(u);
  close_host(&t);
}

/* A peer keeps sending while the runtime ends. */
static void shut_down_under_traffic(unsigned workers) {
  int round;
  for (round = 0; round < 9; round++) {
    host_t t = new_host(workers);
    rth_udp_t *u = bind_at(&t, "127.0.0.1:0");
    mirror_t m = {.u = bind_at(&t, "127.0.0.1:0")};
    mirror_t other = {.u = u, .sending = 1, .from = address_of(m.u)};
    other.got = bytes("x");
    ASSERT_OK(rth_spawn(t.h, &mirror_ops, &m, sizeof m, 0, NULL));
    ASSERT_OK(rth_spawn(t.h, &mirror_ops, &other, sizeof other, 0, NULL));
    settle(&t);
    close_host(&t);
  }
}
TEST(shutdown_under_traffic_current) { shut_down_under_traffic(CURRENT); }
TEST(shutdown_under_traffic_2) { shut_down_under_traffic(2); }
