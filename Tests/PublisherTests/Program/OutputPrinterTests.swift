import Foundation
import Host
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
    ) { descriptor, bytes in
      sink.output[Int(descriptor) - 1] += bytes
      return nil
    }
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

  @Test func whatCannotBePrintedIsTold() {
    func failure(_ errno: Int32) -> HostError {
      .failed(errno: errno, operation: "write", subject: "standard output")
    }
    var answers: [HostError?] = []
    var printer = OutputPrinter(namesWorkers: false, isTerminal: [false, false]) { _, _ in
      answers.removeFirst()
    }
    // Nobody reading is no trouble, nor is standard error.
    answers = [nil, failure(EPIPE), failure(ENOSPC)]
    printer.print(worker: 0, isError: false, [0x41])
    printer.print(worker: 0, isError: false, [0x41])
    printer.print(worker: 0, isError: true, [0x41])
    #expect(answers.isEmpty && printer.problem == nil)
    answers = [failure(ENOSPC), nil, failure(EIO)]
    for _ in 0..<3 { printer.print(worker: 0, isError: false, [0x41]) }
    #expect(printer.problem == failure(ENOSPC))
  }

  @Test func nothingCommandsATerminalHoweverItIsCut() {
    var (printer, sink) = printer(isTerminal: true)
    for byte: [UInt8] in [[0x41, 0xc2], [0x9b, 0x1b], [0x42, 0x0a]] {
      printer.print(worker: 0, isError: false, byte)
    }
    #expect(sink.output[0] == Array("A??B\n".utf8))
  }
}
