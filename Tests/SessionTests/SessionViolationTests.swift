import Bytes
import Crypto
import TestSupport
import Testing

@testable import Session

/// An authenticated peer that breaks the rules.
@Suite struct SessionViolationTests {
  private static let opening = StreamOpening(kind: .terminal).encoded(window: 0)

  struct RawFrame: Sendable {
    let type: FrameType
    let stream: UInt32
    let payload: [UInt8]

    init(_ type: FrameType, _ stream: UInt32, _ payload: [UInt8]) {
      self.type = type
      self.stream = stream
      self.payload = payload
    }
  }

  /// What an authenticated peer sends, and what it is told after the last of it.
  struct Violation: Sendable, CustomTestStringConvertible {
    let frames: [RawFrame]
    let error: SessionError

    var testDescription: String { "\(frames.map { "\($0.type)" }): \(error)" }

    init(_ error: SessionError, _ frames: RawFrame...) {
      self.frames = frames
      self.error = error
    }
  }

  private static let one = StreamId(raw: 1)
  private static let goodOpen = RawFrame(.open, 1, opening)

  static let sessionViolations: [Violation] = [
    Violation(malformed(.identity), RawFrame(.identity, 0, [UInt8](repeating: 0, count: 96))),
    Violation(malformed(.control), RawFrame(.control, 1, [1])),
    Violation(malformed(.controlPart), RawFrame(.controlPart, 0, [])),
    Violation(malformed(.ping), RawFrame(.ping, 0, [1])),
    Violation(malformed(.pong), RawFrame(.pong, 0, [])),
    Violation(malformed(.close), RawFrame(.close, 0, [])),
    Violation(.closedByPeer(code: 7), RawFrame(.close, 0, [7])),
  ]

  static let openViolations: [Violation] = [
    Violation(.badStream(StreamId(raw: 0)), RawFrame(.open, 0, opening)),
    Violation(.badStream(StreamId(raw: 2)), RawFrame(.open, 2, opening)),
    Violation(.badStream(one), goodOpen, goodOpen),
    Violation(.badStream(one), RawFrame(.open, 3, opening), goodOpen),
    Violation(malformed(.open), RawFrame(.open, 1, Array(opening.dropLast()))),
    Violation(malformed(.open), RawFrame(.open, 1, opening + [0])),
    Violation(malformed(.open), RawFrame(.open, 1, [0] + Array(opening.dropFirst()))),
    Violation(malformed(.open), RawFrame(.open, 1, [7] + Array(opening.dropFirst()))),
    Violation(
      .creditOverflow(one),
      RawFrame(.open, 1, Array(opening.dropLast(4)) + [1, 0, 0, 0x40])),
  ]

  static let streamViolations: [Violation] = [
    Violation(.badStream(one), RawFrame(.data, 1, [1])),
    Violation(.badStream(StreamId(raw: 0)), RawFrame(.data, 0, [1])),
    Violation(.badStream(StreamId(raw: 2)), RawFrame(.credit, 2, [1, 0, 0, 0])),
    Violation(.badStream(one), RawFrame(.end, 1, [])),
    Violation(.badStream(one), RawFrame(.reset, 1, [])),
    Violation(malformed(.data), goodOpen, RawFrame(.data, 1, [])),
    Violation(.flowControl(one), goodOpen, RawFrame(.data, 1, [1])),
    Violation(malformed(.end), goodOpen, RawFrame(.end, 1, [1])),
    Violation(.dataAfterEnd(one), goodOpen, RawFrame(.end, 1, []), RawFrame(.end, 1, [])),
    Violation(.dataAfterEnd(one), goodOpen, RawFrame(.end, 1, []), RawFrame(.data, 1, [1])),
    Violation(malformed(.reset), goodOpen, RawFrame(.reset, 1, [1])),
    Violation(malformed(.credit), goodOpen, RawFrame(.credit, 1, [1])),
    Violation(malformed(.credit), goodOpen, RawFrame(.credit, 1, [0, 0, 0, 0])),
    Violation(malformed(.credit), goodOpen, RawFrame(.credit, 1, [1, 0, 0, 0, 0])),
    Violation(.creditOverflow(one), goodOpen, RawFrame(.credit, 1, [255, 255, 255, 255])),
    Violation(
      .creditOverflow(one), goodOpen, RawFrame(.credit, 1, [0, 0, 0, 0x40]),
      RawFrame(.credit, 1, [1, 0, 0, 0])),
  ]

  @Test(arguments: sessionViolations + openViolations + streamViolations)
  func violation(violation: Violation) throws {
    var peer = try RawPeer()
    for (index, frame) in violation.frames.enumerated() {
      #expect(peer.failure == nil, "frame \(index) should have been the last")
      peer.frame(frame.type, frame.stream, frame.payload)
    }
    #expect(peer.failure == violation.error)
    #expect(peer.victim.isOver)
    #expect(!violation.error.message.isEmpty)
  }

  private static func malformed(_ type: FrameType) -> SessionError {
    .malformedFrame(type: type.rawValue)
  }

  @Test func unknownFrameTypes() throws {
    for type in [UInt8(11), 12, 127, 255] {
      var peer = try RawPeer()
      peer.raw(type, 0, [])
      #expect(peer.failure == .malformedFrame(type: type))
    }
  }

  @Test func nothingButAnIdentityComesFirst() throws {
    for type in [FrameType.control, .open, .ping, .close] {
      let peer = try RawPeer(first: type)
      #expect(peer.failure == .malformedFrame(type: type.rawValue))
    }
  }

  @Test func tooManyStreams() throws {
    var peer = try RawPeer()
    let limit = SessionLimits().streams
    for number in 0..<limit { peer.frame(.open, UInt32(2 * number + 1), Self.opening) }
    #expect(peer.failure == nil)
    // A stream that ended makes room for one more.
    peer.frame(.reset, 5, [])
    peer.frame(.open, UInt32(2 * limit + 1), Self.opening)
    #expect(peer.failure == nil)
    peer.frame(.open, UInt32(2 * limit + 3), Self.opening)
    #expect(peer.failure == .tooManyStreams)
  }

  @Test func dataBeyondTheCredit() throws {
    var peer = try RawPeer()
    peer.frame(.open, 1, Self.opening)
    let granted = peer.victim.grant(StreamId(raw: 1), bytes: 10)
    #expect(granted == 10)
    peer.frame(.data, 1, [UInt8](repeating: 0, count: 4))
    peer.frame(.data, 1, [UInt8](repeating: 0, count: 6))
    #expect(peer.failure == nil)
    peer.frame(.data, 1, [0])
    #expect(peer.failure == .flowControl(StreamId(raw: 1)))
  }

  @Test func controlMessageWithoutEnd() throws {
    var peer = try RawPeer()
    let part = [UInt8](repeating: 1, count: 16384)
    for _ in 0..<4 { peer.frame(.controlPart, 0, part) }
    #expect(peer.failure == nil)
    #expect(peer.victim.bufferedBytes == SessionLimits.controlBytes)
    peer.frame(.control, 0, [1])
    #expect(peer.failure == .controlTooLong)
    #expect(peer.victim.bufferedBytes == 0)
  }

  @Test func manyPingsCauseOneAnswer() throws {
    var peer = try RawPeer()
    peer.victim.transportIsBlocked = true
    for _ in 0..<1000 { peer.frame(.ping, 0, [1, 2, 3, 4, 5, 6, 7, 8]) }
    peer.victim.transportIsBlocked = false
    guard case .transmit(let bytes)? = peer.victim.nextEffect() else {
      Issue.record("no answer")
      return
    }
    #expect(bytes.count == 2 + 5 + 8 + 16)
    #expect(peer.victim.nextEffect() == nil)
  }

  /// A peer that grants without end, and does not read.
  @Test func whatWaitsForABlockedTransportIsBounded() throws {
    var peer = try RawPeer()
    peer.frame(.open, 1, StreamOpening(kind: .fileIn).encoded(window: 1 << 30))
    peer.victim.transportIsBlocked = true
    let chunk = [UInt8](repeating: 1, count: 50_000)
    var total = 0
    for _ in 0..<100 { total += peer.victim.send(StreamId(raw: 1), chunk) }
    #expect(total == peer.victim.limits.queuedBytes)
    #expect(peer.victim.bufferedBytes == total)
    #expect(peer.victim.nextEffect() == nil)
  }

  /// A peer that breaks a rule is told which, and does not go on wondering.
  @Test func theOtherEndIsToldWhy() {
    var wire = Wire.established()
    let stream = wire.ends[0].open(StreamOpening(kind: .fileOut))!
    wire.settle()
    wire.ends[0].streams[0].sendCredit += 5
    _ = wire.ends[0].send(stream, [1, 2, 3, 4, 5])
    wire.settle()
    #expect(wire.failure(1) == .flowControl(stream))
    #expect(wire.failure(0) == .closedByPeer(code: 8))
    #expect(wire.ends[0].isOver && wire.ends[1].isOver)
  }
}
