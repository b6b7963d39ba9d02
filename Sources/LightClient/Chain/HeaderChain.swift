import Bitcoin
import Bytes

/// The best chain's headers from a base height to the tip. Never empty. On a signet everything in
/// it is authenticated, for nothing is appended before its tip's solution was verified.
struct HeaderChain {
  private(set) var baseHeight: UInt32
  /// The work of the chain below `baseHeight`.
  private(set) var workBefore: ChainWork
  /// The work up to and with the tip.
  private(set) var work: ChainWork
  private var hashBeforeBase: Bytes32
  private(set) var records: ContiguousArray<HeaderRecord>

  /// Starts at the network's checkpoint, or at its genesis block.
  init(network: Network) {
    let first = network.checkpoint?.header ?? network.genesis
    baseHeight = network.checkpoint?.height ?? 0
    work = network.checkpoint?.work ?? ChainWork(bits: first.bits)
    workBefore = work - ChainWork(bits: first.bits)
    hashBeforeBase = first.previous
    records = [HeaderRecord(first, hash: first.hash)]
  }

  /// Takes what was stored as far as it is sound: linked, worked for, and of this network. Nil when
  /// nothing of it is.
  init?(network: Network, state: LightClientState) {
    guard let first = state.headers.first else { return nil }
    let start = HeaderChain(network: network)
    if state.baseHeight < start.baseHeight { return nil }
    if state.baseHeight == start.baseHeight && first.hash != start.tipHash { return nil }
    baseHeight = state.baseHeight
    workBefore = state.workBefore
    work = state.workBefore
    hashBeforeBase = first.previous
    records = []
    records.reserveCapacity(state.headers.count)
    var previous = first.previous
    var measure = WorkMeasure()
    for header in state.headers {
      let hash = header.hash
      guard header.previous == previous, let target = Target(bits: header.bits),
        target.isMet(by: hash)
      else { break }
      records.append(HeaderRecord(header, hash: hash))
      work += measure.work(bits: header.bits)
      previous = hash
    }
    if records.isEmpty { return nil }
  }

  var tipHeight: UInt32 { baseHeight + UInt32(records.count - 1) }
  var tipHash: Bytes32 { records[records.count - 1].hash }
  var tipTime: UInt32 { records[records.count - 1].time }

  private func index(_ height: UInt32) -> Int? {
    if height < baseHeight || height > tipHeight { return nil }
    return Int(height - baseHeight)
  }

  func hash(at height: UInt32) -> Bytes32? {
    guard let index = index(height) else { return nil }
    return records[index].hash
  }

  func time(at height: UInt32) -> UInt32? {
    guard let index = index(height) else { return nil }
    return records[index].time
  }

  func header(at height: UInt32) -> BlockHeader? {
    guard let index = index(height) else { return nil }
    return records[index].header(
      previous: index == 0 ? hashBeforeBase : records[index - 1].hash)
  }

  /// Where a block stands on this chain. Looks from the tip down: what peers name is mostly new.
  func height(of hash: Bytes32) -> UInt32? {
    var index = records.count
    while index > 0 {
      index -= 1
      if records[index].hash == hash { return baseHeight + UInt32(index) }
    }
    return nil
  }

  /// The work of the blocks above `height`, which is on the chain.
  func work(above height: UInt32) -> ChainWork {
    precondition(height >= baseHeight && height <= tipHeight)
    var sum = ChainWork.zero
    var measure = WorkMeasure()
    for index in (Int(height - baseHeight) + 1)..<records.count {
      sum += measure.work(bits: records[index].bits)
    }
    return sum
  }

  /// The work of the chain up to and with `height`; nil where it is not kept.
  func work(upTo height: UInt32) -> ChainWork? {
    if height < baseHeight || height > tipHeight { return nil }
    return work - work(above: height)
  }

  /// Hashes from `height` down, ever sparser, for `getheaders`.
  func locator(from height: UInt32) -> [Bytes32] {
    var hashes: [Bytes32] = []
    var index = Int(height - baseHeight)
    var step = 1
    while index > 0 {
      hashes.append(records[index].hash)
      if hashes.count >= 10 { step *= 2 }
      index -= step
    }
    hashes.append(records[0].hash)
    return hashes
  }

  /// Makes `height` the tip.
  mutating func truncate(to height: UInt32) {
    if height >= tipHeight { return }
    work = work - work(above: height)
    records.removeLast(Int(tipHeight - height))
  }

  mutating func append(_ more: [HeaderRecord]) {
    var measure = WorkMeasure()
    for record in more {
      records.append(record)
      work += measure.work(bits: record.bits)
    }
  }

  /// Forgets the headers below `height`, which is on the chain.
  mutating func drop(below height: UInt32) {
    if height <= baseHeight { return }
    let count = Int(height - baseHeight)
    var measure = WorkMeasure()
    for index in 0..<count { workBefore += measure.work(bits: records[index].bits) }
    hashBeforeBase = records[count - 1].hash
    records.removeFirst(count)
    baseHeight = height
  }

  /// BIP113: the median of the last eleven times, seconds since 1970.
  var medianTimePast: UInt32 {
    var times: [UInt32] = []
    for index in max(0, records.count - 11)..<records.count { times.append(records[index].time) }
    times.sort()
    return times[times.count / 2]
  }
}
