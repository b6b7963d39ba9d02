import CHost
import Foundation
import TestSupport
import Testing

@testable import Host

/// Turns a reactor until something was seen, or fails the test after a generous while.
func run(
  _ reactor: Reactor, _ isDone: (ReactorEvent) throws -> Bool
) throws {
  let deadlineMs = Clock.monotonicMs() + 30_000
  while let event = try reactor.next(untilMs: deadlineMs) {
    if try isDone(event) { return }
  }
  Issue.record("nothing happened")
}

/// A listener on the loopback and the endpoint to reach it.
func listen(_ reactor: Reactor) throws -> (id: ListenerId, endpoint: Endpoint) {
  let id = try reactor.listen(on: .tcp(host: "127.0.0.1", port: 0))
  let port = try #require(reactor.address(of: id)).port
  return (id, .tcp(host: "127.0.0.1", port: port))
}

/// Two ends of one connection in one reactor.
func pair(_ reactor: Reactor, _ endpoint: Endpoint) throws -> (ConnectionId, ConnectionId) {
  let near = reactor.connect(to: endpoint)
  var far: ConnectionId?
  var isConnected = false
  try run(reactor) { event in
    if case .accepted(_, let id, _) = event { far = id }
    if case .connected(let id, _) = event, id == near { isConnected = true }
    return far != nil && isConnected
  }
  return (near, try #require(far))
}

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

  @Test func closesAPeerThatDoesNotRead() throws {
    var limits = Reactor.Limits()
    limits.backlogBytes = 100_000
    let reactor = Reactor(limits: limits)
    let (near, far) = try pair(reactor, try listen(reactor).endpoint)
    reactor.setReading(far, false)
    let chunk = [UInt8](repeating: 7, count: 65_536)
    var sent = 0
    var most = 0
    while reactor.send(near, chunk) && sent < 10_000 {
      sent += 1
      most = max(most, reactor.pendingBytes(near))
    }
    #expect(sent < 10_000)
    #expect(most <= limits.backlogBytes + chunk.count)
    try run(reactor) { $0 == .closed(near, .backlogExceeded) }
    // The other side reads what arrived, and then the end.
    reactor.setReading(far, true)
    var got = 0
    try run(reactor) { event in
      if case .received(far, let bytes) = event { got += bytes.count }
      if case .closed(far, _) = event { return true }
      return false
    }
    #expect(got > 0)
  }

  @Test func pausedReadingHoldsThePeerUp() throws {
    let reactor = Reactor()
    let (near, far) = try pair(reactor, try listen(reactor).endpoint)
    reactor.setReading(far, false)
    #expect(reactor.send(near, [1]))
    #expect(try reactor.next(untilMs: Clock.monotonicMs() + 30) == nil)
    // A peer that leaves meanwhile does not make the loop spin, and its bytes are not lost.
    reactor.close(near)
    #expect(try reactor.next(untilMs: Clock.monotonicMs() + 30) == nil)
    reactor.setReading(far, true)
    try run(reactor) { $0 == .received(far, [1]) }
    try run(reactor) { $0 == .closed(far, .peerClosed) }
  }

  @Test func finishSendsEverythingFirst() throws {
    var limits = Reactor.Limits()
    limits.backlogBytes = 8_388_608
    let reactor = Reactor(limits: limits)
    let (near, far) = try pair(reactor, try listen(reactor).endpoint)
    #expect(reactor.send(near, [UInt8](repeating: 1, count: 5_000_000)))
    reactor.finish(near)
    #expect(!reactor.send(near, [1]))
    #expect(reactor.send(far, [9]))  // It arrives at a side that does not listen any more.
    var got = 0
    var farReason: CloseReason?
    var nearReason: CloseReason?
    try run(reactor) { event in
      switch event {
      case .received(let id, let bytes):
        #expect(id == far)
        got += bytes.count
      case .closed(far, let reason): farReason = reason
      case .closed(near, let reason): nearReason = reason
      default: break
      }
      return farReason != nil && nearReason != nil
    }
    #expect(got == 5_000_000)
    #expect(farReason == .peerClosed)
    #expect(nearReason == .finished)
  }

  @Test func finishGivesUpOnAPeerThatStays() throws {
    var limits = Reactor.Limits()
    limits.finishMs = 20
    let reactor = Reactor(limits: limits)
    let (near, far) = try pair(reactor, try listen(reactor).endpoint)
    reactor.setReading(far, false)
    reactor.finish(near)
    try run(reactor) { $0 == .closed(near, .finished) }
  }

  @Test func closedConnectionsAreNotSpokenOf() throws {
    let reactor = Reactor()
    let (near, far) = try pair(reactor, try listen(reactor).endpoint)
    #expect(reactor.send(near, [1]))
    reactor.setTimer(1, atMs: Clock.monotonicMs() + 20)
    // Both are in the same turn by then; closing takes the bytes out of the queue again.
    usleep(40_000)
    #expect(try reactor.next(untilMs: nil) == .received(far, [1]))
    reactor.close(far)
    #expect(try reactor.next(untilMs: nil) == .timerFired(1))
    try run(reactor) { event in
      if case .closed(near, _) = event { return true }
      return false
    }
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

  @Test func timersFireInOrderAndCanBeMoved() throws {
    let reactor = Reactor()
    let nowMs = Clock.monotonicMs()
    reactor.setTimer(3, atMs: nowMs + 30)
    reactor.setTimer(1, atMs: nowMs + 10)
    reactor.setTimer(2, atMs: nowMs + 20)
    reactor.setTimer(4, atMs: nowMs + 5)
    reactor.cancelTimer(4)
    reactor.setTimer(1, atMs: nowMs + 25)
    var fired: [UInt64] = []
    try run(reactor) { event in
      if case .timerFired(let token) = event { fired.append(token) }
      return fired.count == 3
    }
    #expect(fired == [2, 1, 3])
    #expect(Clock.monotonicMs() >= nowMs + 30)
    #expect(try reactor.poll(untilMs: nowMs).isEmpty)
  }

  /// It sleeps until there is something to do: the kernel counts how often it gave way.
  @Test func idleMeansAsleep() throws {
    let reactor = Reactor()
    _ = try pair(reactor, try listen(reactor).endpoint)
    func switches() throws -> Int {
      let text = String(
        decoding: try Files.read("/proc/thread-self/status", limit: 65536), as: UTF8.self)
      let line = text.split(separator: "\n").first { $0.hasPrefix("voluntary_ctxt_switches") }
      return Int(line?.split(separator: "\t").last ?? "") ?? 0
    }
    let before = try switches()
    reactor.setTimer(1, atMs: Clock.monotonicMs() + 400)
    #expect(try reactor.next(untilMs: nil) == .timerFired(1))
    #expect(try switches() - before <= 4)
  }

  @Test func watchesDescriptors() throws {
    let reactor = Reactor()
    let pipe = try Descriptor.pipe()
    reactor.watch(pipe.reading.fd, token: 8)
    #expect(try reactor.next(untilMs: Clock.monotonicMs() + 10) == nil)
    try pipe.writing.writeAll([1, 2])
    #expect(try reactor.next(untilMs: nil) == .descriptorReadable(8))
    #expect(try pipe.reading.read(limit: 10) == .bytes([1, 2]))
    pipe.writing.close()
    #expect(try reactor.next(untilMs: nil) == .descriptorReadable(8))
    #expect(try pipe.reading.read(limit: 10) == .ended)
    reactor.unwatch(8)
    #expect(try reactor.next(untilMs: Clock.monotonicMs() + 10) == nil)
  }

  @Test func adoptsPipes() throws {
    let reactor = Reactor()
    let pipe = try Descriptor.pipe()
    let reading = try reactor.adopt(pipe.reading)
    let writing = try reactor.adopt(pipe.writing)
    reactor.setReading(writing, false)
    #expect(reactor.send(writing, [1, 2, 3]))
    try run(reactor) { $0 == .received(reading, [1, 2, 3]) }
    reactor.close(reading)
    // The reader is gone: that is told, and does not kill the process.
    try run(reactor) { event in
      if case .closed(writing, .failed) = event { return true }
      return false
    }
  }

  @Test func aSendToAPeerThatIsGoneIsAnEvent() throws {
    let reactor = Reactor()
    let (near, far) = try pair(reactor, try listen(reactor).endpoint)
    reactor.close(far)
    for _ in 0..<100 where reactor.isOpen(near) { reactor.send(near, [1]) }
    try run(reactor) { event in
      if case .closed(near, _) = event { return true }
      return false
    }
  }

  /// Two peers talk at once; one of them never stops. The other one is heard in every turn.
  @Test func readsArePortionedFairly() throws {
    var limits = Reactor.Limits()
    limits.readBytes = 1024
    limits.backlogBytes = 4_000_000
    let reactor = Reactor(limits: limits)
    let listener = try listen(reactor)
    let (loud, loudFar) = try pair(reactor, listener.endpoint)
    let (quiet, quietFar) = try pair(reactor, listener.endpoint)
    #expect(reactor.send(loud, [UInt8](repeating: 0, count: 1_000_000)))
    #expect(reactor.send(quiet, [1]))
    var heardOfLoud = 0
    try run(reactor) { event in
      if case .received(loudFar, let bytes) = event {
        #expect(bytes.count <= 1024)
        heardOfLoud += bytes.count
      }
      return event == .received(quietFar, [1])
    }
    #expect(heardOfLoud <= 65_536)
  }
}

/// Signals belong to the whole process, so one test has them all.
@Suite(.serialized) struct ReactorSignalTests {
  @Test func signalsAreEvents() throws {
    let reactor = Reactor()
    try reactor.watchSignals([.user1, .childEnded])
    #expect(kill(getpid(), SIGUSR1) == 0)
    try run(reactor) { $0 == .signal(.user1) }
    let child = try ChildProcess(["/bin/true"])
    try run(reactor) { $0 == .signal(.childEnded) }
    #expect(try child.wait() == .exited(status: 0))
    #expect(kill(getpid(), SIGPIPE) == 0)  // Ignored.
  }
}
