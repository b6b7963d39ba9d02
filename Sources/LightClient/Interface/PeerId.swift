/// A connection to a peer, numbered by the driver. A number is used once in a run, so that a late
/// event cannot be attributed to another connection.
public struct PeerId: Hashable, Comparable, Sendable {
  public let value: UInt32

  public init(_ value: UInt32) { self.value = value }

  public static func < (left: PeerId, right: PeerId) -> Bool { left.value < right.value }
}
