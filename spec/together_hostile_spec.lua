-- What a script may do at the worst moment to tasks that work together, and to
-- the channels and locks between them.  Some of it is seen by the address
-- sanitizer only (make asan ONLY=together_hostile).
local rt = require("rthandle")
local script = require("spec.support.script")

-- The next allocation collects all garbage, and with it something whose
-- finalizer is f.
local function at_next_collection(f)
  collectgarbage("incremental", 100, 1000, 40)
  collectgarbage("stop")
  setmetatable({}, { __gc = f })
  collectgarbage("restart")
end

local function closing(f) return setmetatable({}, { __close = f }) end

-- An object that takes a while to be decoded.
local function large()
  local t = {}
  for i = 1, 100 do t[i] = { ("x"):rep(1000 + i) } end
  return t
end

describe("a finalizer that runs inside a call", function()
  after_each(function() collectgarbage("incremental", 200, 100, 13) end)

  it("may close the channel that gets another receiver", function()
    local function refused(channel, method)
      at_next_collection(function() channel:close() end)
      local good, message = pcall(channel[method], channel)
      return not good and message
    end
    local tx, rx = rt.sync.broadcast(2)
    assert.are.equal("the receiver was closed", refused(rx, "resubscribe"))
    assert.are.equal("the sender was closed", refused(tx, "subscribe"))
    tx, rx = rt.sync.watch(1)
    assert.are.equal("the receiver was closed", refused(rx, "clone"))
    assert.are.equal("the sender was closed", refused(tx, "subscribe"))
  end)

  it("may close the receiver that is about to wait for many", function()
    local tx, rx = rt.sync.mpsc(1)
    tx:try_send(1)
    at_next_collection(function() local _ <close> = rx end)
    local good, message = pcall(rx.recv_many, rx, 5)
    assert.is_false(good)
    assert.are.equal("the receiver was closed", message)
  end)

  it("may store into the lock whose value is read", function()
    for _, lock in ipairs { "Mutex", "RwLock" } do
      local m = rt.sync[lock](large())
      local guard <close> = m[lock == "Mutex" and "lock" or "write"](m)
      at_next_collection(function() guard:set("small") end)
      local value = guard:get()
      assert.are.equal(100, #value)
      assert.are.equal("small", guard:get())
    end
  end)

  it("may release the guard whose value is read", function()
    local m = rt.sync.Mutex(large())
    local guard <close> = m:lock()
    at_next_collection(function()
      guard:close()
      local other <close> = m:try_lock()
      other:set("small")
    end)
    local value = guard:get()
    assert.are.equal(100, #value)
  end)

  it("may spawn into the JoinSet that is left", function()
    rt.main(function()
      for _, leave in ipairs {
        function(set) set:detach_all() end,
        function(set) local _ <close> = set end,
      } do
        local set = rt.JoinSet.new()
        local more
        set:spawn_local(function() end)
        at_next_collection(function()
          more = set:spawn_local(function() rt.yield_now() end)
        end)
        leave(set)
        collectgarbage()
        assert.is_truthy(more)
        while not more:is_finished() do rt.yield_now() end
        assert.are.equal(0, #set)
      end
    end)
  end)
end)

describe("a finalizer at the end of the state", function()
  it("may use what was finalized before", function()
    local folder <close> = setmetatable({}, {
      __close = function(f) script.remove(f.path) end })
    folder.path = script.folder { ["end.lua"] = [[
      local first = setmetatable({}, { __gc = function(o)
        for _, call in ipairs {
          function() o.semaphore:try_acquire() end,
          function() o.semaphore:add_permits(1) end,
          function() o.mutex:try_lock() end,
          function() o.rwlock:try_read() end,
          function() o.notify:notify_one() end,
          function() o.notify:notified() end,
          function() o.barrier:wait() end,
          function() o.cell:get() end,
          function() o.cell:get_or_init(print) end,
          function() o.token:cancel() end,
          function() o.token:cancelled() end,
          function() o.token:run_until_cancelled(print) end,
        } do print(select(2, pcall(call))) end
      end })
      local rt = require("rthandle")
      first.semaphore = rt.sync.Semaphore(1)
      first.mutex = rt.sync.Mutex(1)
      first.rwlock = rt.sync.RwLock(1)
      first.notify = rt.sync.Notify()
      first.barrier = rt.sync.Barrier(2)
      first.cell = rt.sync.OnceCell()
      first.token = rt.CancellationToken.new()
      os.exit(0, true)]] }
    local output, status = script.run(folder.path .. "/end.lua")
    assert.are.equal(0, status, output)
    local lines = 0
    for line in output:gmatch("[^\n]+") do
      assert.is_truthy(line:find("is finalized)", 1, true), line)
      lines = lines + 1
    end
    assert.are.equal(12, lines)
  end)
end)

describe("a function that loses against a deadline", function()
  it("may use the library where its own parts are closed", function()
    rt.main(function()
      local function nested(f) return rt.timeout(math.huge, f) end
      for _, inner in ipairs {
        nested,
        function(f) return rt.select { f } end,
        function(f) return rt.join(f) end,
        rt.scope,
      } do
        local spawned = false
        assert.is_false((rt.timeout(0.001, inner, function()
          local note <close> = closing(function()
            spawned = rt.spawn_local(rt.task_id) -- on what is current
          end)
          return note, rt.sleep(math.huge)
        end)))
        assert.is_truthy(spawned)
      end
    end)
  end)
end)

describe("a receiver that is closed while another task waits on it", function()
  it("is closed, and the wait goes on", function()
    rt.main(function()
      for _, make in ipairs {
        function() return rt.sync.mpsc(1) end,
        function() return rt.sync.oneshot() end,
        function() return rt.sync.broadcast(1) end,
      } do
        local tx, rx = make()
        local task = rt.spawn_local(function() return rx:recv() end)
        rt.yield_now()
        do local _ <close> = rx end
        tx:send("sent")
        assert.are.equal("sent", task:await())
        assert.has_error(function() rx:recv() end, "the receiver was closed")
      end
    end)
  end)
end)
