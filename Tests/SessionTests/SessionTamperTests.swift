import Bytes
import Crypto
import TestSupport
import Testing

@testable import Session

/// Somebody between the ends changes, cuts and invents bytes.
@Suite struct SessionTamperTests {
  /// A short conversation with everything in it, from the first byte to the orderly close.
  private func conversation(_ attack: Wire.Attack?) -> Wire {
    var wire = Wire(seed: 5, attack: attack)
    wire.settle()
    let stream = wire.ends[0].open(StreamOpening(kind: .terminal), window: 100)
    _ = wire.ends[0].sendControl([1, 2, 3])
    wire.settle()
    if let stream {
      _ = wire.ends[1].grant(stream, bytes: 100)
      wire.settle()
      _ = wire.ends[0].send(stream, [4, 5, 6])
      _ = wire.ends[1].send(stream, [7, 8])
      wire.ends[0].endStream(stream)
      wire.ends[1].endStream(stream)
    }
    wire.settle()
    _ = wire.ends[1].sendControl([9])
    wire.settle()
    wire.tick(0, at: 20_000)
    wire.settle()
    wire.ends[0].close()
    wire.settle()
    return wire
  }

  /// Whether an end heard a beginning of what it hears when nobody interferes, and then either
  /// failed or, as the end that closed, was closed.
  private func isHonestBeginning(_ effects: [SessionEffect], of honest: [SessionEffect]) -> Bool {
    var said = effects
    if case .failed? = said.last {
      said.removeLast()
    } else if said.last == .closed {
      said.removeLast()
    } else {
      return false
    }
    return said.count < honest.count && Array(honest.prefix(said.count)) == said
  }

  @Test(arguments: [0, 1])
  func everyChangedByteIsNoticed(sender: Int) {
    let honest = conversation(nil)
    #expect(honest.said[0].last == .closed && honest.said[1].last == .closed)
    #expect(honest.said[0].count == 5 && honest.said[1].count == 6)
    let length = honest.transcript[sender].count
    #expect(length > 290)
    for position in 0..<length {
      var wire = conversation(Wire.Attack(kind: .flip, sender: sender, position: position))
      // A length that grew can leave the victim waiting: time ends that.
      let victim = 1 - sender
      while let deadlineMs = wire.ends[victim].nextDeadlineMs { wire.tick(victim, at: deadlineMs) }
      #expect(
        isHonestBeginning(wire.said[victim], of: honest.said[victim]),
        "byte \(position): \(wire.said[victim])")
      // The end that closes may do so while it waits for the rest of a frame.
      let isUnharmed = sender == 1 && wire.said[0].last == .closed
      #expect(isUnharmed || wire.failure(victim) != nil, "byte \(position)")
    }
  }

  @Test(arguments: [0, 1])
  func everyCutIsNoticed(sender: Int) {
    let honest = conversation(nil)
    for position in 0..<honest.transcript[sender].count {
      var wire = conversation(Wire.Attack(kind: .cut, sender: sender, position: position))
      let victim = 1 - sender
      wire.ends[victim].transportEnded()
      wire.drain(victim)
      let isUnharmed = victim == 0 && wire.said[0].last == .closed
      #expect(isUnharmed || wire.failure(victim) == .truncated, "after \(position) bytes")
      #expect(
        isHonestBeginning(wire.said[victim], of: honest.said[victim]), "after \(position) bytes")
    }
  }

  @Test func aHandshakeLengthIsRefusedBeforeItsBytesCome() {
    for length in [0, 47, 49, 64, 65535] {
      var machine = Wire.responder()
      machine.received([UInt8(length >> 8), UInt8(length & 255)], nowMs: 1000)
      #expect(machine.nextEffect() == .failed(.handshakeFailed))
      #expect(machine.bufferedBytes == 0)
    }
  }

  @Test func aFrameThatIsTooShort() throws {
    for length in [0, 1, 16, 20] {
      var peer = try RawPeer()
      peer.victim.received([0, UInt8(length)], nowMs: 1000)
      while let effect = peer.victim.nextEffect() { peer.said.append(effect) }
      #expect(peer.failure == .badLength(length))
    }
  }

  @Test func aPartialFrameIsAllThatIsHeld() throws {
    var peer = try RawPeer()
    peer.victim.received([0xff, 0xff] + [UInt8](repeating: 0, count: 65534), nowMs: 1000)
    #expect(peer.victim.bufferedBytes == 65536)
    #expect(peer.failure == nil)
    peer.victim.received([0], nowMs: 1000)
    #expect(peer.victim.nextEffect() == .failed(.notAuthentic))
    #expect(peer.victim.bufferedBytes == 0)
  }

  @Test func bytesAfterTheEndAreIgnored() throws {
    var peer = try RawPeer()
    peer.frame(.close, 0, [0])
    #expect(peer.said.last == .closed)
    peer.frame(.control, 0, [1])
    peer.victim.transportEnded()
    #expect(peer.victim.nextEffect() == nil)
    #expect(peer.said.last == .closed)
  }
}
