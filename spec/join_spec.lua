-- JoinHandle, AbortHandle; spawn_with.
-- (Tokio: the JoinHandle parts of rt_common.rs, task_abort.rs)
local rt = require("rthandle")
local flavors = require("spec.support.flavors")
local has = require("spec.support.has")

-- f must raise an error that has this text.
local function raises(part, f, ...)
  local ok, err = pcall(f, ...)
  assert.is_false(ok)
  has(tostring(err), part)
end

-- A task for each kind that runs the function.
local KINDS = { "spawn", "local", "blocking" }
local function start(kind, f, ...)
  return rt.spawn_with({ kind = kind }, f, ...)
end

local function finish(j)
  while not j:is_finished() do rt.yield_now() end
end

flavors(describe, function(new)
  for _, kind in ipairs(KINDS) do
    describe(("a JoinHandle of kind '%s'"):format(kind), function()
      it("await gives all values, nils included", function()
        local r <close> = new()
        r:block_on(function()
          local j = start(kind, function(...) return ... end, nil, 1, nil)
          assert.are.same({ n = 3, nil, 1, nil }, table.pack(j:await()))
          assert.are.equal(0, select("#", start(kind, function() end):await()))
          assert.are.same({ n = 1 }, table.pack(start(kind, function()
            return nil
          end):await()))
        end)
      end)

      it("join puts true before the values", function()
        local r <close> = new()
        r:block_on(function()
          local j = start(kind, function() return nil, 2 end)
          assert.are.same({ n = 3, true, nil, 2 }, table.pack(j:join()))
          assert.are.same({ n = 1, true },
            table.pack(start(kind, function() end):join()))
        end)
      end)

      it("join answers false and the JoinError", function()
        local r <close> = new()
        r:block_on(function()
          local t = table.pack(start(kind, function()
            error("boom", 0)
          end):join())
          assert.are.equal(2, t.n)
          assert.is_false(t[1])
          assert.is_true(t[2]:is_panic())
        end)
      end)

      it("await raises the JoinError", function()
        local r <close> = new()
        r:block_on(function()
          local j = start(kind, function() error("boom", 0) end)
          local ok, err = pcall(j.await, j)
          assert.is_false(ok)
          assert.are.equal("boom", err:into_panic())
          assert.are.equal(j:id(), err:id())
        end)
      end)

      it("gives the very same objects each time", function()
        local r <close> = new()
        r:block_on(function()
          local j = start(kind, function() return {}, {}, "x" end)
          local a, b, c = j:await()
          for _ = 1, 3 do
            local ok, a2, b2, c2 = j:join()
            assert.is_true(ok)
            assert.is_true(rawequal(a, a2) and rawequal(b, b2))
            assert.are.equal(c, c2)
            assert.is_true(rawequal(a, (j:await())))
          end
        end)
      end)

      it("gives the very same JoinError each time", function()
        local r <close> = new()
        r:block_on(function()
          local j = start(kind, function() error {} end)
          local _, err = j:join()
          local _, again = j:join()
          local _, raised = pcall(j.await, j)
          assert.is_true(rawequal(err, again))
          assert.is_true(rawequal(err, raised))
          assert.is_true(rawequal(err:into_panic(), again:into_panic()))
        end)
      end)

      it("gives the very same objects to all who wait", function()
        local r <close> = new()
        r:block_on(function()
          local go = false
          local j = kind == "local"
            and start(kind, function()
              while not go do rt.yield_now() end
              return {}
            end)
            or start(kind, function() return {} end)
          local seen, waiters = {}, {}
          for i = 1, 5 do
            waiters[i] = rt.spawn_local(function() seen[i] = j:await() end)
          end
          rt.yield_now()
          go = true
          for _, w in ipairs(waiters) do w:await() end
          for i = 2, 5 do assert.is_true(rawequal(seen[1], seen[i])) end
          assert.is_true(rawequal(seen[1], (j:await())))
        end)
      end)

      it("fails all who wait with the very same JoinError", function()
        local r <close> = new()
        r:block_on(function()
          local j = start(kind, function() error("boom", 0) end)
          local seen, waiters = {}, {}
          for i = 1, 5 do
            waiters[i] = rt.spawn_local(function()
              local _, err = j:join()
              seen[i] = err
            end)
          end
          for _, w in ipairs(waiters) do w:await() end
          for i = 1, 5 do assert.is_true(rawequal(seen[1], seen[i])) end
          assert.are.equal("boom", seen[1]:into_panic())
        end)
      end)

      it("stays good for the others when one who waits is aborted", function()
        local r <close> = new()
        r:block_on(function()
          local j = start("local", function()
            for _ = 1, 5 do rt.yield_now() end
            return rt.spawn(function() return 7 end):await()
          end)
          local first = rt.spawn_local(function() return j:await() end)
          local second = rt.spawn_local(function() return j:await() end)
          local third = rt.spawn_local(function() return j:await() end)
          rt.yield_now()
          first:abort()
          third:abort()
          assert.are.equal(7, second:await())
          assert.are.equal(7, j:await())
          assert.is_false((first:join()))
          assert.is_false((third:join()))
        end)
      end)

      it("is_finished says whether the task has ended", function()
        local r <close> = new()
        r:block_on(function()
          local gate = os.tmpname()
          os.remove(gate)
          local j = start(kind, function(name)
            while true do
              local f = io.open(name)
              if f then
                f:close()
                return
              end
              if rt.worker_index() then rt.yield_now() end
            end
          end, gate)
          if kind == "local" then
            j:abort()
            j = start(kind, function() rt.yield_now() end)
          end
          assert.is_false(j:is_finished())
          io.open(gate, "w"):close()
          finish(j)
          assert.is_true(j:is_finished())
          j:await()
          assert.is_true(j:is_finished())
          os.remove(gate)
        end)
      end)

      it("shows its id, and its name if it has one", function()
        local r <close> = new()
        r:block_on(function()
          local j = start(kind, function() end)
          assert.are.equal(("rthandle.JoinHandle(id=%d)"):format(j:id()),
            tostring(j))
          local k = rt.spawn_with({ kind = kind, name = "sum" }, function()
          end)
          has(tostring(k), "sum")
          has(tostring(k), tostring(k:id()))
          assert.are.equal("integer", math.type(j:id()))
          j:await()
          k:await()
        end)
      end)

      it("may be dropped; the task goes on", function()
        local r <close> = new()
        local name = os.tmpname()
        os.remove(name)
        r:block_on(function()
          start(kind, function(file)
            if rt.worker_index() then rt.yield_now() end
            io.open(file, "w"):close()
          end, name)
          collectgarbage()
          local f
          repeat
            rt.yield_now()
            f = io.open(name)
          until f
          f:close()
        end)
        os.remove(name)
      end)

      it("ends cancelled after an abort, and abort may be repeated",
        function()
          local r <close> = new { max_blocking_threads = 1 }
          r:block_on(function()
            local gate = os.tmpname()
            os.remove(gate)
            -- Keeps the one blocking thread, so that the next one waits.
            local block = rt.spawn_blocking(function(name)
              local f
              repeat f = io.open(name) until f
              f:close()
            end, gate)
            local j = start(kind, function() rt.sleep(math.huge) end)
            j:abort()
            j:abort()
            io.open(gate, "w"):close()
            local ok, err = j:join()
            j:abort()
            assert.is_false(ok)
            assert.is_true(err:is_cancelled())
            block:await()
            os.remove(gate)
          end)
        end)

      it("is not changed by an abort once there is a result", function()
        local r <close> = new()
        r:block_on(function()
          local j = start(kind, function() return 1 end)
          local f = start(kind, function() error("boom", 0) end)
          j:await()
          f:join()
          j:abort()
          j:abort_handle():abort()
          f:abort()
          assert.are.equal(1, j:await())
          local _, err = f:join()
          assert.is_true(err:is_panic())
        end)
      end)
    end)
  end

  describe("moving", function()
    it("a JoinHandle hands the task over", function()
      local r <close> = new()
      r:block_on(function()
        local j = rt.spawn(function()
          rt.yield_now()
          return "value"
        end)
        assert.are.equal("value", rt.spawn(function(join)
          return join:await()
        end, j):await())
      end)
    end)

    it("a JoinHandle keeps its id", function()
      local r <close> = new()
      r:block_on(function()
        local j = rt.spawn(function() rt.sleep(math.huge) end)
        local id = j:id()
        local there, back = rt.spawn(function(join)
          return join:id(), join
        end, j):await()
        assert.are.equal(id, there)
        assert.are.equal(id, back:id())
        back:abort()
        assert.is_false((back:join()))
      end)
    end)

    it("a JoinHandle leaves the sender's empty", function()
      local r <close> = new()
      r:block_on(function()
        local j = rt.spawn(function() return 1 end)
        local other = rt.spawn(function(join) return join:await() end, j)
        for _, method in ipairs { "await", "join", "abort", "abort_handle",
          "is_finished", "id" } do
          raises("JoinHandle was moved", j[method], j)
        end
        assert.are.equal(1, other:await())
        raises("JoinHandle was moved", rt.spawn, function() end, j)
        assert.are.equal("string", type(tostring(j)))
      end)
    end)

    it("a JoinHandle in a table, or captured, works alike", function()
      local r <close> = new()
      r:block_on(function()
        local a = rt.spawn(function() return 1 end)
        local b = rt.spawn(function() return 2 end)
        assert.are.equal(3, rt.spawn(function(t)
          return t.join:await() + b:await()
        end, { join = a }):await())
        raises("JoinHandle was moved", a.id, a)
        raises("JoinHandle was moved", b.id, b)
      end)
    end)

    it("one that was awaited is refused", function()
      local r <close> = new()
      r:block_on(function()
        local j = rt.spawn(function() return 1 end)
        j:await()
        raises("cannot move argument #1: JoinHandle already awaited",
          rt.spawn, function() end, j)
        assert.are.equal(1, j:await())
      end)
    end)

    it("one that somebody waits on is refused", function()
      local r <close> = new()
      r:block_on(function()
        local j = rt.spawn(function() rt.sleep(math.huge) end)
        local waiter = rt.spawn_local(function() return j:join() end)
        rt.yield_now()
        raises("cannot move upvalue 'j': JoinHandle already awaited",
          rt.spawn, function() return j end)
        j:abort()
        assert.is_true((waiter:join()))
      end)
    end)

    it("one of a local task is refused", function()
      local r <close> = new()
      r:block_on(function()
        local j = rt.spawn_local(function() return 1 end)
        raises("cannot move argument #2: JoinHandle of a local task",
          rt.spawn, function() end, 1, j)
        assert.are.equal(1, j:await())
      end)
    end)

    it("a refused move leaves every other handle in place", function()
      local r <close> = new()
      r:block_on(function()
        local j = rt.spawn(function() return "kept" end)
        raises("cannot move argument #2: coroutine", rt.spawn, function() end,
          j, coroutine.create(print))
        assert.are.equal("kept", j:await())
      end)
    end)

    it("an AbortHandle shares the task, also a local one's", function()
      local r <close> = new()
      r:block_on(function()
        for _, kind in ipairs { "spawn", "local" } do
          local closed = {}
          local j = start(kind, function()
            rt.sleep(math.huge)
            return closed
          end)
          rt.yield_now()
          local a = j:abort_handle()
          local id = rt.spawn_blocking(function(abort)
            abort:abort()
            return abort:id()
          end, a):await()
          assert.are.equal(j:id(), id)
          assert.are.equal(j:id(), a:id())
          local ok, err = j:join()
          assert.is_false(ok)
          assert.is_true(err:is_cancelled())
          assert.is_true(a:is_finished())
        end
      end)
    end)
  end)

  describe("an AbortHandle", function()
    it("shows its id", function()
      local r <close> = new()
      r:block_on(function()
        local j = rt.spawn(function() end)
        assert.are.equal(("rthandle.AbortHandle(id=%d)"):format(j:id()),
          tostring(j:abort_handle()))
        j:await()
      end)
    end)

    it("of a task that has ended does nothing", function()
      local r <close> = new()
      r:block_on(function()
        for _, kind in ipairs(KINDS) do
          local j = start(kind, function() return 1 end)
          local a = j:abort_handle()
          j:await()
          local b = j:abort_handle()
          for _, abort in ipairs { a, b } do
            abort:abort()
            while not abort:is_finished() do rt.yield_now() end
            assert.are.equal(j:id(), abort:id())
          end
          assert.are.equal(1, j:await())
        end
      end)
    end)

    it("outlives the JoinHandle", function()
      local r <close> = new()
      r:block_on(function()
        local closed = false
        local a = rt.spawn_local(function()
          local guard <close> = setmetatable({}, {
            __close = function() closed = true end,
          })
          rt.sleep(math.huge)
          return guard
        end):abort_handle()
        rt.yield_now()
        collectgarbage()
        a:abort()
        while not a:is_finished() do rt.yield_now() end
        assert.is_true(closed)
      end)
    end)

    it("outlives the runtime", function()
      local r = new()
      local j = r:spawn(function() rt.sleep(math.huge) end)
      local a = j:abort_handle()
      r:close()
      a:abort()
      assert.is_true(a:is_finished())
      assert.are.equal(j:id(), a:id())
    end)
  end)

  describe("a wait outside of tasks", function()
    it("is a bare await, a join, or block_on of the JoinHandle", function()
      local r <close> = new()
      local t = {}
      local j = r:spawn(function() return 1, 2 end)
      assert.are.same({ 1, 2 }, { r:block_on(j) })
      assert.are.same({ 1, 2 }, { j:await() })
      assert.are.same({ true, 1, 2 }, { j:join() })
      assert.are.equal(t, r:spawn_local(function() return t end):await())
      assert.are.equal(3, r:spawn_blocking(function() return 3 end):await())
    end)

    it("raises the JoinError", function()
      local r <close> = new()
      local j = r:spawn(function() error("boom", 0) end)
      for _, wait in ipairs {
        function() return j:await() end, function() return r:block_on(j) end,
        function() return r:handle():block_on(j) end,
      } do
        local ok, err = pcall(wait)
        assert.is_false(ok)
        assert.are.equal("boom", err:into_panic())
      end
    end)

    it("in a blocking function waits for whoever drives", function()
      local r <close> = new()
      assert.are.equal("driven", r:block_on(function()
        return rt.spawn_blocking(function()
          return rt.spawn(function()
            rt.yield_now()
            return "driven"
          end):await()
        end):await()
      end))
    end)
  end)

  describe("a task that awaits itself", function()
    it("can still be aborted", function()
      local r <close> = new()
      r:block_on(function()
        local j
        j = rt.spawn_local(function() return j:await() end)
        rt.yield_now()
        assert.is_false(j:is_finished())
        j:abort()
        local _, err = j:join()
        assert.is_true(err:is_cancelled())
      end)
    end)
  end)

  describe("a result that may not be moved", function()
    it("fails the task, and the JoinError says which", function()
      local r <close> = new()
      r:block_on(function()
        for _, kind in ipairs { "spawn", "blocking" } do
          local ok, err = start(kind, function()
            return 1, coroutine.create(print)
          end):join()
          assert.is_false(ok)
          assert.is_true(err:is_panic())
          has(err:message(), "cannot move result #2: coroutine")
          ok, err = start(kind, function()
            return { file = { io.stdout } }
          end):join()
          assert.is_false(ok)
          has(err:message(), "cannot move result #1.file[1]: userdata (FILE*)")
        end
      end)
    end)
  end)
end)

describe("spawn_with", function()
  it("spawns, locally or for blocking, as told by kind", function()
    local r <close> = rt.Runtime.new { flavor = "current_thread" }
    r:block_on(function()
      local here_ = {}
      assert.are.equal(here_, rt.spawn_with({ kind = "local" }, function()
        return here_
      end):await())
      assert.are_not.equal(here_, rt.spawn_with({ kind = "spawn" },
        function() return here_ end):await())
      assert.are_not.equal(here_, rt.spawn_with({ kind = "blocking" },
        function() return here_ end):await())
      assert.are_not.equal(here_, rt.spawn_with({}, function()
        return here_
      end):await())
    end)
  end)

  it("is a method of Handle and Runtime as well", function()
    local r <close> = rt.Runtime.new { worker_threads = 1 }
    assert.are.equal(5, r:spawn_with({ name = "a" }, function(n)
      return n
    end, 5):await())
    assert.are.equal(6, r:handle():spawn_with({ name = "b" }, function(n)
      return n
    end, 6):await())
  end)

  it("lets a task assign private copies, with captures = \"copy\"", function()
    local r <close> = rt.Runtime.new { worker_threads = 1 }
    local count, results = 10, {}
    local function work(n)
      for i = 1, n do
        count = count + 1
        results[i] = i
      end
      return count, #results
    end
    raises("or allow private copies: spawn_with{ captures = \"copy\" }",
      r.spawn, r, work, 3)
    assert.are.same({ 13, 3 },
      { r:spawn_with({ captures = "copy" }, work, 3):await() })
    assert.are.equal(10, count)
    assert.are.same({}, results)
  end)

  it("keeps refusals 3 to 5 with captures = \"copy\"", function()
    local r <close> = rt.Runtime.new { worker_threads = 1 }
    local copy = { captures = "copy" }
    raises("assigns the global 'leaked'", r.spawn_with, r, copy, function()
      leaked = 1 -- luacheck: ignore 111
    end)
    raises("cannot move argument #1: coroutine", r.spawn_with, r, copy,
      function() end, coroutine.create(print))
  end)

  it("refuses unknown options and values", function()
    local r <close> = rt.Runtime.new { worker_threads = 1 }
    local function f() end
    raises("unknown spawn option 'nam'", r.spawn_with, r, { nam = "x" }, f)
    raises("unknown kind 'thread'", r.spawn_with, r, { kind = "thread" }, f)
    raises("unknown captures 'share'", r.spawn_with, r,
      { captures = "share" }, f)
    raises("name must be a string", r.spawn_with, r, { name = 1 }, f)
    raises("table expected", r.spawn_with, r, "name", f)
    raises("function expected", r.spawn_with, r, {}, 1)
  end)
end)
