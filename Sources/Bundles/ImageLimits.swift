/// What a stranger's image may cost.
public struct ImageLimits: Sendable {
  /// All files of all layers together, unpacked.
  public var bytes: UInt64 = 8 << 30
  public var entries: UInt64 = 1 << 20
  static let layers = 512
  static let documentBytes = 4 << 20
  static let ratio: UInt64 = 1000
  /// Links that lead to links, on the way to one file.
  static let hops = 40
  static let depth = 200

  public init() {}
}
