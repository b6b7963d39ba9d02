import Host

/// Prints tasks' output on this program's standard streams. For one worker, bytes are passed
/// unchanged; for several, lines are prefixed with the worker's name.
public struct OutputPrinter {
  private struct Line {
    var worker: UInt16
    var isError: Bool
    var bytes: [UInt8] = []
    var text = TerminalText()
  }

  /// The longest line of several workers; longer ones are split.
  private static let longest = 65_536

  private let namesWorkers: Bool
  private var lines: [Line] = []
  /// On a terminal, control sequences are removed from tasks' output.
  private let isTerminal: [Bool]
  private let write: (Int32, [UInt8]) -> HostError?
  /// The first write error on standard output. A closed pipe does not count, because it does not
  /// change how the run ends.
  public private(set) var problem: HostError?

  public init(namesWorkers: Bool) {
    self.init(namesWorkers: namesWorkers) { HostProcess.write($0, $1) }
  }

  /// - Parameter write: writes bytes to descriptor 1 or 2 and returns an error on failure.
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

  /// Prints incomplete lines.
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
