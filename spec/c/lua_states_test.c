/* lua_states_test - host programs: several Lua states of one process use the
** module, on several threads, and are closed in any order. */
#include "lua_host.h"

#include <fcntl.h>
#include <pthread.h>

static const char work[] =
    "local rt = require 'rthandle'\n"
    "local r <close> = rt.Runtime.new{ worker_threads = 2 }\n"
    "local sum = r:block_on(function()\n"
    "  local js, n = {}, 0\n"
    "  for i = 1, 50 do\n"
    "    js[i] = rt.spawn(function(x) rt.sleep(0.001) return x end, i)\n"
    "    js[i + 50] = rt.spawn_local(function() rt.yield_now() return i end)\n"
    "  end\n"
    "  for i = 1, 100 do n = n + js[i]:await() end\n"
    "  return n\n"
    "end)\n"
    "assert(sum == 2550)\n";

static void *state_of_its_own(void *arg) {
  int i;
  (void)arg;
  for (i = 0; i < 5; i++) {
    lua_State *L = open_host(luaL_newstate());
    run(L, work);
    lua_close(L);
  }
  return NULL;
}

TEST(states_on_several_threads_have_runtimes_of_their_own) {
  pthread_t t[4];
  int i;
  for (i = 0; i < 4; i++)
    ASSERT_EQ(pthread_create(&t[i], NULL, state_of_its_own, NULL), 0);
  for (i = 0; i < 4; i++) pthread_join(t[i], NULL);
}

static void *share_the_default(void *arg) {
  lua_State *L = open_host(luaL_newstate());
  (void)arg;
  run(L,
      "local rt = require 'rthandle'\n"
      "local ar = rt._async_runtime\n"
      "for i = 1, 20 do\n"
      "  local a = ar.spawn(function() return i end)\n"
      "  local b = ar.spawn_blocking(function() return i end)\n"
      "  assert(ar.block_on(a) == i and b:await() == i)\n"
      "end\n");
  lua_close(L);
  return NULL;
}

TEST(all_states_share_one_async_runtime) {
  pthread_t t[4];
  int i;
  ALLOW_LIVE();
  for (i = 0; i < 4; i++)
    ASSERT_EQ(pthread_create(&t[i], NULL, share_the_default, NULL), 0);
  for (i = 0; i < 4; i++) pthread_join(t[i], NULL);
}

TEST(a_state_closed_with_a_busy_runtime_leaves_it_to_end_by_itself) {
  int i;
  ALLOW_LIVE();
  for (i = 0; i < 10; i++) {
    lua_State *L = open_host(luaL_newstate());
    run(L,
        "local rt = require 'rthandle'\n"
        "R = rt.Runtime.new{ worker_threads = 2 }\n"
        "for i = 1, 20 do\n"
        "  R:spawn(function() while true do rt.sleep(0.001) end end)\n"
        "end\n"
        "local j = R:spawn_local(function() rt.sleep(1) end)\n"
        "pcall(R.block_on, R, rt.time and function() rt.sleep(0.002) end)\n");
    lua_close(L);
  }
}

TEST(a_state_may_be_opened_and_closed_without_a_runtime) {
  int i;
  for (i = 0; i < 20; i++) {
    lua_State *L = open_host(luaL_newstate());
    run(L, "assert(not require 'rthandle'.Handle.try_current())");
    lua_close(L);
  }
}

/* ---- sockets ------------------------------------------------------------ */

static char address[64]; /* of the listener; r/o once clients run */

static void *client_states(void *arg) {
  int i;
  (void)arg;
  for (i = 0; i < 3; i++) {
    lua_State *L = open_host(luaL_newstate());
    lua_pushstring(L, address);
    lua_setglobal(L, "address");
    run(L,
        "local rt = require 'rthandle'\n"
        "local r <close> = rt.Runtime.new{ worker_threads = 1 }\n"
        "local function ask(address, text)\n"
        "  local s <close> = assert(rt.net.TcpStream.connect(address))\n"
        "  assert(s:write_all(text, '\\n'))\n"
        "  return assert(s:read_line())\n"
        "end\n"
        "r:block_on(function()\n"
        "  local j = rt.spawn(ask, address, 'far')\n"
        "  assert(ask(address, 'near') == 'near')\n"
        "  assert(j:await() == 'far')\n"
        "end)\n");
    lua_close(L);
  }
  return NULL;
}

TEST(states_on_several_threads_talk_over_sockets) {
  enum { CLIENTS = 4 };
  lua_State *L = open_host(luaL_newstate());
  pthread_t t[CLIENTS];
  int i;
  run(L,
      "rt = require 'rthandle'\n"
      "r = rt.Runtime.new{ worker_threads = 2 }\n"
      "r:block_on(function()\n"
      "  listener = assert(rt.net.TcpListener.bind '127.0.0.1:0')\n"
      "  address = listener:local_addr()\n"
      "end)\n");
  lua_getglobal(L, "address");
  snprintf(address, sizeof address, "%s", lua_tostring(L, -1));
  for (i = 0; i < CLIENTS; i++)
    ASSERT_EQ(pthread_create(&t[i], NULL, client_states, NULL), 0);
  run(L,
      "r:block_on(function()\n"
      "  local function echo(s)\n"
      "    for line in s:lines() do s:write_all(line, '\\n') end\n"
      "    s:close()\n"
      "  end\n"
      "  for i = 1, 4 * 3 * 2 do\n"
      "    rt.spawn(echo, (assert(listener:accept())))\n"
      "  end\n"
      "end)\n");
  for (i = 0; i < CLIENTS; i++) pthread_join(t[i], NULL);
  run(L, "listener:close() r:close()");
  lua_close(L);
}

/* One task waits in each kind of operation, here and, where there are any, on
** workers; two of them with half of a stream each. */
static const char waiting[] =
    "local rt = require 'rthandle'\n"
    "local net = rt.net\n"
    "R = rt.Runtime.new(options)\n"
    "R:block_on(function()\n"
    "  local pair = net.UnixStream.pair\n"
    "  local function all(spawn)\n"
    "    local a, b = pair()\n"
    "    spawn(function(s) s:read() end, a)\n"
    "    spawn(function(s) s:write_all(('x'):rep(4000000)) end, b)\n"
    "    local reader, writer = select(2, pair()):split()\n"
    "    spawn(function(s) s:read_line() end, reader)\n"
    "    spawn(function(s) s:write_all(('x'):rep(4000000)) end, writer)\n"
    "    local c, d = pair(), pair()\n"
    "    spawn(function(s, t) require 'rthandle'.io.copy(s, t) end, c, d)\n"
    "    local l = assert(net.TcpListener.bind '127.0.0.1:0')\n"
    "    spawn(function(s) s:accept() end, l)\n"
    "    spawn(function(s) for _ in s:incoming() do end end,\n"
    "      (assert(net.TcpListener.bind '127.0.0.1:0')))\n"
    "    local u = assert(net.UdpSocket.bind '127.0.0.1:0')\n"
    "    spawn(function(s) require 'rthandle'.timeout(9, s.recv, s) end, u)\n"
    "    spawn(net.lookup_host, 'localhost:1')\n"
    "  end\n"
    "  all(rt.spawn_local)\n"
    "  all(rt.spawn)\n"
    "  KEPT = { pair(), net.UdpSocket.bind '127.0.0.1:0' }\n"
    "  for _ = 1, yields do rt.yield_now() end\n" /* here they wait now */
    "  rt.sleep(yields / 1000)\n"                 /* on workers, perhaps */
    "end)\n";

static int descriptors(void) {
  int fd, n = 0;
  for (fd = 0; fd < 256; fd++) n += fcntl(fd, F_GETFD) != -1;
  return n;
}

/* What ends by itself, has ended when the numbers are those of before. */
static void close_while_sockets_wait(const char *options) {
  int i, open = -1;
  for (i = 0; i < 8; i++) {
    lua_State *L = open_host(luaL_newstate());
    lua_pushnumber(L, i % 2 ? 2 : 0);
    lua_setglobal(L, "yields"); /* some have not begun to wait */
    run(L, options);
    run(L, waiting);
    lua_close(L);
    while (rth_live_allocations() > 0) (void)usleep(100);
    if (i > 1) /* libuv has opened what it keeps */
      while (descriptors() != open) (void)usleep(100);
    open = descriptors();
  }
}

TEST(a_current_thread_host_may_be_closed_while_sockets_wait) {
  close_while_sockets_wait("options = { flavor = 'current_thread' }");
}

TEST(a_multi_thread_host_may_be_closed_while_sockets_wait) {
  close_while_sockets_wait("options = { worker_threads = 2 }");
}

/* In a finalizer, say, the host's last look at what it had. */
TEST(sockets_say_that_they_are_closed_to_finalizers_of_a_closed_host) {
  lua_State *L = open_host(luaL_newstate());
  run(L,
      "local rt = require 'rthandle'\n"
      "local a, b\n"
      "setmetatable({}, { __gc = function()\n"
      "  for _, f in ipairs { a.read, a.write_all, a.close, a.split } do\n"
      "    pcall(f, a)\n"
      "  end\n"
      "  pcall(rt.io.copy, a, b)\n"
      "  pcall(rt.io.copy_bidirectional, a, b)\n"
      "end })\n"
      "R = rt.Runtime.new{ flavor = 'current_thread' }\n"
      "R:block_on(function() a, b = rt.net.UnixStream.pair() end)\n"
      "R:spawn_local(function() a:read() end)\n"
      "R:block_on(rt.yield_now)\n");
  lua_close(L);
}

static void *wait_for_the_end(void *L) {
  run(L,
      "local rt = require 'rthandle'\n"
      "local r <close> = rt.Runtime.new{ flavor = 'current_thread' }\n"
      "r:block_on(function()\n"
      "  local s <close> = assert(rt.net.TcpStream.connect(address))\n"
      "  assert(s:write_all 'hello')\n"
      "  local text, _, code = s:read()\n"
      "  assert(not text and (code == 'EOF' or code == 'ECONNRESET'), code)\n"
      "end)\n");
  return NULL;
}

TEST(a_state_that_is_closed_ends_the_connections_of_another) {
  lua_State *L = open_host(luaL_newstate()), *M = open_host(luaL_newstate());
  pthread_t t;
  run(L,
      "local rt = require 'rthandle'\n"
      "R = rt.Runtime.new{ flavor = 'current_thread' }\n"
      "R:block_on(function()\n"
      "  listener = assert(rt.net.TcpListener.bind '127.0.0.1:0')\n"
      "  address = listener:local_addr()\n"
      "end)\n");
  lua_getglobal(L, "address");
  lua_pushstring(M, lua_tostring(L, -1));
  lua_setglobal(M, "address");
  ASSERT_EQ(pthread_create(&t, NULL, wait_for_the_end, M), 0);
  run(L,
      "R:block_on(function()\n"
      "  stream = assert(listener:accept())\n"
      "  assert(stream:read_exact(5) == 'hello')\n"
      "end)\n"
      "R:spawn_local(function() stream:read() end)\n"
      "R:block_on(require 'rthandle'.yield_now)\n");
  lua_close(L); /* the other one waits, or will soon */
  pthread_join(t, NULL);
  lua_close(M);
}
