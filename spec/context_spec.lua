-- What code knows of where it runs: task_id, worker_index, the current handle;
-- and where local tasks run.  (Tokio: task_id.rs, rt_worker_index.rs)
local rt = require("rthandle")
local flavors = require("spec.support.flavors")

flavors(describe, function(new, opts)
  describe("task_id", function()
    it("is the JoinHandle's in every kind of task", function()
      local r <close> = new()
      r:block_on(function()
        for _, kind in ipairs { "spawn", "local", "blocking" } do
          local j = rt.spawn_with({ kind = kind }, function()
            return rt.task_id(), rt.try_task_id()
          end)
          local id = j:id()
          assert.are.same({ id, id }, { j:await() })
        end
      end)
    end)

    it("stays the same over suspensions", function()
      local r <close> = new()
      r:block_on(function()
        for _, kind in ipairs { "spawn", "local" } do
          assert.is_true(rt.spawn_with({ kind = kind }, function()
            local id = rt.task_id()
            rt.yield_now()
            local same = id == rt.task_id()
            rt.sleep(0.001)
            return same and id == rt.task_id()
          end):await())
        end
      end)
    end)

    it("is the task's again after it awaited a local one", function()
      local r <close> = new()
      r:block_on(r:spawn(function()
        local id = rt.task_id()
        local inner = rt.spawn_local(function()
          assert(rt.task_id() ~= id)
          return rt.task_id()
        end):await()
        assert(inner ~= id and rt.task_id() == id)
      end))
    end)

    it("is the task's in a __close, at the end and after an abort", function()
      local r <close> = new()
      r:block_on(function()
        local seen = {}
        local function guard()
          return setmetatable({}, {
            __close = function() seen[#seen + 1] = rt.try_task_id() end,
          })
        end
        local j = rt.spawn_local(function()
          local g <close> = guard()
          rt.yield_now()
          return g ~= nil
        end)
        local k = rt.spawn_local(function()
          local g <close> = guard()
          rt.sleep(math.huge)
          return g ~= nil
        end)
        j:await()
        k:abort()
        k:join()
        assert.are.same({ j:id(), k:id() }, seen)
      end)
    end)

    it("is not there outside of the runtime", function()
      local r <close> = new()
      local guard <close> = r:enter()
      assert.is_nil(rt.try_task_id())
      assert.has_error(rt.task_id)
      assert.is_truthy(guard)
    end)

    it("is never used twice, by tasks of all kinds and runtimes", function()
      local r <close> = new()
      local other <close> = new()
      local seen = {}
      for _ = 1, 50 do
        for _, kind in ipairs { "spawn", "local", "blocking" } do
          for _, runtime in ipairs { r, other } do
            local id = runtime:spawn_with({ kind = kind }, function() end):id()
            assert.is_nil(seen[id])
            seen[id] = true
          end
        end
      end
    end)
  end)

  describe("worker_index", function()
    it("is from 1 to the number of workers in a task of theirs", function()
      local r <close> = new()
      local n = opts.worker_threads or 1
      for _ = 1, 20 do
        local i = r:block_on(r:spawn(function()
          rt.yield_now()
          return rt.worker_index()
        end))
        assert.is_true(i >= 1 and i <= n)
      end
    end)

    it("is 1 on the thread that drives a current_thread runtime", function()
      local r <close> = new()
      local drives = opts.flavor == "current_thread" and 1 or nil
      local function index() return rt.worker_index() end
      assert.are.equal(drives, r:block_on(index))
      assert.are.equal(drives, r:block_on(r:spawn_local(index)))
      assert.is_nil(r:handle():block_on(index)) -- which drives only itself
    end)

    it("is nil outside of workers", function()
      local r <close> = new()
      r:block_on(function() end)
      assert.is_nil(rt.worker_index())
      assert.is_nil((r:block_on(r:spawn_blocking(function()
        return rt.worker_index()
      end))))
    end)

    it("never changes for a task that has started", function()
      local r <close> = new()
      local joins = {}
      for i = 1, 50 do
        joins[i] = r:spawn(function()
          local index = rt.worker_index()
          for _ = 1, 20 do
            rt.yield_now()
            if rt.worker_index() ~= index then return false end
          end
          rt.sleep(0.001)
          return rt.worker_index() == index
        end)
      end
      r:block_on(function()
        for _, j in ipairs(joins) do assert.is_true(j:await()) end
      end)
    end)
  end)

  describe("the current handle", function()
    it("is the runtime's in each kind of task", function()
      local r <close> = new()
      local h = r:handle()
      r:block_on(function()
        assert.are.equal(h, rt.Handle.current())
        for _, kind in ipairs { "spawn", "local", "blocking" } do
          assert.is_true(rt.spawn_with({ kind = kind }, function()
            return rt.Handle.current() == h and rt.Handle.try_current() == h
          end):await())
        end
      end)
      assert.is_nil((rt.Handle.try_current()))
    end)

    it("in a task follows what the task enters, over suspensions", function()
      local r <close> = new()
      local other <close> = new()
      local h, mine = other:handle(), r:handle()
      r:block_on(r:spawn(function()
        do
          local guard <close> = h:enter()
          assert(rt.Handle.current() == h)
          rt.yield_now()
          rt.sleep(0.001)
          assert(rt.Handle.current() == h and guard)
          if h:runtime_flavor() == "multi_thread" then -- else nobody drives
            assert(rt.spawn(function()
              return rt.Handle.current() == h
            end):await())
          end
        end
        assert(rt.Handle.current() == mine)
      end))
    end)

    it("that a task entered and left open ends with the task", function()
      local r <close> = new()
      local other <close> = new()
      local h, mine = other:handle(), r:handle()
      r:block_on(function()
        rt.spawn_local(function() return h:enter() end):await()
        assert.are.equal(mine, rt.Handle.current())
      end)
    end)

    it("in plain code is that of this Lua state only", function()
      local r <close> = new()
      local other <close> = new()
      local h = other:handle()
      local guard <close> = other:enter()
      assert.are.equal(h, rt.Handle.current())
      assert.is_false(r:block_on(r:spawn_blocking(function()
        return rt.Handle.current() == h
      end)))
      assert.is_truthy(guard)
    end)

    it("inside block_on is the runtime's, whatever was entered", function()
      local r <close> = new()
      local other <close> = new()
      local guard <close> = other:enter()
      assert.are.equal(r:handle(), r:block_on(function()
        return rt.Handle.current()
      end))
      assert.are.equal(other:handle(), rt.Handle.current())
      assert.is_truthy(guard)
    end)
  end)

  describe("a local task", function()
    it("shares what it captures", function()
      local r <close> = new()
      local list = {}
      r:block_on(function()
        for i = 1, 3 do rt.spawn_local(function() list[i] = i end) end
        rt.yield_now()
      end)
      assert.are.same({ 1, 2, 3 }, list)
    end)

    it("waits for the next block_on while nobody is in one", function()
      local r <close> = new()
      local ran, go = 0, rt.sync.Notify()
      local j = r:spawn_local(function()
        ran = ran + 1
        go:notified()
        ran = ran + 1
      end)
      assert.are.equal(0, ran)
      r:block_on(rt.yield_now)
      assert.are.equal(1, ran)
      go:notify_one()
      assert.are.equal(1, ran)
      r:block_on(j)
      assert.are.equal(2, ran)
    end)

    it("runs in a bare wait of its runtime", function()
      local r <close> = new()
      local ran = false
      r:spawn_local(function() ran = true end)
      r:spawn_blocking(function() end):await()
      r:spawn_local(function() end):await()
      assert.is_true(ran)
    end)

    it("in a task stays on that worker, in that state", function()
      local r <close> = new()
      assert.is_true(r:block_on(r:spawn(function()
        local shared, index = {}, rt.worker_index()
        local joins = {}
        for i = 1, 10 do
          joins[i] = rt.spawn_local(function()
            rt.sleep(0.001)
            shared[i] = rt.worker_index()
          end)
        end
        for _, j in ipairs(joins) do j:await() end
        for i = 1, 10 do if shared[i] ~= index then return false end end
        return true
      end)))
    end)

    it("outlives the task that spawned it", function()
      local r <close> = new()
      local ran = false
      r:block_on(function()
        rt.spawn_local(function()
          rt.spawn_local(function()
            rt.sleep(0.001)
            ran = true
          end)
        end):await()
        while not ran do rt.yield_now() end
      end)
    end)

    it("of another runtime runs while that one is waited for", function()
      local r <close> = new()
      local other <close> = new()
      local ran = false
      local j = r:block_on(function()
        return other:spawn_local(function() ran = true end)
      end)
      assert.is_false(ran)
      other:block_on(j)
      assert.is_true(ran)
    end)

    describe("of another runtime, in a task of this thread,", function()
      -- f(other) would wait for what only a block_on of `other` can run.
      local function refuses(name, f)
        it(name, function()
          local r <close> = new()
          local other <close> = new()
          local task = r:block_on(function()
            assert.matches("context_spec.lua:%d+: cannot wait here for a "
              .. "local task of another runtime", select(2, pcall(f, other)))
            return other:spawn_local(function() return "later" end)
          end)
          assert.are.equal("later", other:block_on(task))
        end)
      end

      refuses("cannot be awaited", function(other)
        local value = other:spawn_local(error):await()
        return value
      end)

      refuses("cannot be waited for with a deadline", function(other)
        rt.timeout(1, function()
          local value = other:spawn_local(error):join()
          return value
        end)
      end)

      refuses("cannot be one of a scope", function(other)
        local guard <close> = other:enter()
        rt.scope(function(s)
          local task = s:spawn_local(error)
          return guard, task
        end)
      end)

      refuses("cannot be one of a JoinSet", function(other)
        local guard <close> = other:enter()
        local set <close> = rt.JoinSet.new()
        local task = set:spawn_local(error)
        return guard, task
      end)

      it("can be seen once it has ended", function()
        local r <close> = new()
        local other <close> = new()
        local task = other:spawn_local(function() return "value" end)
        other:block_on(rt.yield_now)
        assert.are.equal("value", r:block_on(task))
      end)
    end)

    it("passes arguments and values as they are", function()
      local r <close> = new()
      local object, co = {}, coroutine.create(print)
      r:block_on(function()
        assert.are.same({ n = 4, object, nil, co, nil },
          table.pack(rt.spawn_local(function(...) return ... end, object, nil,
            co, nil):await()))
      end)
    end)

    it("many, each awaiting the next, end", function()
      local r <close> = new()
      local function chain(n)
        if n == 0 then return 0 end
        return 1 + rt.spawn_local(chain, n - 1):await()
      end
      assert.are.equal(1000, r:block_on(chain, 1000))
    end)
  end)
end)
