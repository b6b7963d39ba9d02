import Foundation
import Hiring
import Market
import Testing

@testable import Publisher

/// What scripts learn of a run.
struct ExitStatusTests {
  private static let kinds: [ExitKind] = [
    .exited, .signalled, .outOfMemory, .timeLimit, .unpaid, .stoppedByPublisher, .stoppedByOwner,
    .neverRan, .lost,
  ]

  @Test func everyMeaningHasAStatusThatNothingElseHas() {
    let codes = ExitStatus.meanings.map(\.status.code)
    #expect(Set(codes).count == codes.count)
    #expect(codes == codes.sorted() && codes.allSatisfy { $0 >= 124 })
    // Signals are 1 to 64.
    #expect(codes.allSatisfy { !(129...192).contains($0) })
    #expect(
      ExitStatus.table.split(separator: "\n").count == codes.count
        && ExitStatus.table.hasPrefix("  124  the time limit"))
    var ends = Self.kinds.dropFirst(2).map { ExitStatus($0, 0).code }
    ends += [ExitStatus(.exited, 0).code, ExitStatus(.exited, 7).code]
    ends += [ExitStatus(.signalled, 9).code, ExitStatus(.neverRan, 2).code]
    #expect(Set(ends).count == ends.count)
  }

  @Test func aProgramsOwnStatusAndSignalArePassedOn() {
    for status in Int32(0)...255 { #expect(ExitStatus(.exited, status).code == UInt8(status)) }
    for signal in Int32(1)...64 {
      #expect(ExitStatus(.signalled, signal).code == 128 + UInt8(signal))
    }
    #expect(ExitStatus(.neverRan, 2) == .notFound)
    #expect(ExitStatus(.neverRan, 8) == .notStarted && ExitStatus(.neverRan, 0) == .notStarted)
  }

  /// Of 256 the last byte is 0.
  @Test func noMachineCanSayAStatusThatLooksLikeSuccess() {
    for kind in Self.kinds {
      for status in [256, 65_536, -256, .min, .max, 512, -1, 128] as [Int32] {
        #expect(ExitStatus(kind, status) != .success)
      }
      if kind != .exited { #expect(ExitStatus(kind, 0) != .success) }
    }
  }

  @Test func aTaskWithoutALineHasAStatusToo() {
    #expect(ExitStatus(.lost, wantsResults: true) == .lost)
    #expect(ExitStatus(.notHired, wantsResults: false).code == 208)
    #expect(ExitStatus(.stopped, wantsResults: false) == .stoppedByPublisher)
    let good = TaskLine(number: 1, kind: .exited, status: 0)
    #expect(ExitStatus(.line(good, hasResults: false), wantsResults: false) == .success)
    #expect(ExitStatus(.line(good, hasResults: true), wantsResults: true) == .success)
    #expect(ExitStatus(.line(good, hasResults: false), wantsResults: true) == .noResults)
    let bad = TaskLine(number: 1, kind: .exited, status: 3)
    #expect(ExitStatus(.line(bad, hasResults: false), wantsResults: true).code == 3)
  }

  @Test func theFirstTaskThatFailedCounts() {
    var tally = TaskTally()
    #expect(RunEnd(tally, isFinished: true, noun: "task").status == .success)
    for (task, status) in [(4, ExitStatus.lost), (2, .timeLimit), (9, .success), (3, .lost)] {
      tally.add(UInt32(task), status)
    }
    #expect(tally.ended == 4 && tally.failed == 3)
    let end = RunEnd(tally, isFinished: true, noun: "task")
    #expect(end.status == .timeLimit)
    #expect(end.text == "exit status 124: task 2: the time limit ended it")
    #expect(RunEnd(end, problem: "no receipt").status == .timeLimit)
    let done = RunEnd(TaskTally(), isFinished: true, noun: "worker")
    #expect(done.text == "done" && RunEnd(done, problem: "no receipt: why").status == .failure)
    var own = TaskTally()
    own.add(1, ExitStatus(.exited, 3))
    #expect(RunEnd(own, isFinished: true, noun: "worker").text == "exit status 3: worker 1")
  }

  @Test func aRunThatIsLeftOrStoppedOrHiresNobodySaysSo() {
    var tally = TaskTally()
    #expect(RunEnd(tally, isFinished: false, noun: "task").status == .left)
    let stopped = RunEnd(tally, isFinished: true, isStopped: true, noun: "task")
    #expect(stopped.status == .stoppedByPublisher)
    let failed = RunEnd(tally, isFinished: true, hireFailed: true, noun: "task")
    #expect(failed.status == .hireFailed)
    #expect(RunEnd(tally, open: 1, isFinished: true, noun: "task").status == .lost)
    tally.add(0, .success)
    // What was done was done.
    #expect(RunEnd(tally, isFinished: true, isStopped: true, noun: "task").status == .success)
    #expect(
      RunEnd(tally, open: 1, isFinished: true, isStopped: true, noun: "task").status
        == .stoppedByPublisher)
  }
}
