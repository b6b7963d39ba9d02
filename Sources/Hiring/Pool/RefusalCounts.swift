import Bytes
import Market

/// Why providers were not hired. A provider counts once per reason.
struct RefusalCounts {
  private struct Key: Hashable {
    let provider: Bytes32
    let code: UInt8
  }

  private static let limit = 4096

  private var seen = Set<Key>()
  private var counts: [UInt8: Int] = [:]

  mutating func add(_ code: RefusalCode, of provider: Bytes32) {
    if seen.count >= RefusalCounts.limit
      || !seen.insert(Key(provider: provider, code: code.rawValue)).inserted
    {
      return
    }
    counts[code.rawValue, default: 0] += 1
  }

  /// The most frequent first.
  var histogram: [(code: RefusalCode, count: Int)] {
    RefusalCode.allCases.compactMap { code in counts[code.rawValue].map { (code, $0) } }
      .sorted { ($1.count, $0.code.rawValue) < ($0.count, $1.code.rawValue) }
  }

  var text: String {
    histogram.map { "\($0.count) x " + $0.code.text }.joined(separator: ", ")
  }
}
