/* loop_test - executors that wait for I/O: sleeping, waking, ending. */
#include "sockets.h"

#include "base/fault.h"

#if defined(__linux__)
#include <sys/epoll.h>
#include <sys/syscall.h>

/* Stands before the system's, for libuv, too, and counts. */
static int epoll_changes; /* atomic: workers have loops, too */
__attribute__((visibility("default"))) int epoll_ctl(
    int epoll, int op, int fd, struct epoll_event *e) {
  (void)__atomic_fetch_add(&epoll_changes, 1, __ATOMIC_RELAXED);
  return (int)syscall(SYS_epoll_ctl, epoll, op, fd, e);
}

TEST(messages_there_and_back_change_nothing_in_epoll) {
  host_t t = new_host(CURRENT);
  rth_stream_t *s[2];
  echo_t e = {0};
  int i, before = 0;
  ASSERT_OK(rth_stream_pair(t.h, s));
  e.s = s[1];
  ASSERT_OK(rth_spawn(t.h, &echo_ops, &e, sizeof e, 0, NULL));
  for (i = 0; i < 500; i++) {
    write_text(&t, s[0], "ping");
    ASSERT_STR_EQ(read_exact(&t, s[0], 4), "ping");
    if (i == 10) before = __atomic_load_n(&epoll_changes, __ATOMIC_RELAXED);
  }
  ASSERT_GT(before, 0);
  ASSERT_EQ(epoll_changes, before);
  rth_stream_free(s[0]);
  close_host(&t);
}
#endif

/* ---- waiting ------------------------------------------------------------ */

TEST_FLAVORS(tasks_of_the_runtime_and_of_the_thread_wait_together) {
  host_t t = new_host(workers);
  rth_stream_t *s[2], *p[2];
  call_t c = {.f = do_some, .n = 1};
  echo_t e = {0};
  rth_join_t *j;
  tcp_pair(&t, s);
  ASSERT_OK(rth_stream_pair(t.h, p));
  e.s = p[1];
  ASSERT_OK(rth_spawn(t.h, &echo_ops, &e, sizeof e, 0, NULL));
  c.s = s[0];
  j = start_call(&t, c);
  settle(&t);
  write_text(&t, p[0], "x");
  ASSERT_STR_EQ(read_some(&t, p[0], 1), "x");
  write_text(&t, s[1], "y");
  finish_call(&t, j);
  rth_stream_free(s[0]);
  rth_stream_free(s[1]);
  rth_stream_free(p[0]);
  close_host(&t);
}

static rth_poll_t spinner_poll(void *self, rth_cx_t *cx, void **out) {
  (void)self;
  (void)out;
  rth_yield(cx);
  return RTH_PENDING;
}
static const rth_future_ops_t spinner_ops = {spinner_poll, NULL, NULL, NULL};

TEST_FLAVORS(io_goes_on_beside_tasks_that_are_always_ready) {
  host_t t = new_host(workers);
  rth_stream_t *s = NULL;
  int i;
  for (i = 0; i < 100; i++)
    ASSERT_OK(rth_spawn(t.h, &spinner_ops, "", 1, 0, NULL));
  ASSERT_EQ(try_connect(&t, start_server(&t), &s, NULL), RTH_READY);
  for (i = 0; i < 10; i++) {
    write_text(&t, s, "ping");
    ASSERT_STR_EQ(read_exact(&t, s, 4), "ping");
  }
  rth_stream_free(s);
  close_host(&t);
}

typedef struct nap {
  rth_sleep_t sleep;
  int started;
  uint64_t ns;
} nap_t;

static rth_poll_t nap_poll(void *self, rth_cx_t *cx, void **out) {
  nap_t *n = self;
  rth_poll_t p;
  (void)out;
  if (!n->started)
    rth_sleep_init_in(&n->sleep, cx->handle, n->ns);
  n->started = 1;
  p = rth_sleep_poll(&n->sleep, cx);
  if (p != RTH_PENDING) rth_sleep_fini(&n->sleep);
  return p;
}
static const rth_future_ops_t nap_ops = {nap_poll, NULL, NULL, NULL};

TEST_FLAVORS(timers_fire_while_a_socket_waits) {
  host_t t = new_host(workers);
  rth_stream_t *s[2];
  call_t c = {.f = do_some, .n = 1};
  nap_t n = {.ns = 5 * MS};
  rth_join_t *j;
  tcp_pair(&t, s);
  c.s = s[0];
  j = start_call(&t, c);
  host_block_on(&t, &nap_ops, &n);
  ASSERT(!rth_join_is_finished(j));
  write_text(&t, s[1], "x");
  finish_call(&t, j);
  rth_stream_free(s[0]);
  rth_stream_free(s[1]);
  close_host(&t);
}

TEST(data_that_nobody_reads_does_not_keep_a_thread_awake) {
  host_t t = new_host(CURRENT);
  rth_stream_t *s[2];
  call_t c = {.f = do_some, .n = 1};
  nap_t n = {.ns = 200 * MS};
  rth_worker_metrics_t before, after;
  rth_join_t *j;
  tcp_pair(&t, s);
  c.s = s[0];
  j = start_call(&t, c); /* now its loop looks for data */
  settle(&t);
  write_text(&t, s[1], "xy");
  finish_call(&t, j);
  write_text(&t, s[1], "more, which stays unread");
  ASSERT_OK(rth_handle_worker_metrics(t.h, 0, &before));
  host_block_on(&t, &nap_ops, &n);
  ASSERT_OK(rth_handle_worker_metrics(t.h, 0, &after));
  ASSERT_LT(after.park_count - before.park_count, 50);
  rth_stream_free(s[0]);
  rth_stream_free(s[1]);
  close_host(&t);
}

static int interrupts;
static void on_alarm(int signal) {
  (void)signal;
  interrupts++;
}
static int was_interrupted(void *arg) {
  (void)arg;
  return interrupts > 0;
}

TEST(a_signal_ends_waiting_for_io) {
  host_t t = new_host(CURRENT);
  rth_block_on_t opts = {.drive = 1, .interrupted = was_interrupted};
  struct sigaction act = {.sa_handler = on_alarm};
  rth_stream_t *s[2];
  rth_outcome_t o;
  call_t c = {.f = do_some, .n = 1};
  tcp_pair(&t, s);
  c.s = s[0];
  sigaction(SIGALRM, &act, NULL);
  ualarm(20000, 20000);
  ASSERT_EQ(rth_local_block_on(t.l, &opts, &call_ops, &c, &o), RTH_EINTR);
  ualarm(0, 0);
  rth_stream_free(s[0]);
  rth_stream_free(s[1]);
  close_host(&t);
}

TEST(a_blocking_thread_without_an_executor_cannot_wait) {
  host_t t = new_host(1);
  rth_stream_t *s[2];
  rth_cx_t cx = {0};
  rth_bytes_t got;
  tcp_pair(&t, s);
  cx.handle = t.h;
  ASSERT_EQ(rth_stream_read_some(s[0], &cx, 1, &got), RTH_ENOCONTEXT);
  rth_stream_free(s[0]);
  rth_stream_free(s[1]);
  close_host(&t);
}

/* ---- the life of a loop ------------------------------------------------- */

TEST(without_descriptors_for_a_loop_only_the_operation_fails) {
  host_t t = new_host(CURRENT);
  rth_stream_t *s[2];
  ASSERT_OK(rth_stream_pair(t.h, s));
  rth__fault_set(RTH_FAULT_LOOP, 0, 1);
  ASSERT_STR_EQ(read_some(&t, s[0], 1), "EMFILE");
  write_text(&t, s[1], "x");
  ASSERT_STR_EQ(read_some(&t, s[0], 1), "x");
  rth_stream_free(s[0]);
  rth_stream_free(s[1]);
  close_host(&t);
}

TEST(a_system_without_descriptors_fails_the_operation) {
  host_t t = new_host(CURRENT);
  rth_stream_t *s[2];
  struct rlimit r;
  int fd[64], n = 0;
  ASSERT_OK(rth_stream_pair(t.h, s));
  settle(&t); /* opens what it sleeps on */
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &r), 0);
  r.rlim_cur = 64;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &r), 0);
  while (n < 64 && (fd[n] = dup(0)) >= 0) n++;
  ASSERT_STR_EQ(read_some(&t, s[0], 1), "EMFILE");
  while (n > 0) close(fd[--n]);
  write_text(&t, s[1], "x");
  ASSERT_STR_EQ(read_some(&t, s[0], 1), "x");
  rth_stream_free(s[0]);
  rth_stream_free(s[1]);
  close_host(&t);
}

TEST(a_socket_outlives_the_executor_it_waited_on) {
  host_t t = new_host(CURRENT), u = t;
  rth_stream_t *s[2];
  call_t c = {.f = do_some, .n = 1};
  rth_join_t *j;
  ASSERT_OK(rth_local_new(t.h, NULL, &u.l));
  tcp_pair(&t, s);
  c.s = s[0];
  j = start_call(&u, c);
  settle(&u);
  rth_join_abort(j);
  rth_stream_cancel_read(s[0]);
  finish_call(&u, j);
  rth_local_free(u.l);
  write_text(&t, s[1], "x");
  ASSERT_STR_EQ(read_some(&t, s[0], 1), "x");
  rth_stream_free(s[0]);
  rth_stream_free(s[1]);
  close_host(&t);
}

TEST(a_descriptor_number_may_come_again) {
  host_t t = new_host(CURRENT);
  int i;
  for (i = 0; i < 20; i++) { /* each takes the numbers of the one before */
    rth_stream_t *s[2];
    call_t c = {.f = do_some, .n = 1};
    rth_join_t *j;
    ASSERT_OK(rth_stream_pair(t.h, s));
    c.s = s[0];
    j = start_call(&t, c);
    settle(&t);
    write_text(&t, s[1], "x");
    finish_call(&t, j);
    rth_stream_free(s[0]);
    rth_stream_free(s[1]);
  }
  close_host(&t);
}

/* ---- shutdown ----------------------------------------------------------- */

static void *shut_down(void *rt) {
  ASSERT_OK(rth_runtime_shutdown(rt, RTH_FOREVER));
  return NULL;
}

TEST_FLAVORS(shutdown_wakes_a_root_that_waits_for_io) {
  host_t t = new_host(workers);
  rth_stream_t *s[2];
  fate_t fate = {0};
  call_t c = {.f = do_some, .n = 1, .fate = &fate};
  rth_block_on_t opts = {.drive = 0};
  rth_outcome_t o;
  pthread_t thread;
  ASSERT_OK(rth_stream_pair(t.h, s));
  c.s = s[0];
  ASSERT_EQ(pthread_create(&thread, NULL, shut_down, t.rt), 0);
  ASSERT_OK(rth_local_block_on(t.l, &opts, &call_ops, &c, &o));
  ASSERT_EQ(c.rc, RTH_ESHUTDOWN);
  pthread_join(thread, NULL);
  rth_stream_free(s[0]);
  rth_stream_free(s[1]);
  close_host(&t);
}

TEST_FLAVORS(shutdown_drops_tasks_that_wait_for_io) {
  host_t t = new_host(workers);
  fate_t fate = {0};
  rth_listener_t *l = new_listener(&t);
  call_t c = {.f = do_accept, .listener = l, .fate = &fate};
  ASSERT_OK(rth_spawn(t.h, &call_ops, &c, sizeof c, 0, NULL));
  while (!is_polled(&fate)) settle(&t);
  rth_local_free(t.l);
  ASSERT_OK(rth_runtime_shutdown(t.rt, RTH_FOREVER));
  ASSERT_FATE(&fate, drops, 1);
  rth_listener_free(l);
  rth_runtime_free(t.rt);
}

TEST_FLAVORS(after_shutdown_every_call_says_so) {
  host_t t = new_host(workers);
  rth_listener_t *l = new_listener(&t), *m;
  rth_addr_t a = address("127.0.0.1:0"), b;
  rth_udp_t *u, *v;
  rth_stream_t *s[2], *copy;
  rth_connect_t *c;
  rth_lookup_t *k;
  tcp_pair(&t, s);
  ASSERT_OK(rth_udp_bind(t.h, &a, 1, 0, &u));
  ASSERT_OK(rth_runtime_shutdown(t.rt, RTH_FOREVER));
  ASSERT_STR_EQ(read_some(&t, s[0], 1), "ESHUTDOWN");
  ASSERT_EQ(write_bytes(&t, s[0], bytes("x")), RTH_ESHUTDOWN);
  ASSERT_EQ(rth_stream_shutdown(s[0]), RTH_ESHUTDOWN);
  ASSERT_EQ(rth_stream_local_addr(s[0], &b), RTH_ESHUTDOWN);
  ASSERT_EQ(rth_stream_dup(s[0], &copy), RTH_ESHUTDOWN);
  ASSERT_EQ(rth_listen(t.h, &a, 1, NULL, &m), RTH_ESHUTDOWN);
  ASSERT_EQ(rth_udp_bind(t.h, &a, 1, 0, &v), RTH_ESHUTDOWN);
  ASSERT_EQ(rth_udp_local_addr(u, &b), RTH_ESHUTDOWN);
  ASSERT_EQ(rth_tcp_connect(t.h, "127.0.0.1:1", &c), RTH_ESHUTDOWN);
  ASSERT_EQ(rth_unix_connect(t.h, &a, &c), RTH_ESHUTDOWN);
  ASSERT_EQ(rth_lookup_new(t.h, "127.0.0.1:1", &k), RTH_ESHUTDOWN);
  rth_stream_free(s[0]);
  rth_stream_free(s[1]);
  rth_udp_free(u);
  rth_listener_free(l);
  close_host(&t);
}

TEST_FLAVORS(shutdown_ends_traffic) {
  int round, i;
  for (round = 0; round < 9; round++) {
    host_t t = new_host(workers);
    for (i = 0; i < 10; i++) { /* two ends that throw one byte back and forth */
      echo_t a = {0}, b = {0};
      rth_stream_t *s[2];
      ASSERT_OK(rth_stream_pair(t.h, s));
      a.s = s[0];
      b.s = s[1];
      ASSERT_EQ(write_bytes(&t, s[1], bytes("x")), RTH_READY);
      ASSERT_OK(rth_stream_detach(s[1]));
      ASSERT_OK(rth_spawn(t.h, &echo_ops, &a, sizeof a, 0, NULL));
      ASSERT_OK(rth_spawn(t.h, &echo_ops, &b, sizeof b, 0, NULL));
    }
    settle(&t);
    close_host(&t);
  }
}

/* ---- memory that runs out ----------------------------------------------- */

static int allocations_left;

static void *failing(void *old, size_t size) {
  if (size == 0) {
    free(old);
    return NULL;
  }
  if (allocations_left-- == 0) return NULL;
  return realloc(old, size);
}

/* Answers 0 where everything was done; whatever fails, says so. */
static int one_echo(host_t *t) {
  rth_listener_t *l = NULL;
  rth_connect_t *k = NULL;
  rth_addr_t a = address("127.0.0.1:0");
  rth_block_on_t opts = {.drive = 1};
  rth_outcome_t o;
  call_t c = {.f = do_connect}, d = {.f = do_accept}, e = {.f = do_write};
  call_t f = {.f = do_exact, .n = 20000};
  static char data[20000];
  char text[RTH_ADDR_TEXT];
  int rc = rth_listen(t->h, &a, 1, NULL, &l);
  if (rc == 0) rc = rth_listener_local_addr(l, &a);
  if (rc == 0) rc = rth_tcp_connect(t->h, rth_addr_format(&a, text), &k);
  c.connect = k;
  d.listener = l;
  if (rc == 0) rc = rth_local_block_on(t->l, &opts, &call_ops, &c, &o);
  if (rc == 0 && c.rc < 0) rc = c.rc;
  if (rc == 0) rc = rth_local_block_on(t->l, &opts, &call_ops, &d, &o);
  if (rc == 0 && d.rc < 0) rc = d.rc;
  e.s = c.made;
  f.s = d.made;
  e.data = (rth_bytes_t){data, sizeof data};
  if (rc == 0) rc = rth_local_block_on(t->l, &opts, &call_ops, &e, &o);
  if (rc == 0 && e.rc < 0) rc = e.rc;
  if (rc == 0) rc = rth_local_block_on(t->l, &opts, &call_ops, &f, &o);
  if (rc == 0 && f.rc < 0) rc = f.rc;
  rth_connect_free(k);
  rth_stream_free(c.made);
  rth_stream_free(d.made);
  rth_listener_free(l);
  return rc;
}

TEST(each_allocation_may_fail) {
  int n, rc = RTH_ENOMEM;
  host_t t;
  allocations_left = -1;
  rth_set_allocator(failing);
  t = new_host(CURRENT);
  for (n = 0; rc != 0; n++) {
    ASSERT_LT(n, 200);
    allocations_left = n;
    rc = one_echo(&t);
    ASSERT(rc == 0 || rc == RTH_ENOMEM);
  }
  ASSERT_GT(n, 8);
  allocations_left = -1;
  close_host(&t);
}
