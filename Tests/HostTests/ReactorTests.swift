import CHost
import Foundation
import TestSupport
import Testing

@testable import Host

@Suite struct ReactorTests {
  @Test func echoesMuchMoreThanAnyBuffer() throws {
    var limits = Reactor.Limits()
    limits.backlogBytes = 16_777_216
    let reactor = Reactor(limits: limits)
    let (near, far) = try pair(reactor, try listen(reactor).endpoint)
    var random = SeededGenerator(seed: 1)
    let message = random.bytes(8_000_000)
    var echoed: [UInt8] = []
    var wasDrained = false
    #expect(reactor.send(near, message))
    #expect(reactor.pendingBytes(near) > 0)
    try run(reactor) { event in
      switch event {
      case .received(far, let bytes): #expect(reactor.send(far, bytes))
      case .received(near, let bytes): echoed += bytes
      case .drained(near): wasDrained = true
      default: break
      }
      return echoed.count == message.count
    }
    #expect(echoed == message)
    #expect(wasDrained && reactor.pendingBytes(near) == 0)
  }

  @Test(arguments: ["127.0.0.1", "::1"])
  func connectsToBothFamilies(_ host: String) throws {
    let reactor = Reactor()
    guard let listener = try? reactor.listen(on: .tcp(host: host, port: 0)) else {
      // A machine without IPv6 says so here.
      #expect(host == "::1")
      return
    }
    let address = try #require(reactor.address(of: listener))
    let near = reactor.connect(to: .tcp(host: host, port: address.port))
    var remote: SocketAddress?
    try run(reactor) { event in
      if case .connected(near, let address) = event { remote = address }
      return remote != nil
    }
    #expect(remote == address)
    #expect(remote?.host == host)
  }

  /// An address that is written down, and those of a name.
  @Test func connectsOnlyToAddressesThatAreAccepted() throws {
    let reactor = Reactor()
    let listener = try listen(reactor)
    let port = try #require(reactor.address(of: listener.id)).port
    for host in ["127.0.0.1", "localhost"] {
      var asked: [SocketAddress] = []
      let refused = reactor.connect(to: .tcp(host: host, port: port)) { address in
        asked.append(address)
        return false
      }
      try run(reactor) { event in
        guard case .closed(refused, let reason) = event else { return false }
        guard case .failed(.notAccepted) = reason else {
          Issue.record("\(reason)")
          return true
        }
        return true
      }
      #expect(!asked.isEmpty && asked.allSatisfy { $0.port == port })
      let near = reactor.connect(to: .tcp(host: host, port: port)) { $0.host == "127.0.0.1" }
      try run(reactor) { event in
        if case .connected(near, _) = event { return true }
        return false
      }
    }
  }

  @Test func looksNamesUpWithoutBlocking() throws {
    let reactor = Reactor()
    let listener = try listen(reactor)
    let port = try #require(reactor.address(of: listener.id)).port
    let (near, far) = try pair(reactor, .tcp(host: "localhost", port: port))
    #expect(reactor.send(near, [5]))
    try run(reactor) { $0 == .received(far, [5]) }
    let lost = reactor.connect(to: .tcp(host: "no-such-host.invalid", port: 1))
    try run(reactor) { event in
      guard case .closed(lost, let reason) = event else { return false }
      #expect(reason == .failed(.unknownHost(name: "no-such-host.invalid")))
      return true
    }
  }

  @Test func closingWhileANameIsLookedUpLeavesNoChild() throws {
    let reactor = Reactor()
    let id = reactor.connect(to: .tcp(host: "localhost", port: 1))
    reactor.close(id)
    #expect(try reactor.next(untilMs: Clock.monotonicMs() + 50) == nil)
    #expect(!reactor.isOpen(id))
  }

  /// The first address takes no more connections and does not answer; the second one does.
  @Test func anAddressThatDoesNotAnswerIsPassedOver() throws {
    var limits = Reactor.Limits()
    limits.connectMs = 150
    let reactor = Reactor(limits: limits)
    let silent = host_tcp_listen(try #require(SocketAddress(host: "127.0.0.1", port: 0)).bytes, 0)
    try #require(silent >= 0)
    defer { _ = host_close(silent) }
    var address = [UInt8](repeating: 0, count: 20)
    #expect(host_local_address(silent, &address) == 0)
    let busy = SocketAddress(raw: address)
    // Two connections fill a queue of length 0 on Linux; those after them wait.
    let fillers = (0..<3).map { _ in host_tcp_connect(busy.bytes) }
    defer { for filler in fillers { _ = host_close(filler) } }
    let listener = try listen(reactor)
    let good = try #require(reactor.address(of: listener.id))
    let id = reactor.connect(toFirstOf: [busy, good], name: "somewhere")
    try run(reactor) { $0 == .connected(id, remote: good) }
    let alone = reactor.connect(to: .tcp(host: busy.host, port: busy.port))
    try run(reactor) { $0 == .closed(alone, .timedOut) }
  }

  @Test func tellsOfARefusedConnection() throws {
    let reactor = Reactor()
    let listener = try listen(reactor)
    reactor.close(listener.id)
    let id = reactor.connect(to: listener.endpoint)
    try run(reactor) { event in
      guard case .closed(id, let reason) = event else { return false }
      #expect(reason.message == "\(listener.endpoint.description): connect: Connection refused")
      return true
    }
    #expect(!reactor.send(id, [1]))
  }

  @Test func whatIsSentBeforeTheConnectionWaits() throws {
    let reactor = Reactor()
    let near = reactor.connect(to: try listen(reactor).endpoint)
    #expect(reactor.send(near, [1, 2]))
    #expect(reactor.send(near, [3]))
    #expect(reactor.pendingBytes(near) == 3)
    var got: [UInt8] = []
    try run(reactor) { event in
      if case .received(_, let bytes) = event { got += bytes }
      return got.count == 3
    }
    #expect(got == [1, 2, 3])
  }

  @Test func refusesMoreConnectionsThanItsLimit() throws {
    var limits = Reactor.Limits()
    limits.connections = 3
    let reactor = Reactor(limits: limits)
    let listener = try listen(reactor)
    let first = try pair(reactor, listener.endpoint)
    let client = Reactor()
    let second = client.connect(to: listener.endpoint)
    let third = client.connect(to: listener.endpoint)
    var accepted = 0
    var closed: [ConnectionId] = []
    for _ in 0..<100 where closed.isEmpty {
      for event in try reactor.poll(untilMs: Clock.monotonicMs() + 10) {
        if case .accepted = event { accepted += 1 }
      }
      for event in try client.poll(untilMs: Clock.monotonicMs() + 10) {
        if case .closed(let id, _) = event { closed.append(id) }
      }
    }
    #expect(accepted == 1)
    #expect(closed == [third])
    #expect(reactor.isOpen(first.0) && client.isOpen(second))
  }

  /// An address has room for 107 bytes; data folders lie deeper.
  @Test func unixSocketsMayHaveLongPaths() throws {
    let scratch = try Scratch()
    let folder = scratch.file(String(repeating: "deep", count: 50))
    try Files.makeFolder(folder)
    let path = folder + "/control"
    for _ in 0..<2 {
      let reactor = Reactor()
      _ = try reactor.listen(on: .unix(path: path))
      _ = try pair(reactor, .unix(path: path))
      #expect(throws: HostError.self) { try Reactor().listen(on: .unix(path: path)) }
      // The second finds what the first left.
    }
    #expect(throws: HostError.self) {
      try Reactor().listen(on: .unix(path: folder + "/none/control"))
    }
    #expect(throws: HostError.self) {
      try Reactor().listen(on: .unix(path: folder + "/" + String(repeating: "n", count: 120)))
    }
  }

  @Test func unixSocketsAreTheOwnersOnly() throws {
    let scratch = try Scratch()
    let path = scratch.file("socket")
    let reactor = Reactor()
    let listener = try reactor.listen(on: .unix(path: path))
    #expect(try Files.status(path)?.mode == 0o600)
    let (near, far) = try pair(reactor, .unix(path: path))
    #expect(reactor.send(far, [4]))
    try run(reactor) { $0 == .received(near, [4]) }
    // In use: it is not taken away from who listens there.
    #expect(throws: HostError.self) { try Reactor().listen(on: .unix(path: path)) }
    reactor.close(listener)
    #expect(!Files.exists(path))
    let late = reactor.connect(to: .unix(path: path))
    try run(reactor) { event in
      guard case .closed(late, let reason) = event else { return false }
      #expect(reason.message == "\(path): connect: No such file or directory")
      return true
    }
  }

  @Test func replacesTheSocketOfADeadProcess() throws {
    let scratch = try Scratch()
    let path = scratch.file("socket")
    let script = """
      import socket; s = socket.socket(socket.AF_UNIX); s.bind('\(path)'); s.listen()
      """
    let child = try ChildProcess(["/usr/bin/python3", "-c", script])
    #expect(try child.wait() == .exited(status: 0))
    #expect(Files.exists(path))
    let reactor = Reactor()
    _ = try reactor.listen(on: .unix(path: path))
    _ = try pair(reactor, .unix(path: path))
    // But never a file that is something else.
    try Files.writeAtomically(scratch.file("data"), [1])
    #expect(throws: HostError.self) {
      try Reactor().listen(on: .unix(path: scratch.file("data")))
    }
    #expect(try Files.read(scratch.file("data"), limit: 9) == [1])
  }
}
