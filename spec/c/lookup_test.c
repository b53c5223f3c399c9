/* lookup_test - names, addresses, and connecting to each of them.  The
** resolver is the test's own: it knows a few names, and one that hangs. */
#include "sockets.h"

#include <netdb.h>

static int hang[2]; /* "hangs" waits until its writing end is closed */

static struct addrinfo *answer(const char *const *hosts, const char *port) {
  struct addrinfo *first = NULL, **end = &first;
  for (; *hosts != NULL; hosts++) {
    struct addrinfo *a = calloc(1, sizeof *a + sizeof(rth_addr_t));
    rth_addr_t *to = (rth_addr_t *)(void *)(a + 1);
    char text[64];
    sprintf(text, "%s:%s", *hosts, port);
    ASSERT_OK(rth_addr_parse(to, text));
    a->ai_addr = (struct sockaddr *)(void *)to->u.bytes;
    a->ai_addrlen = to->size;
    a->ai_family = a->ai_addr->sa_family;
    *end = a;
    end = &a->ai_next;
  }
  return first;
}

int getaddrinfo(const char *host, const char *port,
                const struct addrinfo *hints, struct addrinfo **out) {
  static const char *const both[] = {"[::1]", "127.0.0.1", NULL};
  static const char *const one[] = {"127.0.0.2", NULL};
  char byte;
  (void)hints;
  if (strcmp(host, "hangs") == 0) {
    if (read(hang[0], &byte, 1) != 0) abort();
    return EAI_AGAIN;
  }
  if (strcmp(host, "both") == 0)
    *out = answer(both, port);
  else if (strcmp(host, "one") == 0)
    *out = answer(one, port);
  else
    return strcmp(host, "later") == 0 ? EAI_AGAIN : EAI_NONAME;
  return 0;
}

void freeaddrinfo(struct addrinfo *a) {
  while (a != NULL) {
    struct addrinfo *next = a->ai_next;
    free(a);
    a = next;
  }
}

/* The thread of a question may end a moment after its answer was seen. */
static void close_all(host_t *t) {
  close_host(t);
  while (rth_live_allocations() > 0) usleep(100);
}

static int do_lookup(call_t *c, rth_cx_t *cx) {
  return rth_lookup_poll(c->lookup, cx, &c->list, &c->n);
}

/* The addresses with spaces between, or the error's name. */
static const char *look_up(host_t *t, const char *name) {
  static char text[512];
  call_t c = {.f = do_lookup};
  int rc = rth_lookup_new(t->h, name, &c.lookup);
  size_t i;
  if (rc != 0) return rth_err_name(rc);
  text[0] = '\0';
  if (call(t, &c) < 0) {
    rth_lookup_free(c.lookup);
    return rth_err_name(c.rc);
  }
  for (i = 0; i < c.n; i++) {
    char one[RTH_ADDR_TEXT];
    if (i > 0) strcat(text, " ");
    strcat(text, rth_addr_format(&c.list[i], one));
  }
  rth_lookup_free(c.lookup);
  return text;
}

/* ---- addresses ---------------------------------------------------------- */

static const char *reformat(const char *text) {
  static char out[RTH_ADDR_TEXT];
  rth_addr_t a;
  int rc = rth_addr_parse(&a, text);
  return rc != 0 ? rth_err_name(rc) : rth_addr_format(&a, out);
}

TEST(addresses_survive_parsing_and_formatting) {
  ASSERT_STR_EQ(reformat("127.0.0.1:80"), "127.0.0.1:80");
  ASSERT_STR_EQ(reformat("[::1]:65535"), "[::1]:65535");
  ASSERT_STR_EQ(reformat("[0:0:0:0:0:0:0:1]:0"), "[::1]:0");
}

TEST(bad_addresses_are_refused) {
  ASSERT_STR_EQ(reformat(""), "EINVAL");
  ASSERT_STR_EQ(reformat("127.0.0.1"), "EINVAL");
  ASSERT_STR_EQ(reformat("127.0.0.1:"), "EINVAL");
  ASSERT_STR_EQ(reformat("127.0.0.1:65536"), "EINVAL");
  ASSERT_STR_EQ(reformat("127.0.0.1:8x"), "EINVAL");
  ASSERT_STR_EQ(reformat("127.0.0.1:99999999999999999999"), "EINVAL");
  ASSERT_STR_EQ(reformat(":80"), "EINVAL");
  ASSERT_STR_EQ(reformat("::1:80"), "EINVAL");
  ASSERT_STR_EQ(reformat("[]:80"), "EINVAL");
  ASSERT_STR_EQ(reformat("[127.0.0.1]x:80"), "EINVAL");
  ASSERT_STR_EQ(reformat("256.0.0.1:80"), "EINVAL");
  ASSERT_STR_EQ(reformat("localhost:80"), "EINVAL");
}

TEST(errors_have_the_names_of_the_system) {
  ASSERT_STR_EQ(rth_err_name(-ECONNREFUSED), "ECONNREFUSED");
  ASSERT_STR_EQ(rth_strerror(-ECONNREFUSED), "connection refused");
  ASSERT_STR_EQ(rth_err_name(RTH_EOF), "EOF");
  ASSERT_STR_EQ(rth_strerror(RTH_EOF), "end of file");
  ASSERT_STR_EQ(rth_err_name(RTH_ESHUTDOWN), "ESHUTDOWN");
  ASSERT_STR_EQ(rth_err_name(-3999), "EUNKNOWN");
}

/* ---- names -------------------------------------------------------------- */

TEST_FLAVORS(a_name_has_its_addresses_in_order) {
  host_t t = new_host(workers);
  ASSERT_STR_EQ(look_up(&t, "both:80"), "[::1]:80 127.0.0.1:80");
  close_all(&t);
}

TEST(numbers_need_no_resolver) {
  host_t t = new_host(1);
  ASSERT_STR_EQ(look_up(&t, "127.0.0.1:80"), "127.0.0.1:80");
  ASSERT_STR_EQ(look_up(&t, "[::1]:80"), "[::1]:80");
  close_all(&t);
}

TEST(a_question_without_an_answer_says_why) {
  host_t t = new_host(1);
  ASSERT_STR_EQ(look_up(&t, "nobody:80"), "EAI_NONAME");
  ASSERT_STR_EQ(look_up(&t, "later:80"), "EAI_AGAIN");
  ASSERT_STR_EQ(look_up(&t, "both"), "EINVAL");
  close_all(&t);
}

TEST_FLAVORS(a_question_that_hangs_delays_no_other) {
  host_t t = new_host(workers);
  rth_lookup_t *l[20];
  int i;
  ASSERT_EQ(pipe(hang), 0);
  for (i = 0; i < 20; i++) ASSERT_OK(rth_lookup_new(t.h, "hangs:1", &l[i]));
  ASSERT_STR_EQ(look_up(&t, "one:80"), "127.0.0.2:80");
  for (i = 0; i < 20; i++) rth_lookup_free(l[i]);
  ALLOW_LIVE(); /* the threads still have it */
  close_host(&t); /* and is not waited for, nor by exit */
}

TEST(an_answer_that_comes_late_is_forgotten) {
  host_t t = new_host(CURRENT);
  call_t c = {.f = do_lookup};
  rth_join_t *j;
  ASSERT_EQ(pipe(hang), 0);
  ASSERT_OK(rth_lookup_new(t.h, "hangs:1", &c.lookup));
  j = start_call(&t, c);
  settle(&t);
  rth_join_abort(j);
  rth_lookup_free(c.lookup);
  finish_call(&t, j);
  close_host(&t);
  close(hang[1]);
  while (rth_live_allocations() > 0) usleep(100);
}

TEST(an_answer_wakes_who_asked) {
  host_t t = new_host(CURRENT);
  int rc = 0;
  call_t c = {.f = do_lookup, .answer = &rc};
  rth_join_t *j;
  ASSERT_EQ(pipe(hang), 0);
  ASSERT_OK(rth_lookup_new(t.h, "hangs:1", &c.lookup));
  j = start_call(&t, c);
  settle(&t);
  ASSERT_EQ(rc, 0);
  close(hang[1]);
  finish_call(&t, j);
  ASSERT_STR_EQ(rth_err_name(rc), "EAI_AGAIN");
  rth_lookup_free(c.lookup);
  close_all(&t);
}

/* ---- connecting to a name ----------------------------------------------- */

TEST(connecting_tries_each_address) {
  host_t t = new_host(CURRENT);
  rth_listener_t *l = new_listener(&t); /* 127.0.0.1, not ::1 */
  rth_stream_t *s = NULL;
  char name[64];
  sprintf(name, "both%s", strrchr(listener_text(l), ':'));
  ASSERT_EQ(try_connect(&t, name, &s, NULL), RTH_READY);
  rth_stream_free(s);
  rth_listener_free(l);
  close_all(&t);
}

TEST(an_error_names_each_address_that_was_tried) {
  host_t t = new_host(CURRENT);
  rth_listener_t *l = new_listener(&t);
  rth_stream_t *s = NULL;
  char name[64], message[1024], want[64], *port;
  sprintf(name, "both%s", strrchr(listener_text(l), ':'));
  port = strrchr(name, ':');
  rth_listener_free(l);
  ASSERT_EQ(try_connect(&t, name, &s, message), -ECONNREFUSED);
  ASSERT_EQ(strncmp(message, "ECONNREFUSED: connection refused (", 34), 0);
  sprintf(want, "[::1]%s: E", port);
  ASSERT(strstr(message, want) != NULL);
  sprintf(want, "127.0.0.1%s: ECONNREFUSED)", port);
  ASSERT(strstr(message, want) != NULL);
  close_all(&t);
}

TEST(a_name_that_is_none_is_an_error_of_connecting) {
  host_t t = new_host(CURRENT);
  rth_stream_t *s = NULL;
  rth_connect_t *c;
  char message[1024];
  ASSERT_LT(try_connect(&t, "nobody:80", &s, message), 0);
  ASSERT_STR_EQ(message, "EAI_NONAME: unknown node or service");
  ASSERT_EQ(rth_tcp_connect(t.h, "nobody", &c), RTH_EINVAL);
  close_all(&t);
}
