/// A connection to a peer, named by whoever drives the client. A number is never used twice in one
/// run, so that a late event cannot be taken for another connection's.
public struct PeerId: Hashable, Comparable, Sendable {
  public let value: UInt32

  public init(_ value: UInt32) { self.value = value }

  public static func < (left: PeerId, right: PeerId) -> Bool { left.value < right.value }
}
