-- scope: tasks that have all ended when it returns.
local rt = require("rthandle")
local flavors = require("spec.support.flavors")

local function forever() rt.sleep(math.huge) end

-- A value whose __close calls f.
local function closing(f) return setmetatable({}, { __close = f }) end

flavors(describe, function(new)
  local function it_in(name, f)
    it(name, function()
      local r <close> = new()
      r:block_on(f)
    end)
  end

  describe("a scope", function()
    it_in("returns the values of its function", function()
      assert.are.same({ n = 4, 1, nil, "x", nil }, table.pack(rt.scope(
        function(s, a, b)
          assert.are.equal("userdata", type(s))
          return 1, nil, a, b
        end, "x", nil)))
      assert.are.equal(0, select("#", rt.scope(function() end)))
    end)

    it_in("returns when all its tasks have ended", function()
      local ended = 0
      local tx, rx = rt.sync.mpsc(8)
      assert.are.equal("values", rt.scope(function(s)
        s:spawn_local(function()
          for _ = 1, 5 do rt.yield_now() end
          ended = ended + 1
        end)
        s:spawn(function()
          rt.sleep(0.002)
          tx:send("spawned")
        end)
        s:spawn_blocking(function() tx:send("blocking") end)
        s:spawn_with({ name = "with" }, function() tx:send("with") end)
        return "values"
      end))
      assert.are.equal(1, ended)
      local list = {}
      for i = 1, 3 do list[i] = assert(rx:try_recv()) end
      table.sort(list)
      assert.are.same({ "blocking", "spawned", "with" }, list)
    end)

    it_in("gives JoinHandles, which may be awaited in it and after", function()
      local task
      local inside = rt.scope(function(s)
        task = s:spawn(function() return 2 end)
        return s:spawn_local(function() return 1 end):await()
      end)
      assert.are.same({ 1, 2 }, { inside, task:await() })
    end)

    it_in("runs its function as part of the calling task", function()
      local id = rt.task_id()
      assert.are.equal(id, rt.scope(rt.task_id))
    end)

    it_in("takes tasks that its tasks spawn", function()
      local order = {}
      rt.scope(function(s)
        s:spawn_local(function()
          rt.yield_now()
          s:spawn_local(function()
            rt.yield_now()
            order[#order + 1] = "grandchild"
          end)
        end)
      end)
      assert.are.same({ "grandchild" }, order)
    end)

    it_in("raises the JoinError of a task that fails", function()
      local ok, err = pcall(rt.scope, function(s)
        s:spawn(function() error("no", 0) end)
      end)
      assert.is_false(ok)
      assert.is_true(err:is_panic())
      assert.are.equal("no", err:into_panic())
      local object = {}
      ok, err = pcall(rt.scope, function(s)
        s:spawn_local(function() error(object) end)
      end)
      assert.is_false(ok)
      assert.are.equal(object, err:into_panic())
    end)

    it_in("raises the error of its function unchanged", function()
      local object = {}
      local ok, err = pcall(rt.scope, function(s)
        s:spawn(forever)
        rt.yield_now()
        error(object)
      end)
      assert.is_false(ok)
      assert.are.equal(object, err)
    end)

    it_in("aborts and awaits the rest when a task fails", function()
      local order = {}
      local ok, err = pcall(rt.scope, function(s)
        s:spawn_local(function()
          local note <close> = closing(function()
            order[#order + 1] = "task"
          end)
          rt.sleep(note and math.huge)
        end)
        local remote = s:spawn(forever)
        s:spawn_local(function()
          rt.yield_now()
          order[#order + 1] = remote:is_finished()
          error("first", 0)
        end)
        local note <close> = closing(function() order[#order + 1] = "body" end)
        rt.sleep(note and math.huge)
      end)
      assert.is_false(ok)
      assert.are.equal("first", err:into_panic())
      assert.is_false(order[1])
      table.sort(order, function(a, b) return tostring(a) < tostring(b) end)
      assert.are.same({ "body", false, "task" }, order)
    end)

    it_in("awaits the aborted when its function fails", function()
      local closed = false
      local task
      assert.has_error(function()
        rt.scope(function(s)
          task = s:spawn(forever)
          s:spawn_local(function()
            local note <close> = closing(function() closed = true end)
            rt.sleep(note and math.huge)
          end)
          rt.yield_now()
          error("body", 0)
        end)
      end, "body")
      assert.is_true(closed)
      assert.is_true(task:is_finished())
      assert.is_true(select(2, task:join()):is_cancelled())
    end)

    it_in("closes what its function has open before it waits for tasks",
      function()
        local order = {}
        pcall(rt.scope, function(s)
          s:spawn_local(function()
            local note <close> = closing(function()
              order[#order + 1] = "task"
            end)
            rt.sleep(note and math.huge)
          end)
          rt.yield_now()
          local note <close> = closing(function()
            order[#order + 1] = "body"
          end)
          error(note and "x")
        end)
        assert.are.same({ "body", "task" }, order)
      end)

    it_in("fails though its function looked at the failure", function()
      local ok, err = pcall(rt.scope, function(s)
        local task = s:spawn(function() error("seen", 0) end)
        task:join()
        return "unreached or not"
      end)
      assert.is_false(ok)
      assert.are.equal("seen", err:into_panic())
    end)

    it_in("sees a failure though no task was there when it began to wait",
      function()
        local ok, err = pcall(rt.scope, function(s)
          rt.spawn_local(function()
            rt.yield_now()
            s:spawn_local(function() error("late", 0) end)
          end)
          forever()
        end)
        assert.is_false(ok)
        assert.are.equal("late", err:into_panic())
      end)

    it_in("does not fail when one of its tasks is aborted", function()
      assert.are.equal("well", rt.scope(function(s)
        local task = s:spawn(forever)
        task:abort()
        s:spawn_local(forever):abort()
        assert.is_true(select(2, task:join()):is_cancelled())
        return "well"
      end))
    end)

    it_in("says in the traceback where the failed task was spawned", function()
      local line = debug.getinfo(1, "l").currentline
      for _, spawn in ipairs { "spawn", "spawn_local", "spawn_blocking" } do
        local _, err = pcall(rt.scope, function(s)
          s[spawn](s, function() error("x") end) -- line + 3
        end)
        assert.matches("scope_spec.lua:" .. line + 3 .. ": in function",
          err.traceback, 1, true)
        assert.matches("(spawned at spec/scope_spec.lua:" .. line + 3 .. ")",
          (err.traceback:gsub("at .*/spec", "at spec")), 1, true)
      end
    end)

    it_in("may be in another", function()
      local order = {}
      local ok, err = pcall(rt.scope, function(outer)
        outer:spawn_local(function()
          local note <close> = closing(function()
            order[#order + 1] = "outer"
          end)
          rt.sleep(note and math.huge)
        end)
        rt.scope(function(inner)
          inner:spawn_local(function()
            local note <close> = closing(function()
              order[#order + 1] = "inner"
            end)
            rt.sleep(note and math.huge)
          end)
          inner:spawn_local(function()
            rt.yield_now()
            error("deep", 0)
          end)
        end)
      end)
      assert.is_false(ok)
      assert.are.equal("deep", err:into_panic())
      assert.are.same({ "inner", "outer" }, order)
    end)

    it_in("that is aborted has closed its function and aborts its tasks",
      function()
        local order, child = {}, nil
        local task = rt.spawn_local(function()
          rt.scope(function(s)
            child = s:spawn(forever)
            s:spawn_local(function()
              local note <close> = closing(function()
                order[#order + 1] = "task"
              end)
              rt.sleep(note and math.huge)
            end)
            local note <close> = closing(function()
              order[#order + 1] = "body"
            end)
            rt.sleep(note and math.huge)
          end)
        end)
        while not child do rt.yield_now() end
        rt.yield_now()
        task:abort()
        assert.is_true(select(2, task:join()):is_cancelled())
        assert.is_true(select(2, child:join()):is_cancelled())
        while #order < 2 do rt.yield_now() end
        assert.are.same({ "body", "task" }, order)
      end)

    it_in("that loses in a timeout aborts its tasks", function()
      local child
      assert.is_false((rt.timeout(0.001, rt.scope, function(s)
        child = s:spawn(forever)
      end)))
      assert.is_true(select(2, child:join()):is_cancelled())
    end)

    it_in("starts nothing more once it fails", function()
      local ran = false
      local late
      pcall(rt.scope, function(s)
        local note <close> = closing(function()
          late = s:spawn_local(function() ran = true end)
        end)
        s:spawn_local(function() error(note and "x") end)
        forever()
      end)
      assert.is_true(select(2, late:join()):is_cancelled())
      assert.is_false(ran)
    end)

    it_in("takes no tasks once it has ended", function()
      local scope
      rt.scope(function(s) scope = s end)
      local ok, err = pcall(function() scope:spawn(forever) end)
      assert.is_false(ok)
      assert.matches("^.*scope_spec.lua:%d+: the scope has ended$", err)
      assert.are.equal("rthandle.Scope(ended, len=0)", tostring(scope))
    end)

    it_in("may not be moved, and names the line of misuse", function()
      local function refused(message, f, ...)
        local ok, err = pcall(f, ...)
        assert.is_false(ok)
        assert.matches("scope_spec.lua:%d+: .*" .. message, err)
      end
      refused("function expected, got number", function() rt.scope(1) end)
      rt.scope(function(s)
        refused("bad argument #1 to 'spawn' %(function expected, got number%)",
          function() s:spawn(1) end)
        refused("bad argument #1 to 'spawn_with' %(unknown kind 'x'%)",
          function() s:spawn_with({ kind = "x" }, forever) end)
        refused("cannot move upvalue 's': Scope",
          function() rt.spawn(function() return s end) end)
      end)
    end)

    it_in("waits for thousands", function()
      local n = 0
      rt.scope(function(s)
        for _ = 1, 5000 do
          s:spawn_local(function()
            rt.yield_now()
            n = n + 1
          end)
        end
      end)
      assert.are.equal(5000, n)
    end)
  end)

  it("a scope works in plain code of the thread, too", function()
    local r <close> = new()
    do
      local guard <close> = r:enter()
      local n = 0
      assert.are.equal("done", rt.scope(function(s)
        s:spawn_local(function()
          rt.sleep(0.001)
          n = n + 1
        end)
        return guard and "done"
      end))
      assert.are.equal(1, n)
    end
    assert.are.equal(3, r:block_on(function()
      return rt.spawn_blocking(function()
        return rt.scope(function(s)
          return s:spawn(function() return 3 end):await()
        end)
      end):await()
    end))
  end)

  it("a scope that waits when its runtime closes is closed", function()
    local r <close> = new()
    local waits = rt.sync.Notify()
    local task = r:spawn(function()
      rt.scope(function(s)
        s:spawn(forever)
        s:spawn_local(function() -- begins when the scope has suspended
          waits:notify_one()
          forever()
        end)
      end)
    end)
    r:block_on(waits)
    r:close()
    assert.is_true(select(2, task:join()):is_cancelled())
  end)

  it("a scope of the main function whose task the closing runtime cancels"
    .. " raises", function()
    local r <close> = new()
    local ok, err = pcall(r.block_on, r, function()
      rt.scope(function(s)
        s:spawn(forever)
        r:shutdown_background()
      end)
    end)
    assert.is_false(ok)
    assert.matches("is being shut down", err)
  end)
end)

it("a scope outside of a runtime is an error", function()
  local ok, err = pcall(rt.scope, function() end)
  assert.is_false(ok)
  assert.matches("there is no reactor running", err)
end)
