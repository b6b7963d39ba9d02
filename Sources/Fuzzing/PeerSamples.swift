import Bitcoin
import Bytes
import Crypto

/// Messages of peers, and streams of them.
enum PeerSamples {
  static let commands: [[UInt8]] = [
    "version", "verack", "ping", "pong", "sendheaders", "wtxidrelay", "sendaddrv2", "feefilter",
    "mempool", "getaddr", "tx", "headers", "getheaders", "inv", "getdata", "notfound", "addr",
    "addrv2", "getcfilters", "cfilter", "getcfheaders", "cfheaders", "getcfcheckpt", "cfcheckpt",
    "block", "nonsense",
  ].map { Array($0.utf8) }

  static let messages: [PeerMessage] = {
    let chain = SampleChain.shared
    let hashes = [Sha256.hash([1]), Sha256.hash([2])]
    let items = hashes.map { InventoryVector(kind: InventoryVector.Kind.witnessBlock, hash: $0) }
    let addresses = [
      NetworkAddress(time: 1, services: 9, network: 1, address: [192, 0, 2, 1], port: 8333),
      NetworkAddress(
        time: 2, services: 1 << 40, network: 2, address: [UInt8](repeating: 0x20, count: 16),
        port: 1),
    ]
    let range = FilterRangeRequest(startHeight: 1, stopHash: hashes[0])
    return [
      SampleChain.version, .verack, .ping(7), .pong(7), .sendHeaders, .wtxidRelay, .sendAddrV2,
      .feeFilter(1000), .mempool, .getAddr, .transaction(Samples.transaction),
      .headers(chain.best[1...3].map(\.header)), .getHeaders(locator: hashes, stop: .zero),
      .inv(items), .getData(items), .notFound(items), .addr(addresses), .addrV2(addresses),
      .getFilters(range), chain.filterMessage(chain.best[3]), .getFilterHeaders(range),
      .filterHeaders(
        FilterHeadersMessage(stopHash: hashes[1], previousHeader: .zero, filterHashes: hashes)),
      .getFilterCheckpoints(filterType: 0, stopHash: hashes[0]),
      .filterCheckpoints(FilterCheckpointsMessage(stopHash: hashes[0], filterHeaders: hashes)),
      .block(chain.best[3]),
    ]
  }()

  static func index(of message: PeerMessage) -> Int {
    commands.firstIndex { $0.isAscii(message.command) }!
  }

  /// A message of any command and payload, with a checksum that fits.
  static func frame(command: [UInt8], payload: [UInt8]) -> [UInt8] {
    var writer = ByteWriter()
    writer.append(Network.regtest.magic)
    writer.append(command + [UInt8](repeating: 0, count: 12 - command.count))
    writer.u32le(UInt32(payload.count))
    let checksum = Sha256.double(payload)
    for index in 0..<4 { writer.u8(checksum[index]) }
    writer.append(payload)
    return writer.bytes
  }

  /// Pieces of a stream: framed payloads, now and then raw bytes.
  static func stream(_ input: inout FuzzInput) -> [UInt8] {
    var stream: [UInt8] = []
    while !input.isAtEnd && stream.count < 1 << 20 {
      if input.below(8) == 7 {
        stream += input.piece()
      } else {
        let command = commands[input.below(commands.count)]
        stream += frame(command: command, payload: input.piece())
      }
    }
    return stream
  }
}
