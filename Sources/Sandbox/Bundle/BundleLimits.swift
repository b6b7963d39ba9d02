/// What a stack of bundles may cost. Plain numbers, so that they can be handed to the process that unpacks.
public struct BundleLimits: Equatable, Sendable {
  /// Files, directories and links.
  public var entries: UInt64
  /// Bytes of all files together.
  public var bytes: UInt64
  /// Each tar stream may be at most this many times as large as its compressed form, after the first MiB.
  public var ratio: UInt64

  public init(entries: UInt64, bytes: UInt64, ratio: UInt64 = 250) {
    self.entries = entries
    self.bytes = bytes
    self.ratio = ratio
  }
}

/// What bundles that lie beneath another have used of the limits of all.
public struct BundleUse: Equatable, Sendable {
  public var entries: UInt64 = 0
  public var bytes: UInt64 = 0

  public init() {}
}

/// What a bundle holds, in the order of the archive. Paths are relative, without `.` and `..`.
public enum BundleItem: Equatable, Sendable {
  case directory(path: [UInt8], mode: UInt32)
  /// `size` bytes of ``data(_:)`` follow, then ``fileEnded``.
  case file(path: [UInt8], mode: UInt32, size: UInt64)
  case data([UInt8])
  case fileEnded
  case symlink(path: [UInt8], target: [UInt8])
  case hardlink(path: [UInt8], target: [UInt8])
  /// For a lenient reader: a device, a pipe, or what whoever packed could not read. An archive has it as a
  /// device, a pipe, or a symbolic link without a target. Of the top folder the path is empty.
  case leftOut(path: [UInt8])
}
