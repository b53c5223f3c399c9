-- Ctrl-C: it ends whatever waits, as in plain Lua.  Each case is a process of
-- its own.
local ends = require("spec.support.ends")
local run, check, count = ends.run, ends.check, ends.count
local HEAD, FLAVORS = ends.HEAD, ends.FLAVORS

-- A blocking function that sends the signal once the main thread sleeps.  (Not
-- os.execute: system() makes its own process deaf to the signal.)
local SIGNAL = [[
local function interrupt()
  local asleep
  repeat
    local stat = io.open "/proc/self/stat"
    asleep = not stat or stat:read "a":find "%) S"
    if stat then stat:close() end
  until asleep
  io.popen("kill -INT $PPID"):close()
end
]]

describe("Ctrl-C", function()
  local function interrupted(code)
    local output, status = run(HEAD .. SIGNAL .. code)
    assert.are.equal(1, status, output)
    assert.are.equal(1, count(output, "interrupted!"), output)
    assert.are.equal(0, count(output, "NOT REACHED"), output)
    return output
  end

  for name, opts in pairs(FLAVORS) do
    it("ends a waiting block_on on " .. name, function()
      interrupted(([[
        local r = rt.Runtime.new %s
        r:spawn_blocking(interrupt)
        r:block_on(function() rt.sleep(math.huge) end)
        print "NOT REACHED"
      ]]):format(opts))
    end)

    it("ends a block_on that waits for a task on " .. name, function()
      interrupted(([[
        local r = rt.Runtime.new %s
        r:spawn_blocking(interrupt)
        r:block_on(r:spawn(function() rt.sleep(math.huge) end))
        print "NOT REACHED"
      ]]):format(opts))
    end)

    it("ends a bare await on " .. name, function()
      interrupted(([[
        local r = rt.Runtime.new %s
        local j = r:spawn(function() rt.sleep(math.huge) end)
        r:spawn_blocking(interrupt)
        j:await()
        print "NOT REACHED"
      ]]):format(opts))
    end)

    it("ends a bare sleep on " .. name, function()
      interrupted(([[
        local r = rt.Runtime.new %s
        local guard <close> = r:enter()
        r:spawn_blocking(interrupt)
        rt.sleep(math.huge)
        print "NOT REACHED"
      ]]):format(opts))
    end)

    it("ends a busy root, where it next suspends, on " .. name, function()
      interrupted(([[
        local r = rt.Runtime.new %s
        r:block_on(function()
          rt.spawn_blocking(function()
            io.popen("kill -INT $PPID"):close()
          end)
          while true do rt.yield_now() end
        end)
        print "NOT REACHED"
      ]]):format(opts))
    end)

    it("ends a block_on inside a coroutine on " .. name, function()
      interrupted(([[
        local r = rt.Runtime.new %s
        r:spawn_blocking(interrupt)
        coroutine.wrap(function() r:block_on(rt.sleep, math.huge) end)()
        print "NOT REACHED"
      ]]):format(opts))
    end)

    it("ends a block_on of the handle on " .. name, function()
      interrupted(([[
        local r = rt.Runtime.new %s
        r:spawn_blocking(interrupt)
        r:handle():block_on(rt.sleep, math.huge)
        print "NOT REACHED"
      ]]):format(opts))
    end)

    it("ends rt.main on " .. name, function()
      interrupted(([[
        rt.main(function()
          rt.spawn_blocking(interrupt)
          rt.sleep(math.huge)
        end, %s)
        print "NOT REACHED"
      ]]):format(opts))
    end)

    it("ends a script with a <close> runtime on " .. name, function()
      interrupted(([[
        local r <close> = rt.Runtime.new %s
        r:spawn_blocking(interrupt)
        r:block_on(function() rt.sleep(math.huge) end)
        print "NOT REACHED"
      ]]):format(opts))
    end)

    it("ends a block_on whose tasks are always ready on " .. name, function()
      interrupted(([[
        local r = rt.Runtime.new %s
        r:block_on(function()
          rt.spawn(function() while true do rt.yield_now() end end)
          rt.spawn_local(function() while true do rt.yield_now() end end)
          rt.spawn_blocking(function()
            io.popen("kill -INT $PPID"):close()
          end)
          rt.sleep(math.huge)
        end)
        print "NOT REACHED"
      ]]):format(opts))
    end)
  end

  it("does not wait for busy workers", function()
    interrupted [[
      local r = rt.Runtime.new { worker_threads = 2 }
      for _ = 1, 2 do r:spawn(function() while true do end end) end
      r:spawn_blocking(interrupt)
      r:block_on(function() rt.sleep(math.huge) end)
    ]]
  end)

  it("does not wait for busy blocking functions", function()
    interrupted [[
      local r = rt.Runtime.new { worker_threads = 2 }
      r:spawn_blocking(function() while true do end end)
      r:spawn_blocking(interrupt)
      r:block_on(function() rt.sleep(math.huge) end)
    ]]
  end)

  it("does not wait for busy workers under rt.main", function()
    interrupted [[
      rt.main(function()
        for _ = 1, 2 do rt.spawn(function() while true do end end) end
        rt.spawn_blocking(interrupt)
        rt.sleep(math.huge)
      end, { worker_threads = 2 })
    ]]
  end)

  it("does not wait for busy workers of a <close> runtime", function()
    interrupted [[
      local r <close> = rt.Runtime.new { worker_threads = 2 }
      for _ = 1, 2 do r:spawn(function() while true do end end) end
      r:spawn_blocking(interrupt)
      r:block_on(function() rt.sleep(math.huge) end)
    ]]
  end)

  it("does not wait for busy blocking functions under rt.main", function()
    interrupted [[
      rt.main(function()
        rt.spawn_blocking(function() while true do end end)
        rt.spawn_blocking(interrupt)
        rt.sleep(math.huge)
      end)
    ]]
  end)

  it("ends a close that waits", function()
    interrupted [[
      local r = rt.Runtime.new { worker_threads = 1 }
      r:spawn_blocking(interrupt)
      r:spawn_blocking(function() while true do end end)
      r:spawn(function() while true do end end)
      repeat
        local m = r:metrics() -- nothing of it waits in a queue any more
      until m.blocking_queue_depth + m.global_queue_depth == 0
      r:close()
      print "NOT REACHED"
    ]]
  end)

  it("ends a shutdown_timeout that waits", function()
    interrupted [[
      local r = rt.Runtime.new { worker_threads = 1 }
      r:spawn_blocking(interrupt)
      r:spawn_blocking(function() while true do end end)
      repeat until r:metrics().blocking_queue_depth == 0
      r:shutdown_timeout(1000)
      print "NOT REACHED"
    ]]
  end)

  it("is an error that pcall catches, and the runtime goes on", function()
    check(HEAD .. SIGNAL .. [[
      local r <close> = rt.Runtime.new { worker_threads = 1 }
      local ok, err = pcall(function()
        r:spawn_blocking(interrupt)
        r:block_on(rt.sleep, math.huge)
      end)
      print(ok, (tostring(err):gsub("^.*: ", "")))
      print(r:block_on(r:spawn(function() return "on" end)))
    ]], "false\tinterrupted!\non\n")
  end)

  it("closes the function that waited", function()
    check(HEAD .. SIGNAL .. [[
      local r = rt.Runtime.new { worker_threads = 1 }
      local here = rt.sync.Notify()
      local j = r:spawn_blocking(function(n)
        n:notified()
        interrupt()
      end, here)
      print((pcall(r.block_on, r, function()
        local guard <close> = setmetatable({}, {
          __close = function() print "closed" end,
        })
        here:notify_one()
        rt.sleep(math.huge)
      end)))
      j:await()
      r:close()
    ]], "closed\nfalse\n")
  end)
end)
