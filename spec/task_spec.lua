-- Aborting, blocking functions, ids, yield_now.
-- (Tokio: task_abort.rs, task_blocking.rs, task_id.rs, task_yield_now.rs)
local rt = require("rthandle")
local flavors = require("spec.support.flavors")
local gate = require("spec.support.gate")

flavors(describe, function(new)
  describe("aborting", function()
    it("ends a sleeping task, and its JoinError says so", function()
      local r <close> = new()
      r:block_on(function()
        local j = rt.spawn(function() rt.sleep(math.huge) end)
        rt.yield_now()
        j:abort()
        local ok, err = j:join()
        assert.is_false(ok)
        assert.is_true(err:is_cancelled())
        assert.is_false(err:is_panic())
        assert.are.equal(("task %d was cancelled"):format(j:id()),
          err:message())
      end)
    end)

    it("keeps a task that never started from starting", function()
      local r <close> = new()
      local started = false
      r:block_on(function()
        local j = rt.spawn_local(function() started = true end)
        j:abort()
        assert.is_false((j:join()))
      end)
      assert.is_false(started)
    end)

    it("lets a task that does not suspend again end normally", function()
      local r <close> = new()
      assert.are.equal(9, r:block_on(function()
        local j
        j = rt.spawn_local(function()
          j:abort()
          return 9
        end)
        return j:await()
      end))
    end)

    it("takes effect at the next suspension", function()
      local r <close> = new()
      local after = false
      r:block_on(function()
        local j
        j = rt.spawn_local(function()
          j:abort()
          rt.yield_now()
          after = true
        end)
        local ok, err = j:join()
        assert.is_false(ok)
        assert.is_true(err:is_cancelled())
      end)
      assert.is_false(after)
    end)

    it("changes nothing once there is a result", function()
      local r <close> = new()
      r:block_on(function()
        local j = rt.spawn(function() return "there" end)
        while not j:is_finished() do rt.yield_now() end
        j:abort()
        assert.are.equal("there", j:await())
      end)
    end)

    it("runs the task's <close> variables, innermost first", function()
      local r <close> = new()
      local order = {}
      r:block_on(function()
        local function note(what)
          return setmetatable({}, {
            __close = function() order[#order + 1] = what end,
          })
        end
        local j = rt.spawn_local(function()
          local a <close> = note("outer")
          local b <close> = note("inner")
          rt.sleep(math.huge)
          return a, b
        end)
        rt.yield_now()
        j:abort()
        j:join()
      end)
      assert.are.same({ "inner", "outer" }, order)
    end)

    it("cannot be swallowed by pcall", function()
      local r <close> = new()
      local after = false
      r:block_on(function()
        local j = rt.spawn_local(function()
          pcall(rt.sleep, math.huge)
          after = true
        end)
        rt.yield_now()
        j:abort()
        assert.is_false((j:join()))
      end)
      assert.is_false(after)
    end)

    it("makes an error in a __close the task's failure", function()
      local r <close> = new()
      r:block_on(function()
        local j = rt.spawn_local(function()
          local guard <close> = setmetatable({}, {
            __close = function() error("in close", 0) end,
          })
          rt.sleep(math.huge)
          return guard
        end)
        rt.yield_now()
        j:abort()
        local ok, err = j:join()
        assert.is_false(ok)
        assert.is_true(err:is_panic())
        assert.are.equal("in close", err:into_panic())
      end)
    end)

    it("refuses a suspension in a __close", function()
      local r <close> = new()
      r:block_on(function()
        local j = rt.spawn_local(function()
          local guard <close> = setmetatable({}, {
            __close = function() rt.sleep(0.001) end,
          })
          rt.sleep(math.huge)
          return guard
        end)
        rt.yield_now()
        j:abort()
        local _, err = j:join()
        assert.is_truthy(err:into_panic():find(
          "cannot suspend while the task is being closed", 1, true))
      end)
    end)

    it("reaches through nested coroutines, innermost first", function()
      local r <close> = new()
      local order = {}
      r:block_on(function()
        local function note(what)
          return setmetatable({}, {
            __close = function() order[#order + 1] = what end,
          })
        end
        local j = rt.spawn_local(function()
          local a <close> = note("task")
          rt.coroutine.wrap(function()
            local b <close> = note("first")
            rt.coroutine.wrap(function()
              local c <close> = note("second")
              rt.sleep(math.huge)
              return c
            end)()
            return b
          end)()
          return a
        end)
        rt.yield_now()
        j:abort()
        j:join()
      end)
      assert.are.same({ "second", "first", "task" }, order)
    end)

    it("works through an AbortHandle, from another thread too", function()
      local r <close> = new()
      r:block_on(function()
        local j = rt.spawn(function() rt.sleep(math.huge) end)
        local a = j:abort_handle()
        assert.are.equal(j:id(), a:id())
        assert.is_false(a:is_finished())
        rt.spawn_blocking(function(abort) abort:abort() end, a):await()
        local _, err = j:join()
        assert.is_true(err:is_cancelled())
        assert.is_true(a:is_finished())
      end)
    end)

    it("does not stop a blocking function that runs", function()
      local r <close> = new()
      r:block_on(function()
        local begun, go = gate.new(), gate.new()
        local j = rt.spawn_blocking(function(a, b)
          gate.open(a)
          gate.pass(b)
          return "whole"
        end, begun, go)
        gate.pass(begun)
        j:abort()
        gate.open(go)
        assert.are.equal("whole", j:await())
        os.remove(begun)
        os.remove(go)
      end)
    end)

    it("keeps a queued blocking function from running", function()
      local r <close> = new { max_blocking_threads = 1 }
      local name = os.tmpname()
      r:block_on(function()
        local first = rt.spawn_blocking(function(file)
          local f
          repeat f = io.open(file .. ".go") until f
          f:close()
        end, name)
        local second = rt.spawn_blocking(function() return "ran" end)
        second:abort()
        io.open(name .. ".go", "w"):close()
        first:await()
        local ok, err = second:join()
        assert.is_false(ok)
        assert.is_true(err:is_cancelled())
      end)
      os.remove(name)
      os.remove(name .. ".go")
    end)
  end)

  describe("a blocking function", function()
    it("gives its values, a hundred times", function()
      local r <close> = new()
      r:block_on(function()
        for i = 1, 100 do
          assert.are.equal(i, rt.spawn_blocking(function(n)
            return n
          end, i):await())
        end
      end)
    end)

    it("may not be where a runtime is closed from a task", function()
      local r <close> = new()
      local inner = new()
      assert.has_error(function()
        r:block_on(function() inner:close() end)
      end)
      local ok, err = pcall(r.block_on, r, function() inner:close() end)
      assert.is_false(ok)
      assert.is_truthy(tostring(err):find("Cannot drop a runtime in a context"
        .. " where blocking is not allowed.", 1, true))
      inner:close()
    end)

    it("lets a runtime shut down in background inside a task", function()
      local r <close> = new()
      local inner = new()
      r:block_on(function()
        inner:shutdown_timeout(0)
        inner:shutdown_background()
      end)
      inner:close()
    end)
  end)

  describe("an id", function()
    it("is the JoinHandle's and the task's", function()
      local r <close> = new()
      r:block_on(function()
        local j = rt.spawn(function() return rt.task_id() end)
        local id = j:id()
        assert.are.equal(id, j:await())
        local b = rt.spawn_blocking(function() return rt.task_id() end)
        id = b:id()
        assert.are.equal(id, b:await())
      end)
    end)

    it("belongs to one task only", function()
      local r <close> = new()
      r:block_on(function()
        local seen = {}
        for _ = 1, 100 do
          local id = rt.spawn(function() return rt.task_id() end):await()
          assert.is_nil(seen[id])
          seen[id] = true
        end
      end)
    end)

    it("is not there outside of tasks", function()
      assert.is_nil(rt.try_task_id())
      assert.has_error(function() rt.task_id() end)
    end)

    it("is in the JoinHandle's text", function()
      local r <close> = new()
      local j = r:spawn(function() end)
      assert.are.equal(("rthandle.JoinHandle(id=%d)"):format(j:id()),
        tostring(j))
    end)
  end)

  describe("yield_now", function()
    it("lets the other ready tasks run", function()
      local r <close> = new()
      local order = {}
      r:block_on(function()
        local joins = {}
        for i = 1, 3 do
          joins[i] = rt.spawn_local(function()
            order[#order + 1] = i
            rt.yield_now()
            order[#order + 1] = i + 10
          end)
        end
        for _, j in ipairs(joins) do j:await() end
      end)
      assert.are.same({ 1, 2, 3 }, { order[1], order[2], order[3] })
      table.sort(order)
      assert.are.same({ 1, 2, 3, 11, 12, 13 }, order)
    end)

    it("outside of a runtime does nothing", function() rt.yield_now() end)
  end)
end)
