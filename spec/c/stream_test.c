/* stream_test - reading, writing, closing and moving streams. */
#include "sockets.h"

/* ---- reading ------------------------------------------------------------ */

static void with_pair(void (*f)(host_t *t, rth_stream_t *s, rth_stream_t *w)) {
  host_t t = new_host(CURRENT);
  rth_stream_t *s[2];
  tcp_pair(&t, s);
  f(&t, s[0], s[1]);
  rth_stream_free(s[0]);
  rth_stream_free(s[1]);
  close_host(&t);
}

#define TEST_PAIR(name)                                                \
  static void name##_(host_t *t, rth_stream_t *s, rth_stream_t *w);    \
  TEST(name) { with_pair(name##_); }                                   \
  static void name##_(host_t *t, rth_stream_t *s, rth_stream_t *w)

TEST_PAIR(a_read_answers_what_is_there) {
  write_text(t, w, "hello");
  ASSERT_STR_EQ(read_some(t, s, 3), "hel");
  ASSERT_STR_EQ(read_some(t, s, 100), "lo");
}

TEST_PAIR(reading_nothing_is_ready_at_once) {
  (void)w;
  ASSERT_STR_EQ(read_some(t, s, 0), "");
  ASSERT_STR_EQ(read_exact(t, s, 0), "");
}

TEST_PAIR(lines_lose_their_ends) {
  write_text(t, w, "one\ntwo\r\n\n\r\n\rx\n");
  ASSERT_STR_EQ(read_line(t, s, 100), "one");
  ASSERT_STR_EQ(read_line(t, s, 100), "two");
  ASSERT_STR_EQ(read_line(t, s, 100), "");
  ASSERT_STR_EQ(read_line(t, s, 100), "");
  ASSERT_STR_EQ(read_line(t, s, 100), "\rx");
}

TEST_PAIR(the_last_line_needs_no_end) {
  write_text(t, w, "one\ntwo\r");
  ASSERT_OK(rth_stream_shutdown(w));
  ASSERT_STR_EQ(read_line(t, s, 100), "one");
  ASSERT_STR_EQ(read_line(t, s, 100), "two\r");
  ASSERT_STR_EQ(read_line(t, s, 100), "EOF");
  ASSERT_STR_EQ(read_line(t, s, 100), "EOF");
}

TEST_PAIR(a_line_too_long_is_refused_and_stays) {
  write_text(t, w, "123\r\n4567\n");
  ASSERT_STR_EQ(read_line(t, s, 3), "123");
  ASSERT_STR_EQ(read_line(t, s, 3), "EMSGSIZE");
  ASSERT_STR_EQ(read_line(t, s, 4), "4567");
}

TEST_PAIR(an_endless_line_is_refused) {
  write_text(t, w, "0123456789");
  ASSERT_STR_EQ(read_line(t, s, 7), "EMSGSIZE");
  ASSERT_STR_EQ(read_some(t, s, 100), "0123456789");
}

TEST_PAIR(a_delimiter_of_several_bytes_may_come_in_parts) {
  call_t c = {.f = do_until, .s = s, .n = 100, .data = bytes("-=-")};
  rth_join_t *j;
  int rc = 0;
  c.answer = &rc;
  write_text(t, w, "a--=");
  j = start_call(t, c);
  settle(t);
  ASSERT_EQ(rc, 0);
  write_text(t, w, "-b");
  finish_call(t, j);
  ASSERT_EQ(rc, RTH_READY);
  ASSERT_STR_EQ(read_some(t, s, 10), "b");
}

TEST_PAIR(until_includes_the_delimiter) {
  write_text(t, w, "a;;b;;c");
  ASSERT_OK(rth_stream_shutdown(w));
  ASSERT_STR_EQ(read_with(t, s, do_until, 100, ";;"), "a;;");
  ASSERT_STR_EQ(read_with(t, s, do_until, 2, ";;"), "EMSGSIZE");
  ASSERT_STR_EQ(read_with(t, s, do_until, 3, ";;"), "b;;");
  ASSERT_STR_EQ(read_with(t, s, do_until, 100, ";;"), "c");
  ASSERT_STR_EQ(read_with(t, s, do_until, 100, ";;"), "EOF");
}

TEST_PAIR(an_exact_read_that_meets_the_end_leaves_the_rest) {
  write_text(t, w, "abc");
  ASSERT_OK(rth_stream_shutdown(w));
  ASSERT_STR_EQ(read_exact(t, s, 2), "ab");
  ASSERT_STR_EQ(read_exact(t, s, 2), "EOF");
  ASSERT_STR_EQ(read_some(t, s, 2), "c");
}

TEST_PAIR(reading_all_has_a_limit) {
  write_text(t, w, "abcdef");
  ASSERT_OK(rth_stream_shutdown(w));
  ASSERT_STR_EQ(read_all(t, s, 5), "EMSGSIZE");
  ASSERT_STR_EQ(read_all(t, s, 6), "abcdef");
  ASSERT_STR_EQ(read_all(t, s, 6), "");
}

TEST(a_reset_peer_delivers_what_had_arrived) {
  host_t t = new_host(CURRENT);
  rth_listener_t *l = new_listener(&t);
  int fd = raw_connect(l);
  rth_stream_t *s = accept_one(&t, l);
  ASSERT_EQ(write(fd, "one\ntwo", 7), 7);
  ASSERT_STR_EQ(read_line(&t, s, 100), "one");
  raw_reset(fd);
  ASSERT_STR_EQ(read_exact(&t, s, 10), "ECONNRESET");
  ASSERT_STR_EQ(read_all(&t, s, 10), "ECONNRESET");
  ASSERT_STR_EQ(read_line(&t, s, 100), "two");
  ASSERT_STR_EQ(read_line(&t, s, 100), "ECONNRESET");
  rth_stream_free(s);
  rth_listener_free(l);
  close_host(&t);
}

TEST(a_reset_wakes_the_reader) {
  host_t t = new_host(1);
  rth_listener_t *l = new_listener(&t);
  int rc = 0, fd = raw_connect(l);
  rth_stream_t *s = accept_one(&t, l);
  call_t c = {.f = do_some, .s = s, .n = 1, .answer = &rc};
  rth_join_t *j = start_call(&t, c);
  settle(&t);
  raw_reset(fd);
  finish_call(&t, j);
  ASSERT_EQ(rc, -ECONNRESET);
  rth_stream_free(s);
  rth_listener_free(l);
  close_host(&t);
}

TEST_PAIR(a_second_reader_is_refused_while_one_waits) {
  call_t c = {.f = do_some, .s = s, .n = 1};
  rth_join_t *j = start_call(t, c);
  settle(t);
  ASSERT_STR_EQ(read_some(t, s, 1), "EBUSY");
  write_text(t, w, "xy");
  finish_call(t, j);
  ASSERT_STR_EQ(read_some(t, s, 1), "y");
}

TEST_PAIR(a_cancelled_read_loses_nothing) {
  call_t c = {.f = do_exact, .s = s, .n = 6};
  rth_join_t *j = start_call(t, c);
  write_text(t, w, "abc");
  settle(t);
  rth_join_abort(j);
  rth_stream_cancel_read(s);
  finish_call(t, j);
  write_text(t, w, "def");
  ASSERT_STR_EQ(read_exact(t, s, 6), "abcdef");
}

TEST_PAIR(a_read_cancelled_while_data_comes_loses_nothing) {
  call_t c = {.f = do_some, .s = s, .n = 6};
  rth_join_t *j = start_call(t, c);
  settle(t);
  write_text(t, w, "abc");
  rth_join_abort(j);
  rth_stream_cancel_read(s);
  finish_call(t, j);
  ASSERT_STR_EQ(read_some(t, s, 6), "abc");
}

TEST_PAIR(a_line_sought_after_a_cancelled_search_is_found) {
  call_t c = {.f = do_until, .s = s, .n = 100, .data = bytes("#")};
  rth_join_t *j;
  write_text(t, w, "one\ntwo");
  j = start_call(t, c);
  settle(t);
  rth_join_abort(j);
  rth_stream_cancel_read(s);
  finish_call(t, j);
  ASSERT_STR_EQ(read_line(t, s, 100), "one");
}

TEST_PAIR(one_task_reads_while_another_writes) {
  call_t c = {.f = do_some, .s = s, .n = 10};
  rth_join_t *j = start_call(t, c);
  settle(t);
  write_text(t, s, "there");
  ASSERT_STR_EQ(read_some(t, w, 10), "there");
  write_text(t, w, "back");
  finish_call(t, j);
}

/* ---- writing ------------------------------------------------------------ */

enum { MUCH = 4 << 20 };

static char *new_pattern(size_t n) {
  char *p = malloc(n);
  size_t i;
  for (i = 0; i < n; i++) p[i] = (char)(i * 31 >> 3);
  return p;
}

TEST_PAIR(a_large_write_waits_for_its_reader) {
  char *data = new_pattern(MUCH);
  int rc = 0;
  call_t c = {.f = do_write, .s = w, .data = {data, MUCH}, .answer = &rc};
  call_t r = {.f = do_exact, .s = s, .n = MUCH};
  rth_join_t *j = start_call(t, c);
  settle(t);
  ASSERT_EQ(rc, 0);
  ASSERT_EQ(call(t, &r), RTH_READY);
  ASSERT_EQ(memcmp(r.out.at, data, MUCH), 0);
  finish_call(t, j);
  ASSERT_EQ(rc, RTH_READY);
  free(data);
}

TEST_PAIR(a_write_that_waits_keeps_no_copy) {
  char *data = new_pattern(MUCH);
  int rc = 0;
  call_t c = {.f = do_write, .s = w, .data = {data, MUCH}, .answer = &rc};
  uint64_t before = rth_live_allocations();
  rth_join_t *j = start_call(t, c);
  settle(t);
  ASSERT_EQ(rc, 0);
  /* its task, the loop and its spare, what watches the socket */
  ASSERT_LE(rth_live_allocations(), before + 4);
  rth_join_abort(j);
  rth_stream_cancel_write(w);
  finish_call(t, j);
  (void)s;
  free(data);
}

TEST_PAIR(many_pieces_arrive_in_order) {
  enum { N = 200 };
  rth_bytes_t pieces[N];
  char text[N][8], want[N * 8] = "";
  call_t c = {.f = do_write, .s = w};
  int i;
  for (i = 0; i < N; i++) {
    sprintf(text[i], "%s%d", i % 7 == 3 ? "" : "x", i);
    if (i % 5 == 0) text[i][0] = '\0';
    pieces[i] = bytes(text[i]);
    strcat(want, text[i]);
  }
  c.write.pieces = pieces;
  c.write.n = N;
  ASSERT_EQ(call(t, &c), RTH_READY);
  ASSERT_STR_EQ(read_exact(t, s, strlen(want)), want);
}

TEST_PAIR(writing_nothing_is_ready_at_once) {
  (void)s;
  write_text(t, w, "");
}

TEST_PAIR(writing_to_a_closed_peer_fails_without_a_signal) {
  int rc = RTH_READY;
  rth_stream_close(s);
  while (rc == RTH_READY) rc = write_bytes(t, w, bytes("x"));
  ASSERT(rc == -EPIPE || rc == -ECONNRESET);
}

TEST_PAIR(shutdown_may_be_called_again) {
  ASSERT_OK(rth_stream_shutdown(w));
  ASSERT_STR_EQ(read_some(t, s, 1), "EOF");
  write_text(t, s, "still");
  ASSERT_STR_EQ(read_some(t, w, 10), "still");
  rth_stream_close(s);
  ASSERT_STR_EQ(read_some(t, w, 10), "EOF");
  ASSERT_OK(rth_stream_shutdown(w));
}

TEST(shutdown_after_a_reset_is_fine) {
  host_t t = new_host(1);
  rth_listener_t *l = new_listener(&t);
  int fd = raw_connect(l);
  rth_stream_t *s = accept_one(&t, l);
  raw_reset(fd);
  ASSERT_STR_EQ(read_some(&t, s, 1), "ECONNRESET");
  ASSERT_OK(rth_stream_shutdown(s));
  rth_stream_free(s);
  rth_listener_free(l);
  close_host(&t);
}

TEST_PAIR(nodelay_is_off_until_it_is_set) {
  int on = 1;
  (void)t;
  (void)w;
  ASSERT_OK(rth_stream_nodelay(s, &on));
  ASSERT_EQ(on != 0, 0);
  ASSERT_OK(rth_stream_set_nodelay(s, 1));
  ASSERT_OK(rth_stream_nodelay(s, &on));
  ASSERT_EQ(on != 0, 1);
}

/* ---- closing ------------------------------------------------------------ */

TEST_PAIR(closing_wakes_who_waits) {
  int read = 0, written = 0;
  char *data = new_pattern(MUCH);
  call_t r = {.f = do_some, .s = s, .n = 1, .answer = &read};
  call_t c = {.f = do_write, .s = s, .data = {data, MUCH}, .answer = &written};
  rth_join_t *j = start_call(t, r), *k = start_call(t, c);
  (void)w;
  settle(t);
  rth_stream_close(s);
  finish_call(t, j);
  finish_call(t, k);
  ASSERT_EQ(read, -ECANCELED);
  ASSERT_EQ(written, -ECANCELED);
  ASSERT(rth_stream_is_closed(s));
  ASSERT_STR_EQ(read_some(t, s, 1), "EBADF");
  ASSERT_EQ(rth_stream_shutdown(s), -EBADF);
  free(data);
}

TEST_PAIR(the_peer_of_a_closed_stream_reads_the_end) {
  rth_stream_close(w);
  ASSERT_STR_EQ(read_some(t, s, 1), "EOF");
}

/* ---- moving ------------------------------------------------------------- */

TEST_PAIR(a_stream_that_is_waited_for_cannot_leave) {
  call_t c = {.f = do_some, .s = s, .n = 1};
  rth_join_t *j = start_call(t, c);
  settle(t);
  ASSERT_EQ(rth_stream_detach(s), -EBUSY);
  write_text(t, w, "x");
  finish_call(t, j);
  ASSERT_OK(rth_stream_detach(s));
}

TEST(a_stream_moves_to_a_worker_with_what_it_has_read) {
  host_t t = new_host(2);
  rth_stream_t *s[2];
  echo_t e = {0};
  tcp_pair(&t, s);
  write_text(&t, s[0], "head\nrest");
  ASSERT_STR_EQ(read_line(&t, s[1], 100), "head");
  ASSERT_OK(rth_stream_detach(s[1]));
  e.s = s[1];
  ASSERT_OK(rth_spawn(t.h, &echo_ops, &e, sizeof e, 0, NULL));
  ASSERT_STR_EQ(read_exact(&t, s[0], 4), "rest");
  rth_stream_free(s[0]);
  close_host(&t);
}

TEST(a_stream_moves_between_executors_of_one_thread) {
  host_t t = new_host(CURRENT), u = t;
  rth_stream_t *s[2];
  call_t c = {.f = do_some, .n = 1};
  rth_join_t *j;
  ASSERT_OK(rth_local_new(t.h, NULL, &u.l));
  tcp_pair(&t, s);
  c.s = s[0];
  j = start_call(&t, c);
  settle(&t);
  write_text(&t, s[1], "ab");
  finish_call(&t, j);
  c.s = s[0];
  j = start_call(&u, c);
  finish_call(&u, j);
  j = start_call(&u, c);
  settle(&u);
  write_text(&t, s[1], "c");
  finish_call(&u, j);
  rth_local_free(u.l);
  write_text(&t, s[1], "d");
  ASSERT_STR_EQ(read_some(&t, s[0], 1), "d");
  rth_stream_free(s[0]);
  rth_stream_free(s[1]);
  close_host(&t);
}

TEST(halves_work_on_two_threads) {
  host_t t = new_host(2);
  rth_stream_t *s[2], *half;
  echo_t e = {0};
  tcp_pair(&t, s);
  ASSERT_OK(rth_stream_dup(s[0], &half));
  e.s = s[1];
  ASSERT_OK(rth_spawn(t.h, &echo_ops, &e, sizeof e, 0, NULL));
  write_text(&t, half, "over");
  ASSERT_STR_EQ(read_exact(&t, s[0], 4), "over");
  ASSERT_OK(rth_stream_shutdown(half));
  rth_stream_free(half);
  ASSERT_STR_EQ(read_some(&t, s[0], 4), "EOF");
  rth_stream_free(s[0]);
  close_host(&t);
}

TEST(input_moves_to_the_half_that_reads) {
  host_t t = new_host(2);
  rth_stream_t *s[2], *half;
  tcp_pair(&t, s);
  write_text(&t, s[1], "taken left");
  ASSERT_STR_EQ(read_some(&t, s[0], 6), "taken ");
  ASSERT_EQ(rth_stream_buffered(s[0]), 4);
  ASSERT_OK(rth_stream_dup(s[0], &half));
  rth_stream_move_input(s[0], half);
  ASSERT_EQ(rth_stream_buffered(s[0]), 0);
  write_text(&t, s[1], "more");
  ASSERT_STR_EQ(read_exact(&t, half, 8), "leftmore");
  ASSERT(rth_stream_handle(half) == t.h);
  rth_stream_free(half);
  rth_stream_free(s[0]);
  rth_stream_free(s[1]);
  close_host(&t);
}

TEST(a_read_gives_back_what_it_took) {
  host_t t = new_host(CURRENT);
  rth_stream_t *s[2];
  tcp_pair(&t, s);
  write_text(&t, s[1], "line\r\nrest");
  ASSERT_STR_EQ(read_line(&t, s[0], 10), "line");
  rth_stream_unread(s[0], SIZE_MAX);
  rth_stream_unread(s[0], SIZE_MAX); /* once */
  ASSERT_STR_EQ(read_exact(&t, s[0], 10), "line\r\nrest");
  rth_stream_unread(s[0], 6); /* of ten */
  ASSERT_STR_EQ(read_some(&t, s[0], 4), "\r\nre");
  rth_stream_unread(s[0], 0);
  ASSERT_STR_EQ(read_some(&t, s[0], 4), "st");
  rth_stream_free(s[0]);
  rth_stream_free(s[1]);
  close_host(&t);
}

TEST(a_stream_that_was_read_empty_needs_no_memory) {
  enum { N = 8 };
  host_t t = new_host(CURRENT);
  rth_stream_t *s[N][2];
  uint64_t before;
  int i;
  for (i = 0; i < N; i++) {
    tcp_pair(&t, s[i]);
    write_text(&t, s[i][1], "ab");
    ASSERT_STR_EQ(read_some(&t, s[i][0], 1), "a"); /* it is on the loop now */
  }
  before = rth_live_allocations();
  for (i = 0; i < N; i++) {
    rth_stream_trim(s[i][0]); /* there is more in it */
    ASSERT_STR_EQ(read_some(&t, s[i][0], 9), "b");
    rth_stream_trim(s[i][0]);
    rth_stream_unread(s[i][0], SIZE_MAX); /* too late */
  }
  ASSERT(rth_live_allocations() <= before - N + 1); /* the spare one */
  for (i = 0; i < N; i++) {
    write_text(&t, s[i][1], "more");
    ASSERT_STR_EQ(read_some(&t, s[i][0], 9), "more");
    rth_stream_free(s[i][0]);
    rth_stream_free(s[i][1]);
  }
  close_host(&t);
}

TEST(a_task_that_waits_may_be_polled_once_more) {
  host_t t = new_host(CURRENT);
  rth_stream_t *s[2];
  fate_t fate = {0};
  call_t c = {.f = do_some, .n = 4, .fate = &fate};
  rth_join_t *j;
  int polls;
  tcp_pair(&t, s);
  c.s = s[0];
  j = start_call(&t, c);
  settle(&t);
  polls = rth__load_acq(&fate.polls);
  rth_stream_wake_read(s[0]);
  rth_stream_wake_write(s[0]); /* nobody waits to write */
  settle(&t);
  ASSERT_EQ(rth__load_acq(&fate.polls), polls + 1);
  write_text(&t, s[1], "data");
  finish_call(&t, j);
  rth_stream_free(s[0]);
  rth_stream_free(s[1]);
  close_host(&t);
}

/* ---- memory ------------------------------------------------------------- */

static size_t in_use;

static void *counting(void *old, size_t size) {
  size_t *p = old != NULL ? (size_t *)old - 2 : NULL;
  if (p != NULL) in_use -= *p;
  if (size == 0) {
    free(p);
    return NULL;
  }
  p = realloc(p, size + 2 * sizeof *p);
  if (p == NULL) return NULL;
  *p = size;
  in_use += size;
  return p + 2;
}

TEST(an_idle_connection_costs_less_than_a_kilobyte) {
  enum { N = 400 };
  host_t t;
  rth_listener_t *l;
  rth_stream_t *s[N];
  rth_join_t *j[N];
  int fd[N], i;
  size_t before;
  rth_set_allocator(counting);
  t = new_host(CURRENT);
  l = new_listener(&t);
  before = in_use;
  for (i = 0; i < N; i++) {
    call_t c = {.f = do_some, .n = 1};
    fd[i] = raw_connect(l);
    c.s = s[i] = accept_one(&t, l);
    ASSERT_EQ(write(fd[i], "ab", 2), 2);
    ASSERT_STR_EQ(read_some(&t, s[i], 2), "ab");
    j[i] = start_call(&t, c);
  }
  settle(&t);
  ASSERT_LT((in_use - before) / N, sizeof(call_t) + 1024);
  for (i = 0; i < N; i++) {
    close(fd[i]);
    finish_call(&t, j[i]);
    rth_stream_free(s[i]);
  }
  rth_listener_free(l);
  close_host(&t);
}
