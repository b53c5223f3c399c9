-- Handle, EnterGuard and block_on of a handle.
-- (Tokio: rt_handle.rs, rt_handle_block_on.rs, no_rt.rs)
local rt = require("rthandle")
local flavors = require("spec.support.flavors")

local ORDER = "EnterGuard values dropped out of order. Guards returned by"
  .. " Handle:enter() must be dropped in the reverse order as they were"
  .. " acquired."
local MISSING = "there is no reactor running, must be called from the context"
  .. " of an rthandle runtime"
local NESTED = "Cannot start a runtime from within a runtime. This happens"
  .. " because a function (like block_on) attempted to block the current"
  .. " thread while the thread is being used to drive asynchronous tasks."

describe("without a runtime", function()
  it("Handle.current raises", function()
    assert.has_error(function() rt.Handle.current() end, MISSING)
  end)

  it("Handle.try_current answers a TryCurrentError", function()
    local h, err = rt.Handle.try_current()
    assert.is_nil(h)
    assert.are.equal(MISSING, tostring(err))
    assert.is_true(err:is_missing_context())
  end)

  it("a TryCurrentError moves to another thread and back", function()
    local r <close> = rt.Runtime.new { worker_threads = 1 }
    local _, err = rt.Handle.try_current()
    local text, missing, back = r:spawn(function(e)
      return tostring(e), e:is_missing_context(), e
    end, err):await()
    assert.are.same({ MISSING, true }, { text, missing })
    assert.are.equal(MISSING, tostring(back))
  end)

  for name, call in pairs {
    spawn = function() rt.spawn(function() end) end,
    spawn_local = function() rt.spawn_local(function() end) end,
    spawn_blocking = function() rt.spawn_blocking(function() end) end,
    sleep = function() rt.sleep(1) end,
    timeout = function() rt.timeout(1, function() end) end,
    ["time.Sleep"] = function() rt.time.Sleep(1) end,
  } do
    it(name .. " raises", function() assert.has_error(call, MISSING) end)
  end
end)

describe("an EnterGuard", function()
  it("makes a handle current until it closes", function()
    local r <close> = rt.Runtime.new { worker_threads = 1 }
    local guard = r:handle():enter()
    assert.are.equal(r:handle(), rt.Handle.current())
    guard:close()
    assert.is_nil((rt.Handle.try_current()))
  end)

  it("may be closed twice", function()
    local r <close> = rt.Runtime.new { worker_threads = 1 }
    local guard = r:enter()
    guard:close()
    guard:close()
  end)

  it("gives way to the one before", function()
    local a <close> = rt.Runtime.new { worker_threads = 1 }
    local b <close> = rt.Runtime.new { worker_threads = 1 }
    local ga <close> = a:enter()
    do
      local gb <close> = b:enter()
      assert.are.equal(b:handle(), rt.Handle.current())
      assert.is_truthy(gb)
    end
    assert.are.equal(a:handle(), rt.Handle.current())
    assert.is_truthy(ga)
  end)

  it("may not close before one that was made later", function()
    local a <close> = rt.Runtime.new { worker_threads = 1 }
    local b <close> = rt.Runtime.new { worker_threads = 1 }
    for _, later in ipairs { b, a } do
      local g1, g2 = a:enter(), later:enter()
      assert.has_error(function() g1:close() end, ORDER)
      assert.are.equal(later:handle(), rt.Handle.current())
      g2:close()
      g1:close()
      assert.is_nil((rt.Handle.try_current()))
    end
  end)

  it("in a task belongs to that task", function()
    local a <close> = rt.Runtime.new { flavor = "current_thread" }
    local b <close> = rt.Runtime.new { flavor = "current_thread" }
    a:block_on(function()
      local inside
      local j = rt.spawn_local(function()
        local guard <close> = b:enter()
        rt.yield_now()
        inside = rt.Handle.current()
        return guard ~= nil
      end)
      rt.yield_now()
      assert.are.equal(a:handle(), rt.Handle.current())
      j:await()
      assert.are.equal(b:handle(), inside)
    end)
  end)

  it("may outlive its runtime", function()
    local r = rt.Runtime.new { worker_threads = 1 }
    local guard <close> = r:enter()
    r:close()
    assert.are.equal(r:handle(), rt.Handle.current())
    assert.is_truthy(guard)
  end)
end)

flavors(describe, function(new, opts)
  it("a handle says what it is", function()
    local r <close> = new { name = "n" }
    local h = r:handle()
    local flavor = opts.flavor or "multi_thread"
    assert.are.equal(flavor, h:runtime_flavor())
    assert.are.equal(("rthandle.Handle(%s, id=%d, workers=%d)"):format(flavor,
      h:id(), opts.worker_threads or 1), tostring(h))
  end)

  it("a method that is called without its object says so", function()
    local r <close> = new()
    local handle, task = r:handle(), r:spawn(function() end)
    assert.has_error(function() handle.id() end,
      "bad argument #1 to 'id' (rthandle.Handle expected, got no value)")
    assert.has_error(function() task.abort() end,
      "bad argument #1 to 'abort' (rthandle.JoinHandle expected, got no value)")
  end)

  it("a clone is equal and stays good", function()
    local r <close> = new()
    local h = r:handle():clone()
    assert.are.equal(r:handle(), h)
    assert.are.equal(r:handle():id(), h:id())
  end)

  it("a handle does not keep the runtime running", function()
    local h
    do
      local r <close> = new()
      h = r:handle()
    end
    local ok, err = h:spawn(function() end):join()
    assert.is_false(ok)
    assert.is_true(err:is_cancelled())
  end)

  it("a handle moves into a task and is the same there", function()
    local r <close> = new()
    local h = r:handle()
    local id, same = r:block_on(h:spawn(function(other)
      return other:id(), other == rt.Handle.current()
    end, h))
    assert.are.equal(h:id(), id)
    assert.is_true(same)
  end)

  it("block_on of a handle runs a function, before and after closing",
    function()
      local r = new()
      local h = r:handle()
      assert.are.equal(1, h:block_on(function() return 1 end))
      r:close()
      assert.are.equal(2, h:block_on(function()
        rt.yield_now()
        return 2
      end))
    end)

  it("block_on of a handle passes values and errors through", function()
    local r <close> = new()
    local h, object = r:handle(), {}
    assert.are.same({ n = 3, object, nil, nil },
      table.pack(h:block_on(function(...) return ... end, object, nil, nil)))
    local ok, err = pcall(h.block_on, h, function()
      rt.yield_now()
      error(object)
    end)
    assert.is_false(ok)
    assert.are.equal(object, err)
  end)

  it("block_on of a handle in a blocking function runs", function()
    local r <close> = new()
    local h = r:handle()
    assert.are.equal(42, r:block_on(r:spawn_blocking(function()
      return h:block_on(function() return 42 end)
    end)))
  end)

  it("block_on of a handle in a task is refused", function()
    local r <close> = new()
    local h = r:handle()
    assert.has_error(function()
      r:block_on(function() h:block_on(function() end) end)
    end, NESTED)
    local ok, err = r:block_on(function()
      return rt.spawn(function() h:block_on(function() end) end):join()
    end)
    assert.is_false(ok)
    assert.is_truthy(err:into_panic():find(NESTED, 1, true))
  end)

  it("spawn_blocking gives a value", function()
    local r <close> = new()
    assert.are.equal(42, r:block_on(r:spawn_blocking(function()
      return 42
    end)))
  end)

  it("spawn and spawn_blocking after closing are cancelled", function()
    local r = new()
    r:close()
    for _, spawn in ipairs { r.spawn, r.spawn_blocking, r.spawn_local } do
      local j = spawn(r, function() return 1 end)
      assert.is_true(j:is_finished())
      local ok, err = j:join()
      assert.is_false(ok)
      assert.is_true(err:is_cancelled())
    end
  end)

  it("a task that was pending when the runtime closed is cancelled",
    function()
      local r = new()
      local j = r:spawn(function() rt.sleep(math.huge) end)
      r:block_on(rt.yield_now)
      r:close()
      assert.is_true(j:is_finished())
      local ok, err = j:join()
      assert.is_false(ok)
      assert.is_true(err:is_cancelled())
    end)

  it("a blocking function that runs when the runtime closes ends", function()
    local r = new()
    local j = r:spawn_blocking(function()
      local sum = 0
      for i = 1, 3e6 do sum = sum + i end
      return sum
    end)
    while r:metrics().num_idle_blocking_threads
      == r:metrics().num_blocking_threads and not j:is_finished() do end
    r:close()
    local ok, sum = j:join()
    if ok then assert.are.equal(3000000 * 3000001 / 2, sum) end
  end)

  it("sleep after closing raises", function()
    local r = new()
    local h = r:handle()
    r:close()
    assert.has_error(function() h:block_on(function() rt.sleep(1) end) end,
      "a runtime was found, but it is being shut down")
  end)
end)
