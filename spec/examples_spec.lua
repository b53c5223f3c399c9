-- Each example is run as a user would run it, and prints what stands here.
local script = require("spec.support.script")

-- A \ at the end of a line joins it with the next one.
local function prints(file, expected)
  expected = expected:gsub("\\\n", "")
  local output, status = script.run("examples/" .. file)
  assert.are.equal(expected, output)
  assert.are.equal(0, status)
end

describe("the example", function()
  it("first.lua adds two numbers on a worker", function()
    prints("first.lua", "42\n")
  end)

  it("enter.lua spawns under an EnterGuard", function()
    prints("enter.lua", [[
before:	no runtime
inside:	true
after:	no runtime
Hello world!
]])
  end)

  it("current.lua finds the handle of the runtime it is in", function()
    prints("current.lua", [[
block_on:	first
spawned:	first
elsewhere:	other	first	first
]])
  end)

  it("try_current.lua gets an error value outside of a runtime", function()
    prints("try_current.lua", [[
nil	true
there is no reactor running, must be called from the context of an \
rthandle runtime
false	there is no reactor running, must be called from the context of an \
rthandle runtime
true
]])
  end)

  it("spawn.lua gets the results of tasks on the workers", function()
    prints("spawn.lua", [[
now running on a worker thread	lua	true
1	500500
2	2001000
3	4501500
4	8002000
5	12502500
6	18003000
7	24503500
8	32004000
]])
  end)

  it("scope.lua starts tasks that end together", function()
    prints("scope.lua", [[
2 4 6
false	line 12: two is no number
spawned at
unlocked
false	no luck
]])
  end)

  it("race.lua takes the first of two answers", function()
    prints("race.lua", [[
	near closed
	far closed
near: near answers
	first closed
	second closed
deadline has elapsed
quick: here I am
and I came later
]])
  end)

  it("cancel_tree.lua ends a branch, then the rest", function()
    prints("cancel_tree.lua", [[
first.1 has put away its tools, first.2 has put away its tools
root	false	second	false
second.1 has put away its tools, second.2 has put away its tools
too late:	false
]])
  end)

  it("spawn_blocking.lua reads a pipe and a file", function()
    local lines = 0
    for _ in io.lines("examples/spawn_blocking.lua") do lines = lines + 1 end
    prints("spawn_blocking.lua",
      "now running on a blocking thread\thello from the shell\n"
      .. "lines in this script:\t" .. lines .. "\n")
  end)

  it("block_on.lua runs async code on another thread", function()
    prints("block_on.lua", [[
hello from the main script
hello from another thread	42
false	7
]])
  end)

  it("nested_block_on.lua is refused", function()
    prints("nested_block_on.lua", [[
false	examples/nested_block_on.lua:10: Cannot start a runtime from within a \
runtime. This happens because a function (like block_on) attempted to block \
the current thread while the thread is being used to drive asynchronous tasks.
what to do instead: await
]])
  end)

  it("runtime_flavor.lua tells the flavours apart", function()
    prints("runtime_flavor.lua", [[
multi_thread	demo	true	integer
current_thread	demo	true	integer
]])
  end)
end)

describe("the example of channels", function()
  it("worker_pool.lua does all jobs once", function()
    prints("worker_pool.lua", "jobs done:\t20\nsum of all:\t629979\n")
  end)

  it("pipeline.lua passes lines through three stages", function()
    prints("pipeline.lua", "4\tthe\n2\tdog\n2\tfox\n")
  end)

  it("rate_limiter.lua lets calls through one by one", function()
    prints("rate_limiter.lua", [[
calls:	8
in the first period at most 3:	true
never too fast:	true
]])
  end)

  it("watch_config.lua shows each service each version", function()
    prints("watch_config.lua", [[
watched by	3
2 a debug
2 b debug
2 c debug
3 a stopped
3 a warn
3 b stopped
3 b warn
3 c stopped
3 c warn
]])
  end)
end)

describe("the C example primes.c", function()
  -- The folder of this build: build, or that of a variant such as build/asan.
  local build = (os.getenv("RTH_BUILD") or "build"):gsub(".*/build", "build")

  it("prints what it found, built with the command in its head", function()
    local command = "make -s " .. build .. "/examples/c/primes VARIANT="
      .. (build:match("build/([^/]+)$") or "") .. " >/dev/null 2>&1 && "
      .. build .. "/examples/c/primes"
    if build == "build" then
      local file <close> = assert(io.open("examples/c/primes.c"))
      command = file:read("a"):match("%*%*   (cc .-\n.-)\n"):gsub("%*%*", "")
        .. " && build/primes"
    end
    local output, status = script.command(command)
    assert.are.equal([[
task 1: 5133 primes
task 2: 4459 primes
task 3: 4256 primes
task 4: 4136 primes
task 5: 4060 primes
task 6: 3953 primes
task 7: 3980 primes
task 8: 3883 primes
all: 33860 primes below 400000
a nap of 20 ms ended: yes, never early: yes
a nap of an hour was cancelled: yes
the blocking function ran on a thread for blocking work
]], output)
    assert.are.equal(0, status)
  end)
end)

describe("wordcount.lua", function()
  local folder

  setup(function()
    folder = script.folder {
      ["one.txt"] = "Lua lua LUA c\n",
      ["it's two.txt"] = "lua and c",
      empty = "",
      binary = "lua\0lua",
      -- 1.2 MB: several batches, which begin in the middle of lines.
      big = (("word "):rep(200) .. "Ende\n"):rep(1200),
    }
  end)

  teardown(function() script.remove(folder) end)

  it("counts the words of a folder and says what it skipped", function()
    local output, status = script.run("examples/wordcount.lua", folder)
    assert.are.equal([[
  1  word                      240,000
  2  ende                        1,200
  3  lua                             4
  4  c                               2
  5  and                             1

words      241,207, 5 different
files      4 text, 1 binary (skipped), 0 unreadable (skipped)
bytes      1,206,023
]], (output:gsub("parallel .*", "")))
    assert.are.equal(0, status)
    assert.truthy(output:find("parallel   %d+%.%d+ s, %d+ workers\n"
      .. "serial     %d+%.%d+ s, the same work on one thread\n"
      .. "speed%-up   %d+%.%d+\n$"))
  end)

  it("counts a file that cannot be read and goes on", function()
    -- This `find` names a file that is not there.
    local bin = script.folder {
      find = "#!/bin/sh\nprintf 'examples/first.lua\\0gone.txt\\0'\n",
    }
    finally(function() script.remove(bin) end)
    os.execute("chmod +x " .. bin .. "/find")
    local output, status = script.run_with("PATH=" .. bin .. ":\"$PATH\"",
      "examples/wordcount.lua", folder)
    assert.truthy(output:find("files      1 text, 0 binary (skipped), "
      .. "1 unreadable (skipped)", 1, true), output)
    assert.are.equal(0, status)
  end)

  it("fails with a message where there is nothing to read", function()
    local output, status = script.run("examples/wordcount.lua",
      folder .. "/none")
    assert.truthy(output:find("wordcount: no text files in", 1, true))
    assert.are.equal(1, status)
  end)
end)
