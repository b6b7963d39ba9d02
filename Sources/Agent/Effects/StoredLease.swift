import Bytes

/// One row of a lease's task table, by number. Row 0 holds the lease's sums; the others are tasks.
public struct StoredRow: Equatable, Sendable {
  public var number: UInt32
  /// Empty: the row is to be deleted.
  public var body: [UInt8]

  public init(number: UInt32, body: [UInt8]) {
    self.number = number
    self.body = body
  }
}

/// What an earlier run of the agent stored of one lease.
public struct StoredLease: Sendable {
  /// The body of `storeLease`.
  public var record: [UInt8]
  /// The states of its channels, by ``LeaseRecord/channelIds``; nil where none is stored.
  public var channels: [[UInt8]?]
  public var rows: [StoredRow]

  public init(record: [UInt8], channels: [[UInt8]?], rows: [StoredRow]) {
    self.record = record
    self.channels = channels
    self.rows = rows
  }
}

/// What an agent remembers beyond its leases: small documents, each replaced as a whole.
public enum MemoryKind: UInt8, CaseIterable, Sendable {
  /// Who owes something of a lease that is over.
  case debtors = 1
  /// Publishers that have settled a lease in full.
  case history = 2
  /// Work that was lost to fundings which never confirmed.
  case losses = 3
}
