import Market
import Sandbox

/// Finds the task's program in a bundle, as a provider would, and reports the processors that it
/// supports. On another processor the program could not start, and the provider would still be
/// paid.
public struct ProgramFinder {
  private enum Entry {
    /// A file's first bytes.
    case file([UInt8], isExecutable: Bool)
    case link([UInt8])
  }

  /// The kernel reads this many bytes for `#!`, see execve(2).
  private static let headBytes = 256
  private static let mostLinks = 40
  private static let mostInterpreters = 5

  private var entries: [[UInt8]: Entry] = [:]
  private var open: (path: [UInt8], head: [UInt8], isExecutable: Bool)?

  public init() {}

  /// Adds the next item of the bundle, without its files' bytes.
  mutating func take(_ item: BundleItem) {
    switch item {
    case .file(let path, let mode, _): open = (path, [], mode & 0o111 != 0)
    case .fileEnded:
      if let open { entries[open.path] = .file(open.head, isExecutable: open.isExecutable) }
      open = nil
    case .symlink(let path, let target): entries[path] = .link(target)
    case .hardlink(let path, let target): entries[path] = entries[target]
    case .directory, .data, .leftOut: break
    }
  }

  /// Adds the next bytes of the current file.
  mutating func take(data: ArraySlice<UInt8>) {
    let missing = ProgramFinder.headBytes - (open?.head.count ?? ProgramFinder.headBytes)
    if missing > 0 { open?.head += data.prefix(missing) }
  }

  /// The processors of a program; nil if it is not found or its format does not name them.
  ///
  /// - Parameters:
  ///   - name: the first of the task's arguments.
  ///   - environment: `NAME=value`.
  func processors(of name: String, environment: [String], workdir: String) -> ProcessorSet? {
    let path =
      environment.last { $0.hasPrefix("PATH=") }.map { String($0.dropFirst(5)) }
      ?? JobSpec.ordinaryPath
    let places =
      name.contains("/")
      ? [name] : path.split(separator: ":").map { $0 + "/" + name }
    for place in places {
      if let head = program(Array(place.utf8), workdir) { return kind(head, workdir, depth: 0) }
    }
    return nil
  }

  private func program(_ path: [UInt8], _ workdir: String) -> [UInt8]? {
    let isAbsolute = path.first == 0x2f
    let whole = isAbsolute ? path : Array(workdir.utf8) + [0x2f] + path
    guard let resolved = resolve(whole), case .file(let head, true) = entries[resolved] else {
      return nil
    }
    return head
  }

  /// Resolves links, `.` and `..`; nil for a loop of links.
  private func resolve(_ path: [UInt8]) -> [UInt8]? {
    var rest = Array(path.split(separator: 0x2f).map(Array.init).reversed())
    var done: [[UInt8]] = []
    var links = 0
    while let part = rest.popLast() {
      if part == [0x2e] { continue }
      if part == [0x2e, 0x2e] {
        _ = done.popLast()
        continue
      }
      let here = Array((done + [part]).joined(separator: [0x2f]))
      guard case .link(let target) = entries[here] else {
        done.append(part)
        continue
      }
      links += 1
      if links > ProgramFinder.mostLinks { return nil }
      if target.first == 0x2f { done = [] }
      rest += target.split(separator: 0x2f).map(Array.init).reversed()
    }
    return Array(done.joined(separator: [0x2f]))
  }

  private func kind(_ head: [UInt8], _ workdir: String, depth: Int) -> ProcessorSet? {
    guard head.starts(with: [0x23, 0x21]) else { return ProgramFinder.elf(head) }
    let line = head.dropFirst(2).prefix { $0 != 0x0a }
    let words = line.split { $0 == 0x20 || $0 == 0x09 }
    guard depth < ProgramFinder.mostInterpreters, let first = words.first,
      let interpreter = program(Array(first), workdir)
    else { return nil }
    return kind(interpreter, workdir, depth: depth + 1)
  }

  /// See elf(5). Empty for an unsupported processor.
  private static func elf(_ head: [UInt8]) -> ProcessorSet? {
    guard head.count >= 20, head.starts(with: [0x7f, 0x45, 0x4c, 0x46]) else { return nil }
    let isWide = head[4] == 2
    if head[5] != 1 { return [] }
    switch (UInt16(head[18]) | UInt16(head[19]) << 8, isWide) {
    case (3, false): return .i686
    case (62, true): return .x86_64
    // The ARM version is stored elsewhere, and not by every toolchain.
    case (40, false): return [.armv6, .armv7]
    case (183, true): return .aarch64
    case (243, true): return .riscv64
    default: return []
    }
  }
}
