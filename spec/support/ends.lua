-- Scripts that end, and what they printed until then.
local assert = require("luassert")
local script = require("spec.support.script")

local ends = {}

-- Code in front of scripts.
ends.HEAD = 'local rt = require "rthandle"\n'

-- Flavours as the text of Runtime.new's table.
ends.FLAVORS = {
  current_thread = "{ flavor = 'current_thread' }",
  multi_thread = "{ worker_threads = 2 }",
}

-- Runs the code in a script s.lua; answers its output and its exit status.  A
-- hang is a status of 124.
function ends.run(code)
  local folder = script.folder { ["s.lua"] = code }
  local limit = script.limit
  script.limit = 30
  local output, status = script.run(folder .. "/s.lua")
  script.limit = limit
  script.remove(folder)
  return output, status
end

-- The script must print exactly that, and end with that status.
function ends.check(code, output, status)
  assert.are.same({ output, status or 0 }, { ends.run(code) })
end

-- How often the part stands in the text.
function ends.count(text, part)
  local n, at = 0, 1
  repeat
    at = text:find(part, at, true)
    if at then n, at = n + 1, at + #part end
  until not at
  return n
end

return ends
