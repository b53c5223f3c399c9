-- Notify, Barrier, OnceCell.
-- (Tokio: sync_notify.rs, sync_barrier.rs, sync_once_cell.rs)
local rt = require("rthandle")
local flavors = require("spec.support.flavors")

flavors(describe, function(new)
  it("stores one notification where nobody waits", function()
    local r <close> = new()
    r:block_on(function()
      local n = rt.sync.Notify()
      n:notify_one()
      n:notify_one()
      n:notified()
      assert.is_false((rt.timeout(0.001, n)))
    end)
  end)

  it("wakes all that wait, and stores nothing", function()
    local r <close> = new()
    r:block_on(function()
      local n, woken = rt.sync.Notify(), 0
      local tasks = {}
      for i = 1, 3 do
        tasks[i] = rt.spawn_local(function()
          n:notified()
          woken = woken + 1
        end)
      end
      rt.yield_now()
      n:notify_waiters()
      for i = 1, 3 do tasks[i]:await() end
      assert.are.equal(3, woken)
      assert.is_false((rt.timeout(0.001, n)))
    end)
  end)

  it("wakes one that waits, the first", function()
    local r <close> = new()
    r:block_on(function()
      local n, order, tasks = rt.sync.Notify(), {}, {}
      for i = 1, 3 do
        tasks[i] = rt.spawn_local(function()
          n:notified()
          order[#order + 1] = i
        end)
        rt.yield_now()
      end
      n:notify_one()
      tasks[1]:await()
      for _ = 1, 5 do rt.yield_now() end
      assert.are.same({ 1 }, order)
      n:notify_one()
      n:notify_one()
      for i = 2, 3 do tasks[i]:await() end
      assert.are.same({ 1, 2, 3 }, order)
    end)
  end)

  it("passes a notification on when its wait is given up", function()
    local r <close> = new()
    r:block_on(function()
      local n = rt.sync.Notify()
      local first = rt.spawn_local(function() n:notified() end)
      local second = rt.spawn_local(function() n:notified() end)
      rt.yield_now()
      n:notify_one()
      first:abort()
      assert.is_true((rt.timeout(5, second)))
    end)
  end)

  it("wakes a task on another thread", function()
    local r <close> = new()
    assert.are.equal("woken", r:block_on(function()
      local n = rt.sync.Notify()
      local j = rt.spawn(function()
        n:notified()
        return "woken"
      end)
      n:notify_one()
      return j:await()
    end))
  end)

  it("lets tasks go on when all have come, and one leads", function()
    local r <close> = new()
    local leaders = r:block_on(function()
      local b, tasks, n = rt.sync.Barrier(3), {}, 0
      for i = 1, 3 do tasks[i] = rt.spawn(function() return b:wait() end) end
      for i = 1, 3 do n = n + (tasks[i]:await() and 1 or 0) end
      return n
    end)
    assert.are.equal(1, leaders)
  end)

  it("makes the value of a cell once", function()
    local r <close> = new()
    r:block_on(function()
      local cell, tasks, made = rt.sync.OnceCell(), {}, rt.sync.Mutex(0)
      for i = 1, 4 do
        tasks[i] = rt.spawn(function()
          return cell:get_or_init(function()
            local g <close> = made:lock()
            rt.yield_now()
            return g:update(function(n) return n + 1 end)
          end)
        end)
      end
      for i = 1, 4 do assert.are.equal(1, tasks[i]:await()) end
      assert.are.equal(1, cell:get())
      assert.are.same({ nil, "already set" }, { cell:set(2) })
    end)
  end)

  it("lets the next one make the value where the first failed", function()
    local r <close> = new()
    r:block_on(function()
      local cell = rt.sync.OnceCell()
      assert.has_error(function()
        cell:get_or_init(function() error("no", 0) end)
      end, "no")
      assert.is_false((rt.timeout(0.001, cell.get_or_init, cell,
        function() rt.sleep(math.huge) end)))
      assert.is_nil(cell:get())
      assert.are.equal(5, cell:get_or_init(function() return 5 end))
    end)
  end)
end)

describe("a barrier", function()
  it("of 0 is refused", function()
    assert.has_error(function() rt.sync.Barrier(0) end)
  end)
end)
