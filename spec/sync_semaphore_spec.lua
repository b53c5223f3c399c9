-- Permits. (Tokio: sync_semaphore.rs, sync_semaphore_owned.rs)
local rt = require("rthandle")
local flavors = require("spec.support.flavors")

describe("a semaphore", function()
  it("gives out as many permits as it has", function()
    local s = rt.sync.Semaphore(2)
    local a, b = s:try_acquire(), s:try_acquire()
    assert.are.same({ nil, "no permits" }, { s:try_acquire() })
    a:close()
    assert.are.equal(1, s:available_permits())
    b:close()
    b:close()
    assert.are.equal(2, s:available_permits())
  end)

  it("gets permits back at the end of a block", function()
    local s = rt.sync.Semaphore(1)
    do
      local permit <close> = s:acquire()
      assert.are.equal(1, permit:num_permits())
      assert.are.equal(0, s:available_permits())
    end
    assert.are.equal(1, s:available_permits())
  end)

  it("never gets forgotten permits back", function()
    local s = rt.sync.Semaphore(1)
    local permit = s:try_acquire()
    permit:forget()
    permit:close()
    assert.are.equal(0, s:available_permits())
    assert.has_error(function() permit:forget() end,
      "the permit was released")
  end)

  it("refuses more permits than there may be", function()
    local s = rt.sync.Semaphore(1)
    assert.has_error(function() s:add_permits((~0 >> 3)) end)
    assert.are.equal(1, s:available_permits())
    assert.has_error(function() rt.sync.Semaphore(-1) end)
  end)

  it("gives none once it is closed", function()
    local s = rt.sync.Semaphore(1)
    s:close()
    assert.is_true(s:is_closed())
    assert.are.same({ nil, "closed" }, { s:acquire() })
    assert.are.same({ nil, "closed" }, { s:try_acquire() })
  end)
end)

flavors(describe, function(new)
  it("serves those that wait in their order", function()
    local r <close> = new()
    r:block_on(function()
      local s, order, tasks = rt.sync.Semaphore(0), {}, {}
      for i = 1, 3 do
        tasks[i] = rt.spawn_local(function()
          local permit <close> = s:acquire()
          order[#order + 1] = permit and i
        end)
        rt.yield_now()
      end
      s:add_permits(1)
      for i = 1, 3 do tasks[i]:await() end
      assert.are.same({ 1, 2, 3 }, order)
    end)
  end)

  it("passes on the permit of a wait that was aborted", function()
    local r <close> = new()
    r:block_on(function()
      local s = rt.sync.Semaphore(0)
      local first = rt.spawn_local(function() s:acquire():forget() end)
      local second = rt.spawn_local(function() return s:acquire() ~= nil end)
      rt.yield_now()
      s:add_permits(1)
      first:abort()
      assert.is_true(second:await())
    end)
  end)

  it("moves permits to another thread", function()
    local r <close> = new()
    r:block_on(function()
      local s = rt.sync.Semaphore(3)
      local permit = s:acquire(2)
      rt.spawn(function(p) p:close() end, permit):await()
      assert.are.equal(3, s:available_permits())
      assert.has_error(function() permit:close() end, "Permit was moved")
    end)
  end)

  it("never lets more in than it has permits", function()
    local r <close> = new()
    local most = r:block_on(function()
      local s = rt.sync.Semaphore(2)
      local inside = rt.sync.Mutex { now = 0, most = 0 }
      local tasks = {}
      for i = 1, 8 do
        tasks[i] = rt.spawn(function()
          for _ = 1, 20 do
            local permit <close> = s:acquire()
            local function add(n)
              local g <close> = inside:lock()
              g:update(function(v)
                v.now = v.now + n
                v.most = math.max(v.most, v.now)
                return v
              end)
            end
            add(permit:num_permits())
            rt.yield_now()
            add(-1)
          end
        end)
      end
      for i = 1, 8 do tasks[i]:await() end
      assert.are.equal(2, s:available_permits())
      return inside:lock():get().most
    end)
    assert.is_true(most >= 1 and most <= 2)
  end)
end)
