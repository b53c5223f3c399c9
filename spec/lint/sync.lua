-- Every atomic operation says with whom it pairs.
--  * An operation that is not relaxed has a tag like [Q1]: in the comment above
--    it, on the lines of its statement, or alone on the line below.
--  * The tag stands in a SYNC table of that folder or of a header that the file
--    includes; no two tables explain the same tag.
--  * Somewhere in csrc each tag has a release side and an acquire side.
-- usage: lua spec/lint/sync.lua FILE...

-- The operations of base/atomic.h: which sides they are.
local sides = { load_acq = "acquire", load_sc = "acquire",
                store_rel = "release", store_sc = "release" }
for _, verb in ipairs { "swap", "add", "sub", "or", "and", "cas", "cas_weak" }
do
  sides[verb .. "_ar"], sides[verb .. "_sc"] = "both", "both"
end
local relaxed = { init = true, bump = true, load_rlx = true, store_rlx = true,
                  swap_rlx = true, add_rlx = true, sub_rlx = true,
                  cas_rlx = true, or_rlx = true, and_rlx = true }

local problems = 0
local function complain(file, number, ...)
  problems = problems + 1
  io.stderr:write(("%s:%d: "):format(file, number), string.format(...), "\n")
end

local function tags_of(text)
  local tags = {}
  for tag in text:gmatch "%[(%u+%d+%l?)%]" do tags[#tags + 1] = tag end
  return tags
end

-- path -> { lines, tags = { [tag] = line of the SYNC table }, includes }
local files, where = {}, {}
for _, path in ipairs(arg) do
  local file = { lines = {}, tags = {}, includes = {} }
  local in_table = false
  for line in io.lines(path) do
    local number = #file.lines + 1
    file.lines[number] = line
    if line:find "^%*%*%s+SYNC" or line:find "^/%*%s+SYNC" then
      in_table = true
    elseif line:find "^%*%*%s?%u%u+" then
      in_table = false -- the next head word
    end
    if in_table then
      -- A row begins with its tag; tags later in it are cross-references.
      local tag = line:gsub("SYNC", "    "):match "^[/%*]*%s*%[(%u+%d+%l?)%]"
      if tag and where[tag] then
        complain(path, number, "[%s] is explained in %s, too", tag, where[tag])
      end
      if tag then file.tags[tag], where[tag] = number, path end
    end
    if line:find "%*/" then in_table = false end
    local header = line:match '^%s*#%s*include%s*"([^"]+)"'
    if header then file.includes[#file.includes + 1] = "csrc/" .. header end
  end
  files[path] = file
end

local function folder(path) return path:match ".*/" end

local function explained(path, tag)
  local place = where[tag]
  if not place then return false end
  if folder(place) == folder(path) then return true end
  for _, header in ipairs(files[path].includes) do
    if header == place then return true end
  end
  return false
end

-- What may carry the tags of an operation on line i.
local function context(lines, i)
  local first, last = i, i
  if i > 1 and (lines[i - 1]:find "%*/%s*$" or lines[i - 1]:find "/%*") then
    first = i - 1
    while first > 1 and not lines[first]:find "/%*" do first = first - 1 end
  end
  while last < #lines and last < i + 6 and not lines[last]:find "[;{}]" do
    last = last + 1
  end
  if lines[last + 1] and lines[last + 1]:find "^%s*/%* %[%u+%d" then
    last = last + 1
  end
  return table.concat(lines, "\n", first, last)
end

local seen = {} -- tag -> { release =, acquire = }
for _, path in ipairs(arg) do
  local lines = files[path].lines
  for i, line in ipairs(lines) do
    local code = line:gsub("/%*.-%*/", ""):gsub("/%*.*", "")
    if code:find "^%s*%*%*" or path:find "base/atomic%.h$" then code = "" end
    for op in code:gmatch "rth__([%w_]+)%s*%(" do
      if sides[op] then
        local tags = tags_of(context(lines, i))
        if #tags == 0 then complain(path, i, "rth__%s has no tag", op) end
        for _, tag in ipairs(tags) do
          if not explained(path, tag) then
            complain(path, i, "[%s] stands in no SYNC table here", tag)
          end
          local s = seen[tag] or {}
          seen[tag] = s
          if sides[op] ~= "acquire" then s.release = true end
          if sides[op] ~= "release" then s.acquire = true end
        end
      elseif not relaxed[op] and op:find "_rel$" or op:find "_acq$"
        or op:find "_ar$" or op:find "_sc$" then
        complain(path, i, "rth__%s is not known to spec/lint/sync.lua", op)
      end
    end
    if code:find "[^%w_]atomic_%l+" or code:find "memory_order_" then
      complain(path, i, "use the named operations of base/atomic.h")
    end
  end
end

for tag, path in pairs(where) do
  local s = seen[tag]
  local number = files[path].tags[tag]
  if not s then
    complain(path, number, "[%s] is used nowhere", tag)
  elseif not s.release then
    complain(path, number, "[%s] has no release side", tag)
  elseif not s.acquire then
    complain(path, number, "[%s] has no acquire side", tag)
  end
end
os.exit(problems == 0)
