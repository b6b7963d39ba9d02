import Testing

@testable import Publisher

/// What a job prints comes out as it went in.
struct OutputPrinterTests {
  private final class Sink {
    var output: [[UInt8]] = [[], []]
  }

  private func printer(
    namesWorkers: Bool = false, isTerminal: Bool = false
  ) -> (OutputPrinter, Sink) {
    let sink = Sink()
    let printer = OutputPrinter(
      namesWorkers: namesWorkers, isTerminal: [isTerminal, isTerminal]
    ) { descriptor, bytes in sink.output[Int(descriptor) - 1] += bytes }
    return (printer, sink)
  }

  @Test func oneWorkersBytesAreNotChangedAndDoNotWait() {
    var (printer, sink) = printer()
    let bytes = [UInt8](0...255)
    printer.print(worker: 0, isError: false, bytes)
    // A prompt has no end of line, and is waited for.
    #expect(sink.output[0] == bytes)
    printer.print(worker: 0, isError: true, [0x3f])
    printer.finish()
    #expect(sink.output[0] == bytes && sink.output[1] == [0x3f])
  }

  @Test func severalWorkersLinesAreNotMixed() {
    var (printer, sink) = printer(namesWorkers: true)
    printer.print(worker: 0, isError: false, Array("a".utf8))
    printer.print(worker: 1, isError: false, Array("b\n".utf8))
    printer.print(worker: 0, isError: false, Array("c\nd".utf8))
    printer.finish()
    #expect(
      String(decoding: sink.output[0], as: UTF8.self)
        == "worker 1| b\nworker 0| ac\nworker 0| d\n")
  }

  @Test func nothingCommandsATerminalHoweverItIsCut() {
    var (printer, sink) = printer(isTerminal: true)
    for byte: [UInt8] in [[0x41, 0xc2], [0x9b, 0x1b], [0x42, 0x0a]] {
      printer.print(worker: 0, isError: false, byte)
    }
    #expect(sink.output[0] == Array("A??B\n".utf8))
  }
}
