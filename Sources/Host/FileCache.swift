import Bytes
import CHost

/// Files that may be wanted again, under a quota: when there is no room the one that was not used for
/// the longest time goes. It survives restarts, and promises nothing about what is in a file: whoever
/// reads it checks that.
public final class FileCache {
  private struct Entry {
    var name: String
    var sizeBytes: UInt64
  }

  public let path: String
  public let quotaBytes: UInt64
  /// The one that was not used for the longest time first.
  private var entries: [Entry] = []

  /// Takes up what is in the folder, which is made when missing. With a quota of 0 whatever is there
  /// is removed, and nothing is kept.
  public init(path: String, quotaBytes: UInt64) throws(HostError) {
    self.path = path
    self.quotaBytes = quotaBytes
    if quotaBytes == 0 && !Files.exists(path) { return }
    try Files.makeFolder(path)
    var found: [(usedUnixSeconds: UInt64, entry: Entry)] = []
    for name in try Files.list(path) {
      guard FileCache.isName(name), let status = try Files.status(path + "/" + name),
        status.kind == .file
      else {
        // A crash left it unfinished.
        try Files.removeTree(path + "/" + name)
        continue
      }
      found.append(
        (status.modifiedUnixSeconds, Entry(name: name, sizeBytes: status.sizeBytes)))
    }
    let order = Order.of(found.count) { found[$0].usedUnixSeconds < found[$1].usedUnixSeconds }
    for index in order { entries.append(found[index].entry) }
    try makeRoom(0)
  }

  public var sizeBytes: UInt64 {
    var total: UInt64 = 0
    for entry in entries { total += entry.sizeBytes }
    return total
  }

  /// The names, the one that was not used for the longest time first.
  public var names: [String] { entries.map { $0.name } }

  /// Letters, digits.
  private static func isName(_ name: String) -> Bool {
    let bytes = name.utf8
    return !bytes.isEmpty && bytes.count <= 128
      && bytes.allSatisfy { ($0 >= 0x30 && $0 <= 0x39) || ($0 >= 0x61 && $0 <= 0x7a) }
  }

  /// How large the file is; nil when there is none.
  public func size(_ name: String) -> UInt64? {
    guard let index = place(name) else { return nil }
    return entries[index].sizeBytes
  }

  /// Hands the file over, piece by piece, and counts it as used now. False when there is none.
  public func read(
    _ name: String, _ use: ([UInt8]) throws(HostError) -> Void
  ) throws(HostError) -> Bool {
    guard let index = place(name) else { return false }
    let file = try Files.open(path + "/" + name, HOST_OPEN_READ)
    loop: while true {
      switch try file.read(limit: 65_536) {
      case .bytes(let bytes): try use(bytes)
      case .ended, .wouldBlock: break loop
      }
    }
    let entry = entries.remove(at: index)
    entries.append(entry)
    if let name = (path + "/" + name).terminated { _ = host_touch(name) }
    return true
  }

  /// Keeps a file of `sizeBytes`, whose pieces `next` gives until it gives none. False when it is larger
  /// than all there is room for.
  public func store(
    _ name: String, sizeBytes: UInt64, next: (UInt64) throws(HostError) -> [UInt8]
  ) throws(HostError) -> Bool {
    if sizeBytes > quotaBytes || !FileCache.isName(name) { return false }
    try remove(name)
    try makeRoom(sizeBytes)
    let temporary = path + "/" + name + ".new"
    do {
      let file = try Files.open(temporary, HOST_OPEN_NEW, mode: 0o600)
      var offset: UInt64 = 0
      while true {
        let bytes = try next(offset)
        if bytes.isEmpty { break }
        try file.writeAll(bytes)
        offset += UInt64(bytes.count)
      }
      try Files.rename(temporary, to: path + "/" + name)
    } catch {
      try Files.remove(temporary)
      throw error
    }
    entries.append(Entry(name: name, sizeBytes: sizeBytes))
    return true
  }

  public func remove(_ name: String) throws(HostError) {
    guard let index = place(name) else { return }
    entries.remove(at: index)
    try Files.remove(path + "/" + name)
  }

  private func makeRoom(_ bytes: UInt64) throws(HostError) {
    while let oldest = entries.first, sizeBytes + bytes > quotaBytes { try remove(oldest.name) }
  }

  private func place(_ name: String) -> Int? {
    let wanted = Array(name.utf8)
    for index in entries.indices where entries[index].name.utf8.elementsEqual(wanted) {
      return index
    }
    return nil
  }
}
