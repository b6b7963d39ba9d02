import Bitcoin
import Bytes
import Channel
import Crypto
import Market
import TestSupport
import Testing

struct SessionMessageTests {
  @Test func everyMessageIsCanonical() throws {
    let messages = try Fixture().messages()
    // One of each type: what is mandatory is even.
    let types = Set(messages.map { $0.encode()[0] })
    #expect(types == Set(stride(from: 2, through: 68, by: 2)).union([59]))
    for message in messages {
      try expectCanonical(
        message, { $0.encode() },
        { bytes in
          let read = try SessionMessage.decode(bytes)
          // Later versions' optional messages and refusals are understood as far as this one can.
          switch read {
          case .unknown, .refuse, .taskState(_, .refused):
            if read.encode() != bytes { throw MarketError.differs(field: "bytes") }
          default: break
          }
          return read
        }, mutations: 500)
    }
  }

  @Test func unknownTypesArePassedOverWhereTheyAreOdd() throws {
    #expect(try SessionMessage.decode([71, 1, 2, 3]) == .unknown(type: 71))
    #expect(try SessionMessage.decode([255]) == .unknown(type: 255))
    #expect(
      refusal { _ = try SessionMessage.decode([70]) }
        == .refused(field: "message type", offset: 0, problem: "unknown, and not optional"))
  }

  @Test func featuresOfLaterVersions() {
    #expect(PeerFeatures().areUnderstood)
    #expect(PeerFeatures(version: 9, bits: 0xaaaa).areUnderstood)
    #expect(!PeerFeatures(bits: 4).areUnderstood)
    #expect(!PeerFeatures(version: 1).areUnderstood)
  }

  @Test func nonsenseIsRefusedWithItsPlace() {
    #expect(
      refusal { _ = try SessionMessage.decode([]) }?.message
        == "message type: byte 0: ends early, 1 more bytes were expected")
    #expect(
      refusal { _ = try SessionMessage.decode([0]) }
        == .refused(field: "message type", offset: 0, problem: "unknown, and not optional"))
    let tooLong = SessionMessage.refuse(
      code: .price, text: [UInt8](repeating: 0x61, count: 257))
    #expect(
      refusal { _ = try SessionMessage.decode(tooLong.encode()) }
        == .malformed(field: "text", .tooLarge(offset: 2, value: 257, limit: 256)))
    let escape = SessionMessage.end(text: [0x1b, 0x5b, 0x32, 0x4a])
    #expect(
      refusal { _ = try SessionMessage.decode(escape.encode()) }
        == .refused(field: "text", offset: 1, problem: "not plain text"))
    let bomb: [UInt8] = [6, 0xfe, 0xff, 0xff, 0xff, 0x7f]
    #expect(
      refusal { _ = try SessionMessage.decode(bomb) }
        == .malformed(field: "offer", .tooLarge(offset: 1, value: 0x7fff_ffff, limit: 60_000)))
    #expect(
      refusal { _ = try SessionMessage.decode([28, 1, 0, 0, 0, 0]) }
        == .malformed(field: "end of document", .trailing(offset: 5)))
  }

  @Test func randomBytesNeverTrap() {
    var random = SeededGenerator(seed: 8)
    for _ in 0..<20_000 {
      var bytes = random.bytes(random.int(0...200))
      if !bytes.isEmpty { bytes[0] = UInt8(random.int(0...70)) }
      if let message = try? SessionMessage.decode(bytes), message != .unknown(type: bytes[0]) {
        #expect(message.encode() == bytes)
      }
      _ = try? Offer.decode([2] + bytes)
      _ = try? Contract.decode([2] + bytes)
      _ = try? Statement.decode([3] + bytes)
      _ = try? TaskOrder.decode(bytes)
      _ = try? Announcement.decode([0x5a, 0x4e, 1] + bytes)
    }
  }
}
