-- Failures that nobody will see: reported once, with a traceback, on standard
-- error.  Each case is a process of its own.
local ends = require("spec.support.ends")
local run, check, count = ends.run, ends.check, ends.count
local script = require("spec.support.script")
local HEAD, FLAVORS = ends.HEAD, ends.FLAVORS

describe("a failure that nobody will see", function()
  for name, opts in pairs(FLAVORS) do
    it("is reported once, with its traceback, on " .. name, function()
      local output, status = run(HEAD .. ([[
        local r <close> = rt.Runtime.new %s
        local function deep() error "boom" end
        r:block_on(function()
          rt.spawn(function()
            deep()
            return 1
          end)
          while rt.Handle.current():metrics().num_alive_tasks > 0 do
            rt.yield_now()
          end
        end)
        collectgarbage()
      ]]):format(opts))
      assert.are.equal(0, status)
      assert.are.equal(1, count(output, "boom"), output)
      assert.is_truthy(output:match("^rthandle: task %d+ panicked: "
        .. "[^\n]*s.lua:3: boom\nstack traceback:\n"), output)
      assert.is_truthy(output:find("s.lua:6: in", 1, true), output)
    end)

    it("is silent with \"ignore\" on " .. name, function()
      check(HEAD .. ([[
        local opts = %s
        opts.unhandled_panic = "ignore"
        local r <close> = rt.Runtime.new(opts)
        r:spawn(function() error "boom" end)
        r:spawn_blocking(function() error "boom" end)
        r:spawn_local(function() error "boom" end)
        r:block_on(function()
          while rt.Handle.current():metrics().num_alive_tasks > 0 do
            rt.yield_now()
          end
        end)
      ]]):format(opts), "")
    end)

    it("is reported for a blocking function on " .. name, function()
      local output, status = run(HEAD .. ([[
        local r <close> = rt.Runtime.new %s
        r:spawn_blocking(function() error "boom" end)
        local m
        repeat m = r:metrics() until m.num_idle_blocking_threads == 1
        r:block_on(function() end)
        collectgarbage()
      ]]):format(opts))
      assert.are.equal(0, status)
      assert.are.equal(1, count(output, "s.lua:3: boom"), output)
    end)

    it("is reported for a task of spawn_local on " .. name, function()
      local output, status = run(HEAD .. ([[
        local r <close> = rt.Runtime.new %s
        r:block_on(function()
          rt.spawn_local(function() error "boom" end)
          rt.yield_now()
        end)
        collectgarbage()
      ]]):format(opts))
      assert.are.equal(0, status)
      assert.are.equal(1, count(output, "s.lua:4: boom"), output)
    end)

    it("is reported when its JoinHandle is dropped later, on " .. name,
      function()
        local output, status = run(HEAD .. ([[
          local r <close> = rt.Runtime.new %s
          local j = r:spawn(function() error "boom" end)
          r:block_on(function()
            while not j:is_finished() do rt.yield_now() end
          end)
          print "before"
          j = nil
          collectgarbage()
          print "after"
        ]]):format(opts))
        assert.are.equal(0, status)
        assert.is_truthy(output:match("^before\nrthandle: task .*after\n$"),
          output)
      end)

    it("is reported by the end of the script on " .. name, function()
      local output = run(HEAD .. ([[
        local r <close> = rt.Runtime.new %s
        J = r:spawn(function() error "boom" end)
        r:block_on(function()
          while not J:is_finished() do rt.yield_now() end
        end)
      ]]):format(opts))
      assert.are.equal(1, count(output, "boom"), output)
    end)

    it("is not reported once it was joined, on " .. name, function()
      check(HEAD .. ([[
        local r <close> = rt.Runtime.new %s
        r:block_on(function()
          for _, spawn in ipairs { rt.spawn, rt.spawn_blocking,
            rt.spawn_local } do
            print((spawn(function() error "boom" end):join()))
          end
        end)
      ]]):format(opts), "false\nfalse\nfalse\n")
    end)
  end

  it("is reported on standard error, and warn has no say in it", function()
    local folder = script.folder { ["s.lua"] = HEAD .. [[
      warn "@off"
      local r <close> = rt.Runtime.new { worker_threads = 1 }
      r:spawn(function() error "boom" end)
      do local guard = r:enter() end
      collectgarbage()
      r:block_on(function()
        while r:metrics().num_alive_tasks > 0 do rt.yield_now() end
      end)
      print "output"
    ]] }
    local command = script.command_line(folder .. "/s.lua")
    local output = script.command(command .. " 2>/dev/null")
    local errors = script.command("exec 3>&1; { " .. command
      .. "; } 2>&1 >/dev/null")
    script.remove(folder)
    assert.are.equal("output\n", output)
    assert.are.equal(1, count(errors, "panicked"), errors)
    assert.are.equal(1, count(errors, "collected without close"), errors)
    assert.are.equal(0, count(errors, "output"))
  end)

  it("is reported while block_on waits", function()
    local output, status = run(HEAD .. [[
      rt.main(function()
        collectgarbage "stop" -- none by chance
        local dropped = setmetatable({}, { __mode = "v" })
        dropped[1] = rt.spawn(function() error "boom" end)
        local ended = dropped[1]:abort_handle()
        while not ended:is_finished() do rt.yield_now() end
        repeat rt.sleep(0.001) until not dropped[1]
        print "after"
      end)
    ]])
    assert.are.equal(0, status)
    assert.is_truthy(output:match("boom.*after"), output)
  end)

  it("is reported where a thread dropped it, though that sleeps by then",
    function()
      local output, status = run(HEAD .. [[
        local r <close> = rt.Runtime.new { worker_threads = 1 }
        local fail, collected = rt.sync.Notify(), rt.sync.Notify()
        r:block_on(r:spawn(function(fail, collected)
          collectgarbage "stop" -- none by chance
          setmetatable({}, { __gc = function() collected:notify_one() end })
          rt.spawn_blocking(function(fail)
            fail:notified()
            error "boom"
          end, fail)
        end, fail, collected))
        r:block_on(collected) -- the worker has nothing to do
        fail:notify_one()
        while r:metrics().num_idle_blocking_threads == 0 do end
        io.stderr:write "after\n"
      ]])
      assert.are.equal(0, status)
      assert.is_truthy(output:match("boom.*after"), output)
    end)

  it("shuts a current_thread runtime down, when told so", function()
    local output, status = run(HEAD .. [[
      local r <close> = rt.Runtime.new {
        flavor = "current_thread", unhandled_panic = "shutdown_runtime",
      }
      r:block_on(function()
        rt.spawn(function() error "boom" end)
        rt.sleep(math.huge)
      end)
    ]])
    assert.are.equal(1, status)
    assert.is_truthy(output:find("a spawned task panicked and the runtime is"
      .. " configured to shut down on unhandled panic", 1, true), output)
  end)

  it("names the task, where it has a name", function()
    local output = run(HEAD .. [[
      rt.main(function()
        local j = rt.spawn_with({ name = "fetcher" }, function()
          error "boom"
        end)
        while not j:is_finished() do rt.yield_now() end
      end)
    ]])
    assert.is_truthy(output:match("^rthandle: task %d+ %(fetcher%) panicked:"),
      output)
  end)

  it("is reported in one piece, however many there are", function()
    local output, status = run(HEAD .. [[
      rt.main(function()
        local joins = {}
        for i = 1, 50 do
          joins[i] = rt.spawn(function() error("boom", 0) end)
        end
        for _, j in ipairs(joins) do
          while not j:is_finished() do rt.yield_now() end
        end
      end)
    ]])
    assert.are.equal(0, status)
    local reports = 0
    for line in output:gmatch("[^\n]+") do
      if line:match("^rthandle: task %d+ panicked: boom$") then
        reports = reports + 1
      else
        assert.is_truthy(line:match("^stack traceback:$")
          or line:match("^\t"), line)
      end
    end
    assert.are.equal(50, reports)
  end)
end)
