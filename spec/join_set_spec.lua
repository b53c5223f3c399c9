-- JoinSet. (Tokio: task_join_set.rs)
local rt = require("rthandle")
local flavors = require("spec.support.flavors")

flavors(describe, function(new)
  local function it_in(name, f)
    it(name, function()
      local r <close> = new()
      r:block_on(f)
    end)
  end

  it_in("gives outcomes in the order of completion", function()
    local set <close> = rt.JoinSet.new()
    local gates = {}
    for i = 1, 3 do
      local tx, rx = rt.sync.oneshot()
      gates[i] = tx
      set:spawn(function(n, from)
        from:recv()
        return n, n * n
      end, i, rx)
    end
    assert.are.equal(3, #set)
    for _, i in ipairs { 2, 3, 1 } do
      gates[i]:send(true)
      assert.are.same({ true, i, i * i }, { set:join_next() })
    end
    assert.are.equal(0, #set)
    assert.are.same({ nil }, { set:join_next() })
  end)

  it_in("takes tasks of all three kinds", function()
    local set <close> = rt.JoinSet.new()
    local shared
    set:spawn(function() return "spawn" end)
    set:spawn_local(function()
      shared = true
      return "local"
    end)
    set:spawn_blocking(function() return "blocking" end)
    set:spawn_with({ name = "named" }, function() return "with" end)
    local list = set:join_all()
    table.sort(list)
    assert.are.same({ "blocking", "local", "spawn", "with" }, list)
    assert.is_true(shared)
  end)

  it_in("names the task of an outcome", function()
    local set <close> = rt.JoinSet.new()
    local stop = set:spawn(function() return "value" end)
    assert.are.same({ stop:id(), true, "value" },
      { set:join_next_with_id() })
  end)

  it_in("tells how a task failed", function()
    local set <close> = rt.JoinSet.new()
    set:spawn(function() error("no", 0) end)
    local ok, err = set:join_next()
    assert.is_false(ok)
    assert.are.equal("no", err:into_panic())
  end)

  it_in("aborts one task by its AbortHandle, and all", function()
    local set <close> = rt.JoinSet.new()
    local stop = set:spawn(function() rt.sleep(math.huge) end)
    stop:abort()
    assert.is_true(select(2, set:join_next()):is_cancelled())
    for _ = 1, 3 do set:spawn_local(function() rt.sleep(math.huge) end) end
    set:spawn(function() rt.sleep(math.huge) end)
    set:abort_all()
    for _ = 1, 4 do
      assert.is_true(select(2, set:join_next()):is_cancelled())
    end
    assert.is_nil((set:join_next()))
  end)

  it_in("aborts what is left at the end of a block", function()
    local closed = 0
    local function wait()
      local note <close> = setmetatable({}, {
        __close = function() closed = closed + 1 end })
      rt.sleep(note and math.huge)
    end
    do
      local set <close> = rt.JoinSet.new()
      set:spawn_local(wait)
      set:spawn_local(wait)
      rt.yield_now()
    end
    while closed < 2 do rt.yield_now() end
    assert.are.equal(2, closed)
  end)

  it_in("waits for the ends of all when it is shut down", function()
    local set <close> = rt.JoinSet.new()
    local closed = false
    set:spawn_local(function()
      local note <close> = setmetatable({}, {
        __close = function() closed = true end })
      rt.sleep(note and math.huge)
    end)
    rt.yield_now()
    set:shutdown()
    assert.is_true(closed)
    assert.are.equal(0, #set)
  end)

  it_in("leaves tasks alone when they are detached", function()
    local tx, rx = rt.sync.mpsc(1)
    do
      local set <close> = rt.JoinSet.new()
      set:spawn(function(out)
        rt.yield_now()
        out:send("alive")
        out:close()
      end, tx)
      set:detach_all()
      assert.are.equal(0, #set)
    end
    assert.are.equal("alive", rx:recv())
  end)

  it_in("does not wait with try_join_next", function()
    local set <close> = rt.JoinSet.new()
    local tx, rx = rt.sync.oneshot()
    set:spawn(function(from) return from:recv() end, rx)
    assert.is_nil((set:try_join_next()))
    tx:send(1)
    local ok, value
    repeat
      rt.yield_now()
      ok, value = set:try_join_next()
    until ok ~= nil
    assert.are.same({ true, 1 }, { ok, value })
  end)

  it_in("loses no outcome when a wait is given up", function()
    local set <close> = rt.JoinSet.new()
    local tx, rx = rt.sync.oneshot()
    set:spawn(function(from) return from:recv() end, rx)
    assert.is_false((rt.timeout(0.001, set.join_next, set)))
    tx:send("kept")
    assert.are.same({ true, "kept" }, { set:join_next() })
  end)

  it_in("raises the first failure from join_all", function()
    local set <close> = rt.JoinSet.new()
    set:spawn_local(function() error("first", 0) end)
    set:spawn_local(function() rt.sleep(math.huge) end)
    local ok, err = pcall(set.join_all, set)
    assert.is_false(ok)
    assert.are.equal("first", err:into_panic())
    set:shutdown()
  end)

  it_in("may not be moved, and takes functions only", function()
    local set <close> = rt.JoinSet.new()
    assert.has_error(function() rt.spawn(print, set) end)
    assert.has_error(function() set:spawn(1) end)
    assert.are.equal(0, #set)
  end)
end)

it("a JoinSet that is collected aborts its tasks", function()
  local r <close> = rt.Runtime.new { worker_threads = 1 }
  r:block_on(function()
    local closed = false
    local set = rt.JoinSet.new()
    set:spawn_local(function()
      local note <close> = setmetatable({}, {
        __close = function() closed = true end })
      rt.sleep(note and math.huge)
    end)
    rt.yield_now()
    set = nil -- luacheck: ignore
    while not closed do
      collectgarbage()
      rt.yield_now()
    end
    assert.is_true(closed)
  end)
end)
