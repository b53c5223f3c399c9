-- Barrier, OnceCell and RwLock. (Tokio: sync_barrier.rs, sync_once_cell.rs,
-- sync_rwlock.rs)
local rt = require("rthandle")
local flavors = require("spec.support.flavors")
local gate = require("spec.support.gate")

local function fails(message, f)
  local ok, err = pcall(f)
  assert.is_false(ok)
  assert.matches(message, err, 1, true)
  assert.matches("sync_cell_spec.lua:", err, 1, true)
end

describe("a OnceCell", function()
  it("is empty until it is set, once", function()
    local cell = rt.sync.OnceCell()
    assert.is_nil(cell:get())
    assert.is_true(cell:set { 1 })
    assert.are.same({ nil, "already set" }, { cell:set(2) })
    assert.are.same({ 1 }, cell:get())
  end)

  it("refuses nil", function()
    local cell = rt.sync.OnceCell()
    fails("nil may not be stored", function() cell:set(nil) end)
  end)
end)

flavors(describe, function(new)
  it("lets a single task pass a barrier of 1, as its leader", function()
    local r <close> = new()
    assert.is_true(r:block_on(function() return rt.sync.Barrier(1):wait() end))
  end)

  it("lets 100 tasks pass together, round after round, with one leader",
    function()
      local r <close> = new()
      assert.are.same({ 1, 1 }, r:block_on(function()
        local barrier, tasks, leaders = rt.sync.Barrier(100), {}, { 0, 0 }
        for i = 1, 100 do
          tasks[i] = rt.spawn(function()
            return barrier:wait(), (barrier:wait())
          end)
        end
        for i = 1, 100 do
          for round, leads in ipairs { tasks[i]:await() } do
            if leads then leaders[round] = leaders[round] + 1 end
          end
        end
        return leaders
      end))
    end)

  it("says that a cell is being made", function()
    local r <close> = new()
    r:block_on(function()
      local cell = rt.sync.OnceCell()
      local j = rt.spawn_local(function()
        return cell:get_or_init(function()
          rt.yield_now()
          return "made"
        end)
      end)
      rt.yield_now()
      assert.are.same({ nil, "initializing" }, { cell:set("other") })
      assert.are.equal("made", j:await())
    end)
  end)

  it("passes the making on when the maker raises or is aborted", function()
    local r <close> = new()
    r:block_on(function()
      local cell = rt.sync.OnceCell()
      local ok, err = pcall(cell.get_or_init, cell, function() error("no", 0) end)
      assert.are.same({ false, "no" }, { ok, err })
      local j = rt.spawn_local(function()
        cell:get_or_init(function() rt.sleep(math.huge) end)
      end)
      rt.yield_now()
      local next_one = rt.spawn_local(function()
        return cell:get_or_init(function() return "second" end)
      end)
      rt.yield_now()
      j:abort()
      assert.are.equal("second", next_one:await())
    end)
  end)

  it("holds readers behind a writer that waits", function()
    local r <close> = new()
    r:block_on(function()
      local lock, order = rt.sync.RwLock(), {}
      local first = lock:read()
      local writer = rt.spawn_local(function()
        local _ <close> = lock:write()
        order[#order + 1] = "writer"
      end)
      rt.yield_now()
      local reader = rt.spawn_local(function()
        local _ <close> = lock:read()
        order[#order + 1] = "reader"
      end)
      rt.yield_now()
      assert.are.same({ nil, "locked" }, { lock:try_read() })
      first:close()
      reader:await()
      writer:await()
      assert.are.same({ "writer", "reader" }, order)
    end)
  end)

  it("lets readers go on when the writer before them gives up", function()
    local r <close> = new()
    r:block_on(function()
      local lock = rt.sync.RwLock()
      local first <close> = lock:read()
      local writer = rt.spawn_local(function() return lock:write() end)
      rt.yield_now()
      local reader = rt.spawn_local(function() return lock:read() ~= nil end)
      rt.yield_now()
      writer:abort()
      assert.is_true(reader:await())
      assert.is_not_nil(first)
    end)
  end)

  it("stores nothing when the function of update raises", function()
    local r <close> = new()
    r:block_on(function()
      local guard <close> = rt.sync.Mutex(1):lock()
      assert.is_false(pcall(guard.update, guard, function() error("no") end))
      assert.are.equal(1, guard:get())
    end)
  end)

  it("refuses to store for a guard that was released meanwhile", function()
    local r <close> = new()
    r:block_on(function()
      local mutex = rt.sync.Mutex(1)
      local guard = mutex:lock()
      local j = rt.spawn_local(function()
        guard:update(function() rt.yield_now() return 2 end)
      end)
      rt.yield_now()
      guard:close() -- by another task of this thread
      assert.matches("the guard was released", j:join() and "" or
        select(2, j:join()):message(), 1, true)
      assert.are.equal(1, mutex:lock():get())
    end)
  end)

  it("passes on the error of a function of wait_for, and waits on after it",
    function()
      local r <close> = new()
      r:block_on(function()
        local tx, rx = rt.sync.watch(1)
        assert.is_false(pcall(rx.wait_for, rx, function() error("no") end))
        tx:send(2)
        assert.are.equal(2, rx:wait_for(function(n)
          rt.yield_now()
          return n == 2
        end))
      end)
    end)

  it("works between two runtimes and a blocking function", function()
    local a <close> = new()
    local b <close> = rt.Runtime.new { worker_threads = 1 }
    local tx, rx = rt.sync.mpsc(1)
    local back, from = rt.sync.mpsc(1)
    b:spawn_blocking(function(source, out)
      for v in source:iter() do out:send(v * 2) end
      out:close()
    end, rx, back)
    back:close()
    a:block_on(function()
      for i = 1, 3 do
        tx:send(i)
        assert.are.equal(2 * i, from:recv())
      end
      tx:close()
      assert.are.same({ nil, "closed" }, { from:recv() })
    end)
  end)

  it("notices a sender that a task of an idle worker dropped", function()
    local r <close> = new()
    r:block_on(function()
      local tx, rx = rt.sync.mpsc(1)
      local reply, answer = rt.sync.oneshot()
      rt.spawn(function(out, never)
        rt.yield_now()
        return out ~= never
      end, tx, reply):await()
      tx:close()
      assert.are.same({ true, nil, "closed" }, { rt.timeout(30, rx) })
      assert.are.same({ true, nil, "closed" }, { rt.timeout(30, answer) })
    end)
  end)

  it("leaves a value that cannot be sent with who would send it", function()
    local r <close> = new()
    r:block_on(function()
      local tx, rx = rt.sync.mpsc(1)
      local task = rt.spawn(function() return 7 end)
      tx:send(1)
      assert.are.same({ nil, "full" }, { tx:try_send(task) })
      rx:close()
      assert.are.same({ nil, "closed" }, { tx:send(task) })
      assert.are.equal(7, task:await())
    end)
  end)
end)

flavors(describe, function(new)
  describe("when its runtime closes, a blocking function that waits", function()
    -- Runs f(object) as a blocking function, closes the runtime while it waits,
    -- and answers what it got.
    local function ended(f, object)
      local r = new()
      local begun = gate.new()
      local j = r:spawn_blocking(function(name, call, o)
        gate.open(name)
        return pcall(call, o)
      end, begun, f, object)
      gate.pass(begun)
      os.remove(begun)
      r:close()
      return j:await()
    end

    it("gets closed from a channel", function()
      local tx, rx = rt.sync.mpsc(1)
      local full, kept = rt.sync.mpsc(1)
      local reply, answer = rt.sync.oneshot()
      local subscribed, feed = rt.sync.broadcast(1)
      local state, watcher = rt.sync.watch(1)
      full:send(1)
      for f, object in pairs {
        [function(o) return o:recv_many(2) end] = rx,
        [function(o) return o:send(2) end] = full,
        [function(o) return o:recv() end] = answer,
        [function(o) return (o:recv()), select(2, o:recv()) end] = feed,
        [function(o) return o:changed() end] = watcher:clone(),
        [function(o) return o:wait_for(function() end) end] = watcher,
      } do
        assert.are.same({ true, nil, "closed" }, { ended(f, object) })
      end
      assert.is_truthy(tx and kept and reply and subscribed and state)
    end)

    it("raises from a lock and its kin", function()
      local mutex, lock = rt.sync.Mutex(1), rt.sync.RwLock(1)
      local held, also = mutex:try_lock(), lock:try_write()
      for f, object in pairs {
        [function(o) o:lock() end] = mutex,
        [function(o) o:read() end] = lock,
        [function(o) o:write() end] = lock,
        [function(o) o:acquire() end] = rt.sync.Semaphore(0),
        [function(o) o:notified() end] = rt.sync.Notify(),
        [function(o) o:wait() end] = rt.sync.Barrier(2),
        [function(o) o:cancelled() end] = rt.CancellationToken.new(),
      } do
        local ok, err = ended(f, object)
        assert.is_false(ok)
        assert.matches("a runtime was found, but it is being shut down", err,
          1, true)
      end
      held:close()
      also:close()
    end)
  end)
end)

describe("a receiver that a block closed", function()
  it("drops what was in the channel, and is of no use", function()
    local reply, answer = rt.sync.oneshot()
    local tx, rx = rt.sync.mpsc(1)
    tx:send(reply)
    do local _ <close> = rx end
    assert.are.same({ nil, "closed" }, { answer:try_recv() })
    assert.are.same({ nil, "closed" }, { tx:send(1) })
    fails("the receiver was closed", function() rx:recv() end)
    rx:close()
  end)
end)
