import Bytes
import TestSupport
import Testing

@testable import Session

@Suite struct SessionStreamTests {
  @Test func bytesGoBothWaysUnderCredit() {
    var wire = Wire.established()
    let opening = StreamOpening(kind: .terminal)
    let stream = wire.ends[0].open(opening, window: 4)!
    wire.settle()
    #expect(wire.said[1] == [.streamOpened(stream, opening)])

    // The opener waits for credit; the other end has 4 bytes of it.
    let first = wire.ends[0].send(stream, [1, 2, 3])
    let second = wire.ends[1].send(stream, [4, 5, 6, 7, 8, 9])
    #expect(first == 3 && second == 6)
    wire.settle()
    #expect(wire.data(0, stream) == [4, 5, 6, 7])
    #expect(wire.data(1, stream) == [])

    _ = wire.ends[0].grant(stream, bytes: 1)
    _ = wire.ends[1].grant(stream, bytes: 100)
    wire.settle()
    #expect(wire.data(0, stream) == [4, 5, 6, 7, 8])
    #expect(wire.data(1, stream) == [1, 2, 3])
  }

  /// A provider that does not read a task's input can still be asked for something.
  @Test func aFullStreamLeavesRoomForControlMessages() {
    var wire = Wire.established()
    let full = [UInt8](repeating: 7, count: SessionLimits().queuedBytes)
    for _ in 0..<4 {
      let stream = wire.ends[0].open(StreamOpening(kind: .standardInput))!
      let taken = wire.ends[0].send(stream, full)
      #expect(taken == full.count)
    }
    wire.settle()
    #expect(wire.ends[0].takesControl)
    wire.ends[0].transportIsBlocked = true
    let message = [UInt8](repeating: 1, count: SessionLimits.controlBytes)
    var said = 0
    while wire.ends[0].takesControl, wire.ends[0].sendControl(message) { said += message.count }
    #expect(said >= SessionLimits().queuedControlBytes / 2)
  }

  /// A stream is about what was said before it.
  @Test func openingsAndControlMessagesKeepTheirOrder() {
    var wire = Wire.established()
    var said: [SessionEffect] = []
    for round in 0..<20 {
      let message = [UInt8](repeating: UInt8(round), count: round * 997)
      if round % 3 != 2 && wire.ends[0].sendControl(message) { said.append(.control(message)) }
      let opening = StreamOpening(kind: .fileIn, receiveOffset: UInt64(round))
      if let stream = wire.ends[0].open(opening) { said.append(.streamOpened(stream, opening)) }
    }
    wire.settle()
    #expect(wire.said[1] == said)
  }

  @Test func aStreamIsGoneWhenBothEndsEndedIt() {
    var wire = Wire.established()
    let stream = wire.ends[1].open(StreamOpening(kind: .fileIn))!
    #expect(stream == StreamId(raw: 2))
    wire.settle()
    _ = wire.ends[0].grant(stream, bytes: 10)
    _ = wire.ends[1].send(stream, [1, 2])
    wire.ends[1].endStream(stream)
    let late = wire.ends[1].send(stream, [3])
    #expect(late == 0)
    wire.settle()
    #expect(wire.said[0].suffix(2) == [.data(stream, [1, 2]), .streamEnded(stream)])
    #expect(wire.ends[0].openStreams == [stream] && wire.ends[1].openStreams == [stream])
    wire.ends[0].endStream(stream)
    wire.settle()
    #expect(wire.said[1] == [.streamEnded(stream)])
    #expect(wire.ends[0].openStreams == [] && wire.ends[1].openStreams == [])
    // Numbers are not used again.
    let next = wire.ends[1].open(StreamOpening(kind: .fileIn))
    #expect(next == StreamId(raw: 4))
  }

  @Test func endWaitsForQueuedData() {
    var wire = Wire.established()
    let stream = wire.ends[0].open(StreamOpening(kind: .standardOutput))!
    _ = wire.ends[0].send(stream, [1, 2, 3])
    wire.ends[0].endStream(stream)
    wire.settle()
    #expect(wire.said[1] == [.streamOpened(stream, StreamOpening(kind: .standardOutput))])
    _ = wire.ends[1].grant(stream, bytes: 2)
    wire.settle()
    _ = wire.ends[1].grant(stream, bytes: 2)
    wire.settle()
    #expect(
      Array(wire.said[1].dropFirst())
        == [.data(stream, [1, 2]), .data(stream, [3]), .streamEnded(stream)])
  }

  @Test func resetDropsBothDirections() {
    var wire = Wire.established()
    let stream = wire.ends[0].open(StreamOpening(kind: .terminal), window: 100)!
    wire.settle()
    // On its way when the opener gives up: ignored, not a violation.
    _ = wire.ends[1].send(stream, [1, 2, 3])
    wire.drain(1)
    wire.ends[0].resetStream(stream)
    wire.settle()
    #expect(wire.said[0] == [])
    #expect(wire.said[1].last == .streamReset(stream))
    #expect(wire.ends[0].openStreams == [] && wire.ends[1].openStreams == [])
    let sent = wire.ends[1].send(stream, [4])
    let granted = wire.ends[1].grant(stream, bytes: 4)
    #expect(sent == 0 && granted == 0)
    #expect(wire.ends[0].isEstablished && wire.ends[1].isEstablished)
  }

  @Test func resetBeforeTheOpeningWentOut() {
    var wire = Wire.established()
    let stream = wire.ends[0].open(StreamOpening(kind: .terminal))!
    wire.ends[0].resetStream(stream)
    let next = wire.ends[0].open(StreamOpening(kind: .fileOut))!
    wire.settle()
    #expect(wire.said[1] == [.streamOpened(next, StreamOpening(kind: .fileOut))])
    #expect(next.raw == 3)
  }

  @Test func onlySoManyStreamsAreOpenAtATime() {
    var wire = Wire.established()
    var ids: [StreamId] = []
    while let id = wire.ends[0].open(StreamOpening(kind: .fileOut)) { ids.append(id) }
    #expect(ids.count == SessionLimits().streams)
    wire.settle()
    #expect(wire.said[1].count == SessionLimits().streams)
    wire.ends[1].resetStream(ids[7])
    wire.settle()
    let one = wire.ends[0].open(StreamOpening(kind: .fileOut))
    let another = wire.ends[0].open(StreamOpening(kind: .fileOut))
    #expect(one != nil && another == nil)
    wire.settle()
    #expect(wire.ends[1].isEstablished)
  }

  @Test func whatIsNotTakenIsAnnouncedWhenThereIsRoom() {
    var wire = Wire.established()
    let stream = wire.ends[0].open(StreamOpening(kind: .fileOut))!
    wire.settle()
    let bytes = [UInt8](repeating: 1, count: 200_000)
    let taken = wire.ends[0].send(stream, bytes)
    #expect(taken == 128 * 1024)
    let more = wire.ends[0].send(stream, bytes, from: taken)
    #expect(more == 0)
    wire.settle()
    #expect(wire.said[0] == [])
    _ = wire.ends[1].grant(stream, bytes: 60_000)
    wire.settle()
    #expect(wire.said[0] == [])
    _ = wire.ends[1].grant(stream, bytes: 10_000)
    wire.settle()
    #expect(wire.said[0] == [.creditAvailable(stream)])
  }

  @Test func grantsAreClampedToTheLimit() {
    var limits = SessionLimits()
    limits.credit = 100
    var wire = Wire.established(limits: limits)
    let stream = wire.ends[0].open(StreamOpening(kind: .terminal), window: 1000)!
    wire.settle()
    let sent = wire.ends[1].send(stream, [UInt8](repeating: 1, count: 150))
    #expect(sent == 150)
    wire.settle()
    #expect(wire.data(0, stream).count == 100)
    let granted = wire.ends[0].grant(stream, bytes: 1000)
    let again = wire.ends[0].grant(stream, bytes: 1)
    let negative = wire.ends[0].grant(stream, bytes: -5)
    #expect(granted == 100 && again == 0 && negative == 0)
    wire.settle()
    #expect(wire.data(0, stream).count == 150)
  }

  @Test func streamsTakeTurns() {
    var wire = Wire.established()
    var ids: [StreamId] = []
    for _ in 0..<3 { ids.append(wire.ends[0].open(StreamOpening(kind: .fileOut))!) }
    wire.settle()
    for id in ids { _ = wire.ends[1].grant(id, bytes: 100_000) }
    wire.settle()
    wire.said = [[], []]
    wire.ends[0].transportIsBlocked = true
    for id in ids { _ = wire.ends[0].send(id, [UInt8](repeating: 1, count: 40_000)) }
    wire.ends[0].transportIsBlocked = false
    wire.settle()
    var order: [UInt32] = []
    for case .data(let id, _) in wire.said[1] { order.append(id.raw) }
    #expect(order == [1, 3, 5, 1, 3, 5, 1, 3, 5])
  }

  // MARK: Resuming

  /// A file goes over several connections, each of which breaks; the receiver opens each time.
  @Test(arguments: 0..<20)
  func aFileSurvivesBrokenConnections(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    let file = random.bytes(300_000)
    let key = random.bytes32()
    var kept: [UInt8] = []
    var connections = 0
    while kept.count < file.count && connections < 500 {
      connections += 1
      var wire = Wire.established(seed: random.next())
      let opening = StreamOpening(
        kind: .fileIn, key: key, receiveOffset: UInt64(kept.count))
      let stream = wire.ends[0].open(opening, window: 50_000)!
      wire.settle()
      #expect(wire.said[1] == [.streamOpened(stream, opening)])
      let start = Int(wire.ends[1].opening(of: stream)!.sendOffset)
      var sent = start
      let rounds = random.int(0...4)
      for round in 0...rounds {
        sent += wire.ends[1].send(stream, file, from: sent)
        wire.drain(1)
        wire.drain(0)
        // The last thing that arrives is cut anywhere.
        let all = wire.inFlight[0].count
        wire.deliver(to: 0, round == rounds ? random.int(0...all) : all)
        wire.deliver(to: 1, Int.max)
        let had = wire.data(0, stream).count
        _ = wire.ends[0].grant(stream, bytes: 50_000)
        #expect(wire.ends[0].opening(of: stream)!.receiveOffset == UInt64(kept.count + had))
        wire.drain(0)
        wire.deliver(to: 1, Int.max)
      }
      kept += wire.data(0, stream)
      wire.ends[0].transportEnded()
      wire.drain(0)
      #expect(wire.failure(0) == .truncated)
      #expect(wire.ends[0].openStreams == [stream])
      #expect(wire.ends[0].opening(of: stream)!.receiveOffset == UInt64(kept.count))
      #expect(wire.ends[0].opening(of: stream)!.key == key)
    }
    #expect(kept == file)
    #expect(connections > 1)
  }
}
