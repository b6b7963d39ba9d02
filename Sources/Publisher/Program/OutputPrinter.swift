import Host

/// What jobs print, on this program's own standard streams: line by line, with the worker's name
/// when there are several.
public struct OutputPrinter {
  private struct Line {
    var worker: UInt16
    var isError: Bool
    var bytes: [UInt8] = []
  }

  /// Longer lines are cut.
  private static let longest = 65_536

  private let namesWorkers: Bool
  private var lines: [Line] = []
  /// Bytes of a job must not reach a terminal as commands.
  private let isTerminal: [Bool]

  public init(namesWorkers: Bool) {
    self.namesWorkers = namesWorkers
    isTerminal = [Terminal.isTerminal(1), Terminal.isTerminal(2)]
  }

  public mutating func print(worker: UInt16, isError: Bool, _ bytes: [UInt8]) {
    let place = lines.firstIndex { $0.worker == worker && $0.isError == isError }
    if place == nil { lines.append(Line(worker: worker, isError: isError)) }
    let index = place ?? lines.count - 1
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
    let line = lines[index]
    lines[index].bytes.removeAll(keepingCapacity: true)
    var output = namesWorkers ? Array("worker \(line.worker)| ".utf8) : []
    var text = TerminalText()
    output += isTerminal[line.isError ? 1 : 0] ? text.clean(line.bytes) : line.bytes
    HostProcess.write(line.isError ? 2 : 1, output)
  }
}
