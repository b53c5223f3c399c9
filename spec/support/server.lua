-- Programs that serve while a test goes on: each is a child of this process,
-- and says on its standard output when it is ready.
local script = require("spec.support.script")

local server = {}
server.__index = server

-- Runs a command of the shell, which must `exec` the program, until it prints
-- a line with `pattern`; what that captures is in .address.  What it prints
-- before the end of its life is read at once: let it be little.
function server.start(command, pattern)
  local pipe = assert(io.popen("exec 2>&1 </dev/null; echo $$; " .. command))
  local self = setmetatable({ pipe = pipe, pid = pipe:read("n", "l") }, server)
  local output = {}
  for line in pipe:lines() do
    self.address = line:match(pattern)
    if self.address then return self end
    output[#output + 1] = line
  end
  pipe:close()
  error("no server: " .. command .. "\n" .. table.concat(output, "\n"), 2)
end

-- Runs an example that prints "listening on ADDRESS".
function server.example(name, ...)
  return server.start(script.command_line("examples/" .. name, ...),
    "^listening on (%S+)$")
end

-- Ends it with a signal; answers what it printed since it was ready, and its
-- exit status, or the number of the signal.
function server:stop(signal)
  if not self.pipe then return end
  os.execute(("kill -%s %d"):format(signal or "TERM", self.pid))
  local output = self.pipe:read("a")
  local _, _, status = self.pipe:close()
  self.pipe = nil
  return output, status
end

return server
