-- How a script ends: leaving, os.exit, errors, and what is reported of runtimes
-- and guards.  Each case is a process of its own.
local ends = require("spec.support.ends")
local run, check, count = ends.run, ends.check, ends.count
local HEAD, FLAVORS = ends.HEAD, ends.FLAVORS

-- Code in front of scripts.
local BUSY = HEAD .. [[
local r = rt.Runtime.new { worker_threads = 2 }
for _ = 1, 2 do r:spawn(function() while true do end end) end
while r:metrics().workers[1].poll_count + r:metrics().workers[2].poll_count
  + r:metrics().global_queue_depth == 0 do end
]]
-- Starts n functions that never end, and waits until they have begun.
local BLOCKING = HEAD .. [[
local r = rt.Runtime.new { worker_threads = 1 }
local function block(n)
  for i = 1, n do
    local name, f = os.tmpname(), nil
    os.remove(name)
    r:spawn_blocking(function(file)
      io.open(file, "w"):close()
      while true do end
    end, name)
    repeat f = io.open(name) until f
    f:close()
    os.remove(name)
  end
end
]]
local BUSY_BLOCKING = BLOCKING .. "block(2)\n"

describe("leaving the script", function()
  for name, opts in pairs(FLAVORS) do
    it("with an idle " .. name .. " runtime is silent", function()
      check(HEAD .. ([[
        local r = rt.Runtime.new %s
        r:block_on(function() end)
      ]]):format(opts), "")
    end)

    it("with sleeping tasks on " .. name .. " is silent", function()
      check(HEAD .. ([[
        local r = rt.Runtime.new %s
        for _ = 1, 10 do
          r:spawn(function() rt.sleep(math.huge) end)
          r:spawn_local(function() rt.sleep(math.huge) end)
        end
        r:block_on(rt.yield_now)
      ]]):format(opts), "")
    end)

    it("with a runtime that never ran, on " .. name .. ", is silent",
      function()
        check(HEAD .. ([[
          local r = rt.Runtime.new %s
          r:spawn(function() return 1 end)
          local j = r:spawn_blocking(function() return 1 end)
          while not j:is_finished() do end -- one that runs is reported
          rt = r:handle()
        ]]):format(opts), "")
      end)
  end

  it("with busy workers does not wait for them", function()
    check(BUSY .. "print 'end'", "end\n")
  end)

  it("with busy blocking functions does not wait for them", function()
    local output, status = run(BUSY_BLOCKING .. "print 'end'")
    assert.are.equal("end\nrthandle: runtime collected without close:"
      .. " 2 blocking functions were still running\n", output)
    assert.are.equal(0, status)
  end)

  it("inside a block_on is silent", function()
    check(HEAD .. [[
      local r = rt.Runtime.new { worker_threads = 1 }
      r:block_on(function()
        rt.spawn(function() rt.sleep(math.huge) end)
        os.exit(4)
      end)
    ]], "", 4)
  end)

  it("with the process's own runtime is silent", function()
    check([[
      local async = require "rthandle.async_runtime"
      async.spawn(function() while true do end end)
      print(async.block_on(function() return "end" end))
    ]], "end\n")
  end)

  it("with several runtimes is silent", function()
    check(HEAD .. [[
      for i = 1, 5 do
        local r = rt.Runtime.new { worker_threads = i }
        r:spawn(function() rt.sleep(math.huge) end)
        _G["r" .. i] = r
      end
    ]], "")
  end)

  it("with a runtime, guards and JoinHandles in globals is silent", function()
    check(HEAD .. [[
      R = rt.Runtime.new { worker_threads = 1 }
      J = R:spawn(function() rt.sleep(math.huge) end)
      B = R:spawn_blocking(function() return 1 end)
      while not B:is_finished() do end -- one that runs is reported
      A = J:abort_handle()
      H = R:handle()
      S = H:block_on(function() return rt.time.Sleep(1) end)
      M = R:metrics()
    ]], "")
  end)
end)

describe("os.exit", function()
  for _, close in ipairs { "false", "true" } do
    describe("with close=" .. close, function()
      it("ends with busy workers", function()
        check(BUSY .. ("os.exit(3, %s)"):format(close), "", 3)
      end)

      it("ends with busy blocking functions", function()
        local output, status = run(BUSY_BLOCKING
          .. ("os.exit(3, %s)"):format(close))
        assert.are.equal(3, status)
        assert.are.equal(close == "true" and "rthandle: runtime collected"
          .. " without close: 2 blocking functions were still running\n" or "",
          output)
      end)

      it("ends with sleeping tasks", function()
        check(HEAD .. ([[
          local r = rt.Runtime.new { worker_threads = 2 }
          for _ = 1, 100 do r:spawn(function() rt.sleep(math.huge) end) end
          os.exit(3, %s)
        ]]):format(close), "", 3)
      end)

      it("ends inside block_on", function()
        check(BUSY .. ([[
          r:block_on(function() os.exit(3, %s) end)
        ]]):format(close), "", 3)
      end)

      for name, opts in pairs(FLAVORS) do
        it("ends inside a block_on with sleeping tasks on " .. name, function()
          check(HEAD .. ([[
            rt.main(function()
              rt.spawn(function() rt.sleep(math.huge) end)
              rt.spawn_local(function() rt.sleep(math.huge) end)
              rt.sleep(0.001)
              os.exit(3, %s)
            end, %s)
          ]]):format(close, opts), "", 3)
        end)

        it("ends inside a task on " .. name, function()
          check(HEAD .. ([[
            rt.main(function()
              rt.spawn(function() os.exit(3, %s) end)
              rt.sleep(math.huge)
            end, %s)
          ]]):format(close, opts), "", 3)
        end)

        it("ends inside a task of spawn_local on " .. name, function()
          check(HEAD .. ([[
            rt.main(function()
              rt.spawn_local(function() os.exit(3, %s) end)
              rt.sleep(math.huge)
            end, %s)
          ]]):format(close, opts), "", 3)
        end)

        it("ends inside a blocking function on " .. name, function()
          check(HEAD .. ([[
            rt.main(function()
              rt.spawn_blocking(function() os.exit(3, %s) end)
              rt.sleep(math.huge)
            end, %s)
          ]]):format(close, opts), "", 3)
        end)
      end
    end)
  end
end)

describe("an error in the main script", function()
  it("ends it with busy workers", function()
    local output, status = run(BUSY .. "error 'boom'")
    assert.are.equal(1, status)
    assert.is_truthy(output:find("s.lua:6: boom", 1, true))
  end)

  it("inside block_on ends it with busy workers", function()
    local output, status = run(BUSY .. "r:block_on(function() error 'boom' end)")
    assert.are.equal(1, status)
    assert.is_truthy(output:find("s.lua:6: boom", 1, true))
  end)

  it("passes through rt.main", function()
    local output, status = run(HEAD .. [[
      rt.main(function()
        rt.spawn(function() rt.sleep(math.huge) end)
        error 'boom'
      end)
    ]])
    assert.are.equal(1, status)
    assert.is_truthy(output:find("s.lua:4: boom", 1, true))
  end)

  it("closes a runtime that is a <close> variable", function()
    local output, status = run(HEAD .. [[
      local r <close> = rt.Runtime.new { flavor = "current_thread" }
      r:spawn_local(function()
        local guard <close> = setmetatable({}, {
          __close = function() print "closed" end,
        })
        rt.sleep(math.huge)
      end)
      r:block_on(rt.yield_now)
      error 'boom'
    ]])
    assert.are.equal(1, status)
    assert.are.equal("closed\n", output:match("closed\n"))
    assert.is_truthy(output:find("s.lua:10: boom", 1, true))
  end)
end)

describe("a runtime that is collected unclosed", function()
  it("does not block, and warns once of running blocking functions", function()
    check(BUSY_BLOCKING .. [[
      r = nil
      collectgarbage()
      collectgarbage()
      print "after"
      os.exit(0)
    ]], "rthandle: runtime collected without close: 2 blocking functions were"
      .. " still running\nafter\n")
  end)

  it("speaks of one blocking function in the singular", function()
    check(BLOCKING .. [[
      block(1)
      r = nil
      collectgarbage()
      os.exit(0)
    ]], "rthandle: runtime collected without close: 1 blocking function was"
      .. " still running\n")
  end)

  it("is silent where no blocking function runs", function()
    check(BUSY .. [[
      r:spawn_blocking(function() end):await()
      r = nil
      collectgarbage()
      print "after"
    ]], "after\n")
  end)

  it("cancels its tasks, though there are handles", function()
    check(HEAD .. [[
      local r = rt.Runtime.new { worker_threads = 1 }
      local h = r:handle()
      local j = r:spawn(function() rt.sleep(math.huge) end)
      r = nil
      collectgarbage()
      for _, task in ipairs { j, h:spawn(function() end) } do
        local ok, err = task:join()
        print(ok, err:is_cancelled())
      end
    ]], "false\ttrue\nfalse\ttrue\n")
  end)

  it("is silent once it was closed", function()
    check(BLOCKING .. [[
      block(1)
      r:shutdown_background()
      r = nil
      collectgarbage()
      os.exit(0)
    ]], "")
  end)
end)

describe("an EnterGuard that is collected unclosed", function()
  it("warns", function()
    local output, status = run(HEAD .. [[
      local r <close> = rt.Runtime.new { worker_threads = 1 }
      do local guard = r:enter() end
      collectgarbage()
      collectgarbage()
      print "after"
    ]])
    assert.are.equal(0, status)
    assert.are.equal(1, count(output, "EnterGuard collected without close"))
    assert.is_truthy(output:find("after", 1, true))
  end)

  it("leaves its handle current", function()
    local output = run(HEAD .. [[
      local r <close> = rt.Runtime.new { worker_threads = 1 }
      do local guard = r:enter() end
      collectgarbage()
      print(rt.Handle.current() == r:handle())
    ]])
    assert.is_truthy(output:match("\ntrue\n$"))
  end)
end)
