import Bytes

extension PeerMessage {
  /// The command, as ASCII.
  public var command: StaticString {
    switch self {
    case .version: return "version"
    case .verack: return "verack"
    case .ping: return "ping"
    case .pong: return "pong"
    case .sendHeaders: return "sendheaders"
    case .wtxidRelay: return "wtxidrelay"
    case .sendAddrV2: return "sendaddrv2"
    case .feeFilter: return "feefilter"
    case .getHeaders: return "getheaders"
    case .headers: return "headers"
    case .inv: return "inv"
    case .getData: return "getdata"
    case .notFound: return "notfound"
    case .block: return "block"
    case .transaction: return "tx"
    case .mempool: return "mempool"
    case .getAddr: return "getaddr"
    case .addr: return "addr"
    case .addrV2: return "addrv2"
    case .getFilters: return "getcfilters"
    case .filter: return "cfilter"
    case .getFilterHeaders: return "getcfheaders"
    case .filterHeaders: return "cfheaders"
    case .getFilterCheckpoints: return "getcfcheckpt"
    case .filterCheckpoints: return "cfcheckpt"
    case .unknown: return "unknown"
    }
  }

  /// The payload alone; ``MessageFrame`` adds the header.
  public func encodePayload(to writer: inout ByteWriter) {
    switch self {
    case .verack, .sendHeaders, .wtxidRelay, .sendAddrV2, .mempool, .getAddr, .unknown: break
    case .version(let version): version.encode(to: &writer)
    case .ping(let nonce), .pong(let nonce): writer.u64le(nonce)
    case .feeFilter(let satPerKvB): writer.u64le(satPerKvB)
    case .getHeaders(let locator, let stop):
      writer.u32le(VersionMessage.protocolVersion)
      writer.compactSize(locator.count)
      for hash in locator { writer.append(hash) }
      writer.append(stop)
    case .headers(let headers):
      writer.compactSize(headers.count)
      for header in headers {
        header.encode(to: &writer)
        writer.u8(0)
      }
    case .inv(let items), .getData(let items), .notFound(let items):
      writer.compactSize(items.count)
      for item in items { item.encode(to: &writer) }
    case .block(let block): block.encode(to: &writer)
    case .transaction(let transaction): transaction.encode(to: &writer)
    case .addr(let list):
      writer.compactSize(list.count)
      for address in list { address.encodeLegacy(to: &writer) }
    case .addrV2(let list):
      writer.compactSize(list.count)
      for address in list { address.encodeV2(to: &writer) }
    case .getFilters(let request), .getFilterHeaders(let request): request.encode(to: &writer)
    case .filter(let message): message.encode(to: &writer)
    case .filterHeaders(let message): message.encode(to: &writer)
    case .getFilterCheckpoints(let filterType, let stopHash):
      writer.u8(filterType)
      writer.append(stopHash)
    case .filterCheckpoints(let message): message.encode(to: &writer)
    }
  }
}
