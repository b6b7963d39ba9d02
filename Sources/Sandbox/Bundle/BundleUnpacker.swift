import CHost

/// Unpacks the bundle from descriptor 4 into `/`. Runs in a confined child of the sandbox's process 1:
/// without capabilities, behind seccomp, in the job's cgroup.
enum BundleUnpacker {
  /// 0 when all is well, else the error's code, offset and detail.
  static func run(input: Int32, limits: BundleLimits, report: UnsafeMutablePointer<UInt64>) {
    do throws(BundleError) {
      let root = "/".withCString { host_sandbox_open_directory(-1, $0) }
      if root < 0 { throw BundleError.writeFailed(offset: 0, code: -root) }
      try unpack(input, root: root, limits: limits)
    } catch {
      report[0] = UInt64(error.code)
      report[1] = error.offset
      report[2] = error.detail
    }
  }

  private static func unpack(
    _ input: Int32, root: Int32, limits: BundleLimits
  ) throws(BundleError) {
    let unzstd = Unzstd(ratio: limits.ratio)
    let buffer = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: Unzstd.inputSize)
    defer { buffer.deallocate() }
    var reader = BundleReader(limits: limits)
    var writer = BundleItemWriter(root: root)
    while true {
      let got = host_sandbox_read(input, buffer.baseAddress, UInt64(buffer.count))
      if got < 0 { throw BundleError.compressedTruncated(offset: unzstd.taken) }
      if got == 0 { break }
      try unzstd.feed(UnsafeBufferPointer(rebasing: buffer[..<Int(got)])) {
        (piece) throws(BundleError) in
        try reader.feed(piece) { (item, offset) throws(BundleError) in
          try writer.write(owned(item), offset: offset)
        } useData: { (bytes, offset) throws(BundleError) in
          try writer.append(bytes, offset)
        }
      }
    }
    try unzstd.finish()
    try reader.finish()
  }

  /// The archive's mode for these folders does not matter: the job owns them.
  private static func owned(_ item: BundleItem) -> BundleItem {
    guard case .directory(let path, _) = item,
      WritableFolders.all.contains(where: { $0.utf8.dropFirst().elementsEqual(path) })
    else { return item }
    return .directory(path: path, mode: 0o777)
  }
}
