-- Blocking functions, the Lua states of a runtime, and several runtimes.
-- (Tokio: task_blocking.rs, rt_spawn_blocking.rs)
local rt = require("rthandle")
local flavors = require("spec.support.flavors")
local gate = require("spec.support.gate")
local script = require("spec.support.script")
local has = require("spec.support.has")

local function read(name)
  local f <close> = io.open(name)
  return f and f:read("a")
end

-- Runs the code in a script of its own.
local function run(code, files)
  files = files or {}
  files["s.lua"] = 'local rt = require "rthandle"\n' .. code
  local folder = script.folder(files)
  local output, status = script.run_in(folder, folder .. "/s.lua")
  script.remove(folder)
  return output, status
end

flavors(describe, function(new)
  describe("a blocking function", function()
    it("is in its runtime's context, as a task with an id", function()
      local r <close> = new()
      local h = r:handle()
      r:block_on(function()
        local j = rt.spawn_blocking(function()
          return rt.Handle.current() == h, rt.task_id(), rt.worker_index()
        end)
        local id = j:id()
        local t = table.pack(j:await())
        assert.are.same({ n = 3, true, id, nil }, t)
      end)
    end)

    it("runs at the same time as all others", function()
      local r <close> = new()
      local name = gate.new()
      local joins = {}
      for i = 1, 20 do
        joins[i] = r:spawn_blocking(function(base, k)
          gate.open(base .. k)
          for other = 1, 20 do gate.pass(base .. other) end
          return k
        end, name, i)
      end
      r:block_on(function()
        for i, j in ipairs(joins) do assert.are.equal(i, j:await()) end
      end)
      for i = 1, 20 do os.remove(name .. i) end
    end)

    it("may wait for tasks, by await, join and block_on", function()
      local r <close> = new()
      assert.are.same({ 1, 2, 3 }, { r:block_on(function()
        return rt.spawn_blocking(function()
          local a = rt.spawn(function()
            rt.sleep(0.001)
            return 1
          end):await()
          local _, b = rt.spawn(function() return 2 end):join()
          local c = rt.Handle.current():block_on(rt.spawn(function()
            rt.yield_now()
            return 3
          end))
          return a, b, c
        end):await()
      end) })
    end)

    it("may run local tasks in its own state", function()
      local r <close> = new()
      assert.are.same({ "shared", 3 }, { r:block_on(function()
        return rt.spawn_blocking(function()
          local shared, count = { value = "shared" }, 0
          local joins = {}
          for i = 1, 3 do
            joins[i] = rt.spawn_local(function()
              rt.sleep(0.001)
              count = count + 1
              return shared.value
            end)
          end
          local value
          for _, j in ipairs(joins) do value = j:await() end
          return value, count
        end):await()
      end) })
    end)

    it("cancels the local tasks that it leaves behind", function()
      local r <close> = new()
      local name = gate.new()
      r:block_on(function()
        local started, fresh = rt.spawn_blocking(function(file)
          local a = rt.spawn_local(function()
            local guard <close> = setmetatable({}, {
              __close = function() io.open(file, "w"):close() end,
            })
            rt.sleep(math.huge)
            return guard
          end)
          rt.Handle.current():block_on(rt.yield_now)
          local b = rt.spawn_local(function()
            io.open(file .. ".wrong", "w"):close()
          end)
          return a:abort_handle(), b:abort_handle()
        end, name):await()
        while not (started:is_finished() and fresh:is_finished()) do
          rt.yield_now()
        end
        assert.is_truthy(io.open(name))
        assert.is_nil((io.open(name .. ".wrong")))
      end)
      os.remove(name)
    end)

    it("closes the guards that it leaves behind", function()
      local r <close> = new { max_blocking_threads = 1 }
      local other <close> = new()
      local h, mine = other:handle(), r:handle()
      r:block_on(function()
        rt.spawn_blocking(function()
          rawset(_G, "left", h:enter())
          assert(rt.Handle.current() == h)
        end):await()
        assert.is_true(rt.spawn_blocking(function()
          return rt.Handle.current() == mine
        end):await())
      end)
    end)

    it("may close another runtime, and wait for it", function()
      local r <close> = new()
      r:block_on(function()
        assert.is_true(rt.spawn_blocking(function()
          local inner = require("rthandle").Runtime.new {
            flavor = "current_thread",
          }
          local j = inner:spawn(function() rt.sleep(math.huge) end)
          inner:close()
          return j:is_finished()
        end):await())
      end)
    end)

    it("may have a runtime of its own", function()
      local r <close> = new()
      assert.are.equal("inner", r:block_on(function()
        return rt.spawn_blocking(function()
          return rt.main(function()
            return rt.spawn(function() return "inner" end):await()
          end, { worker_threads = 1 })
        end):await()
      end))
    end)

    it("that fails leaves its thread good for the next", function()
      local r <close> = new { max_blocking_threads = 1 }
      r:block_on(function()
        for i = 1, 5 do
          local ok, err = rt.spawn_blocking(function()
            error("boom", 0)
          end):join()
          assert.is_false(ok)
          assert.are.equal("boom", err:into_panic())
          assert.are.equal(i, rt.spawn_blocking(function(n)
            return n
          end, i):await())
        end
      end)
    end)

    it("gives and takes any number of values", function()
      local r <close> = new()
      r:block_on(function()
        local t = table.pack(rt.spawn_blocking(function(...)
          return select("#", ...), ...
        end, nil, 2, nil):await())
        assert.are.same({ n = 4, 3, nil, 2, nil }, t)
        local list = {}
        for i = 1, 200 do list[i] = i end
        assert.are.equal(200, select("#", rt.spawn_blocking(function(...)
          return ...
        end, table.unpack(list)):await()))
      end)
    end)
  end)

  describe("close", function()
    it("waits for a blocking function that runs", function()
      local r = new()
      local begun, name = gate.new(), gate.new()
      r:spawn_blocking(function(a, b)
        gate.open(a)
        local sum = 0
        for i = 1, 2e6 do sum = sum + i end
        local f <close> = io.open(b, "w")
        f:write("whole")
        return sum
      end, begun, name)
      gate.pass(begun)
      r:close()
      assert.are.equal("whole", read(name))
      os.remove(begun)
      os.remove(name)
    end)

    it("never starts a blocking function that waits for a thread", function()
      local r = new { max_blocking_threads = 1 }
      local begun, wrong = gate.new(), gate.new()
      r:spawn_blocking(function(a)
        gate.open(a)
        pcall(rt.sleep, math.huge) -- until the runtime closes
      end, begun)
      local queued = r:spawn_blocking(gate.open, wrong)
      gate.pass(begun)
      r:close()
      local ok, err = queued:join()
      assert.is_false(ok)
      assert.is_true(err:is_cancelled())
      assert.is_nil((io.open(wrong)))
      os.remove(begun)
    end)

    it("ends what a blocking function waits for", function()
      for _, wait in ipairs {
        function() rt.sleep(math.huge) end,
        function() rt.timeout(1000, rt.sleep, math.huge) end,
        function() rt.spawn(function() rt.sleep(math.huge) end):await() end,
        function() rt.spawn_local(rt.sleep, math.huge):await() end,
        function()
          rt.Handle.current():block_on(function() rt.sleep(math.huge) end)
        end,
      } do
        local r = new()
        local begun = gate.new()
        local j = r:spawn_blocking(function(a, f)
          gate.open(a)
          return pcall(f)
        end, begun, wait)
        gate.pass(begun)
        r:close()
        assert.is_true(j:is_finished())
        os.remove(begun)
      end
    end)

    it("cancels a task at its next suspension", function()
      local r = new()
      local begun, name = gate.new(), gate.new()
      local j = r:spawn(function(a, b)
        local socket = require("rthandle").net.UnixStream.pair()
        gate.open(a)
        if rt.Handle.current():runtime_flavor() == "multi_thread" then
          -- until another thread closes the runtime
          repeat until select(3, socket:local_addr()) == "ESHUTDOWN"
        end
        gate.open(b)
        while true do rt.yield_now() end
      end, begun, name)
      r:block_on(function()
        local f
        repeat
          rt.yield_now()
          f = io.open(begun)
        until f
        f:close()
      end)
      r:close()
      assert.is_true(os.remove(name)) -- that stretch was finished
      local ok, err = j:join()
      assert.is_false(ok)
      assert.is_true(err:is_cancelled())
      os.remove(begun)
    end)

    it("may be called again, in any form", function()
      local r = new()
      r:close()
      r:close()
      r:shutdown_timeout(1)
      r:shutdown_timeout(0)
      r:shutdown_timeout(math.huge)
      r:shutdown_background()
      local same <close> = r
      assert.is_truthy(same)
    end)

    it("waits for nothing after shutdown_background, at the end of a block too",
      function()
        local begun, go = gate.new(), gate.new()
        local task
        do
          local r <close> = new()
          task = r:spawn(function() rt.sleep(math.huge) end)
          r:spawn_blocking(function(a, b)
            gate.open(a)
            gate.pass(b)
            os.remove(b)
          end, begun, go)
          gate.pass(begun)
          r:shutdown_background()
          r:close()
          r:shutdown_timeout(1000)
        end
        assert.is_true(select(2, task:join()):is_cancelled())
        gate.open(go) -- only now may it end
        gate.gone(go)
        os.remove(begun)
      end)

    it("is no error in a task once the runtime was shut down", function()
      local r <close> = new()
      r:block_on(function()
        local inner <close> = new()
        assert.are.equal(1, inner:spawn_blocking(function()
          return 1
        end):await())
        inner:shutdown_background()
      end)
    end)

    it("is refused in a task, with a time as well; in background it is not",
      function()
        local r <close> = new()
        local other <close> = new()
        r:block_on(function()
          for _, call in ipairs {
            function() other:close() end,
            function() other:shutdown_timeout(1) end,
            function() other:shutdown_timeout(math.huge) end,
          } do
            local ok, err = pcall(call)
            assert.is_false(ok)
            has(err, "Cannot drop a runtime in a context where blocking is"
              .. " not allowed. ")
          end
          assert.are.equal(1, other:spawn_blocking(function()
            return 1
          end):await())
          other:shutdown_background()
        end)
      end)

    it("with a limit, shutdown_timeout, waits for what ends in time", function()
      local r = new()
      local begun, name = gate.new(), gate.new()
      local j = r:spawn_blocking(function(a, b)
        gate.open(a)
        for _ = 1, 2e6 do end
        gate.open(b)
        return 42
      end, begun, name)
      gate.pass(begun)
      r:shutdown_timeout(1000)
      assert.is_true(os.remove(name))
      assert.are.same({ true, 42 }, { j:join() })
      os.remove(begun)
    end)

    it("shutdown_timeout refuses negative times and NaN", function()
      local r <close> = new()
      for _, s in ipairs { -1, 0 / 0 } do
        local ok, err = pcall(r.shutdown_timeout, r, s)
        assert.is_false(ok)
        has(err, "seconds must be a number from 0")
      end
      assert.are.equal(1, r:block_on(r:spawn(function() return 1 end)))
    end)

    it("leaves block_on of plain code running", function()
      local r = new()
      r:close()
      assert.are.equal(1, r:block_on(function() return 1 end))
      assert.are.equal(2, r:block_on(function()
        rt.yield_now()
        return 2
      end))
    end)

    -- Since the runtime closes, what they spawn ends at once, and what that
    -- had with it.
    for name, wait in pairs {
      ["await"] = function() rt.spawn(print):await() end,
      ["join"] = function() rt.spawn(print):join() end,
      ["await of a local task"] = function() rt.spawn_local(print):await() end,
      ["await of a blocking function"] = function()
        rt.spawn_blocking(print):await()
      end,
      ["select"] = function() rt.select { rt.spawn(print) } end,
      ["scope"] = function()
        rt.scope(function(s) s:spawn(print) end)
      end,
      ["join_next"] = function()
        local set = rt.JoinSet.new()
        set:spawn(print)
        set:join_next()
      end,
      ["recv"] = function()
        local tx, rx = rt.sync.mpsc(1)
        rt.spawn(print, tx)
        tx:close()
        rx:recv()
      end,
      ["send"] = function()
        local tx, rx = rt.sync.mpsc(1)
        rt.spawn(print, rx)
        tx:send(1)
      end,
      ["recv of a oneshot"] = function()
        local tx, rx = rt.sync.oneshot()
        rt.spawn(print, tx)
        rx:recv()
      end,
    } do
      it("ends a task that runs where it waits for what that ended: " .. name,
        function()
          local r <close> = new()
          local told, ended = false, false
          r:block_on(function()
            rt.spawn_local(function()
              local at_end <close> = setmetatable({}, {
                __close = function() ended = true end,
              })
              assert.is_truthy(at_end)
              r:shutdown_background()
              pcall(wait)
              told = true
            end)
            rt.yield_now()
          end)
          r:close()
          assert.is_true(ended)
          assert.is_false(told)
        end)
    end

    it("lets no local task begin that is awaited afterwards", function()
      local r <close> = new()
      local begun = false
      local ok, err = pcall(r.block_on, r, function()
        local task = rt.spawn_local(function() begun = true end)
        r:shutdown_background()
        task:await()
      end)
      assert.is_false(ok)
      assert.is_true(err:is_cancelled())
      assert.is_false(begun)
    end)

    it("ends a local task that runs inside the await of the main function",
      function()
        local r <close> = new()
        local told = false
        local ok, err = pcall(r.block_on, r, function()
          rt.spawn_local(function()
            r:shutdown_background()
            pcall(rt.sleep, 1)
            told = true
          end):await()
        end)
        assert.is_false(ok)
        assert.is_true(err:is_cancelled())
        assert.is_false(told)
      end)
  end)

  describe("a task of spawn", function()
    it("runs in the runtime's own Lua state", function()
      local r <close> = new()
      _G.only_here = true
      local there = r:block_on(r:spawn(function()
        return rawget(_G, "only_here")
      end))
      _G.only_here = nil
      assert.is_nil(there)
    end)

    it("never starts inside the call", function()
      local r <close> = new()
      -- A task that does not suspend keeps its worker, and on current_thread
      -- the only thread, from running what it spawns; so does the caller of
      -- block_on.
      local busy = r:metrics().num_workers == 1
      local name = gate.new()
      local function spawn_and_look(file)
        local j = rt.spawn(gate.open, file)
        local there = io.open(file)
        if there then there:close() end
        return j:abort_handle(), there ~= nil
      end
      local task, there = r:block_on(r:spawn(spawn_and_look, name))
      if busy then assert.is_false(there) end
      while not task:is_finished() do r:block_on(rt.yield_now) end
      assert.is_true(os.remove(name))
    end)

    it("finds its worker's state as the last task there left it", function()
      local r <close> = new()
      local seen = {}
      for _ = 1, 40 do
        local worker, n = r:block_on(r:spawn(function()
          local count = (rawget(_G, "tasks_here") or 0) + 1
          rawset(_G, "tasks_here", count)
          return rt.worker_index(), count
        end))
        seen[worker] = (seen[worker] or 0) + 1
        assert.are.equal(seen[worker], n)
      end
      assert.is_nil(r:block_on(r:spawn_blocking(function()
        return rawget(_G, "tasks_here")
      end)))
      assert.is_nil(rawget(_G, "tasks_here"))
    end)

    it("has the standard libraries", function()
      local r <close> = new()
      local here = { "assert", "collectgarbage", "coroutine", "debug",
        "dofile", "error", "getmetatable", "io", "ipairs", "load", "loadfile",
        "math", "next", "os", "package", "pairs", "pcall", "print",
        "rawequal", "rawget", "rawlen", "rawset", "require", "select",
        "setmetatable", "string", "table", "tonumber", "tostring", "type",
        "utf8", "warn", "xpcall" }
      local missing = r:block_on(r:spawn(function(list)
        local t = {}
        for _, name in ipairs(list) do
          if rawget(_G, name) == nil then t[#t + 1] = name end
        end
        return t
      end, here))
      assert.are.same({}, missing)
    end)

    it("has the creator's package.path and package.cpath", function()
      local path, cpath = package.path, package.cpath
      package.path = "/nowhere/?.lua;" .. path
      package.cpath = "/nowhere/?.so;" .. cpath
      local r <close> = new()
      package.path, package.cpath = path, cpath
      local function look() return package.path, package.cpath end
      for _, spawn in ipairs { r.spawn, r.spawn_blocking } do
        local a, b = r:block_on(spawn(r, look))
        assert.are.equal("/nowhere/?.lua;" .. path, a)
        assert.are.equal("/nowhere/?.so;" .. cpath, b)
      end
    end)
  end)
end)

describe("a module beside the script", function()
  it("is found by tasks and blocking functions", function()
    local output = run([[
      local mine = require "mine"
      rt.main(function()
        print(rt.spawn(function() return mine.double(4) end):await())
        print(rt.spawn_blocking(function()
          return require("mine").double(5)
        end):await())
      end)
    ]], { ["mine.lua"] = "return { double = function(n) return 2 * n end }" })
    assert.are.equal("8\n10\n", output)
  end)
end)

describe("print", function()
  it("in many tasks at once writes whole lines", function()
    local output = run [[
      rt.main(function()
        local joins = {}
        for i = 1, 8 do
          local spawn = i % 2 == 0 and rt.spawn or rt.spawn_blocking
          joins[i] = spawn(function(n)
            local word = ("x"):rep(100 * n)
            for k = 1, 50 do
              print(n, k, word, nil, true, { } ~= nil)
              if n % 2 == 0 then rt.yield_now() end
            end
          end, i)
        end
        for _, j in ipairs(joins) do j:await() end
      end, { worker_threads = 4 })
    ]]
    local seen, lines = {}, 0
    for line in output:gmatch("[^\n]*\n") do
      local n, k, word = line:match("^(%d)\t(%d+)\t(x+)\tnil\ttrue\ttrue\n$")
      assert.is_truthy(n, line)
      assert.are.equal(100 * n, #word)
      assert.is_nil(seen[n .. " " .. k])
      seen[n .. " " .. k] = true
      lines = lines + 1
    end
    assert.are.equal(400, lines)
  end)

  it("in a task calls __tostring and __name as the stock one does", function()
    local output = run [[
      rt.main(function()
        rt.spawn(function()
          print()
          print(1, 1.0, "a\0b", false, nil)
          print(setmetatable({}, { __tostring = function() return "me" end }))
          print((pcall(print, setmetatable({}, {
            __tostring = function() return {} end,
          }))))
        end):await()
      end)
    ]]
    assert.are.equal("\n1\t1.0\ta\0b\tfalse\tnil\nme\nfalse\n", output)
  end)
end)

describe("several runtimes", function()
  it("work at the same time, and hand each other tasks", function()
    local list, joins = {}, {}
    for i = 1, 6 do
      list[i] = assert(rt.Runtime.new {
        worker_threads = i % 2 + 1, name = "r" .. i,
      })
    end
    for i = 1, 6 do
      local next_ = list[i % 6 + 1]:handle()
      joins[i] = list[i]:spawn(function()
        return rt.Handle.current():name(), next_:spawn(function()
          return rt.Handle.current():name()
        end):await()
      end)
    end
    for i = 1, 6 do
      assert.are.same({ "r" .. i, "r" .. i % 6 + 1 }, { joins[i]:await() })
    end
    for _, r in ipairs(list) do r:close() end
  end)

  it("of both flavours wait for each other", function()
    local a <close> = rt.Runtime.new { flavor = "current_thread" }
    local b <close> = rt.Runtime.new { worker_threads = 1 }
    local ha, hb = a:handle(), b:handle()
    assert.are.equal("a then b", a:block_on(function()
      return hb:spawn(function()
        return ha:spawn(function() return "a" end):await() .. " then b"
      end):await()
    end))
  end)

  it("close without regard to each other", function()
    local a = rt.Runtime.new { worker_threads = 1 }
    local b <close> = rt.Runtime.new { worker_threads = 1 }
    local ha = a:handle()
    local j = b:spawn(function()
      return ha:spawn(function() rt.sleep(math.huge) end):join()
    end)
    while a:metrics().num_alive_tasks == 0 do end
    a:close()
    local ok, err = j:await()
    assert.is_false(ok)
    assert.is_true(err:is_cancelled())
  end)

  it("of one process have states of their own", function()
    local a <close> = rt.Runtime.new { worker_threads = 1 }
    local b <close> = rt.Runtime.new { worker_threads = 1 }
    a:spawn(function() rawset(_G, "mark", "a") end):await()
    assert.are.equal("a", a:spawn(function()
      return rawget(_G, "mark")
    end):await())
    assert.is_nil(b:spawn(function() return rawget(_G, "mark") end):await())
  end)
end)

describe("a system that refuses threads", function()
  -- Stacks of 256 MB in an address space that has room for a few.  The
  -- sanitizers need more address space than that for themselves.
  local sanitized = (os.getenv("LUA") or ""):find("san/lua$")

  local function limited(code)
    local folder = script.folder {
      ["s.lua"] = 'local rt = require "rthandle"\nlocal MB = 1 << 20\n' .. code,
    }
    local output = script.command(("ulimit -v 1500000; LUA_PATH='%s'"
      .. " LUA_CPATH='%s' timeout 60 %s %s/s.lua"):format(package.path,
        package.cpath, os.getenv("LUA") or "lua5.4", folder))
    script.remove(folder)
    return output
  end

  local function test(name, f)
    if not sanitized then it(name, f) end
  end

  test("makes Runtime.new answer nil and a message", function()
    assert.are.equal("nil\tcannot start the runtime: \n1\n", limited [[
      local r, message = rt.Runtime.new {
        worker_threads = 16, thread_stack_size = 256 * MB,
      }
      print(r, message:match "^cannot start the runtime: ")
      print(rt.main(function() return 1 end, { worker_threads = 1 }))
    ]])
  end)

  test("leaves no thread behind", function()
    assert.are.equal("1\n", limited [[
      rt.Runtime.new { worker_threads = 16, thread_stack_size = 256 * MB }
      local n
      repeat -- one that was joined is listed for a moment
        local pipe = io.popen("ls /proc/$PPID/task")
        n = 0
        for _ in pipe:lines() do n = n + 1 end
        pipe:close()
      until n == 1
      print(n)
    ]])
  end)

  test("makes rt.main raise the message", function()
    has(limited [[
      rt.main(print, { worker_threads = 16, thread_stack_size = 256 * MB })
    ]], "cannot start the runtime: ")
  end)

  test("lets blocking functions wait for the threads that there are",
    function()
      assert.are.equal("true\t5050\n", limited [[
        local r = rt.Runtime.new {
          worker_threads = 1, thread_stack_size = 256 * MB,
        }
        local joins, sum = {}, 0
        for i = 1, 100 do
          joins[i] = r:spawn_blocking(function(n) return n end, i)
        end
        for _, j in ipairs(joins) do sum = sum + j:await() end
        print(r:metrics().num_blocking_threads < 10, sum)
        r:close()
      ]])
    end)

  test("makes spawn_blocking raise where no thread lives", function()
    assert.are.equal("false\tcannot start a thread\n1\n", limited [[
      local r -- with as many workers as there is room for
      for n = 8, 1, -1 do
        r = rt.Runtime.new {
          worker_threads = n, thread_stack_size = 256 * MB,
        }
        if r then break end
      end
      local ok, err = pcall(r.spawn_blocking, r, function() end)
      print(ok, (tostring(err):gsub("^.-:%d+: ", "")))
      print(r:spawn(function() return 1 end):await())
      r:close()
    ]])
  end)
end)
