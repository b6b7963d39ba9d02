/// The rules for names in a bundle: relative, no `..`, bounded; links stay inside.
public enum BundlePath {
  static let longest = 4095

  /// The path without `.`, doubled and trailing slashes. Empty for the bundle's root.
  static func clean(_ raw: [UInt8], offset: UInt64) throws(BundleError) -> [UInt8] {
    if raw.isEmpty { throw BundleError.emptyName(offset: offset) }
    if raw.count > longest { throw BundleError.nameTooLong(offset: offset) }
    if raw.contains(0) { throw BundleError.zeroByteInName(offset: offset) }
    if raw[0] == 0x2f { throw BundleError.absolutePath(offset: offset) }
    var path: [UInt8] = []
    for part in Text.split(raw[...], on: 0x2f) {
      if Text.equal(part, ".") { continue }
      if Text.equal(part, "..") { throw BundleError.parentInPath(offset: offset) }
      if part.count > 255 { throw BundleError.nameTooLong(offset: offset) }
      if !path.isEmpty { path.append(0x2f) }
      path.append(contentsOf: part)
    }
    return path
  }

  /// A symbolic link at `path` may point anywhere below the bundle's root. (Inside the sandbox it could
  /// not lead out anyway; a bundle that tries is refused.)
  public static func checkSymlink(
    path: [UInt8], target: [UInt8], offset: UInt64
  ) throws(BundleError) {
    if target.isEmpty { throw BundleError.emptyName(offset: offset) }
    if target.count > longest { throw BundleError.nameTooLong(offset: offset) }
    if target.contains(0) { throw BundleError.zeroByteInName(offset: offset) }
    if target[0] == 0x2f { throw BundleError.absoluteLink(offset: offset) }
    var depth = Text.split(path[...], on: 0x2f).count - 1
    for part in Text.split(target[...], on: 0x2f) {
      if Text.equal(part, ".") { continue }
      depth += Text.equal(part, "..") ? -1 : 1
      if depth < 0 { throw BundleError.linkLeavesRoot(offset: offset) }
    }
  }

  /// A hard link names another entry from the bundle's root.
  static func cleanHardlink(_ raw: [UInt8], offset: UInt64) throws(BundleError) -> [UInt8] {
    if raw.first == 0x2f { throw BundleError.absoluteLink(offset: offset) }
    for part in Text.split(raw[...], on: 0x2f) where Text.equal(part, "..") {
      throw BundleError.linkLeavesRoot(offset: offset)
    }
    return try clean(raw, offset: offset)
  }

  /// What a path's last component calls it: empty for `/`, `.` and `..`.
  static func lastName(_ path: [UInt8]) -> [UInt8] {
    guard let last = Text.split(path[...], on: 0x2f).last(where: { !$0.isEmpty }),
      !Text.equal(last, "."), !Text.equal(last, "..")
    else { return [] }
    return Array(last)
  }
}
