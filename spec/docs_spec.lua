-- Each ```lua block of README.md and docs/*.md is a script of its own. It has
-- to end well and to print what its `-->` comments say, in their order.
local script = require("spec.support.script")

local PAGES = { "README.md", "docs/guide.md", "docs/api.md",
  "docs/sync.md", "docs/net.md", "docs/io.md", "docs/architecture.md",
  "examples/README.md" }

-- The ```lua blocks of a page: { line =, text =, file = }. A block that
-- begins with `-- file: NAME` is not run, but lies beside those that follow.
local function blocks_of(page)
  local blocks, current, number = {}, nil, 0
  for line in io.lines(page) do
    number = number + 1
    if current and line == "```" then
      current.text = table.concat(current, "\n") .. "\n"
      current.file = current.text:match("^%-%- file: (%S+)")
      blocks[#blocks + 1], current = current, nil
    elseif current then
      current[#current + 1] = line
    elseif line == "```lua" then
      current = { line = number }
    end
  end
  assert(not current, page .. ": a block without an end")
  return blocks
end

-- What the comments say it prints. A line that ends in `…` is a beginning.
local function expected_of(text)
  local lines = {}
  for line in text:gmatch("%-%-> ([^\n]*)") do lines[#lines + 1] = line end
  return lines
end

local function matches(line, expected)
  local start = expected:match("^(.-)…$")
  if start then return line:sub(1, #start) == start end
  return line == expected
end

local function check(block, files)
  files["example.lua"] = block.text
  local folder = script.folder(files)
  finally(function() script.remove(folder) end)
  local output, status = script.run_in(folder, "example.lua")
  assert.are.equal(0, status, output)

  local expected, got = expected_of(block.text), {}
  for line in output:gmatch("([^\n]*)\n") do
    local i = #got + 1
    got[i] = expected[i] and matches(line, expected[i]) and expected[i] or line
  end
  assert.are.same(expected, got)
end

for _, page in ipairs(PAGES) do
  describe(page, function()
    local files = {}
    for _, block in ipairs(blocks_of(page)) do
      if block.file then
        files[block.file] = block.text
      else
        it("holds a script at line " .. block.line .. " that works", function()
          check(block, files)
        end)
      end
    end
  end)
end

describe("the links of the documents", function()
  -- As the usual hosts make an anchor of a heading.
  local function anchors(page)
    local found = {}
    for line in io.lines(page) do
      local title = line:match("^#+ (.*)")
      if title then
        local anchor = title:lower():gsub("%[(.-)%]%(.-%)", "%1")
          :gsub("[^%w%s_\x80-\xff-]", ""):gsub("…", ""):gsub("·", "")
          :gsub(" ", "-")
        found[anchor] = true
      end
    end
    return found
  end

  for _, page in ipairs(PAGES) do
    it("lead somewhere: " .. page, function()
      local folder = page:match("^(.*/)") or ""
      local file <close> = assert(io.open(page))
      for target in file:read("a"):gmatch("%]%(([^)%s]+)%)") do
        local path, anchor = target:match("^([^#]*)#?(.*)$")
        if not target:find("^%a+:") then
          local there = path == "" and page or folder .. path
          local found <close> = io.open(there)
          assert(found, page .. " links to " .. target)
          if anchor ~= "" then
            assert(anchors(there)[anchor], page .. " links to " .. target)
          end
        end
      end
    end)
  end
end)
