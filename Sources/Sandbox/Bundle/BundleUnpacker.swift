import CHost

/// Unpacks a stack of bundles into the root, which is read-only for everybody else: base first, what lies on
/// top replaces files and links of the same name. A folder over a folder is both; a folder never takes the
/// place of something else, nor something else that of a folder: the bundle is refused. Runs in a confined
/// child of the sandbox's process 1: without capabilities, behind seccomp, in the job's cgroup.
enum BundleUnpacker {
  /// 0 when all is well, else the error's code and, from bit 8, the number of the bundle; its offset and detail.
  static func run(
    count: Int, root: Int32, limits: BundleLimits, report: UnsafeMutablePointer<UInt64>
  ) {
    var used = BundleUse()
    for index in 0..<count {
      do throws(BundleError) {
        try unpack(HOST_FIRST_BUNDLE + Int32(index), root: root, limits: limits, used: &used)
      } catch {
        report[0] = UInt64(error.code) | UInt64(index) << 8
        report[1] = error.offset
        report[2] = error.detail
        return
      }
    }
  }

  private static func unpack(
    _ input: Int32, root: Int32, limits: BundleLimits, used: inout BundleUse
  ) throws(BundleError) {
    let unzstd = Unzstd(ratio: limits.ratio)
    let buffer = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: Unzstd.inputSize)
    defer { buffer.deallocate() }
    var reader = BundleReader(limits: limits, used: used)
    var writer = BundleItemWriter(root: root)
    defer { writer.close() }
    while true {
      let got = host_sandbox_read(input, buffer.baseAddress, UInt64(buffer.count))
      if got < 0 { throw BundleError.compressedTruncated(offset: unzstd.taken) }
      if got == 0 { break }
      try unzstd.feed(UnsafeBufferPointer(rebasing: buffer[..<Int(got)])) {
        (piece) throws(BundleError) in
        try reader.feed(piece) { (item, offset) throws(BundleError) in
          if try belongsToJob(item, offset) { try writer.write(owned(item), offset: offset) }
        } useData: { (bytes, offset) throws(BundleError) in
          try writer.append(bytes, offset)
        }
      }
    }
    try unzstd.finish()
    try reader.finish()
    used = reader.used
  }

  /// Folders that the sandbox mounts over stay as they are when an archive names them, and take nothing.
  private static func belongsToJob(
    _ item: BundleItem, _ offset: UInt64
  ) throws(BundleError) -> Bool {
    var isOurs = false
    switch item {
    case .directory(let path, _):
      if path.elementsEqual("dev".utf8) || path.elementsEqual("proc".utf8) { return false }
      isOurs = isBelowOurs(path)
    case .file(let path, _, _), .symlink(let path, _): isOurs = isBelowOurs(path)
    case .hardlink(let path, let target): isOurs = isBelowOurs(path) || isBelowOurs(target)
    case .data, .fileEnded, .leftOut: break
    }
    if isOurs { throw BundleError.writeFailed(offset: offset, code: 18) }  // EXDEV
    return true
  }

  private static func isBelowOurs(_ path: [UInt8]) -> Bool {
    let first = path.prefix { $0 != 0x2f }
    return Text.equal(first, "dev") || Text.equal(first, "proc")
  }

  /// The archive's mode for these folders does not matter: the job owns them.
  private static func owned(_ item: BundleItem) -> BundleItem {
    guard case .directory(let path, _) = item,
      WritableFolders.all.contains(where: { $0.utf8.dropFirst().elementsEqual(path) })
    else { return item }
    return .directory(path: path, mode: 0o777)
  }
}
