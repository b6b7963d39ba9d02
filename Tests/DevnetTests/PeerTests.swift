import Bitcoin
import Bytes
import Crypto
import Testing

@testable import Devnet

/// Real sockets against a real node.
@Suite struct PeerTests {
  private let folder: ScratchFolder
  private let devnet: RunningDevnet

  init() throws {
    folder = try ScratchFolder()
    devnet = try RunningDevnet(DevnetOptions(directory: folder.path))
  }

  private func readyPeer(usesWitnessIds: Bool = true) throws -> TestPeer {
    let peer = TestPeer(port: devnet.port)
    _ = try peer.shakeHands(usesWitnessIds: usesWitnessIds)
    return peer
  }

  @Test func greets() throws {
    let version = try TestPeer(port: devnet.port).shakeHands()
    #expect(version.version == 70016)
    #expect(version.services == 1 | 8 | 64)
    #expect(version.startHeight == 101)
    #expect(version.relay)
    try devnet.stop()
  }

  @Test func servesHeadersFromTheForkOn() throws {
    let peer = try readyPeer()
    let genesis = Network.regtest.genesis.hash
    func headers(_ locator: [Bytes32], stop: Bytes32 = .zero) throws -> [BlockHeader] {
      peer.send(.getHeaders(locator: locator, stop: stop))
      return try peer.receive { message -> [BlockHeader]? in
        if case .headers(let headers) = message { return headers }
        return nil
      }
    }
    let all = try headers([genesis])
    #expect(all.count == 101)
    #expect(all[0].previous == genesis)
    for index in 1..<all.count { #expect(all[index].previous == all[index - 1].hash) }
    #expect(try headers([all[98].hash]).map(\.hash) == [all[99].hash, all[100].hash])
    #expect(try headers([all[100].hash]).isEmpty)
    let unknown = Bytes32([UInt8](repeating: 3, count: 32))
    #expect(try headers([unknown, all[97].hash]).count == 3)
    #expect(try headers([genesis], stop: all[4].hash).count == 5)
    #expect(try headers([], stop: all[7].hash).map(\.hash) == [all[7].hash])
    try devnet.stop()
  }

  @Test func servesBlocksWithAndWithoutWitnesses() throws {
    let peer = try readyPeer()
    let block = try #require(try devnet.block(at: 1))
    let kind = InventoryVector.Kind.self
    for (kind, expected) in [(kind.witnessBlock, block), (kind.block, block.withoutWitnesses)] {
      peer.send(.getData([InventoryVector(kind: kind, hash: block.hash)]))
      let got = try peer.receive { message -> Block? in
        if case .block(let block) = message { return block }
        return nil
      }
      #expect(got == expected)
      #expect(got.hasValidMerkleRoot)
    }
    let unknown = InventoryVector(kind: kind.witnessId, hash: .zero)
    peer.send(.getData([unknown]))
    _ = try peer.receive { $0 == .notFound([unknown]) ? true : nil }
    try devnet.stop()
  }

  @Test func announcesBlocksAsAsked() throws {
    let plain = try readyPeer()
    let modern = try readyPeer()
    modern.send(.sendHeaders)
    modern.send(.getHeaders(locator: [try devnet.tipHash], stop: .zero))
    _ = try modern.drain()
    let hash = try devnet.mine(1)[0]
    let header = try #require(try devnet.block(at: 102)).header
    _ = try modern.receive { $0 == .headers([header]) ? true : nil }
    let item = InventoryVector(kind: InventoryVector.Kind.block, hash: hash)
    _ = try plain.receive { $0 == .inv([item]) ? true : nil }
    // A reorganisation goes by header too: the peer knows the fork.
    try devnet.reorganize(depth: 2)
    let headers = try modern.receive { message -> [BlockHeader]? in
      if case .headers(let headers) = message { return headers }
      return nil
    }
    #expect(headers.count == 3)
    #expect(headers[2].hash == (try devnet.tipHash))
    // More than eight are announced by the last alone.
    let many = try devnet.mine(9)
    let last = InventoryVector(kind: InventoryVector.Kind.block, hash: many[8])
    _ = try modern.receive { $0 == .inv([last]) ? true : nil }
    try devnet.stop()
  }

  @Test func relaysTransactionsByEitherId() throws {
    let byWitness = try readyPeer()
    let byId = try readyPeer(usesWitnessIds: false)
    let costly = try readyPeer()
    costly.send(.feeFilter(1_000_000))
    _ = try costly.drain()
    let txid = try devnet.give(50_000, to: Script.p2wsh(witnessScript: [0x51]))
    let transaction = try #require(try devnet.transaction(txid)).transaction
    let kind = InventoryVector.Kind.self
    let byWitnessItem = InventoryVector(kind: kind.witnessId, hash: transaction.wtxid)
    _ = try byWitness.receive { $0 == .inv([byWitnessItem]) ? true : nil }
    let byIdItem = InventoryVector(kind: kind.transaction, hash: txid)
    _ = try byId.receive { $0 == .inv([byIdItem]) ? true : nil }
    #expect(try costly.drain().isEmpty)
    byWitness.send(.getData([byWitnessItem]))
    _ = try byWitness.receive { $0 == .transaction(transaction) ? true : nil }
    byId.send(.getData([InventoryVector(kind: kind.witnessTransaction, hash: txid)]))
    _ = try byId.receive { $0 == .transaction(transaction) ? true : nil }
    try devnet.stop()
  }

  /// Of the last block, too; and nothing to who said that it wants none, not even a word.
  @Test func givesTransactionsToWhoWantsThem() throws {
    let peer = try readyPeer()
    let unwilling = TestPeer(port: devnet.port)
    _ = try unwilling.shakeHands(relay: false)
    let txid = try devnet.give(50_000, to: Script.p2wsh(witnessScript: [0x51]))
    let transaction = try #require(try devnet.transaction(txid)).transaction
    _ = try peer.drain()
    let kind = InventoryVector.Kind.self
    let item = InventoryVector(kind: kind.witnessTransaction, hash: txid)
    for _ in 0..<2 {
      unwilling.send(.getData([item]))
      #expect(
        try unwilling.drain().allSatisfy {
          $0 != .transaction(transaction) && $0 != .notFound([item])
        })
      peer.send(.getData([item]))
      _ = try peer.receive { $0 == .transaction(transaction) ? true : nil }
      try devnet.mine(1)
    }
    // The block that holds it is no longer the last.
    peer.send(.getData([item]))
    _ = try peer.receive { $0 == .notFound([item]) ? true : nil }
    try devnet.stop()
  }

  @Test func takesTransactionsFromPeers() throws {
    let sender = try readyPeer()
    let listener = try readyPeer()
    let first = try devnet.give(100_000, to: Script.p2wsh(witnessScript: [0x51]))
    _ = try sender.drain()
    _ = try listener.drain()
    var spend = Transaction(
      inputs: [TransactionInput(previous: OutPoint(txid: first, index: 0), witness: [[0x51]])],
      outputs: [
        TransactionOutput(amountSat: 99_000, scriptPubKey: Script.p2wsh(witnessScript: [0x52]))
      ])
    let item = InventoryVector(kind: InventoryVector.Kind.witnessId, hash: spend.wtxid)
    sender.send(.inv([item]))
    _ = try sender.receive { $0 == .getData([item]) ? true : nil }
    sender.send(.transaction(spend))
    _ = try listener.receive { $0 == .inv([item]) ? true : nil }
    // The sender is not told of what it brought.
    #expect(try sender.drain().isEmpty)
    spend.outputs[0].amountSat = 200_000
    sender.send(.transaction(spend))
    #expect(try listener.drain().isEmpty)
    #expect(try devnet.perform { node throws(DevnetError) in node.mempool.count } == 2)
    try devnet.stop()
  }

  @Test func dropsPeersThatTalkNonsense() throws {
    let good = MessageFrame.encode(.ping(7), magic: Network.regtest.magic)
    var badChecksum = good
    badChecksum[20] ^= 1
    var tooLong = good
    tooLong[19] = 0x7f
    let garbage: [[UInt8]] = [
      MessageFrame.encode(.ping(7), magic: Network.bitcoin.magic),
      badChecksum,
      tooLong,
      [UInt8](repeating: 0xaa, count: 100),
      // A ping of three bytes; an inv that claims more than can be.
      frame("ping", [1, 2, 3]),
      frame("inv", [0xfe, 0xff, 0xff, 0xff, 0x7f]),
      frame("tx", [1, 2, 3, 4]),
      frame("mempool", []),
      frame("wtxidrelay", []),
    ]
    for bytes in garbage {
      let peer = try readyPeer()
      peer.send(bytes: bytes)
      #expect(try peer.isDropped())
    }
    let early = TestPeer(port: devnet.port)
    early.send(.verack)
    #expect(try early.isDropped())
    let old = TestPeer(port: devnet.port)
    old.send(
      .version(
        VersionMessage(
          version: 30_000, services: 0, time: 0, nonce: 1, userAgent: [], startHeight: 0,
          relay: true)))
    #expect(try old.isDropped())
    // The node goes on, and what is merely unknown is ignored.
    let peer = try readyPeer()
    peer.send(bytes: frame("sendcmpct", [0, 2, 0, 0, 0, 0, 0, 0, 0]))
    #expect(try !peer.isDropped())
    try devnet.stop()
  }

  private func frame(_ command: String, _ payload: [UInt8]) -> [UInt8] {
    var writer = ByteWriter()
    writer.append(Network.regtest.magic)
    writer.append(Array(command.utf8) + [UInt8](repeating: 0, count: 12 - command.utf8.count))
    writer.u32le(UInt32(payload.count))
    writer.append(Array(Sha256.double(payload).array[0..<4]))
    writer.append(payload)
    return writer.bytes
  }
}
