import Bitcoin
import Bytes

/// Headers of a peer that are not on the best chain, from the fork on. All of them satisfy the
/// header rules; on a signet the solution of the last one is not verified yet.
struct HeaderBranch {
  /// The highest block that the branch shares with the best chain.
  let forkHeight: UInt32
  private(set) var records: [HeaderRecord] = []
  private(set) var work = ChainWork.zero

  init(forkHeight: UInt32) { self.forkHeight = forkHeight }

  var tipHeight: UInt32 { forkHeight + UInt32(records.count) }
  var tipHash: Bytes32? { records.last?.hash }

  /// The headers themselves; `forkHash` is the hash of the block at `forkHeight`.
  func headers(forkHash: Bytes32) -> [BlockHeader] {
    var list: [BlockHeader] = []
    list.reserveCapacity(records.count)
    var previous = forkHash
    for record in records {
      list.append(record.header(previous: previous))
      previous = record.hash
    }
    return list
  }

  /// Why the rest of a list was not appended.
  enum Refusal: Equatable {
    case invalid(BitcoinError)
    /// Too far ahead of this host's clock.
    case fromFuture
  }

  /// Appends `headers` (each the parent of the next, the first a child of the branch's tip) until
  /// one breaks a rule.
  mutating func extend(
    _ headers: ArraySlice<BlockHeader>, hashes: ArraySlice<Bytes32>, on chain: HeaderChain,
    network: Network, unixSeconds: UInt64
  ) -> Refusal? {
    let view = BranchView(chain: chain, forkHeight: forkHeight, records: records)
    records = []
    var refusal: Refusal?
    var measure = WorkMeasure()
    for index in headers.indices {
      let header = headers[index]
      if HeaderRules.isFromFuture(header, nowSeconds: unixSeconds) {
        refusal = .fromFuture
        break
      }
      do {
        try HeaderRules.check(
          header, hash: hashes[index], context: view.context, network: network)
      } catch {
        refusal = .invalid(error)
        break
      }
      view.append(HeaderRecord(header, hash: hashes[index]))
      work += measure.work(bits: header.bits)
    }
    records = view.takeRecords()
    return refusal
  }
}

/// Sums the work of consecutive headers. Caches the work of the last difficulty: most headers
/// repeat it, and the division costs more than hashing the header.
struct WorkMeasure {
  private var bits: UInt32 = 0
  private var value = ChainWork.zero

  mutating func work(bits: UInt32) -> ChainWork {
    if bits != self.bits {
      self.bits = bits
      value = ChainWork(bits: bits)
    }
    return value
  }
}

/// The best chain up to the fork and the branch above it, as the header rules read them. A class,
/// so that the rules' closure reads each appended header without copying the rest.
private final class BranchView {
  private let chain: HeaderChain
  private let forkHeight: UInt32
  private var records: [HeaderRecord]

  init(chain: HeaderChain, forkHeight: UInt32, records: [HeaderRecord]) {
    self.chain = chain
    self.forkHeight = forkHeight
    self.records = records
  }

  var context: HeaderContext {
    HeaderContext(
      parentHeight: forkHeight + UInt32(records.count), time: { [self] in time(at: $0) },
      bits: { [self] in bits(at: $0) })
  }

  private func time(at height: UInt32) -> UInt32? {
    if height <= forkHeight { return chain.time(at: height) }
    let index = Int(height - forkHeight) - 1
    return index < records.count ? records[index].time : nil
  }

  private func bits(at height: UInt32) -> UInt32? {
    if height <= forkHeight { return chain.bits(at: height) }
    let index = Int(height - forkHeight) - 1
    return index < records.count ? records[index].bits : nil
  }

  func append(_ record: HeaderRecord) { records.append(record) }

  func takeRecords() -> [HeaderRecord] {
    let taken = records
    records = []
    return taken
  }
}
