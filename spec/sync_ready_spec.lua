-- Waits in a program that has made no runtime: what is there needs none.
-- (No `it` of this file may make one.)
local rt = require("rthandle")
local has = require("spec.support.has")

local MISSING = "there is no reactor running, must be called from the context"

-- Each answers a function that waits, and one that makes it ready.
local waits = {
  ["mpsc recv"] = function()
    local tx, rx = rt.sync.mpsc(1)
    return function() return rx:recv() end,
      function() assert(tx:send("value")) end, "value"
  end,
  ["mpsc recv_many"] = function()
    local tx, rx = rt.sync.mpsc(2)
    return function() return table.concat(rx:recv_many(2), ",") end,
      function() assert(tx:send(1) and tx:send(2)) end, "1,2"
  end,
  ["mpsc send"] = function()
    local tx, rx = rt.sync.mpsc(1)
    tx:send(1)
    return function() return tx:send(2) end, function() rx:recv() end, true
  end,
  ["oneshot recv"] = function()
    local tx, rx = rt.sync.oneshot()
    return function() return rx:recv() end, function() tx:send("value") end,
      "value"
  end,
  ["broadcast recv"] = function()
    local tx, rx = rt.sync.broadcast(1)
    return function() return rx:recv() end, function() tx:send("value") end,
      "value"
  end,
  ["watch changed"] = function()
    local tx, rx = rt.sync.watch(1)
    return function() return rx:changed() end, function() tx:send(2) end, true
  end,
  ["watch wait_for"] = function()
    local tx, rx = rt.sync.watch(1)
    local function is_two(v) return v == 2 end
    return function() return rx:wait_for(is_two) end,
      function() tx:send(2) end, 2
  end,
  ["Mutex lock"] = function()
    local m = rt.sync.Mutex("value")
    local guard = m:lock()
    return function() return m:lock():get() end,
      function() guard:close() end, "value"
  end,
  ["RwLock read"] = function()
    local l = rt.sync.RwLock("value")
    local guard = l:write()
    return function() return l:read():get() end,
      function() guard:close() end, "value"
  end,
  ["RwLock write"] = function()
    local l = rt.sync.RwLock("value")
    local guard = l:read()
    return function() return l:write():get() end,
      function() guard:close() end, "value"
  end,
  ["Semaphore acquire"] = function()
    local s = rt.sync.Semaphore(1)
    return function() return s:acquire(2):num_permits() end,
      function() s:add_permits(1) end, 2
  end,
  ["Notify notified"] = function()
    local n = rt.sync.Notify()
    return function()
      n:notified()
      return "came"
    end, function() n:notify_one() end, "came"
  end,
  ["CancellationToken cancelled"] = function()
    local token = rt.CancellationToken.new()
    return function()
      token:cancelled()
      return "came"
    end, function() token:cancel() end, "came"
  end,
}

for name, make in pairs(waits) do
  it(name .. " gives what is there, and raises where it would wait", function()
    local wait, ready, expected = make()
    local ok, err = pcall(wait)
    assert.is_false(ok)
    has(err, MISSING)
    ready()
    assert.are.equal(expected, wait())
  end)
end

it("a Barrier of one lets its one pass", function()
  assert.is_true(rt.sync.Barrier(1):wait())
end)

it("a Barrier that could not be waited at has nobody there", function()
  local barrier = rt.sync.Barrier(2)
  for _ = 1, 2 do has(select(2, pcall(barrier.wait, barrier)), MISSING) end
end)

it("a OnceCell makes its value", function()
  local cell = rt.sync.OnceCell()
  assert.are.equal("made", cell:get_or_init(function() return "made" end))
  assert.are.equal("made", cell:get_or_init(error))
end)

it("a OnceCell whose value is being made cannot be waited for", function()
  local cell, err = rt.sync.OnceCell(), nil
  cell:get_or_init(function()
    err = select(2, pcall(cell.get_or_init, cell, error))
    return "made"
  end)
  has(err, MISSING)
  assert.are.equal("made", cell:get())
end)

it("a closed channel says so", function()
  local tx, rx = rt.sync.oneshot()
  tx:close()
  assert.are.same({ nil, "closed" }, { rx:recv() })
  local one, many = rt.sync.broadcast(1)
  one:close()
  assert.are.same({ nil, "closed" }, { many:recv() })
end)

it("a message that could not be sent is not in the channel", function()
  local tx, rx = rt.sync.mpsc(1)
  tx:send(1)
  assert.is_false((pcall(tx.send, tx, 2)))
  assert.are.equal(1, rx:recv())
  assert.are.same({ nil, "empty" }, { rx:try_recv() })
end)
