/// Limits for an untrusted image.
public struct ImageLimits: Sendable {
  /// Total size of all files of all layers, unpacked, in bytes.
  public var bytes: UInt64 = 8 << 30
  public var entries: UInt64 = 1 << 20
  static let layers = 512
  static let documentBytes = 4 << 20
  static let ratio: UInt64 = 1000
  /// Most symbolic links followed for one file.
  static let hops = 40
  static let depth = 200

  public init() {}
}
