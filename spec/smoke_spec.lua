-- How a script ends: left with live runtimes, by os.exit, by an error, by
-- Ctrl-C; each in a process of its own.
local script = require "spec.support.script"

local prelude = [[
local rt = require "rthandle"
local flavor, mode = ...
local r = rt.Runtime.new{ flavor = flavor }
local function busy()
  local rt = require "rthandle"
  while true do
    local n = 0
    for i = 1, 10000 do n = n + i end
    rt.yield_now()
  end
end
for _ = 1, 3 do r:spawn(busy) end
local closes = setmetatable({}, { __close = function() print "closed" end })
]]

local folder
local function run(code, ...)
  local out <close> = assert(io.open(folder .. "/script.lua", "wb"))
  out:write(prelude, code)
  out:close()
  return script.run(folder .. "/script.lua", ...)
end

-- Sends SIGINT to the script once it has said "ready"; `sh` waits for it.
local function interrupt(code, flavor)
  local out <close> = assert(io.open(folder .. "/script.lua", "wb"))
  out:write(prelude, [[
local function ready()
  local out <close> = io.open(mode, "w")
  out:write "x"
end
]], code)
  out:close()
  local ready = folder .. "/ready"
  os.remove(ready)
  return script.command(table.concat({
    "trap - INT;",
    ("LUA_PATH='%s' LUA_CPATH='%s'"):format(package.path, package.cpath),
    "timeout 60", os.getenv "LUA" or "lua5.4", folder .. "/script.lua", flavor,
    ready, "& p=$!; while ! [ -s", ready,
    "] && kill -0 $p; do sleep 0.01; done;",
    "kill -INT $(ps -o pid= --ppid $p); wait $p",
  }, " "))
end

for _, flavor in ipairs { "current_thread", "multi_thread" } do
  describe("the end of a script, " .. flavor .. ",", function()
    setup(function() folder = script.folder {} end)
    teardown(function() script.remove(folder) end)

    it("comes with live runtimes and busy tasks", function()
      local text, status = run("r:spawn_local(busy)", flavor)
      assert.equal("", text)
      assert.equal(0, status)
    end)

    it("comes with an error in the main script", function()
      local text, status = run("error 'the script fails'", flavor)
      assert.matches("the script fails", text, 1, true)
      assert.equal(1, status)
    end)

    for name, code in pairs {
      ["the main script"] = "os.exit(3)",
      ["the main script, closing the state"] = "os.exit(3, true)",
      ["block_on"] = "r:block_on(function() os.exit(3) end)",
      ["block_on, closing the state"] =
        "r:block_on(function() rt.sleep(0.001) os.exit(3, true) end)",
      ["a local task, closing the state"] =
        [[r:block_on(function()
            rt.spawn_local(function() rt.yield_now() os.exit(3, true) end)
              :await()
          end)]],
      ["a task on a worker"] =
        "r:block_on(r:spawn(function() os.exit(3) end))",
      ["a blocking function"] =
        "r:block_on(r:spawn_blocking(function() os.exit(3, true) end))",
    } do
      it("comes with os.exit in " .. name, function()
        local text, status = run(code, flavor)
        assert.equal("", text)
        assert.equal(3, status)
      end)
    end

    it("reports a failure that was never seen", function()
      local text, status = run([[
        local j = r:spawn(function() error("nobody looks") end)
        r:block_on(function() while not j:is_finished() do rt.yield_now() end end)
      ]], flavor)
      assert.matches("rthandle: task %d+ panicked: .*: nobody looks\n" ..
        "stack traceback:\n", text)
      assert.equal(0, status)
    end)
  end)

  describe("Ctrl-C, " .. flavor .. ",", function()
    setup(function() folder = script.folder {} end)
    teardown(function() script.remove(folder) end)

    local function ends_as_in_plain_lua(text, status)
      assert.matches("interrupted!\nstack traceback:", text, 1, true)
      assert.equal(1, status)
    end

    it("ends a waiting block_on, and closes what the root has open", function()
      local text, status = interrupt([[
        r:block_on(function()
          local c <close> = closes
          ready()
          rt.sleep(100)
        end)]], flavor)
      ends_as_in_plain_lua(text, status)
      assert.matches("closed", text)
    end)

    it("ends a bare wait", function()
      ends_as_in_plain_lua(interrupt([[
        local guard <close> = r:enter()
        ready()
        rt.sleep(100)]], flavor))
    end)

    it("ends a wait for a task", function()
      ends_as_in_plain_lua(interrupt([[
        local j = r:spawn(function() require "rthandle".sleep(100) end)
        ready()
        j:await()]], flavor))
    end)

    it("ends a root that is busy, where it next suspends", function()
      ends_as_in_plain_lua(interrupt([[
        r:block_on(function() ready() busy() end)]], flavor))
    end)

    it("ends a block_on inside a coroutine", function()
      local text, status = interrupt([[
        coroutine.wrap(function()
          r:block_on(function() ready() rt.sleep(100) end)
        end)()]], flavor)
      assert.matches("interrupted!", text, 1, true)
      assert.equal(1, status)
    end)

    it("may be caught, and the runtime goes on", function()
      local text, status = interrupt([[
        print(pcall(r.block_on, r, function() ready() rt.sleep(100) end))
        print(r:block_on(function() rt.sleep(0.001) return "again" end))
        ]], flavor)
      assert.equal("false\tinterrupted!\nagain\n", text)
      assert.equal(0, status)
    end)
  end)
end

describe("a coroutine of a waiting task", function()
  local rt = require "rthandle"

  it("waits on where a script resumes it", function()
    rt.main(function()
      local co
      local task = rt.spawn_local(function()
        co = coroutine.running()
        rt.sleep(0.001)
        return "slept"
      end)
      rt.yield_now()
      assert.is_true(coroutine.resume(co))
      assert.is_true(rt.coroutine.resume(co))
      assert.equal("slept", task:await())
    end, { flavor = "current_thread" })
  end)

  local function nap() require "rthandle".sleep(0.001) end
  local waits = {
    sleep = function() rt.sleep(0.001) end,
    ["a moved task"] = function() rt.spawn(nap):await() end,
    ["a local task"] = function() rt.spawn_local(nap):await() end,
    Sleep = function() rt.time.Sleep(0.001):await() end,
    timeout = function() rt.timeout(0.001, rt.sleep, 10) end,
    ["a stream to take bytes"] = function()
      local a, b = rt.net.UnixStream.pair()
      rt.spawn_local(function()
        rt.sleep(0.001)
        b:read_exact(1024 * 1024)
        b:close()
      end)
      a:write_all(("x"):rep(10 * 1024 * 1024))
    end,
    ["a nested coroutine"] = function() rt.coroutine.wrap(nap)() end,
  }
  for name, wait in pairs(waits) do
    it("may be closed by a script while it waits for " .. name, function()
      rt.main(function()
        for _, aborted in ipairs { false, true } do
          local kept = {}
          local task = rt.spawn_local(function()
            kept.co = coroutine.running()
            wait()
          end)
          rt.yield_now()
          assert.is_true(coroutine.close(kept.co))
          kept.co = nil
          collectgarbage()
          if aborted then task:abort() end
          local ok, err = task:join()
          assert.is_false(ok)
          assert.equal(aborted, err:is_cancelled())
        end
      end, { flavor = "current_thread" })
    end)
  end
end)
