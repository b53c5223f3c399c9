-- A failed task: its JoinError, and the error values that may be raised.
-- (Tokio: task_panic.rs, and the JoinError parts of task_abort.rs)
local rt = require("rthandle")
local flavors = require("spec.support.flavors")
local has = require("spec.support.has")

local HERE = debug.getinfo(1, "S").short_src

local function here(offset)
  return ("%s:%d:"):format(HERE,
    debug.getinfo(2, "l").currentline + (offset or 0))
end

-- A task for each kind that runs the function.
local KINDS = { "spawn", "local", "blocking" }
local function start(kind, f, ...)
  return rt.spawn_with({ kind = kind }, f, ...)
end

flavors(describe, function(new)
  for _, kind in ipairs(KINDS) do
    describe(("an error in a task of kind '%s'"):format(kind), function()
      local function failure(r, f, ...)
        local ok, err = r:block_on(function(...)
          return start(kind, f, ...):join()
        end, ...)
        assert.is_false(ok)
        return err
      end

      it("makes a JoinError that is a panic", function()
        local r <close> = new()
        local err = failure(r, function() error("boom", 0) end)
        assert.is_true(err:is_panic())
        assert.is_false(err:is_cancelled())
        assert.are.equal("boom", err:into_panic())
        assert.are.equal(("task %d panicked: boom"):format(err:id()),
          err:message())
      end)

      it("says file and line", function()
        local r <close> = new()
        local at = here(1)
        local err = failure(r, function() error("boom") end)
        assert.are.equal(at .. " boom", err:into_panic())
        assert.are.equal(("task %d panicked: %s boom"):format(err:id(), at),
          err:message())
      end)

      it("has the task's own traceback, with files and lines", function()
        local r <close> = new()
        local inner, outer = here(1), here(4)
        local function deep(n) if n == 0 then error("boom") end deep(n - 1)
          return n end
        local err = failure(r, function(f)
          f(0)
          return 1
        end, deep)
        assert.are.equal("stack traceback:\n", err.traceback:sub(1, 17))
        has(err.traceback, inner)
        has(err.traceback, outer)
        assert.are.equal(err:message() .. "\n" .. err.traceback,
          tostring(err))
        assert.is_nil(err.traceback:find("block_on", 1, true))
      end)

      it("has the traceback of a failing library call, too", function()
        local r <close> = new()
        local at = here(2)
        local err = failure(r, function()
          local n = ("x"):rep(-1, {})
          return n
        end)
        has(err.traceback, at)
        has(err:message(), "bad argument #2 to 'rep'")
      end)

      it("shortens the traceback of a deep recursion", function()
        local r <close> = new()
        local err = failure(r, function()
          local function deep(n)
            if n == 0 then error("boom", 0) end
            return (deep(n - 1))
          end
          return deep(1000)
        end)
        has(err.traceback, "skipping")
        assert.is_true(#err.traceback < 4000)
      end)

      it("keeps the message to one line", function()
        local r <close> = new()
        local err = failure(r, function() error("one\ntwo\nthree", 0) end)
        assert.are.equal(("task %d panicked: one"):format(err:id()),
          err:message())
        assert.are.equal("one\ntwo\nthree", err:into_panic())
      end)

      it("shows all lines of the error in its text", function()
        local r <close> = new()
        local err = failure(r, function() error("one\ntwo\nthree", 0) end)
        assert.are.equal(("task %d panicked: one\ntwo\nthree\n%s"):format(
          err:id(), err.traceback), tostring(err))
      end)

      it("may be a table", function()
        local r <close> = new()
        local err = failure(r, function()
          error { code = 42, list = { 1, 2 } }
        end)
        assert.are.same({ code = 42, list = { 1, 2 } }, err:into_panic())
        assert.are.equal(("task %d panicked: (error object is a table value)")
          :format(err:id()), err:message())
      end)

      it("may be nil", function()
        local r <close> = new()
        local err = failure(r, function() error(nil) end)
        assert.is_true(err:is_panic())
        assert.is_nil(err:into_panic())
        assert.are.equal("string", type(err:message()))
        has(tostring(err), "panicked")
      end)

      it("may be false, a number, an empty string", function()
        local r <close> = new()
        for _, value in ipairs { false, 42, 4.5, "", "a\0b" } do
          local err = failure(r, function(v) error(v, 0) end, value)
          assert.are.equal(value, err:into_panic())
          assert.are.equal(math.type(value), math.type(err:into_panic()))
        end
      end)

      it("may be an object with __tostring", function()
        local r <close> = new()
        local err = failure(r, function()
          error(setmetatable({ what = "disk full" }, {
            __tostring = function(e) return "Error: " .. e.what end,
          }))
        end)
        assert.are.equal(("task %d panicked: Error: disk full"):format(
          err:id()), err:message())
        assert.are.equal("disk full", err:into_panic().what)
        assert.are.equal("Error: disk full", tostring(err:into_panic()))
      end)

      it("may be an object whose __tostring fails", function()
        local r <close> = new()
        local err = failure(r, function()
          error(setmetatable({}, { __tostring = function() error "no" end }))
        end)
        assert.is_true(err:is_panic())
        has(err:message(), "panicked: (error object is a table value)")
      end)

      if kind == "local" then
        it("is the very object that was raised", function()
          local r <close> = new()
          local object, co = {}, coroutine.create(print)
          assert.are.equal(object, failure(r, error, object):into_panic())
          assert.are.equal(co, failure(r, error, co):into_panic())
        end)
      else
        it("arrives as its text where it may not be moved", function()
          local r <close> = new()
          local err = failure(r, function()
            error(coroutine.create(print))
          end)
          assert.is_truthy(err:into_panic():match("^thread: "))
          err = failure(r, function() error(io.stdout) end)
          assert.is_truthy(err:into_panic():match("^file %("))
          err = failure(r, function()
            error(setmetatable({ io.stdout }, {
              __tostring = function() return "with a file" end,
            }))
          end)
          assert.are.equal("with a file", err:into_panic())
        end)
      end

      it("of a task that it awaited passes on", function()
        local r <close> = new()
        local err = failure(r, function()
          local h = require("rthandle")
          h.spawn(function() error("inner", 0) end):await()
        end)
        local inner = err:into_panic()
        assert.are.equal("inner", inner:into_panic())
        assert.are_not.equal(err:id(), inner:id())
        has(err:message(), ("task %d panicked: task %d panicked: inner")
          :format(err:id(), inner:id()))
        has(tostring(err), ("\n%s\n%s"):format(inner.traceback, err.traceback))
      end)

      it("names the task that has a name", function()
        local r <close> = new()
        local _, err = r:block_on(function()
          return rt.spawn_with({ kind = kind, name = "fetch" }, function()
            error("boom", 0)
          end):join()
        end)
        assert.are.equal(("task %d (fetch) panicked: boom"):format(err:id()),
          err:message())
      end)
    end)
  end

  describe("a JoinError of a cancelled task", function()
    local function cancelled(r, name)
      local j = r:spawn_with({ name = name }, function()
        rt.sleep(math.huge)
      end)
      j:abort()
      local _, err = r:block_on(function() return j:join() end)
      return err
    end

    it("says so in one line", function()
      local r <close> = new()
      local err = cancelled(r)
      assert.is_true(err:is_cancelled())
      assert.is_false(err:is_panic())
      assert.are.equal(("task %d was cancelled"):format(err:id()),
        err:message())
      assert.are.equal(err:message(), (tostring(err):match("^[^\n]*")))
    end)

    it("has no panic", function()
      local r <close> = new()
      local err = cancelled(r)
      assert.has_error(function() err:into_panic() end)
    end)

    it("names the task", function()
      local r <close> = new()
      local err = cancelled(r, "slow")
      assert.are.equal(("task %d (slow) was cancelled"):format(err:id()),
        err:message())
    end)
  end)

  describe("a JoinError", function()
    it("moves to another thread and back, as a copy", function()
      local r <close> = new()
      r:block_on(function()
        local j = rt.spawn(function() error { code = 1 } end)
        local _, err = j:join()
        local message, code, back = rt.spawn(function(e)
          return e:message(), e:into_panic().code, e
        end, err):await()
        assert.are.equal(err:message(), message)
        assert.are.equal(1, code)
        assert.are.equal(err:id(), back:id())
        assert.are.equal(err.traceback, back.traceback)
        assert.is_true(back:is_panic())
        assert.are.same({ code = 1 }, err:into_panic())
      end)
    end)
  end)
end)
