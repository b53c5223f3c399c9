-- The current_thread runtime.  (Tokio: rt_basic.rs)
local rt = require("rthandle")

local function new(opts)
  opts = opts or {}
  opts.flavor = "current_thread"
  return assert(rt.Runtime.new(opts))
end

describe("a current_thread runtime", function()
  it("lets its tasks rest while nobody is in block_on", function()
    local r <close> = new()
    local j = r:spawn(function() return 1 end)
    assert.is_false(j:is_finished())
    assert.are.equal(1, r:block_on(j))
  end)

  it("continues in the next block_on what the last one left", function()
    local r <close> = new()
    local j = r:spawn(function()
      for _ = 1, 3 do rt.yield_now() end
      return "whole"
    end)
    r:block_on(function() end)
    assert.is_false(j:is_finished())
    assert.are.equal("whole", r:block_on(j))
  end)

  it("is driven by a bare await in the state that made it", function()
    local r <close> = new()
    assert.are.equal("driven", r:spawn(function() return "driven" end):await())
  end)

  it("is not driven by a block_on of its handle", function()
    local r <close> = new()
    local j = r:spawn(function() return 1 end)
    r:handle():block_on(function()
      rt.sleep(0.002)
      assert.is_false(j:is_finished())
    end)
    assert.are.equal(1, r:block_on(j))
  end)

  it("has the task's context while closing ends the task", function()
    local r = new()
    local seen
    r:spawn_local(function()
      local guard <close> = setmetatable({}, {
        __close = function() seen = rt.Handle.try_current() end,
      })
      rt.sleep(math.huge)
      return guard
    end)
    r:block_on(rt.yield_now)
    local h = r:handle()
    r:close()
    assert.are.equal(h, seen)
  end)

  it("runs nested spawns", function()
    local r <close> = new()
    assert.are.equal(2, r:block_on(function()
      return rt.spawn(function()
        return 1 + rt.spawn(function() return 1 end):await()
      end):await()
    end))
  end)

  it("has no name unless one is given", function()
    local r1 <close> = new()
    local r2 <close> = new { name = "one" }
    local r3 <close> = new { name = "two" }
    assert.is_nil(r1:handle():name())
    assert.are.equal("one", r2:handle():name())
    assert.are.equal("two", r3:handle():name())
  end)

  it("raises from block_on after an unseen failure, when told so", function()
    local r <close> = new { unhandled_panic = "shutdown_runtime" }
    assert.has_error(function()
      r:block_on(function()
        r:spawn(function() error("boom", 0) end)
        rt.sleep(math.huge)
      end)
    end, "a spawned task panicked and the runtime is configured to shut down"
      .. " on unhandled panic")
    assert.has_error(function() r:block_on(function() rt.yield_now() end) end,
      "a spawned task panicked and the runtime is configured to shut down"
        .. " on unhandled panic")
  end)

  it("spawns nothing after an unseen failure shut it down", function()
    local r <close> = new { unhandled_panic = "shutdown_runtime" }
    pcall(r.block_on, r, function()
      r:spawn(function() error("boom", 0) end)
      rt.sleep(math.huge)
    end)
    local ok, err = r:spawn(function() return 1 end):join()
    assert.is_false(ok)
    assert.is_true(err:is_cancelled())
  end)

  it("goes on after a failure that somebody saw", function()
    local r <close> = new { unhandled_panic = "shutdown_runtime" }
    assert.are.equal("on", r:block_on(function()
      local ok = r:spawn(function() error("boom", 0) end):join()
      rt.sleep(0.001)
      return not ok and "on"
    end))
  end)

  it("refuses worker_threads", function()
    assert.has_error(function() new { worker_threads = 2 } end)
  end)

  it("starts with a stopped clock, when told so", function()
    local r <close> = new { start_paused = true }
    r:block_on(function()
      local before = rt.now()
      rt.sleep(3600)
      assert.is_near(before + 3600, rt.now(), 0.002)
    end)
  end)

  it("lets the stopped clock stand while a blocking function runs", function()
    local r <close> = new { start_paused = true }
    r:block_on(function()
      local before = rt.now()
      local j = rt.spawn_blocking(function()
        local sum = 0
        for i = 1, 1e6 do sum = sum + i end
        return sum
      end)
      assert.is_true((rt.timeout(3600, j)))
      assert.is_true(rt.now() - before < 3600)
    end)
  end)
end)
