import Bitcoin
import Bytes
import Crypto
import Host

/// Serves a ``MadeChain`` to light clients on 127.0.0.1: headers, blocks, BIP157's filters. It does
/// little work, so that a measurement shows the client and not the node.
public final class MadeChainServer {
  public let chain: MadeChain
  private let reactor: Reactor
  private let listener: ListenerId
  private var framers: [ConnectionId: MessageFramer] = [:]

  /// Listens on `port` of 127.0.0.1; 0 for any free port.
  public init(_ chain: MadeChain, port: UInt16) throws(HostError) {
    self.chain = chain
    var limits = Reactor.Limits()
    limits.backlogBytes = 64 << 20
    reactor = Reactor(limits: limits)
    listener = try reactor.listen(on: .tcp(host: "127.0.0.1", port: port))
  }

  /// The port for clients.
  public var port: UInt16 { reactor.address(of: listener)?.port ?? 0 }

  /// Serves until `untilMs` (nil: without limit).
  public func run(untilMs: UInt64? = nil) throws(HostError) {
    while let event = try reactor.next(untilMs: untilMs) {
      switch event {
      case .accepted(_, let connection, _):
        framers[connection] = MessageFramer(magic: chain.network.magic)
      case .received(let connection, let bytes): received(bytes, connection)
      case .closed(let connection, _): framers[connection] = nil
      default: break
      }
    }
  }

  private func received(_ bytes: [UInt8], _ connection: ConnectionId) {
    framers[connection]?.append(bytes)
    while true {
      do throws(BitcoinError) {
        guard let message = try framers[connection]?.next() else { return }
        answer(message, connection)
      } catch { return hangUp(connection) }
    }
  }

  private func hangUp(_ connection: ConnectionId) {
    framers[connection] = nil
    reactor.close(connection)
  }

  private func send(_ message: PeerMessage, _ connection: ConnectionId) {
    reactor.send(connection, MessageFrame.encode(message, magic: chain.network.magic))
  }

  // MARK: Answers

  private func answer(_ message: PeerMessage, _ connection: ConnectionId) {
    switch message {
    case .version:
      let service = VersionMessage.Service.self
      send(
        .version(
          VersionMessage(
            services: service.network | service.witness | service.compactFilters,
            time: Clock.unixSeconds(), nonce: Entropy.u64(),
            userAgent: Array("/zennet-made-chain:0.1/".utf8), startHeight: chain.tipHeight,
            relay: true)), connection)
      send(.wtxidRelay, connection)
      send(.sendAddrV2, connection)
      send(.verack, connection)
    case .verack: send(.feeFilter(1000), connection)
    case .ping(let nonce): send(.pong(nonce), connection)
    case .getHeaders(let locator, let stop): sendHeaders(locator, stop, connection)
    case .getFilterHeaders(let request): sendFilterHeaders(request, connection)
    case .getFilters(let request): sendFilters(request, connection)
    case .getFilterCheckpoints(_, let stopHash): sendCheckpoints(stopHash, connection)
    case .getData(let items): sendData(items, connection)
    default: break
    }
  }

  /// Copies the encoded bytes, because encoding would cost more than the client's check.
  private func sendHeaders(_ locator: [Bytes32], _ stop: Bytes32, _ connection: ConnectionId) {
    var start = 1
    for hash in locator {
      if let height = chain.height(of: hash) {
        start = Int(height) + 1
        break
      }
    }
    var end = min(Int(chain.tipHeight) + 1, start + PeerMessage.maxHeaders)
    if let height = chain.height(of: stop) { end = min(end, Int(height) + 1) }
    let count = max(0, end - start)
    var payload = ByteWriter(reserving: 3 + 81 * count)
    payload.compactSize(count)
    for height in start..<(start + count) {
      payload.append(chain.headerBytes[(80 * height)..<(80 * height + 80)])
      payload.u8(0)
    }
    var frame = ByteWriter(reserving: MessageFrame.headerBytes + payload.count)
    frame.append(chain.network.magic)
    frame.append(Array("headers".utf8) + [0, 0, 0, 0, 0])
    frame.u32le(UInt32(payload.count))
    let digest = Sha256.double(payload.bytes)
    for index in 0..<4 { frame.u8(digest[index]) }
    frame.append(payload.bytes)
    reactor.send(connection, frame.bytes)
  }

  /// The requested heights; closes the connection for requests at which Bitcoin Core would
  /// disconnect.
  private func heights(
    _ request: FilterRangeRequest, limit: UInt32, _ connection: ConnectionId
  ) -> ClosedRange<UInt32>? {
    guard request.filterType == 0, let stop = chain.height(of: request.stopHash),
      request.startHeight <= stop, stop - request.startHeight < limit
    else {
      hangUp(connection)
      return nil
    }
    return request.startHeight...stop
  }

  private func sendFilterHeaders(_ request: FilterRangeRequest, _ connection: ConnectionId) {
    guard let range = heights(request, limit: 2000, connection) else { return }
    let first = Int(range.lowerBound)
    send(
      .filterHeaders(
        FilterHeadersMessage(
          stopHash: request.stopHash,
          previousHeader: first == 0 ? .zero : chain.filterHeaders[first - 1],
          filterHashes: range.map { chain.filterHash(at: $0) })), connection)
  }

  private func sendFilters(_ request: FilterRangeRequest, _ connection: ConnectionId) {
    guard let range = heights(request, limit: 1000, connection) else { return }
    var all: [UInt8] = []
    for height in range {
      let message = FilterMessage(
        blockHash: chain.hashes[Int(height)], filter: chain.filter(at: height))
      all += MessageFrame.encode(.filter(message), magic: chain.network.magic)
    }
    reactor.send(connection, all)
  }

  private func sendCheckpoints(_ stopHash: Bytes32, _ connection: ConnectionId) {
    guard let stop = chain.height(of: stopHash) else { return hangUp(connection) }
    let headers = stride(from: 1000, through: Int(stop), by: 1000).map { chain.filterHeaders[$0] }
    send(
      .filterCheckpoints(
        FilterCheckpointsMessage(filterType: 0, stopHash: stopHash, filterHeaders: headers)),
      connection)
  }

  private func sendData(_ items: [InventoryVector], _ connection: ConnectionId) {
    for item in items {
      let isBlock =
        item.kind == InventoryVector.Kind.block || item.kind == InventoryVector.Kind.witnessBlock
      if isBlock, let height = chain.height(of: item.hash), height > 0 {
        send(.block(chain.block(at: height)), connection)
      } else {
        send(.notFound([item]), connection)
      }
    }
  }
}
