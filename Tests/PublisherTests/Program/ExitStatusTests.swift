import Foundation
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

  @Test func theFirstWorkerThatFailedCounts() {
    #expect(ExitStatus.first(of: [.success, .success]) == nil)
    let first = ExitStatus.first(of: [.success, .timeLimit, .lost])
    #expect(first?.worker == 1 && first?.status == .timeLimit)
  }

  @Test func resultsThatAreMissingOrUnwrittenFailOnlyWhatSucceeded() throws {
    var behaviour = FakeMachine.Behaviour()
    let good = try RunTests.world([behaviour, behaviour])
    #expect(good.run { good.publisher.machine.isFinished })
    #expect(RunEnd(good.publisher.machine) == RunEnd(good.publisher.machine, unwritten: [7]))
    let end = RunEnd(good.publisher.machine, unwritten: [1])
    #expect(end.status == .notWritten && end.text.contains("206: worker 1"))
    #expect(RunEnd(end, problem: "no receipt").status == .notWritten)
    let done = RunEnd(good.publisher.machine)
    #expect(RunEnd(done, problem: "no receipt: why").status == .failure)
    behaviour.exitStatus = 3
    let bad = try RunTests.world([FakeMachine.Behaviour(), behaviour])
    #expect(bad.run { bad.publisher.machine.isFinished })
    let failed = bad.publisher.machine.exitStatuses.firstIndex { $0 != .success } ?? 9
    let told = RunEnd(bad.publisher.machine, unwritten: [UInt16(failed)])
    #expect(told.status.code == 3 && told.text == "exit status 3: worker \(failed)")
  }

  @Test func aRunThatIsLeftOrStoppedSaysSo() throws {
    let world = try RunTests.world([FakeMachine.Behaviour()], coinsSat: 0)
    #expect(!world.run(forMs: 10_000) { world.publisher.machine.isFinished })
    #expect(RunEnd(world.publisher.machine).status == .left)
    world.publisher.machine.stopRequested(world.publisher.now)
    #expect(world.publisher.machine.isFinished)
    #expect(RunEnd(world.publisher.machine).status == .stoppedByPublisher)
  }
}
