import Bytes

/// Publishers that paid a lease in full on a confirmed channel. Bounded: the one with the oldest
/// settlement is dropped first.
struct History: Equatable {
  static let capacity = 1000
  private static let version: UInt8 = 1

  /// By last settlement, the oldest first.
  private var publishers: [Bytes32] = []

  func contains(_ publisher: Bytes32) -> Bool { publishers.contains(publisher) }

  mutating func settled(_ publisher: Bytes32) {
    publishers.removeAll { $0 == publisher }
    if publishers.count >= History.capacity { publishers.removeFirst() }
    publishers.append(publisher)
  }

  // MARK: Encoding

  func encode() -> [UInt8] {
    var writer = ByteWriter(reserving: 8 + publishers.count * 32)
    writer.u8(History.version)
    writer.compactSize(publishers.count)
    for publisher in publishers { writer.append(publisher) }
    return writer.bytes
  }

  /// Returns nil for anything that ``encode()`` did not write.
  static func decode(_ bytes: [UInt8]) -> History? {
    var reader = ByteReader(bytes)
    var history = History()
    do throws(BytesError) {
      if try reader.u8() != version { return nil }
      for _ in 0..<(try reader.compactSize(limit: UInt64(capacity))) {
        history.publishers.append(try reader.bytes32())
      }
      try reader.finish()
    } catch { return nil }
    return history
  }
}
