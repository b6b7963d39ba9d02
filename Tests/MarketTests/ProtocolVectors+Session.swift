import Bytes
import Crypto
import Session

/// A session between two ends with fixed keys, as it travels.
extension ProtocolVectors {
  func session() throws -> Json {
    let ephemerals = [Sha256.hash([20]), Sha256.hash([21])]
    var ends = [
      try SessionMachine(
        role: .initiator, identity: Fixture.provider, expectedPeer: Fixture.publisher.publicKey,
        ephemeral: ephemerals[0], nowMs: 0),
      try SessionMachine(
        role: .responder, identity: Fixture.publisher, expectedPeer: nil,
        ephemeral: ephemerals[1], nowMs: 0),
    ]
    var steps: [Json] = []
    carry(&ends, &steps)
    _ = ends[0].sendControl(
      fixtureHello)
    carry(&ends, &steps)
    let key = Sha256.hash([22])
    let stream = ends[1].open(StreamOpening(kind: .standardOutput, key: key), window: 100)!
    carry(&ends, &steps)
    _ = ends[0].send(stream, Array("hello\n".utf8))
    ends[0].endStream(stream)
    carry(&ends, &steps)
    return .object([
      ("initiator_seed", .hex(Fixture.provider.seed)),
      ("responder_seed", .hex(Fixture.publisher.seed)),
      ("initiator_agreement_key", .hex(try Ed25519.agreementKey(of: Fixture.provider.publicKey))),
      ("responder_agreement_key", .hex(try Ed25519.agreementKey(of: Fixture.publisher.publicKey))),
      ("initiator_ephemeral", .hex(ephemerals[0])), ("responder_ephemeral", .hex(ephemerals[1])),
      ("hello", .hex(fixtureHello)), ("stream", .number(Int64(stream.raw))),
      ("stream_key", .hex(key)), ("steps", .array(steps)), ("rekey", try rekey()),
    ])
  }

  private var fixtureHello: [UInt8] { [2, 2, 0] + [UInt8](repeating: 0, count: 41) }

  /// Carries bytes between the two until both are quiet.
  private func carry(_ ends: inout [SessionMachine], _ steps: inout [Json]) {
    var isQuiet = false
    while !isQuiet {
      isQuiet = true
      for end in 0...1 {
        while let effect = ends[end].nextEffect() {
          guard case .transmit(let bytes) = effect else { continue }
          isQuiet = false
          ends[1 - end].received(bytes, nowMs: 0)
          steps.append(
            .object([
              ("from", .text(end == 0 ? "initiator" : "responder")), ("bytes", .hex(bytes)),
            ]))
        }
      }
    }
  }

  /// The last frame of a key, and the first of the next.
  private func rekey() throws -> Json {
    let key = Sha256.hash([23])
    var cipher = CipherState(key: key, rekeyInterval: 1 << 16, counter: (1 << 16) - 1)
    let plain: [UInt8] = [8, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]
    var frames: [Json] = []
    for nonce in [65_535, 65_536] as [Int64] {
      var sealed = plain
      try cipher.seal(&sealed, from: 0)
      frames.append(.object([("nonce", .number(nonce)), ("sealed", .hex(sealed))]))
    }
    return .object([
      ("key", .hex(key)), ("plaintext", .hex(plain)), ("frames", .array(frames)),
    ])
  }
}
