/* tcp_test - TCP listeners, and connecting to them. */
#include "sockets.h"

#include <fcntl.h>

/* ---- connecting and accepting ------------------------------------------- */

TEST_FLAVORS(both_ends_know_each_others_address) {
  host_t t = new_host(workers);
  rth_listener_t *l = new_listener(&t);
  char one[RTH_ADDR_TEXT], two[RTH_ADDR_TEXT];
  call_t c = {.f = do_accept, .listener = l};
  rth_stream_t *s = connect_to(&t, l);
  rth_addr_t a;
  ASSERT_EQ(call(&t, &c), RTH_READY);
  ASSERT_OK(rth_stream_local_addr(s, &a));
  ASSERT_STR_EQ(rth_addr_format(&a, one), rth_addr_format(&c.addr, two));
  ASSERT_OK(rth_stream_peer_addr(c.made, &a));
  ASSERT_STR_EQ(rth_addr_format(&a, two), one);
  ASSERT_OK(rth_stream_peer_addr(s, &a));
  ASSERT_STR_EQ(rth_addr_format(&a, one), listener_text(l));
  rth_stream_free(s);
  rth_stream_free(c.made);
  rth_listener_free(l);
  close_host(&t);
}

TEST_FLAVORS(accepting_waits_for_a_connection) {
  host_t t = new_host(workers);
  rth_listener_t *l = new_listener(&t);
  rth_stream_t *s = NULL;
  fate_t fate = {0};
  int fd;
  call_t c = {.f = do_accept, .listener = l, .give = &s, .fate = &fate};
  rth_join_t *j = start_call(&t, c);
  settle(&t);
  ASSERT(s == NULL);
  ASSERT_FATE(&fate, polls, 1);
  fd = raw_connect(l);
  finish_call(&t, j);
  ASSERT(s != NULL);
  ASSERT_FATE(&fate, polls, 2);
  close(fd);
  rth_stream_free(s);
  rth_listener_free(l);
  close_host(&t);
}

TEST(a_listener_accepts_many) {
  host_t t = new_host(1);
  rth_listener_t *l = new_listener(&t);
  rth_stream_t *s[50];
  int fd[50], i;
  for (i = 0; i < 50; i++) fd[i] = raw_connect(l);
  for (i = 0; i < 50; i++) s[i] = accept_one(&t, l);
  for (i = 0; i < 50; i++) {
    rth_stream_free(s[i]);
    close(fd[i]);
  }
  rth_listener_free(l);
  close_host(&t);
}

TEST(a_second_accepter_is_refused) {
  host_t t = new_host(1);
  rth_listener_t *l = new_listener(&t);
  call_t c = {.f = do_accept, .listener = l};
  rth_join_t *j = start_call(&t, c);
  settle(&t);
  ASSERT_EQ(call(&t, &c), -EBUSY);
  rth_join_abort(j);
  finish_call(&t, j);
  rth_listener_free(l);
  close_host(&t);
}

TEST(connecting_to_nobody_is_refused) {
  host_t t = new_host(CURRENT);
  rth_listener_t *l = new_listener(&t);
  char text[RTH_ADDR_TEXT], message[1024];
  rth_stream_t *s;
  strcpy(text, listener_text(l));
  rth_listener_free(l);
  ASSERT_EQ(try_connect(&t, text, &s, message), -ECONNREFUSED);
  ASSERT_STR_EQ(message, "ECONNREFUSED: connection refused");
  close_host(&t);
}

TEST(a_listener_binds_the_first_address_that_can_be) {
  host_t t = new_host(1);
  rth_listener_t *l = new_listener(&t), *m = NULL;
  rth_addr_t list[2];
  ASSERT_OK(rth_listener_local_addr(l, &list[0]));
  ASSERT_EQ(rth_listen(t.h, list, 1, NULL, &m), -EADDRINUSE);
  list[1] = address("127.0.0.1:0");
  ASSERT_OK(rth_listen(t.h, list, 2, NULL, &m));
  rth_listener_free(m);
  rth_listener_free(l);
  close_host(&t);
}

TEST(listeners_may_share_a_port) {
  host_t t = new_host(1);
  rth_listen_options_t o = {.reuse_port = 1};
  rth_listener_t *l = NULL, *m = NULL;
  rth_addr_t a = address("127.0.0.1:0");
  ASSERT_OK(rth_listen(t.h, &a, 1, &o, &l));
  ASSERT_OK(rth_listener_local_addr(l, &a));
  ASSERT_OK(rth_listen(t.h, &a, 1, &o, &m));
  rth_listener_free(m);
  rth_listener_free(l);
  close_host(&t);
}

TEST(descriptors_are_not_inherited) {
  host_t t = new_host(1);
  rth_listener_t *l = new_listener(&t);
  rth_stream_t *s = connect_to(&t, l), *a = accept_one(&t, l);
  int fd, found = 0;
  for (fd = 3; fd < 64; fd++) {
    int flags = fcntl(fd, F_GETFD), type;
    socklen_t size = sizeof type;
    if (flags < 0 || getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0)
      continue;
    ASSERT(flags & FD_CLOEXEC);
    found++;
  }
  ASSERT_GE(found, 3);
  rth_stream_free(a);
  rth_stream_free(s);
  rth_listener_free(l);
  close_host(&t);
}

/* Uses up the descriptors; answers how many it took. */
static int take_descriptors(int *fd, int most) {
  int n = 0;
  while (n < most && (fd[n] = dup(0)) >= 0) n++;
  return n;
}

static void no_more_descriptors(void) {
  struct rlimit r;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &r), 0);
  r.rlim_cur = 64;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &r), 0);
}

TEST_FLAVORS(accepting_pauses_without_descriptors_and_recovers) {
  host_t t = new_host(workers);
  rth_listener_t *l = new_listener(&t);
  rth_stream_t *s = NULL;
  fate_t fate = {0};
  call_t c = {.f = do_accept, .listener = l, .give = &s, .fate = &fate};
  int fd[64], n, pauses, raw = raw_connect(l);
  rth_join_t *j;
  uint64_t start;
  settle(&t); /* this thread has what it sleeps on */
  no_more_descriptors();
  n = take_descriptors(fd, 64);
  start = rth_now();
  j = start_call(&t, c);
  settle(&t);
  ASSERT(!rth_join_is_finished(j));
  while (n > 0) close(fd[--n]);
  finish_call(&t, j);
  ASSERT(s != NULL);
  pauses = 1 + (int)((rth_now() - start) / (20 * MS));
  ASSERT_LE(rth__load_acq(&fate.polls), 2 + pauses); /* it did not spin */
  rth_stream_free(s);
  close(raw);
  rth_listener_free(l);
  close_host(&t);
}

TEST(closing_a_listener_ends_its_pause) {
  host_t t = new_host(CURRENT);
  rth_listener_t *l = new_listener(&t);
  int fd[64], n, rc = 99, raw = raw_connect(l);
  call_t c = {.f = do_accept, .listener = l, .answer = &rc};
  rth_join_t *j;
  settle(&t); /* this thread has what it sleeps on */
  no_more_descriptors();
  n = take_descriptors(fd, 64);
  ASSERT_GT(n, 0);
  j = start_call(&t, c);
  settle(&t);
  ASSERT_EQ(rc, 99);
  rth_listener_close(l);
  finish_call(&t, j);
  ASSERT_EQ(rc, -ECANCELED);
  close(raw);
  rth_listener_free(l);
  close_host(&t);
}

/* ---- echo --------------------------------------------------------------- */

TEST_FLAVORS(an_echo_server_answers_each_message) {
  host_t t = new_host(workers);
  rth_stream_t *s = NULL;
  int i;
  ASSERT_EQ(try_connect(&t, start_server(&t), &s, NULL), RTH_READY);
  for (i = 0; i < 1024; i++) {
    char text[32];
    sprintf(text, "message %d", i);
    write_text(&t, s, text);
    ASSERT_STR_EQ(read_exact(&t, s, strlen(text)), text);
  }
  rth_stream_free(s);
  close_host(&t);
}
