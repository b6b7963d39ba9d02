import Bytes
import Crypto
import Session

extension FuzzTarget {
  /// The bytes of a stranger who dials, or who was dialled: the handshake, and frames of which no
  /// tag fits.
  static let handshake = FuzzTarget(
    name: "handshake",
    run: { (bytes) throws(FuzzFinding) in
      var input = FuzzInput(bytes)
      let isInitiator = input.below(2) == 0
      let step = 1 + Int(input.u8())
      var session = SessionPeer.session(isInitiator: isInitiator)
      let stream = input.rest()
      var offset = 0
      while offset < stream.count {
        let end = min(stream.count, offset + step)
        session.received(Array(stream[offset..<end]), nowMs: 1000 + UInt64(offset))
        offset = end
        while let effect = session.nextEffect() {
          if case .established(let peer) = effect {
            // The seeds are the bytes of an honest peer, and this end's secrets are always the same.
            try require(peer == SessionPeer.other.publicKey, "a stranger is not let in")
          }
        }
        try require(session.bufferedBytes <= 65_537 + 255, "what waits is bounded")
      }
    },
    seeds: {
      [true, false].flatMap { isInitiator -> [[UInt8]] in
        var peer = SessionPeer(sessionIsInitiator: isInitiator)
        let transcript = peer.sent
        return [[isInitiator ? 0 : 1, 40] + transcript, [isInitiator ? 0 : 1, 255, 0, 48]]
      }
    })

  /// The frames of a peer who has proved who it is, among what this end does itself.
  static let frames = FuzzTarget(
    name: "frames",
    run: { (bytes) throws(FuzzFinding) in
      var input = FuzzInput(bytes)
      var peer = SessionPeer(sessionIsInitiator: input.below(2) == 0)
      try require(peer.session.isEstablished, "an honest handshake works")
      var steps = 0
      while !input.isAtEnd && steps < 2000 {
        steps += 1
        peer.step(&input)
        try peer.drain()
      }
    },
    seeds: {
      var lists: [[UInt8]] = []
      for role: UInt8 in [0, 1] {
        let stream: UInt8 = role == 0 ? 2 : 1
        var seed = SeedWriter()
        seed.u8(role)
        // Open, data, credit, end, ping, control in two parts, close.
        seed.u8(0, 3, stream, 0)
        seed.piece([5] + [UInt8](repeating: 0, count: 48) + [0, 0, 1, 0])
        seed.u8(9, 0, 200)
        seed.u8(0, 4, stream, 0)
        seed.piece([1, 2, 3])
        seed.u8(0, 7, stream, 0)
        seed.piece([1, 0, 0, 0])
        seed.u8(10, 0, 50)
        seed.u8(0, 5, stream, 0)
        seed.piece([])
        seed.u8(0, 8, 0, 0)
        seed.piece([1, 2, 3, 4, 5, 6, 7, 8])
        seed.u8(0, 2, 0, 0)
        seed.piece([1])
        seed.u8(0, 1, 0, 0)
        seed.piece([2])
        lists.append(seed.bytes)
        seed.u8(8, 1, 11, 0, 12, 13, 14, 9, 15)
        seed.u8(0, 10, 0, 0)
        seed.piece([0])
        lists.append(seed.bytes)
      }
      return lists
    })
}
