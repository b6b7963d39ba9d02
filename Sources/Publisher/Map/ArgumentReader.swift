import Foundation
import Host

/// Reads a map's arguments, one per line, from a file, a named pipe or standard input. A line is
/// available as soon as it is complete.
final class ArgumentReader {
  /// The longest argument in bytes: one word of a command.
  static let longestLine = 4096

  private let file: Descriptor
  let name: String
  /// Whether the descriptor is standard input, which is not closed.
  private let isBorrowed: Bool
  private var bytes: [UInt8] = []
  /// How many of `bytes` were returned as lines.
  private var used = 0
  private(set) var hasEnded = false
  private var lines: UInt64 = 0

  /// - Parameter path: `-` for standard input.
  init(_ path: String) throws(RunError) {
    isBorrowed = path == "-"
    name = isBorrowed ? "standard input" : path
    if isBorrowed {
      file = Descriptor(owning: 0)
      return
    }
    // Without O_NONBLOCK, opening a pipe without a writer would block.
    let fd = Foundation.open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
    if fd < 0 { throw .host(.failed(errno: errno, operation: "open", subject: path)) }
    file = Descriptor(owning: fd)
  }

  deinit { if isBorrowed { _ = file.release() } }

  /// The descriptor to watch for reading.
  var fd: Int32 { file.fd }

  /// Whether a line is available without reading.
  var hasLine: Bool {
    bytes[used...].contains(0x0a) || (hasEnded && used < bytes.count)
  }

  /// Reads once, when the descriptor is readable.
  func read() throws(RunError) {
    if hasEnded { return }
    let result: Descriptor.Read
    do throws(HostError) { result = try file.read(limit: 65_536) } catch { throw .host(error) }
    switch result {
    case .bytes(let more):
      bytes.removeFirst(used)
      used = 0
      bytes += more
    case .ended: hasEnded = true
    case .wouldBlock: break
    }
    if !hasLine && bytes.count - used > ArgumentReader.longestLine { throw tooLong }
  }

  /// The next line without its terminator; nil if none is available.
  func next() throws(RunError) -> String? {
    if !hasLine { return nil }
    let end = bytes[used...].firstIndex(of: 0x0a) ?? bytes.count
    let line = bytes[used..<end]
    if line.count > ArgumentReader.longestLine { throw tooLong }
    used = min(end + 1, bytes.count)
    lines += 1
    guard let text = String(validating: line, as: UTF8.self), !text.utf8.contains(0) else {
      throw .usage("\(name), line \(lines): not UTF-8 text")
    }
    return text
  }

  private var tooLong: RunError {
    .usage("\(name), line \(lines + 1): longer than \(ArgumentReader.longestLine) bytes")
  }
}
