import Bitcoin
import Bytes
import LightClient

extension FuzzTarget {
  /// What a light client kept on disk, where others have written since: headers, filter headers,
  /// addresses. Then an honest node answers: the client must come to its chain all the same.
  static let stored = FuzzTarget(
    name: "stored",
    run: { (bytes) throws(FuzzFinding) in
      var input = FuzzInput(bytes)
      let peers = KnownPeer.decode(input.piece())
      try require(KnownPeer.decode(KnownPeer.encode(peers)) == peers, "addresses round-trip")
      let state = damaged(peers, &input)
      var client = FuzzedClient(state: state)
      try client.drainDamaged()
      try client.followHonestNode()
    },
    seeds: {
      let peer = KnownPeer(
        address: PeerAddress(ip: [10, 0, 0, 1], port: 18444)!, services: 73, readySeconds: 5,
        bannedUntilSeconds: 1 << 40, bans: 3)
      let damages: [[UInt8]] = [[0], [9], [11, 3, 80, 1], [5, 0, 4, 1, 1], [11, 2, 0, 0, 7, 7]]
      return damages.map { damage in
        var seed = SeedWriter()
        seed.piece(KnownPeer.encode([peer, peer]))
        return seed.bytes + damage
      }
    })

  /// The state after a good run, of which single bytes are other ones, and parts are missing.
  private static func damaged(
    _ peers: [KnownPeer], _ input: inout FuzzInput
  ) -> LightClientState {
    // The honest node is a block ahead: a changed header may still have the work of the one that it was,
    // and between two tips of the same work a client keeps its own.
    let chain = SampleChain.shared.best.dropLast()
    let count = input.below(12)
    var state = LightClientState.fresh
    state.peers = peers
    state.headers = chain.prefix(count).map(\.header)
    var header = Bytes32.zero
    for block in chain.prefix(count) {
      header = SampleChain.shared.filter(block).header(previous: header)
      state.filterHeaders.append(header)
    }
    while !input.isAtEnd {
      let place = input.below(13)
      switch input.below(8) {
      case 0:
        if place < state.headers.count {
          var bytes = state.headers[place].bytes
          bytes[input.below(80)] ^= max(1, input.u8())
          var reader = ByteReader(bytes)
          if let changed = try? BlockHeader.decode(&reader) { state.headers[place] = changed }
        }
      case 1:
        if place < state.filterHeaders.count {
          state.filterHeaders[place] = state.filterHeaders[place].reversed
        }
      case 2: if place < state.headers.count { state.headers.remove(at: place) }
      case 3: if place < state.filterHeaders.count { state.filterHeaders.remove(at: place) }
      case 4: state.headers += state.headers.prefix(place)
      case 5: state.filterHeaders += state.filterHeaders.prefix(place)
      case 6: state.baseHeight = UInt32(place) << UInt32(input.below(29))
      default: state.workBefore = ChainWork(UInt256(UInt64(input.u16()) << 40))
      }
    }
    return state
  }
}
