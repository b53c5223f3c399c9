-- Random aborts, timeouts and lost selects over recv_from and accept: a wait
-- that is given up loses no datagram and no connection, and gives none twice.
-- usage: lua spec/stress/sockets.lua; STRESS=1 for a long run.
local rt = require("rthandle")
local tally = require("spec.support.tally")
local net = rt.net

local many = os.getenv("STRESS") and 10000 or 500
local check = tally.check
local function pause()
  if math.random(4) == 1 then return rt.sleep(math.random() / 1000) end
  for _ = 1, math.random(0, 3) do rt.yield_now() end
end

-- Three ways to give up wait(); each answers its first value, or nil.

local function timed_out(wait)
  local in_time, value = rt.timeout(math.random() / 1000, wait)
  return in_time and value or nil
end

local function lost(wait)
  local first, value = rt.select { wait, pause }
  return first == 1 and value or nil
end

local function aborted(wait)
  local task = rt.spawn_local(wait)
  pause()
  task:abort()
  local ended, value = task:join()
  return ended and value or nil
end

-- Calls wait in all ways until each number from 1 to n has come, in order.
local function receive_all(what, n, wait, number_of)
  local ways, given_up, wrong = { timed_out, lost, aborted }, 0, nil
  local i = 1
  while i <= n and not wrong do
    local value = ways[math.random(#ways)](wait)
    if not value then
      given_up = given_up + 1
    else
      local number = number_of(value)
      if number ~= i then wrong = number end
      i = i + 1
    end
  end
  check(what .. " come once each, in order", not wrong, i - 1, wrong)
  check(what .. " were given up at times", given_up > 0)
end

-- At most 8 datagrams are under way, so the system drops none.
local function datagrams()
  local a = assert(net.UdpSocket.bind("127.0.0.1:0"))
  local b = assert(net.UdpSocket.bind("127.0.0.1:0"))
  local to, window = b:local_addr(), rt.sync.Semaphore(8)
  local sender = rt.spawn(function(socket)
    for i = 1, many do
      window:acquire():forget()
      assert(socket:send_to(tostring(i), to))
      if math.random(3) == 1 then rt.sleep(math.random() / 1000) end
    end
  end, a)
  receive_all("datagrams", many, function() return b:recv_from() end,
    function(data)
      window:add_permits(1)
      return tonumber(data)
    end)
  sender:abort()
end

local function connections()
  local listener <close> = assert(net.TcpListener.bind("127.0.0.1:0"))
  local to = listener:local_addr()
  local client = rt.spawn(function()
    for i = 1, many do
      local stream <close> = assert(net.TcpStream.connect(to))
      stream:write_all(i, "\n")
      if math.random(3) == 1 then rt.sleep(math.random() / 1000) end
    end
  end)
  receive_all("connections", many, function() return listener:accept() end,
    function(stream)
      local number = tonumber(stream:read_line(10))
      stream:close()
      return number
    end)
  client:abort()
end

for _, options in ipairs { { flavor = "current_thread" },
  { worker_threads = 1 }, { worker_threads = 2 } } do
  local runtime <close> = assert(rt.Runtime.new(options))
  runtime:block_on(datagrams)
  runtime:block_on(connections)
end
tally.exit()
