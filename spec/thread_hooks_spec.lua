-- The options on_thread_start and on_thread_stop: functions that run in each
-- thread of a runtime.
local rt = require("rthandle")
local script = require("spec.support.script")

local function refuses(opts, text)
  local ok, err = pcall(rt.Runtime.new, opts)
  assert.is_false(ok)
  assert.is_truthy(err:find(text, 1, true), err)
end

for _, name in ipairs { "on_thread_start", "on_thread_stop" } do
  describe(name, function()
    it("must be a function", function()
      refuses({ [name] = "f" }, name .. " must be a function, got string")
      refuses({ [name] = setmetatable({}, { __call = print }) },
        name .. " must be a function, got table")
    end)

    it("shares objects with all threads, but for what only one can have",
      function()
        local tx, rx = rt.sync.unbounded()
        for _, opts in ipairs { { flavor = "current_thread" },
          { worker_threads = 3 } } do
          opts[name] = function() tx:send(name) end
          local r <close> = rt.Runtime.new(opts)
          r:block_on(r:spawn(function() end))
          r:close()
          for _ = 1, opts.worker_threads or 1 do
            assert.are.equal(name, (rx:try_recv()))
          end
          assert.are.same({ nil, "empty" }, { rx:try_recv() })
        end
        refuses({ [name] = function() return rx end },
          "cannot move upvalue 'rx': Receiver, which only one can have")
        tx:close()
        assert.are.same({ nil, "closed" }, { rx:try_recv() })
      end)

    it("may not capture what may not be moved", function()
      local co = coroutine.create(print)
      refuses({ [name] = function() return co end },
        "cannot move upvalue 'co': coroutine")
    end)

    it("may not assign what it captures", function()
      local n = 0
      refuses({ [name] = function() n = n + 1 end },
        "it assigns the captured local 'n'")
      assert.are.equal(0, n)
    end)
  end)
end

describe("on_thread_start", function()
  it("may set globals, which every task then reads", function()
    local r <close> = rt.Runtime.new {
      worker_threads = 2,
      on_thread_start = function()
        helper = function() return "help" end -- luacheck: ignore 111
      end,
    }
    _G.helper = function() return "of the script" end
    local text = r:spawn(function() return rawget(_G, "helper")() end):await()
    _G.helper = nil
    assert.are.equal("help", text)
  end)

  it("runs once on current_thread, on the thread that drives first",
    function()
      local name = os.tmpname()
      local r <close> = rt.Runtime.new {
        flavor = "current_thread",
        on_thread_start = function()
          local f <close> = io.open(name, "a")
          f:write("+")
        end,
      }
      for _ = 1, 3 do r:block_on(r:spawn(function() end)) end
      local f <close> = io.open(name)
      assert.are.equal("+", f:read("a"))
      os.remove(name)
    end)

  it("runs in a blocking thread's state as well", function()
    local r <close> = rt.Runtime.new {
      worker_threads = 1,
      on_thread_start = function() mark = "set" end, -- luacheck: ignore 111
    }
    assert.are.equal("set", r:spawn_blocking(function()
      return rawget(_G, "mark")
    end):await())
  end)

  it("may be a C function that a module holds", function()
    local r <close> = rt.Runtime.new {
      worker_threads = 1, on_thread_start = collectgarbage,
    }
    assert.are.equal(1, r:spawn(function() return 1 end):await())
  end)

  -- What ipairs answers is such a function.  It is called without arguments,
  -- and says so: it ran, in a state to which it never moved.
  it("may be a C function that no module holds", function()
    local folder = script.folder {
      ["s.lua"] = [[
        local r <close> = require("rthandle").Runtime.new {
          worker_threads = 1, on_thread_start = (ipairs {}),
        }
        print(r:spawn(function() return 1 end):await())
      ]],
    }
    local output = script.run(folder .. "/s.lua")
    script.remove(folder)
    assert.is_truthy(output:match("^rthandle: on_thread_start failed: "
      .. "bad argument #2"), output)
    assert.is_truthy(output:match("\n1\n$"), output)
  end)

  it("may read what is a global of the script here: it means its own",
    function()
      _G.pool = "of the script"
      local r <close> = rt.Runtime.new {
        worker_threads = 1,
        on_thread_start = function()
          seen = tostring(pool) -- luacheck: ignore 111 113
        end,
      }
      _G.pool = nil
      assert.are.equal("nil", r:spawn(function()
        return rawget(_G, "seen")
      end):await())
    end)

  it("that fails is reported, and tasks run all the same", function()
    local folder = script.folder {
      ["s.lua"] = [[
        local r <close> = require("rthandle").Runtime.new {
          worker_threads = 1, on_thread_start = function() error "bad" end,
        }
        print(r:spawn(function() return 1 end):await())
      ]],
    }
    local output, status = script.run(folder .. "/s.lua")
    script.remove(folder)
    assert.are.equal(0, status)
    assert.is_truthy(output:match("rthandle: on_thread_start failed: "
      .. "[^\n]*s.lua:2: bad\nstack traceback:\n"))
    assert.is_truthy(output:match("\n1\n$"))
  end)
end)

describe("on_thread_stop", function()
  local function stops(opts, use)
    local name = os.tmpname()
    opts.on_thread_stop = function()
      local f <close> = io.open(name, "a")
      f:write(rawget(_G, "last_task") or "none", "\n")
    end
    local r = rt.Runtime.new(opts)
    use(r)
    r:close()
    local f <close> = io.open(name)
    local text = f:read("a")
    os.remove(name)
    return text
  end
  local function task(what) rawset(_G, "last_task", what) end

  it("runs after the last task of a worker, in its state", function()
    assert.are.equal("second\n", stops({ worker_threads = 1 }, function(r)
      r:spawn(task, "first"):await()
      r:spawn(task, "second"):await()
    end))
  end)

  it("runs after the last function of a blocking thread", function()
    local text = stops({ worker_threads = 1, max_blocking_threads = 1 },
      function(r)
        r:spawn_blocking(task, "first"):await()
        r:spawn_blocking(task, "second"):await()
      end)
    assert.is_truthy(text == "second\nnone\n" or text == "none\nsecond\n", text)
  end)

  it("runs once on current_thread", function()
    assert.are.equal("task\n", stops({ flavor = "current_thread" }, function(r)
      for _ = 1, 3 do r:block_on(r:spawn(task, "task")) end
    end))
  end)
end)
