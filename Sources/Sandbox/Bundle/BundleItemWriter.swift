import CHost

/// Writes a bundle's items below an open folder. CHost's calls lead nowhere outside of it, whatever
/// links the names meet.
struct BundleItemWriter {
  private let root: Int32
  private var file: Int32 = -1
  /// The folder of the last file, which most often is that of the next one, too.
  private var folder: Int32 = -1
  private var folderPath: [UInt8] = []

  init(root: Int32) { self.root = root }

  /// Throws `writeFailed` with what the system said of the item at `offset`.
  mutating func write(_ item: BundleItem, offset: UInt64) throws(BundleError) {
    switch item {
    case .directory(let path, let mode):
      try check(with(path) { host_unpack_directory(root, $0, mode) }, offset)
    case .file(let path, let mode, _):
      file = try open(path, mode, offset)
    case .data(let bytes): try append(bytes[...], offset)
    case .fileEnded:
      _ = host_sandbox_close(file)
      file = -1
    case .symlink(let path, let target):
      try check(with(path) { name in with(target) { host_unpack_symlink(root, name, $0) } }, offset)
    case .hardlink(let path, let target):
      try check(
        with(path) { name in with(target) { host_unpack_hardlink(root, name, $0) } }, offset)
    case .leftOut: break  // Only lenient readers tell of it, and there is nothing to write.
    }
  }

  private mutating func open(
    _ path: [UInt8], _ mode: UInt32, _ offset: UInt64
  ) throws(BundleError) -> Int32 {
    let name = path[(path.lastIndex(of: 0x2f).map { $0 + 1 } ?? 0)...]
    let parent = path.dropLast(name.count)
    if folder < 0 || !parent.elementsEqual(folderPath) {
      close()
      folder = with(path) { host_unpack_parent(root, $0) }
      try check(folder, offset)
      folderPath = Array(parent)
    }
    let made = with(Array(name)) { host_unpack_file(folder, $0, mode) }
    try check(made, offset)
    return made
  }

  /// To be called at the end; more can be written afterwards.
  mutating func close() {
    if folder >= 0 { _ = host_sandbox_close(folder) }
    folder = -1
  }

  /// More of the file that was begun last.
  func append(_ bytes: ArraySlice<UInt8>, _ offset: UInt64) throws(BundleError) {
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

  private func with(_ name: [UInt8], _ body: (UnsafePointer<CChar>) -> Int32) -> Int32 {
    (name + [0]).withUnsafeBufferPointer { bytes in
      bytes.withMemoryRebound(to: CChar.self) { body($0.baseAddress!) }
    }
  }
}
