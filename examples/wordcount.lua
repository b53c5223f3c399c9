-- Counts the words of all text files under some folders, on every processor.
--
--   lua examples/wordcount.lua [DIR...]
--
-- Without arguments: the documentation and licence texts under /usr/share.
-- The files are found and read by blocking functions (spawn_blocking) and
-- counted by one task for each worker (spawn), whose results are merged here.
-- Then the same functions do the same work once more, one batch after the
-- other on this thread only, to show what the workers were worth.
local rt = require("rthandle")

local TOP = 15
local DEFAULTS = {
  "/usr/share/doc", "/usr/share/common-licenses", "/usr/share/licenses",
}

-- 1. Find --------------------------------------------------------------------

-- The size of a file, and whether it holds a zero byte; nothing if it cannot
-- be read.  It is read whole, so both counts below find it in memory.
local function examine(path)
  local file <close> = io.open(path, "rb")
  local size = file and file:seek("end")
  if not size or not file:seek("set") then return nil end
  for chunk in function() return file:read(1 << 16) end do
    if chunk:find("\0", 1, true) then return size, true end
  end
  return size, false
end

-- Runs on a blocking thread.  Answers a list of { path =, size = } of what
-- looks like text, and how many files were binary and unreadable.
local function find_texts(dirs)
  local words = {}
  for i, dir in ipairs(dirs) do
    if dir:sub(1, 1) == "-" then dir = "./" .. dir end -- not an option
    words[i] = "'" .. dir:gsub("'", "'\\''") .. "'"    -- nor shell syntax
  end
  local find <close> = assert(io.popen(
    "find -H " .. table.concat(words, " ") .. " -type f -print0"))

  local files, binary, unreadable = {}, 0, 0
  for path in find:read("a"):gmatch("[^\0]+") do
    local size, is_binary = examine(path)
    if not size then
      unreadable = unreadable + 1
    elseif is_binary then
      binary = binary + 1
    else
      files[#files + 1] = { path = path, size = size }
    end
  end
  return files, binary, unreadable
end

-- Cuts the files into batches of about `limit` bytes.  A batch is a list of
-- { path =, from =, to = }; a big file is spread over several batches.
local function make_batches(files, limit)
  local batches, batch, room = {}, {}, limit
  for _, file in ipairs(files) do
    local from = 0
    repeat
      local n = math.min(file.size - from, room)
      batch[#batch + 1] = { path = file.path, from = from, to = from + n }
      from, room = from + n, room - n
      if room == 0 then
        batches[#batches + 1] = batch
        batch, room = {}, limit
      end
    until from >= file.size
  end
  if #batch > 0 then batches[#batches + 1] = batch end
  return batches
end

-- 2. Read and count ----------------------------------------------------------

-- The lines that begin between two positions of a file.  A line that is cut
-- by a position belongs to the part where it begins.
local function read_part(part)
  local file <close> = io.open(part.path, "rb")
  if not file then return nil end
  if part.from > 0 then
    file:seek("set", part.from - 1)
    file:read("L") -- the rest of a line that began before
  end
  local here = file:seek()
  if not here or here >= part.to then return here and "" end
  local text = file:read(part.to - here)
  if not text then return nil end
  if text:sub(-1) ~= "\n" then text = text .. (file:read("L") or "") end
  return text
end

-- Runs on a blocking thread: the texts of a batch, how many bytes were read
-- and how many files failed.
local function read_batch(batch)
  local texts, bytes, unreadable = {}, 0, 0
  for _, part in ipairs(batch) do
    local text = read_part(part)
    if text then
      texts[#texts + 1] = text
      bytes = bytes + #text
    elseif part.from == 0 then -- counted once for each file
      unreadable = unreadable + 1
    end
  end
  return table.concat(texts, "\n"), bytes, unreadable
end

local function new_totals()
  return { counts = {}, bytes = 0, unreadable = 0 }
end

-- A word is a run of ASCII letters and of bytes of UTF-8 sequences.
local function count(totals, text, bytes, unreadable)
  local counts = totals.counts
  for word in text:lower():gmatch("[%a\x80-\xff]+") do
    counts[word] = (counts[word] or 0) + 1
  end
  totals.bytes = totals.bytes + bytes
  totals.unreadable = totals.unreadable + unreadable
end

-- Runs on a worker.  The tasks take the batches in turn from a cursor that all
-- of them share, so that a slow one takes fewer; each reads its next batch
-- while it counts one.
local function count_batches(batches, cursor)
  local totals = new_totals()
  local function read_next()
    local guard <close> = cursor:lock()
    local batch = batches[guard:update(function(i) return i + 1 end)]
    return batch and rt.spawn_blocking(read_batch, batch)
  end
  local reading = read_next()
  while reading do
    local next_one = read_next()
    count(totals, reading:await())
    reading = next_one
  end
  return totals
end

-- 3. Merge -------------------------------------------------------------------

local function merge(all, totals)
  local counts = all.counts
  for word, n in pairs(totals.counts) do
    counts[word] = (counts[word] or 0) + n
  end
  all.bytes = all.bytes + totals.bytes
  all.unreadable = all.unreadable + totals.unreadable
end

local function ranking(counts)
  local words, running = {}, 0
  for word, n in pairs(counts) do
    words[#words + 1] = word
    running = running + n
  end
  table.sort(words, function(a, b)
    if counts[a] ~= counts[b] then return counts[a] > counts[b] end
    return a < b
  end)
  return words, running
end

-- 4. Twice: in parallel and serially -----------------------------------------

local terminal = os.execute("test -t 2")

local function progress(what, done, all)
  if terminal then
    io.stderr:write(("\r\27[K%s: %d of %d batches"):format(what, done, all))
  end
end

local function progress_ends()
  if terminal then io.stderr:write("\r\27[K") end
end

local function show_progress(cursor, all)
  while true do
    rt.sleep(0.1)
    local guard <close> = cursor:lock()
    progress("parallel", math.min(guard:get(), all), all)
  end
end

local function count_parallel(batches, workers)
  local cursor = rt.sync.Mutex(0)
  local watcher = terminal and rt.spawn_local(show_progress, cursor, #batches)
  local tasks, all = {}, new_totals()
  for i = 1, workers do tasks[i] = rt.spawn(count_batches, batches, cursor) end
  for i = 1, workers do merge(all, tasks[i]:await()) end
  if watcher then watcher:abort() end
  return all
end

local function count_serial(batches)
  local totals = new_totals()
  for i, batch in ipairs(batches) do
    count(totals, read_batch(batch))
    progress("serial", i, #batches)
  end
  return totals
end

local function timed(f, ...)
  local start = rt.now()
  local result = f(...)
  return result, rt.now() - start
end

-- 5. Report ------------------------------------------------------------------

local function grouped(n)
  local s = tostring(n):reverse():gsub("(%d%d%d)", "%1,"):reverse()
  return (s:gsub("^,", ""))
end

local function report(totals)
  local words, running = ranking(totals.counts)
  for i = 1, math.min(TOP, #words) do
    print(("%3d  %-20s %12s"):format(i, words[i],
      grouped(totals.counts[words[i]])))
  end
  print()
  print(("words      %s, %s different"):format(grouped(running),
    grouped(#words)))
end

local function same(a, b)
  for word, n in pairs(a.counts) do
    if b.counts[word] ~= n then return false end
  end
  for word in pairs(b.counts) do
    if not a.counts[word] then return false end
  end
  return a.bytes == b.bytes
end

local function existing(dirs)
  local found = {}
  for _, dir in ipairs(dirs) do
    local file <close> = io.open(dir)
    if file then found[#found + 1] = dir end
  end
  return found
end

local function main(dirs)
  if #dirs == 0 then return "there is nothing to read; name a folder" end

  local files, binary, unreadable = rt.spawn_blocking(find_texts, dirs):await()
  if #files == 0 then
    return "no text files in " .. table.concat(dirs, ", ")
  end

  local workers = rt.Handle.current():metrics().num_workers
  local size = 0
  for _, file in ipairs(files) do size = size + file.size end
  local limit = math.max(1 << 18, math.min(1 << 20, size // (16 * workers)))
  local batches = make_batches(files, limit)

  local totals, parallel = timed(count_parallel, batches, workers)
  local again, serial = timed(count_serial, batches)
  progress_ends()

  report(totals)
  print(("files      %s text, %s binary (skipped), %s unreadable (skipped)")
    :format(grouped(#files - totals.unreadable), grouped(binary),
      grouped(unreadable + totals.unreadable)))
  print(("bytes      %s"):format(grouped(totals.bytes)))
  print(("parallel   %.3f s, %d workers"):format(parallel, workers))
  print(("serial     %.3f s, the same work on one thread"):format(serial))
  print(("speed-up   %.2f"):format(serial / parallel))
  if not same(totals, again) then return "the two runs differ" end
end

local failure = rt.main(function()
  return main(#arg > 0 and { table.unpack(arg) } or existing(DEFAULTS))
end)
if failure then
  io.stderr:write("wordcount: ", failure, "\n")
  os.exit(1, true)
end
