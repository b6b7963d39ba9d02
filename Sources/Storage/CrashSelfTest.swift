import CHost

/// A ledger's files as a crash leaves them: copied while the ledger is open, with the log complete,
/// truncated and damaged. SQLite must recover exactly the commits up to the last complete one.
struct CrashSelfTest {
  private var folder = ""

  func holds() -> Bool {
    // The first folder that is writable on this host.
    for folder in ["/tmp", "/dev/shm", "/run", "."] {
      let path = folder + "/zennet-self-test-\(host_pid())"
      if host_mkdir(path, 0o700) != 0 { continue }
      var test = self
      test.folder = path + "/"
      let isGood = (try? test.run()) ?? false
      _ = host_remove_tree(path)
      return isGood
    }
    return false
  }

  private func run() throws(StorageError) -> Bool {
    let ledger = try Ledger(path: folder + "a")
    let values = ledger.values(space: 1)
    try values.put("first", [1])
    guard let early = bytes("a-wal"), let base = bytes("a") else { return false }
    try values.put("second", [2])
    guard let late = bytes("a-wal"), late.count > early.count else { return false }
    var damaged = late
    damaged[early.count + 100] ^= 1
    let whole = try found(base, late)
    let cut = try found(base, Array(late.dropLast(100)))
    let flipped = try found(base, damaged)
    return whole == [1, 2] && cut == [1] && flipped == [1]
  }

  /// The values in a ledger that is opened from these files.
  private func found(_ base: [UInt8], _ log: [UInt8]) throws(StorageError) -> [UInt8] {
    if !write("b", base) || !write("b-wal", log) { return [] }
    let values = try Ledger(path: folder + "b").values(space: 1)
    let first = try values.get("first") ?? []
    let second = try values.get("second") ?? []
    return first + second
  }

  private func bytes(_ name: String) -> [UInt8]? {
    let fd = host_open(folder + name, Int32(HOST_OPEN_READ), 0)
    if fd < 0 { return nil }
    defer { _ = host_close(fd) }
    var bytes = [UInt8](repeating: 0, count: 1 << 18)
    var count = 0
    while count < bytes.count {
      let got = bytes.withUnsafeMutableBufferPointer {
        host_read(fd, $0.baseAddress! + count, UInt64($0.count - count))
      }
      if got < 0 { return nil }
      if got == 0 { break }
      count += Int(got)
    }
    return Array(bytes[..<count])
  }

  private func write(_ name: String, _ bytes: [UInt8]) -> Bool {
    let fd = host_open(folder + name, Int32(HOST_OPEN_REPLACE), 0o600)
    if fd < 0 { return false }
    defer { _ = host_close(fd) }
    return host_write(fd, bytes, UInt64(bytes.count)) == Int64(bytes.count)
  }
}
