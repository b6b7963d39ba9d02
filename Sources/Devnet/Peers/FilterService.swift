import Bitcoin
import Bytes

/// BIP157's answers, with Bitcoin Core's limits: requests for which it would disconnect are
/// refused.
struct FilterService {
  enum Answer {
    case message(PeerMessage)
    case refused(String)
  }

  enum Hashes {
    case hashes([Bytes32])
    case refused(String)
  }

  static let maxFilters: UInt32 = 1000
  static let maxHeaders: UInt32 = 2000
  static let checkpointInterval: UInt32 = 1000

  let chain: Chain

  /// The blocks of a `getcfilters` request.
  func filters(_ request: FilterRangeRequest) -> Hashes { range(request, limit: Self.maxFilters) }

  /// The answer to `getcfheaders`.
  func headers(_ request: FilterRangeRequest) -> Answer {
    switch range(request, limit: Self.maxHeaders) {
    case .refused(let reason): return .refused(reason)
    case .hashes(let hashes):
      var filterHashes: [Bytes32] = []
      for hash in hashes {
        guard let record = chain.filters.record(hash) else { return .refused("no filter") }
        filterHashes.append(record.hash)
      }
      let previous = hashes.first.flatMap { chain.kernel.entry(hash: $0)?.previousHash }
      let previousHeader = previous.flatMap { chain.filters.record($0)?.header } ?? .zero
      return .message(
        .filterHeaders(
          FilterHeadersMessage(
            stopHash: request.stopHash, previousHeader: previousHeader, filterHashes: filterHashes))
      )
    }
  }

  /// The answer to `getcfcheckpt`.
  func checkpoints(filterType: UInt8, stopHash: Bytes32) -> Answer {
    if let reason = fault(filterType: filterType, stopHash: stopHash) { return .refused(reason) }
    var headers: [Bytes32] = []
    var entry = chain.kernel.entry(hash: stopHash)
    while let current = entry, current.height > 0 {
      if current.height % Self.checkpointInterval == 0 {
        guard let record = chain.filters.record(current.hash) else { return .refused("no filter") }
        headers.append(record.header)
      }
      entry = predecessor(current)
    }
    return .message(
      .filterCheckpoints(
        FilterCheckpointsMessage(
          filterType: filterType, stopHash: stopHash, filterHeaders: headers.reversed())))
  }

  private func fault(filterType: UInt8, stopHash: Bytes32) -> String? {
    if filterType != 0 { return "filter type \(filterType) is not served" }
    if chain.filters.record(stopHash) == nil {
      return "filters up to an unknown block \(stopHash.reversed.hex)"
    }
    return nil
  }

  /// The blocks from the start height to the stop block, which may be off the best chain.
  private func range(_ request: FilterRangeRequest, limit: UInt32) -> Hashes {
    if let reason = fault(filterType: request.filterType, stopHash: request.stopHash) {
      return .refused(reason)
    }
    guard let stop = chain.kernel.entry(hash: request.stopHash) else {
      return .refused("unknown stop block")
    }
    if request.startHeight > stop.height {
      return .refused(
        "filters from height \(request.startHeight) up to height \(stop.height), which is below")
    }
    if stop.height - request.startHeight >= limit {
      return .refused("\(stop.height - request.startHeight + 1) filters requested, limit \(limit)")
    }
    var hashes: [Bytes32] = []
    var entry: KernelEntry? = stop
    while let current = entry {
      hashes.append(current.hash)
      if current.height == request.startHeight { break }
      entry = predecessor(current)
    }
    return .hashes(hashes.reversed())
  }

  /// The parent of a block, by its hash.
  private func predecessor(_ entry: KernelEntry) -> KernelEntry? {
    entry.height == 0 ? nil : chain.kernel.entry(hash: entry.previousHash)
  }
}
