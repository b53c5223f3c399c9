-- What Handle:metrics counts.  (Tokio: rt_metrics.rs, rt_unstable_metrics.rs)
local rt = require("rthandle")
local flavors = require("spec.support.flavors")
local gate = require("spec.support.gate")

local function total(m, key)
  local sum = 0
  for _, w in ipairs(m.workers) do sum = sum + w[key] end
  return sum
end

flavors(describe, function(new, opts)
  it("has every number, all integers but the duration", function()
    local r <close> = new()
    local m = r:metrics()
    local keys = {}
    for key, value in pairs(m) do
      keys[#keys + 1] = key
      if key ~= "workers" then
        assert.are.equal("integer", math.type(value), key)
      end
    end
    table.sort(keys)
    assert.are.same({ "blocking_queue_depth", "global_queue_depth",
      "num_alive_tasks", "num_blocking_threads", "num_idle_blocking_threads",
      "num_workers", "spawned_tasks_count", "workers" }, keys)
    assert.are.equal(m.num_workers, #m.workers)
    for _, w in ipairs(m.workers) do
      local fields = {}
      for key, value in pairs(w) do
        fields[#fields + 1] = key
        assert.are.equal(key == "busy_duration" and "float" or "integer",
          math.type(value), key)
        assert.is_true(value >= 0)
      end
      table.sort(fields)
      assert.are.same({ "busy_duration", "local_queue_depth", "lua_memory",
        "park_count", "poll_count", "steal_count" }, fields)
    end
  end)

  it("num_workers is the number of workers", function()
    local r <close> = new()
    assert.are.equal(opts.worker_threads or 1, r:metrics().num_workers)
  end)

  it("is a new table each time, the same by Runtime and Handle", function()
    local r <close> = new()
    local a, b = r:metrics(), r:handle():metrics()
    assert.are_not.equal(a, b)
    assert.are.equal(a.num_workers, b.num_workers)
    a.num_workers = -1
    assert.are.equal(b.num_workers, r:metrics().num_workers)
  end)

  it("num_alive_tasks counts tasks until they end", function()
    local r <close> = new()
    assert.are.equal(0, r:metrics().num_alive_tasks)
    r:block_on(function()
      local j = rt.spawn(function() rt.sleep(math.huge) end)
      assert.are.equal(1, r:metrics().num_alive_tasks)
      local k = rt.spawn_local(function() rt.sleep(math.huge) end)
      assert.are.equal(2, r:metrics().num_alive_tasks)
      rt.yield_now()
      assert.are.equal(2, r:metrics().num_alive_tasks)
      j:abort()
      k:abort()
      j:join()
      k:join()
      while r:metrics().num_alive_tasks > 0 do rt.yield_now() end
    end)
  end)

  it("num_alive_tasks is 0 once the runtime was closed", function()
    local r = new()
    for _ = 1, 10 do
      r:spawn(function() rt.sleep(math.huge) end)
      r:spawn_local(function() rt.sleep(math.huge) end)
    end
    r:block_on(rt.yield_now)
    r:close()
    assert.are.equal(0, r:metrics().num_alive_tasks)
    assert.are.equal(0, r:metrics().global_queue_depth)
  end)

  it("spawned_tasks_count counts each task once, for ever", function()
    local r <close> = new()
    assert.are.equal(0, r:metrics().spawned_tasks_count)
    r:block_on(function()
      for _ = 1, 5 do rt.spawn(function() rt.yield_now() end):await() end
      assert.are.equal(5, r:metrics().spawned_tasks_count)
      for _ = 1, 3 do rt.spawn_local(function() rt.yield_now() end):await() end
      assert.are.equal(8, r:metrics().spawned_tasks_count)
    end)
    assert.are.equal(8, r:metrics().spawned_tasks_count)
  end)

  it("num_blocking_threads counts threads that were started", function()
    local r <close> = new()
    assert.are.equal(0, r:metrics().num_blocking_threads)
    r:block_on(r:spawn_blocking(function() end))
    assert.are.equal(1, r:metrics().num_blocking_threads)
  end)

  it("num_idle_blocking_threads counts those without work", function()
    local r = new()
    assert.are.equal(0, r:metrics().num_idle_blocking_threads)
    r:block_on(r:spawn_blocking(function() end))
    while r:metrics().num_idle_blocking_threads == 0 do end
    assert.are.equal(1, r:metrics().num_idle_blocking_threads)
    local name = gate.new()
    local begun = gate.new()
    local j = r:spawn_blocking(function(a, b)
      gate.open(a)
      gate.pass(b)
    end, begun, name)
    gate.pass(begun)
    assert.are.equal(0, r:metrics().num_idle_blocking_threads)
    gate.open(name)
    j:await()
    r:close()
    assert.are.equal(0, r:metrics().num_blocking_threads)
    assert.are.equal(0, r:metrics().num_idle_blocking_threads)
    os.remove(name)
    os.remove(begun)
  end)

  it("blocking_queue_depth counts functions that wait for a thread",
    function()
      local r <close> = new { max_blocking_threads = 1 }
      local name, begun = gate.new(), gate.new()
      local joins = { r:spawn_blocking(function(a, b)
        gate.open(a)
        gate.pass(b)
      end, begun, name) }
      gate.pass(begun)
      assert.are.equal(0, r:metrics().blocking_queue_depth)
      for i = 2, 6 do joins[i] = r:spawn_blocking(function() end) end
      assert.are.equal(5, r:metrics().blocking_queue_depth)
      gate.open(name)
      for _, j in ipairs(joins) do j:await() end
      assert.are.equal(0, r:metrics().blocking_queue_depth)
      os.remove(name)
      os.remove(begun)
    end)

  it("blocking functions are no tasks of the workers", function()
    local r <close> = new()
    r:block_on(r:spawn_blocking(function() end))
    assert.are.equal(0, r:metrics().num_alive_tasks)
  end)

  it("poll_count counts how often tasks were run", function()
    local r <close> = new()
    local before = total(r:metrics(), "poll_count")
    r:block_on(r:spawn(function()
      for _ = 1, 9 do rt.yield_now() end
    end))
    r:close()
    assert.is_true(total(r:metrics(), "poll_count") >= before + 10)
  end)

  it("busy_duration grows while tasks run", function()
    local r = new()
    r:block_on(r:spawn(function()
      local until_ = rt.now() + 0.005
      while rt.now() < until_ do end
    end))
    r:close()
    assert.is_true(total(r:metrics(), "busy_duration") >= 0.005)
  end)

  it("park_count counts how often a worker slept", function()
    local r = new()
    r:block_on(r:spawn(function()
      local h = rt.Handle.current()
      repeat rt.sleep(0.002) until total(h:metrics(), "park_count") > 0
    end))
    r:close()
    assert.is_true(total(r:metrics(), "park_count") > 0)
  end)

  it("lua_memory is what the worker's Lua state has", function()
    local r <close> = new()
    r:block_on(r:spawn(function() end))
    local index = r:block_on(r:spawn(function()
      rawset(_G, "kept", ("x"):rep(1000000))
      return rt.worker_index()
    end))
    local w = r:metrics().workers[index]
    assert.is_true(w.lua_memory > 1000000)
    local exact = r:block_on(r:spawn(function()
      return collectgarbage("count") * 1024
    end))
    if r:metrics().num_workers == 1 then
      assert.is_near(exact, r:metrics().workers[1].lua_memory, 100000)
    end
  end)

  it("may be read in tasks, blocking functions, and after closing", function()
    local r = new()
    local h = r:handle()
    local n = r:metrics().num_workers
    assert.are.equal(n, r:block_on(r:spawn(function()
      return rt.Handle.current():metrics().num_workers
    end)))
    assert.are.equal(n, r:block_on(r:spawn_blocking(function()
      return h:metrics().num_workers
    end)))
    r:close()
    assert.are.equal(n, h:metrics().num_workers)
    assert.are.equal(n, #h:metrics().workers)
  end)
end)

describe("on multi_thread, 1 worker,", function()
  it("what is polled again and again is neither parked nor stolen", function()
    local r = rt.Runtime.new { worker_threads = 1 }
    r:spawn(function() for _ = 1, 1000 do rt.yield_now() end end):await()
    r:close()
    local w = r:metrics().workers[1]
    assert.is_true(w.poll_count >= 1001)
    assert.is_true(w.park_count < 500)
    assert.are.equal(0, w.steal_count)
  end)
end)

describe("on current_thread", function()
  it("global_queue_depth counts tasks spawned while nobody drives", function()
    local r <close> = rt.Runtime.new { flavor = "current_thread" }
    assert.are.equal(0, r:metrics().global_queue_depth)
    local j = r:spawn(function() end)
    local k = r:spawn_blocking(function(h)
      h:spawn(function() end)
    end, r:handle())
    while not k:is_finished() do end
    local m = r:metrics()
    assert.are.equal(2, m.global_queue_depth + m.workers[1].local_queue_depth)
    r:block_on(j)
    r:block_on(rt.yield_now)
    assert.are.equal(0, r:metrics().global_queue_depth)
  end)
end)

describe("on multi_thread", function()
  it("global_queue_depth counts tasks that no worker has taken", function()
    local r <close> = rt.Runtime.new { worker_threads = 2 }
    local name, begun = gate.new(), { gate.new(), gate.new() }
    local joins = {}
    for i = 1, 2 do
      joins[i] = r:spawn(function(a, b)
        gate.open(a)
        gate.pass(b)
      end, begun[i], name)
    end
    for i = 1, 2 do gate.pass(begun[i]) end
    for i = 1, 10 do
      joins[#joins + 1] = r:spawn(function() end)
      assert.are.equal(i, r:metrics().global_queue_depth)
    end
    gate.open(name)
    for _, j in ipairs(joins) do j:await() end
    assert.are.equal(0, r:metrics().global_queue_depth)
    os.remove(name)
    for i = 1, 2 do os.remove(begun[i]) end
  end)

  it("local_queue_depth counts what a worker has spawned itself", function()
    local r <close> = rt.Runtime.new { worker_threads = 1 }
    r:block_on(r:spawn(function()
      local joins = {}
      for i = 1, 100 do joins[i] = rt.spawn(function() end) end
      local depth = rt.Handle.current():metrics().workers[1].local_queue_depth
      for _, j in ipairs(joins) do j:await() end
      assert(depth >= 99 and depth <= 100, depth)
      depth = rt.Handle.current():metrics().workers[1].local_queue_depth
      assert(depth == 0, depth)
    end))
  end)

  it("steal_count counts what workers take from each other", function()
    local r <close> = rt.Runtime.new { worker_threads = 2 }
    -- One worker spawns, and waits without suspending for another to run it.
    r:block_on(r:spawn(function(name)
      local joins = {}
      for i = 1, 2 do
        joins[i] = rt.spawn(function(n) gate.open(n) end, name .. i)
      end
      local f
      repeat f = io.open(name .. 1) or io.open(name .. 2) until f
      f:close()
      for i, j in ipairs(joins) do
        j:await()
        os.remove(name .. i)
      end
    end, gate.new()))
    assert.is_true(total(r:metrics(), "steal_count") >= 1)
  end)
end)
