-- Every option of Runtime.new: what it does, what it refuses, and where the
-- error says it happened.  (Tokio: the builder's tests in rt_panic.rs)
local rt = require("rthandle")
local script = require("spec.support.script")
local gate = require("spec.support.gate")

local HERE = debug.getinfo(1, "S").short_src

-- Runtime.new(opts) must raise exactly that, naming this file and the line of
-- the call.
local function refuses(opts, text)
  local line = debug.getinfo(1, "l").currentline + 1
  local ok, err = pcall(function() return rt.Runtime.new(opts) end)
  assert.is_false(ok)
  assert.are.equal(("%s:%d: %s"):format(HERE, line, text), err)
end

-- The names of this process's threads, by their numbers in the system.  One
-- that was joined may be among them for a moment.
local function threads()
  local names = {}
  local pipe = io.popen("for t in /proc/$PPID/task/*; do "
    .. "read -r name <$t/comm && echo ${t##*/} $name; done 2>/dev/null")
  for line in pipe:lines() do
    local number, name = line:match("^(%d+) ?(.*)$")
    names[number] = name
  end
  pipe:close()
  return names
end

-- The names of those that were not there `before`.
local function new_threads(before)
  local names = {}
  for number, name in pairs(threads()) do
    if not before[number] then names[#names + 1] = name end
  end
  return names
end

describe("Runtime.new", function()
  it("needs no options", function()
    local r <close> = rt.Runtime.new()
    assert.are.equal("multi_thread", r:handle():runtime_flavor())
    assert.is_nil(r:handle():name())
    assert.is_true(r:metrics().num_workers >= 1)
  end)

  it("takes an empty table and nil alike", function()
    local a <close> = rt.Runtime.new {}
    local b <close> = rt.Runtime.new(nil)
    assert.are.equal(a:metrics().num_workers, b:metrics().num_workers)
  end)

  it("refuses options that are no table", function()
    assert.has_error(function() rt.Runtime.new("multi_thread") end)
    assert.has_error(function() rt.Runtime.new(4) end)
  end)

  it("leaves the caller's table as it was", function()
    local opts = { worker_threads = 1, name = "n" }
    local r <close> = rt.Runtime.new(opts)
    assert.is_truthy(r)
    assert.are.same({ worker_threads = 1, name = "n" }, opts)
  end)
end)

describe("an unknown option", function()
  for wrong, right in pairs {
    worker_thread = "worker_threads", worker_treads = "worker_threads",
    workers_threads = "worker_threads", flavour = "flavor",
    max_blocking_thread = "max_blocking_threads", thread_names = "thread_name",
    nam = "name", start_pause = "start_paused",
    on_thread_started = "on_thread_start",
    unhandled_panics = "unhandled_panic",
    thread_stacksize = "thread_stack_size",
    thread_keepalive = "thread_keep_alive", Event_interval = "event_interval",
    global_queue_intervall = "global_queue_interval",
  } do
    it(("is refused: '%s', did you mean '%s'?"):format(wrong, right),
      function()
        refuses({ [wrong] = 1 }, ("unknown runtime option '%s' (did you mean"
          .. " '%s'?)"):format(wrong, right))
      end)
  end

  it("far from every name gets no advice", function()
    refuses({ banana = 1 }, "unknown runtime option 'banana'")
    refuses({ [("x"):rep(1000)] = 1 }, ("unknown runtime option '%s'"):format(
      ("x"):rep(1000)))
    refuses({ [""] = 1 }, "unknown runtime option ''")
  end)

  it("that comes later in the project is unknown yet", function()
    for _, name in ipairs { "preempt_after", "preempt_local", "warn_after",
      "max_lua_memory" } do
      local ok, err = pcall(rt.Runtime.new, { [name] = 1 })
      assert.is_false(ok)
      assert.is_truthy(err:find("unknown runtime option '" .. name .. "'", 1,
        true))
    end
  end)

  it("without a name is refused", function()
    local ok, err = pcall(rt.Runtime.new, { "multi_thread" })
    assert.is_false(ok)
    assert.is_truthy(err:find("runtime options must have names", 1, true))
  end)
end)

local nan = 0 / 0

describe("flavor", function()
  it("is multi_thread or current_thread", function()
    for _, flavor in ipairs { "multi_thread", "current_thread" } do
      local r <close> = rt.Runtime.new { flavor = flavor }
      assert.are.equal(flavor, r:handle():runtime_flavor())
    end
  end)

  it("refuses all else", function()
    refuses({ flavor = "multithread" }, "flavor must be 'multi_thread' or"
      .. " 'current_thread', got 'multithread'")
    refuses({ flavor = 1 }, "flavor must be a string, got number")
    refuses({ flavor = true }, "flavor must be a string, got boolean")
  end)
end)

-- The options that count something, and what they say to 0.
for name, zero in pairs {
  worker_threads = "worker_threads cannot be set to 0",
  max_blocking_threads = "max_blocking_threads cannot be set to 0",
  thread_stack_size = "thread_stack_size cannot be set to 0",
  event_interval = "event_interval must be greater than 0",
  global_queue_interval = "global_queue_interval must be greater than 0",
} do
  describe(name, function()
    it("refuses 0", function()
      refuses({ [name] = 0 }, zero)
      refuses({ [name] = 0.0 }, zero)
      refuses({ [name] = -0.0 }, zero)
    end)

    it("refuses what is no number", function()
      refuses({ [name] = "4" }, name .. " must be an integer, got string")
      refuses({ [name] = true }, name .. " must be an integer, got boolean")
      refuses({ [name] = {} }, name .. " must be an integer, got table")
      refuses({ [name] = print }, name .. " must be an integer, got function")
    end)

    it("refuses fractions, NaN and infinity", function()
      for _, value in ipairs { 1.5, nan, math.huge, -math.huge, 2.0 ^ 63 } do
        refuses({ [name] = value }, name .. " must be an integer")
      end
    end)

    it("refuses numbers that are negative or far too large", function()
      for _, value in ipairs { -1, math.mininteger, math.maxinteger } do
        local ok, err = pcall(rt.Runtime.new, { [name] = value })
        assert.is_false(ok)
        assert.is_truthy(err:find(name .. " must be from 1 to %d+$"))
      end
    end)
  end)
end

describe("worker_threads", function()
  it("is the number of workers", function()
    local r <close> = rt.Runtime.new { worker_threads = 3 }
    assert.are.equal(3, r:metrics().num_workers)
  end)

  it("may be a float that is an integer", function()
    local r <close> = rt.Runtime.new { worker_threads = 2.0 }
    assert.are.equal(2, r:metrics().num_workers)
  end)

  it("is refused with current_thread", function()
    refuses({ flavor = "current_thread", worker_threads = 1 },
      "worker_threads is only for the multi_thread flavor")
  end)

  local function workers(environment, command)
    local folder = script.folder {
      ["n.lua"] = [[
        local r <close> = require("rthandle").Runtime.new()
        print(r:metrics().num_workers)
      ]],
    }
    local output = script.run_with(environment .. (command or ""),
      folder .. "/n.lua")
    script.remove(folder)
    return output
  end

  it("is by default the number of processors that may be used", function()
    local n = script.command("nproc"):match("%d+")
    assert.are.equal(n .. "\n", workers("env -u RTHANDLE_WORKER_THREADS"))
  end)

  it("counts the processor affinity", function()
    assert.are.equal("1\n", workers("env -u RTHANDLE_WORKER_THREADS",
      " taskset -c 0 env"))
  end)

  it("comes from RTHANDLE_WORKER_THREADS where that is set", function()
    assert.are.equal("5\n", workers("RTHANDLE_WORKER_THREADS=5"))
  end)

  it("goes before RTHANDLE_WORKER_THREADS", function()
    local folder = script.folder {
      ["n.lua"] = [[
        local r <close> = require("rthandle").Runtime.new {
          worker_threads = 2,
        }
        print(r:metrics().num_workers)
      ]],
    }
    local output = script.run_with("RTHANDLE_WORKER_THREADS=5",
      folder .. "/n.lua")
    script.remove(folder)
    assert.are.equal("2\n", output)
  end)

  for _, wrong in ipairs { "0", "-1", "1.5", "many", "4x" } do
    it("refuses RTHANDLE_WORKER_THREADS=" .. wrong, function()
      assert.is_truthy(workers("RTHANDLE_WORKER_THREADS=" .. wrong):find(
        ("n.lua:1: RTHANDLE_WORKER_THREADS must be a number from 1, got '%s'")
          :format(wrong), 1, true))
    end)
  end
end)

describe("max_blocking_threads", function()
  it("is 512 by default", function()
    -- Opening a fifo waits for its other end.
    local fifo = os.tmpname()
    os.remove(fifo)
    os.execute("mkfifo " .. fifo)
    local r = rt.Runtime.new { worker_threads = 1 }
    for _ = 1, 520 do
      r:spawn_blocking(function(name) io.open(name):close() end, fifo)
    end
    local m
    repeat -- until no thread is on its way to the queue
      m = r:metrics()
    until m.num_blocking_threads + m.blocking_queue_depth == 520
    local other_end <close> = io.open(fifo, "w")
    r:close()
    os.remove(fifo)
    assert.are.equal(512, m.num_blocking_threads)
    assert.is_truthy(other_end)
  end)

  it("is how many blocking functions run at a time", function()
    local r <close> = rt.Runtime.new {
      worker_threads = 1, max_blocking_threads = 2,
    }
    local name = os.tmpname()
    local function meet(me, other)
      io.open(name .. me, "w"):close()
      repeat
        local f = io.open(name .. other)
        if f then f:close() end
      until f
      return "met"
    end
    -- Two that wait for each other, then a third that waited in the queue.
    local a, b = r:spawn_blocking(meet, 1, 2), r:spawn_blocking(meet, 2, 1)
    local c = r:spawn_blocking(function() return "third" end)
    assert.are.same({ "met", "met", "third" },
      { a:await(), b:await(), c:await() })
    assert.are.equal(2, r:metrics().num_blocking_threads)
    for _, suffix in ipairs { "", 1, 2 } do os.remove(name .. suffix) end
  end)
end)

describe("thread_keep_alive", function()
  it("0 ends a blocking thread as soon as it is idle", function()
    local r <close> = rt.Runtime.new {
      worker_threads = 1, thread_keep_alive = 0,
    }
    assert.are.equal(1, r:spawn_blocking(function() return 1 end):await())
    while r:metrics().num_blocking_threads > 0 do end
    assert.are.equal(2, r:spawn_blocking(function() return 2 end):await())
  end)

  it("for ever keeps it", function()
    local r <close> = rt.Runtime.new {
      worker_threads = 1, thread_keep_alive = math.huge,
    }
    r:spawn_blocking(function() end):await()
    while r:metrics().num_idle_blocking_threads == 0 do end
    assert.are.equal(1, r:metrics().num_blocking_threads)
  end)

  it("lets the next function find the thread that is idle", function()
    local r <close> = rt.Runtime.new {
      worker_threads = 1, thread_keep_alive = 60.5,
    }
    for _ = 1, 10 do
      r:spawn_blocking(function() end):await()
      while r:metrics().num_idle_blocking_threads == 0 do end
    end
    assert.are.equal(1, r:metrics().num_blocking_threads)
  end)

  it("refuses all but numbers from 0", function()
    for _, value in ipairs { -1, -0.001, nan, -math.huge } do
      refuses({ thread_keep_alive = value },
        "thread_keep_alive must be a number from 0")
    end
    refuses({ thread_keep_alive = "1" },
      "thread_keep_alive must be a number, got string")
  end)
end)

describe("thread_name", function()
  it("is rthandle-worker by default", function()
    local before = threads()
    local r <close> = rt.Runtime.new { worker_threads = 3 }
    r:spawn_blocking(function() end):await()
    local name = "rthandle-worker"
    assert.are.same({ name, name, name, name }, new_threads(before))
  end)

  it("names workers and blocking threads", function()
    local before = threads()
    local r <close> = rt.Runtime.new { worker_threads = 2, thread_name = "bees" }
    r:spawn_blocking(function() end):await()
    assert.are.same({ "bees", "bees", "bees" }, new_threads(before))
  end)

  it("is cut at 15 bytes by the system", function()
    local before = threads()
    local r <close> = rt.Runtime.new {
      worker_threads = 2, thread_name = "a-name-of-20-letters",
    }
    assert.are.same({ "a-name-of-20-le", "a-name-of-20-le" },
      new_threads(before))
    assert.is_truthy(r)
  end)

  it("may be empty", function()
    local r <close> = rt.Runtime.new { worker_threads = 1, thread_name = "" }
    assert.are.equal(1, r:spawn(function() return 1 end):await())
  end)

  it("does not name the thread that drives a current_thread runtime",
    function()
      local before = threads()
      local r <close> = rt.Runtime.new {
        flavor = "current_thread", thread_name = "bees",
      }
      r:block_on(r:spawn(function() end))
      assert.are.same({}, new_threads(before))
    end)

  it("refuses what is no string, and zeros", function()
    refuses({ thread_name = 1 }, "thread_name must be a string, got number")
    refuses({ thread_name = print },
      "thread_name must be a string, got function")
    refuses({ thread_name = "a\0b" }, "thread_name may not contain zeros")
  end)
end)

describe("thread_stack_size", function()
  it("is the size of each worker's stack", function()
    -- A script of its own: few mappings, so the system joins none to a stack.
    -- (A sanitizer may have one of this size.)
    local folder = script.folder {
      ["s.lua"] = [[
        local SIZE = 5 * 1024 * 1024 + 64 * 1024
        local function stacks()
          local n = 0
          local file <close> = io.open("/proc/self/maps")
          for from, to in file:read("a"):gmatch("(%x+)%-(%x+) rw") do
            local size = tonumber(to, 16) - tonumber(from, 16)
            if math.abs(size - SIZE) <= 16384 then n = n + 1 end
          end
          return n
        end
        local before = stacks()
        local r <close> = require("rthandle").Runtime.new {
          worker_threads = 3, thread_stack_size = SIZE,
        }
        print(stacks() > before)
      ]],
    }
    local output = script.run(folder .. "/s.lua")
    script.remove(folder)
    assert.are.equal("true\n", output)
  end)

  it("refuses what is too small for any thread", function()
    refuses({ thread_stack_size = 1 },
      "thread_stack_size must be at least 65536")
    refuses({ thread_stack_size = 65535 },
      "thread_stack_size must be at least 65536")
  end)
end)

describe("name", function()
  it("is the handle's name", function()
    local r <close> = rt.Runtime.new { worker_threads = 1, name = "web" }
    assert.are.equal("web", r:handle():name())
    assert.are.equal("web", r:spawn(function()
      return rt.Handle.current():name()
    end):await())
  end)

  it("may not be empty", function()
    refuses({ name = "" }, "runtime name shouldn't be empty")
    refuses({ name = " \t\n" }, "runtime name shouldn't be empty")
  end)

  it("must be a string without zeros", function()
    refuses({ name = 7 }, "name must be a string, got number")
    refuses({ name = "a\0" }, "name may not contain zeros")
  end)
end)

-- A chain of 300 tasks, each of which spawns the next: how many had run when
-- something else had its turn.
local function chain(spawn, note)
  local function link(n)
    note()
    if n > 1 then spawn(link, n - 1) end
  end
  spawn(link, 300)
end

describe("event_interval", function()
  local function ran_before_a_timer(n)
    local r <close> = rt.Runtime.new {
      flavor = "current_thread", start_paused = true, event_interval = n,
    }
    return r:block_on(function()
      local ran, seen = 0, nil
      local sleeper = rt.spawn_local(function()
        rt.sleep(1)
        seen = ran
      end)
      rt.yield_now()
      rt.time.advance(2)
      chain(rt.spawn_local, function() ran = ran + 1 end)
      sleeper:await()
      return seen
    end)
  end

  it("is the number of tasks between two looks at the timers", function()
    for _, n in ipairs { 1, 10, 100 } do
      assert.are.equal(n, ran_before_a_timer(n))
    end
    assert.are.equal(300, ran_before_a_timer(1000000))
  end)

  it("is 61 by default", function()
    assert.are.equal(61, ran_before_a_timer(nil))
  end)
end)

describe("global_queue_interval", function()
  -- A task that another thread spawned while the chain was there.
  local function ran_before_the_queue(opts)
    local r <close> = rt.Runtime.new(opts)
    local go, done = gate.new(), gate.new()
    local other = r:spawn_blocking(function(h, a, b)
      gate.pass(a)
      local j = h:spawn(function() return rawget(_G, "ran") end)
      gate.open(b)
      return j
    end, r:handle(), go, done)
    r:block_on(r:spawn(function(a, b)
      local ran = 0
      chain(rt.spawn_local, function()
        ran = ran + 1
        rawset(_G, "ran", ran)
      end)
      rawset(_G, "ran", 0)
      gate.open(a)
      gate.pass(b)
      while ran < 300 do rt.yield_now() end
    end, go, done))
    os.remove(go)
    os.remove(done)
    return r:block_on(other:await())
  end

  it("is the number of tasks between two looks at the shared queue", function()
    for _, n in ipairs { 1, 10, 50 } do
      local ct = ran_before_the_queue {
        flavor = "current_thread", global_queue_interval = n,
      }
      assert.is_true(ct <= n, ct)
      local mt = ran_before_the_queue {
        worker_threads = 1, global_queue_interval = n,
      }
      assert.is_true(mt <= n, mt)
    end
    assert.are.equal(300, ran_before_the_queue {
      worker_threads = 1, global_queue_interval = 1000000,
    })
  end)

  it("is 31 by default on current_thread", function()
    assert.are.equal(31, ran_before_the_queue { flavor = "current_thread" })
  end)
end)

for _, name in ipairs { "event_interval", "global_queue_interval" } do
  describe(name, function()
    it("of 1 and of a million runs all tasks", function()
      for _, flavor in ipairs { "multi_thread", "current_thread" } do
        for _, n in ipairs { 1, 1000000 } do
          local r <close> = rt.Runtime.new { flavor = flavor, [name] = n }
          r:block_on(function()
            local joins, sum = {}, 0
            for i = 1, 100 do
              joins[i] = rt.spawn(function(k)
                rt.yield_now()
                return k
              end, i)
            end
            rt.sleep(0.001)
            for _, j in ipairs(joins) do sum = sum + j:await() end
            assert.are.equal(5050, sum)
          end)
        end
      end
    end)
  end)
end

describe("unhandled_panic", function()
  it("refuses unknown words", function()
    refuses({ unhandled_panic = "panic" }, "unhandled_panic must be 'warn',"
      .. " 'ignore' or 'shutdown_runtime', got 'panic'")
    refuses({ unhandled_panic = false },
      "unhandled_panic must be a string, got boolean")
  end)
end)

describe("start_paused", function()
  it("must be a boolean", function()
    refuses({ flavor = "current_thread", start_paused = 1 },
      "start_paused must be a boolean, got number")
  end)

  it("may be false anywhere", function()
    local r <close> = rt.Runtime.new { worker_threads = 1, start_paused = false }
    assert.is_truthy(r)
  end)

  it("is refused with multi_thread", function()
    refuses({ start_paused = true },
      "start_paused requires the current_thread flavor")
  end)
end)

describe("a refused option", function()
  it("leaves no thread behind", function()
    local before = threads()
    pcall(rt.Runtime.new, { worker_threads = 4, name = "" })
    pcall(rt.Runtime.new, { worker_threads = 4, thread_nam = "" })
    assert.are.same({}, new_threads(before))
  end)

  it("names the caller's line in rt.main, too", function()
    local line = debug.getinfo(1, "l").currentline + 2
    local ok, err = pcall(function()
      rt.main(function() end, { worker_threads = 0 })
    end)
    assert.is_false(ok)
    assert.are.equal(("%s:%d: worker_threads cannot be set to 0"):format(HERE,
      line), err)
  end)
end)

-- What other misuse raises, where, and that it names the caller's line.
describe("misuse names the caller's file and line:", function()
  for name, call in pairs {
    ["Handle.current outside"] = function() rt.Handle.current(); end,
    ["spawn outside"] = function() rt.spawn(print); end,
    ["sleep outside"] = function() rt.sleep(1); end,
    ["task_id outside"] = function() rt.task_id(); end,
    ["time.Sleep outside"] = function() rt.time.Sleep(1); end,
    ["timeout outside"] = function() rt.timeout(1, print); end,
  } do
    it(name, function()
      local line = debug.getinfo(call, "S").linedefined
      local ok, err = pcall(call)
      assert.is_false(ok)
      local at = ("%s:%d: "):format(HERE, line)
      assert.are.equal(at, err:sub(1, #at))
    end)
  end

  it("block_on in block_on", function()
    local r <close> = rt.Runtime.new { worker_threads = 1 }
    local line = debug.getinfo(1, "l").currentline + 2
    local ok, err = r:block_on(function()
      return pcall(function() r:block_on(print); end)
    end)
    assert.is_false(ok)
    local at = ("%s:%d: Cannot start a runtime"):format(HERE, line)
    assert.are.equal(at, err:sub(1, #at))
  end)

  it("close in a task", function()
    local r <close> = rt.Runtime.new { worker_threads = 1 }
    local line = debug.getinfo(1, "l").currentline + 2
    local ok, err = r:block_on(function()
      return pcall(function() r:close(); end)
    end)
    assert.is_false(ok)
    local at = ("%s:%d: Cannot drop a runtime in a context where blocking is"
      .. " not allowed."):format(HERE, line)
    assert.are.equal(at, err:sub(1, #at))
  end)

  it("guards out of order", function()
    local r <close> = rt.Runtime.new { worker_threads = 1 }
    local a, b = r:enter(), r:enter()
    local line = debug.getinfo(1, "l").currentline + 1
    local ok, err = pcall(function() a:close(); end)
    b:close()
    a:close()
    assert.is_false(ok)
    local at = ("%s:%d: EnterGuard values dropped"):format(HERE, line)
    assert.are.equal(at, err:sub(1, #at))
  end)
end)

describe("a system that refuses", function()
  -- A script in a process that may not have more descriptors, or memory.
  local function limited(limit, code)
    local folder = script.folder { ["s.lua"] = code }
    local output, status = script.command(("%s; LUA_PATH='%s' LUA_CPATH='%s'"
      .. " timeout 60 %s %s/s.lua"):format(limit,
        package.path:gsub("%%", "%%%%"), package.cpath,
        os.getenv("LUA") or "lua5.4", folder))
    script.remove(folder)
    return output, status
  end

  it("a descriptor gives nil and a message, and leaves nothing open",
    function()
      local output = limited("ulimit -n 24", [[
        local rt = require "rthandle"
        local function room() -- how many files can be opened
          local files, n = {}, 0
          collectgarbage() -- a runtime keeps one until it is collected
          repeat
            files[#files + 1] = io.open("/dev/null")
            n = n + 1
          until #files < n
          for _, file in ipairs(files) do file:close() end
          return #files
        end
        rt.Runtime.new { worker_threads = 1 }:close() -- libuv keeps a pipe
        local before = room()
        local r, message = rt.Runtime.new { worker_threads = 64 }
        print(r, type(message), message:match("^cannot start the runtime: "))
        print(before > 0, room() == before)
        print(rt.main(function() return "small" end,
          { flavor = "current_thread" }))
      ]])
      assert.are.equal("nil\tstring\tcannot start the runtime: \ntrue\ttrue\n"
        .. "small\n", output)
    end)
end)
