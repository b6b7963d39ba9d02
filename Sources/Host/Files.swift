import Bytes
import CHost

/// Files and folders by path.
public enum Files {
  public enum Kind: Equatable, Sendable {
    case file, folder, link, other
  }

  public struct Status: Equatable, Sendable {
    public let kind: Kind
    public let sizeBytes: UInt64
    /// Permission bits, for example 0o600.
    public let mode: UInt32
    public let modifiedUnixSeconds: UInt64
  }

  static func terminated(_ path: String) throws(HostError) -> [CChar] {
    guard let name = path.terminated, name.count > 1 else { throw .notAFile(path: path) }
    return name
  }

  /// The status of `path`, without following links; nil if it does not exist.
  public static func status(_ path: String) throws(HostError) -> Status? {
    var size: UInt64 = 0
    var kind: Int32 = 0
    var mode: UInt32 = 0
    var modified: UInt64 = 0
    let result = host_stat(try terminated(path), &size, &kind, &mode, &modified)
    if result == -Int32(HOST_ENOENT) { return nil }
    try HostError.check(result, "stat", path)
    let kinds: [Kind] = [.file, .folder, .link, .other]
    return Status(
      kind: kinds[Int(kind)], sizeBytes: size, mode: mode, modifiedUnixSeconds: modified)
  }

  /// Also false if the path cannot be accessed.
  public static func exists(_ path: String) -> Bool {
    (try? status(path)) != nil
  }

  /// The content of a regular file of at most `limit` bytes.
  public static func read(_ path: String, limit: Int) throws(HostError) -> [UInt8] {
    let file = try open(path, HOST_OPEN_READ)
    var size: UInt64 = 0
    var kind: Int32 = 0
    try HostError.check(host_stat_fd(file.fd, &size, &kind), "stat", path)
    if kind == Int32(HOST_KIND_FOLDER) { throw .notAFile(path: path) }
    if size > UInt64(limit) { throw .tooLarge(path: path, limit: limit) }
    // Files in /proc report size 0, so the size is only a hint.
    var bytes: [UInt8] = []
    bytes.reserveCapacity(Int(size))
    while true {
      switch try file.read(limit: min(65536, limit - bytes.count + 1)) {
      case .bytes(let more):
        bytes.append(contentsOf: more)
        if bytes.count > limit { throw .tooLarge(path: path, limit: limit) }
      case .ended: return bytes
      case .wouldBlock: throw .notAFile(path: path)
      }
    }
  }

  /// Replaces the file at `path` atomically: after a crash at any moment either the old or the new
  /// file is there, complete. `mode` applies from its creation on.
  public static func writeAtomically(
    _ path: String, _ bytes: [UInt8], mode: UInt32 = 0o600
  ) throws(HostError) {
    let temporary = path + ".new"
    _ = host_unlink(try terminated(temporary))
    let file = try open(temporary, HOST_OPEN_NEW, mode: mode)
    do {
      try file.writeAll(bytes)
      try HostError.check(host_sync(file.fd), "fsync", temporary)
      try HostError.check(
        host_rename(try terminated(temporary), try terminated(path)), "rename", path)
    } catch {
      if let name = temporary.terminated { _ = host_unlink(name) }
      throw error
    }
    let folder = parent(of: path)
    try HostError.check(host_sync_folder(try terminated(folder)), "fsync", folder)
  }

  /// Appends `bytes` to a file; creates it if missing.
  public static func append(
    _ path: String, _ bytes: [UInt8], mode: UInt32 = 0o600
  ) throws(HostError) {
    try open(path, HOST_OPEN_APPEND, mode: mode).writeAll(bytes)
  }

  static func open(
    _ path: String, _ how: Int, mode: UInt32 = 0
  ) throws(HostError) -> Descriptor {
    let fd = host_open(try terminated(path), Int32(how), mode)
    return Descriptor(owning: try HostError.check(fd, "open", path))
  }

  /// Creates a folder and its missing parents, all with `mode`.
  public static func makeFolder(_ path: String, mode: UInt32 = 0o700) throws(HostError) {
    let result = host_mkdir(try terminated(path), mode)
    if result == -Int32(HOST_ENOENT) {
      let above = parent(of: path)
      if above == path { try HostError.check(result, "mkdir", path) }
      try makeFolder(above, mode: mode)
      try HostError.check(host_mkdir(try terminated(path), mode), "mkdir", path)
      return
    }
    if result == -Int32(HOST_EEXIST), isFolder(path) { return }
    try HostError.check(result, "mkdir", path)
  }

  /// True for a folder and for a link to one.
  public static func isFolder(_ path: String) -> Bool {
    guard let name = (path + "/.").terminated else { return false }
    var size: UInt64 = 0
    var kind: Int32 = 0
    var mode: UInt32 = 0
    var modified: UInt64 = 0
    return host_stat(name, &size, &kind, &mode, &modified) == 0
  }

  /// The names in a folder, sorted by their bytes.
  public static func list(_ path: String) throws(HostError) -> [String] {
    var folder: OpaquePointer?
    try HostError.check(host_folder_open(try terminated(path), &folder), "open folder", path)
    guard let folder else { return [] }
    defer { host_folder_close(folder) }
    var names: [[UInt8]] = []
    while true {
      var name: UnsafePointer<CChar>?
      if try HostError.check(host_folder_next(folder, &name), "read folder", path) == 0 { break }
      if let name { names.append(Array(String(cString: name).utf8)) }
    }
    let order = Order.of(names.count) { names[$0].lexicographicallyPrecedes(names[$1]) }
    return order.map { String(decoding: names[$0], as: UTF8.self) }
  }

  public static func remove(_ path: String) throws(HostError) {
    let result = host_unlink(try terminated(path))
    if result != -Int32(HOST_ENOENT) { try HostError.check(result, "unlink", path) }
  }

  /// Removes `path` and everything below it, at any depth, without following links. A missing path
  /// is not an error. File systems mounted below are not entered.
  public static func removeTree(_ path: String) throws(HostError) {
    try HostError.check(host_remove_tree(try terminated(path)), "remove", path)
  }

  public static func rename(_ from: String, to target: String) throws(HostError) {
    try HostError.check(host_rename(try terminated(from), try terminated(target)), "rename", from)
  }

  public static func freeBytes(at path: String) throws(HostError) -> UInt64 {
    var free: UInt64 = 0
    try HostError.check(host_free_space(try terminated(path), &free), "statvfs", path)
    return free
  }

  /// The parent folder of `path`: `/` for `/a`, `.` for `a`.
  public static func parent(of path: String) -> String {
    var bytes = Array(path.utf8)
    while bytes.count > 1 && bytes.last == 0x2f { bytes.removeLast() }
    guard let slash = bytes.lastIndex(of: 0x2f) else { return "." }
    return slash == 0 ? "/" : String(decoding: bytes[0..<slash], as: UTF8.self)
  }
}
