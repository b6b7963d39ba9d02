import Bitcoin
import Bytes
import Market

/// Publishers with debts from ended leases. Bounded: the oldest debt is dropped first.
struct Debtors: Equatable {
  static let capacity = 1000
  private static let version: UInt8 = 1

  private struct Entry: Equatable {
    var publisher: Bytes32
    var debt: Debt
  }

  /// The oldest first; one per publisher.
  private var entries: [Entry] = []

  var count: Int { entries.count }

  func debt(of publisher: Bytes32) -> Debt? {
    for entry in entries where entry.publisher == publisher { return entry.debt }
    return nil
  }

  /// Replaces the publisher's debt; an earlier debt is included in it.
  mutating func record(_ publisher: Bytes32, _ debt: Debt) {
    entries.removeAll { $0.publisher == publisher }
    if entries.count >= Debtors.capacity { entries.removeFirst() }
    entries.append(Entry(publisher: publisher, debt: debt))
  }

  /// Removes the publisher's debt. Returns false if it had none.
  mutating func settled(_ publisher: Bytes32) -> Bool {
    let before = entries.count
    entries.removeAll { $0.publisher == publisher }
    return entries.count < before
  }

  // MARK: Encoding

  func encode() -> [UInt8] {
    var writer = ByteWriter(reserving: 8 + entries.count * 72)
    writer.u8(Debtors.version)
    writer.compactSize(entries.count)
    for entry in entries {
      writer.append(entry.publisher)
      writer.append(entry.debt.lease)
      writer.u64le(entry.debt.amountSat)
    }
    return writer.bytes
  }

  /// Returns nil for anything that ``encode()`` did not write.
  static func decode(_ bytes: [UInt8]) -> Debtors? {
    var reader = ByteReader(bytes)
    var debtors = Debtors()
    do throws(BytesError) {
      if try reader.u8() != version { return nil }
      for _ in 0..<(try reader.compactSize(limit: UInt64(capacity))) {
        let publisher = try reader.bytes32()
        let debt = Debt(lease: try reader.bytes32(), amountSat: try reader.u64le())
        if debt.amountSat == 0 || debt.amountSat > Amount.maxSat { return nil }
        debtors.entries.append(Entry(publisher: publisher, debt: debt))
      }
      try reader.finish()
    } catch { return nil }
    return debtors
  }
}
