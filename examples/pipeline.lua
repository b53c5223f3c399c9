-- A pipeline of three stages, each a task on some worker: lines are split into
-- words, words are counted, counts are printed. A stage ends when the one
-- before it has closed its channel; a slow one holds the others back.
local rt = require("rthandle")

local TEXT = {
  "the quick brown fox jumps over the lazy dog",
  "the dog sleeps",
  "the fox does not",
}

local function split(lines, words)
  for line in lines:iter() do
    for word in line:gmatch("%a+") do words:send(word) end
  end
  words:close()
end

local function count(words, counts)
  local seen = {}
  for word in words:iter() do seen[word] = (seen[word] or 0) + 1 end
  for word, n in pairs(seen) do
    if n > 1 then counts:send { word = word, n = n } end
  end
  counts:close()
end

rt.main(function()
  local lines, to_split = rt.sync.mpsc(4)
  local words, to_count = rt.sync.mpsc(16)
  local counts, to_print = rt.sync.mpsc(4)
  rt.spawn(split, to_split, words)
  rt.spawn(count, to_count, counts)
  -- A sender that was moved is shared: this task closes its own, so that the
  -- stages have the last ones.
  words:close()
  counts:close()

  for _, line in ipairs(TEXT) do lines:send(line) end
  lines:close()

  local list = {}
  for entry in to_print:iter() do list[#list + 1] = entry end
  table.sort(list, function(a, b)
    if a.n ~= b.n then return a.n > b.n end
    return a.word < b.word
  end)
  for _, entry in ipairs(list) do print(entry.n, entry.word) end
end)
