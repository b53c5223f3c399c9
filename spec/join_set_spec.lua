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
    stop = set:spawn(function() return 1, nil, 3, nil end)
    assert.are.same({ n = 6, stop:id(), true, 1, nil, 3, nil },
      table.pack(set:join_next_with_id()))
    stop = set:spawn(function() error("no", 0) end)
    local id, ok, err = set:join_next_with_id()
    assert.are.same({ stop:id(), false }, { id, ok })
    assert.are.equal("no", err:into_panic())
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

  it_in("may be filled again while it is emptied", function()
    local set <close> = rt.JoinSet.new()
    for i = 1, 20 do
      set:spawn_local(function() return i end)
      assert.are.same({ true, i }, { set:join_next() })
      assert.are.equal(0, #set)
    end
  end)

  it_in("takes thousands of tasks", function()
    local set <close> = rt.JoinSet.new()
    for i = 1, 10000 do
      set:spawn_local(function()
        rt.yield_now()
        return i
      end)
    end
    local sum = 0
    for _ = 1, 10000 do sum = sum + select(2, set:join_next()) end
    assert.are.equal(10000 * 10001 // 2, sum)
    assert.is_nil((set:join_next()))
  end)

  it_in("tells apart those that were aborted", function()
    local set <close> = rt.JoinSet.new()
    local tx, rx = rt.sync.watch(false)
    local stops = {}
    for i = 1, 16 do
      stops[i] = set:spawn(function(n, gate)
        gate:wait_for(function(open) return open end)
        return n
      end, i, rx:clone())
    end
    for i = 1, 16, 2 do stops[i]:abort() end
    local values, cancelled = {}, 0
    for _ = 1, 8 do
      if select(2, set:join_next()):is_cancelled() then
        cancelled = cancelled + 1
      end
    end
    tx:send(true)
    for _ = 1, 8 do values[select(2, set:join_next())] = true end
    assert.are.equal(8, cancelled)
    for i = 2, 16, 2 do assert.is_true(values[i]) end
  end)

  it_in("keeps the place of a task without a value in join_all", function()
    local set <close> = rt.JoinSet.new()
    for i = 1, 3 do
      set:spawn_local(function() if i ~= 2 then return i end end)
    end
    local list = set:join_all()
    assert.are.same({ 1, nil, 3 }, { list[1], list[2], list[3] })
    assert.are.same({}, set:join_all())
  end)

  it_in("says in a traceback where the failed task was spawned", function()
    local set <close> = rt.JoinSet.new()
    local line = debug.getinfo(1, "l").currentline + 1
    set:spawn(function() error("x") end)
    local _, err = set:join_next()
    assert.matches("%(spawned at .*join_set_spec.lua:" .. line .. "%)$",
      err.traceback)
  end)

  it_in("names the line of misuse", function()
    local set <close> = rt.JoinSet.new()
    for message, call in pairs {
      ["to 'spawn' %(function expected"] = function() set:spawn(1) end,
      ["#1 to 'spawn_with' %(unknown kind 'x'%)"] = function()
        set:spawn_with({ kind = "x" }, print)
      end,
      ["#2 to 'spawn_with' %(function expected"] = function()
        set:spawn_with({}, 1)
      end,
      ["assigns the captured local"] = function()
        local n = 0
        set:spawn(function() n = n + 1 end)
      end,
    } do
      local ok, err = pcall(call)
      assert.is_false(ok)
      assert.matches("join_set_spec.lua:%d+: .*" .. message, err)
    end
    assert.are.equal(0, #set)
  end)

  it_in("may not be moved, and takes functions only", function()
    local set <close> = rt.JoinSet.new()
    assert.has_error(function() rt.spawn(print, set) end)
    assert.has_error(function() set:spawn(1) end)
    assert.are.equal(0, #set)
  end)
end)

it("a JoinSet tells that the tasks of a closed runtime are cancelled",
  function()
    local a <close> = rt.Runtime.new { worker_threads = 1 }
    local b <close> = rt.Runtime.new { worker_threads = 1 }
    b:block_on(function()
      local set <close> = rt.JoinSet.new()
      do
        local guard <close> = a:enter()
        assert.is_not_nil(guard)
        for _ = 1, 5 do set:spawn(function() rt.sleep(math.huge) end) end
      end
      a:shutdown_background()
      for _ = 1, 5 do
        assert.is_true(select(2, set:join_next()):is_cancelled())
      end
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
