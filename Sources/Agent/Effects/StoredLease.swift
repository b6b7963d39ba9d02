import Bytes

/// One row of a lease's task table. Row 0 holds the lease's sums; other rows hold tasks.
public struct StoredRow: Equatable, Sendable {
  public var number: UInt32
  /// Empty to delete the row.
  public var body: [UInt8]

  public init(number: UInt32, body: [UInt8]) {
    self.number = number
    self.body = body
  }
}

/// A lease as stored on disk.
public struct StoredLease: Sendable {
  /// The body of `storeLease`.
  public var record: [UInt8]
  /// The channels' states, in the order of ``LeaseRecord/channelIds``; nil if not stored.
  public var channels: [[UInt8]?]
  public var rows: [StoredRow]

  public init(record: [UInt8], channels: [[UInt8]?], rows: [StoredRow]) {
    self.record = record
    self.channels = channels
    self.rows = rows
  }
}

/// The kinds of documents that an agent keeps across leases. Each is replaced as a whole.
public enum MemoryKind: UInt8, CaseIterable, Sendable {
  /// Publishers with debts from ended leases.
  case debtors = 1
  /// Publishers that have settled a lease in full.
  case history = 2
  /// Amounts lost to fundings that never confirmed.
  case losses = 3
}
