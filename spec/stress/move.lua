-- Random values with cycles, shared parts, metatables, functions and shared
-- captured variables go to another thread and back, and must be the same.
-- usage: lua spec/stress/move.lua [rounds [seed]]; STRESS=1 for many rounds
local rt = require "rthandle"

local rounds = tonumber(arg[1]) or (os.getenv "STRESS" and 200000 or 2000)
local seed = tonumber(arg[2]) or os.time()
math.randomseed(seed)
local random = math.random

local scalars = {
  function() return random(0) end, function() return random(-200, 200) end,
  function() return random() * 1e300 end, function() return -0.0 end,
  function() return 1 / 0 end, function() return random(2) == 1 end,
  function() return ("x\0"):rep(random(0, 200)) end,
  function() return tostring(random(50)) end,
  function() return string.format end, function() return rt.spawn end,
  function() return math end, function() return rt end,
}

-- Functions with 0 to 3 captured values, two of them sharing one.
local function closures(value)
  local a, b, c = value(), value(), value()
  local function set(x) a = x end
  return ({
    { function() return a, b, c end, set },
    { function() return c end, function() c = b end },
    { function() return 1 end, function() return print end },
    { set, function() return set, a end },
  })[random(4)]
end

local function make()
  local pool, value = {}, nil
  local function keep(v)
    pool[#pool + 1] = v
    return v
  end
  local budget = random(60)
  function value()
    local dice = random(10)
    budget = budget - 1
    if dice <= 4 or budget < 0 then return scalars[random(#scalars)]() end
    if dice == 5 and #pool > 0 then return pool[random(#pool)] end
    if dice == 6 then
      local fs = closures(value)
      for _, f in ipairs(fs) do keep(f) end
      return fs[1]
    end
    local t = keep {}
    for i = 1, random(0, 5) do t[i] = value() end
    for _ = 1, random(0, 5) do
      local k = value()
      if k == k then t[k] = value() end
    end
    if random(6) == 1 then setmetatable(t, { __name = value() }) end
    if random(20) == 1 and #pool > 0 then
      local mt = pool[random(#pool)]
      if type(mt) == "table" then setmetatable(t, mt) end
    end
    return t
  end
  return value()
end

-- Whether two values are the same but for identity; `map` pairs what was met.
local same

-- Keys that are objects: each must have one partner, the first that fits.
local function same_keys(a, b, map)
  local plain, objects = 0, 0
  for k, v in next, a do
    if type(k) == "table" or type(k) == "function" and not map[k] then
      objects = objects + 1
    else
      plain = plain + 1
      if not same(v, rawget(b, map[k] or k), map) then return false end
    end
  end
  for k in next, b do
    if type(k) == "table" or type(k) == "function" then
      objects = objects - 1
    else
      plain = plain - 1
    end
  end
  return plain + objects == 0
end

local function same_functions(a, b, map)
  for i = 1, 255 do
    local name, x = debug.getupvalue(a, i)
    local name2, y = debug.getupvalue(b, i)
    if name ~= name2 then return false end
    if not name then break end
    if x ~= _G then
      local cell, cell2 = debug.upvalueid(a, i), debug.upvalueid(b, i)
      if (map[cell] or cell2) ~= cell2 then return false end
      map[cell] = cell2
    end
    if not same(x, y, map) then return false end
  end
  return string.dump(a) == string.dump(b)
end

function same(a, b, map)
  if rawequal(a, b) then return math.type(a) == math.type(b) end
  if type(a) ~= type(b) then return false end
  if map[a] ~= nil then return rawequal(map[a], b) end
  map[a] = b
  if type(a) == "function" then return same_functions(a, b, map) end
  return type(a) == "table" and same_keys(a, b, map)
    and same(getmetatable(a), getmetatable(b), map)
end

local move = send -- luacheck: ignore 113
local failed = 0
local function run()
  move = move or function(v)
    return rt.spawn(function(x) return x end, v):await()
  end
  for i = 1, rounds do
    local v = { make() } -- functions in tables may assign what they capture
    if not same(v, (move(v)), {}) then
      failed = failed + 1
      io.stderr:write(("round %d of seed %d differs\n"):format(i, seed))
    end
  end
end

if move then run() else rt.main(run) end
print(("%d passed, %d failed"):format(rounds - failed, failed))
os.exit(failed == 0)
