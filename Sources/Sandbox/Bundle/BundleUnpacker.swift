import CHost

/// Unpacks the bundle from descriptor 4 into `/`. Runs in a confined child of the sandbox's process 1:
/// without capabilities, behind seccomp, in the job's cgroup.
struct BundleUnpacker {
  private let root: Int32
  private var file: Int32 = -1

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

  private init(root: Int32) { self.root = root }

  private static func unpack(
    _ input: Int32, root: Int32, limits: BundleLimits
  ) throws(BundleError) {
    let unzstd = Unzstd(ratio: limits.ratio)
    var buffer = [UInt8](repeating: 0, count: 65_536)
    var reader = BundleReader(limits: limits)
    var writer = BundleUnpacker(root: root)
    while true {
      let got = buffer.withUnsafeMutableBufferPointer {
        host_sandbox_read(input, $0.baseAddress, UInt64($0.count))
      }
      if got < 0 { throw BundleError.compressedTruncated(offset: unzstd.taken) }
      if got == 0 { break }
      try unzstd.feed(Array(buffer[0..<Int(got)])) { (piece) throws(BundleError) in
        try reader.feed(piece) { (item, offset) throws(BundleError) in
          try writer.write(item, offset: offset)
        }
      }
    }
    try unzstd.finish()
    try reader.finish()
  }

  private mutating func write(_ item: BundleItem, offset: UInt64) throws(BundleError) {
    switch item {
    case .directory(let path, let mode):
      let mode = isWritableFolder(path) ? 0o777 : mode
      try check(withName(path) { host_unpack_directory(root, $0, mode) }, offset)
    case .file(let path, let mode, _):
      file = withName(path) { host_unpack_file(root, $0, mode) }
      try check(file, offset)
    case .data(let bytes): try append(bytes, offset)
    case .fileEnded:
      _ = host_sandbox_close(file)
      file = -1
    case .symlink(let path, let target):
      try check(
        withName(path) { name in withName(target) { host_unpack_symlink(root, name, $0) } }, offset)
    case .hardlink(let path, let target):
      try check(
        withName(path) { name in withName(target) { host_unpack_hardlink(root, name, $0) } }, offset
      )
    }
  }

  /// The archive's mode for these does not matter: the job owns them.
  private func isWritableFolder(_ path: [UInt8]) -> Bool {
    WritableFolders.all.contains { $0.utf8.dropFirst().elementsEqual(path) }
  }

  private func append(_ bytes: [UInt8], _ offset: UInt64) throws(BundleError) {
    var done = 0
    while done < bytes.count {
      let wrote = bytes.withUnsafeBufferPointer {
        host_sandbox_write(file, $0.baseAddress! + done, UInt64($0.count - done))
      }
      if wrote < 0 { try check(Int32(truncatingIfNeeded: wrote), offset) }
      done += Int(max(wrote, 0))
    }
  }

  private func check(_ result: Int32, _ offset: UInt64) throws(BundleError) {
    if result < 0 { throw BundleError.writeFailed(offset: offset, code: -result) }
  }

  private func withName(_ name: [UInt8], _ body: (UnsafePointer<CChar>) -> Int32) -> Int32 {
    (name + [0]).withUnsafeBufferPointer { bytes in
      bytes.withMemoryRebound(to: CChar.self) { body($0.baseAddress!) }
    }
  }
}
