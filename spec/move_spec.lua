-- What may be moved into another thread, what arrives there, and what is
-- refused, with the exact words (section 5 of docs/api.md).
local rt = require("rthandle")
local moved = require("spec.support.moved")

local FILE = "spec/move_spec.lua"
local r

-- Runs f as a task of another thread; its results.
local function run(f, ...) return r:spawn(f, ...):await() end
local function identity(...) return ... end

-- The message without the caller's place.
local function refusal(f, ...)
  local ok, err = pcall(r.spawn, r, f, ...)
  assert.is_false(ok)
  return (err:gsub("^[^ ]*:%d+: ", ""))
end

local function line() return debug.getinfo(2, "l").currentline end

setup(function() r = assert(rt.Runtime.new { worker_threads = 2 }) end)
teardown(function() r:close() end)

describe("values", function()
  it("nil, booleans, numbers and strings are copied", function()
    assert.same({ n = 6, nil, true, false, "x", 1.5, nil },
      table.pack(run(identity, nil, true, false, "x", 1.5, nil)))
  end)

  it("integers stay integers and floats stay floats", function()
    local i, f, min = run(identity, 3, 3.0, math.mininteger)
    assert.equal("integer", math.type(i))
    assert.equal("float", math.type(f))
    assert.equal(math.mininteger, min)
  end)

  it("NaN, minus zero and infinity arrive bit for bit", function()
    local function bits(...) return string.pack("ddd", ...) end
    local sent = bits(0 / 0, -0.0, math.huge)
    assert.equal(sent, bits(run(identity, 0 / 0, -0.0, math.huge)))
  end)

  it("strings may hold zeros and be of 100 MB", function()
    assert.equal("a\0b\0", (run(identity, "a\0b\0")))
    local long = ("0123456789"):rep(10 * 1024 * 1024)
    local n, tail = run(function(s) return #s, s:sub(-2) end, long)
    assert.equal(#long, n)
    assert.equal("89", tail)
  end)

  it("nils in the middle and at the end count, in arguments and results",
    function()
      local n = run(function(...) return select("#", ...) end, nil, 1, nil)
      assert.equal(3, n)
      assert.equal(4, select("#", run(function() return nil, 1, nil, nil end)))
    end)

  it("light userdata is copied", function()
    local ptr = debug.upvalueid(run, 1)
    assert.equal(ptr, (run(identity, ptr)))
  end)
end)

describe("tables", function()
  it("are copied deep: the task has its own", function()
    local t = { 1, { 2, x = { y = "z" } }, [2.5] = true, [false] = 0 }
    local u = run(function(v)
      v[2].x.more = 1
      return v
    end, t)
    assert.is_nil(t[2].x.more)
    t[2].x.more = 1
    assert.same(t, u)
  end)

  it("keep cycles", function()
    local t = {}
    t.self, t[t] = t, "key"
    local u = run(identity, t)
    assert.equal(u, u.self)
    assert.equal("key", u[u])
  end)

  it("keep what is shared within one call", function()
    local x = {}
    assert.is_true(run(function(a, b) return a[1] == a.k and a.k == b end,
      { x, k = x }, x))
  end)

  it("keep their metatables, and functions in them", function()
    local t = setmetatable({ 3 }, {
      __call = function(self, y) return self[1] * y end,
    })
    assert.equal(12, run(function(f) return f(4) end, t))
  end)

  it("may be lists of 100,000 linked nodes", function()
    local list
    for i = 100000, 1, -1 do list = { value = i, next = list } end
    local back = run(function(l)
      local n = 0
      local node = l
      while node do n, node = n + 1, node.next end
      return { n, l }
    end, list)
    assert.equal(100000, back[1])
    assert.equal(1, back[2].value)
  end)
end)

describe("modules", function()
  it("travel by name: the other side requires its own", function()
    assert.equal(1, run(function()
      return package.loaded["spec.support.moved"] == moved and 1 or 0
    end))
  end)

  it("have their own variables in each thread", function()
    for _ = 1, 5 do moved.count() end
    local count = moved.count
    assert.is_true(run(function() return moved.count() + count() end) > 2)
    assert.equal(6, moved.count())
  end)

  it("lend their names to what string keys lead to, three deep", function()
    local er, f = moved.deep.er, moved.deep.er.f
    assert.equal("by name", run(f))
    assert.is_true(run(function(a)
      return a == moved.deep.er and f == moved.deep.er.f
    end, er))
  end)

  it("give objects their class there", function()
    assert.equal(5, run(function(p) return p:sum() end, moved.point(2, 3)))
  end)

  it("of C functions, too: string.format, math.max", function()
    local format, max = string.format, math.max
    assert.equal("7", run(function() return format("%d", max(3, 7)) end))
    assert.equal("abab", run(string.rep, "ab", 2))
  end)

  it("lend no names to what is deeper, or behind other keys", function()
    local three, four = moved.deep.er.still, moved.deep.er.still.deeper
    local other = moved[1]
    assert.same({ true, false, false }, { run(function()
      return three == moved.deep.er.still, four == moved.deep.er.still.deeper,
        other == moved[1]
    end) })
  end)

  it("include rthandle itself, and what hangs on it", function()
    local spawn, Handle = rt.spawn, rt.Handle
    local connect = rt.net.TcpStream.connect -- three deep
    local same, n = run(function()
      return rt == require("rthandle") and Handle == rt.Handle
        and connect == rt.net.TcpStream.connect,
        spawn(function() return 8 end):await()
    end)
    assert.is_true(same)
    assert.equal(8, n)
  end)

  it("that the other side cannot require fail the task with that message",
    function()
      package.loaded["only.here"] = { x = 1 }
      local only = package.loaded["only.here"]
      local ok, err = r:spawn(function() return only.x end):join()
      package.loaded["only.here"] = nil
      assert.is_false(ok)
      assert.matches("module 'only.here' not found", err:message(), 1, true)
    end)

  it("keep to themselves what was stored into them later", function()
    moved.later = 1
    local there = run(function() return moved.later end)
    moved.later = nil
    assert.is_nil(there)
  end)

  it("_G is the other side's _G", function()
    local here = _G
    assert.is_true(run(function(g) return g == here and g.print == print end,
      _G))
  end)
end)

describe("functions", function()
  it("bring their code and what they capture", function()
    local a, b = 2, { 3 }
    assert.equal(24, run(function(c) return a * b[1] * c end, 4))
  end)

  it("bring up to 200 captured variables", function()
    local names, sum = {}, {}
    for i = 1, 200 do names[i] = "v" .. i end
    for i = 1, 100 do sum[i] = "v" .. i .. " + v" .. 100 + i end
    -- A function may have 200 locals: one more level for the rest.
    local f = load("local " .. table.concat(names, ", ", 1, 195) .. " = " ..
      ("1, "):rep(194) .. "1 return function() local v196, v197, v198, v199, " ..
      "v200 = 1, 1, 1, 1, 1 return " .. table.concat(sum, " + ") .. " end")()
    assert.equal(200, run(f))
  end)

  it("may be recursive local functions", function()
    local function fib(n) return n < 2 and n or fib(n - 1) + fib(n - 2) end
    assert.equal(55, run(fib, 10))
    assert.equal(55, run(function() return fib(10) end))
  end)

  it("may be mutually recursive", function()
    local even
    local function odd(n) return n > 0 and even(n - 1) end
    function even(n) return n == 0 or odd(n - 1) end
    assert.is_true(run(even, 10))
  end)

  it("that share a captured variable share it there", function()
    local n = 0
    local counter = {
      add = function() n = n + 1 end,
      get = function() return n end,
    }
    assert.equal(2, run(function(c)
      c.add()
      c.add()
      return c.get()
    end, counter))
    assert.equal(0, n)
  end)

  it("may come from source and from files", function()
    assert.equal(6, run(load("return 2 * ..."), 3))
    local name = os.tmpname()
    local file = assert(io.open(name, "w"))
    file:write("local x = ...\nreturn x .. '!'\n")
    file:close()
    local f = assert(loadfile(name))
    os.remove(name)
    assert.equal("hi!", run(f, "hi"))
  end)

  it("keep file and line in their errors", function()
    local at = line()
    local _, err = r:spawn(function() error("boom") end):join()
    assert.matches(FILE .. ":" .. at + 1 .. ": boom", err:message(), 1, true)
  end)

  it("keep a custom _ENV, as a table", function()
    assert.equal(7, run(load("return x", "=env", "t", { x = 7 })))
  end)
end)

describe("objects of the library", function()
  it("a Handle is shared", function()
    local h = r:handle()
    local same, back = run(function()
      return h == rt.Handle.current(), h
    end)
    assert.is_true(same)
    assert.equal(h, back)
  end)

  it("an AbortHandle is shared", function()
    local j = r:spawn(function() rt.sleep(3600) end)
    run(function(a) a:abort() end, j:abort_handle())
    local ok, err = j:join()
    assert.is_false(ok)
    assert.is_true(err:is_cancelled())
  end)

  it("a JoinHandle is moved: the sender's is empty", function()
    local j = r:spawn(function() return 9 end)
    assert.equal(9, run(function(other) return other:await() end, j))
    assert.has_error(function() j:await() end, "JoinHandle was moved")
  end)

  it("a JoinHandle that was awaited may not move", function()
    local j = r:spawn(identity)
    j:await()
    assert.equal("cannot move argument #1: JoinHandle already awaited",
      refusal(identity, j))
  end)

  it("a JoinHandle of a local task may not move", function()
    r:block_on(function()
      local j = rt.spawn_local(identity)
      assert.equal("cannot move argument #1: JoinHandle of a local task",
        refusal(identity, j))
      j:await()
    end)
  end)

  it("a JoinError is copied", function()
    local _, err = r:spawn(function() error({ code = 5 }, 0) end):join()
    local back = run(identity, err)
    assert.is_true(back:is_panic())
    assert.equal(err:id(), back:id())
    assert.equal(5, back:into_panic().code)
  end)

  it("a TaskLocal, a token, senders and locks are shared", function()
    local token = rt.CancellationToken.new()
    local tx, rx = rt.sync.mpsc(1)
    local subscribed, feed = rt.sync.broadcast(1)
    local state, watcher = rt.sync.watch("before")
    local mutex, lock = rt.sync.Mutex(1), rt.sync.RwLock(1)
    local semaphore, notify = rt.sync.Semaphore(0), rt.sync.Notify()
    local barrier, cell = rt.sync.Barrier(2), rt.sync.OnceCell()
    local task = r:spawn(function()
      token:cancel()
      tx:send("sent")
      subscribed:send("told")
      state:send("after")
      do local guard <close> = mutex:lock() guard:set(2) end
      do local guard <close> = lock:write() guard:set(3) end
      semaphore:add_permits(1)
      notify:notify_one()
      cell:set("made")
      return barrier:wait()
    end)
    local leads = r:block_on(function() return barrier:wait() end)
    assert.is_true(task:await() ~= leads)
    assert.is_true(token:is_cancelled())
    assert.equal("sent", rx:try_recv())
    assert.equal("told", feed:try_recv())
    assert.equal("after", watcher:borrow())
    assert.equal(2, mutex:try_lock():get())
    assert.equal(3, lock:try_read():get())
    assert.equal(1, semaphore:available_permits())
    assert.is_true((r:block_on(function() return rt.timeout(5, notify) end)))
    assert.equal("made", cell:get())
  end)

  it("receivers and both ends of a oneshot are moved", function()
    local reply, answer = rt.sync.oneshot()
    local ends = {
      Sender = { reply, "send", 1 },
      Receiver = { select(2, rt.sync.mpsc(1)), "try_recv" },
      ["Receiver "] = { answer, "try_recv" },
      ["Receiver  "] = { select(2, rt.sync.broadcast(1)), "try_recv" },
      ["Receiver   "] = { select(2, rt.sync.watch(1)), "borrow" },
    }
    for name, t in pairs(ends) do
      assert.equal(type(t[1]), (run(type, t[1])))
      assert.has_error(function() t[1][t[2]](t[1], t[3]) end,
        name:match("%a+") .. " was moved")
    end
  end)

  it("a refusal moves nothing", function()
    local j = r:spawn(function() return 1 end)
    refusal(identity, j, coroutine.create(print))
    assert.equal(1, j:await())
  end)
end)

local UNSEEN = ", and the caller would never see it: "
local COPIES = "return the value, or send it on a channel; or allow private " ..
  "copies: spawn_with{ captures = \"copy\" }"

describe("refusal 1: a captured local is assigned", function()
  it("names function, variable, file and line", function()
    local count, at = 0, line()
    local text = refusal(function()
      count = count + 1
    end)
    assert.equal(("cannot move function <%s:%d>: it assigns the captured " ..
      "local 'count' (%s:%d)"):format(FILE, at + 1, FILE, at + 2) .. UNSEEN ..
      COPIES, text)
  end)

  it("stands at the caller's line", function()
    local n = 0
    local ok, err = pcall(function() r:spawn(function() n = 1 end) end)
    assert.is_false(ok)
    assert.matches("^" .. FILE .. ":" .. line() - 2 .. ": cannot move", err)
    return n
  end)

  it("holds for nested functions", function()
    local n = 0
    assert.matches("assigns the captured local 'n'", refusal(function()
      return function() n = 1 end
    end), 1, true)
    return n
  end)

  it("does not hold for the function's own locals", function()
    assert.equal(1, run(function()
      local n = 0
      local function add() n = n + 1 end
      add()
      return n
    end))
  end)

  it("holds for functions among the arguments", function()
    local n, at = 0, line()
    local text = refusal(identity, function() n = 1 end)
    assert.equal(("cannot move function <%s:%d>: it assigns the captured " ..
      "local 'n' (%s:%d)"):format(FILE, at + 1, FILE, at + 1) .. UNSEEN ..
      COPIES, text)
    return n
  end)

  it("holds for captured functions, and tells the chain", function()
    local n, at = 0, line()
    local function helper() n = n + 1 end
    local text = refusal(function() return helper() end)
    assert.equal(("cannot move function <%s:%d>, which uses 'helper' " ..
      "<%s:%d>, which assigns the captured local 'n' (%s:%d)"):format(FILE,
      at + 2, FILE, at + 1, FILE, at + 1) .. UNSEEN .. COPIES, text)
  end)

  it("does not hold for functions in tables and those that go by name",
    function()
      local n = 0
      local t = { add = function() n = n + 1 return n end }
      assert.equal(1, run(function() return t.add() end))
      assert.is_true(run(moved.count) > 0)
    end)

  it("does not hold for functions in messages and results", function()
    local n = 0
    local function add() n = n + 1 return n end
    local tx, rx = rt.sync.mpsc(1)
    tx:send(add)
    assert.equal(1, run(function(from) return from:recv()() end, rx))
    local back = run(function()
      local own = 5
      return function() own = own + 1 return own end
    end)
    assert.equal(6, back())
    assert.equal(0, n)
  end)

  it("is lifted by captures = \"copy\", of every spawn_with", function()
    local n = 0
    local function add()
      n = n + 1
      return n
    end
    local copy = { captures = "copy" }
    assert.equal(1, r:handle():spawn_with(copy, add):await())
    assert.equal(1, r:spawn_with(copy, add):await())
    r:block_on(function()
      assert.equal(1, rt.spawn_with(copy, add):await())
      local set <close> = rt.JoinSet.new()
      set:spawn_with(copy, add)
      assert.same({ 1 }, set:join_all())
      assert.equal(1, rt.scope(function(s)
        return s:spawn_with(copy, add):await()
      end))
    end)
    assert.equal(0, n)
  end)
end)

describe("refusal 2: a captured table is stored into", function()
  local results = {}

  it("names function, variable, file and line", function()
    local at = line()
    local text = refusal(function(i, v)
      results[i] = v
    end)
    assert.equal(("cannot move function <%s:%d>: it stores into the captured " ..
      "table 'results' (%s:%d)"):format(FILE, at + 1, FILE, at + 2) .. UNSEEN ..
      COPIES, text)
  end)

  it("follows the table through locals, fields, loops and nested functions",
    function()
      for _, f in ipairs {
        function() results.x = 1 end,
        function(i) local t = results t[i] = 1 end,
        function(i) results.list[i] = 1 end,
        function(n) local t = results for i = 1, n do t[i] = i end end,
        function() for i = 1, 2 do results[#results + 1] = i end end,
        function() return function() results.x = 1 end end,
        function() local t = results return function() t.x = 1 end end,
      } do
        assert.matches("it stores into the captured table 'results'",
          refusal(f), 1, true)
      end
    end)

  it("holds for modules, too", function()
    assert.matches("it stores into the captured table 'moved'",
      refusal(function() moved.x = 1 end), 1, true)
  end)

  it("holds for a custom _ENV", function()
    assert.matches("cannot move function <env:0>: it stores into the captured " ..
      "table '_ENV' (env:1)", refusal(load("x = 1", "=env", "t", {})), 1, true)
  end)

  it("does not hold for arguments and own tables", function()
    assert.equal(2, run(function(t)
      t.x = 1
      local own = {}
      own[1] = t.x
      return own[1] + #{ results }
    end, {}))
  end)

  it("does not see stores that a call makes", function()
    assert.equal(1, run(function()
      table.insert(results, 1)
      return #results
    end))
    assert.same({}, results)
  end)

  it("is lifted by captures = \"copy\"", function()
    local j = r:handle():spawn_with({ captures = "copy" }, function()
      results[1] = 5
      return results[1]
    end)
    assert.equal(5, j:await())
    assert.same({}, results)
  end)
end)

-- luacheck: push ignore 111 112 113
describe("refusal 3: a global is assigned", function()
  it("names function, global, file and line", function()
    local at = line()
    local text = refusal(function()
      some_global = 1
    end)
    assert.equal(("cannot move function <%s:%d>: it assigns the global " ..
      "'some_global' (%s:%d)"):format(FILE, at + 1, FILE, at + 2) .. UNSEEN ..
      "use a local", text)
  end)

  it("sees _G.x = v and global functions", function()
    for _, f in ipairs {
      function() _G.some_global = 1 end,
      function() local g = _G g.some_global = 1 end,
      function() function some_global() end end,
    } do
      assert.matches("it assigns the global 'some_global'", refusal(f), 1, true)
    end
  end)

  it("is not lifted by captures = \"copy\"", function()
    local h = r:handle()
    local ok, err = pcall(h.spawn_with, h, { captures = "copy" },
      function() some_global = 1 end)
    assert.is_false(ok)
    assert.matches("it assigns the global 'some_global'", err, 1, true)
  end)
end)

describe("refusal 4: a global of the script is read", function()
  after_each(function() _G.some_helper = nil end)

  it("names function and global", function()
    _G.some_helper = print
    local at = line()
    local text = refusal(function() return some_helper() end)
    assert.equal(("cannot move function <%s:%d>: it uses the global " ..
      "'some_helper', which other threads do not have: make it local, or " ..
      "put it in a module"):format(FILE, at + 1), text)
  end)

  it("is looked at anew for each spawn", function()
    local function f() return some_helper end
    assert.is_nil((run(f)))
    _G.some_helper = 1
    assert.matches("it uses the global 'some_helper'", refusal(f), 1, true)
    _G.some_helper = nil
    assert.is_nil((run(f)))
  end)

  it("does not hold for standard names and names that nobody has", function()
    assert.equal("function table nil", run(function()
      return type(print) .. " " .. type(string) .. " " .. type(unheard_of)
    end))
  end)

  it("holds for a standard name that the script replaced", function()
    local function f() return tonumber("1") end
    assert.equal(1, (run(f)))
    local old = tonumber
    _G.tonumber = identity
    local ok, err = pcall(r.spawn, r, f)
    _G.tonumber = old
    assert.is_false(ok)
    assert.matches("it uses the global 'tonumber'", err, 1, true)
  end)

  it("does not hold for coroutine = rt.coroutine", function()
    local old = coroutine
    _G.coroutine = rt.coroutine
    local ok, j = pcall(r.spawn, r, function() return type(coroutine.wrap) end)
    _G.coroutine = old
    assert.is_true(ok)
    assert.equal("function", j:await())
  end)
end)
-- luacheck: pop

-- luacheck: push ignore 111 112 113 241
describe("refusals 2 to 4", function()
  after_each(function() _G.some_helper = nil end)

  it("hold for functions among the arguments and captured ones, too",
    function()
      _G.some_helper = print
      local results = {}
      for what, f in pairs {
        ["stores into the captured table 'results'"] = function()
          results.x = 1
        end,
        ["assigns the global 'some_global'"] = function() some_global = 1 end,
        ["uses the global 'some_helper'"] = function() some_helper() end,
      } do
        assert.matches(": it " .. what, refusal(identity, f), 1, true)
        assert.matches(", which uses 'f' <", refusal(function() f() end), 1, true)
        assert.matches(">, which " .. what, refusal(function() f() end), 1, true)
      end
    end)

  it("hold on a current_thread runtime and for blocking functions", function()
    _G.some_helper = print
    local results, n = {}, 0
    local ct <close> = rt.Runtime.new { flavor = "current_thread" }
    for what, f in pairs {
      ["assigns the captured local 'n'"] = function() n = n + 1 end,
      ["stores into the captured table 'results'"] = function()
        results.x = 1
      end,
      ["assigns the global 'some_global'"] = function() some_global = 1 end,
      ["uses the global 'some_helper'"] = function() some_helper() end,
      ["cannot move upvalue 'r': Runtime"] = function() return r end,
    } do
      for _, spawn in ipairs {
        function() ct:spawn(f) end, function() ct:spawn_blocking(f) end,
        function() r:spawn_blocking(f) end,
      } do
        local ok, err = pcall(spawn)
        assert.is_false(ok)
        assert.matches(what, err, 1, true)
      end
    end
    local t = { 1 }
    local copy = ct:spawn(identity, t):await()
    assert.same(t, copy)
    assert.is_false(rawequal(t, copy))
  end)
end)
-- luacheck: pop

describe("refusal 5: a value that may not be moved", function()
  it("names the way to it through captured variables", function()
    local conf = { files = { 1, io.stdout } }
    local at = line()
    local text = refusal(function() return conf end)
    assert.equal(("cannot move function <%s:%d>: cannot move upvalue " ..
      "'conf'.files[2]: userdata (FILE*)"):format(FILE, at + 1), text)
  end)

  it("names the argument, counted after f", function()
    assert.equal("cannot move argument #2: coroutine",
      refusal(identity, 1, coroutine.create(print)))
    assert.equal("cannot move argument #1.a[\"b c\"][3]: coroutine",
      refusal(identity, { a = { ["b c"] = { 1, 2, coroutine.create(print) } } }))
  end)

  it("tells of a Runtime what to capture instead", function()
    local other = r
    assert.matches(": cannot move upvalue 'other': Runtime; capture " ..
      "other:handle() instead", refusal(function() return other end), 1, true)
  end)

  it("refuses C functions that no module holds", function()
    local f = coroutine.wrap(print)
    assert.matches("cannot move upvalue 'f': C function that no module holds",
      refusal(function() return f end), 1, true)
  end)

  it("refuses what belongs to one Lua state by its name", function()
    local guard <close> = r:enter()
    for name, object in pairs {
      EnterGuard = guard, Sleep = rt.time.Sleep(1), Interval = rt.interval(1),
      JoinSet = rt.JoinSet.new(), LockGuard = rt.sync.Mutex(1):try_lock(),
      DropGuard = rt.CancellationToken.new():drop_guard(),
      coroutine = coroutine.create(print),
      ["userdata (FILE*)"] = io.stdout,
    } do
      assert.equal("cannot move argument #1: " .. name,
        refusal(identity, object))
      assert.matches(": cannot move upvalue 'object': " .. name,
        refusal(function() return object end), 1, true)
    end
  end)

  it("fails the task where it is a result, and says which", function()
    local ok, err = r:spawn(function() return 1, io.stdout end):join()
    assert.is_false(ok)
    assert.is_true(err:is_panic())
    assert.matches("cannot move result #2: userdata (FILE*)", err:message(), 1,
      true)
  end)

  it("sends an error value that may not move as its tostring", function()
    local _, err = r:spawn(function() error(io.stdout) end):join()
    assert.matches("^file %(", err:into_panic())
  end)
end)
