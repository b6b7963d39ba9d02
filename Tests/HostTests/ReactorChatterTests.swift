import TestSupport
import Testing

@testable import Host

/// Many connections that send, pause, finish and break at random. Whatever comes, every stream that
/// arrives is the beginning of what was sent, and all of it where the sender finished.
@Suite struct ReactorChatterTests {
  private final class Stream {
    let near: ConnectionId
    var far: ConnectionId?
    /// The generators of what is sent and of what is expected run side by side.
    var sending: SeededGenerator
    var expected: SeededGenerator
    var sent = 0
    var received = 0
    var isFinished = false
    var isPaused = false
    var ended: CloseReason?

    init(near: ConnectionId, seed: UInt64) {
      self.near = near
      sending = SeededGenerator(seed: seed)
      expected = SeededGenerator(seed: seed)
    }
  }

  @Test(arguments: [1, 2, 3, 4] as [UInt64])
  func streamsArriveWhole(_ seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    var limits = Reactor.Limits()
    limits.readBytes = 3000
    limits.writeBytes = 7000
    limits.backlogBytes = 4_000_000
    let reactor = Reactor(limits: limits)
    let listener = try listen(reactor)
    var streams: [Stream] = []
    for number in 0..<12 as Range<UInt64> {
      let (near, far) = try pair(reactor, listener.endpoint)
      let stream = Stream(near: near, seed: seed * 100 + number)
      stream.far = far
      streams.append(stream)
    }
    for _ in 0..<1500 {
      let stream = streams[random.int(0...(streams.count - 1))]
      switch random.int(0...20) {
      case 0...14 where !stream.isFinished && stream.ended == nil:
        let bytes = stream.sending.bytes(random.int(1...20_000))
        if reactor.send(stream.near, bytes) { stream.sent += bytes.count }
      case 15, 16:
        stream.isPaused.toggle()
        if let far = stream.far { reactor.setReading(far, !stream.isPaused) }
      case 17 where random.once(in: 10):
        reactor.finish(stream.near)
        stream.isFinished = true
      case 18 where random.once(in: 30):
        reactor.close(stream.near)
        stream.ended = .peerClosed
      default: break
      }
      for event in try reactor.poll(untilMs: 0) { try note(event, streams) }
    }
    for stream in streams {
      if let far = stream.far { reactor.setReading(far, true) }
      if stream.ended == nil {
        reactor.finish(stream.near)
        stream.isFinished = true
      }
    }
    let deadlineMs = Clock.monotonicMs() + 30_000
    while streams.contains(where: { $0.far != nil }) && Clock.monotonicMs() < deadlineMs {
      for event in try reactor.poll(untilMs: deadlineMs) { try note(event, streams) }
    }
    for stream in streams {
      #expect(stream.far == nil)
      // A stream that was cut off by its own side, or by the time limit of finishing, may be short.
      let isWhole = stream.isFinished && stream.ended != .timedOut
      #expect(isWhole ? stream.received == stream.sent : stream.received <= stream.sent)
    }
    #expect(reactor.connections.count <= streams.count)
  }

  private func note(_ event: ReactorEvent, _ streams: [Stream]) throws {
    switch event {
    case .received(let id, let bytes):
      let stream = try #require(streams.first { $0.far == id })
      #expect(bytes == stream.expected.bytes(bytes.count))
      stream.received += bytes.count
    case .closed(let id, let reason):
      for stream in streams {
        if stream.far == id { stream.far = nil }
        if stream.near == id { stream.ended = reason }
      }
    default: break
    }
  }
}
