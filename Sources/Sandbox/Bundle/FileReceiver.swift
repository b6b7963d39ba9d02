import CHost

/// Unpacks an uncompressed tar beside a running job, as one of its programs: it can write where the job
/// can. Below an existing directory the archive's names stay; else its one top entry gets the path's name.
struct FileReceiver {
  private let root: Int32
  /// Instead of the first component of every name.
  private let name: [UInt8]?

  /// No bound of its own: the sandbox has them all.
  private static let limits = BundleLimits(entries: 1 << 24, bytes: 1 << 50)

  static func run(path: String, input: Int32) throws(BundleError) {
    var status = host_file_status()
    var root = path.withCString { host_sandbox_open_path($0, &status) }
    var name: [UInt8]?
    if root >= 0 && status.mode & 0o170000 != 0o040000 {
      _ = host_sandbox_close(root)
      root = -2
    }
    if root < 0 {
      let last = BundlePath.lastName(Array(path.utf8))
      if last.isEmpty { throw BundleError.writeFailed(offset: 0, code: -root) }
      name = last
      root = parent(of: path).withCString { host_sandbox_open_path($0, &status) }
    }
    if root < 0 { throw BundleError.writeFailed(offset: 0, code: -root) }
    let receiver = FileReceiver(root: root, name: name)
    try receiver.receive(input)
  }

  private init(root: Int32, name: [UInt8]?) {
    self.root = root
    self.name = name
  }

  private static func parent(of path: String) -> String {
    var bytes = Array(path.utf8)
    while bytes.last == 0x2f { bytes.removeLast() }
    while let last = bytes.last, last != 0x2f { bytes.removeLast() }
    return bytes.isEmpty ? "." : String(decoding: bytes, as: UTF8.self)
  }

  private func receive(_ input: Int32) throws(BundleError) {
    var buffer = [UInt8](repeating: 0, count: 65_536)
    var reader = BundleReader(limits: FileReceiver.limits)
    var writer = BundleItemWriter(root: root)
    defer { writer.close() }
    while true {
      let got = buffer.withUnsafeMutableBufferPointer {
        host_sandbox_read(input, $0.baseAddress, UInt64($0.count))
      }
      if got <= 0 { break }
      try reader.feed(buffer[0..<Int(got)]) { (item, offset) throws(BundleError) in
        try writer.write(placed(item), offset: offset)
      } useData: { (bytes, offset) throws(BundleError) in
        try writer.append(bytes, offset)
      }
    }
    try reader.finish()
  }

  /// The item where it is wanted.
  private func placed(_ item: BundleItem) -> BundleItem {
    switch item {
    case .directory(let path, let mode): return .directory(path: place(path), mode: mode)
    case .file(let path, let mode, let size):
      return .file(path: place(path), mode: mode, size: size)
    case .data, .fileEnded, .leftOut: return item
    case .symlink(let path, let target): return .symlink(path: place(path), target: target)
    case .hardlink(let path, let target):
      return .hardlink(path: place(path), target: place(target))
    }
  }

  private func place(_ path: [UInt8]) -> [UInt8] {
    guard let name else { return path }
    return name + (path.firstIndex(of: 0x2f).map { path[$0...] } ?? [])
  }
}
