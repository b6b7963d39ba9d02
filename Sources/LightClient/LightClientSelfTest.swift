import Bitcoin
import Bytes

/// A client that follows three regtest blocks, for the static binary, which has no test runner.
public enum LightClientSelfTest {
  public static func run(_ report: (StaticString, Bool) -> Void) {
    let today = follow(fromSeconds: Network.regtest.genesis.time)
    report("headers are followed", today.isFollowed)
    report("filters match and blocks are reported", today.isMatched)
    report("the client is synced", today.isSynced)
    let later = follow(fromSeconds: 4_102_444_800)
    report("headers of the year 2100 are followed", later.isFollowed && later.isSynced)
    report("a transaction that a peer returns is delivered", delivers())
  }

  private static func follow(
    fromSeconds: UInt32
  ) -> (isFollowed: Bool, isMatched: Bool, isSynced: Bool) {
    let network = Network.regtest
    var configuration = LightClientConfiguration()
    guard let address = PeerAddress(text: "127.0.0.1:1", defaultPort: 1) else {
      return (false, false, false)
    }
    configuration.peers = [address]
    let blocks = chain(network, fromSeconds: fromSeconds, count: 3)
    let seconds = UInt64(fromSeconds) + 3600
    var client = LightClient(
      network: network, configuration: configuration, state: .fresh, seed: 1, nowMs: 0,
      unixSeconds: seconds)
    client.watch([0x51], fromHeight: 1)
    client.peerConnected(PeerId(1), address: address, nowMs: 1, unixSeconds: seconds)
    for message in answers(blocks, network) {
      client.received(
        MessageFrame.encode(message, magic: network.magic), from: PeerId(1), nowMs: 2,
        unixSeconds: seconds)
    }
    var matched: UInt32 = 0
    var isSynced = false
    while let effect = client.nextEffect() {
      guard case .event(let event) = effect else { continue }
      if case .blockMatched = event { matched += 1 }
      if case .synced = event { isSynced = true }
    }
    return (
      client.tipHash == blocks[2].hash, matched == 3 && client.scannedHeight == 3, isSynced
    )
  }

  /// A peer that has the transaction returns it on request.
  private static func delivers() -> Bool {
    let network = Network.regtest
    var configuration = LightClientConfiguration()
    guard let address = PeerAddress(text: "127.0.0.1:1", defaultPort: 1) else { return false }
    configuration.peers = [address]
    let seconds = UInt64(network.genesis.time) + 3600
    var client = LightClient(
      network: network, configuration: configuration, state: .fresh, seed: 1, nowMs: 0,
      unixSeconds: seconds)
    let transaction = Transaction(
      inputs: [
        TransactionInput(previous: OutPoint(txid: .zero, index: 0), witness: [[1], [0x51]])
      ],
      outputs: [TransactionOutput(amountSat: 1, scriptPubKey: [0x51])])
    client.follow(transaction)
    client.peerConnected(PeerId(1), address: address, nowMs: 1, unixSeconds: seconds)
    let before = client.isDelivered(transaction.txid)
    for message in answers([], network) + [.transaction(transaction)] {
      client.received(
        MessageFrame.encode(message, magic: network.magic), from: PeerId(1), nowMs: 2,
        unixSeconds: seconds)
    }
    return !before && client.isDelivered(transaction.txid)
      && client.relayState(transaction.txid)?.returnedBy == 1
  }

  private static func chain(
    _ network: Network, fromSeconds: UInt32, count: UInt32
  ) -> [Block] {
    var blocks: [Block] = []
    var previous = network.genesis.hash
    for height in 1...count {
      let coinbase = Transaction(
        inputs: [
          TransactionInput(previous: .coinbase, scriptSig: [1, UInt8(truncatingIfNeeded: height)])
        ], outputs: [TransactionOutput(amountSat: 1, scriptPubKey: [0x51])])
      var header = BlockHeader(
        version: 4, previous: previous, merkleRoot: coinbase.txid,
        time: fromSeconds + height, bits: network.powLimitBits, nonce: 0)
      while let target = Target(bits: header.bits), !target.isMet(by: header.hash) {
        header.nonce += 1
      }
      previous = header.hash
      blocks.append(Block(header: header, transactions: [coinbase]))
    }
    return blocks
  }

  /// A node's answers, in the order in which the client asks.
  private static func answers(_ blocks: [Block], _ network: Network) -> [PeerMessage] {
    let services =
      VersionMessage.Service.network | VersionMessage.Service.witness
      | VersionMessage.Service.compactFilters
    var messages: [PeerMessage] = [
      .version(
        VersionMessage(
          services: services, time: 0, nonce: 0, userAgent: [], startHeight: 3, relay: true)),
      .verack,
    ]
    guard let last = blocks.last else { return messages }
    var headers: [BlockHeader] = []
    // The genesis block's filter is not used here: any hash will do.
    var hashes = [Bytes32.zero]
    for block in blocks {
      headers.append(block.header)
      hashes.append(BlockFilter.build(block: block, spentScripts: []).hash)
    }
    messages.append(.headers(headers))
    messages.append(
      .filterHeaders(
        FilterHeadersMessage(
          stopHash: last.hash, previousHeader: .zero, filterHashes: hashes)))
    for block in blocks {
      let filter = BlockFilter.build(block: block, spentScripts: [])
      messages.append(.filter(FilterMessage(blockHash: block.hash, filter: filter.encoded)))
    }
    for block in blocks { messages.append(.block(block)) }
    return messages
  }
}
