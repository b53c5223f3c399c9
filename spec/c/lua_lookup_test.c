/* lua_lookup_test - names in Lua, with a resolver of the test's own: one that
** hangs delays nobody else, and the process ends without waiting for it. */
#include "harness.h"

#include <netdb.h>
#include <netinet/in.h>
#include <unistd.h>

#include "lauxlib.h"
#include "lua.h"
#include "lualib.h"
#include "rthandle_io.h"

int luaopen_rthandle_core(lua_State *L);

static int hang[2]; /* "hangs" waits until its writing end is closed */

static struct addrinfo *add(struct addrinfo *next, const char *host,
                            const char *port) {
  struct addrinfo *a = calloc(1, sizeof *a + sizeof(rth_addr_t));
  rth_addr_t *to = (rth_addr_t *)(void *)(a + 1);
  char text[64];
  sprintf(text, "%s:%s", host, port);
  ASSERT_OK(rth_addr_parse(to, text));
  a->ai_addr = (struct sockaddr *)(void *)to->u.bytes;
  a->ai_addrlen = to->size;
  a->ai_family = a->ai_addr->sa_family;
  a->ai_next = next;
  return a;
}

int getaddrinfo(const char *host, const char *port,
                const struct addrinfo *hints, struct addrinfo **out) {
  char byte;
  (void)hints;
  if (strcmp(host, "hangs") == 0) {
    if (read(hang[0], &byte, 1) != 0) abort();
    return EAI_AGAIN;
  }
  if (strcmp(host, "both") != 0) return EAI_NONAME;
  *out = add(add(NULL, "127.0.0.1", port), "127.0.0.2", port);
  return 0;
}

void freeaddrinfo(struct addrinfo *a) {
  while (a != NULL) {
    struct addrinfo *next = a->ai_next;
    free(a);
    a = next;
  }
}

static void run(const char *code) {
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  luaL_requiref(L, "rthandle.core", luaopen_rthandle_core, 0);
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_pushvalue(L, -2);
  lua_setfield(L, -2, "rthandle");
  lua_settop(L, 0);
  ASSERT_EQ(pipe(hang), 0);
  if (luaL_dostring(L, code) != LUA_OK) {
    fprintf(stderr, "%s\n", lua_tostring(L, -1));
    exit(1);
  }
  lua_close(L);
}

/* Waits for the threads of the questions: each lets go of the task that it has
** woken a moment later.  The test's time limit ends this. */
static void let_threads_end(void) {
  while (rth_live_allocations() > 0) (void)usleep(100);
}

#define HEAD                                                             \
  "local rt = require 'rthandle'\n"                                      \
  "local net = rt.net\n"                                                 \
  "local r = rt.Runtime.new{ worker_threads = 1 }\n"

TEST(a_lookup_that_hangs_delays_no_task_and_no_other_lookup) {
  ALLOW_LIVE(); /* the threads of the questions still have them */
  run(HEAD
      "r:block_on(function()\n"
      "  for i = 1, 50 do\n"
      "    rt.spawn(function() net.lookup_host('hangs:1') end)\n"
      "    rt.spawn(function() net.TcpStream.connect('hangs:1') end)\n"
      "  end\n"
      "  for i = 1, 20 do rt.spawn(function() rt.sleep(0) end):await() end\n"
      "  local list = rt.spawn(function()\n"
      "    return net.lookup_host('both:80')\n"
      "  end):await()\n"
      "  assert(list[1] == '127.0.0.2:80' and list[2] == '127.0.0.1:80')\n"
      "end)\n"
      "r:close()\n");
}

TEST(a_lookup_that_hangs_is_given_up_as_any_wait_is) {
  ALLOW_LIVE();
  run(HEAD
      "r:block_on(function()\n"
      "  local ok = rt.timeout(0.001, net.lookup_host, 'hangs:1')\n"
      "  assert(ok == false)\n"
      "  local u = assert(net.UdpSocket.bind('127.0.0.1:0'))\n"
      "  assert(rt.timeout(0.001, u.send_to, u, 'x', 'hangs:1') == false)\n"
      "  assert(u:send_to('x', u:local_addr()) and u:recv() == 'x')\n"
      "  local j = rt.spawn(function() net.TcpListener.bind('hangs:1') end)\n"
      "  rt.sleep(0.001)\n"
      "  j:abort()\n"
      "  assert(select(2, j:join()):is_cancelled())\n"
      "end)\n"
      "r:close()\n");
}

TEST(a_state_is_closed_in_the_middle_of_a_lookup) {
  ALLOW_LIVE();
  run(HEAD
      "r:spawn_local(function() net.lookup_host('hangs:1') end)\n"
      "r:block_on(function() rt.sleep(0.001) end)\n");
}

TEST(a_connect_tries_each_address_and_names_them) {
  run(HEAD
      "r:block_on(function()\n"
      "  local l = assert(net.TcpListener.bind('127.0.0.1:0'))\n"
      "  local name = 'both' .. l:local_addr():match(':%d+$')\n"
      "  local s = assert(net.TcpStream.connect(name))\n"
      "  assert(s:peer_addr() == l:local_addr())\n"
      "  s:close()\n"
      "  l:close()\n"
      "  local port = name:match('%d+$')\n"
      "  local _, message, code =\n"
      "    net.TcpStream.connect('both', tonumber(port))\n"
      "  assert(code == 'ECONNREFUSED')\n"
      "  assert(message == ('ECONNREFUSED: connection refused '\n"
      "    .. '(127.0.0.2:%d: ECONNREFUSED, 127.0.0.1:%d: ECONNREFUSED)')\n"
      "    :format(port, port), message)\n"
      "  _, message = net.TcpStream.connect('nobody:1')\n"
      "  assert(message == 'EAI_NONAME: unknown node or service')\n"
      "end)\n"
      "r:close()\n");
  let_threads_end();
}

TEST(a_listener_is_bound_to_the_first_address_that_can_be) {
  run(HEAD
      "r:block_on(function()\n"
      "  local l = assert(net.TcpListener.bind('both:0'))\n"
      "  assert(l:local_addr():match('^127%.0%.0%.2:'))\n"
      "  local second = assert(net.TcpListener.bind('both' ..\n"
      "    l:local_addr():match(':%d+$')))\n"
      "  assert(second:local_addr():match('^127%.0%.0%.1:'))\n"
      "end)\n"
      "r:close()\n");
  let_threads_end();
}
