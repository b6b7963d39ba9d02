/// Identifies a call to the driver. A value is used once per run. A negotiation's call becomes the
/// call of its lease.
public struct CallKey: Hashable, Comparable, Sendable {
  public let value: UInt32
  public init(_ value: UInt32) { self.value = value }
  public static func < (left: CallKey, right: CallKey) -> Bool { left.value < right.value }
}

/// Identifies a lease to the driver. A value is used once per run.
public struct LeaseKey: Hashable, Comparable, Sendable {
  public let value: UInt32
  public init(_ value: UInt32) { self.value = value }
  public static func < (left: LeaseKey, right: LeaseKey) -> Bool { left.value < right.value }
}

/// Identifies a task to the driver. The publisher assigns `number`, from 1, once per lease.
public struct TaskRef: Hashable, Sendable {
  public let lease: LeaseKey
  public let number: UInt32

  public init(lease: LeaseKey, number: UInt32) {
    self.lease = lease
    self.number = number
  }
}
