-- task_local: values that belong to a task. (Tokio: task_local.rs)
local rt = require("rthandle")
local flavors = require("spec.support.flavors")

local UNSET =
  "cannot access a task-local storage value without setting it first"

local function unset(key)
  local ok, err = pcall(function() return key:get() end)
  assert.is_false(ok)
  assert.matches("task_local_spec.lua:%d+: " .. UNSET:gsub("-", "%%-"), err)
end

flavors(describe, function(new)
  local function it_in(name, f)
    it(name, function()
      local r <close> = new()
      r:block_on(f)
    end)
  end

  describe("a task-local value", function()
    it_in("is there in its scope, and only there", function()
      local key = rt.task_local()
      unset(key)
      assert.are.same({ 1, nil, 2 }, { key:scope(1, function(...)
        assert.are.equal(1, key:get())
        return key:get(), ...
      end, nil, 2) })
      unset(key)
    end)

    it_in("may be of any type, nil and false too", function()
      local key = rt.task_local()
      local object = {}
      assert.are.equal(object, key:scope(object, key.get, key))
      assert.is_nil(key:scope(nil, key.get, key))
      assert.is_false(key:scope(false, key.get, key))
    end)

    it_in("is shadowed by an inner scope, and comes back", function()
      local key, other = rt.task_local(), rt.task_local()
      local seen = {}
      local function look() seen[#seen + 1] = key:get() end
      key:scope(1, function()
        look()
        key:scope(2, function()
          look()
          other:scope(9, look)
        end)
        look()
        unset(other)
      end)
      assert.are.same({ 1, 2, 2, 1 }, seen)
    end)

    it_in("goes when its function fails", function()
      local key = rt.task_local()
      key:scope(1, function()
        assert.is_false((pcall(key.scope, key, 2, error)))
        assert.are.equal(1, key:get())
      end)
      unset(key)
    end)

    it_in("stays over suspensions, apart from that of other tasks", function()
      local key = rt.task_local()
      local function task(n)
        return key:scope(n, function()
          for _ = 1, 10 do
            rt.yield_now()
            assert.are.equal(n, key:get())
          end
          return key:get()
        end)
      end
      local tasks = {}
      for i = 1, 5 do tasks[i] = rt.spawn_local(task, i) end
      for i = 1, 5 do assert.are.equal(i, tasks[i]:await()) end
    end)

    it_in("is not there in a task that is spawned", function()
      local key = rt.task_local()
      key:scope(1, function()
        for _, spawn in ipairs { rt.spawn, rt.spawn_local,
          rt.spawn_blocking } do
          local ok, err = spawn(function() return key:get() end):join()
          assert.is_false(ok)
          assert.matches(UNSET, err:message(), 1, true)
        end
        local ok = pcall(rt.scope, function(s)
          s:spawn_local(function() return key:get() end)
        end)
        assert.is_false(ok)
      end)
    end)

    it_in("is there in the functions of timeout, select, join, scope",
      function()
        local key = rt.task_local()
        local function get()
          rt.yield_now()
          return key:get()
        end
        key:scope(1, function()
          assert.are.same({ true, 1 }, { rt.timeout(1, get) })
          assert.are.same({ 1, 1 }, { rt.select { get } })
          assert.are.equal(1, rt.join(get)[1])
          assert.are.equal(1, rt.try_join(get)[1])
          assert.are.equal(1, rt.scope(get))
          assert.are.same({ true, 2 }, { rt.timeout(1, function()
            return key:scope(2, get)
          end) })
          assert.are.same({ true, 1, 1 }, { rt.timeout(1, function()
            return rt.select { get }
          end) })
        end)
      end)

    it_in("is there in a __close, at the end and after an abort", function()
      local key, seen = rt.task_local(), {}
      local function body()
        key:scope("value", function()
          local note <close> = setmetatable({}, { __close = function()
            seen[#seen + 1] = key:get()
          end })
          rt.yield_now()
          if note.wait then rt.sleep(math.huge) end
          return note
        end)
      end
      rt.spawn_local(body):await()
      local task = rt.spawn_local(body)
      rt.yield_now()
      task:abort()
      task:join()
      assert.are.same({ "value", "value" }, seen)
    end)

    it_in("is there in a nested coroutine, and in its __close", function()
      local key, seen = rt.task_local(), {}
      local task = rt.spawn_local(function()
        key:scope("task", function()
          rt.coroutine.wrap(function()
            seen[1] = key:get()
            rt.yield_now()
            seen[2] = key:get()
            local note <close> = setmetatable({}, { __close = function()
              seen[4] = key:get()
            end })
            key:scope("inner", function()
              local also <close> = setmetatable({}, { __close = function()
                seen[3] = key:get()
              end })
              rt.sleep(note and also and math.huge)
            end)
          end)()
        end)
      end)
      for _ = 1, 3 do rt.yield_now() end
      task:abort()
      task:join()
      assert.are.same({ "task", "task", "inner", "task" }, seen)
    end)

    it_in("of an iterator does not leak out of it", function()
      local key = rt.task_local()
      key:scope("task", function()
        local step = rt.coroutine.wrap(function()
          key:scope("iterator", function()
            for _ = 1, 3 do rt.coroutine.yield(key:get()) end
          end)
        end)
        assert.are.equal("iterator", step())
        assert.are.equal("task", key:get())
        key:scope("later", function()
          assert.are.equal("iterator", step())
          assert.are.equal("later", key:get())
        end)
        step = nil -- luacheck: ignore
        collectgarbage()
        collectgarbage()
        assert.are.equal("task", key:get())
      end)
    end)

    it_in("has a key that moves: it is the same one there", function()
      local key = rt.task_local()
      local again, value = rt.spawn(function()
        return key, key:scope("there", function()
          rt.yield_now()
          return key:get()
        end)
      end):await()
      assert.are.equal("there", value)
      assert.is_true(again == key)
      assert.is_false(key == rt.task_local())
      assert.are.equal("here", again:scope("here", key.get, key))
      assert.matches("^rthandle.TaskLocal%(id=%d+%)$", tostring(key))
    end)

    it_in("names the line of misuse", function()
      local key = rt.task_local()
      for _, call in ipairs {
        function() key:scope(1) end, function() key:scope(1, 2) end,
        function() key:scope() end, function() key.get() end,
      } do
        local ok, err = pcall(call)
        assert.is_false(ok)
        assert.matches("task_local_spec.lua:%d+: bad argument", err)
      end
    end)
  end)
end)

describe("in plain code a task-local value", function()
  it("is there in its scope", function()
    local key = rt.task_local()
    assert.are.equal(2, key:scope(1, function()
      return key:scope(key:get() + 1, key.get, key)
    end))
    unset(key)
  end)

  it("is there in the function of block_on, not in tasks", function()
    local key = rt.task_local()
    local r <close> = rt.Runtime.new { flavor = "current_thread" }
    key:scope(1, function()
      r:block_on(function()
        rt.yield_now()
        assert.are.equal(1, key:get())
        assert.is_false((rt.spawn_local(function()
          return key:get()
        end):join()))
      end)
    end)
  end)

  it("is one of the thread of a blocking function", function()
    local key = rt.task_local()
    rt.main(function()
      assert.are.same({ 5, false }, { rt.spawn_blocking(function()
        local value = key:scope(5, function() return key:get() end)
        return value, (pcall(function() return key:get() end))
      end):await() })
    end)
  end)
end)
