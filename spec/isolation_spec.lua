-- What one task does to its Lua state does not reach the next one that runs
-- there, and what only the debug library can do ends in an error.
local rt = require("rthandle")
local flavors = require("spec.support.flavors")

flavors(describe, function(new)
  describe("a debug hook", function()
    for _, kind in ipairs { "spawn", "local", "blocking" } do
      local function run(f, ...)
        return rt.spawn_with({ kind = kind }, f, ...):join()
      end

      it("ends with the task that set it, " .. kind, function()
        local r <close> = new { max_blocking_threads = 1 }
        r:block_on(function()
          assert.is_true(run(function()
            debug.sethook(function() error "in the wrong task" end, "", 10000)
          end))
          assert.is_true(run(function() for _ = 1, 100000 do end end))
        end)
      end)

      it("works in the task after one whose hook failed, " .. kind, function()
        local r <close> = new { max_blocking_threads = 1 }
        r:block_on(function()
          for _ = 1, 3 do
            local ok, err = run(function()
              debug.sethook(function() error("hook", 0) end, "", 100)
              for _ = 1, 100000 do end
            end)
            assert.is_false(ok)
            assert.are.equal("hook", err:into_panic())
          end
        end)
      end)
    end

    it("set on the coroutine of an ended task is not the next one's", function()
      local r <close> = new()
      r:block_on(function()
        local hits, ended = 0, nil
        rt.spawn_local(function() ended = coroutine.running() end):await()
        debug.sethook(ended, function() hits = hits + 1 end, "l")
        rt.spawn_local(function() return 1 + hits end):await()
        assert.are.equal(0, hits)
      end)
    end)
  end)
end)

describe("the metamethods of this module", function()
  it("refuse what they do not belong to", function()
    rt.main(function()
      local join = rt.spawn(function() error "boom" end)
      local _, err = join:join()
      local guard <close> = rt.Handle.current():enter()
      for _, object in ipairs { rt.Handle.current(), join, err, guard,
        join:abort_handle(), rt.time.Sleep(1) } do
        for name, f in pairs(debug.getmetatable(object)) do
          if type(f) == "function" and name ~= "__eq" then
            assert.is_false(pcall(f, {}), name)
            assert.is_false(pcall(f, io.stdout), name)
            assert.is_false(pcall(f), name)
          end
        end
      end
    end)
  end)
end)
