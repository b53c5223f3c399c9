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
      local go, gone = rt.sync.oneshot()
      local task = rt.spawn(function(from) return from:recv() end, gone)
      local tx, rx = rt.sync.mpsc(1)
      assert.are.equal(3, (rt.select { task, rx, rt.yield_now }))
      go:send("later")
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

    it_in("leaves out a branch that is nil", function()
      assert.are.same({ 2, "second" }, { rt.select {
        nil, function() return "second" end } })
      assert.are.same({ "default" }, { rt.select {
        default = function() end } })
    end)

    it_in("may be in another, and is closed with it", function()
      local closed = false
      local function inner()
        local note <close> = setmetatable({}, {
          __close = function() closed = true end })
        rt.sleep(note and math.huge)
      end
      assert.are.equal("quick", (rt.select {
        slow = function() return rt.select { inner, forever } end,
        quick = function()
          rt.yield_now()
          rt.yield_now()
        end,
      }))
      assert.is_true(closed)
      assert.are.same({ "a", "b", 1 }, { rt.select {
        a = function()
          return rt.select { b = function() return 1 end, c = forever }
        end } })
    end)

    it_in("takes every kind of awaitable", function()
      local tx, rx = rt.sync.mpsc(1)
      local otx, orx = rt.sync.oneshot()
      local token = rt.CancellationToken.new()
      local notify = rt.sync.Notify()
      local object = { await = function() return "object" end }
      tx:send("message")
      otx:send("once")
      token:cancel()
      notify:notify_one()
      assert.are.same({ 1, "task" }, { rt.select {
        rt.spawn(function() return "task" end) } })
      assert.are.same({ 1 }, { rt.select { rt.time.Sleep(0) } })
      assert.are.same({ 1, "message" }, { rt.select { rx } })
      assert.are.same({ 1, "once" }, { rt.select { orx } })
      assert.are.same({ 1 }, { rt.select { token } })
      assert.are.same({ 1 }, { rt.select { notify } })
      assert.are.same({ 1, "object" }, { rt.select { object } })
      local btx, brx = rt.sync.broadcast(1)
      local wtx, wrx = rt.sync.watch(1)
      btx:send("told")
      wtx:send(2)
      assert.are.same({ 1, "told" }, { rt.select { brx } })
      assert.are.same({ 1, true }, { rt.select { wrx } })
    end)

    it_in("lets no branch use up the turn of the others", function()
      local ready = rt.spawn_local(function() end)
      ready:await()
      local spins = 0
      local key = rt.select {
        busy = function()
          while true do
            ready:await()
            spins = spins + 1
          end
        end,
        other = function() for _ = 1, 20 do ready:await() end end,
      }
      assert.are.equal("other", key)
      assert.is_true(spins < 1e6)
    end)

    it_in("refuses what is no branch", function()
      local function fails(message, ...)
        local ok, err = pcall(rt.select, ...)
        assert.is_false(ok)
        assert.matches(message, err, 1, true)
      end
      fails("select needs a branch", {})
      fails("all branches are disabled and there is no else branch", {})
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

    it_in("lets no function use up the turn of the others", function()
      local ready = rt.spawn_local(function() end)
      ready:await()
      local stop = false
      rt.join(function()
        while not stop do ready:await() end
      end, function()
        for _ = 1, 20 do ready:await() end
        stop = true
      end)
      assert.is_true(stop)
    end)

    it_in("runs its functions as part of this task", function()
      local id = rt.task_id()
      for _, f in ipairs { rt.join, rt.try_join } do
        assert.are.equal(id, f(rt.task_id)[1])
      end
    end)

    it_in("is left by an abort of its task", function()
      for _, f in ipairs { rt.join, rt.try_join } do
        local closed = 0
        local task = rt.spawn_local(function()
          local function part()
            local note <close> = setmetatable({}, {
              __close = function() closed = closed + 1 end })
            rt.sleep(note and math.huge)
          end
          f(part, part)
        end)
        rt.yield_now()
        task:abort()
        assert.is_true(select(2, task:join()):is_cancelled())
        assert.are.equal(2, closed)
      end
    end)

    it_in("of nothing gives nothing", function()
      assert.are.equal(0, select("#", rt.join()))
      assert.are.equal(0, select("#", rt.try_join()))
    end)

    it_in("names the line of misuse", function()
      for _, f in ipairs { rt.join, rt.try_join } do
        local ok, err = pcall(function() f(print, 1) end)
        assert.is_false(ok)
        assert.matches(
          "select_spec.lua:%d+: .*#2 .*function or awaitable expected", err)
      end
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

    it_in("does not begin where the token is cancelled already", function()
      local token = rt.CancellationToken.new()
      token:cancel()
      local began = false
      assert.are.same({ false },
        { token:run_until_cancelled(function() began = true end) })
      assert.is_false(began)
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
