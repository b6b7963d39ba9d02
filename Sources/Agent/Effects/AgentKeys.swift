/// A call to a publisher, for the driver: never used twice in one run. The call of a negotiation goes on
/// as the call of the lease that comes of it.
public struct CallKey: Hashable, Comparable, Sendable {
  public let value: UInt32
  public init(_ value: UInt32) { self.value = value }
  public static func < (left: CallKey, right: CallKey) -> Bool { left.value < right.value }
}

/// A lease of this agent, for the driver: never used twice in one run.
public struct LeaseKey: Hashable, Comparable, Sendable {
  public let value: UInt32
  public init(_ value: UInt32) { self.value = value }
  public static func < (left: LeaseKey, right: LeaseKey) -> Bool { left.value < right.value }
}

/// A task of a lease, for the driver. The number is the publisher's, from 1, never used twice in a lease.
public struct TaskRef: Hashable, Sendable {
  public let lease: LeaseKey
  public let number: UInt32

  public init(lease: LeaseKey, number: UInt32) {
    self.lease = lease
    self.number = number
  }
}
