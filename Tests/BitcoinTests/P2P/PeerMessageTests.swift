import Bitcoin
import Bytes
import TestSupport
import Testing

struct PeerMessageTests {
  private let magic = Network.regtest.magic

  /// One of each message.
  private static func samples() -> [PeerMessage] {
    var random = SeededGenerator(seed: 2)
    let hash = random.bytes32()
    let items = (0..<3).map { _ in
      InventoryVector(kind: InventoryVector.Kind.witnessBlock, hash: random.bytes32())
    }
    let transaction = Transaction(
      inputs: [
        TransactionInput(
          previous: OutPoint(txid: hash, index: 3), scriptSig: [1, 2], witness: [[], [9, 9]])
      ], outputs: [TransactionOutput(amountSat: 5, scriptPubKey: [0x51])], lockTime: 6)
    let addresses = [
      NetworkAddress(
        time: 1, services: 9, network: NetworkAddress.Network.ipv4, address: [10, 0, 0, 1],
        port: 18444),
      NetworkAddress(
        time: 2, services: 1 << 63, network: NetworkAddress.Network.ipv6,
        address: random.bytes(16), port: 1),
    ]
    let range = FilterRangeRequest(startHeight: 70_000, stopHash: hash)
    return [
      .version(
        VersionMessage(
          services: VersionMessage.Service.witness, time: 1 << 33, nonce: random.next(),
          userAgent: Array("/zennet:1/".utf8), startHeight: 99, relay: false)),
      .verack, .ping(random.next()), .pong(random.next()), .sendHeaders, .wtxidRelay, .sendAddrV2,
      .feeFilter(1000), .getHeaders(locator: [hash, .zero], stop: hash),
      .headers([Network.regtest.genesis, Network.signet.genesis]), .headers([]), .inv(items),
      .getData(items), .notFound(items), .transaction(transaction),
      .block(Block(header: Network.regtest.genesis, transactions: [transaction, transaction])),
      .mempool, .getAddr, .addr(addresses), .addrV2(addresses), .getFilters(range),
      .filter(FilterMessage(blockHash: hash, filter: random.bytes(300))), .getFilterHeaders(range),
      .filterHeaders(
        FilterHeadersMessage(
          stopHash: hash, previousHeader: random.bytes32(), filterHashes: [hash, .zero])),
      .getFilterCheckpoints(filterType: 0, stopHash: hash),
      .filterCheckpoints(FilterCheckpointsMessage(stopHash: hash, filterHeaders: [hash])),
    ]
  }

  @Test func roundTrips() throws {
    for message in PeerMessageTests.samples() {
      var framer = MessageFramer(magic: magic)
      framer.append(MessageFrame.encode(message, magic: magic))
      #expect(try framer.next() == message)
      #expect(try framer.next() == nil)
      #expect(framer.bufferedBytes == 0)
    }
  }

  @Test func arrivesByteByByteAndAllAtOnce() throws {
    let samples = PeerMessageTests.samples()
    let stream = samples.flatMap { MessageFrame.encode($0, magic: magic) }
    for chunk in [1, 7, 1000, stream.count] {
      var framer = MessageFramer(magic: magic)
      var received: [PeerMessage] = []
      for start in stride(from: 0, to: stream.count, by: chunk) {
        framer.append(Array(stream[start..<min(start + chunk, stream.count)]))
        while let message = try framer.next() { received.append(message) }
      }
      #expect(received == samples)
    }
  }

  /// No payload may be cut anywhere, nor go on; only `version` may end after its height (before
  /// BIP37) and may go on (later versions).
  @Test func truncatedAtEveryByte() {
    for message in PeerMessageTests.samples() {
      var writer = ByteWriter()
      message.encodePayload(to: &writer)
      let payload = writer.bytes
      var command: [UInt8] = []
      for index in 0..<message.command.utf8CodeUnitCount {
        command.append(message.command.utf8Start[index])
      }
      let isVersion = command.isAscii("version")
      for length in 0..<payload.count where !(isVersion && length == payload.count - 1) {
        #expect(throws: BitcoinError.self) {
          try PeerMessage.decode(command: command, payload: Array(payload[0..<length]))
        }
      }
      let longer = try? PeerMessage.decode(command: command, payload: payload + [0])
      #expect((longer != nil) == isVersion)
    }
  }

  @Test func brokenFrames() throws {
    let good = MessageFrame.encode(.ping(7), magic: magic)
    func error(_ change: (inout [UInt8]) -> Void) -> String? {
      var bytes = good
      change(&bytes)
      var framer = MessageFramer(magic: magic)
      framer.append(bytes)
      do {
        _ = try framer.next()
        return nil
      } catch {
        return error.message
      }
    }
    #expect(error { $0[0] ^= 1 } == "the peer is on another network: its magic differs")
    #expect(error { $0[3] ^= 1 } == "the peer is on another network: its magic differs")
    #expect(error { $0[20] ^= 1 } == "a message's checksum does not match its payload")
    #expect(error { $0[24] ^= 1 } == "a message's checksum does not match its payload")
    #expect(error { $0[15] = 1 } == "a message's command has bytes after its padding")
    #expect(error { $0[19] = 1 } == "byte 16: 16777224 is above the limit of 4000000")
    // A peer cannot make us wait for more than the limit.
    #expect(error { $0[16] = 9 } == nil)
  }

  @Test func unknownCommandsAreSkipped() throws {
    #expect(
      try PeerMessage.decode(command: Array("sendtxrcncl".utf8), payload: [1, 2, 3])
        == .unknown(command: Array("sendtxrcncl".utf8)))
  }

  @Test func absurdCountsCostNothing() {
    let claim: [UInt8] = [0xfe, 0xff, 0xff, 0xff, 0x7f]
    for command in ["headers", "inv", "getdata", "notfound", "addr", "addrv2"] {
      #expect(throws: BitcoinError.self) {
        try PeerMessage.decode(command: Array(command.utf8), payload: claim)
      }
    }
    #expect(throws: BitcoinError.self) {
      try PeerMessage.decode(
        command: Array("block".utf8), payload: Network.regtest.genesis.bytes + claim)
    }
  }

  @Test func mutationsNeverTrap() {
    var random = SeededGenerator(seed: 0x7032_70)
    let samples = PeerMessageTests.samples()
    for _ in 0..<30_000 {
      let message = samples[random.int(0...samples.count - 1)]
      var writer = ByteWriter()
      message.encodePayload(to: &writer)
      var payload = writer.bytes
      for _ in 0..<random.int(1...4) where !payload.isEmpty {
        payload[random.int(0...payload.count - 1)] = random.bytes(1)[0]
      }
      var command: [UInt8] = []
      for index in 0..<message.command.utf8CodeUnitCount {
        command.append(message.command.utf8Start[index])
      }
      guard let decoded = try? PeerMessage.decode(command: command, payload: payload) else {
        continue
      }
      // What decodes has one meaning: encoding it again decodes to the same.
      var again = ByteWriter()
      decoded.encodePayload(to: &again)
      #expect((try? PeerMessage.decode(command: command, payload: again.bytes)) == decoded)
    }
  }
}
