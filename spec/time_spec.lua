-- sleep, sleep_until, now, timeout, timeout_at, Sleep, awaitables.
-- (Tokio: time_sleep.rs, time_timeout.rs)
local rt = require("rthandle")
local flavors = require("spec.support.flavors")
local has = require("spec.support.has")

local SHUTDOWN = "a runtime was found, but it is being shut down"
local nan = 0 / 0

local function elapsed(f, ...)
  local before = rt.now()
  f(...)
  return rt.now() - before
end

flavors(describe, function(new)
  describe("sleep", function()
    it("is never early", function()
      local r <close> = new()
      r:block_on(function()
        for _, s in ipairs { 0.0001, 0.001, 0.0015, 0.01 } do
          assert.is_true(elapsed(rt.sleep, s) >= s)
        end
        local goal = rt.now() + 0.0055
        rt.sleep_until(goal)
        assert.is_true(rt.now() >= goal)
      end)
    end)

    it("answers nothing", function()
      local r <close> = new()
      r:block_on(function()
        assert.are.equal(0, select("#", rt.sleep(0)))
        assert.are.equal(0, select("#", rt.sleep(0.001)))
      end)
    end)

    it("of math.huge waits for ever", function()
      local r <close> = new()
      r:block_on(function()
        local j = rt.spawn(function() rt.sleep(math.huge) end)
        local k = rt.spawn(function() rt.sleep_until(math.huge) end)
        rt.sleep(0.002)
        assert.is_false(j:is_finished())
        assert.is_false(k:is_finished())
        for _, join in ipairs { j, k } do
          join:abort()
          local _, err = join:join()
          assert.is_true(err:is_cancelled())
        end
      end)
    end)

    it("lets other tasks run", function()
      local r <close> = new()
      r:block_on(function()
        local ran = false
        rt.spawn_local(function() ran = true end)
        rt.sleep(0.001)
        assert.is_true(ran)
      end)
    end)

    it("works in plain code under an EnterGuard", function()
      local r <close> = new()
      local guard <close> = r:enter()
      assert.is_true(elapsed(rt.sleep, 0.002) >= 0.002)
      assert.is_truthy(guard)
    end)

    it("works in a blocking function", function()
      local r <close> = new()
      assert.is_true(r:block_on(function()
        return rt.spawn_blocking(function()
          local before = rt.now()
          rt.sleep(0.002)
          return rt.now() - before >= 0.002
        end):await()
      end))
    end)
  end)

  describe("a time that is negative or NaN", function()
    for name, call in pairs {
      sleep = rt.sleep, sleep_until = rt.sleep_until,
      timeout = function(s) return rt.timeout(s, print) end,
      timeout_at = function(s) return rt.timeout_at(s, print) end,
      ["time.Sleep"] = rt.time.Sleep,
      ["Sleep:reset"] = function(s) rt.time.Sleep(1):reset(s) end,
    } do
      it("is an error in " .. name, function()
        local r <close> = new()
        r:block_on(function()
          for _, s in ipairs { -1, -0.001, nan, -math.huge, math.mininteger } do
            local ok, err = pcall(call, s)
            assert.is_false(ok)
            has(err, "seconds must be a number from 0")
          end
        end)
      end)

      it("must be a number in " .. name, function()
        local r <close> = new()
        r:block_on(function()
          for _, s in ipairs { "x", {}, true } do
            local ok, err = pcall(call, s)
            assert.is_false(ok)
            has(err, "number expected")
          end
        end)
      end)
    end
  end)

  describe("now", function()
    it("never goes back, and is a float", function()
      local r <close> = new()
      local last = rt.now()
      assert.are.equal("float", math.type(last))
      for _ = 1, 1000 do
        local now = rt.now()
        assert.is_true(now >= last)
        last = now
      end
      r:block_on(function() assert.is_true(rt.now() >= last) end)
    end)

    it("is the same clock in all threads", function()
      local r <close> = new()
      local a = rt.now()
      local b = r:block_on(r:spawn(function() return rt.now() end))
      local c = r:block_on(r:spawn_blocking(function() return rt.now() end))
      local d = rt.now()
      assert.is_true(a <= b and b <= c and c <= d)
    end)
  end)

  describe("timeout", function()
    it("gives true and the values of a function that is ready", function()
      local r <close> = new()
      r:block_on(function()
        assert.are.same({ n = 4, true, 1, nil, nil },
          table.pack(rt.timeout(10, function(...) return ... end, 1, nil, nil)))
        assert.are.same({ n = 1, true },
          table.pack(rt.timeout(10, function() end)))
      end)
    end)

    it("gives true and the values of a function that suspends", function()
      local r <close> = new()
      r:block_on(function()
        assert.are.same({ true, "slow" }, { rt.timeout(10, function()
          rt.sleep(0.001)
          rt.yield_now()
          return "slow"
        end) })
      end)
    end)

    it("gives false and Elapsed to one that is late", function()
      local r <close> = new()
      r:block_on(function()
        local t = table.pack(rt.timeout(0.002, rt.sleep, math.huge))
        assert.are.equal(2, t.n)
        assert.is_false(t[1])
        assert.are.equal("deadline has elapsed", tostring(t[2]))
      end)
    end)

    it("is never early", function()
      local r <close> = new()
      r:block_on(function()
        assert.is_true(elapsed(rt.timeout, 0.003, rt.sleep, math.huge)
          >= 0.003)
      end)
    end)

    it("a ready result wins over a passed deadline", function()
      local r <close> = new()
      r:block_on(function()
        assert.are.same({ true, 1 }, { rt.timeout(0, function()
          return 1
        end) })
        assert.are.same({ true, 2 }, { rt.timeout_at(0, function()
          return 2
        end) })
      end)
    end)

    it("of 0 ends what is not ready", function()
      local r <close> = new()
      r:block_on(function()
        assert.is_false((rt.timeout(0, rt.sleep, math.huge)))
        assert.is_false((rt.timeout_at(rt.now() - 1, rt.sleep, math.huge)))
      end)
    end)

    it("of math.huge never ends", function()
      local r <close> = new()
      r:block_on(function()
        assert.are.same({ true, 1 }, { rt.timeout(math.huge, function()
          rt.sleep(0.002)
          return 1
        end) })
        assert.are.same({ true, 1 }, { rt.timeout_at(math.huge, function()
          rt.sleep(0.002)
          return 1
        end) })
      end)
    end)

    it("passes errors through unchanged", function()
      local r <close> = new()
      r:block_on(function()
        local object = {}
        local ok, err = pcall(rt.timeout, 10, function() error(object) end)
        assert.is_false(ok)
        assert.are.equal(object, err)
        ok, err = pcall(rt.timeout, 10, function()
          rt.sleep(0.001)
          error(object)
        end)
        assert.is_false(ok)
        assert.are.equal(object, err)
      end)
    end)

    it("closes a function that loses, as abort does", function()
      local r <close> = new()
      r:block_on(function()
        local order = {}
        local function note(what)
          return setmetatable({}, {
            __close = function() order[#order + 1] = what end,
          })
        end
        local swallowed = false
        local ok = rt.timeout(0.001, function()
          local a <close> = note("outer")
          local b <close> = note("inner")
          pcall(rt.sleep, math.huge)
          swallowed = true
          return a, b
        end)
        assert.is_false(ok)
        assert.is_false(swallowed)
        assert.are.same({ "inner", "outer" }, order)
      end)
    end)

    it("raises an error of a __close in a function that loses", function()
      local r <close> = new()
      r:block_on(function()
        local ok, err = pcall(rt.timeout, 0.001, function()
          local a <close> = setmetatable({}, {
            __close = function() error("in close", 0) end,
          })
          rt.sleep(math.huge)
          return a
        end)
        assert.is_false(ok)
        assert.are.equal("in close", err)
      end)
    end)

    it("only stops waiting for an awaitable that loses", function()
      local r <close> = new()
      r:block_on(function()
        local gate = os.tmpname()
        os.remove(gate)
        local j = rt.spawn(function()
          local f
          repeat
            rt.yield_now()
            f = io.open(gate)
          until f
          f:close()
          return "later"
        end)
        assert.is_false((rt.timeout(0.001, j)))
        io.open(gate, "w"):close()
        assert.are.equal("later", j:await())
        assert.are.same({ true, "later" }, { rt.timeout(0, j) })
        os.remove(gate)
      end)
    end)

    it("takes every awaitable", function()
      local r <close> = new()
      r:block_on(function()
        assert.are.same({ true, 7 }, { rt.timeout(10, rt.spawn(function()
          return 7
        end)) })
        assert.are.same({ true }, { rt.timeout(10, rt.time.Sleep(0.001)) })
        local object = { value = 9 }
        function object:await()
          rt.sleep(0.001)
          return self.value, "own"
        end
        assert.are.same({ true, 9, "own" }, { rt.timeout(10, object) })
        local class = setmetatable({}, { __index = object })
        assert.are.same({ true, 9, "own" }, { rt.timeout(10, class) })
      end)
    end)

    it("raises the JoinError of a task that failed", function()
      local r <close> = new()
      r:block_on(function()
        local ok, err = pcall(rt.timeout, 10, rt.spawn(function()
          error("boom", 0)
        end))
        assert.is_false(ok)
        assert.are.equal("boom", err:into_panic())
      end)
    end)

    it("refuses what cannot be awaited", function()
      local r <close> = new()
      r:block_on(function()
        for _, value in ipairs { 1, "x", {}, { await = 1 }, io.stdout } do
          local ok, err = pcall(rt.timeout, 1, value)
          assert.is_false(ok)
          has(err, "function or awaitable expected")
        end
      end)
    end)

    it("runs its function as part of the calling task", function()
      local r <close> = new()
      r:block_on(function()
        local same = rt.spawn(function()
          local id = rt.task_id()
          local _, inside = rt.timeout(10, function()
            rt.sleep(0.001)
            return rt.task_id()
          end)
          return id == inside
        end):await()
        assert.is_true(same)
      end)
    end)

    it("is aborted with the task", function()
      local r <close> = new()
      r:block_on(function()
        local closed = false
        local j = rt.spawn_local(function()
          rt.timeout(1000, function()
            local a <close> = setmetatable({}, {
              __close = function() closed = true end,
            })
            rt.sleep(math.huge)
            return a
          end)
        end)
        rt.yield_now()
        j:abort()
        assert.is_false((j:join()))
        assert.is_true(closed)
      end)
    end)

    it("may be nested; the inner one comes first", function()
      local r <close> = new()
      r:block_on(function()
        local ok, inner, elapsed_ = rt.timeout(1000, function()
          return rt.timeout(0.001, rt.sleep, math.huge)
        end)
        assert.are.same({ true, false, "deadline has elapsed" },
          { ok, inner, tostring(elapsed_) })
        ok = rt.timeout(0.001, function()
          return rt.timeout(1000, rt.sleep, math.huge)
        end)
        assert.is_false(ok)
      end)
    end)

    it("is not kept from ending by a function that is always busy", function()
      local r <close> = new()
      r:block_on(function()
        assert.is_false((rt.timeout(0.003, function()
          while true do rt.yield_now() end
        end)))
        assert.is_false((rt.timeout(0.003, function()
          while true do rt.spawn_local(function() end):await() end
        end)))
      end)
    end)

    it("works in plain code under an EnterGuard", function()
      local r <close> = new()
      local guard <close> = r:enter()
      assert.are.same({ true, 1 }, { rt.timeout(10, function() return 1 end) })
      assert.is_false((rt.timeout(0.001, rt.sleep, math.huge)))
      assert.is_truthy(guard)
    end)

    it("works in a blocking function", function()
      local r <close> = new()
      r:block_on(function()
        local a, b = rt.spawn_blocking(function()
          local late = rt.timeout(0.001, rt.sleep, math.huge)
          return late, (rt.timeout(10, function() return 1 end))
        end):await()
        assert.is_false(a)
        assert.is_true(b)
      end)
    end)

    it("timeout_at takes a time of now()", function()
      local r <close> = new()
      r:block_on(function()
        local before = rt.now()
        assert.is_false((rt.timeout_at(before + 0.003, rt.sleep, math.huge)))
        assert.is_true(rt.now() >= before + 0.003)
        assert.are.same({ true, 4 }, { rt.timeout_at(before + 1000, function()
          return 4
        end) })
      end)
    end)

    it("an Elapsed moves to another thread", function()
      local r <close> = new()
      r:block_on(function()
        local _, e = rt.timeout(0, rt.sleep, math.huge)
        local text, back = rt.spawn(function(x)
          return tostring(x), x
        end, e):await()
        assert.are.equal("deadline has elapsed", text)
        assert.are.equal("deadline has elapsed", tostring(back))
      end)
    end)
  end)

  describe("a Sleep", function()
    it("ends at its deadline, and says so", function()
      local r <close> = new()
      r:block_on(function()
        local s = rt.time.Sleep(3600)
        assert.is_false(s:is_elapsed())
        local before = rt.now()
        s:reset(0.003)
        assert.is_true(s:deadline() >= before + 0.003)
        s:await()
        assert.is_true(s:is_elapsed())
        assert.is_true(rt.now() >= s:deadline())
      end)
    end)

    it("that has ended is ready again and again", function()
      local r <close> = new()
      r:block_on(function()
        local s = rt.time.Sleep(0)
        for _ = 1, 3 do s:await() end
        assert.is_true(s:is_elapsed())
      end)
    end)

    it("may be waited for by block_on", function()
      local r <close> = new()
      local guard <close> = r:enter()
      local s = rt.time.Sleep(0.002)
      r:block_on(s)
      assert.is_true(rt.now() >= s:deadline())
      assert.is_truthy(guard)
    end)

    it("may be waited for again after a timeout", function()
      local r <close> = new()
      r:block_on(function()
        local s = rt.time.Sleep(3600)
        assert.is_false((rt.timeout(0.001, s)))
        assert.is_false(s:is_elapsed())
        s:reset(0.001)
        s:await()
        assert.is_true(rt.now() >= s:deadline())
      end)
    end)

    it("may not be moved", function()
      local r <close> = new()
      r:block_on(function()
        local ok, err = pcall(rt.spawn, function() end, rt.time.Sleep(1))
        assert.is_false(ok)
        has(err, "cannot move argument #1: Sleep")
      end)
    end)

    it("of math.huge has that deadline", function()
      local r <close> = new()
      r:block_on(function()
        local s = rt.time.Sleep(math.huge)
        assert.are.equal(math.huge, s:deadline())
        assert.is_false((rt.timeout(0.001, s)))
      end)
    end)

    it("may be dropped while it runs", function()
      local r <close> = new()
      r:block_on(function()
        for _ = 1, 100 do
          local s = rt.time.Sleep(0.001)
          rt.timeout(0, s)
        end
        collectgarbage()
        rt.sleep(0.003)
      end)
    end)

    it("raises once the runtime was closed", function()
      local r = new()
      local s = r:block_on(function() return rt.time.Sleep(1000) end)
      local h = r:handle()
      r:close()
      local ok, err = pcall(h.block_on, h, s)
      assert.is_false(ok)
      has(err, SHUTDOWN)
    end)
  end)

  describe("once the runtime was closed", function()
    for name, call in pairs {
      sleep = function() rt.sleep(1) end,
      sleep_until = function() rt.sleep_until(rt.now() + 1) end,
      timeout = function() rt.timeout(1, rt.sleep, 10) end,
      timeout_at = function() rt.timeout_at(rt.now() + 1, rt.sleep, 10) end,
    } do
      it(name .. " raises", function()
        local r = new()
        local h = r:handle()
        r:close()
        local ok, err = pcall(h.block_on, h, call)
        assert.is_false(ok)
        has(err, SHUTDOWN)
      end)
    end

    it("a sleep that waits in a blocking function raises", function()
      local r = new()
      local name = os.tmpname()
      os.remove(name)
      r:spawn_blocking(function(file)
        io.open(file, "w"):close()
        local ok, err = pcall(rt.sleep, math.huge)
        local f <close> = io.open(file, "w")
        f:write(tostring(ok), " ", tostring(err))
      end, name)
      local f
      repeat f = io.open(name) until f
      f:close()
      r:close() -- waits for it
      f = io.open(name)
      has(f:read("a"), SHUTDOWN)
      f:close()
      os.remove(name)
    end)
  end)
end)

describe("block_on and timeout take any object that has await:", function()
  it("a table", function()
    local r <close> = rt.Runtime.new { flavor = "current_thread" }
    local object = {}
    function object:await(...)
      rt.yield_now()
      return self, ...
    end
    assert.are.same({ object, 1, 2 }, { r:block_on(object, 1, 2) })
    assert.are.same({ object, 1 }, { r:handle():block_on(object, 1) })
  end)

  it("a Sleep, a JoinHandle", function()
    local r <close> = rt.Runtime.new { flavor = "current_thread" }
    r:block_on(r:block_on(function() return rt.time.Sleep(0.001) end))
    assert.are.equal(1, r:block_on(r:spawn(function() return 1 end)))
  end)

  it("nothing else", function()
    local r <close> = rt.Runtime.new { flavor = "current_thread" }
    for _, value in ipairs { 1, "x", {}, true, r } do
      local ok, err = pcall(r.block_on, r, value)
      assert.is_false(ok)
      has(err, "function or awaitable expected")
    end
    assert.has_error(function() r:block_on() end)
  end)
end)
