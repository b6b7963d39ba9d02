import Bytes
import Foundation
import Hiring
import Host
import Market
import Testing

@testable import Publisher

/// What a map shows of its tasks.
struct MapPresenterTests {
  private final class Sink {
    var output: [[UInt8]] = [[], []]
    var failure: HostError?
    var text: [String] { output.map { String(decoding: $0, as: UTF8.self) } }
  }

  private func presenter(
    keepsOrder: Bool = false, printsJson: Bool = false
  ) -> (MapPresenter, Sink) {
    var options = MapOptions(arguments: "-")
    options.keepsOrder = keepsOrder
    options.printsJson = printsJson
    let sink = Sink()
    let presenter = MapPresenter(options, Timeline(most: 0)) { descriptor, bytes in
      sink.output[Int(descriptor) - 1] += bytes
      return sink.failure
    }
    return (presenter, sink)
  }

  private func line(_ status: Int32 = 0) -> TaskOutcome {
    .line(
      TaskLine(number: 1, kind: .exited, status: status, usage: UsageVector(wallMs: 1250)),
      hasResults: false)
  }

  private func run(_ presenter: MapPresenter, _ task: UInt32, _ text: String) {
    presenter.started(task, worker: 0)
    presenter.printed(task, isError: false, offset: 0, Array(text.utf8))
  }

  @Test func aTasksOutputComesWholeWhenItHasEnded() {
    let (presenter, sink) = presenter()
    run(presenter, 0, "a1 ")
    run(presenter, 1, "b1 ")
    presenter.printed(0, isError: true, offset: 0, Array("e ".utf8))
    presenter.printed(0, isError: false, offset: 3, Array("a2\n".utf8))
    #expect(sink.text == ["", ""])
    presenter.ended(1, line(), .success)
    presenter.ended(0, line(), .success)
    #expect(sink.text == ["b1 a1 a2\n", "e "] && presenter.problem == nil)
  }

  @Test func inTheOrderOfTheArgumentsWhereThatIsWanted() {
    let (presenter, sink) = presenter(keepsOrder: true)
    for task in UInt32(0)..<4 { run(presenter, task, "\(task)") }
    presenter.ended(2, line(), .success)
    presenter.ended(1, line(), .success)
    #expect(sink.text[0] == "")
    presenter.ended(0, line(), .success)
    #expect(sink.text[0] == "012")
    // The rest is shown at the end, though one never ended.
    run(presenter, 4, "4")
    presenter.ended(4, line(), .success)
    presenter.finish()
    #expect(sink.text[0] == "0124")
  }

  @Test func whatRunsAgainPrintsAnew() {
    let (presenter, sink) = presenter()
    run(presenter, 0, "lost ")
    presenter.restarted(0)
    run(presenter, 0, "found ")
    presenter.printed(0, isError: false, offset: 0, Array("from the start".utf8))
    presenter.ended(0, line(), .success)
    #expect(sink.text[0] == "from the start")
  }

  private struct Line: Decodable, Equatable {
    var task: Int
    var argument: String?
    var worker: Int?
    var exit: String
    var exitStatus: Int?
    var status: Int
    var seconds: Double?
    var stdoutBytes: Int
  }

  @Test func jsonHasALineForEachTaskInsteadOfItsOutput() throws {
    let (presenter, sink) = presenter(printsJson: true)
    presenter.added(0, argument: "a b")
    presenter.added(1, argument: "c")
    presenter.started(0, worker: 3)
    presenter.printed(0, isError: false, offset: 0, [1, 2, 3])
    presenter.printed(0, isError: true, offset: 0, [1])
    presenter.ended(0, line(7), ExitStatus(.exited, 7))
    presenter.ended(1, .lost, .lost)
    #expect(sink.text[1] == "")
    let lines = try sink.text[0].split(separator: "\n").map { text in
      try #require(ControlJson.decode(Line.self, Array(text.utf8)))
    }
    #expect(
      lines == [
        Line(
          task: 0, argument: "a b", worker: 3, exit: "exited", exitStatus: 7, status: 7,
          seconds: 1.25, stdoutBytes: 3),
        Line(
          task: 1, argument: "c", worker: nil, exit: "lost", exitStatus: nil, status: 204,
          seconds: nil, stdoutBytes: 0),
      ])
  }

  @Test func whatCannotBePrintedIsToldButNotThatNobodyReads() {
    func failure(_ errno: Int32) -> HostError {
      .failed(errno: errno, operation: "write", subject: "standard output")
    }
    let (presenter, sink) = presenter()
    sink.failure = failure(EPIPE)
    run(presenter, 0, "a")
    presenter.ended(0, line(), .success)
    #expect(presenter.problem == nil)
    sink.failure = failure(ENOSPC)
    run(presenter, 1, "b")
    presenter.ended(1, line(), .success)
    #expect(presenter.problem == failure(ENOSPC))
  }

  /// The desk counts each task once, and keeps what it printed.
  @Test func anEndCountsOnce() throws {
    let folder = NSTemporaryDirectory() + "zennet-desk-\(UUID().uuidString)"
    try Files.makeFolder(folder)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let (presenter, sink) = presenter()
    var options = StoredRun.options(map: MapOptions(arguments: "-"))
    options.tasks.maxResultBytes = 10
    let desk = TaskDesk(presenter, options, Timeline(most: 0))
    desk.use(folder)
    desk.started(0, worker: 5)
    desk.printed(0, isError: false, offset: 0, [0x61])
    let first = desk.ended(0, line())
    let second = desk.ended(0, .lost)
    #expect(first && !second && desk.tally.ended == 1)
    #expect(desk.tally.firstFailed?.status == .noResults && sink.text[0] == "a")
    #expect(JobLog.workers(folder) == [5])
    var reader = JobLog.Reader(folder, worker: 5)
    #expect(reader.next()?.task == 0)
    // Results that cannot be written fail what succeeded.
    options.results = folder + "/file"
    try Files.writeAtomically(folder + "/file", [])
    let other = TaskDesk(presenter, options, Timeline(most: 0))
    other.use(folder)
    try other.received(1, offset: 0, [1, 2])
    try other.keep(1)
    let good = TaskLine(number: 1, kind: .exited, status: 0)
    other.ended(1, .line(good, hasResults: true))
    #expect(other.tally.firstFailed?.status == .notWritten)
  }
}
