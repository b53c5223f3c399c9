-- Misuse is an error at the line that did it, whatever the call: each line of
-- the tables below is a call that must raise, and name its own line.
local rt = require("rthandle")
local async = require("rthandle.async_runtime")
local gate = require("spec.support.gate")
local net = rt.net

local HERE = debug.getinfo(1, "S").short_src

-- f, which stands on one line, must raise a text that begins with that line.
local function blames(f)
  local info = debug.getinfo(f, "S")
  assert.are.equal(info.linedefined, info.lastlinedefined)
  local ok, err = pcall(f)
  assert.is_false(ok)
  local at = ("%s:%d: "):format(HERE, info.linedefined)
  assert.are.equal(at, tostring(err):sub(1, #at))
end

local r, h, j, a, e, guard
local gone = {} -- what was used up: moved, released, closed

setup(function()
  r = assert(rt.Runtime.new { worker_threads = 1 })
  h = r:handle()
  guard = r:enter()
  j = r:spawn(function() end)
  a = j:abort_handle()
  e = select(2, r:spawn(error):join())

  gone.task = r:spawn(function() end)
  gone.receiver = select(2, rt.sync.mpsc(1))
  gone.reply, gone.answer = rt.sync.oneshot()
  gone.permit = rt.sync.Semaphore(1):try_acquire()
  gone.listener = net.TcpListener.bind("127.0.0.1:0")
  gone.stream = net.UnixStream.pair()
  r:spawn(function() end, gone.task, gone.receiver, gone.reply, gone.answer,
    gone.permit, gone.listener, gone.stream):await()
  gone.sender = rt.sync.oneshot()
  gone.sender:close()
  gone.guard = rt.sync.Mutex(1):try_lock()
  gone.guard:close()
  gone.released = rt.sync.Semaphore(1):try_acquire()
  gone.released:close()
  gone.watch, gone.watcher = rt.sync.watch(1)
  gone.watch:close()
  do local _ <close> = gone.watcher end
  rt.scope(function(s) gone.scope = s end)
  gone.halved = net.UnixStream.pair()
  gone.halved:split()
end)
teardown(function()
  guard:close()
  r:close()
end)

local nan = 0 / 0
local co = coroutine.create(print)
local n = 0
local function count() n = n + 1 end

-- Whether in the main script or in a task.
local everywhere = {
  ["Runtime.new, not a table"] = function() rt.Runtime.new(1); end,
  ["Runtime.new, an option"] = function() rt.Runtime.new { workers = 1 }; end,
  ["Runtime.new, a value"] = function() rt.Runtime.new { worker_threads = 0 }; end,
  ["Runtime.new, a hook"] = function() rt.Runtime.new { on_thread_start = count }; end,
  ["Runtime.new, two options"] = function() rt.Runtime.new { start_paused = true }; end,
  ["Runtime:block_on"] = function() r:block_on(1); end,
  ["Runtime:spawn"] = function() r:spawn(1); end,
  ["Runtime:spawn_local"] = function() r:spawn_local(1); end,
  ["Runtime:spawn_blocking"] = function() r:spawn_blocking(1); end,
  ["Runtime:spawn_with"] = function() r:spawn_with({}, 1); end,
  ["Runtime:shutdown_timeout"] = function() r:shutdown_timeout(-1); end,
  ["Runtime:shutdown_timeout, no number"] = function() r:shutdown_timeout("x"); end,
  ["Runtime:handle"] = function() r.handle(); end,
  ["Runtime:enter"] = function() r.enter(); end,
  ["Runtime:metrics"] = function() r.metrics(); end,
  ["Runtime:close"] = function() r.close(); end,
  ["Runtime:shutdown_background"] = function() r.shutdown_background(); end,
  ["Handle:block_on"] = function() h:block_on(1); end,
  ["Handle:spawn"] = function() h:spawn(1); end,
  ["Handle:spawn, a refusal"] = function() h:spawn(count); end,
  ["Handle:spawn, an argument"] = function() h:spawn(print, co); end,
  ["Handle:spawn_local"] = function() h:spawn_local(1); end,
  ["Handle:spawn_blocking"] = function() h:spawn_blocking(1); end,
  ["Handle:spawn_blocking, a refusal"] = function() h:spawn_blocking(count); end,
  ["Handle:spawn_with"] = function() h:spawn_with(1, print); end,
  ["Handle:spawn_with, an option"] = function() h:spawn_with({ x = 1 }, print); end,
  ["Handle:spawn_with, a kind"] = function() h:spawn_with({ kind = "x" }, print); end,
  ["Handle:enter"] = function() h.enter(); end,
  ["Handle:clone"] = function() h.clone(); end,
  ["Handle:id"] = function() h.id(); end,
  ["Handle:name"] = function() h.name(); end,
  ["Handle:runtime_flavor"] = function() h.runtime_flavor(); end,
  ["Handle:metrics"] = function() h.metrics(); end,
  ["EnterGuard:close"] = function() guard.close(); end,
  ["spawn"] = function() rt.spawn(1); end,
  ["spawn, a refusal"] = function() rt.spawn(count); end,
  ["spawn_local"] = function() rt.spawn_local(1); end,
  ["spawn_blocking"] = function() rt.spawn_blocking(1); end,
  ["spawn_with"] = function() rt.spawn_with({}, 1); end,
  ["main, no function"] = function() rt.main(1); end,
  ["main, an option"] = function() rt.main(print, { x = 1 }); end,
  ["async_runtime.block_on"] = function() async.block_on(1); end,
  ["async_runtime.spawn"] = function() async.spawn(1); end,
  ["async_runtime.spawn_blocking"] = function() async.spawn_blocking(1); end,
  ["async_runtime.set"] = function() async.set(1); end,
  ["JoinHandle:await"] = function() j.await(); end,
  ["JoinHandle:join"] = function() j.join(); end,
  ["JoinHandle:abort"] = function() j.abort(); end,
  ["JoinHandle:abort_handle"] = function() j.abort_handle(); end,
  ["JoinHandle:is_finished"] = function() j.is_finished(); end,
  ["JoinHandle:id"] = function() j.id(); end,
  ["AbortHandle:abort"] = function() a.abort(); end,
  ["AbortHandle:is_finished"] = function() a.is_finished(); end,
  ["AbortHandle:id"] = function() a.id(); end,
  ["JoinError:is_panic"] = function() e.is_panic(); end,
  ["JoinError:is_cancelled"] = function() e.is_cancelled(); end,
  ["JoinError:into_panic"] = function() e.into_panic(); end,
  ["JoinError:id"] = function() e.id(); end,
  ["JoinError:message"] = function() e.message(); end,
  ["sleep, negative"] = function() rt.sleep(-1); end,
  ["sleep, NaN"] = function() rt.sleep(nan); end,
  ["sleep, no number"] = function() rt.sleep("x"); end,
  ["sleep_until"] = function() rt.sleep_until(-1); end,
  ["timeout, a time"] = function() rt.timeout(-1, print); end,
  ["timeout, no function"] = function() rt.timeout(1, 1); end,
  ["timeout_at"] = function() rt.timeout_at(nan, print); end,
  ["time.Sleep"] = function() rt.time.Sleep(-1); end,
  ["Sleep:reset"] = function() rt.time.Sleep(1):reset(-1); end,
  ["Sleep:await"] = function() rt.time.Sleep(1).await(); end,
  ["interval"] = function() rt.interval(0); end,
  ["interval_at"] = function() rt.interval_at(0, 0); end,
  ["Interval:missed_tick_behavior"] = function() rt.interval(1):missed_tick_behavior("x"); end,
  ["Interval:tick"] = function() rt.interval(1).tick(); end,
  ["time.pause"] = function() rt.time.pause(); end,
  ["time.resume"] = function() rt.time.resume(); end,
  ["time.advance"] = function() rt.time.advance(1); end,
  ["select, no branch"] = function() rt.select {}; end,
  ["select, a branch"] = function() rt.select { 1 }; end,
  ["select, default"] = function() rt.select { print, default = 1 }; end,
  ["select, no table"] = function() rt.select(1); end,
  ["join"] = function() rt.join(1); end,
  ["try_join"] = function() rt.try_join(print, 1); end,
  ["scope"] = function() rt.scope(1); end,
  ["JoinSet:spawn"] = function() rt.JoinSet.new():spawn(1); end,
  ["JoinSet:spawn, a refusal"] = function() rt.JoinSet.new():spawn(count); end,
  ["JoinSet:spawn_local"] = function() rt.JoinSet.new():spawn_local(1); end,
  ["JoinSet:spawn_blocking"] = function() rt.JoinSet.new():spawn_blocking(1); end,
  ["JoinSet:spawn_with"] = function() rt.JoinSet.new():spawn_with({ x = 1 }, print); end,
  ["JoinSet:join_next"] = function() rt.JoinSet.new().join_next(); end,
  ["JoinSet:join_all"] = function() rt.JoinSet.new().join_all(); end,
  ["task_local scope"] = function() rt.task_local():scope(1, 2); end,
  ["task_local get"] = function() rt.task_local():get(); end,
  ["run_until_cancelled"] = function() rt.CancellationToken.new():run_until_cancelled(1); end,
  ["CancellationToken:cancel"] = function() rt.CancellationToken.new().cancel(); end,
  ["CancellationToken:cancelled"] = function() rt.CancellationToken.new().cancelled(); end,
  ["sync.mpsc"] = function() rt.sync.mpsc(0); end,
  ["sync.mpsc, a fraction"] = function() rt.sync.mpsc(1.5); end,
  ["sync.broadcast"] = function() rt.sync.broadcast(0); end,
  ["sync.watch"] = function() rt.sync.watch(nil); end,
  ["sync.Semaphore"] = function() rt.sync.Semaphore(-1); end,
  ["sync.Barrier"] = function() rt.sync.Barrier(0); end,
  ["sync.Mutex"] = function() rt.sync.Mutex(co); end,
  ["sync.RwLock"] = function() rt.sync.RwLock(co); end,
  ["Sender:send"] = function() rt.sync.unbounded():send(nil); end,
  ["Sender:try_send"] = function() rt.sync.unbounded():try_send(co); end,
  ["Sender:send, a value"] = function() rt.sync.unbounded():send(co); end,
  ["Receiver:recv_many"] = function() select(2, rt.sync.mpsc(1)):recv_many(0); end,
  ["OneshotSender:send"] = function() rt.sync.oneshot():send(co); end,
  ["BroadcastSender:send"] = function() rt.sync.broadcast(1):send(nil); end,
  ["WatchSender:send"] = function() rt.sync.watch(1):send(nil); end,
  ["WatchReceiver:wait_for"] = function() select(2, rt.sync.watch(1)):wait_for(1); end,
  ["LockGuard:set"] = function() rt.sync.RwLock(1):try_read():set(2); end,
  ["LockGuard:update"] = function() rt.sync.Mutex(1):try_lock():update(2); end,
  ["Semaphore:acquire"] = function() rt.sync.Semaphore(1):acquire(-1); end,
  ["Semaphore:try_acquire"] = function() rt.sync.Semaphore(1):try_acquire(-1); end,
  ["Semaphore:add_permits"] = function() rt.sync.Semaphore(1):add_permits(-1); end,
  ["Semaphore:add_permits, too many"] = function() rt.sync.Semaphore(1):add_permits(~0 >> 3); end,
  ["OnceCell:set"] = function() rt.sync.OnceCell():set(nil); end,
  ["OnceCell:get_or_init"] = function() rt.sync.OnceCell():get_or_init(1); end,
  ["OnceCell:get_or_init, nil"] = function() rt.sync.OnceCell():get_or_init(load("")); end,
  ["Notify:notified"] = function() rt.sync.Notify().notified(); end,
  ["Barrier:wait"] = function() rt.sync.Barrier(1).wait(); end,
  ["TcpListener.bind"] = function() net.TcpListener.bind(nil); end,
  ["TcpListener.bind, an option"] = function() net.TcpListener.bind("127.0.0.1:0", { x = 1 }); end,
  ["TcpListener.bind, a port"] = function() net.TcpListener.bind("127.0.0.1", 65536); end,
  ["TcpStream.connect"] = function() net.TcpStream.connect({}); end,
  ["TcpStream.connect, an option"] = function() net.TcpStream.connect("x:1", { x = 1 }); end,
  ["UnixListener.bind"] = function() net.UnixListener.bind(); end,
  ["UnixStream.connect"] = function() net.UnixStream.connect(1 == 1); end,
  ["UdpSocket.bind"] = function() net.UdpSocket.bind("127.0.0.1:0", { x = 1 }); end,
  ["lookup_host"] = function() net.lookup_host(); end,
  ["stream:read"] = function() net.UnixStream.pair():read(-1); end,
  ["stream:read_exact"] = function() net.UnixStream.pair():read_exact(); end,
  ["stream:read_line"] = function() net.UnixStream.pair():read_line(-1); end,
  ["stream:read_until"] = function() net.UnixStream.pair():read_until(""); end,
  ["stream:read_all"] = function() net.UnixStream.pair():read_all("x"); end,
  ["stream:write_all"] = function() net.UnixStream.pair():write_all({}); end,
  ["stream:lines"] = function() net.UnixStream.pair():lines("x"); end,
  ["io.copy"] = function() rt.io.copy(1, 2); end,
  ["io.copy_bidirectional"] = function() rt.io.copy_bidirectional(1, 2); end,
}

-- Objects that were used up.
local used_up = {
  ["JoinHandle:await, moved"] = function() gone.task:await(); end,
  ["JoinHandle:join, moved"] = function() gone.task:join(); end,
  ["JoinHandle:abort, moved"] = function() gone.task:abort(); end,
  ["JoinHandle:id, moved"] = function() gone.task:id(); end,
  ["Receiver:recv, moved"] = function() gone.receiver:recv(); end,
  ["Receiver:try_recv, moved"] = function() gone.receiver:try_recv(); end,
  ["Receiver:recv_many, moved"] = function() gone.receiver:recv_many(1); end,
  ["#Receiver, moved"] = function() return #gone.receiver; end,
  ["OneshotSender:send, moved"] = function() gone.reply:send(1); end,
  ["OneshotReceiver:recv, moved"] = function() gone.answer:recv(); end,
  ["Permit:close, moved"] = function() gone.permit:close(); end,
  ["listener:accept, moved"] = function() gone.listener:accept(); end,
  ["stream:read, moved"] = function() gone.stream:read(); end,
  ["stream:write_all, moved"] = function() gone.stream:write_all("x"); end,
  ["stream:close, moved"] = function() gone.stream:close(); end,
  ["spawn, of something moved"] = function() rt.spawn(print, gone.stream); end,
  ["OneshotSender:send, used"] = function() gone.sender:send(1); end,
  ["LockGuard:get, released"] = function() gone.guard:get(); end,
  ["LockGuard:set, released"] = function() gone.guard:set(1); end,
  ["LockGuard:update, released"] = function() gone.guard:update(print); end,
  ["Permit:forget, released"] = function() gone.released:forget(); end,
  ["WatchSender:subscribe, closed"] = function() gone.watch:subscribe(); end,
  ["WatchReceiver:changed, closed"] = function() gone.watcher:changed(); end,
  ["scope:spawn, ended"] = function() gone.scope:spawn(print); end,
  ["stream:read, split"] = function() gone.halved:read(); end,
}

-- In a task only.
local in_a_task = {
  ["Runtime:block_on"] = function() r:block_on(print); end,
  ["Handle:block_on"] = function() h:block_on(print); end,
  ["Runtime:close"] = function() r:close(); end,
  ["Runtime:shutdown_timeout"] = function() r:shutdown_timeout(1); end,
  ["main"] = function() rt.main(print); end,
}

-- Where there is no current runtime.
local outside = {
  ["Handle.current"] = function() rt.Handle.current(); end,
  ["spawn"] = function() rt.spawn(print); end,
  ["spawn_local"] = function() rt.spawn_local(print); end,
  ["spawn_blocking"] = function() rt.spawn_blocking(print); end,
  ["spawn_with"] = function() rt.spawn_with({}, print); end,
  ["task_id"] = function() rt.task_id(); end,
  ["sleep"] = function() rt.sleep(1); end,
  ["sleep_until"] = function() rt.sleep_until(1); end,
  ["timeout"] = function() rt.timeout(1, print); end,
  ["timeout_at"] = function() rt.timeout_at(1, print); end,
  ["time.Sleep"] = function() rt.time.Sleep(1); end,
  ["time.pause"] = function() rt.time.pause(); end,
  ["interval"] = function() rt.interval(1); end,
  ["interval_at"] = function() rt.interval_at(1, 1); end,
  ["select"] = function() rt.select { print }; end,
  ["join"] = function() rt.join(print); end,
  ["try_join"] = function() rt.try_join(print); end,
  ["scope"] = function() rt.scope(print); end,
  ["JoinSet:spawn"] = function() rt.JoinSet.new():spawn(print); end,
  ["run_until_cancelled"] = function() rt.CancellationToken.new():run_until_cancelled(print); end,
  ["TcpListener.bind"] = function() net.TcpListener.bind("127.0.0.1:0"); end,
  ["TcpStream.connect"] = function() net.TcpStream.connect("127.0.0.1:1"); end,
  ["UnixListener.bind"] = function() net.UnixListener.bind("/tmp/x"); end,
  ["UnixStream.connect"] = function() net.UnixStream.connect("/tmp/x"); end,
  ["UnixStream.pair"] = function() net.UnixStream.pair(); end,
  ["UdpSocket.bind"] = function() net.UdpSocket.bind("127.0.0.1:0"); end,
  ["lookup_host"] = function() net.lookup_host("127.0.0.1:1"); end,
}

describe("misuse names the caller's line:", function()
  for _, calls in ipairs { everywhere, used_up } do
    for name, call in pairs(calls) do
      it(name, function()
        blames(call)
        r:block_on(function() blames(call) end)
      end)
    end
  end

  for name, call in pairs(in_a_task) do
    it(name .. " in a task", function()
      r:block_on(function() blames(call) end)
    end)
  end

  for name, call in pairs(outside) do
    it(name .. " without a runtime", function()
      guard:close()
      local ok, err = pcall(blames, call)
      guard = r:enter()
      if not ok then error(err, 0) end
    end)
  end
end)

describe("an error that comes after a wait names the caller's line, too:",
  function()
    local function in_task(name, make)
      it(name, function()
        r:block_on(function() blames(make()) end)
      end)
    end

    in_task("a guard that was released meanwhile", function()
      local held = rt.sync.Mutex(1):lock()
      local function release() held:close() rt.yield_now() return 2 end
      return function() held:update(release); end
    end)

    in_task("a cell that gets nil", function()
      return function() rt.sync.OnceCell():get_or_init(rt.yield_now); end
    end)

    in_task("a cell that gets what may not be moved", function()
      local function f() rt.yield_now() return co end
      return function() rt.sync.OnceCell():get_or_init(f); end
    end)

    for name, call in pairs {
      sleep = function() rt.sleep(math.huge); end,
      ["Sleep:await"] = function() rt.time.Sleep(1000):await(); end,
      ["Interval:tick"] = function() rt.interval_at(rt.now() + 1000, 1):tick(); end,
      ["Notify:notified"] = function() rt.sync.Notify():notified(); end,
      ["Barrier:wait"] = function() rt.sync.Barrier(2):wait(); end,
      select = function() rt.select { function() rt.sleep(1000) end }; end,
    } do
      it(name .. " in a blocking function whose runtime closes", function()
        local other = rt.Runtime.new { worker_threads = 1 }
        local begun = gate.new()
        local ended = other:spawn_blocking(function(f, file)
          gate.open(file)
          return select(2, pcall(f))
        end, call, begun)
        gate.pass(begun)
        os.remove(begun)
        other:close()
        local at = ("%s:%d: "):format(HERE, debug.getinfo(call, "S").linedefined)
        assert.are.equal(at .. "a runtime was found, but it is being shut down",
          ended:await())
      end)
    end
  end)
