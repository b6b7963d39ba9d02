import Agent
import Bytes
import Market
import TestSupport
import Testing

@testable import Publisher

/// Input of jobs, and further programs beside them, against real agents' minds.
struct ProgramTests {
  private func running(
    _ change: (inout RunPlan) -> Void = { _ in }
  ) throws -> World {
    var behaviour = FakeMachine.Behaviour()
    behaviour.jobMs = 20_000
    let world = try RunTests.world([behaviour], change: change)
    #expect(world.run { world.publisher.machine.summaries.first?.record.stage == .running })
    return world
  }

  private func start(_ world: World, _ words: [String], terminal: TerminalSize? = nil) -> UInt32 {
    let (id, problem) = world.publisher.machine.startProgram(
      ProgramRequest(id: 0, terminal: terminal, arguments: words.map { Array($0.utf8) }),
      worker: 0, world.publisher.now)
    #expect(problem == nil)
    return id
  }

  private func printed(_ world: World, _ id: UInt32, isError: Bool) -> [UInt8] {
    (world.publisher.programEvents[id] ?? []).reduce(into: []) { all, event in
      if case .output(isError, let bytes) = event { all += bytes }
    }
  }

  private func wait(_ world: World, _ condition: () -> Bool) {
    let holds = world.run(forMs: 10_000, until: condition)
    #expect(holds)
  }

  @Test func aProgramReadsPrintsAndEnds() throws {
    let world = try running()
    let id = start(world, ["echo"])
    wait(world) { world.publisher.programEvents[id]?.contains(.inputRoom) == true }
    // More than all the windows and buffers on the way hold.
    let data = world.random.bytes(400_000)
    var sent = 0
    wait(world) {
      sent += world.publisher.machine.programInput(
        id, Array(data[sent...].prefix(50_000)), world.publisher.now)
      return sent == data.count
    }
    world.publisher.machine.programInputEnded(id, world.publisher.now)
    let end = ProgramEnd(id: id, kind: .exited, status: 3)
    wait(world) { world.publisher.programEvents[id]?.last == .ended(end) }
    #expect(printed(world, id, isError: false) == Array("echo".utf8))
    let isWhole = printed(world, id, isError: true) == data
    #expect(isWhole)
    #expect(world.machines[0].programs.isEmpty)
    #expect(world.publisher.machine.summaries[0].programs == 0)
  }

  @Test func aTerminalIsResizedAndSignalled() throws {
    let world = try running()
    let id = start(world, ["sh"], terminal: TerminalSize(rows: 24, columns: 80))
    wait(world) { printed(world, id, isError: false) == Array("sh".utf8) }
    let size = TerminalSize(rows: 50, columns: 132)
    world.publisher.machine.programResized(id, size, world.publisher.now)
    world.publisher.machine.programSignalled(id, 15, world.publisher.now)
    let end = ProgramEnd(id: id, kind: .signalled, status: 15)
    wait(world) { world.publisher.programEvents[id]?.last == .ended(end) }
    #expect(world.machines[0].actions.contains(.resize(size)))
    #expect(ExitStatus(end.kind, end.status).code == 143)
  }

  @Test func whatIsNotThereAndWhatIsTooMuchIsTold() throws {
    let world = try running()
    let none = start(world, ["none"])
    let end = ProgramEnd(id: none, kind: .neverRan, status: 2)
    wait(world) { world.publisher.programEvents[none] == [.ended(end)] }
    #expect(ExitStatus(end.kind, end.status) == .notFound)
    let many = (0..<6).map { _ in start(world, ["sleep"]) }
    wait(world) { world.machines[0].programs == Set(many) }
    let oneMore = start(world, ["sleep"])
    let refused = ProgramEnd(id: oneMore, kind: .neverRan, status: 11)
    wait(world) { world.publisher.programEvents[oneMore] == [.ended(refused)] }
    // A place that is given up is free again.
    world.publisher.machine.programAbandoned(many[2], world.publisher.now)
    wait(world) { world.machines[0].programs.count == 5 }
    _ = start(world, ["sleep"])
    wait(world) { world.machines[0].programs.count == 6 }
    // What no machine would take is not sent.
    let bad = world.publisher.machine.startProgram(
      ProgramRequest(id: 0, arguments: [[]]), worker: 0, world.publisher.now)
    #expect(bad.problem != nil)
    let nobody = world.publisher.machine.startProgram(
      ProgramRequest(id: 0, arguments: [[0x61]]), worker: 9, world.publisher.now)
    #expect(nobody.problem == "there is no worker 9")
    #expect(world.run { world.publisher.machine.isFinished })
    #expect(world.publisher.end == .success)
  }

  @Test func programsEndWithTheConnectionAndTheJobGoesOn() throws {
    let world = try running()
    let id = start(world, ["sleep"])
    wait(world) { world.machines[0].programs == [id] }
    world.cut(0)
    wait(world) {
      if case .failed = world.publisher.programEvents[id]?.last { return true }
      return false
    }
    wait(world) { world.machines[0].programs.isEmpty }
    wait(world) { world.publisher.machine.summaries[0].isConnected }
    let again = start(world, ["sleep"])
    wait(world) { world.machines[0].programs == [again] }
    // And with the job.
    #expect(world.run { world.publisher.machine.isFinished })
    #expect(
      world.publisher.programEvents[again]?.last
        == .ended(ProgramEnd(id: again, kind: .signalled, status: 9)))
    #expect(world.publisher.end == .success)
  }

  @Test func inputArrivesOnceThroughBrokenConnections() throws {
    let world = try running { $0.forwardsInput = true }
    let data = world.random.bytes(1_000_000)
    var given = 0
    var cuts = 0
    wait(world) {
      let machine = world.publisher.machine
      let room = machine.inputRoom
      #expect(room <= 65_536)
      if room > 0 && given < data.count {
        let next = min(room, data.count - given)
        machine.inputRead(Array(data[given..<(given + next)]), world.publisher.now)
        given += next
        if given / 250_000 > cuts {
          cuts += 1
          world.cut(0)
        }
      }
      return given == data.count
    }
    #expect(cuts >= 3)
    world.publisher.machine.inputEnded(world.publisher.now)
    wait(world) { world.machines[0].inputIsEnded }
    let isWhole = world.machines[0].input == data
    #expect(isWhole)
  }

  @Test func withoutASourceInputEndsAtOnce() throws {
    let world = try running()
    wait(world) { world.machines[0].inputIsEnded }
    #expect(world.machines[0].input.isEmpty)
    #expect(world.publisher.machine.inputRoom == 0)
  }

  @Test func aStoppedJobSaysWhoStoppedIt() throws {
    let world = try running()
    #expect(world.publisher.machine.stop(worker: 3, world.publisher.now) != nil)
    #expect(world.publisher.machine.stop(worker: 0, world.publisher.now) == nil)
    #expect(world.run { world.publisher.machine.isFinished })
    let record = world.publisher.machine.summaries[0].record
    #expect(record.exit?.kind == .stoppedByPublisher)
    #expect(record.resultsAreHeld)
    #expect(world.publisher.machine.stop(worker: 0, world.publisher.now) != nil)
  }
}
