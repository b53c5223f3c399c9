-- A script closes a coroutine that waits inside a task: the task goes on, and
-- what comes too late harms nobody.
local rt = require("rthandle")

local function nap() rt.sleep(0.01) end

-- Each answers a function that waits, and one that ends the wait.
local waits = {
  ["a receiver"] = function()
    local tx, rx = rt.sync.mpsc(1)
    return function() return rx:recv() end, function() tx:send(1) end
  end,
  ["a Notify"] = function()
    local n = rt.sync.Notify()
    return function() n:notified() end, function() n:notify_one() end
  end,
  ["a Semaphore"] = function()
    local s = rt.sync.Semaphore(0)
    return function() return s:acquire() end, function() s:add_permits(1) end
  end,
  ["a Mutex"] = function()
    local m = rt.sync.Mutex(1)
    local guard = m:lock()
    return function() return m:lock() end, function() guard:close() end
  end,
  ["a RwLock to read"] = function()
    local l = rt.sync.RwLock(1)
    local guard = l:write()
    return function() return l:read() end, function() guard:close() end
  end,
  ["a RwLock to write"] = function()
    local l = rt.sync.RwLock(1)
    local guard = l:read()
    return function() return l:write() end, function() guard:close() end
  end,
  ["a Barrier"] = function()
    local b = rt.sync.Barrier(2)
    return function() return b:wait() end,
      function() rt.timeout(0.01, b.wait, b) end
  end,
  ["a oneshot"] = function()
    local tx, rx = rt.sync.oneshot()
    return function() return rx:recv() end, function() tx:send(1) end
  end,
  ["a broadcast"] = function()
    local tx, rx = rt.sync.broadcast(1)
    return function() return rx:recv() end, function() tx:send(1) end
  end,
  ["a watch"] = function()
    local tx, rx = rt.sync.watch(1)
    return function() return rx:changed() end, function() tx:send(2) end
  end,
  ["many messages"] = function()
    local tx, rx = rt.sync.mpsc(4)
    return function() return rx:recv_many(4) end, function() tx:send(1) end
  end,
  ["a place in a channel"] = function()
    local tx, rx = rt.sync.mpsc(1)
    tx:send(1)
    return function() return tx:send(2) end, function() rx:recv() end
  end,
  ["a OnceCell"] = function()
    local c, go = rt.sync.OnceCell(), rt.sync.Notify()
    local j = rt.spawn_local(function()
      c:get_or_init(function() go:notified() return 1 end)
    end)
    rt.yield_now()
    return function() return c:get_or_init(nap) end,
      function() go:notify_one() j:await() end
  end,
  ["a CancellationToken"] = function()
    local t = rt.CancellationToken.new()
    return function() t:cancelled() end, function() t:cancel() end
  end,
  select = function()
    local tx, rx = rt.sync.mpsc(1)
    return function() return rt.select { a = rx, b = rt.sync.Notify() } end,
      function() tx:send(1) end
  end,
  ["an interval"] = function()
    local i = rt.interval_at(rt.now() + 0.01, 1)
    return function() i:tick() end, nap
  end,
  ["a JoinHandle"] = function()
    local go = rt.sync.Notify()
    local j = rt.spawn(function() go:notified() end)
    return function() j:await() end, function() go:notify_one() nap() end
  end,
  ["a JoinSet"] = function()
    local s, go = rt.JoinSet.new(), rt.sync.Notify()
    s:spawn(function() go:notified() end)
    return function() return s:join_next() end,
      function() go:notify_one() nap() end
  end,
  ["bytes of a stream"] = function()
    local a, b = rt.net.UnixStream.pair()
    return function() return a:read_until("end") end,
      function() b:write_all("the end") end
  end,
  ["a stream to take bytes"] = function()
    local a, b = rt.net.UnixStream.pair()
    return function() return a:write_all(("x"):rep(10 * 1024 * 1024)) end,
      function() b:read_exact(1024 * 1024) b:close() nap() end
  end,
  ["a connection"] = function()
    local l = rt.net.TcpListener.bind("127.0.0.1:0")
    return function() return l:accept() end,
      function() return rt.net.TcpStream.connect(l:local_addr()) end
  end,
  ["a Sleep"] = function()
    local s = rt.time.Sleep(0.01)
    return function() s:await() end, function() nap() nap() end
  end,
  ["a blocking function"] = function()
    local go = rt.sync.Notify()
    local j = rt.spawn_blocking(function() go:notified() end)
    return function() return j:join() end, function() go:notify_one() nap() end
  end,
  ["a datagram"] = function()
    local a = rt.net.UdpSocket.bind("127.0.0.1:0")
    return function() return a:recv() end,
      function() a:send_to("x", a:local_addr()) end
  end,
  ["a scope"] = function()
    local tx, rx = rt.sync.mpsc(1)
    return function()
      return rt.scope(function(s)
        s:spawn_local(nap)
        return rx:recv()
      end)
    end, function() tx:send(1) end
  end,
  ["a task-local scope"] = function()
    local tx, rx = rt.sync.mpsc(1)
    local key = rt.task_local()
    return function() return key:scope(1, rx.recv, rx) end,
      function() tx:send(1) end
  end,
  timeout = function()
    return function() return rt.timeout(0.01, rt.sleep, 1) end,
      function() nap() nap() end
  end,
}

-- Waits for a time, which comes after the coroutine was closed: the clock goes
-- on only when all wait.
local clock = { flavor = "current_thread", start_paused = true }
local options = {
  ["an interval"] = clock, ["a Sleep"] = clock, timeout = clock,
}

local function new(name)
  return assert(rt.Runtime.new(options[name] or { worker_threads = 1 }))
end

describe("a coroutine that is closed while it waits for", function()
  for name, make in pairs(waits) do
    it(name .. " leaves its task whole", function()
      local r <close> = new(name)
      r:block_on(function()
        local wait, wake = make()
        local co
        local j = rt.spawn_local(function()
          co = rt.coroutine.create(wait)
          rt.coroutine.resume(co)
          return "went on"
        end)
        rt.yield_now()
        assert.is_true(coroutine.close(co))
        co, wait = nil, nil
        collectgarbage()
        collectgarbage()
        wake()
        assert.are.equal("went on", j:await())
      end)
    end)
  end
end)

describe("a receive whose coroutine is closed", function()
  it("takes no message", function()
    rt.main(function()
      local tx, rx = rt.sync.mpsc(1)
      local co
      local j = rt.spawn_local(function()
        co = rt.coroutine.create(rx.recv)
        rt.coroutine.resume(co, rx)
      end)
      rt.yield_now()
      assert.is_true(coroutine.close(co))
      tx:send("for the next")
      j:await()
      assert.are.equal("for the next", rx:try_recv())
    end, { worker_threads = 1 })
  end)
end)

-- The coroutine of the task itself cannot go on.
describe("a task whose own coroutine is closed while it waits for", function()
  for name, make in pairs(waits) do
    it(name .. " fails", function()
      local r <close> = new(name)
      r:block_on(function()
        local wait, wake = make()
        local co
        local j = rt.spawn_local(function()
          co = coroutine.running()
          wait()
        end)
        rt.yield_now()
        assert.is_true(coroutine.close(co))
        co, wait = nil, nil -- luacheck: ignore
        collectgarbage()
        collectgarbage()
        wake()
        local ok, err = j:join()
        assert.is_false(ok)
        assert.are.equal("cannot resume dead coroutine", err:into_panic())
      end)
    end)
  end
end)
