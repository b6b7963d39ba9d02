import Host

/// What jobs print, on this program's own standard streams. Of one worker: byte by byte as it comes, so
/// that it can be anything. Of several: line by line, with the worker's name.
public struct OutputPrinter {
  private struct Line {
    var worker: UInt16
    var isError: Bool
    var bytes: [UInt8] = []
    var text = TerminalText()
  }

  /// Longer lines of several workers are cut.
  private static let longest = 65_536

  private let namesWorkers: Bool
  private var lines: [Line] = []
  /// Bytes of a job must not reach a terminal as commands.
  private let isTerminal: [Bool]
  private let write: (Int32, [UInt8]) -> HostError?
  /// Why something could not be printed on standard output, the first time. That nobody reads is no reason
  /// for a run to end otherwise than it does, so it does not count.
  public private(set) var problem: HostError?

  public init(namesWorkers: Bool) {
    self.init(namesWorkers: namesWorkers) { HostProcess.write($0, $1) }
  }

  /// - Parameter write: what takes bytes for descriptor 1 or 2, and tells why it could not.
  public init(namesWorkers: Bool, write: @escaping (Int32, [UInt8]) -> HostError?) {
    self.init(
      namesWorkers: namesWorkers, isTerminal: [Terminal.isTerminal(1), Terminal.isTerminal(2)],
      write: write)
  }

  init(
    namesWorkers: Bool, isTerminal: [Bool], write: @escaping (Int32, [UInt8]) -> HostError?
  ) {
    self.namesWorkers = namesWorkers
    self.isTerminal = isTerminal
    self.write = write
  }

  public mutating func print(worker: UInt16, isError: Bool, _ bytes: [UInt8]) {
    let place = lines.firstIndex { $0.worker == worker && $0.isError == isError }
    if place == nil { lines.append(Line(worker: worker, isError: isError)) }
    let index = place ?? lines.count - 1
    if !namesWorkers { return show(index, bytes) }
    for byte in bytes {
      lines[index].bytes.append(byte)
      if byte == 0x0a || lines[index].bytes.count >= OutputPrinter.longest { flush(index) }
    }
  }

  /// What has no end of line yet.
  public mutating func finish() {
    for index in lines.indices where !lines[index].bytes.isEmpty {
      lines[index].bytes.append(0x0a)
      flush(index)
    }
  }

  private mutating func flush(_ index: Int) {
    let name = Array("worker \(lines[index].worker)| ".utf8)
    let bytes = lines[index].bytes
    lines[index].bytes.removeAll(keepingCapacity: true)
    show(index, name + bytes)
  }

  private mutating func show(_ index: Int, _ bytes: [UInt8]) {
    let isError = lines[index].isError
    let cleans = isTerminal[isError ? 1 : 0]
    let failure = write(isError ? 2 : 1, cleans ? lines[index].text.clean(bytes) : bytes)
    if let failure, !isError, !failure.isUnread, problem == nil { problem = failure }
  }
}
