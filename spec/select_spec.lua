-- select, join, try_join, run_until_cancelled.
-- (Tokio: macros_select.rs, macros_join.rs, macros_try_join.rs)
local rt = require("rthandle")
local flavors = require("spec.support.flavors")

local function forever() rt.sleep(math.huge) end

flavors(describe, function(new)
  local function it_in(name, f)
    it(name, function()
      local r <close> = new()
      r:block_on(f)
    end)
  end

  describe("select", function()
    it_in("gives the key and the values of the first that ends", function()
      assert.are.same({ "fast", 1, nil, 3 }, { rt.select {
        slow = forever,
        fast = function()
          rt.yield_now()
          return 1, nil, 3
        end,
      } })
    end)

    it_in("takes the first of a list where several are ready", function()
      for _ = 1, 10 do
        assert.are.equal(2, (rt.select {
          forever, function() end, function() end }))
      end
    end)

    it_in("closes the functions that lose", function()
      local closed = false
      rt.select {
        function()
          local note <close> = setmetatable({}, {
            __close = function() closed = true end })
          rt.sleep(note and math.huge)
        end,
        rt.yield_now,
      }
      assert.is_true(closed)
    end)

    it_in("only leaves the awaitables that lose", function()
      local task = rt.spawn(function() rt.sleep(0.005) return "later" end)
      local tx, rx = rt.sync.mpsc(1)
      assert.are.equal(3, (rt.select { task, rx, rt.yield_now }))
      tx:send("kept")
      assert.are.equal("kept", rx:recv())
      assert.are.equal("later", task:await())
    end)

    it_in("runs the default when nothing is ready", function()
      local tx, rx = rt.sync.mpsc(1)
      local function poll()
        return rt.select { rx, default = function() return "none", 2 end }
      end
      assert.are.same({ "default", "none", 2 }, { poll() })
      tx:send("some")
      assert.are.same({ 1, "some" }, { poll() })
    end)

    it_in("lets the default suspend", function()
      assert.are.same({ "default", 5 }, { rt.select {
        forever, default = function()
          rt.yield_now()
          return 5
        end } })
    end)

    it_in("raises the error of the branch that fails first", function()
      assert.has_error(function()
        rt.select { forever, function() error("branch", 0) end }
      end, "branch")
    end)

    it_in("runs its branches as part of this task", function()
      local id = rt.task_id()
      local _, inner = rt.select { rt.task_id }
      assert.are.equal(id, inner)
    end)

    it_in("is left by an abort of its task", function()
      local closed = 0
      local task = rt.spawn_local(function()
        local function branch()
          local note <close> = setmetatable({}, {
            __close = function() closed = closed + 1 end })
          rt.sleep(note and math.huge)
        end
        rt.select { branch, branch }
      end)
      rt.yield_now()
      task:abort()
      assert.is_false((task:join()))
      assert.are.equal(2, closed)
    end)

    it_in("loses no message to a branch that loses", function()
      local tx, rx = rt.sync.mpsc(1)
      local sender = rt.spawn(function(out)
        for i = 1, 200 do out:send(i) end
        out:close()
      end, tx)
      tx:close()
      local expected = 1
      while true do
        local key, value = rt.select { rt.yield_now, rx }
        if key == 2 then
          if value == nil then break end
          assert.are.equal(expected, value)
          expected = expected + 1
        end
        key, value = rt.select { rx, rt.yield_now }
        if key == 1 then
          if value == nil then break end
          assert.are.equal(expected, value)
          expected = expected + 1
        end
      end
      assert.are.equal(201, expected)
      sender:await()
    end)

    it_in("refuses what is no branch", function()
      local function fails(message, ...)
        local ok, err = pcall(rt.select, ...)
        assert.is_false(ok)
        assert.matches(message, err, 1, true)
      end
      fails("select needs a branch", {})
      fails("branch 'x': function or awaitable expected, got number",
        { x = 1 })
      fails("default must be a function", { forever, default = 1 })
      fails("table expected")
    end)
  end)

  describe("join", function()
    it_in("gives the values of all, in order", function()
      local order = {}
      local a, b = rt.join(function()
        rt.yield_now()
        order[#order + 1] = "a"
        return 1, nil
      end, function() order[#order + 1] = "b" end)
      assert.are.same({ 1, n = 2 }, a)
      assert.are.same({ n = 0 }, b)
      assert.are.same({ "b", "a" }, order)
    end)

    it_in("waits for all before it raises", function()
      local ended = false
      assert.has_error(function()
        rt.join(function() error("first", 0) end, function()
          rt.yield_now()
          ended = true
        end)
      end, "first")
      assert.is_true(ended)
    end)

    it_in("cancels the rest on an error as try_join", function()
      local closed = false
      assert.has_error(function()
        rt.try_join(function()
          local note <close> = setmetatable({}, {
            __close = function() closed = true end })
          rt.sleep(note and math.huge)
        end, function()
          rt.yield_now()
          error("second", 0)
        end)
      end, "second")
      assert.is_true(closed)
    end)

    it_in("takes awaitables", function()
      local a, b = rt.try_join(rt.spawn(function() return 1 end),
        rt.spawn(function() return 2 end))
      assert.are.same({ 1, 2 }, { a[1], b[1] })
    end)
  end)

  describe("run_until_cancelled", function()
    it_in("gives the values of a function that ends first", function()
      local token = rt.CancellationToken.new()
      assert.are.same({ true, 1, 2 },
        { token:run_until_cancelled(function(...) return ... end, 1, 2) })
    end)

    it_in("ends a function when the token is cancelled", function()
      local token = rt.CancellationToken.new()
      local other = rt.spawn(function()
        return token:run_until_cancelled(rt.sleep, math.huge)
      end)
      token:cancel()
      assert.is_false((other:await()))
    end)
  end)
end)
