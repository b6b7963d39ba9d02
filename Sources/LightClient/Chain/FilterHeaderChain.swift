import Bytes

/// BIP157's filter headers for the best chain, from `baseHeight` on; may be empty.
struct FilterHeaderChain {
  /// The height of the first filter header.
  private(set) var baseHeight: UInt32
  /// The filter header at `baseHeight - 1`; nil where it is not known.
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

  /// The filter header that the one at `height` commits to: zero for the genesis block.
  func previous(of height: UInt32) -> Bytes32? {
    height == 0 ? .zero : header(at: height - 1)
  }

  /// Sets the header before the first one. Only for the first range after a checkpoint whose filter
  /// header is unknown.
  mutating func begin(after header: Bytes32) {
    if headers.isEmpty { before = header }
  }

  mutating func append(_ header: Bytes32) { headers.append(header) }

  /// Drops everything above `height`.
  mutating func truncate(to height: UInt32) {
    if height + 1 >= nextHeight { return }
    headers.removeLast(min(headers.count, Int(nextHeight - height) - 1))
  }

  /// Drops everything below `height`.
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
