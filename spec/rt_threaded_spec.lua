-- The multi_thread runtime.  (Tokio: rt_threaded.rs)
local rt = require("rthandle")

local function new(workers, opts)
  opts = opts or {}
  opts.worker_threads = workers
  return assert(rt.Runtime.new(opts))
end

describe("a multi_thread runtime", function()
  it("runs with one worker", function()
    local r <close> = new(1)
    assert.are.equal(1, r:block_on(r:spawn(function() return 1 end)))
  end)

  it("makes as many workers as told", function()
    local r <close> = new(3)
    assert.are.equal(3, r:metrics().num_workers)
    assert.are.equal(3, #r:metrics().workers)
  end)

  it("runs thousands of tasks, over and over", function()
    for _ = 1, 5 do
      local r <close> = new(4)
      local joins, n = {}, 0
      for i = 1, 1000 do joins[i] = r:spawn(function() return 1 end) end
      r:block_on(function()
        for _, j in ipairs(joins) do n = n + j:await() end
      end)
      assert.are.equal(1000, n)
    end
  end)

  it("runs tasks while nobody waits", function()
    local r <close> = new(1)
    local j = r:spawn(function() return 1 end)
    while not j:is_finished() do end
    assert.are.equal(1, j:await())
  end)

  it("runs Lua on several threads at the same time", function()
    local r <close> = new(2)
    -- Each waits, without suspending, until the other has begun: only two
    -- threads can do that.  A file is what both can see.
    local name = os.tmpname()
    local function meet(me, other)
      io.open(name .. me, "w"):close()
      repeat
        local f = io.open(name .. other)
        if f then f:close() end
      until f
      return rt.worker_index()
    end
    local a, b = r:spawn(meet, 1, 2), r:spawn(meet, 2, 1)
    assert.are_not.equal(a:await(), b:await())
    for _, suffix in ipairs { "", 1, 2 } do os.remove(name .. suffix) end
  end)

  it("passes values down long chains of tasks", function()
    local r <close> = new(2)
    local function chain(n)
      if n == 0 then return 0 end
      return 1 + rt.spawn(chain, n - 1):await()
    end
    local joins = {}
    for i = 1, 20 do joins[i] = r:spawn(chain, 50) end
    for _, j in ipairs(joins) do assert.are.equal(50, j:await()) end
  end)

  it("is not starved by an endless chain of new tasks", function()
    local r <close> = new(1)
    local function chain()
      rt.spawn(chain)
    end
    r:spawn(chain)
    assert.are.equal("root", r:block_on(r:spawn(function()
      rt.yield_now()
      return "root"
    end)))
  end)

  it("starts and stops each thread once", function()
    local folder = os.tmpname()
    local function note(what)
      return function()
        local f <close> = io.open(folder, "a")
        f:write(what)
      end
    end
    for _ = 1, 20 do
      local r = new(4, {
        on_thread_start = note("+"), on_thread_stop = note("-"),
      })
      r:block_on(r:spawn(function() end))
      r:close()
    end
    local f <close> = io.open(folder)
    local text = f:read("a")
    os.remove(folder)
    local _, started = text:gsub("%+", "")
    local _, stopped = text:gsub("%-", "")
    assert.are.equal(80, started)
    assert.are.equal(80, stopped)
  end)

  it("runs on_thread_start before the first task of each state", function()
    local r <close> = new(1, {
      on_thread_start = function() _G.greeting = "hello" end,
    })
    assert.are.equal("hello", r:block_on(r:spawn(function()
      return rawget(_G, "greeting")
    end)))
    assert.are.equal("hello", r:block_on(r:spawn_blocking(function()
      return rawget(_G, "greeting")
    end)))
  end)

  it("works together with another runtime", function()
    local a <close> = new(1)
    local b <close> = new(1)
    local hb = b:handle()
    assert.are.equal("from b", a:block_on(a:spawn(function()
      return hb:spawn(function() return "from b" end):await()
    end)))
  end)

  it("keeps within max_blocking_threads", function()
    local r <close> = new(1, { max_blocking_threads = 1 })
    local joins = {}
    for i = 1, 10 do joins[i] = r:spawn_blocking(function() return i end) end
    for i, j in ipairs(joins) do assert.are.equal(i, j:await()) end
    assert.are.equal(1, r:metrics().num_blocking_threads)
  end)

  it("runs with a global_queue_interval of 1", function()
    local r <close> = new(2, { global_queue_interval = 1 })
    local joins = {}
    for i = 1, 10 do joins[i] = r:spawn(function() return i end) end
    for i, j in ipairs(joins) do assert.are.equal(i, j:await()) end
  end)

  it("has an id of its own", function()
    local a <close> = new(1)
    local b <close> = new(1)
    assert.are.equal(a:handle():id(), a:handle():id())
    assert.are_not.equal(a:handle():id(), b:handle():id())
  end)

  it("takes its number of workers from the environment", function()
    local script = require("spec.support.script")
    local folder = script.folder {
      ["n.lua"] = [[
        local r <close> = require("rthandle").Runtime.new()
        print(r:metrics().num_workers)
      ]],
    }
    assert.are.equal("3\n", (script.run_with("RTHANDLE_WORKER_THREADS=3",
      folder .. "/n.lua")))
    local text, status = script.run_with("RTHANDLE_WORKER_THREADS=none",
      folder .. "/n.lua")
    script.remove(folder)
    assert.are.equal(1, status)
    assert.is_truthy(text:find("RTHANDLE_WORKER_THREADS", 1, true))
  end)

  it("refuses a stopped clock", function()
    assert.has_error(function() new(1, { start_paused = true }) end)
  end)
end)
