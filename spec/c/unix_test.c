/* unix_test - Unix listeners and streams. */
#include "sockets.h"

static char folder[] = "/tmp/rthandle-unix-XXXXXX";

/* A path that is removed when the test ends well. */
static rth_addr_t new_path(char *path) {
  rth_addr_t a;
  ASSERT(mkdtemp(folder) != NULL);
  sprintf(path, "%s/socket", folder);
  ASSERT_OK(rth_addr_unix(&a, path, strlen(path)));
  return a;
}

static void remove_path(const char *path) {
  unlink(path);
  rmdir(folder);
}

static int try_unix(host_t *t, const rth_addr_t *a, rth_stream_t **s,
                    char *message) {
  call_t c = {.f = do_connect};
  int rc;
  ASSERT_OK(rth_unix_connect(t->h, a, &c.connect));
  rc = call(t, &c);
  if (rc == RTH_READY) *s = c.made;
  if (message != NULL) strcpy(message, rth_connect_error(c.connect));
  rth_connect_free(c.connect);
  return rc;
}

TEST_FLAVORS(a_path_connects_two_ends) {
  host_t t = new_host(workers);
  char path[64], text[RTH_ADDR_TEXT];
  rth_addr_t a = new_path(path);
  rth_listener_t *l = listen_at(&t, a);
  rth_stream_t *s = NULL, *w;
  ASSERT_EQ(try_unix(&t, &a, &s, NULL), RTH_READY);
  w = accept_one(&t, l);
  write_text(&t, w, "line\n");
  ASSERT_STR_EQ(read_line(&t, s, 100), "line");
  ASSERT_OK(rth_stream_peer_addr(s, &a));
  ASSERT_STR_EQ(rth_addr_format(&a, text), path);
  ASSERT_OK(rth_stream_local_addr(s, &a));
  ASSERT_STR_EQ(rth_addr_format(&a, text), "");
  ASSERT_STR_EQ(listener_text(l), path);
  rth_stream_free(s);
  rth_stream_free(w);
  rth_listener_free(l);
  remove_path(path);
  close_host(&t);
}

TEST(a_path_in_use_is_refused) {
  host_t t = new_host(1);
  char path[64];
  rth_addr_t a = new_path(path);
  rth_listener_t *l = listen_at(&t, a), *m;
  ASSERT_EQ(rth_listen(t.h, &a, 1, NULL, &m), -EADDRINUSE);
  rth_listener_free(l);
  remove_path(path);
  close_host(&t);
}

TEST(connecting_says_why_it_failed) {
  host_t t = new_host(CURRENT);
  char path[64], message[256];
  rth_addr_t a = new_path(path);
  rth_stream_t *s;
  rth_listener_t *l;
  ASSERT_EQ(try_unix(&t, &a, &s, message), -ENOENT);
  ASSERT_STR_EQ(message, "ENOENT: no such file or directory");
  l = listen_at(&t, a);
  rth_listener_free(l); /* leaves the file */
  ASSERT_EQ(try_unix(&t, &a, &s, message), -ECONNREFUSED);
  remove_path(path);
  close_host(&t);
}

TEST(a_path_too_long_is_refused) {
  rth_addr_t a;
  char path[200];
  memset(path, 'x', sizeof path);
  ASSERT_EQ(rth_addr_unix(&a, path, sizeof path), RTH_EINVAL);
  ASSERT_EQ(rth_addr_unix(&a, path, 0), RTH_EINVAL);
}

#if defined(__linux__)
TEST(an_abstract_name_is_no_file) {
  host_t t = new_host(1);
  char name[32] = "", text[RTH_ADDR_TEXT];
  rth_addr_t a;
  rth_listener_t *l;
  rth_stream_t *s = NULL;
  size_t n = 1 + (size_t)sprintf(name + 1, "rthandle-%d", getpid());
  ASSERT_OK(rth_addr_unix(&a, name, n));
  ASSERT_EQ(rth_addr_format(&a, text)[0], '@');
  ASSERT_STR_EQ(text + 1, name + 1);
  l = listen_at(&t, a);
  ASSERT_EQ(try_unix(&t, &a, &s, NULL), RTH_READY);
  rth_stream_free(s);
  rth_listener_free(l);
  close_host(&t);
}

TEST(connecting_waits_while_the_queue_is_full) {
  enum { N = 8 };
  host_t t = new_host(CURRENT);
  char path[64];
  rth_addr_t a = new_path(path);
  rth_listen_options_t o = {.backlog = 1};
  rth_stream_t *s[N] = {NULL}, *w[N];
  rth_connect_t *c[N];
  rth_join_t *j[N];
  rth_listener_t *l;
  int i, ready = 0;
  ASSERT_OK(rth_listen(t.h, &a, 1, &o, &l));
  for (i = 0; i < N; i++) {
    call_t k = {.f = do_connect, .give = &s[i]};
    ASSERT_OK(rth_unix_connect(t.h, &a, &k.connect));
    c[i] = k.connect;
    j[i] = start_call(&t, k);
  }
  settle(&t);
  for (i = 0; i < N; i++) ready += s[i] != NULL;
  ASSERT_LT(ready, N);
  for (i = 0; i < N; i++) w[i] = accept_one(&t, l);
  for (i = 0; i < N; i++) {
    finish_call(&t, j[i]);
    ASSERT(s[i] != NULL);
    rth_connect_free(c[i]);
    rth_stream_free(s[i]);
    rth_stream_free(w[i]);
  }
  rth_listener_free(l);
  remove_path(path);
  close_host(&t);
}
#endif

TEST(a_pair_is_connected) {
  host_t t = new_host(CURRENT);
  rth_stream_t *s[2];
  ASSERT_OK(rth_stream_pair(t.h, s));
  write_text(&t, s[0], "to");
  write_text(&t, s[1], "fro");
  ASSERT_STR_EQ(read_some(&t, s[1], 10), "to");
  ASSERT_STR_EQ(read_some(&t, s[0], 10), "fro");
  rth_stream_free(s[0]);
  ASSERT_STR_EQ(read_some(&t, s[1], 10), "EOF");
  rth_stream_free(s[1]);
  close_host(&t);
}

TEST(shutdown_ends_one_direction) {
  host_t t = new_host(CURRENT);
  rth_stream_t *s[2];
  ASSERT_OK(rth_stream_pair(t.h, s));
  ASSERT_OK(rth_stream_shutdown(s[0]));
  ASSERT_STR_EQ(read_some(&t, s[1], 10), "EOF");
  write_text(&t, s[1], "still");
  ASSERT_STR_EQ(read_some(&t, s[0], 10), "still");
  ASSERT_EQ(write_bytes(&t, s[0], bytes("x")), -EPIPE);
  rth_stream_free(s[0]);
  rth_stream_free(s[1]);
  close_host(&t);
}

TEST(nodelay_is_not_for_unix_streams) {
  host_t t = new_host(CURRENT);
  rth_stream_t *s[2];
  ASSERT_OK(rth_stream_pair(t.h, s));
  ASSERT_LT(rth_stream_set_nodelay(s[0], 1), 0);
  rth_stream_free(s[0]);
  rth_stream_free(s[1]);
  close_host(&t);
}

TEST_FLAVORS(a_pair_serves_a_task) {
  host_t t = new_host(workers);
  rth_stream_t *s[2];
  echo_t e = {0};
  int i;
  ASSERT_OK(rth_stream_pair(t.h, s));
  e.s = s[1];
  ASSERT_OK(rth_spawn(t.h, &echo_ops, &e, sizeof e, 0, NULL));
  for (i = 0; i < 200; i++) {
    write_text(&t, s[0], "ping");
    ASSERT_STR_EQ(read_exact(&t, s[0], 4), "ping");
  }
  rth_stream_free(s[0]);
  close_host(&t);
}
