import Foundation
import Testing

@testable import Host

@Suite struct ReactorLoopTests {
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
    #expect(try switches() - before <= 10)
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
