import Bytes

/// BIP157's filter headers for the best chain, from a first height on; possibly none yet.
struct FilterHeaderChain {
  /// The height of the first filter header.
  private(set) var baseHeight: UInt32
  /// The filter header before it; nil where nobody has proven one.
  private(set) var before: Bytes32?
  private var headers = WindowList<Bytes32>()

  init(baseHeight: UInt32, before: Bytes32?, headers: [Bytes32] = []) {
    self.baseHeight = baseHeight
    self.before = before
    for header in headers { self.headers.append(header) }
  }

  /// The height of the first filter header that is still missing.
  var nextHeight: UInt32 { baseHeight + UInt32(headers.count) }

  func header(at height: UInt32) -> Bytes32? {
    if height < baseHeight {
      return height + 1 == baseHeight ? before : nil
    }
    let index = Int(height - baseHeight)
    return index < headers.count ? headers[index] : nil
  }

  /// The filter header on which the one at `height` rests: zero before the genesis block.
  func previous(of height: UInt32) -> Bytes32? {
    height == 0 ? .zero : header(at: height - 1)
  }

  /// Only for a first range after a checkpoint of unknown filter header.
  mutating func begin(after header: Bytes32) {
    if headers.isEmpty { before = header }
  }

  mutating func append(_ header: Bytes32) { headers.append(header) }

  /// Forgets everything above `height`.
  mutating func truncate(to height: UInt32) {
    if height + 1 >= nextHeight { return }
    headers.removeLast(min(headers.count, Int(nextHeight - height) - 1))
  }

  /// Forgets everything below `height`.
  mutating func drop(below height: UInt32) {
    if height <= baseHeight { return }
    let count = min(headers.count, Int(height - baseHeight))
    if count > 0 {
      before = headers[count - 1]
      headers.removeFirst(count)
    }
    baseHeight += UInt32(count)
  }
}
