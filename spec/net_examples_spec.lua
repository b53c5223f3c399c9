-- The examples of the network, with real programs as their peers: socat, curl,
-- wrk, redis-server.  Each server listens on a free port of this machine, and
-- ends with the test.
local rt = require("rthandle")
local script = require("spec.support.script")
local server = require("spec.support.server")
local has = require("spec.support.has")

-- Runs a shell command that has to end well; answers what it printed.
local function sh(command, ...)
  local output, status = script.command(command:format(...))
  if status ~= 0 then
    error(("%s: status %s\n%s"):format(command:format(...), status, output), 2)
  end
  return output
end

-- What socat gets for these bytes (with printf's escapes), until the end.
local function socat(address, bytes)
  return sh("printf '%s' | timeout 20 socat -t 20 - TCP:%s", bytes, address)
end

describe("echo_server.lua", function()
  local echo
  setup(function() echo = server.example("echo_server.lua", "127.0.0.1:0") end)
  teardown(function() echo:stop() end)

  it("sends back what socat sends, to its end", function()
    assert.are.equal("hello\nworld\n", socat(echo.address, "hello\\nworld\\n"))
  end)

  it("serves many at a time", function()
    local text = sh([[for i in 1 2 3 4 5 6 7 8; do
      head -c 300000 /dev/zero | timeout 20 socat -t 20 - TCP:%s | wc -c &
    done; wait]], echo.address)
    assert.are.equal(("300000\n"):rep(8), text)
  end)
end)

describe("http_server.lua", function()
  local http, folder, url

  setup(function()
    folder = script.folder {
      ["index.html"] = "<p>home</p>\n",
      ["a b.txt"] = "spaces\n",
      empty = "",
      big = ("0123456789abcdef"):rep(50000),
      secret = "outside",
    }
    sh("mkdir %s/www && cd %s && mv index.html 'a b.txt' empty big www", folder,
      folder)
    http = server.example("http_server.lua", folder .. "/www", "127.0.0.1:0")
    url = "http://" .. http.address
  end)
  teardown(function()
    http:stop()
    script.remove(folder)
  end)

  -- Runs curl; `path` and options may hold quotes.
  local function curl(path, options)
    return sh("curl -sS --max-time 20 --path-as-is %s '%s%s'", options or "",
      url, path)
  end
  local function status_of(path, options)
    return curl(path, "-o /dev/null -w '%{http_code}' " .. (options or ""))
  end
  -- The status line that a request of these bytes gets; then the end.
  local function answer_to(bytes)
    return (socat(http.address, bytes):match("^[^\r]*"))
  end

  it("greets in JSON", function()
    local answer = curl("/hello", "-i")
    has(answer, "HTTP/1.1 200 OK\r\n")
    has(answer, "Content-Type: application/json\r\n")
    assert.truthy(answer:find("\r\nDate: %a+, %d%d %a+ %d+ [%d:]+ GMT\r\n"), answer)
    has(answer, '\r\n\r\n{"message":"Hello, World!"}')
  end)

  it("serves files, with types by their names", function()
    assert.are.equal("<p>home</p>\n", curl("/"))
    has(curl("/index.html?x=1", "-i"), "Content-Type: text/html; charset=utf-8\r\n")
    assert.are.equal("spaces\n", curl("/a%20b.txt"))
    assert.are.equal("", curl("/empty"))
  end)

  it("serves a file of several parts whole", function()
    sh("curl -sS %s/big | cmp - %s/www/big", url, folder)
  end)

  it("answers HEAD without the body", function()
    local answer = curl("/big", "-I")
    has(answer, "HTTP/1.1 200 OK\r\n")
    has(answer, "Content-Length: 800000\r\n")
    assert.are.equal("\r\n\r\n", answer:sub(-4))
  end)

  it("keeps the connection for the next request", function()
    local output = sh("curl -sS -w ' %%{num_connects}\\n' "
      .. "%s/hello -o /dev/null %s/empty -o /dev/null %s/nothing -o /dev/null",
      url, url, url)
    assert.are.equal(" 1\n 0\n 0\n", output)
  end)

  it("answers requests that come in one go in their order", function()
    local answers = socat(http.address, "GET /empty HTTP/1.1\\r\\nHost: a\\r\\n"
      .. "\\r\\nHEAD /hello HTTP/1.1\\r\\nhost: a\\r\\n\\r\\n"
      .. "GET /nothing HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n")
    local found = {}
    for status in answers:gmatch("HTTP/1.1 (%d+)") do table.insert(found, status) end
    assert.are.same({ "200", "200", "404" }, found)
  end)

  it("ends the connection where the client asks or speaks HTTP/1.0", function()
    has(curl("/hello", "-i -H 'Connection: close'"), "Connection: close\r\n")
    has(curl("/hello", "-i -0"), "Connection: close\r\n")
    has(curl("/hello", "-i -0 -H 'Connection: keep-alive'"),
      "Connection: keep-alive\r\n")
  end)

  it("takes a target with a host in it, as a proxy's clients send it", function()
    assert.are.equal(curl("/hello", ""), curl("/hello", "-x " .. http.address))
  end)

  it("answers 404 for what is not there, and for folders", function()
    assert.are.equal("404", status_of("/nothing"))
    sh("mkdir -p %s/www/sub", folder)
    assert.are.equal("404", status_of("/sub"))
    assert.are.equal("404", status_of("/sub/"))
  end)

  it("answers 405 for other methods, and says which there are", function()
    local answer = curl("/hello", "-i -d x=1")
    has(answer, "HTTP/1.1 405 Method Not Allowed\r\n")
    has(answer, "Allow: GET, HEAD\r\n")
    assert.are.equal("405", status_of("/", "-X DELETE"))
  end)

  it("leads nobody out of its folder", function()
    for _, path in ipairs { "/../secret", "/%2e%2e/secret", "/..%2fsecret",
      "/www/../../secret", "/..", "/a/..%2F..%2Fsecret" } do
      assert.are.equal("400", status_of(path), path)
    end
  end)

  it("answers 400 for what is no request", function()
    local bad = "HTTP/1.1 400 Bad Request"
    for _, bytes in ipairs {
      "garbage\\n",
      "\\001\\002\\003\\r\\n\\r\\n",
      "GET /hello\\r\\n\\r\\n",
      "GET /hello HTTP/2.0\\r\\n\\r\\n",
      "GET hello HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n",
      "GET /%%zz HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n",
      "GET /%%00 HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n",
      "GET /hello HTTP/1.1\\r\\n\\r\\n", -- no Host
      "GET /hello HTTP/1.1\\r\\nHost: a\\r\\nno colon\\r\\n\\r\\n",
      "GET /hello HTTP/1.1\\r\\nHost : a\\r\\n\\r\\n",
      "GET /hel", -- and no more
    } do
      assert.are.equal(bad, answer_to(bytes), bytes)
    end
  end)

  it("does not wait for the rest of what is no request", function()
    rt.main(function()
      local stream <close> = assert(rt.net.TcpStream.connect(http.address))
      stream:write_all("garbage\r\n")
      assert.are.equal("HTTP/1.1 400 Bad Request", stream:read_line())
    end)
  end)

  it("answers 431 where the head has more than 64 KB", function()
    assert.are.equal("431", status_of("/hello",
      "-H \"X-Long: $(head -c 66000 /dev/zero | tr '\\0' a)\""))
    assert.are.equal("431", status_of("/hello",
      "$(seq -f '-HX-Header-%.0f:xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' 2000)"))
    assert.are.equal("200", status_of("/hello",
      "-H \"X-Long: $(head -c 60000 /dev/zero | tr '\\0' a)\""))
  end)

  it("is not harmed by clients that say nothing, or leave", function()
    local silent = server.start("echo ready; exec socat -u TCP:" .. http.address
      .. " -", "(ready)")
    sh("head -c 20 /dev/urandom | timeout 20 socat -u - TCP:%s", http.address)
    sh("curl -sS %s/big | head -c 10 >/dev/null", url)
    has(curl("/hello"), "Hello")
    silent:stop()
  end)

  it("stands wrk", function()
    local report = sh("wrk -t1 -c20 -d1s --timeout 60s %s/hello", url)
    assert.is_nil(report:find("Socket errors", 1, true), report)
    assert.is_nil(report:find("Non-2xx", 1, true), report)
    assert.truthy(tonumber(report:match("(%d+) requests in")) > 0, report)
  end)

  it("ends well with Ctrl-C: idle connections end, answers do not", function()
    local one = server.example("http_server.lua", folder .. "/www",
      "127.0.0.1:0")
    rt.main(function()
      local connect = rt.net.TcpStream.connect
      local idle = assert(connect(one.address))
      idle:write_all("GET /empty HTTP/1.1\r\nHost: a\r\n\r\n")
      assert.truthy(idle:read_until("\r\n\r\n"))
      -- A client that does not read yet what it asked for.
      local busy = assert(connect(one.address))
      busy:write_all("GET /big HTTP/1.1\r\nHost: a\r\n\r\n")
      has(busy:read_line(), "200 OK")
      -- To the server itself: timeout(1) in front of it would pass on two.
      os.execute(("kill -INT $(ps -o pid= --ppid %d)"):format(one.pid))
      assert.are.equal("EOF", select(3, idle:read()))
      assert.truthy(busy:read_until("\r\n\r\n"))
      assert.are.equal(800000, #busy:read_exact(800000))
      busy:close()
      idle:close()
      assert.are.equal("ECONNREFUSED", select(3, connect(one.address)))
    end)
    local output, status = one:stop("0")
    assert.are.equal("", output)
    assert.are.equal(0, status)
  end)
end)

describe("tcp_proxy.lua", function()
  it("is a way for curl to the HTTP server", function()
    local http = server.example("http_server.lua", "examples", "127.0.0.1:0")
    finally(function() http:stop() end)
    local proxy = server.example("tcp_proxy.lua", "127.0.0.1:0", http.address)
    finally(function() proxy:stop() http:stop() end)
    has(sh("curl -sS --max-time 20 http://%s/hello", proxy.address), "Hello")
    sh("curl -sS --max-time 20 http://%s/http_server.lua "
      .. "| cmp - examples/http_server.lua", proxy.address)
    has(sh("curl -sS --max-time 20 -0 http://%s/hello", proxy.address), "Hello")
  end)
end)

describe("redis_client.lua", function()
  local redis, address

  setup(function()
    local port = rt.main(function()
      local free <close> = assert(rt.net.TcpListener.bind("127.0.0.1:0"))
      return free:local_addr():match("%d+$")
    end)
    redis = server.start("exec redis-server --bind 127.0.0.1 --save '' --port "
      .. port, "Ready to (accept connections)")
    address = "127.0.0.1:" .. port
  end)
  teardown(function() redis:stop() end)

  it("shows what it can do", function()
    local output, status = script.run("examples/redis_client.lua", address)
    assert.are.equal("PONG\nOK\n12\tbytes\nfalse\n"
      .. "nil\tERR value is not an integer or out of range\tREPLY\n"
      .. "10001\treplies, the last one\t10000\n"
      .. "after 4 more connections\t10400\n", output)
    assert.are.equal(0, status)
  end)

  describe("as a module", function()
    -- Runs f(client) in a task.
    local function client_of(to, f)
      local path = package.path
      package.path = "examples/?.lua;" .. path
      local module = require("redis_client")
      package.path = path
      rt.main(function()
        local client <close> = assert(module.connect(to))
        f(client)
      end)
    end

    it("gives strings, integers, lists, and false for nothing", function()
      client_of(address, function(client)
        assert.are.equal("OK", client:call("SET", "k", "\0\r\n"))
        assert.are.equal("\0\r\n", client:call("GET", "k"))
        assert.is_false(client:call("GET", "none"))
        assert.are.equal(2, client:call("RPUSH", "l", "a", ""))
        assert.are.same({ "a", "" }, client:call("LRANGE", "l", 0, -1))
        assert.are.same({}, client:call("LRANGE", "none", 0, -1))
        assert.are.same({ "\0\r\n", false }, client:call("MGET", "k", "none"))
      end)
    end)

    it("answers a refusal with its text and goes on", function()
      client_of(address, function(client)
        local reply, message, code = client:call("NONSENSE")
        assert.are.same({ nil, "REPLY" }, { reply, code })
        has(message, "unknown command")
        assert.are.same({ "PONG", { err = message }, 1 },
          client:pipeline { { "PING" }, { "NONSENSE" }, { "INCR", "i" } })
      end)
    end)

    it("sends a pipeline larger than all buffers", function()
      client_of(address, function(client)
        local commands, value = {}, ("v"):rep(10000)
        for i = 1, 2000 do commands[i] = { "ECHO", value } end
        local replies = assert(client:pipeline(commands))
        assert.are.equal(2000, #replies)
        for i = 1, 2000 do assert(replies[i] == value) end
      end)
    end)

    it("answers nil, message, code where Redis is gone", function()
      client_of(address, function(client)
        assert(client:call("PING"))
        redis:stop()
        local reply, message, code = client:call("PING")
        assert.is_nil(reply)
        assert.is_string(message)
        assert.truthy(code == "EOF" or code == "ECONNRESET" or code == "EPIPE",
          code)
      end)
    end)
  end)
end)
