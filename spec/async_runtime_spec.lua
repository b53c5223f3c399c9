-- rthandle.async_runtime and rt.main.
local rt = require("rthandle")
local script = require("spec.support.script")

-- The process has one such runtime only, so most cases are scripts.
local function check(code, expected, status)
  local folder = script.folder { ["s.lua"] = code }
  local output, how = script.run(folder .. "/s.lua")
  script.remove(folder)
  assert.are.same({ expected, status or 0 }, { output, how })
end

local HEAD = [[
local rt = require "rthandle"
local async = require "rthandle.async_runtime"
local function text(err) return (tostring(err):gsub("^.-:%d+: ", "")) end
]]

describe("rthandle.async_runtime", function()
  it("makes a first script of three lines", function()
    check([[
local async = require "rthandle.async_runtime"
local j = async.spawn(function(a, b) return a + b end, 1, 2)
print(async.block_on(j))
]], "3\n")
  end)

  it("block_on passes arguments in and values out", function()
    check(HEAD .. "print(async.block_on(function(...) return ... end, 1, nil,"
      .. " 'x'))", "1\tnil\tx\n")
  end)

  it("spawn_blocking runs on another thread", function()
    check(HEAD .. [[
      print(async.block_on(async.spawn_blocking(function(n) return n end, 5)))
    ]], "5\n")
  end)

  it("handle is always the same, of a multi_thread runtime", function()
    check(HEAD .. [[
      print(async.handle() == async.handle(), async.handle():runtime_flavor())
      print(async.block_on(function()
        return rt.Handle.current() == async.handle()
      end))
    ]], "true\tmulti_thread\ntrue\n")
  end)

  it("is made at first use, not before", function()
    check(HEAD .. [[
      local function threads()
        local pipe <close> = io.popen("ls /proc/$PPID/task")
        local n = 0
        for _ in pipe:lines() do n = n + 1 end
        return n
      end
      print(threads())
      async.handle()
      print(threads() > 1)
    ]], "1\ntrue\n")
  end)

  it("is the same runtime in every thread of the process", function()
    check(HEAD .. [[
      local id = async.handle():id()
      print(async.block_on(async.spawn(function()
        return require("rthandle.async_runtime").handle():id()
      end)) == id)
      print(async.block_on(async.spawn_blocking(function()
        return require("rthandle.async_runtime").block_on(function()
          return rt.Handle.current():id()
        end)
      end)) == id)
    ]], "true\ntrue\n")
  end)

  it("is the same when tasks of another runtime make it at once", function()
    check(HEAD .. [[
      rt.main(function()
        local joins, ids = {}, {}
        for i = 1, 16 do
          joins[i] = rt.spawn_blocking(function()
            return require("rthandle.async_runtime").handle():id()
          end)
        end
        for i, j in ipairs(joins) do ids[i] = j:await() end
        for i = 2, 16 do assert(ids[i] == ids[1]) end
        print(async.handle():id() == ids[1])
      end)
    ]], "true\n")
  end)

  it("travels by name when it is captured", function()
    check(HEAD .. [[
      print(async.block_on(async.spawn(function()
        return async.spawn(function() return "inner" end):await()
      end)))
    ]], "inner\n")
  end)

  it("set adopts a runtime that there is", function()
    check(HEAD .. [[
      local r <close> = rt.Runtime.new { worker_threads = 1, name = "mine" }
      async.set(r:handle())
      print(async.handle():name(), async.handle() == r:handle())
      print(async.block_on(async.spawn(function()
        return rt.Handle.current():name()
      end)))
    ]], "mine\ttrue\nmine\n")
  end)

  it("set raises once there is one", function()
    check(HEAD .. [[
      local r <close> = rt.Runtime.new { worker_threads = 1 }
      async.handle()
      local ok, err = pcall(async.set, r:handle())
      print(ok, text(err))
    ]], "false\truntime already initialized\n")
  end)

  it("set raises the second time", function()
    check(HEAD .. [[
      local r <close> = rt.Runtime.new { worker_threads = 1 }
      async.set(r:handle())
      local ok, err = pcall(async.set, r:handle())
      print(ok, text(err))
    ]], "false\truntime already initialized\n")
  end)

  it("set takes nothing but a Handle", function()
    check(HEAD .. [[
      local r <close> = rt.Runtime.new { worker_threads = 1 }
      for _, v in ipairs { 1, "x", {}, r } do
        local ok, err = pcall(async.set, v)
        print(ok, (err:match("%(.*%)")))
      end
      print((pcall(async.set)))
      print(async.handle() == r:handle())
    ]], table.concat {
      "false\t(rthandle.Handle expected, got number)\n",
      "false\t(rthandle.Handle expected, got string)\n",
      "false\t(rthandle.Handle expected, got table)\n",
      "false\t(rthandle.Handle expected, got rthandle.Runtime)\n",
      "false\nfalse\n",
    })
  end)

  it("an adopted runtime may be closed by its owner", function()
    check(HEAD .. [[
      local r = rt.Runtime.new { worker_threads = 1 }
      async.set(r:handle())
      r:close()
      local ok, err = async.spawn(function() end):join()
      print(ok, err:is_cancelled())
    ]], "false\ttrue\n")
  end)

  it("has the channel, Mutex and RwLock of rt.sync", function()
    local async = require("rthandle.async_runtime")
    assert.are.equal(rt.sync.mpsc, async.channel)
    assert.are.equal(rt.sync.Mutex, async.Mutex)
    assert.are.equal(rt.sync.RwLock, async.RwLock)
  end)

  it("has no close", function()
    local async = require("rthandle.async_runtime")
    assert.is_nil(async.close)
    assert.is_nil(async.shutdown_background)
  end)

  it("block_on is refused in a task", function()
    check(HEAD .. [[
      async.block_on(function()
        local ok, err = pcall(async.block_on, function() end)
        print(ok, (text(err):match("^[^.]*")))
      end)
    ]], "false\tCannot start a runtime from within a runtime\n")
  end)
end)

describe("rt.main", function()
  it("runs a function on a runtime of its own, and gives its values",
    function()
      assert.are.same({ n = 3, 1, nil, "x" }, table.pack(rt.main(function()
        rt.sleep(0.001)
        return 1, nil, "x"
      end)))
      assert.are.equal(0, select("#", rt.main(function() end)))
    end)

  it("takes the options of Runtime.new", function()
    local flavor, name, workers = rt.main(function()
      local h = rt.Handle.current()
      return h:runtime_flavor(), h:name(), h:metrics().num_workers
    end, { flavor = "current_thread", name = "main" })
    assert.are.same({ "current_thread", "main", 1 }, { flavor, name, workers })
  end)

  it("is multi_thread without options", function()
    assert.are.equal("multi_thread", rt.main(function()
      return rt.Handle.current():runtime_flavor()
    end))
  end)

  it("closes the runtime before it returns", function()
    for _, flavor in ipairs { "current_thread", "multi_thread" } do
      local j, h = rt.main(function()
        return rt.spawn(function() rt.sleep(math.huge) end),
          rt.Handle.current()
      end, { flavor = flavor })
      assert.is_true(j:is_finished())
      local ok, err = j:join()
      assert.is_false(ok)
      assert.is_true(err:is_cancelled())
      assert.is_false((h:spawn(function() end):join()))
    end
  end)

  it("closes the runtime after an error, which passes through", function()
    local object, j = {}, nil
    local ok, err = pcall(rt.main, function()
      j = rt.spawn(function() rt.sleep(math.huge) end)
      error(object)
    end)
    assert.is_false(ok)
    assert.are.equal(object, err)
    assert.is_true(j:is_finished())
  end)

  it("waits for blocking functions that run", function()
    local name = os.tmpname()
    rt.main(function()
      rt.spawn_blocking(function(file)
        local f <close> = io.open(file, "w")
        local sum = 0
        for i = 1, 1e6 do sum = sum + i end
        f:write("written")
        return sum
      end, name)
      while rt.Handle.current():metrics().num_blocking_threads == 0
        or rt.Handle.current():metrics().blocking_queue_depth > 0 do
        rt.yield_now()
      end
    end)
    local f <close> = io.open(name)
    assert.are.equal("written", f:read("a"))
    os.remove(name)
  end)

  it("is refused inside a task", function()
    rt.main(function()
      local ok, err = pcall(rt.main, function() end)
      assert.is_false(ok)
      assert.is_truthy(tostring(err):find(
        "Cannot start a runtime from within a runtime.", 1, true))
    end)
  end)

  it("may be called again and again", function()
    for i = 1, 20 do
      assert.are.equal(i, rt.main(function() return i end))
    end
  end)

  it("refuses what is no function", function()
    assert.has_error(function() rt.main(1) end)
    assert.has_error(function() rt.main() end)
    assert.has_error(function() rt.main(print, 5) end,
      "bad argument #2 to 'main' (table expected, got number)")
  end)
end)
