/* echo.c - 50 connections, each of which sends 64 bytes and waits until they
** come back, again and again.
**
**   echo both WORKERS          both ends in one runtime
**   echo current               both ends on one thread
**   echo two WORKERS           each end in a process of its own
**   echo server WORKERS        prints its port; ends with its input
**   echo client WORKERS PORT   the load: for a server of either side
**
** Prints the time that a round trip takes, all connections together.
** bench/tokio/echo.rs does the same.
*/
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "rthandle_io.h"

#define CONNECTIONS 50
#define SIZE 64
#define WARM_UP 200 /* round trips of each connection */
#define ROUNDS 2000

static rth_runtime_t *runtime;
static rth_handle_t *handle;
static char address[RTH_ADDR_TEXT];

static void check(int code) {
  if (code >= 0) return;
  fprintf(stderr, "echo: %s\n", rth_strerror(code));
  exit(1);
}

/* ---- server ---------------------------------------------------------------- */

struct server {
  rth_stream_t *stream;
  int writing;
  rth_bytes_t data;
  rth_write_t write;
};

static rth_poll_t server_poll(void *self, rth_cx_t *cx, void **out) {
  struct server *f = self;
  (void)out;
  for (;;) {
    int rc = f->writing
                 ? rth_stream_write_all(f->stream, cx, &f->write)
                 : rth_stream_read_some(f->stream, cx, 65536, &f->data);
    if (rc == RTH_PENDING) return RTH_PENDING;
    if (rc < 0) return RTH_READY;
    f->writing = !f->writing;
    f->write = (rth_write_t){.pieces = &f->data, .n = 1};
  }
}
static void server_drop(void *self) {
  rth_stream_free(((struct server *)self)->stream);
}
static const rth_future_ops_t server = {.poll = server_poll,
                                        .drop = server_drop};

struct acceptor {
  rth_listener_t *listener;
};

static rth_poll_t acceptor_poll(void *self, rth_cx_t *cx, void **out) {
  struct acceptor *f = self;
  (void)out;
  for (;;) {
    struct server s = {0};
    int rc = rth_listener_accept(f->listener, cx, &s.stream, NULL);
    if (rc == RTH_PENDING) return RTH_PENDING;
    check(rc);
    check(rth_stream_set_nodelay(s.stream, 1));
    check(rth_spawn(cx->handle, &server, &s, sizeof s, 0, NULL));
  }
}
static void acceptor_drop(void *self) {
  rth_listener_free(((struct acceptor *)self)->listener);
}
static const rth_future_ops_t acceptor = {.poll = acceptor_poll,
                                          .drop = acceptor_drop};

static void start_server(void) {
  struct acceptor a;
  rth_addr_t local;
  check(rth_addr_parse(&local, "127.0.0.1:0"));
  check(rth_listen(handle, &local, 1, NULL, &a.listener));
  check(rth_listener_local_addr(a.listener, &local));
  rth_addr_format(&local, address);
  check(rth_spawn(handle, &acceptor, &a, sizeof a, 0, NULL));
}

/* ---- client ----------------------------------------------------------------- */

struct client {
  rth_connect_t *connect;
  rth_stream_t *stream;
  int left, writing;
  rth_bytes_t data;
  rth_write_t write;
  char bytes[SIZE];
};

static rth_poll_t client_poll(void *self, rth_cx_t *cx, void **out) {
  struct client *f = self;
  (void)out;
  if (f->stream == NULL) {
    int rc;
    if (f->connect == NULL) check(rth_tcp_connect(handle, address, &f->connect));
    rc = rth_connect_poll(f->connect, cx, &f->stream);
    if (rc == RTH_PENDING) return RTH_PENDING;
    check(rc);
    rth_connect_free(f->connect);
    check(rth_stream_set_nodelay(f->stream, 1));
  }
  while (f->left > 0 || f->writing == 0) {
    int rc;
    if (!f->writing) {
      if (f->left == 0) return RTH_READY;
      f->data = (rth_bytes_t){f->bytes, SIZE};
      f->write = (rth_write_t){.pieces = &f->data, .n = 1};
      f->writing = 1;
    }
    if (f->writing == 1) {
      rc = rth_stream_write_all(f->stream, cx, &f->write);
      if (rc == RTH_PENDING) return RTH_PENDING;
      check(rc);
      f->writing = 2;
    }
    rc = rth_stream_read_exact(f->stream, cx, SIZE, &f->data);
    if (rc == RTH_PENDING) return RTH_PENDING;
    check(rc);
    f->writing = 0;
    f->left--;
  }
  return RTH_READY;
}
static void client_drop(void *self) {
  rth_stream_free(((struct client *)self)->stream);
}
static const rth_future_ops_t client = {.poll = client_poll,
                                        .drop = client_drop};

struct load {
  int started, rounds, next;
  rth_join_t *joins[CONNECTIONS];
};

static rth_poll_t load_poll(void *self, rth_cx_t *cx, void **out) {
  struct load *f = self;
  rth_outcome_t o;
  int i;
  (void)out;
  for (i = 0; !f->started && i < CONNECTIONS; i++) {
    struct client c = {.left = f->rounds};
    check(rth_spawn(handle, &client, &c, sizeof c, 0, &f->joins[i]));
  }
  f->started = 1;
  for (; f->next < CONNECTIONS; f->next++) {
    if (rth_join_poll(f->joins[f->next], &cx->waker, &o) == RTH_PENDING)
      return RTH_PENDING;
    rth_join_free(f->joins[f->next]);
  }
  return RTH_READY;
}
static const rth_future_ops_t load = {.poll = load_poll};

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double run(int rounds) {
  struct load l = {.rounds = rounds};
  rth_outcome_t o;
  double begin = seconds();
  check(rth_runtime_block_on(runtime, &load, &l, &o));
  return seconds() - begin;
}

static void measure(const char *name) {
  (void)run(WARM_UP);
  printf("echo_%s %.1f ns\n", name,
         run(ROUNDS) * 1e9 / (CONNECTIONS * (double)ROUNDS));
}

static void start_runtime(const char *what, const char *workers) {
  rth_options_t o;
  rth_options_init(&o);
  if (strcmp(what, "current") == 0)
    o.flavor = RTH_CURRENT_THREAD;
  else
    o.worker_threads = (unsigned)atoi(workers);
  check(rth_runtime_new(&o, &runtime));
  handle = rth_runtime_handle(runtime);
}

static void serve(FILE *out, int in) {
  char byte;
  start_server();
  fprintf(out, "%s\n", strchr(address, ':') + 1);
  fflush(out);
  while (read(in, &byte, 1) > 0) continue;
}

/* The server in a child; answers its port.  It ends with this process. */
static const char *start_child(const char *workers) {
  static char port[16];
  int there[2], back[2];
  if (pipe(there) != 0 || pipe(back) != 0) abort();
  if (fork() == 0) {
    close(there[1]);
    start_runtime("server", workers);
    serve(fdopen(back[1], "w"), there[0]);
    _exit(0);
  }
  close(there[0]);
  if (read(back[0], port, sizeof port - 1) <= 0) abort();
  port[strcspn(port, "\n")] = '\0';
  return port;
}

int main(int argc, char **argv) {
  const char *what = argc > 1 ? argv[1] : "both";
  const char *workers = argc > 2 ? argv[2] : "1";
  const char *port = argc > 3 ? argv[3] : NULL;
  if (strcmp(what, "two") == 0) port = start_child(workers);
  start_runtime(what, workers);
  if (strcmp(what, "server") == 0) {
    serve(stdout, 0);
  } else {
    if (port != NULL)
      (void)snprintf(address, sizeof address, "127.0.0.1:%s", port);
    else
      start_server();
    measure(what);
  }
  check(rth_runtime_shutdown(runtime, RTH_FOREVER));
  rth_runtime_free(runtime);
  return 0;
}
