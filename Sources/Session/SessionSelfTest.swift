import Bytes
import Crypto

/// The handshake against a published vector, and two ends that talk through a pipe.
public enum SessionSelfTest {
  public static func run(_ report: (StaticString, Bool) -> Void) {
    report("session: Noise XK (cacophony)", (try? noiseWorks()) ?? false)
    report("session: two ends, a stream resumed beyond 4 GiB", (try? endsTalk()) ?? false)
  }

  private static func key(_ text: StaticString) -> Bytes32 { Bytes32(Hex.constant(text)) }

  private static func noiseWorks() throws(SessionError) -> Bool {
    let prologue = Array("John Galt".utf8)
    var initiator = try NoiseHandshake(
      role: .initiator,
      staticSecret: key("e61ef9919cde45dd5f82166404bd08e38bceb5dfdfded0a34c8df7ed542214d1"),
      remoteStatic: key("31e0303fd6418d2f8c0e78b91f22e8caed0fbe48656dcf4767e4834f701b8f62"),
      ephemeralSecret: key("893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a"),
      prologue: prologue)
    var responder = try NoiseHandshake(
      role: .responder,
      staticSecret: key("4a3acbfdb163dec651dfa3194dece676d437029c62a408b4c5ea9114246e4893"),
      remoteStatic: nil,
      ephemeralSecret: key("bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b"),
      prologue: prologue)
    _ = try responder.readMessage(initiator.writeMessage(payload: Array("Ludwig von Mises".utf8)))
    _ = try initiator.readMessage(responder.writeMessage(payload: Array("Murray Rothbard".utf8)))
    let third = try initiator.writeMessage(payload: Array("F. A. Hayek".utf8))
    _ = try responder.readMessage(third)
    var (_, receive) = initiator.split(rekeyInterval: 1000)
    var (send, _) = responder.split(rekeyInterval: 1000)
    var fourth = Array("Carl Menger".utf8)
    try send.seal(&fourth, from: 0)
    var opened = fourth
    try receive.open(&opened, range: 0..<opened.count)
    return initiator.handshakeHash
      == key("cefffc5d1074126cc980ebfe902587ff36ba61dc77d4447ebe0f96dc22ae59d7")
      && responder.handshakeHash == initiator.handshakeHash
      && fourth == Hex.constant("3205e1265f809505e6edc092839d3156745d2abafbfd946b261e41")
      && Array(opened.prefix(11)) == Array("Carl Menger".utf8)
  }

  private static func endsTalk() throws(SessionError) -> Bool {
    let publisher = Ed25519.KeyPair(seed: Sha256.hash([2]))
    var ends = [
      try SessionMachine(
        role: .initiator, identity: Ed25519.KeyPair(seed: Sha256.hash([1])),
        expectedPeer: publisher.publicKey, ephemeral: Sha256.hash([3]), nowMs: 1 << 40),
      try SessionMachine(
        role: .responder, identity: publisher, expectedPeer: nil, ephemeral: Sha256.hash([4]),
        nowMs: 1 << 40),
    ]
    _ = settle(&ends)
    // The provider has 5 GiB of a file already.
    let opening = StreamOpening(kind: .fileIn, receiveOffset: 5 << 30)
    guard let stream = ends[0].open(opening, window: 100) else { return false }
    var said = settle(&ends)
    if said.opened?.receiveOffset != 5_368_709_120 { return false }
    let bytes = [UInt8](0..<100)
    if ends[1].send(stream, bytes) != 100 { return false }
    said = settle(&ends)
    return said.data == bytes && ends[0].opening(of: stream)?.receiveOffset == 5_368_709_220
      && ends[0].nextDeadlineMs ?? 0 > 1 << 40
  }

  /// Carries bytes between the two until both are quiet.
  private static func settle(
    _ ends: inout [SessionMachine]
  ) -> (opened: StreamOpening?, data: [UInt8]) {
    var opened: StreamOpening?
    var data: [UInt8] = []
    var isQuiet = false
    while !isQuiet {
      isQuiet = true
      for end in 0...1 {
        while let effect = ends[end].nextEffect() {
          isQuiet = false
          switch effect {
          case .transmit(let bytes): ends[1 - end].received(bytes, nowMs: 1 << 40)
          case .streamOpened(_, let opening): opened = opening
          case .data(_, let bytes): data += bytes
          default: break
          }
        }
      }
    }
    return (opened, data)
  }
}
