/* lua_faults_net_test - lack of memory in sockets, scopes and task-local
** values. */
#include "lua_faults.h"

TEST(streams_that_lack_memory_leave_nothing) {
  starve(STARTED,
         "local l <close> = assert(rt.net.TcpListener.bind '127.0.0.1:0')\n"
         "rt.scope(function(s)\n"
         "  s:spawn_local(function()\n"
         "    local c <close> = assert(l:accept())\n"
         "    assert(c:write_all(assert(c:read_line()), '!'))\n"
         "  end)\n"
         "  local to = assert(l:local_addr())\n"
         "  local c <close> = assert(rt.net.TcpStream.connect(to))\n"
         "  assert(c:write_all 'hello\\n')\n"
         "  assert(assert(c:read_all()) == 'hello!')\n"
         "end)");
}

TEST(halves_of_a_stream_that_lack_memory_leave_nothing) {
  starve(STARTED,
         "local a, b = assert(rt.net.UnixStream.pair())\n"
         "local reader <close>, writer = a:split()\n"
         "assert(writer:write_all('x', 'y'))\n"
         "assert(b:read_exact(2) == 'xy')\n"
         "assert(b:write_all 'one;two')\n"
         "assert(reader:read_until ';' == 'one;')\n"
         "assert(not rt.timeout(0, reader.read_exact, reader, 4))\n"
         "writer:close()\n"
         "assert(select(3, b:read()) == 'EOF')\n"
         "b:close()");
}

TEST(a_stream_that_moves_where_memory_lacks_leaves_nothing) {
  starve(STARTED,
         "local a, b = assert(rt.net.UnixStream.pair())\n"
         "local j = r:spawn(function(s) return s:read_line() end, a)\n"
         "assert(b:write_all 'x\\n')\n"
         "assert(j:await() == 'x')\n"
         "b:close()");
}

TEST(copies_that_lack_memory_leave_nothing) {
  starve(STARTED,
         "local a, b = assert(rt.net.UnixStream.pair())\n"
         "local c, d = assert(rt.net.UnixStream.pair())\n"
         "assert(a:write_all 'x')\n"
         "a:close()\n"
         "assert(rt.io.copy(b, c) == 1)\n"
         "c:close()\n"
         "assert(d:read_all() == 'x')");
}

TEST(datagrams_that_lack_memory_leave_nothing) {
  starve(STARTED,
         "local a = assert(rt.net.UdpSocket.bind '127.0.0.1:0')\n"
         "local b <close> = assert(rt.net.UdpSocket.bind '127.0.0.1:0')\n"
         "local to = assert(b:local_addr())\n"
         "assert(not rt.timeout(0, b.recv, b))\n"
         "assert(a:send_to('x', to))\n"
         "local got, from = b:recv_from()\n"
         "assert(got == 'x' and from == a:local_addr())\n"
         "a:close()");
}

TEST(scopes_that_lack_memory_leave_nothing) {
  starve(STARTED,
         "local function wait() rt.sleep(100) end\n"
         "assert(rt.scope(function(s)\n"
         "  s:spawn_local(nap)\n"
         "  s:spawn(nap)\n"
         "  return nap()\n"
         "end) == 1)\n"
         "assert(not pcall(rt.scope, function(s)\n"
         "  s:spawn_local(error)\n"
         "  wait()\n"
         "end))\n"
         "assert(not pcall(rt.scope, function(s)\n"
         "  s:spawn_local(wait)\n"
         "  error 'x'\n"
         "end))\n"
         "assert(not rt.timeout(0, rt.scope, function(s)\n"
         "  s:spawn_local(wait)\n"
         "  wait()\n"
         "end))");
}

TEST(task_local_values_that_lack_memory_leave_nothing) {
  starve(STARTED,
         "local key = rt.task_local()\n"
         "key:scope({}, function()\n"
         "  nap()\n"
         "  assert(key:scope(2, function() nap() return key:get() end) == 2)\n"
         "  assert(type(key:get()) == 'table')\n"
         "end)");
}
