import Bitcoin
import Bytes

/// The best chain's headers from a base height to the tip. Never empty. On a signet every header in
/// it is authenticated: headers are appended only after the tip's solution is verified.
struct HeaderChain {
  private(set) var baseHeight: UInt32
  /// The work of the chain below `baseHeight`.
  private(set) var workBefore: ChainWork
  /// The work up to and with the tip.
  private(set) var work: ChainWork
  private var marks = WindowList<HeaderMark>()

  /// Starts at the network's checkpoint, or at its genesis block.
  init(network: Network) {
    let first = network.checkpoint?.header ?? network.genesis
    baseHeight = network.checkpoint?.height ?? 0
    work = network.checkpoint?.work ?? ChainWork(bits: first.bits)
    workBefore = work - ChainWork(bits: first.bits)
    marks.append(HeaderMark(hash: first.hash, time: first.time, bits: first.bits))
  }

  /// Takes the stored headers as long as they are valid: linked, with proof of work, and of this
  /// network. Nil when the first one is not.
  init?(network: Network, state: LightClientState) {
    guard let first = state.headers.first else { return nil }
    let start = HeaderChain(network: network)
    if state.baseHeight < start.baseHeight { return nil }
    if state.baseHeight == start.baseHeight && first.hash != start.tipHash { return nil }
    baseHeight = state.baseHeight
    workBefore = state.workBefore
    work = state.workBefore
    var previous = first.previous
    var measure = WorkMeasure()
    for header in state.headers {
      let hash = header.hash
      guard header.previous == previous, let target = Target(bits: header.bits),
        target.isMet(by: hash)
      else { break }
      // Pins may have been added after the headers were stored.
      let height = baseHeight + UInt32(marks.count)
      if network.pins.contains(where: { $0.height == height && $0.hash != hash }) { break }
      marks.append(HeaderMark(hash: hash, time: header.time, bits: header.bits))
      work += measure.work(bits: header.bits)
      previous = hash
    }
    if marks.isEmpty { return nil }
  }

  /// How many headers are kept.
  var count: Int { marks.count }
  var tipHeight: UInt32 { baseHeight + UInt32(marks.count - 1) }
  var tipHash: Bytes32 { marks[marks.count - 1].hash }
  var tipTime: UInt32 { marks[marks.count - 1].time }

  private func index(_ height: UInt32) -> Int? {
    if height < baseHeight || height > tipHeight { return nil }
    return Int(height - baseHeight)
  }

  func hash(at height: UInt32) -> Bytes32? {
    guard let index = index(height) else { return nil }
    return marks[index].hash
  }

  func time(at height: UInt32) -> UInt32? {
    guard let index = index(height) else { return nil }
    return marks[index].time
  }

  func bits(at height: UInt32) -> UInt32? {
    guard let index = index(height) else { return nil }
    return marks[index].bits
  }

  /// The height of a block on this chain. Searches from the tip down, because peers mostly name new
  /// blocks.
  func height(of hash: Bytes32) -> UInt32? {
    var index = marks.count
    while index > 0 {
      index -= 1
      if marks[index].hash == hash { return baseHeight + UInt32(index) }
    }
    return nil
  }

  /// The work of the blocks above `height`, which is on the chain.
  func work(above height: UInt32) -> ChainWork {
    precondition(height >= baseHeight && height <= tipHeight)
    var sum = ChainWork.zero
    var measure = WorkMeasure()
    for index in (Int(height - baseHeight) + 1)..<marks.count {
      sum += measure.work(bits: marks[index].bits)
    }
    return sum
  }

  /// The work of the chain up to and with `height`; nil where it is not kept.
  func work(upTo height: UInt32) -> ChainWork? {
    if height < baseHeight || height > tipHeight { return nil }
    return work - work(above: height)
  }

  /// Hashes from `height` down, with growing steps, for `getheaders`.
  func locator(from height: UInt32) -> [Bytes32] {
    var hashes: [Bytes32] = []
    var index = Int(height - baseHeight)
    var step = 1
    while index > 0 {
      hashes.append(marks[index].hash)
      if hashes.count >= 10 { step *= 2 }
      index -= step
    }
    hashes.append(marks[0].hash)
    return hashes
  }

  /// Makes `height` the tip.
  mutating func truncate(to height: UInt32) {
    if height >= tipHeight { return }
    work = work - work(above: height)
    marks.removeLast(Int(tipHeight - height))
  }

  mutating func append(_ more: [HeaderRecord]) {
    var measure = WorkMeasure()
    for record in more {
      marks.append(HeaderMark(record))
      work += measure.work(bits: record.bits)
    }
  }

  /// Drops the headers below `height`, which is on the chain.
  mutating func drop(below height: UInt32) {
    if height <= baseHeight { return }
    let count = Int(height - baseHeight)
    var measure = WorkMeasure()
    for index in 0..<count { workBefore += measure.work(bits: marks[index].bits) }
    marks.removeFirst(count)
    baseHeight = height
  }

  /// BIP113: the median of the last eleven times, seconds since 1970.
  var medianTimePast: UInt32 {
    var times: [UInt32] = []
    for index in max(0, marks.count - 11)..<marks.count { times.append(marks[index].time) }
    times.sort()
    return times[times.count / 2]
  }
}
