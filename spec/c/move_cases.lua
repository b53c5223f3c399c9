-- What may be moved to another Lua state and what is refused: the cases of
-- spec/c/move_test.c, which gives the functions move, send and so on (see
-- spec/c/move_host.h).
-- luacheck: globals move move_with send there thing held things size
-- luacheck: globals fail_after seal
-- The functions that are moved do on purpose what one should not, and the
-- names of the tests are sentences:
-- luacheck: ignore 1 21 22 23 24 31 33 4 631

local cases = {}
local function test(name)
  return function(f) cases[#cases + 1] = { name, f } end
end

local function eq(got, expected)
  if got ~= expected then
    error(("expected %q, got %q"):format(tostring(expected), tostring(got)), 2)
  end
end

local function same(a, b, seen)
  seen = seen or {}
  if rawequal(a, b) then return true end
  if type(a) ~= "table" or type(b) ~= "table" then
    return a == b and math.type(a) == math.type(b)
  end
  if seen[a] then return seen[a] == b end
  seen[a] = b
  for k, v in next, a do if not same(v, rawget(b, k), seen) then return false end end
  for k in next, b do if rawget(a, k) == nil then return false end end
  return true
end

local function refused(text, f, ...)
  local ok, err = pcall(f, ...)
  if ok then error("was not refused, expected: " .. text, 2) end
  if not tostring(err):find(text, 1, true) then
    error(("expected: %s\n     got: %s"):format(text, tostring(err)), 2)
  end
end

-- ---- values ------------------------------------------------------------------

test "plain values arrive as they are" (function()
  local t = table.pack(send(nil, true, false, 1, -1, 127, 128, -128, -129,
    math.maxinteger, math.mininteger, 1.5, "x", nil))
  eq(t.n, 14)
  eq(t[1], nil) eq(t[2], true) eq(t[3], false)
  eq(t[4], 1) eq(t[5], -1) eq(t[6], 127) eq(t[7], 128) eq(t[8], -128)
  eq(t[9], -129) eq(t[10], math.maxinteger) eq(t[11], math.mininteger)
  eq(t[12], 1.5) eq(t[13], "x") eq(t[14], nil)
end)

test "integers stay integers and floats stay floats" (function()
  local i, f = send(3, 3.0)
  eq(math.type(i), "integer")
  eq(math.type(f), "float")
end)

test "NaN, infinities and minus zero arrive bit for bit" (function()
  local nan, inf, ninf, nz = send(0 / 0, math.huge, -math.huge, -0.0)
  eq(nan ~= nan, true) eq(inf, math.huge) eq(ninf, -math.huge)
  eq(string.pack("d", nz), string.pack("d", -0.0))
  local x = string.unpack("d", string.pack("I8", 0x7ff4000000000123))
  eq(string.pack("d", (send(x))), string.pack("d", x))
end)

test "strings keep zeros, and any length" (function()
  local all = {}
  for i = 0, 255 do all[#all + 1] = string.char(i) end
  all = table.concat(all)
  for _, s in ipairs { "", "\0", "a\0b\0", all, all:sub(1, 255), all:rep(300) } do
    eq((send(s)), s)
  end
end)

test "a string of 100 MB arrives" (function()
  local s = ("0123456789"):rep(10 * 1024 * 1024)
  local n, head = move(function(x) return #x, x:sub(-3) end, s)
  eq(n, #s) eq(head, "789")
end)

test "nils in the middle and at the end of arguments and results count" (function()
  local n, m = move(function(...) return select("#", ...), ... end, nil, 2, nil)
  eq(n, 3) eq(m, nil)
  local t = table.pack(move(function() return nil, 1, nil, nil end))
  eq(t.n, 4) eq(t[2], 1)
  eq(select("#", move(function() end)), 0)
end)

test "200 arguments and results arrive" (function()
  local t = {}
  for i = 1, 200 do t[i] = i end
  eq(same(t, { move(function(...) return ... end, table.unpack(t)) }), true)
end)

test "10000 values arrive in one message" (function()
  local t = {}
  for i = 1, 10000 do t[i] = { i } end
  eq(same(t, { send(table.unpack(t)) }), true)
end)

test "a light userdata is copied" (function()
  local p = held(thing "shared")
  collectgarbage()
  eq((send(p)), p)
end)

-- ---- tables ------------------------------------------------------------------

test "tables are copied deep" (function()
  local t = { 1, 2, nil, 4, x = { y = { z = 1.5 } }, [10] = "ten", [2.5] = 1,
    [true] = false, [-1] = "minus" }
  local u = send(t)
  eq(u ~= t, true)
  eq(same(t, u), true)
end)

test "keys 1, 2, 3 that stand behind others arrive" (function()
  for n = 1, 40 do
    local t = { x = 0, y = 0, z = 0, [0] = 0, [-1] = 0 }
    for i = n, 1, -1 do t[i] = i * 1000 end
    eq(same(t, (send(t))), true)
  end
end)

test "any number of tables arrives" (function()
  for n = 1, 150 do
    local t = {}
    for i = 1, n do t[i] = { i } end
    eq(same(t, (send(t))), true)
  end
end)

test "what was sent is not kept" (function()
  local seen = setmetatable({}, { __mode = "k" })
  local t = { {}, function() return seen end }
  seen[t], seen[t[1]], seen[t[2]] = true, true, true
  send(t)
  pcall(send, t, coroutine.create(print))
  t = nil
  collectgarbage()
  eq(next(seen), nil)
end)

test "a table with holes keeps them" (function()
  local t = { 1, nil, 3, nil, nil, 6 }
  t[100] = 7
  local u = send(t)
  eq(same(t, u), true)
  eq(u[2], nil) eq(u[6], 6) eq(u[100], 7)
end)

test "tables as keys keep their identity" (function()
  local k = {}
  local t = { [k] = "v", k = k }
  local u = send(t)
  eq(u[u.k], "v")
end)

test "what is shared in one message stays shared" (function()
  local x = {}
  local a, b = send({ x, x }, x)
  eq(a[1], a[2]) eq(a[1], b)
end)

test "cycles arrive" (function()
  local t = { name = "t" }
  t.self, t[t] = t, t
  local a = { t = t }
  t.a = a
  local u = send(t)
  eq(u.self, u) eq(u[u], u) eq(u.a.t, u)
end)

test "a list of 100000 linked nodes arrives" (function()
  local list
  for i = 100000, 1, -1 do list = { value = i, next = list } end
  local n, last = move(function(l)
    local c, v = 0, nil
    while l do c, v, l = c + 1, l.value, l.next end
    return c, v
  end, list)
  eq(n, 100000) eq(last, 100000)
end)

test "a million linked nodes go there and back" (function()
  local list
  for i = 1000000, 1, -1 do list = { list } end
  list = send(list)
  local n = 0
  while list do n, list = n + 1, list[1] end
  eq(n, 1000000)
end)

test "a metatable moves with its table, once for all that share it" (function()
  local mt = { __index = function(_, k) return k .. "!" end }
  mt.__name = "point"
  local a, b = setmetatable({}, mt), setmetatable({ 1 }, mt)
  local x, y, ok = move(function(p, q)
    return p.hello, q[1], getmetatable(p) == getmetatable(q)
  end, a, b)
  eq(x, "hello!") eq(y, 1) eq(ok, true)
end)

test "a table may be its own metatable" (function()
  local t = { x = 1 }
  t.__index = t
  setmetatable(t, t)
  local u = send(t)
  eq(getmetatable(u), u)
end)

test "a table that is a metatable and reached before it is met as one" (function()
  local mt = { __len = function() return 42 end }
  local n = move(function(_, t) return #t end, mt, setmetatable({}, mt))
  eq(n, 42)
end)

test "__gc and __mode of a moved metatable work there" (function()
  local n, left = move(function(t, w)
    local seen = 0
    getmetatable(t).__gc = function() seen = seen + 1 end
    t = nil
    collectgarbage() collectgarbage()
    return seen, next(w)
  end, setmetatable({}, { __gc = true }),
    setmetatable({ {} }, { __mode = "v" }))
  eq(n, 1) eq(left, nil)
end)

test "a protected metatable moves all the same" (function()
  local t = setmetatable({}, { __metatable = "no", __index = { a = 1 } })
  eq(move(function(x) return getmetatable(x) .. x.a end, t), "no1")
end)

test "metamethods do not run while a value is moved" (function()
  local t = setmetatable({ 1 }, {
    __index = function() error "index" end, __len = function() error "len" end,
    __pairs = function() error "pairs" end,
    __newindex = function() error "newindex" end })
  eq(move(function(x) return rawget(x, 1) end, t), 1)
end)

test "_G is the other side's _G" (function()
  local a, b = move(function(g) return g == _G, g.here end, _G)
  eq(a, true) eq(b, nil)
  local t = { _G }
  eq(move(function(x) return x[1] == _G and x[_G] end, { _G, [_G] = 7 }), 7)
  eq(send(t)[1], _G)
  eq(getmetatable((send(setmetatable({}, _G)))), _G)
end)

-- ---- functions -----------------------------------------------------------------

test "a function moves with what it captures" (function()
  local a, b, c = 1, "two", { 3 }
  eq(move(function(x) return a .. b .. c[1] .. x end, "four"), "1two3four")
end)

test "captured nils, also in the first place, are nil there" (function()
  local a, b, c
  eq(select("#", move(function() return a, b, c end)), 3)
  eq((move(function() return a end)), nil)
  eq((move(function() return a, print end)), nil)
end)

test "200 upvalues arrive" (function()
  local src = {}
  for i = 1, 195 do src[#src + 1] = ("local v%d = %d"):format(i, i) end
  src[#src + 1] = "return function() return 0"
  for i = 1, 195 do src[#src + 1] = ("+ v%d"):format(i) end
  src[#src + 1] = "end"
  local f = load(table.concat(src, "\n"))()
  eq(move(f), 195 * 196 // 2)
end)

test "a recursive local function calls itself there" (function()
  local function fact(n) return n < 2 and 1 or n * fact(n - 1) end
  eq(move(fact, 10), 3628800)
  eq(move(function() return fact(5) end), 120)
end)

test "mutually recursive local functions find each other" (function()
  local even, odd
  function even(n) if n == 0 then return true end return odd(n - 1) end
  function odd(n) if n == 0 then return false end return even(n - 1) end
  eq(move(even, 10), true)
  eq(move(function() return odd(10) end), false)
end)

test "two closures that share a captured variable share it there" (function()
  local n = 10
  local t = { inc = function() n = n + 1 end, get = function() return n end }
  eq(move(function(x) x.inc() x.inc() return x.get() end, t), 12)
  eq(n, 10)
  eq(move_with("copy", function() t.inc() return t.get() end), 11)
  local function inc() n = n + 1 end
  eq(move_with("copy", function() inc() return n end), 11)
end)

test "closures of different variables stay apart" (function()
  local function counter() local n = 0 return function() n = n + 1 return n end end
  local a, b = counter(), counter()
  eq(move(function(t) t[1]() return t[1]() .. t[2]() end, { a, b }), "21")
end)

test "one function given twice is one function there" (function()
  local n = 0
  local function f() return n end
  local function g() return 1 end
  local a, b = send({ f, f, g, g }, { f, g })
  eq(a[1], a[2]) eq(a[3], a[4]) eq(a[1], b[1]) eq(a[3], b[2])
end)

test "two functions of the same code stay two" (function()
  local function make() return function() return 1 end end
  local f, g = make(), make()
  eq(f ~= g, true)
  local t = send({ f, g, f })
  eq(t[1] ~= t[2], true) eq(t[1], t[3])
end)

test "functions that were loaded from source and from files move" (function()
  eq(move(load("local a = ... return a + 1"), 4), 5)
  eq(move(load("return function() return 7 end")()), 7)
  local name = os.tmpname()
  local f = assert(io.open(name, "w"))
  f:write("local x = ...\nreturn x * 2\n")
  f:close()
  eq(move(assert(loadfile(name)), 21), 42)
  os.remove(name)
  eq(move(load(string.dump(function() return "dumped" end))), "dumped")
end)

test "a stripped function moves, and its refusals say what is known" (function()
  local f = load(string.dump(function(a) return a end, true))
  eq(move(f, 3), 3)
  local g = load(string.dump(function() undefined_here = 1 end, true))
  refused("assigns the global 'undefined_here'", move, g)
end)

test "errors of a moved function name its file and line" (function()
  local ok, err = pcall(move, function() error("boom") end)
  eq(ok, false)
  eq(err:match("move_cases.lua:%d+: boom") ~= nil, true)
end)

test "a custom _ENV moves as a table" (function()
  local env = { x = 5, tostring = tostring }
  local f = load("return tostring(x)", "=env", "t", env)
  eq(move(f), "5")
end)

test "_ENV is known by its value, not by its name" (function()
  local G = _G
  eq(move(function() return G == _G end), true)
  local function f(_ENV) return function() return type(_ENV) end end
  eq(move(f(_G), 1), "table")
end)

test "standard functions that are captured are the other side's" (function()
  local format, max, remove = string.format, math.max, table.remove
  local str, p = string, print
  eq(move(function()
    return format("%d", max(1, 3)) .. remove({ "x" }) ..
      tostring(str == string and p == print)
  end), "3xtrue")
  eq(move(string.rep, "ab", 2), "abab")
  eq(move(function(f) return f == ipairs end, ipairs), true)
end)

-- ---- names --------------------------------------------------------------------

local module = [[
  local M = { sub = { deep = { er = { tooDeep = function() end } } } }
  local calls = 0
  function M.call() calls = calls + 1 return calls end
  function M.sub.f() return "sub" end
  function M.sub.deep.g() return "deep" end
  M.Class = { __name = "Class" }
  M.Class.__index = M.Class
  function M.Class.hello(self) return "hello " .. self.name end
  function M.new(name) return setmetatable({ name = name }, M.Class) end
  M.alias = M.call
  M.env = _G
  return M
]]

local function install(name)
  there("package.preload['" .. name .. "'] = load([=[" .. module .. "]=])")
  package.preload[name] = load(module)
  return require(name)
end

test "a captured module is required on the other side" (function()
  local m = install "mod"
  eq(m.call(), 1) eq(m.call(), 2)
  eq(move(function() return m.call() end), 1)
  eq(move(function() return m == package.loaded.mod end), true)
end)

test "functions and tables of a module travel by name, three keys deep" (function()
  local m = install "mod"
  local f, g, deep = m.sub.f, m.sub.deep.g, m.sub.deep
  eq(move(function()
    local mod = package.loaded.mod
    return f == mod.sub.f and g == mod.sub.deep.g and deep == mod.sub.deep
  end), true)
  eq(move(m.call), 1)
end)

test "objects of a module's class meet the class there" (function()
  local m = install "mod"
  local hello, ok = move(function(o)
    return o:hello(), getmetatable(o) == package.loaded.mod.Class
  end, m.new("Ann"))
  eq(hello, "hello Ann") eq(ok, true)
end)

test "what is deeper than three keys is copied" (function()
  local m = install "mod"
  local er = m.sub.deep.er
  m.sub.deep.er.x = {}
  eq(move(function(f) return f == package.loaded.mod.sub.deep.er end, er), true)
  eq(move(function(f) return type(f) end, er.x), "table")
end)

test "a module that was loaded after the first message is found, too" (function()
  eq(move(function() return 1 end), 1)
  local m = install "late"
  eq(move(function(x) return x == package.loaded.late end, m), true)
end)

test "functions that were added to a loaded module are found before a refusal" (function()
  local m = install "mod"
  eq(send(1), 1)
  local n = 0
  m.added = function() n = n + 1 return n end
  there("require('mod').added = function() return 'there' end")
  eq(move(m.added), "there")
end)

test "a module that the other side cannot require fails with that message" (function()
  package.preload.only_here = function() return { f = function() end } end
  local m = require "only_here"
  refused("module 'only_here' not found", move, function() return m end)
end)

test "a name that the other side's module has not fails with that name" (function()
  local m = install "mod"
  m.extra = { 1 }
  refused("no 'mod.extra' in this thread", move, function() return 1 end, m.extra)
end)

test "of several names the shortest is taken, then the first in the alphabet" (function()
  package.preload.b_names = function() return { x = {}, y = {} } end
  local m = require "b_names"
  package.loaded.a_names = { z = { x = m.x, w = m.y }, a = m.y }
  there [[package.loaded.b_names = { x = "b.x", y = {"b.y"} }
    package.loaded.a_names = { a = {"a.a"}, z = {} }]]
  eq(send and move(function(t) return t[1] end, m.y), "a.a")
  refused("no 'b_names.x' in this thread", send, m.x)
  local x = {}
  for i = 20, 10, -1 do package.loaded["same" .. i] = { x = x } end
  refused("module 'same10' not found", send, x)
end)

test "a module's table stored elsewhere keeps its name; the script's tables have none" (function()
  helper_table = { 1 }
  eq(move(function(t) t[1] = 2 return t[1] end, helper_table), 2)
  eq(helper_table[1], 1)
  local t = helper_table
  eq(move(function() return t[1] end), 1)
end)

test "a module that is a function, and modules of C functions" (function()
  package.preload.fmod = function() return function() return "here" end end
  there("package.preload.fmod = function() return function() return 'there' end end")
  local f = require "fmod"
  eq(move(f), "there")
end)

-- ---- userdata ------------------------------------------------------------------

test "shared objects are the same on both sides" (function()
  local s = thing "shared"
  local p = held(s)
  local a, b = send({ s, s }, s)
  eq(held(a[1]), p) eq(a[1], a[2]) eq(a[1], b)
  eq(held(s), p)
end)

test "moved objects leave their userdata empty" (function()
  local m = thing "moved"
  local p = held(m)
  local f = function(x) return x end
  local n = move(f, m)
  eq(held(n), p) eq(held(m), nil)
  refused("cannot move argument #1: Moved was moved", move, f, m)
end)

test "an object that is captured moves, too" (function()
  local m = thing "moved"
  eq(type(move(function() return m end)), "userdata")
  eq(held(m), nil)
end)

test "a refusal leaves every object where it was" (function()
  local m = thing "moved"
  refused("cannot move argument #2: coroutine", move, function() end, m,
    coroutine.create(print))
  eq(held(m) ~= nil, true)
end)

test "objects that never arrive are dropped" (function()
  package.preload.only_here = function() return {} end
  local lost, m = require "only_here", thing "moved"
  pcall(send, lost, m)
  eq(held(m), nil)
  m = nil
  collectgarbage()
  eq(things(), 0)
end)

-- ---- refusals --------------------------------------------------------------------

local FILE = debug.getinfo(1, "S").short_src
local function line() return debug.getinfo(2, "l").currentline end
local UNSEEN = ", and the caller would never see it: "
local OWN = "return the value, or send it on a channel; or allow private " ..
  "copies: spawn_with{ captures = \"copy\" }"

local function text(first, verb, kind, name, at)
  return ("cannot move function <%s:%d>: it %s the %s '%s' (%s:%d)"):format(
    FILE, first, verb, kind, name, FILE, at)
end

test "1: a captured local is assigned" (function()
  local count, at = 0, line()
  local function f(n)
    for i = 1, n do
      count = count + i
    end
  end
  refused(text(at + 1, "assigns", "captured local", "count", at + 3) .. UNSEEN ..
    OWN, move, f, 3)
  refused("assigns the captured local 'count'", move, function()
    return function() count = 1 end
  end)
  eq(select("#", move_with("copy", f, 3)), 0)
  eq(count, 0)
end)

test "1: the message has the caller's line in front" (function()
  local n = 0
  local function f() n = 1 end
  local ok, err = pcall(function() move(f) end)
  eq(ok, false)
  eq(err:match("^(.-:%d+): cannot move function <"), FILE .. ":" .. line() - 2)
end)

test "a local of the function itself may be assigned, also by nested ones" (function()
  eq(move(function()
    local n = 0
    local function inc() n = n + 1 end
    inc()
    return n
  end), 1)
end)

test "2: a captured table is stored into" (function()
  local results, at = {}, line()
  local function f(i, v) results[i] = v end
  refused(text(at + 1, "stores into", "captured table", "results", at + 1) ..
    UNSEEN .. OWN, move, f, 1, 2)
  for _, g in ipairs {
    function() results.x = 1 end,
    function() results[1] = 1 end,
    function(k) results[k] = 1 end,
    function() results.list[1] = 1 end,
    function() results.a.b.c = 1 end,
    function() local r = results r[1] = 2 end,
    function() local r = results for i = 1, 3 do r[i] = i end end,
    function() local r = results local s = r s.x = nil end,
    function() local l = results.list l[#l + 1] = 1 end,
    function() for i = 1, 2 do results[#results + 1] = i end end,
    function() return function() results.x = 1 end end,
    function() local r = results return function() r.x = 1 end end,
    function(a) if a then a = 1 else results[a] = 2 end end,
    function(a) local r = results if a then print(a) end r[1] = a end,
    function(a) while a do a = a.next results[a] = true end end,
    function() function results.f() end end,
    function() function results:m() end end,
    function() results.x, results.y = 1, 2 end,
  } do
    refused("it stores into the captured table 'results' (", move, g)
    eq(pcall(move_with, "copy", g) ~= nil, true)
  end
end)

test "tables of the function's own, and arguments, may be stored into" (function()
  local results = {}
  for _, f in ipairs {
    function(t) t.x = 1 end,
    function() local t = {} t[1] = results end,
    function(a) local t = results if a then t = {} end t[1] = 2 end,
    function(a) local t = results t = a t[1] = 2 end,
    function(a) local t = {} if not a then t = results end t[1] = 2 end,
    function(a)
      local t = a
      for _ = 1, 2 do
        t.x = 1
        t = setmetatable({}, { __index = results })
      end
    end,
    function(a)
      local t = results
      local function other() t = a end
      other()
      t[1] = 1
    end,
    function(a)
      local t = results
      local function other() t = a end
      local function store() t[1] = 1 end
      other()
      store()
    end,
    function() local t = { results } for i = 1, 3 do t[i] = i end end,
    function() local t = results t = tostring(t) return t end,
    function() local n = #results n = n + 1 return n end,
    function() local t = setmetatable({}, { __index = results }) t.x = 1 end,
  } do
    move(f, {})
  end
end)

test "2: a captured module may not be stored into" (function()
  local str = string
  refused("stores into the captured table 'str'", move, function() str.x = 1 end)
end)

test "2: a captured userdata is not a table" (function()
  local s = thing "shared"
  refused("attempt to index a", move, function() s.x = 1 end)
end)

test "2: a custom _ENV is a captured table" (function()
  local env = {}
  local f = load("x = 1", "=env", "t", env)
  refused("cannot move function <env:0>: it stores into the captured table '_ENV' (env:1)",
    move, f)
  move_with("copy", f)
  eq(env.x, nil)
end)

test "3: a global is assigned" (function()
  local at = line()
  local function f()
    x_global = 1
  end
  refused(text(at + 1, "assigns", "global", "x_global", at + 2) .. UNSEEN ..
    "use a local", move, f)
  local G = _G
  for _, g in ipairs {
    function() x_global = nil end,
    function() _G.x_global = 1 end,
    function() _G._G.x_global = 1 end,
    function() _ENV.x_global = 1 end,
    function() G.x_global = 1 end,
    function() local g = _G g.x_global = 1 end,
    function() function x_global() end end,
    function() return function() x_global = 1 end end,
    function() _G["x_global"] = 1 end,
  } do
    refused("it assigns the global 'x_global' (", move, g)
    refused("it assigns the global 'x_global' (", move_with, "copy", g)
  end
  refused("it assigns a global by a computed name (", move,
    function(k) _G[k] = 1 end)
  refused("it assigns the global 'print' (", move, function() print = nil end)
end)

-- As a test framework's: empty, all it has comes from elsewhere.
local function proxy(own)
  return setmetatable({}, {
    __index = function(_, k)
      if own[k] ~= nil then return own[k] end
      return _G[k]
    end,
    __newindex = function(_, k, v) own[k] = v end,
    keep = { coroutine.create(print) }, -- it may not be moved
  })
end

test "an _ENV that only passes on to the globals stands for them" (function()
  local own = {}
  local env = proxy(own)
  local function f(src) return load(src, "=env", "t", env) end
  eq(move(f "return type(print) .. type(unknown)"), "functionnil")
  local a = 1
  local g = load("local a = ... return function() return a, type(print) end",
    "=env", "t", env)(a)
  for _ = 1, 3 do
    eq(table.concat({ move(g) }, " "), "1 function")
    eq(table.concat({ move(function(t) return t.g() end, { g = g }) }, " "),
      "1 function")
  end
  refused("<env:0>: it assigns the global 'x' (env:1)", move, f "x = 1")
  helper = 1
  refused("<env:0>: it uses the global 'helper', which", move, f "return helper")
  helper = nil
  eq(move(f "return helper"), nil)
  own.helper = function() end
  refused("<env:0>: it uses the global 'helper', which", move, f "return helper")
  own.helper = nil
  eq(move(f "return helper"), nil)
end)

test "what such an _ENV gives from modules comes from them there" (function()
  local m = install "mod"
  local f = load("return call(), call(), type(print)", "=env", "t",
    proxy { call = m.call })
  eq(table.concat({ move(f) }, " "), "1 2 function")
  eq(table.concat({ move(f) }, " "), "3 4 function")
end)

test "an _ENV that raises when asked is a captured table" (function()
  local env = setmetatable({}, { __index = function(_, k) error(k) end })
  refused("move_cases.lua:" .. line() - 1 .. ": x", move,
    load("return x", "=env", "t", env))
end)

test "1: _ENV itself is assigned" (function()
  refused("assigns the captured local '_ENV'", move, function() _ENV = {} end)
  eq(move_with("copy", function()
    local t = type
    _ENV = {}
    return t(x_global)
  end), "nil")
  eq(move_with("copy", function() return type(print) end), "function")
end)

test "functions that share an assigned _ENV share it there" (function()
  local t = {
    set = function(e) _ENV = e end,
    get = function() return some_name end,
  }
  eq(move(function(x) x.set({ some_name = 7 }) return x.get() end, t), 7)
  eq(move(function(x) return x.get() end, t), nil)
end)

test "3: stores into standard tables are no assignments of globals" (function()
  eq(move(function() package.path = package.path return 1 end), 1)
end)

test "4: a global of the script is read" (function()
  helper = function() end
  local at = line()
  local function f() return helper() end
  refused(("cannot move function <%s:%d>: it uses the global 'helper', which " ..
    "other threads do not have: make it local, or put it in a module")
    :format(FILE, at + 1), move, f)
  refused("it uses the global 'helper', which", move, function() return _G.helper end)
  refused("it uses the global 'helper', which", move,
    function() return function() return helper end end)
  refused("it uses the global 'helper', which", move_with, "copy", f)
  helper = nil
  eq(move(function() return helper end), nil)
  helper = 5
  refused("it uses the global 'helper', which", move, f)
end)

test "4: each spawn looks again" (function()
  local function f() return some_flag end
  for _ = 1, 5 do eq(move(f), nil) end
  some_flag = 1
  for _ = 1, 2 do refused("it uses the global 'some_flag', which", move, f) end
  some_flag = nil
  eq(move(f), nil)
end)

test "4: a standard name that the script replaced is the script's" (function()
  local function f() return tonumber("1") end
  eq(move(f), 1)
  local old = tonumber
  tonumber = function() return 2 end
  refused("it uses the global 'tonumber', which", move, f)
  tonumber = old
  eq(move(f), 1)
  local s = string
  string = { format = s.format }
  refused("it uses the global 'string', which", move,
    function() return string.format("x") end)
  string = s
end)

test "4: standard names may be read, and names that nobody has" (function()
  eq(move(function()
    return _VERSION .. type(print) .. type(string.format) .. type(jit) ..
      type(coroutine.wrap) .. type(_G.math)
  end), "Lua 5.4functionfunctionnilfunctiontable")
end)

test "4: coroutine = rthandle's coroutine does not count" (function()
  local co = {}
  for k, v in pairs(coroutine) do co[k] = v end
  package.loaded.rthandle = { coroutine = co }
  coroutine = co
  eq(move(function() return type(coroutine.create) end), "function")
  coroutine = { create = print }
  refused("it uses the global 'coroutine', which", move,
    function() return coroutine.create end)
end)

test "4: what a start hook defined may be read by tasks that spawn" (function()
  there("pool = { size = 3 }")
  seal()
  eq(move_with("hook", function() return pool.size end), 3)
end)

test "hooks may set and read globals" (function()
  eq(move_with("hook", function() from_hook = 3 return from_hook end), 3)
  script_global = 1
  eq(move_with("hook", function() return script_global end), nil)
  local n = 0
  refused("assigns the captured local 'n'", move_with, "hook", function() n = 1 end)
end)

test "5: values that may not be moved, with the way to them" (function()
  local conf = { files = { 1, io.stdout } }
  local at = line()
  local function f() return conf end
  local place = ("<%s:%d>"):format(FILE, at + 1)
  refused("cannot move function " .. place ..
    ": cannot move upvalue 'conf'.files[2]: userdata (FILE*)", move, f)
  refused("cannot move argument #2: coroutine", move, function() end, 1,
    coroutine.create(print))
  refused("cannot move argument #1.a[\"b c\"][1.5][true]: coroutine", move,
    function() end, { a = { ["b c"] = { [1.5] = { [true] =
      coroutine.create(print) } } } })
  refused("cannot move value #3: coroutine", send, 1, 2, coroutine.create(print))
  refused("cannot move argument #1, as a key: coroutine", move, function() end,
    { [coroutine.create(print)] = 1 })
  refused("cannot move argument #1, in its metatable.x: userdata (FILE*)", move,
    function() end, setmetatable({}, { x = io.stdout }))
  refused("cannot move argument #1.f, function " .. place ..
    ": cannot move upvalue 'conf'.files[2]: userdata (FILE*)", move,
    function() end, { f = f })
  local function g() return f() end
  refused(", which uses 'f' " .. place ..
    ": cannot move upvalue 'conf'.files[2]: userdata (FILE*)", move, g)
end)

test "5: a runtime says what to capture instead" (function()
  local r = thing "runtime"
  refused(": cannot move upvalue 'r': Runtime; capture r:handle() instead",
    move, function() return r end)
  refused("cannot move argument #1: Runtime; pass its :handle() instead", move,
    function() end, r)
end)

test "5: a C function that no module holds" (function()
  local m = move
  refused("cannot move upvalue 'm': C function that no module holds", move,
    function() return m end)
  refused("cannot move argument #1: C function that no module holds", move,
    function() end, coroutine.wrap(print))
  refused("cannot move function: C function that no module holds", move, m)
  eq(type(move_with("hook", function() return type(m) end)), "string")
  eq(pcall(move_with, "hook", size), true)
end)

test "5: results are named" (function()
  refused("cannot move result #2: userdata (FILE*)", move,
    function() return 1, io.stdout end)
  refused("cannot move result #1.out: userdata (FILE*)", move,
    function() return { out = io.stdout } end)
end)

test "5: a deep way is shortened" (function()
  local t = { io.stdout }
  for _ = 1, 1000 do t = { t } end
  refused("cannot move argument #1[1][1][1]", move, function() end, t)
  refused("[1]...[1]", move, function() end, t)
  refused("[1][1]: userdata (FILE*)", move, function() end, t)
end)

test "functions that are captured are looked at, too, and named" (function()
  local n, at = 0, line()
  local function helper() n = n + 1 end
  local function f() return helper() end
  refused(("cannot move function <%s:%d>, which uses 'helper' <%s:%d>, which " ..
    "assigns the captured local 'n' (%s:%d), and the caller"):format(FILE,
    at + 2, FILE, at + 1, FILE, at + 1), move, f)
  local function g() return f() end
  refused("which uses 'helper' <", move, g)
  refused(("cannot move function <%s:%d>: it assigns the captured local 'n'")
    :format(FILE, at + 1), move, function() end, helper)
  move_with("copy", g)
end)

test "functions in tables, messages and results are not looked at" (function()
  local n = 0
  local function inc() n = n + 1 return n end
  eq(move(function(t) return t.inc() end, { inc = inc }), 1)
  eq(type(send(inc)), "function")
  local t = { inc = inc }
  eq(move(function() return t.inc() end), 1)
end)

test "functions that travel by name are not looked at" (function()
  local m = install "mod"
  local call = m.call
  eq(move(function() return call() + call() end), 3)
  eq(move(call), 3)
end)

test "forms of the compiler past 255 constants are seen" (function()
  local filler = {}
  for i = 1, 300 do filler[i] = ("%q"):format("k" .. i) end
  filler = "local _ = { " .. table.concat(filler, ", ") .. " } "
  local env = setmetatable({}, { __index = _G })
  env.env = env
  local function loadf(src)
    return load("local results, n = {}, 0 return function(...) " .. filler ..
      src .. " end", "=big", "t")()
  end
  refused("assigns the global 'gname' (big:1)", move, loadf("gname = 1"))
  refused("assigns the global 'gname' (big:1)", move, loadf("_G.gname = 'v'"))
  refused("captured table 'results' (big:1)", move, loadf("results.field = 'v'"))
  refused("captured table 'results' (big:1)", move, loadf("results[300] = 1"))
  refused("captured table 'results' (big:1)", move,
    loadf("local r = results r.f = 1"))
  refused("captured local 'n' (big:1)", move, loadf("n = 'v'"))
  gname = 1
  refused("uses the global 'gname'", move, loadf("return gname"))
  refused("uses the global 'gname'", move, loadf("return _G.gname"))
  refused("uses the global 'gname'", move, loadf("return gname:x()"))
  move(loadf("local t = {} t.zzz = 1 return print"))
end)

test "past 70000 constants they are seen, too" (function()
  local filler = {}
  for i = 1, 140000 do filler[i] = ("%d.5"):format(i) end
  filler = "local _ = { " .. table.concat(filler, ", ") .. " } "
  local f = load("return function() " .. filler .. " gname = 1 end", "=huge")()
  refused("assigns the global 'gname' (huge:1)", move, f)
end)

test "lines far apart are told right" (function()
  local f = load("local n\nreturn function()\n" .. ("\n"):rep(1000) ..
    "local x = 1\n" .. ("x = x + 1\n"):rep(500) .. "n = x\nend", "=far")()
  refused("<far:2>: it assigns the captured local 'n' (far:1504)", move, f)
end)

-- ---- errors, memory ---------------------------------------------------------------

test "error values arrive as they were raised" (function()
  local _, err = pcall(move, function() error({ code = 5 }) end)
  eq(err.code, 5)
  _, err = pcall(move, function() error() end)
  eq(err, nil)
  _, err = pcall(move, function() error(setmetatable({}, { __tostring =
    function() return "mine" end })) end)
  eq(tostring(err), "mine")
end)

test "an error value that may not be moved arrives as its tostring" (function()
  local _, err = pcall(move, function() error(io.stdout) end)
  eq(err:match("^file %("), "file (")
  _, err = pcall(move, function()
    error(setmetatable({ io.stdout }, { __tostring = function() return "text" end }))
  end)
  eq(err, "text")
  _, err = pcall(move, function()
    error(setmetatable({ io.stdout }, { __tostring = function() return {} end }))
  end)
  eq(err, "(error object is a table value)")
end)

test "many functions, more than are kept, move" (function()
  for i = 1, 5000 do
    eq(move(load("return " .. i)), i)
  end
end)

test "a finalizer may send while something is sent" (function()
  local sent = 0
  local function litter()
    setmetatable({}, { __gc = function()
      sent = sent + 1
      assert(move(load("return function() return some_name, " .. sent .. " end")))
      assert(select("#", send({ { sent } })) == 1)
    end })
  end
  collectgarbage("generational")
  for i = 1, 300 do
    for _ = 1, 20 do litter() end
    local f = load("local a, t = " .. i .. ", {} return function(x) " ..
      "return a, x, other_name, t end")()
    local a, x = move(f, { { i } })
    eq(a, i) eq(x[1][1], i)
    pcall(move, function() return io.stdout, litter end, io.stdout)
  end
  collectgarbage()
  eq(sent > 0, true)
end)

for _, what in ipairs { "plain", "lua" } do
  test("lack of " .. what .. " memory raises and leaves all usable")(function()
    local s = thing "shared"
    local shared = { 1, { 2 }, "three", s, function() return s, print end }
    for n = 0, 300 do
      local src = "local a, b = {}, 2 return function(t) return t, a, b, unknown" ..
        n .. " end"
      local f = load(src, "=s" .. n)()
      fail_after(n, what)
      local ok, err = pcall(move, f, shared)
      fail_after()
      if not ok then eq(tostring(err):match("not enough memory"), "not enough memory") end
      eq(#move(f, shared), 5)
      if ok then return end
    end
    error "it never succeeded"
  end)
end

return cases
