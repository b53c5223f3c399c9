-- Datagrams. (Tokio: udp.rs)
local rt = require("rthandle")
local flavors = require("spec.support.flavors")
local sockets = require("spec.support.sockets")
local net = rt.net
local ANY = sockets.ANY

flavors(describe, function(new)
  local runtime

  before_each(function() runtime = new() end)
  after_each(function() runtime:close() end)

  it("send_to and recv_from carry a datagram and its sender", function()
    runtime:block_on(function()
      local a = assert(net.UdpSocket.bind(ANY))
      local b = assert(net.UdpSocket.bind(ANY))
      assert.are.equal(5, a:send_to("hello", b:local_addr()))
      assert.are.same({ "hello", a:local_addr() }, { b:recv_from() })
    end)
  end)

  it("recv_from waits for one", function()
    runtime:block_on(function()
      local a = assert(net.UdpSocket.bind(ANY))
      local b = assert(net.UdpSocket.bind(ANY))
      local to = b:local_addr()
      local waiting = rt.spawn(function(u) return u:recv_from() end, b)
      rt.yield_now()
      a:send_to("late", to)
      assert.are.same({ "late", a:local_addr() }, { waiting:await() })
    end)
  end)

  it("connect fixes the peer of send and recv", function()
    runtime:block_on(function()
      local a = assert(net.UdpSocket.bind(ANY))
      local b = assert(net.UdpSocket.bind(ANY))
      local stranger = assert(net.UdpSocket.bind(ANY))
      assert.is_true(a:connect(b:local_addr()))
      assert.is_true(b:connect(a:local_addr()))
      assert.are.equal(b:local_addr(), a:peer_addr())
      stranger:send_to("not heard", b:local_addr())
      assert.are.equal(4, a:send("ping"))
      assert.are.equal("ping", b:recv())
      assert.are.equal(4, b:send("pong"))
      assert.are.equal("pong", a:recv())
    end)
  end)

  it("a thousand datagrams go to and fro", function()
    runtime:block_on(function()
      local a = assert(net.UdpSocket.bind(ANY))
      local b = assert(net.UdpSocket.bind(ANY))
      local to = b:local_addr()
      local echo = rt.spawn(function(u)
        for _ = 1, 1024 do
          local data, from = assert(u:recv_from())
          assert(u:send_to(data, from))
        end
      end, b)
      for i = 1, 1024 do
        assert(a:send_to("datagram " .. i, to))
        assert.are.same({ "datagram " .. i, to }, { a:recv_from() })
      end
      echo:await()
    end)
  end)
end)

describe("a UDP socket", function()
  local runtime

  before_each(function() runtime = rt.Runtime.new { worker_threads = 1 } end)
  after_each(function() runtime:close() end)

  local function pair()
    local a = assert(net.UdpSocket.bind(ANY))
    local b = assert(net.UdpSocket.bind(ANY))
    return a, b
  end

  it("keeps datagrams apart, empty ones too", function()
    runtime:block_on(function()
      local a, b = pair()
      for _, text in ipairs { "one", "", "three" } do
        assert.are.equal(#text, a:send_to(text, b:local_addr()))
      end
      assert.are.equal("one", b:recv())
      assert.are.equal("", b:recv())
      assert.are.equal("three", b:recv())
    end)
  end)

  it("cuts off what is longer than asked for", function()
    runtime:block_on(function()
      local a, b = pair()
      a:send_to("123456", b:local_addr())
      a:send_to("next", b:local_addr())
      assert.are.equal("123", b:recv(3))
      assert.are.equal("next", b:recv_from(100))
    end)
  end)

  it("carries the largest datagram there is", function()
    runtime:block_on(function()
      local a, b = pair()
      local text = ("x"):rep(65507)
      assert.are.equal(#text, a:send_to(text, b:local_addr()))
      assert.is_true(b:recv() == text)
      assert.are.same({ nil, "EMSGSIZE: message too long", "EMSGSIZE" },
        { a:send_to(text .. "x", b:local_addr()) })
    end)
  end)

  it("sends to a name, to a host and a port", function()
    runtime:block_on(function()
      local a, b = pair()
      local port = tonumber(b:local_addr():match("%d+$"))
      assert.are.equal(1, a:send_to("1", "localhost:" .. port))
      assert.are.equal("1", b:recv())
      assert.are.equal(1, a:send_to("2", "127.0.0.1", port))
      assert.are.equal("2", b:recv())
      assert.is_true(a:connect("localhost", port))
      assert.are.equal(b:local_addr(), a:peer_addr())
    end)
  end)

  it("receives in one task and sends in another", function()
    runtime:block_on(function()
      local a, b = pair()
      local receiving = rt.spawn_local(function() return b:recv() end)
      rt.yield_now()
      assert.are.equal(1, b:send_to("x", a:local_addr()))
      assert.are.equal("x", a:recv())
      assert.has_error(function() b:recv() end,
        "another task is receiving from this UdpSocket: let one task do " ..
        "that, and others use a channel to it")
      a:send_to("y", b:local_addr())
      assert.are.equal("y", receiving:await())
    end)
  end)

  it("without a peer has none to send to", function()
    runtime:block_on(function()
      local a = pair()
      assert.are.same({ nil,
        "EDESTADDRREQ: destination address required", "EDESTADDRREQ" },
        { a:send("x") })
      assert.are.same({ nil, "ENOTCONN: socket is not connected",
        "ENOTCONN" }, { a:peer_addr() })
    end)
  end)

  it("hears of a peer that is not there", function()
    runtime:block_on(function()
      local a, b = pair()
      a:connect(b:local_addr())
      b:close()
      a:send("x")
      assert.are.same(
        { nil, "ECONNREFUSED: connection refused", "ECONNREFUSED" },
        { a:recv() })
    end)
  end)

  it("loses nothing to a receive that timed out", function()
    runtime:block_on(function()
      local a, b = pair()
      assert.is_false((rt.timeout(0.001, b.recv_from, b)))
      a:send_to("x", b:local_addr())
      assert.are.equal("x", b:recv_from())
    end)
  end)

  it("shares its address with reuse_port", function()
    runtime:block_on(function()
      local a = assert(net.UdpSocket.bind(ANY, { reuse_port = true }))
      local b = assert(net.UdpSocket.bind(a:local_addr(),
        { reuse_port = true }))
      assert.are.equal(a:local_addr(), b:local_addr())
      assert.are.equal("EADDRINUSE",
        (select(3, net.UdpSocket.bind(a:local_addr()))))
    end)
  end)

  it("may send to broadcast addresses when it was told so", function()
    runtime:block_on(function()
      local a = pair()
      assert.are.equal("EACCES",
        (select(3, a:send_to("x", "127.255.255.255:9"))))
      assert.is_true(a:set_broadcast(true))
      local _, _, code = a:send_to("x", "127.255.255.255:9")
      assert.are_not.equal("EACCES", code)
    end)
  end)

  it("is EBADF when it was closed", function()
    runtime:block_on(function()
      local a, b = pair()
      assert.is_true(a:close())
      assert.is_true(a:close())
      local expected = { nil, "EBADF: bad file descriptor", "EBADF" }
      assert.are.same(expected, { a:recv() })
      assert.are.same(expected, { a:recv_from() })
      assert.are.same(expected, { a:send("x") })
      assert.are.same(expected, { a:send_to("x", b:local_addr()) })
      assert.are.same(expected, { a:connect(b:local_addr()) })
    end)
  end)

  it("takes its misuse for an error", function()
    runtime:block_on(function()
      local a = pair()
      assert.has_error(function() a:send_to(nil, "127.0.0.1:9") end,
        "bad argument #1 to 'send_to' (string expected, got nil)")
      assert.has_error(function() a:send_to("x") end,
        "bad argument #2 to 'send_to' (string expected, got no value)")
      assert.has_error(function() a:recv(-1) end,
        "bad argument #1 to 'recv' (a number of bytes is from 0)")
      assert.has_error(
        function() net.UdpSocket.bind(ANY, { reuse_prot = true }) end,
        "unknown socket option 'reuse_prot' (did you mean 'reuse_port'?)")
      assert.are.equal("EINVAL", (select(3, a:send_to("x", "nowhere"))))
    end)
  end)
end)
