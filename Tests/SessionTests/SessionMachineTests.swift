import Bytes
import Crypto
import TestSupport
import Testing

@testable import Session

@Suite struct SessionMachineTests {
  @Test func bothEndsProveTheirIdentity() {
    var wire = Wire()
    wire.settle()
    #expect(wire.said[0] == [.established(peer: Wire.responderIdentity.publicKey)])
    #expect(wire.said[1] == [.established(peer: Wire.initiatorIdentity.publicKey)])
    #expect(wire.ends[0].peerIdentity == Wire.responderIdentity.publicKey)
    #expect(wire.ends[1].peerIdentity == Wire.initiatorIdentity.publicKey)
  }

  @Test func aByteAtATime() {
    var wire = Wire()
    while !wire.inFlight[0].isEmpty || !wire.inFlight[1].isEmpty {
      wire.deliver(to: 0, 1)
      wire.deliver(to: 1, 1)
    }
    #expect(wire.ends[0].isEstablished && wire.ends[1].isEstablished)
  }

  @Test func responderThatExpectsThisInitiator() {
    var wire = Wire(
      Wire.initiator(), Wire.responder(expectedPeer: Wire.initiatorIdentity.publicKey))
    wire.settle()
    #expect(wire.ends[1].isEstablished)
  }

  // MARK: Control messages

  @Test(arguments: [0, 1, 16 * 1024, 16 * 1024 + 1, 65535, 65536])
  func controlMessageOfAnyLength(length: Int) {
    var wire = Wire.established()
    var random = SeededGenerator(seed: UInt64(length))
    let message = random.bytes(length)
    #expect(wire.ends[0].sendControl(message) == true)
    #expect(wire.ends[1].sendControl(message) == true)
    wire.settle()
    #expect(wire.said[0] == [.control(message)])
    #expect(wire.said[1] == [.control(message)])
    #expect(wire.ends[0].bufferedBytes == 0 && wire.ends[1].bufferedBytes == 0)
  }

  @Test func controlMessageThatIsTooLongIsRefused() {
    var wire = Wire.established()
    #expect(wire.ends[0].sendControl([UInt8](repeating: 0, count: 65537)) == false)
    wire.settle()
    #expect(wire.said[1] == [])
  }

  @Test func controlMessagesThatWaitAreBounded() {
    var wire = Wire.established()
    wire.ends[0].transportIsBlocked = true
    let message = [UInt8](repeating: 7, count: 50_000)
    var accepted = 0
    while wire.ends[0].sendControl(message) { accepted += 1 }
    #expect(accepted == 5)
    #expect(wire.ends[0].bufferedBytes == 250_000)
    // Empty ones cost memory too.
    var empty = 0
    while wire.ends[0].sendControl([]) && empty < 5000 { empty += 1 }
    #expect(empty < 5000)
    wire.ends[0].transportIsBlocked = false
    wire.settle()
    #expect(wire.said[1].count == accepted + empty)
  }

  @Test func nothingIsAcceptedBeforeTheSessionIsEstablished() {
    var machine = Wire.initiator()
    #expect(machine.sendControl([1]) == false)
    #expect(machine.open(StreamOpening(kind: .standardInput)) == nil)
    #expect(machine.send(StreamId(raw: 1), [1]) == 0)
    #expect(machine.grant(StreamId(raw: 1), bytes: 1) == 0)
  }

  @Test func controlOvertakesQueuedData() {
    var wire = Wire.established()
    let stream = wire.ends[0].open(StreamOpening(kind: .fileOut))!
    wire.settle()
    _ = wire.ends[1].grant(stream, bytes: 100_000)
    wire.settle()
    wire.said = [[], []]
    wire.ends[0].transportIsBlocked = true
    #expect(wire.ends[0].send(stream, [UInt8](repeating: 1, count: 100_000)) == 100_000)
    #expect(wire.ends[0].sendControl([42]) == true)
    wire.ends[0].transportIsBlocked = false
    wire.settle()
    #expect(wire.said[1].first == .control([42]))
    #expect(wire.data(1, stream).count == 100_000)
  }

  // MARK: Closing

  @Test func closeFlushesWhatCanBeSent() {
    var wire = Wire.established()
    let stream = wire.ends[0].open(StreamOpening(kind: .standardOutput))!
    wire.settle()
    _ = wire.ends[1].grant(stream, bytes: 3)
    wire.settle()
    wire.said = [[], []]
    wire.ends[0].transportIsBlocked = true
    #expect(wire.ends[0].send(stream, [1, 2, 3, 4, 5]) == 5)
    #expect(wire.ends[0].sendControl([9]) == true)
    wire.ends[0].close()
    #expect(wire.ends[0].sendControl([10]) == false)
    wire.ends[0].transportIsBlocked = false
    wire.settle()
    #expect(wire.said[0] == [.closed])
    #expect(wire.said[1] == [.control([9]), .data(stream, [1, 2, 3]), .closed])
    #expect(wire.ends[0].isOver && wire.ends[1].isOver)
    #expect(wire.ends[0].nextDeadlineMs == nil)
    wire.ends[1].transportEnded()
    #expect(wire.ends[1].nextEffect() == nil)
  }

  @Test func bothCloseAtOnce() {
    var wire = Wire.established()
    wire.ends[0].close()
    wire.ends[1].close()
    wire.settle()
    #expect(wire.said[0] == [.closed])
    #expect(wire.said[1] == [.closed])
  }

  @Test func closeBeforeTheHandshakeIsDone() {
    var machine = Wire.responder()
    machine.close()
    #expect(machine.nextEffect() == .closed)
    #expect(machine.nextEffect() == nil)
  }

  @Test func closeIntoABlockedTransportEnds() {
    var wire = Wire.established()
    wire.ends[0].transportIsBlocked = true
    wire.ends[0].close()
    wire.drain(0)
    #expect(!wire.ends[0].isOver)
    wire.tick(0, at: wire.ends[0].nextDeadlineMs!)
    #expect(wire.failure(0) == .timedOut)
  }

  // MARK: Time

  @Test func handshakeTimesOut() {
    var wire = Wire()
    let deadlineMs = wire.ends[1].nextDeadlineMs!
    #expect(deadlineMs == 21_000)
    wire.tick(1, at: deadlineMs - 1)
    #expect(wire.failure(1) == nil)
    wire.tick(1, at: deadlineMs)
    #expect(wire.failure(1) == .handshakeTimedOut)
  }

  @Test func silenceIsProbedAndThenEnds() {
    var wire = Wire.established()
    #expect(wire.ends[0].nextDeadlineMs == 16_000)
    wire.tick(0, at: 16_000)
    #expect(!wire.inFlight[1].isEmpty)
    #expect(wire.ends[0].nextDeadlineMs == 31_000)
    wire.tick(0, at: 31_000)
    wire.tick(0, at: 45_999)
    #expect(wire.failure(0) == nil)
    wire.tick(0, at: 46_000)
    #expect(wire.failure(0) == .timedOut)
  }

  @Test func aLivingPeerIsKept() {
    var wire = Wire.established()
    for _ in 0..<100 {
      let deadlineMs = wire.ends[0].nextDeadlineMs!
      #expect(deadlineMs > wire.nowMs)
      wire.tick(0, at: deadlineMs)
      wire.tick(1, at: deadlineMs)
      wire.settle()
    }
    #expect(wire.said == [[], []])
  }

  // MARK: Rekeying

  @Test func rekeyingKeepsBothEndsTogether() {
    var limits = SessionLimits()
    limits.rekeyInterval = 3
    var wire = Wire.established(limits: limits)
    for number in 0..<50 {
      #expect(wire.ends[number % 2].sendControl([UInt8(number)]) == true)
      wire.settle()
      #expect(wire.said[1 - number % 2].last == .control([UInt8(number)]))
    }
  }
}
