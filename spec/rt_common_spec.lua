-- What holds on every flavour of runtime.  (Tokio: rt_common.rs)
local rt = require("rthandle")
local flavors = require("spec.support.flavors")
local gate = require("spec.support.gate")

flavors(describe, function(new)
  it("block_on runs a function that waits for nothing", function()
    local r <close> = new()
    local ran = false
    assert.are.equal("done", r:block_on(function()
      ran = true
      return "done"
    end))
    assert.is_true(ran)
  end)

  it("block_on passes arguments in and all values out", function()
    local r <close> = new()
    local t = table.pack(r:block_on(function(...) return ... end, 1, nil, "x",
      nil))
    assert.are.equal(4, t.n)
    assert.are.same({ 1, nil, "x", nil, n = 4 }, t)
  end)

  it("block_on takes an awaitable", function()
    local r <close> = new()
    assert.are.equal(5, r:block_on(r:spawn(function() return 5 end)))
  end)

  it("block_on waits for work on another thread", function()
    local r <close> = new()
    assert.are.equal("ZOMG", r:block_on(function()
      return r:spawn_blocking(function() return "ZOMG" end):await()
    end))
  end)

  it("a spawned task runs and is joined", function()
    local r <close> = new()
    assert.are.equal("DONE", r:block_on(function()
      return rt.spawn(function() return "DONE" end):await()
    end))
  end)

  it("a task that is not awaited runs in the background", function()
    local r <close> = new()
    r:block_on(function()
      local j = rt.spawn(function() return 1 end)
      while not j:is_finished() do rt.yield_now() end
    end)
  end)

  it("a task may spawn the next and pass its value on", function()
    local r <close> = new()
    assert.are.equal("hello", r:block_on(function()
      return rt.spawn(function()
        local h = require("rthandle")
        return h.spawn(function() return "hello" end):await()
      end):await()
    end))
  end)

  it("many tasks spawned from block_on all end", function()
    local r <close> = new()
    local sum = r:block_on(function()
      local joins, total = {}, 0
      for i = 1, 200 do
        joins[i] = rt.spawn(function(n)
          rt.yield_now()
          return n
        end, i)
      end
      for _, j in ipairs(joins) do total = total + j:await() end
      return total
    end)
    assert.are.equal(200 * 201 // 2, sum)
  end)

  it("many tasks spawned from a task all end", function()
    local r <close> = new()
    local sum = r:block_on(r:spawn(function()
      local joins, total = {}, 0
      for i = 1, 500 do joins[i] = rt.spawn(function(n) return n end, i) end
      for _, j in ipairs(joins) do total = total + j:await() end
      return total
    end))
    assert.are.equal(500 * 501 // 2, sum)
  end)

  it("a task spawned in a block_on of the handle is joined later", function()
    local r <close> = new()
    local j = r:handle():block_on(function()
      return rt.spawn(function() return "later" end)
    end)
    assert.are.equal("later", r:block_on(j))
  end)

  it("a task that waits for ever ends when the runtime closes", function()
    local r = new()
    local closed = {}
    local j = r:spawn_local(function()
      local guard <close> = setmetatable({}, {
        __close = function() closed[1] = true end,
      })
      rt.sleep(math.huge)
      return guard
    end)
    r:block_on(rt.yield_now)
    assert.is_nil(closed[1])
    r:close()
    assert.is_true(closed[1])
    assert.is_true(j:is_finished())
  end)

  it("block_on inside another runtime's block_on is refused", function()
    local r1 <close> = new()
    local r2 <close> = new()
    assert.has_error(function()
      r1:block_on(function() r2:block_on(function() end) end)
    end, "Cannot start a runtime from within a runtime. This happens because"
      .. " a function (like block_on) attempted to block the current thread"
      .. " while the thread is being used to drive asynchronous tasks.")
  end)

  it("a runtime made inside block_on is used outside", function()
    local r <close> = new()
    local inner <close> = r:block_on(function() return new() end)
    assert.are.equal(3, inner:block_on(function() return 3 end))
  end)

  it("block_on ends although a task keeps itself busy", function()
    local r <close> = new()
    r:spawn(function() while true do rt.yield_now() end end)
    assert.are.equal(1, r:block_on(function()
      for _ = 1, 10 do rt.yield_now() end
      return 1
    end))
  end)

  it("a spawned task ends although another keeps itself busy", function()
    local r <close> = new()
    r:spawn(function() while true do rt.yield_now() end end)
    assert.are.equal("ok", r:block_on(r:spawn(function()
      for _ = 1, 10 do rt.yield_now() end
      return "ok"
    end)))
  end)

  it("an idle runtime notices a task spawned from another thread", function()
    local r <close> = new()
    assert.are.equal("from afar", r:block_on(function()
      local h = r:handle()
      return rt.spawn_blocking(function()
        return h:block_on(h:spawn(function() return "from afar" end))
      end):await()
    end))
  end)

  it("a busy runtime notices a task spawned from another thread", function()
    local r <close> = new()
    r:spawn(function() while true do rt.yield_now() end end)
    assert.are.equal("from afar", r:block_on(function()
      local h = r:handle()
      return rt.spawn_blocking(function()
        return h:block_on(h:spawn(function() return "from afar" end))
      end):await()
    end))
  end)

  it("sleep at the root never ends early", function()
    local r <close> = new()
    local before = rt.now()
    r:block_on(function() rt.sleep(0.02) end)
    assert.is_true(rt.now() - before >= 0.02)
  end)

  it("sleep in a task never ends early", function()
    local r <close> = new()
    local took = r:block_on(r:spawn(function()
      local before = rt.now()
      rt.sleep(0.02)
      return rt.now() - before
    end))
    assert.is_true(took >= 0.02)
  end)

  it("a blocking function spawns tasks", function()
    local r <close> = new()
    assert.are.equal("inner", r:block_on(function()
      return rt.spawn_blocking(function()
        return rt.spawn(function() return "inner" end)
      end):await():await()
    end))
  end)

  it("a blocking function spawns a blocking function", function()
    local r <close> = new()
    assert.are.equal("inner", r:block_on(function()
      return rt.spawn_blocking(function()
        return rt.spawn_blocking(function() return "inner" end):await()
      end):await()
    end))
  end)

  it("a blocking function may block_on a sleep", function()
    local r <close> = new()
    local took = r:block_on(function()
      return rt.spawn_blocking(function()
        local before = rt.now()
        rt.Handle.current():block_on(rt.sleep, 0.01)
        return rt.now() - before
      end):await()
    end)
    assert.is_true(took >= 0.01)
  end)

  it("an error in a task is its own; the runtime lives on", function()
    local r <close> = new()
    local ok, err = r:block_on(function()
      return rt.spawn(function() error("boom", 0) end):join()
    end)
    assert.is_false(ok)
    assert.is_true(err:is_panic())
    assert.are.equal("boom", err:into_panic())
    assert.are.equal(1, r:block_on(function() return 1 end))
  end)

  it("an error in block_on passes through unchanged", function()
    local r <close> = new()
    local object = {}
    local ok, err = pcall(r.block_on, r, function() error(object) end)
    assert.is_false(ok)
    assert.are.equal(object, err)
    assert.are.equal(1, r:block_on(function() return 1 end))
  end)

  it("under an EnterGuard the free functions use the runtime", function()
    local r <close> = new()
    local j
    do
      local guard <close> = r:enter()
      j = rt.spawn(function() return "entered" end)
      assert.is_truthy(guard)
    end
    assert.are.equal("entered", r:block_on(j))
  end)

  it("shutdown_timeout leaves a blocking function behind", function()
    local r = new()
    local begun, go = gate.new(), gate.new()
    r:spawn_blocking(function(a, b)
      gate.open(a)
      gate.pass(b)
      os.remove(b)
    end, begun, go)
    gate.pass(begun)
    r:shutdown_timeout(0.02)
    r:shutdown_timeout(0)
    r:close()
    gate.open(go) -- only now may it end
    gate.gone(go)
    os.remove(begun)
  end)

  it("shutdown_timeout returns at once when nothing runs", function()
    local r = new()
    r:block_on(function() rt.sleep(0.001) end)
    r:shutdown_timeout(10000)
  end)

  it("tasks that ping-pong do not starve one that yields", function()
    local r <close> = new()
    r:block_on(function()
      for _ = 1, 100 do
        rt.spawn(function()
          while true do rt.spawn_local(rt.yield_now):await() end
        end)
      end
      return rt.spawn(function()
        for _ = 1, 5 do rt.yield_now() end
        return true
      end):await()
    end)
  end)

  it("closing while tasks are being spawned ends every one", function()
    for _ = 1, 5 do
      local r = new()
      local joins = {}
      for i = 1, 1000 do
        joins[i] = r:spawn(function() rt.sleep(math.huge) end)
      end
      r:close()
      for _, j in ipairs(joins) do assert.is_true(j:is_finished()) end
    end
  end)
end)
