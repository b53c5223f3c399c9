-- A tree of tasks and a tree of tokens: cancelling one token ends its branch.
-- A task that is asked to end finishes what it has begun, which an abort would
-- not let it do.
local rt = require("rthandle")

-- A job that two workers do, until its token is cancelled.
local function job(name, token)
  local ended = {}
  rt.scope(function(scope)
    for i = 1, 2 do
      local part = token:child_token()
      scope:spawn_local(function()
        while part:run_until_cancelled(rt.sleep, 0.001) do end -- works
        ended[i] = ("%s.%d has put away its tools"):format(name, i)
      end)
    end
  end)
  return table.concat(ended, ", ")
end

rt.main(function()
  local root = rt.CancellationToken.new()
  local first, second = root:child_token(), root:child_token()
  local a = rt.spawn_local(job, "first", first)
  local b = rt.spawn_local(job, "second", second)

  rt.sleep(0.02)
  first:cancel() -- one branch
  print(a:await())
  print("root", root:is_cancelled(), "second", second:is_cancelled())

  root:cancel() -- and all that is left
  print(b:await())
  print("too late:", root:child_token():run_until_cancelled(print, "unseen"))
end)
