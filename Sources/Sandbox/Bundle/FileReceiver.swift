import CHost

/// Unpacks an uncompressed tar beside a running job, as one of its programs: it can write where the job
/// can. Below an existing directory the archive's names stay; else its one top entry gets the path's name.
struct FileReceiver {
  private let root: Int32
  /// Instead of the first component of every name.
  private let name: [UInt8]?
  private var file: Int32 = -1

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
    var receiver = FileReceiver(root: root, name: name)
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

  private mutating func receive(_ input: Int32) throws(BundleError) {
    var buffer = [UInt8](repeating: 0, count: 65_536)
    var reader = BundleReader(limits: FileReceiver.limits)
    var receiver = self
    while true {
      let got = buffer.withUnsafeMutableBufferPointer {
        host_sandbox_read(input, $0.baseAddress, UInt64($0.count))
      }
      if got <= 0 { break }
      try reader.feed(buffer[0..<Int(got)]) { (item, offset) throws(BundleError) in
        try receiver.write(item, offset: offset)
      }
    }
    try reader.finish()
  }

  private func place(_ path: [UInt8]) -> [UInt8] {
    guard let name else { return path + [0] }
    let rest = path.firstIndex(of: 0x2f).map { path[$0...] } ?? []
    return name + rest + [0]
  }

  private mutating func write(_ item: BundleItem, offset: UInt64) throws(BundleError) {
    switch item {
    case .directory(let path, let mode):
      try check(with(place(path)) { host_unpack_directory(root, $0, mode) }, offset)
    case .file(let path, let mode, _):
      file = with(place(path)) { host_unpack_file(root, $0, mode) }
      try check(file, offset)
    case .data(let bytes):
      var done = 0
      while done < bytes.count {
        let wrote = bytes.withUnsafeBufferPointer {
          host_sandbox_write(file, $0.baseAddress! + done, UInt64($0.count - done))
        }
        if wrote < 0 { try check(Int32(truncatingIfNeeded: wrote), offset) }
        done += Int(max(wrote, 0))
      }
    case .fileEnded:
      _ = host_sandbox_close(file)
      file = -1
    case .symlink(let path, let target):
      let code = with(place(path)) { name in
        with(target + [0]) { host_unpack_symlink(root, name, $0) }
      }
      try check(code, offset)
    case .hardlink(let path, let target):
      let code = with(place(path)) { name in
        with(place(target)) { host_unpack_hardlink(root, name, $0) }
      }
      try check(code, offset)
    }
  }

  private func check(_ result: Int32, _ offset: UInt64) throws(BundleError) {
    if result < 0 { throw BundleError.writeFailed(offset: offset, code: -result) }
  }

  private func with(_ name: [UInt8], _ body: (UnsafePointer<CChar>) -> Int32) -> Int32 {
    name.withUnsafeBufferPointer { bytes in
      bytes.withMemoryRebound(to: CChar.self) { body($0.baseAddress!) }
    }
  }
}
