import Bitcoin
import Bytes
import Crypto

/// A chain of regtest that parts at height 6, and what an honest node says of it.
struct SampleChain: Sendable {
  static let shared = SampleChain()

  static let version = PeerMessage.version(
    VersionMessage(
      services: VersionMessage.Service.network | VersionMessage.Service.witness
        | VersionMessage.Service.compactFilters, time: 0, nonce: 0, userAgent: [0x2f],
      startHeight: 10, relay: true))

  /// Watched by the light client that is fuzzed: in some of the blocks.
  static let scripts: [[UInt8]] = [[0x51], Samples.payoutScript, [0x52, 0x87]]

  /// Genesis first, twelve blocks in all.
  let best: [Block]
  /// Shorter by two blocks, the same up to height 6.
  let other: [Block]

  private init() {
    let network = Network.regtest
    let genesis = Block(header: network.genesis, transactions: [])
    var blocks = [genesis]
    for height in 1...11 { blocks.append(SampleChain.block(on: blocks[height - 1], height, 0)) }
    best = blocks
    blocks.removeSubrange(7...)
    for height in 7...9 { blocks.append(SampleChain.block(on: blocks[height - 1], height, 1)) }
    other = blocks
  }

  private static func block(on parent: Block, _ height: Int, _ branch: UInt8) -> Block {
    var transactions = [
      Transaction(
        inputs: [
          TransactionInput(
            previous: .coinbase, scriptSig: [2, UInt8(height), branch],
            witness: [[UInt8](repeating: 0, count: 32)])
        ], outputs: [TransactionOutput(amountSat: 1, scriptPubKey: scripts[height % 3])])
    ]
    if height % 4 == 3 { transactions.append(Samples.transaction) }
    var header = BlockHeader(
      version: 4, previous: parent.hash,
      merkleRoot: MerkleTree.root(transactions.map(\.txid)).root,
      time: parent.header.time + 60, bits: Network.regtest.powLimitBits, nonce: 0)
    while let target = Target(bits: header.bits), !target.isMet(by: header.hash) {
      header.nonce += 1
    }
    return Block(header: header, transactions: transactions)
  }

  func filter(_ block: Block) -> BlockFilter { BlockFilter.build(block: block, spentScripts: []) }

  func filterMessage(_ block: Block) -> PeerMessage {
    .filter(FilterMessage(blockHash: block.hash, filter: filter(block).encoded))
  }

  // MARK: An honest node

  private func find(_ hash: Bytes32) -> (chain: [Block], height: Int)? {
    for chain in [best, other] {
      if let height = chain.firstIndex(where: { $0.hash == hash }) { return (chain, height) }
    }
    return nil
  }

  /// What a node that follows `chain` answers.
  func answers(_ request: PeerMessage, follows chain: [Block]) -> [PeerMessage] {
    switch request {
    case .ping(let nonce): return [.pong(nonce)]
    case .getHeaders(let locator, _):
      let known = locator.compactMap { hash in chain.firstIndex { $0.hash == hash } }.first ?? 0
      return [.headers(chain[(known + 1)...].map(\.header))]
    case .getFilterHeaders(let range):
      guard let (chain, stop) = find(range.stopHash), range.startHeight <= stop else { return [] }
      var header = Bytes32.zero
      var hashes: [Bytes32] = []
      for height in 0...stop {
        if height < range.startHeight {
          header = filter(chain[height]).header(previous: header)
        } else {
          hashes.append(filter(chain[height]).hash)
        }
      }
      return [
        .filterHeaders(
          FilterHeadersMessage(
            stopHash: range.stopHash, previousHeader: header, filterHashes: hashes))
      ]
    case .getFilters(let range):
      guard let (chain, stop) = find(range.stopHash), range.startHeight <= stop else { return [] }
      return chain[Int(range.startHeight)...stop].map { filterMessage($0) }
    case .getData(let items):
      return items.map { item in
        if let (chain, height) = find(item.hash) { return .block(chain[height]) }
        return .notFound([item])
      }
    default: return []
    }
  }
}
