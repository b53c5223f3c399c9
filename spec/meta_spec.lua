-- The annotations for the Lua language server name what the module has: no
-- more and no less.
local rt = require("rthandle")
local async_runtime = require("rthandle.async_runtime")

local META = "lua/rthandle/meta/"

-- What a meta file declares, added to: class -> set of names of its
-- functions, and class -> set of names of its fields.  Classes by their short
-- name.
local function declared_in(path, functions, fields)
  local class
  for line in io.lines(path) do
    local owner, name = line:match("^function ([%w_]+)[.:]([%w_]+)%(")
    local start = line:match("^%-%-%-@class ([%w_.]+)")
    local field = line:match("^%-%-%-@field ([%w_]+)")
    if owner then
      functions[owner] = functions[owner] or {}
      functions[owner][name] = true
    elseif start then
      class = start:match("[%w_]+$")
    elseif field then
      fields[class] = fields[class] or {}
      fields[class][field] = true
    end
  end
end

-- All files but async_runtime.lua, which declares another module.
local functions, fields, of_async_runtime = {}, {}, {}
local pipe = assert(io.popen("ls " .. META .. "*.lua"))
for path in pipe:lines() do
  if path:find("async_runtime", 1, true) then
    declared_in(path, of_async_runtime, {})
  else
    declared_in(path, functions, fields)
  end
end
pipe:close()

-- The headings and tables of the reference, where functions have their entries.
local entries = {}
for _, page in ipairs { "api", "sync", "net", "io" } do
  for line in io.lines("docs/" .. page .. ".md") do
    if line:find("^##") or line:find("^|") then entries[#entries + 1] = line end
  end
end
entries = table.concat(entries, "\n")

local function names_of(t)
  local names = {}
  for name in pairs(t) do
    if not tostring(name):find("^_") then names[name] = true end
  end
  return names
end

-- The methods of an object: what its metatable's __index holds.
local function methods_of(object)
  local index = debug.getmetatable(object).__index
  return names_of(assert(type(index) == "table" and index,
    "methods are not in a table"))
end

local function merged(a, b)
  local all = {}
  for name in pairs(a) do all[name] = true end
  for name in pairs(b) do all[name] = true end
  return all
end

it("the annotation of each function says what it does and what it takes",
  function()
    local files = assert(io.popen("ls " .. META .. "*.lua"))
    for path in files:lines() do
      local prose, params = false, {}
      for line in io.lines(path) do
        local name, list = line:match("^function ([%w_.:]+)%((.*)%)")
        for param in (list or ""):gmatch("[%w_.]+") do
          assert.is_true(params[param], name .. ": " .. param)
        end
        if name then assert.is_true(prose, name) end
        local param = line:match("^%-%-%-@param ([%w_.]+)")
        if param then params[param] = true end
        prose = line:find("^%-%-%-") and (prose or line:find("^%-%-%-[^@|]") ~= nil)
        if line == "" then prose, params = false, {} end
      end
    end
    files:close()
  end)

describe("the annotations name exactly", function()
  local runtime

  setup(function() runtime = rt.Runtime.new { worker_threads = 1 } end)
  teardown(function() runtime:close() end)

  it("what the module holds", function()
    assert.are.same(names_of(rt), merged(functions.rt, fields.rthandle))
  end)

  it("what rthandle.async_runtime holds", function()
    assert.are.same(names_of(async_runtime), of_async_runtime.async_runtime)
  end)

  it("the constructors", function()
    assert.is_function(rt.Runtime.new)
    assert.are.same({ new = true }, functions.RuntimeClass)
    assert.is_function(rt.Handle.current)
    assert.is_function(rt.Handle.try_current)
    assert.are.same({ current = true, try_current = true },
      functions.HandleClass)
    assert.are.same(names_of(rt.time), functions.time)
  end)

  it("the methods of a Runtime", function()
    assert.are.same(methods_of(runtime), functions.Runtime)
  end)

  it("the methods of a Handle", function()
    assert.are.same(methods_of(runtime:handle()), functions.Handle)
  end)

  it("the methods of an EnterGuard", function()
    local guard <close> = runtime:enter()
    assert.are.same(methods_of(guard), functions.EnterGuard)
  end)

  it("the methods of a JoinSet", function()
    assert.are.same({ new = true }, functions.JoinSetClass)
    assert.are.same(methods_of(rt.JoinSet.new()), functions.JoinSet)
  end)

  it("the methods of a scope and of a task-local key", function()
    runtime:block_on(function()
      rt.scope(function(scope)
        assert.are.same(methods_of(scope), functions.Scope)
      end)
    end)
    assert.are.same(methods_of(rt.task_local()), functions.TaskLocal)
  end)

  it("the methods of a TryCurrentError", function()
    local _, err = rt.Handle.try_current()
    assert.are.same(methods_of(err), functions.TryCurrentError)
  end)

  it("the methods of a JoinHandle and an AbortHandle", function()
    local task = runtime:spawn(function() end)
    assert.are.same(methods_of(task), functions.JoinHandle)
    assert.are.same(methods_of(task:abort_handle()), functions.AbortHandle)
  end)

  it("the methods and fields of a JoinError", function()
    local _, err = runtime:spawn(function() error("x") end):join()
    for name in pairs(functions.JoinError) do
      assert.is_function(err[name], name)
    end
    assert.is_string(err.traceback)
    assert.are.same({ traceback = true }, fields.JoinError)
  end)

  it("the methods of a Sleep and an Interval", function()
    local guard <close> = runtime:enter()
    assert.is_not_nil(guard)
    assert.are.same(methods_of(rt.time.Sleep(1)), functions.Sleep)
    assert.are.same(methods_of(rt.interval(1)), functions.Interval)
  end)

  it("what rt.sync holds, and a CancellationToken's class", function()
    assert.are.same(names_of(rt.sync), functions.sync)
    assert.is_function(rt.CancellationToken.new)
    assert.are.same({ new = true }, functions.CancellationTokenClass)
  end)

  it("the methods of channels", function()
    local function same(tx, rx, sender, receiver)
      assert.are.same(methods_of(tx), functions[sender])
      assert.are.same(methods_of(rx), functions[receiver])
    end
    local sync = rt.sync
    local tx, rx = sync.mpsc(1)
    same(tx, rx, "Sender", "Receiver")
    tx, rx = sync.oneshot()
    same(tx, rx, "OneshotSender", "OneshotReceiver")
    tx, rx = sync.broadcast(1)
    same(tx, rx, "BroadcastSender", "BroadcastReceiver")
    tx, rx = sync.watch(1)
    same(tx, rx, "WatchSender", "WatchReceiver")
  end)

  it("the methods of locks and tokens", function()
    local sync = rt.sync
    local objects = {
      Semaphore = sync.Semaphore(1), Mutex = sync.Mutex(),
      Permit = sync.Semaphore(1):try_acquire(), RwLock = sync.RwLock(),
      LockGuard = sync.Mutex():try_lock(), Notify = sync.Notify(),
      Barrier = sync.Barrier(1), OnceCell = sync.OnceCell(),
      CancellationToken = rt.CancellationToken.new(),
      DropGuard = rt.CancellationToken.new():drop_guard(),
    }
    for name, object in pairs(objects) do
      assert.are.same(methods_of(object), functions[name], name)
    end
  end)

  it("what rt.io holds", function()
    assert.are.same(names_of(rt.io), functions.io)
  end)

  it("what rt.net holds, and the methods of sockets", function()
    local guard <close> = runtime:enter()
    assert.is_not_nil(guard)
    local net = rt.net
    assert.are.same(names_of(net), merged(functions.net, fields.net))
    for name in pairs(fields.net) do
      assert.are.same(names_of(net[name]), functions[name .. "Class"], name)
    end
    local listener = assert(net.TcpListener.bind("127.0.0.1:0"))
    assert.are.same(methods_of(listener), functions.Listener)
    local tcp = assert(net.TcpStream.connect(listener:local_addr()))
    local stream = merged(merged(functions.Reads, functions.Writes),
      merged(functions.Socket, functions.Stream))
    assert.are.same(methods_of(tcp), merged(stream, functions.TcpStream))
    local udp = assert(net.UdpSocket.bind("127.0.0.1:0"))
    assert.are.same(methods_of(udp),
      merged(functions.UdpSocket, functions.Socket))
    local unix, other = assert(net.UnixStream.pair())
    assert.are.same(methods_of(unix), stream)
    local reader, writer = other:split()
    assert.are.same(methods_of(reader),
      merged(functions.Reads, functions.Socket))
    assert.are.same(methods_of(writer),
      merged(functions.Writes, functions.Socket))
  end)

  it("the fields of metrics", function()
    local metrics = runtime:metrics()
    assert.are.same(names_of(metrics), fields.Metrics)
    assert.are.same(names_of(metrics.workers[1]), fields.WorkerMetrics)
  end)

  it("what the reference has an entry for", function()
    for _, declared in ipairs { functions, of_async_runtime } do
      for class, names in pairs(declared) do
        for name in pairs(names) do
          assert.is_truthy(name == "await" -- see "Awaitables"
            or entries:find("[`.:]" .. name .. "[(`]"), class .. " " .. name)
        end
      end
    end
  end)

  it("the options that Runtime.new takes", function()
    for name in pairs(fields.RuntimeOptions) do
      -- A value of a type that no option has: the message is about the value.
      local options = { [name] = coroutine.running() }
      local ok, message = pcall(rt.Runtime.new, options)
      assert.is_false(ok)
      assert.is_nil(message:find("unknown runtime option", 1, true), message)
    end
  end)
end)
