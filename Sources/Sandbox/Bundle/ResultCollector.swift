import CHost

/// What became of a job's `/out`.
public enum CollectedResults: Equatable, Sendable {
  case all
  /// A whole archive, without what none can hold (sockets, pipes) or could not be read.
  case some
  /// Whoever packs it died: the archive has no end.
  case broken

  init(report: UInt32) {
    switch report {
    case 0: self = .all
    case 1: self = .some
    default: self = .broken
    }
  }
}

/// Writes a tar of a folder to a descriptor, in the confined child that collects `/out`. Regular files,
/// directories and links only. Other entries (pipes, say), unreadable ones and those beyond the limit are
/// left out and counted, and the archive has their names. A packed file's memory is freed at once, so that
/// results are in memory once, here or in the agent.
struct ResultCollector {
  private static let depthLimit = 64

  private let output: Int32
  private var budget: ResultBudget
  /// Whether files are freed and removed once they are packed.
  private let givesBack: Bool
  private var buffer: [UInt8] = []
  private var isBroken = false
  private var skipped: UInt32 = 0

  /// Packs what lies at `path` below /out, under that name; all of /out where it is empty. What is not there
  /// is left out. Report: ``CollectedResults`` (second number: how many entries were left out).
  static func run(
    _ path: [UInt8], limitBytes: UInt64, output: Int32, report: UnsafeMutablePointer<UInt64>
  ) {
    var collector = ResultCollector(output: output, limitBytes: limitBytes, givesBack: true)
    let top = "/out".withCString { host_sandbox_open_directory(-1, $0) }
    let isWhole =
      path.isEmpty
      ? top >= 0 && collector.walk(top, prefix: [], depth: 0) : collector.addBelow(top, path)
    if !isWhole { collector.leaveOut(path.isEmpty ? [0x2e] : path) }
    TarWriter.end(&collector.buffer)
    collector.flush()
    report[0] = collector.isBroken ? 2 : collector.skipped > 0 ? 1 : 0
    report[1] = UInt64(collector.skipped)
  }

  /// What is below /out, as ``run(_:output:report:)`` takes it, of a path with or without slashes before it.
  static func path(_ wanted: [UInt8]) throws(SandboxError) -> [UInt8] {
    let below = Array(wanted.drop { $0 == 0x2f })
    if below.isEmpty { return [] }
    do throws(BundleError) { return try BundlePath.clean(below, offset: 0) } catch {
      throw SandboxError.invalidSpec("results: no path below /out")
    }
  }

  private init(output: Int32, limitBytes: UInt64, givesBack: Bool) {
    self.output = output
    self.givesBack = givesBack
    budget = ResultBudget(limitBytes: limitBytes)
  }

  /// Writes a tar of any one path, below its own last name (below nothing for `.` and `/`). Returns a
  /// negative errno where it cannot be opened, or nobody takes it. What is left out is in the archive.
  static func send(_ path: String, output: Int32) -> Int32 {
    var status = host_file_status()
    let file = path.withCString { host_sandbox_open_path($0, &status) }
    if file < 0 { return file }
    var collector = ResultCollector(output: output, limitBytes: .max, givesBack: false)
    let name = BundlePath.lastName(Array(path.utf8))
    var isWhole = true
    switch status.mode & 0o170000 {
    case 0o040000:
      if !name.isEmpty {
        _ = collector.addHeader(name, mode: status.mode, type: UInt8(ascii: "5"))
      }
      isWhole = collector.walk(file, prefix: name.isEmpty ? [] : name + [0x2f], depth: 0)
    case 0o100000:
      isWhole = collector.add(file, path: name, status: status)
      _ = host_sandbox_close(file)
    default:
      _ = host_sandbox_close(file)
      return -22
    }
    if !isWhole { collector.leaveOut(name.isEmpty ? [0x2e] : name) }
    TarWriter.end(&collector.buffer)
    collector.flush()
    return collector.isBroken ? -32 : 0  // EPIPE
  }

  /// As all that add: false for what could not be read, or not wholly. Whoever called leaves it out.
  private mutating func walk(_ directory: Int32, prefix: [UInt8], depth: Int) -> Bool {
    defer { _ = host_sandbox_close(directory) }
    guard depth < ResultCollector.depthLimit, let names = System.list(".", directory: directory)
    else { return false }
    for name in names where !isBroken {
      let path = prefix + name
      let fits = path.count <= BundlePath.longest
      if !fits || !add(directory, name: name + [0], path: path, depth: depth) {
        leaveOut(fits ? path : prefix)
      }
      if buffer.count >= 65_536 { flush() }
    }
    return true
  }

  /// No part of the path is a link that is followed. Closes the folder.
  private mutating func addBelow(_ top: Int32, _ path: [UInt8]) -> Bool {
    var folder = top
    defer { if folder >= 0 { _ = host_sandbox_close(folder) } }
    let parts = Text.split(path[...], on: 0x2f)
    for part in parts.dropLast() where folder >= 0 {
      let next = withName(part + [0]) { host_sandbox_open_directory(folder, $0) }
      _ = host_sandbox_close(folder)
      folder = next
    }
    guard folder >= 0, let last = parts.last else { return false }
    return add(folder, name: last + [0], path: path, depth: 0)
  }

  private mutating func leaveOut(_ path: [UInt8]) {
    skipped &+= 1
    let start = buffer.count
    TarWriter.header(&buffer, path: path, mode: 0, type: UInt8(ascii: "6"))
    if !budget.takesName(header: buffer.count - start) { buffer.removeLast(buffer.count - start) }
  }

  /// Returns false, and writes nothing, if the entry does not fit.
  private mutating func addHeader(
    _ path: [UInt8], link: [UInt8] = [], mode: UInt32, size: UInt64 = 0, type: UInt8
  ) -> Bool {
    let start = buffer.count
    TarWriter.header(&buffer, path: path, link: link, mode: mode, size: size, type: type)
    if budget.takes(header: buffer.count - start, size: size) { return true }
    buffer.removeLast(buffer.count - start)
    return false
  }

  private mutating func add(
    _ directory: Int32, name: [UInt8], path: [UInt8], depth: Int
  ) -> Bool {
    var status = host_file_status()
    if withName(name, { host_sandbox_status(directory, $0, &status) }) != 0 { return false }
    switch status.mode & 0o170000 {
    case 0o040000:
      if !addHeader(path, mode: status.mode, type: UInt8(ascii: "5")) { return false }
      let next = withName(name) { host_sandbox_open_directory(directory, $0) }
      return next >= 0 && walk(next, prefix: path + [0x2f], depth: depth + 1)
    case 0o120000:
      var target = [UInt8](repeating: 0, count: 4096)
      let length = target.withUnsafeMutableBufferPointer { into in
        withName(name) {
          Int32(host_sandbox_readlink(directory, $0, into.baseAddress, UInt64(into.count)))
        }
      }
      if length <= 0 || length >= 4096 { return false }
      return addHeader(
        path, link: Array(target[0..<Int(length)]), mode: 0o777, type: UInt8(ascii: "2"))
    case 0o100000: return addFile(directory, name: name, path: path, status: status)
    default: return false  // sockets, fifos
    }
  }

  private mutating func addFile(
    _ directory: Int32, name: [UInt8], path: [UInt8], status: host_file_status
  ) -> Bool {
    let file = withName(name) {
      givesBack ? host_sandbox_open_own(directory, $0) : host_sandbox_open_read(directory, $0)
    }
    if file < 0 { return false }
    defer { _ = host_sandbox_close(file) }
    let isWhole = add(file, path: path, status: status)
    if isWhole && givesBack { _ = withName(name) { host_sandbox_unlink(directory, $0) } }
    return isWhole
  }

  private mutating func add(_ file: Int32, path: [UInt8], status: host_file_status) -> Bool {
    var isWhole = true
    if !addHeader(path, mode: status.mode, size: status.size, type: UInt8(ascii: "0")) {
      return false
    }
    // A file with other names stays, because they are packed from it.
    let isLast = givesBack && status.links == 1
    var remaining = status.size
    var piece = [UInt8](repeating: 0, count: 65_536)
    while remaining > 0 && !isBroken {
      let want = min(remaining, UInt64(piece.count))
      let got = piece.withUnsafeMutableBufferPointer {
        host_sandbox_read(file, $0.baseAddress, want)
      }
      if got <= 0 {
        // After the job nobody writes any more; beside it, a file can become shorter. The archive must
        // stay well-formed.
        isWhole = false
        buffer.append(contentsOf: repeatElement(0, count: Int(want)))
        remaining -= want
      } else {
        buffer.append(contentsOf: piece[0..<Int(got)])
        remaining -= UInt64(got)
        if isLast {
          host_sandbox_give_back(file, status.size - remaining - UInt64(got), UInt64(got))
        }
      }
      if buffer.count >= 65_536 { flush() }
    }
    TarWriter.pad(&buffer, size: status.size)
    return isWhole
  }

  private mutating func flush() {
    var done = 0
    while done < buffer.count && !isBroken {
      let wrote = buffer.withUnsafeBufferPointer {
        host_sandbox_write(output, $0.baseAddress! + done, UInt64($0.count - done))
      }
      if wrote <= 0 { isBroken = true }
      done += Int(max(wrote, 0))
    }
    buffer.removeAll(keepingCapacity: true)
  }

  private func withName(_ name: [UInt8], _ body: (UnsafePointer<CChar>) -> Int32) -> Int32 {
    name.withUnsafeBufferPointer { bytes in
      bytes.withMemoryRebound(to: CChar.self) { body($0.baseAddress!) }
    }
  }
}
