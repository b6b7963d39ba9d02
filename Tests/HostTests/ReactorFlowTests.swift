import Foundation
import Testing

@testable import Host

@Suite struct ReactorFlowTests {
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
