-- A pool of workers over one channel. The channel has few places, so whoever
-- finds the jobs waits until the workers keep up: that is back-pressure.
local rt = require("rthandle")

local WORKERS, JOBS = 4, 20

-- A receiver has one owner. Here that is a task which hands each job to the
-- worker that asked first: a worker sends the oneshot on which it waits. At the
-- end of the block the receivers go, and with them what was asked in vain.
local function share(jobs, requests)
  local from <close> = jobs
  local asked <close> = requests
  for job in from:iter() do asked:recv():send(job) end
end

local function work(requests, results)
  local sync = require("rthandle").sync
  while true do
    local reply, job = sync.oneshot()
    if not requests:send(reply) then break end
    local n = job:recv()
    if not n then break end
    local sum = 0
    for i = 1, n * 1000 do sum = sum + i % 7 end
    results:send { job = n, sum = sum }
  end
  results:close()
end

rt.main(function()
  local jobs, waiting = rt.sync.mpsc(2)
  local requests, asked = rt.sync.mpsc(WORKERS)
  local results, finished = rt.sync.mpsc(WORKERS)

  rt.spawn(share, waiting, asked)
  for _ = 1, WORKERS do rt.spawn(work, requests, results) end
  requests:close()
  results:close()

  -- Who makes the jobs must not be who takes the results: else both wait.
  rt.spawn(function()
    for n = 1, JOBS do jobs:send(n) end
    jobs:close()
  end)
  jobs:close()

  local done, total = 0, 0
  for result in finished:iter() do
    done = done + 1
    total = total + result.sum
  end
  print("jobs done:", done)
  print("sum of all:", total)
end, { worker_threads = 4 })
