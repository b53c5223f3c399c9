-- Mutex and RwLock. (Tokio: sync_mutex.rs, sync_rwlock.rs)
local rt = require("rthandle")
local flavors = require("spec.support.flavors")

describe("a guard", function()
  it("stores what it is told to, and gives copies", function()
    local m = rt.sync.Mutex { n = 1 }
    local g <close> = m:lock()
    local copy = g:get()
    copy.n = 2
    assert.are.equal(1, g:get().n)
    g:set { n = 3 }
    assert.are.equal(3, g:get().n)
    assert.are.equal(9, g:update(function(v) return v.n * 3 end))
    assert.are.equal(9, g:get())
  end)

  it("is of no use after its release", function()
    local g = rt.sync.Mutex(1):lock()
    g:close()
    g:close()
    for _, name in ipairs { "get", "set", "update" } do
      local ok, err = pcall(function() g[name](g, print) end)
      assert.is_false(ok)
      assert.matches("sync_mutex_spec.lua:%d+: the guard was released", err)
    end
  end)

  it("may not be moved", function()
    local r <close> = rt.Runtime.new { worker_threads = 1 }
    local g <close> = rt.sync.Mutex(1):lock()
    assert.has_error(function() r:spawn(print, g) end)
  end)

  it("of a reader stores nothing", function()
    local g <close> = rt.sync.RwLock(1):read()
    assert.has_error(function() g:set(2) end,
      "the guard of a read lock cannot store a value")
    assert.are.equal(1, g:get())
  end)
end)

describe("a lock", function()
  it("holds objects, and each who looks shares them", function()
    local tx, rx = rt.sync.unbounded()
    local m = rt.sync.Mutex { to = { tx } }
    tx:close()
    do
      local g <close> = m:lock()
      for i = 1, 2 do
        local copy <close> = g:get().to[1]
        assert.is_true(copy:send(i))
      end
      assert.are.same({ 1, 2, nil }, { rx:try_recv(), rx:try_recv() })
      assert.are.same({ nil, "empty" }, { rx:try_recv() })
      g:set(nil)
    end
    assert.are.same({ nil, "closed" }, { rx:try_recv() })
  end)

  it("refuses a value that only one can have", function()
    local ok, err = pcall(rt.sync.Mutex, (select(2, rt.sync.oneshot())))
    assert.is_false(ok)
    assert.matches("cannot move value #1: OneshotReceiver, which only one can "
      .. "have", err, 1, true)
  end)

  it("may be empty", function()
    local g <close> = rt.sync.Mutex():lock()
    assert.is_nil(g:get())
    g:set(1)
    g:set(nil)
    assert.is_nil(g:get())
  end)

  it("admits many readers or one writer", function()
    local l = rt.sync.RwLock("v")
    local a, b = l:read(), l:read()
    assert.are.same({ nil, "locked" }, { l:try_write() })
    a:close()
    b:close()
    local w <close> = l:write()
    assert.are.same({ nil, "locked" }, { l:try_read() })
    assert.are.equal("v", w:get())
  end)
end)

flavors(describe, function(new)
  it("lets one task at a time change its value", function()
    local r <close> = new()
    assert.are.equal(400, r:block_on(function()
      local m, tasks = rt.sync.Mutex(0), {}
      for i = 1, 4 do
        tasks[i] = rt.spawn(function()
          for _ = 1, 100 do
            local g <close> = m:lock()
            local n = g:get()
            if n % 10 == 0 then rt.yield_now() end
            g:set(n + 1)
          end
        end)
      end
      for i = 1, 4 do tasks[i]:await() end
      return m:lock():get()
    end))
  end)

  it("is released by a task that is aborted", function()
    local r <close> = new()
    r:block_on(function()
      local m = rt.sync.Mutex()
      local j = rt.spawn_local(function()
        local g <close> = m:lock()
        rt.sleep(g and math.huge)
      end)
      rt.yield_now()
      local waiting = rt.spawn_local(function() return m:lock() ~= nil end)
      rt.yield_now()
      j:abort()
      assert.is_true(waiting:await())
    end)
  end)

  it("answers locked where try_lock would wait", function()
    local m = rt.sync.Mutex(1)
    local g = m:try_lock()
    assert.are.same({ nil, "locked" }, { m:try_lock() })
    g:close()
    local again <close> = m:try_lock()
    assert.are.equal(1, again:get())
  end)

  it("serves those that wait in their order", function()
    local r <close> = new()
    r:block_on(function()
      local m, order, tasks = rt.sync.Mutex(), {}, {}
      local first = m:lock()
      for i = 1, 3 do
        tasks[i] = rt.spawn_local(function()
          local g <close> = m:lock()
          order[#order + 1] = i
          rt.yield_now()
          return g ~= nil
        end)
        rt.yield_now()
      end
      first:close()
      assert.is_nil((m:try_lock())) -- it is the first one's already
      for i = 1, 3 do tasks[i]:await() end
      assert.are.same({ 1, 2, 3 }, order)
    end)
  end)

  it("passes on when a wait for it is given up", function()
    local r <close> = new()
    r:block_on(function()
      local m = rt.sync.Mutex()
      local g = m:lock()
      assert.is_false((rt.timeout(0.001, m.lock, m)))
      g:close()
      local again <close> = m:try_lock()
      assert.is_not_nil(again)
    end)
  end)

  it("lets a function of update suspend", function()
    local r <close> = new()
    assert.are.equal(2, r:block_on(function()
      local g <close> = rt.sync.Mutex(1):lock()
      return g:update(function(n)
        rt.yield_now()
        return n + 1
      end)
    end))
  end)
end)
