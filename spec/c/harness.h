/* harness.h - one file of C tests is one program.
**
**   #include "harness.h"
**   TEST(a_full_ring_refuses_one_more) { ... ASSERT_EQ(ring_len(r), 256); }
**
** Each TEST runs in a forked child of its own, so a crash, a hang or a leak
** belongs to one test.  A child that ends well must have freed all memory of
** the core.  Only failures are printed, then `N passed, N failed`.
**
**   prog             runs all
**   prog WORD        runs the tests whose name contains WORD
**   prog -d NAME     runs one test in this process: for gdb, without limit
**
** Inside a test: TIME_LIMIT(600) asks for more than a minute (each second
** counts tenfold under a sanitizer), ALLOW_LIVE() says that memory may be
** left (the test shuts down in background, say).  The asserts may be used on
** any thread.  ASSERT_EQ and its kin compare in the type of the first value:
** write the value under test first.
*/
#ifndef HARNESS_H
#define HARNESS_H

#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rthandle.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define HARNESS_SLOW 10u
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HARNESS_SLOW 10u
#endif
#ifndef HARNESS_SLOW
#define HARNESS_SLOW 1u
#endif

struct harness_test {
  struct harness_test *next;
  const char *name;
  void (*run)(void);
};

static struct harness_test *harness_tests;
static struct harness_test **harness_tail = &harness_tests;
static const char *harness_name = ""; /* of the test that runs */
static int harness_allow_live;

#define TEST(ident)                                                           \
  static void ident(void);                                                    \
  __attribute__((constructor)) static void harness_add_##ident(void) {        \
    static struct harness_test t = {NULL, #ident, ident};                     \
    *harness_tail = &t;                                                       \
    harness_tail = &t.next;                                                   \
  }                                                                           \
  static void ident(void)

#define TIME_LIMIT(seconds) ((void)alarm((unsigned)(seconds) * HARNESS_SLOW))
#define ALLOW_LIVE() ((void)(harness_allow_live = 1))

/* The status of a child that has said what failed. */
enum { HARNESS_SAID = 3 };

/* _exit: other threads of the test may still run. */
#define HARNESS_FAIL(...)                                                     \
  do {                                                                        \
    fprintf(stderr, "%s: %s:%d: ", harness_name, __FILE__, __LINE__);         \
    fprintf(stderr, __VA_ARGS__);                                             \
    fputc('\n', stderr);                                                      \
    _exit(HARNESS_SAID);                                                      \
  } while (0)

#define ASSERT(cond)                                                          \
  do {                                                                        \
    if (!(cond)) HARNESS_FAIL("not true: %s", #cond);                         \
  } while (0)

#define HARNESS_COMPARE(a, op, b)                                             \
  do {                                                                        \
    __typeof__((a) + 0) harness_a = (a);                                      \
    __typeof__((a) + 0) harness_b = (b);                                      \
    if (!(harness_a op harness_b))                                            \
      HARNESS_FAIL("%s %s %s: %lld against %lld", #a, #op, #b,                \
                   (long long)harness_a, (long long)harness_b);               \
  } while (0)

#define ASSERT_EQ(a, b) HARNESS_COMPARE(a, ==, b)
#define ASSERT_NE(a, b) HARNESS_COMPARE(a, !=, b)
#define ASSERT_LT(a, b) HARNESS_COMPARE(a, <, b)
#define ASSERT_LE(a, b) HARNESS_COMPARE(a, <=, b)
#define ASSERT_GT(a, b) HARNESS_COMPARE(a, >, b)
#define ASSERT_GE(a, b) HARNESS_COMPARE(a, >=, b)

/* A call of the library that must succeed. */
#define ASSERT_OK(call)                                                       \
  do {                                                                        \
    int harness_rc = (call);                                                  \
    if (harness_rc != 0)                                                      \
      HARNESS_FAIL("%s: %s", #call, rth_err_name(harness_rc));                \
  } while (0)

#define ASSERT_PTR_EQ(a, b)                                                   \
  do {                                                                        \
    const void *harness_a = (a), *harness_b = (b);                            \
    if (harness_a != harness_b)                                               \
      HARNESS_FAIL("%s == %s: %p against %p", #a, #b, harness_a, harness_b);  \
  } while (0)

#define ASSERT_STR_EQ(a, b)                                                   \
  do {                                                                        \
    const char *harness_a = (a), *harness_b = (b);                            \
    if (harness_a == NULL || strcmp(harness_a, harness_b) != 0)               \
      HARNESS_FAIL("%s == %s: \"%s\" against \"%s\"", #a, #b,                 \
                   harness_a ? harness_a : "(null)", harness_b);              \
  } while (0)

/* Runs one test in this process and leaves it: by exit, so that the leak
** sanitizer has its say. */
static void harness_child(const struct harness_test *t) {
  harness_name = t->name;
  rth_count_allocations();
  t->run();
  if (!harness_allow_live && rth_live_allocations() != 0)
    HARNESS_FAIL("%llu allocations of the core are left",
                 (unsigned long long)rth_live_allocations());
  exit(0);
}

/* Answers whether the test passed. */
static int harness_run(const struct harness_test *t) {
  int status = 0;
  pid_t pid = fork();
  if (pid == 0) {
    TIME_LIMIT(60); /* it ends what hangs: a slow machine needs time */
    harness_child(t);
  }
  if (pid < 0 || waitpid(pid, &status, 0) != pid) {
    fprintf(stderr, "%s: cannot start a process\n", t->name);
    return 0;
  }
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
    fprintf(stderr, "%s: over the time limit\n", t->name);
  else if (WIFSIGNALED(status))
    fprintf(stderr, "%s: %s\n", t->name, strsignal(WTERMSIG(status)));
  else if (WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != HARNESS_SAID)
    fprintf(stderr, "%s: exit status %d\n", t->name, WEXITSTATUS(status));
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

int main(int argc, char **argv) {
  const char *word = argc > 1 ? argv[argc - 1] : "";
  int debug = argc > 2 && strcmp(argv[1], "-d") == 0;
  int passed = 0, failed = 0;
  for (const struct harness_test *t = harness_tests; t != NULL; t = t->next) {
    if (strstr(t->name, word) == NULL) continue;
    if (debug) harness_child(t);
    if (harness_run(t))
      passed++;
    else
      failed++;
  }
  printf("%d passed, %d failed\n", passed, failed);
  return failed == 0 && passed > 0 ? 0 : 1;
}

#endif
