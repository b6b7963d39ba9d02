import Bitcoin
import Bytes

/// A peer's headers, checked against every rule but not kept, until they have the network's known
/// work (`minimumChainWork`). Only then is the same chain fetched again and followed.
///
/// Memory: at most the last two difficulty periods, and one hash for each list of 2,000 headers
/// (0.2 MB, and 36 bytes for every 2,000 blocks). Without presync, a chain of little work (cheap to
/// make at the network's lowest difficulty) would push the honest one out of the window.
struct HeaderPresync {
  /// Headers that the rules read back: one difficulty period and a margin.
  static let keptHeaders = 2016 + 32
  /// A chain with more blocks than `pace` times the number that ten-minute blocks would give, plus
  /// `allowance`, is rejected.
  static let pace: UInt64 = 4
  static let allowance: UInt64 = 20_000

  /// The highest block that these headers share with the best chain.
  let anchorHeight: UInt32
  private(set) var tipHeight: UInt32
  private(set) var tipHash: Bytes32
  /// The work of the whole chain up to the tip.
  private(set) var work: ChainWork
  /// The last header of each list.
  private(set) var milestones: [HeaderMilestone] = []
  private var recent: [HeaderMark]

  /// Begins with a branch of less work than the network's.
  init?(_ branch: HeaderBranch, on chain: HeaderChain) {
    guard let tipHash = branch.tipHash, let below = chain.work(upTo: branch.forkHeight) else {
      return nil
    }
    anchorHeight = branch.forkHeight
    tipHeight = branch.tipHeight
    self.tipHash = tipHash
    work = below + branch.work
    recent = branch.records.map { HeaderMark($0) }
    milestones.append(HeaderMilestone(height: tipHeight, hash: tipHash))
    trim()
  }

  var keptCount: Int { recent.count }

  /// Whether so many blocks can exist since the anchor.
  func isPlausible(
    anchorTime: UInt32, unixSeconds: UInt64, allowance: UInt64 = HeaderPresync.allowance
  ) -> Bool {
    let seconds = unixSeconds > UInt64(anchorTime) ? unixSeconds - UInt64(anchorTime) : 0
    let most = HeaderPresync.pace * (seconds / 600) + allowance
    return UInt64(tipHeight - anchorHeight) <= most
  }

  /// Checks a list that continues the last one, up to the first header that breaks a rule.
  mutating func extend(
    _ headers: [BlockHeader], hashes: [Bytes32], on chain: HeaderChain, network: Network,
    unixSeconds: UInt64
  ) -> HeaderBranch.Refusal? {
    let view = PresyncView(chain, anchorHeight, tipHeight, recent)
    recent = []
    defer {
      recent = view.marks
      trim()
    }
    var measure = WorkMeasure()
    for index in headers.indices {
      let header = headers[index]
      if HeaderRules.isFromFuture(header, nowSeconds: unixSeconds) { return .fromFuture }
      do throws(BitcoinError) {
        try HeaderRules.check(
          header, hash: hashes[index], context: view.context, network: network)
      } catch { return .invalid(error) }
      view.append(HeaderMark(hash: hashes[index], time: header.time, bits: header.bits))
      work += measure.work(bits: header.bits)
      tipHeight += 1
      tipHash = hashes[index]
    }
    milestones.append(HeaderMilestone(height: tipHeight, hash: tipHash))
    return nil
  }

  private mutating func trim() {
    if recent.count > 2 * HeaderPresync.keptHeaders {
      recent.removeFirst(recent.count - HeaderPresync.keptHeaders)
    }
  }
}

/// A block of a chain that is proven to have the network's known work.
struct HeaderMilestone: Equatable {
  var height: UInt32
  var hash: Bytes32
}

/// The headers that the rules read: the last ones, and the best chain up to the anchor.
private final class PresyncView {
  private let chain: HeaderChain
  private let anchorHeight: UInt32
  private var tipHeight: UInt32
  private(set) var marks: [HeaderMark]

  init(
    _ chain: HeaderChain, _ anchorHeight: UInt32, _ tipHeight: UInt32, _ marks: [HeaderMark]
  ) {
    self.chain = chain
    self.anchorHeight = anchorHeight
    self.tipHeight = tipHeight
    self.marks = marks
  }

  var context: HeaderContext {
    HeaderContext(
      parentHeight: tipHeight, time: { [self] in time($0) }, bits: { [self] in bits($0) })
  }

  private func time(_ height: UInt32) -> UInt32? {
    if let mark = mark(height) { return mark.time }
    return height <= anchorHeight ? chain.time(at: height) : nil
  }

  private func bits(_ height: UInt32) -> UInt32? {
    if let mark = mark(height) { return mark.bits }
    return height <= anchorHeight ? chain.bits(at: height) : nil
  }

  private func mark(_ height: UInt32) -> HeaderMark? {
    let below = tipHeight - min(tipHeight, height)
    if height > tipHeight || Int(below) >= marks.count { return nil }
    return marks[marks.count - 1 - Int(below)]
  }

  func append(_ mark: HeaderMark) {
    marks.append(mark)
    tipHeight += 1
  }
}
