-- 50 connections, each of which sends 64 bytes and waits until they come back,
-- again and again: bench/c/echo.c and bench/tokio/echo.rs in Lua.
--
--   lua5.4 bench/lua/echo.lua NAME COMPETITOR
--
--   lua_echo_one    both ends on one thread
--   lua_echo_two    a process for each end
--   lua_echo_load   the clients are bench/c/echo.c in another process
--   idle_10000      bytes of a connection that waits
--
-- The server of all but the first is this script as a child
-- (`server COMPETITOR`), which prints its port.
--
-- Each competitor is used as well as we could: luv's reads stay started, and
-- its writes are tried at once; luv_cb waits for the callback of each write, as
-- the usual wrappers do.  cqueues' and copas' sockets do not buffer what is
-- written.

local measure = require "measure"
local need, now = measure.need, measure.now

local CONNECTIONS, WARM_UP, ROUNDS = 50, 200, 2000
local MESSAGE = ("x"):rep(64)
local HOST = "127.0.0.1"

-- A competitor: serve(ready) listens, calls ready(port) in a task, and serves
-- as long as its loop runs; load(port, rounds) starts the clients in
-- such a task and returns when the last has ended; run(main) runs the loop
-- until main, a task, ends.  forever() never
-- returns.
local competitors = {}

-- ---- rthandle --------------------------------------------------------------

local function rthandle(options)
  return function()
    local rt = need "rthandle"
    local M = {}

    local function echo(stream)
      stream:set_nodelay(true)
      while true do
        local data = stream:read()
        if not data then return end
        stream:write_all(data)
      end
    end

    local function accept(listener, spawn)
      for stream in listener:incoming() do
        rt[spawn](echo, stream)
        if M.accepted then M.accepted() end
      end
    end

    local function client(port, rounds)
      local stream <close> = assert(rt.net.TcpStream.connect(HOST, port))
      stream:set_nodelay(true)
      for _ = 1, rounds do
        stream:write_all(MESSAGE)
        assert(stream:read_exact(#MESSAGE))
      end
    end

    -- On a current_thread runtime tasks of this Lua state are the cheap ones.
    local spawn = options.flavor and "spawn_local" or "spawn"

    function M.serve(ready)
      local listener = assert(rt.net.TcpListener.bind(HOST .. ":0"))
      ready(math.tointeger(listener:local_addr():match(":(%d+)$")))
      rt[spawn](accept, listener, spawn)
    end

    function M.load(port, rounds)
      local tasks = {}
      for i = 1, CONNECTIONS do tasks[i] = rt[spawn](client, port, rounds) end
      for i = 1, CONNECTIONS do tasks[i]:await() end
    end

    function M.run(main)
      local runtime <close> = assert(rt.Runtime.new(options))
      runtime:block_on(main)
    end

    function M.forever() rt.sleep(math.huge) end

    return M
  end
end

competitors.rthandle = rthandle { flavor = "current_thread" }
competitors.workers1 = rthandle { worker_threads = 1 }
competitors.workers2 = rthandle { worker_threads = 2 }

-- ---- luv, with coroutines ---------------------------------------------------

-- try: a write that the system takes at once needs no callback.
local function luv(try)
  local uv = need "luv"
  local create, resume, yield, running =
    coroutine.create, coroutine.resume, coroutine.yield, coroutine.running
  local M = {}

  local function check(ok, err) if not ok then error(err, 0) end end

  local function task(f, ...) check(resume(create(f), ...)) end

  -- read() of one coroutine: what came, or nil at the end.
  local function reader(socket)
    local waiting, arrived, ended
    socket:read_start(function(err, data)
      if err or not data then ended = true end
      if waiting then
        local co = waiting
        waiting = nil
        check(resume(co, data))
      elseif data then
        arrived = arrived and arrived .. data or data
      end
    end)
    return function()
      local data = arrived
      if data then
        arrived = nil
        return data
      end
      if ended then return nil end
      waiting = running()
      return yield()
    end
  end

  local function write(socket, data)
    local n = try and socket:try_write(data) or 0
    if n < #data then
      local co = running()
      socket:write(data:sub(n + 1), function() check(resume(co)) end)
      yield()
    end
  end

  local function echo(socket)
    socket:nodelay(true)
    local read = reader(socket)
    while true do
      local data = read()
      if not data then break end
      write(socket, data)
    end
    socket:close()
  end

  local function client(port, rounds)
    local socket, co = uv.new_tcp(), running()
    socket:connect(HOST, port, function(err) check(resume(co, err)) end)
    assert(not yield())
    socket:nodelay(true)
    local read = reader(socket)
    for _ = 1, rounds do
      write(socket, MESSAGE)
      local got = 0
      repeat got = got + #read() until got >= #MESSAGE
    end
    socket:close()
  end

  function M.serve(ready)
    local server = uv.new_tcp()
    assert(server:bind(HOST, 0))
    assert(server:listen(1024, function()
      local socket = uv.new_tcp()
      assert(server:accept(socket))
      task(echo, socket)
      if M.accepted then M.accepted() end
    end))
    ready(server:getsockname().port)
  end

  function M.load(port, rounds)
    local left, co = CONNECTIONS, running()
    for _ = 1, CONNECTIONS do
      task(function()
        client(port, rounds)
        left = left - 1
        if left == 0 then check(resume(co)) end
      end)
    end
    yield()
  end

  function M.run(main)
    task(function()
      main()
      uv.stop()
    end)
    uv.run()
  end

  M.forever = yield

  return M
end

function competitors.luv() return luv(true) end
function competitors.luv_cb() return luv(false) end

-- ---- cqueues ---------------------------------------------------------------

function competitors.cqueues()
  local cqueues, socket = need "cqueues", need "cqueues.socket"
  local loop, promise = cqueues.new(), need "cqueues.promise"
  local M = {}

  local function prepare(con)
    con:setmode("bn", "bn") -- binary, no buffer for what is written
    con:onerror(function(_, _, why) return why end)
  end

  local function echo(con)
    prepare(con)
    while true do
      local data = con:read(-4096) -- what there is
      if not data then break end
      con:write(data)
    end
    con:close()
  end

  local function client(port, rounds)
    local con = assert(socket.connect { host = HOST, port = port,
      nodelay = true })
    prepare(con)
    for _ = 1, rounds do
      con:write(MESSAGE)
      assert(con:read(#MESSAGE))
    end
    con:close()
  end

  function M.serve(ready)
    local server = assert(socket.listen { host = HOST, port = 0,
      nodelay = true, backlog = 1024 })
    server:listen()
    local _, _, port = server:localname()
    ready(port)
    loop:wrap(function()
      for con in server:clients() do
        loop:wrap(echo, con)
        if M.accepted then M.accepted() end
      end
    end)
  end

  function M.load(port, rounds)
    local all = {}
    for i = 1, CONNECTIONS do all[i] = promise.new(client, port, rounds) end
    for i = 1, CONNECTIONS do all[i]:get() end
  end

  function M.run(main)
    local ended = false
    loop:wrap(function()
      main()
      ended = true
    end)
    repeat assert(loop:step()) until ended
  end

  function M.forever() cqueues.sleep(math.huge) end

  return M
end

-- ---- copas ------------------------------------------------------------------

function competitors.copas()
  local copas = measure.need_copas()
  local socket = need "socket"
  local M = {}

  local function echo(con)
    con:setoption("tcp-nodelay", true)
    con:settimeout(0)
    while true do
      local data, err, part = copas.receivePartial(con, 4096)
      data = data or part
      if not data or data == "" or err == "closed" then break end
      copas.send(con, data)
    end
    con:close()
  end

  local function client(port, rounds)
    local con = socket.tcp()
    con:settimeout(0)
    assert(copas.connect(con, HOST, port))
    con:setoption("tcp-nodelay", true)
    for _ = 1, rounds do
      copas.send(con, MESSAGE)
      assert(copas.receive(con, #MESSAGE))
    end
    con:close()
  end

  function M.serve(ready)
    local server = assert(socket.bind(HOST, 0, 1024))
    local _, port = server:getsockname()
    copas.addserver(server, echo)
    ready(math.tointeger(tonumber(port)))
  end

  -- copas has no way to wait for a thread: the loop looks at `left`.
  local left = 0
  function M.load(port, rounds)
    left = CONNECTIONS
    for _ = 1, CONNECTIONS do
      copas.addthread(function()
        client(port, rounds)
        left = left - 1
      end)
    end
    while left > 0 do copas.step() end
  end

  function M.run(main) main() end

  function M.forever()
    while true do copas.step() end
  end

  return M
end

-- ---- the benchmarks ---------------------------------------------------------

-- Nanoseconds of a round trip.
local function ns(M, port)
  M.load(port, WARM_UP)
  local start = now()
  M.load(port, ROUNDS)
  return (now() - start) / (CONNECTIONS * ROUNDS) * 1e9
end

local function echo_one(M)
  local value
  M.run(function()
    local port
    M.serve(function(p) port = p end)
    value = ns(M, port)
  end)
  return value
end

-- Runs this script as a child that serves: f(port, pipe), then kills it.
local function with_child(what, competitor, f)
  local pipe <close> = assert(io.popen(("echo $$; exec %s %s %s %s")
    :format(arg[-1], arg[0], what, competitor)))
  local pid, port = pipe:read("n", "n")
  if not port then os.exit(3) end -- it has said why
  local value = f(port, pipe)
  os.execute("kill " .. pid)
  return value
end

local function echo_two(M, competitor)
  return with_child("server", competitor, function(port)
    local value
    M.run(function() value = ns(M, port) end)
    return value
  end)
end

-- The load is bench/c/echo.c on one thread, so that it limits the server as
-- little as may be.
local function echo_load(_, competitor)
  return with_child("server", competitor, function(port)
    local pipe <close> = assert(io.popen("build/bench/echo client 1 " .. port))
    return assert(tonumber(pipe:read("a"):match(" ([%d.]+) ns")))
  end)
end

local function server(M)
  M.run(function()
    M.serve(function(port)
      print(port)
      io.stdout:flush()
    end)
    M.forever()
  end)
end

-- Resident bytes of a connection that a task of the server waits for; the
-- other ends are in another process.
local IDLE = 10000

local function idle_server(M)
  local n, before = 0, nil
  M.accepted = function()
    n = n + 1
    if n == 100 then before = measure.resident() end
    if n < IDLE then return end
    print(("%.0f"):format((measure.resident() - before) / (IDLE - 100)))
    io.stdout:flush()
  end
  server(M)
end

local function idle(_, competitor)
  return with_child("idle_server", competitor, function(port, pipe)
    local rt = need "rthandle"
    return rt.main(function()
      local streams = {}
      for i = 1, IDLE do
        streams[i] = assert(rt.net.TcpStream.connect(HOST, port))
      end
      local value = assert(pipe:read("n"), "the server failed")
      for i = 1, IDLE do streams[i]:close() end
      return value
    end, { flavor = "current_thread" })
  end)
end

local benches = {}
for name, bench in pairs {
  lua_echo_one = { "ns", echo_one }, lua_echo_two = { "ns", echo_two },
  lua_echo_load = { "ns", echo_load }, idle_10000 = { "bytes", idle },
} do
  benches[name] = { unit = bench[1] }
  for competitor, make in pairs(competitors) do
    benches[name][competitor] = function()
      return bench[2](make(), competitor)
    end
  end
end

local children = { server = server, idle_server = idle_server }
local child = children[arg[1]]
if child then
  child(competitors[arg[2]]())
else
  measure.main(benches)
end
