local script = require "spec.support.script"

-- Runs spec/lint/<name>.lua over a small csrc; answers what it complains of
-- ("" when it is content) and its exit status.
local function lint(name, files)
  local root = script.folder {}
  local words = {}
  for path, content in pairs(files) do
    path = root .. "/csrc/" .. path
    os.execute("mkdir -p " .. path:match "(.*)/")
    local out <close> = assert(io.open(path, "w"))
    out:write(content)
    words[#words + 1] = "csrc/" .. path:match "csrc/(.*)"
  end
  local output, status = script.command(("cd %s && %s %s/spec/lint/%s.lua %s")
    :format(root, os.getenv "LUA" or "lua5.4",
      script.command("pwd"):gsub("\n", ""), name, table.concat(words, " ")))
  script.remove(root)
  return output, status
end

describe("the layering rule", function()
  local function refused(files, message)
    local output, status = lint("layers", files)
    assert.matches(message, output, 1, true)
    assert.equal(1, status)
  end

  it("accepts a folder's own and lower headers", function()
    assert.same({ "", 0 }, { lint("layers", {
      ["task/a.c"] = '#include "task/a.h"\n#include "base/mem.h"\n' }) })
  end)

  it("refuses a header of a higher folder", function()
    refused({ ["task/a.c"] = '#include "sched/b.h"\n' }, "task is below sched")
  end)

  it("refuses libuv outside the driver", function()
    refused({ ["sched/a.c"] = "#include <uv.h>\n" }, "uv.h: only allowed in")
  end)

  it("refuses Lua in the core", function()
    refused({ ["base/a.c"] = '#include "lua.h"\n' }, "lua.h: only allowed in")
  end)

  it("refuses the inside of the core in the Lua half", function()
    refused({ ["lua/a.c"] = '#include "base/mem.h"\n' }, "only rthandle.h")
  end)

  it("refuses fences", function()
    refused({ ["base/a.c"] = "atomic_thread_fence(x);\n" }, "no fences")
  end)
end)

describe("the rule of the atomics", function()
  local head = "/* a\n** SYNC\n**   [Q1] a: release -> b: acquire\n*/\n"
  local function refused(text, message)
    local output, status = lint("sync", { ["base/a.c"] = text })
    assert.matches(message, output, 1, true)
    assert.equal(1, status)
  end

  it("accepts a tag with both sides", function()
    assert.same({ "", 0 }, { lint("sync", { ["base/a.c"] = head ..
      "rth__store_rel(&x, 1); /* [Q1] */\n" ..
      "/* [Q1] pairs */\nrth__load_acq(&x);\n" }) })
  end)

  it("refuses an operation without a tag", function()
    refused("\nrth__swap_sc(&x, 1);\n", "a.c:2: rth__swap_sc has no tag")
  end)

  it("refuses a tag that no table explains", function()
    refused("rth__add_ar(&x, 1); /* [Q7] */\n", "[Q7] stands in no SYNC table")
  end)

  it("refuses a tag without an acquire side", function()
    refused(head .. "rth__store_rel(&x, 1); /* [Q1] */\n", "no acquire side")
  end)

  it("refuses a tag without a release side", function()
    refused(head .. "rth__load_acq(&x); /* [Q1] */\n", "no release side")
  end)

  it("refuses a tag that nothing uses", function()
    refused(head, "[Q1] is used nowhere")
  end)

  it("refuses bare C11 atomics", function()
    refused("  atomic_load(&x);\n", "named operations")
  end)
end)
