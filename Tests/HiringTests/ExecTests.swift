import Bytes
import Market
import Testing

@testable import Hiring

/// What the publisher's user does beside the tasks: exec sessions, input.
struct ExecTests {
  @Test func aProgramBesideATask() throws {
    var behaviour = ScriptedProvider.Behaviour()
    behaviour.taskMs = 20_000
    let scene = try Scene([behaviour], tasks: 1)
    let task = TaskId(pool: scene.pool, index: 0)
    let publisher = scene.publisher
    let request = ExecRequest(id: 0, task: 0, arguments: [Array("cat".utf8)])
    #expect(publisher.machine.startExec(request, in: task, publisher.now).problem != nil)
    #expect(scene.world.run { scene.tasks.first?.isRunning == true })
    let (id, problem) = publisher.machine.startExec(request, in: task, publisher.now)
    #expect(problem == nil)
    #expect(scene.leases.first?.execSessions == 1)
    #expect(scene.world.run { publisher.execEvents[id]?.contains(.inputRoom) == true })
    #expect(publisher.machine.execInput(id, Array("hello".utf8), publisher.now) == 5)
    publisher.machine.execInputEnded(id, publisher.now)
    let output = ExecEvent.output(isError: false, Array("hello".utf8))
    #expect(scene.world.run { publisher.execEvents[id]?.contains(output) == true })
    let end = ExecEvent.ended(ExecEnd(id: id, kind: .exited, status: 3))
    #expect(scene.world.run { publisher.execEvents[id]?.last == end })
    #expect(scene.finish())
  }

  @Test func aProgramEndsWithItsConnection() throws {
    var behaviour = ScriptedProvider.Behaviour()
    behaviour.taskMs = 20_000
    let scene = try Scene([behaviour], tasks: 1)
    #expect(scene.world.run { scene.tasks.first?.isRunning == true })
    let publisher = scene.publisher
    let (id, _) = publisher.machine.startExec(
      ExecRequest(id: 0, task: 0, arguments: [Array("cat".utf8)]),
      in: TaskId(pool: scene.pool, index: 0), publisher.now)
    #expect(scene.world.run { publisher.execEvents[id]?.contains(.inputRoom) == true })
    scene.world.cut(0)
    #expect(
      scene.world.run {
        if case .failed? = publisher.execEvents[id]?.last { return true }
        return false
      })
    #expect(scene.finish())
  }

  @Test func everyTaskReadsTheWholeInput() throws {
    var behaviour = ScriptedProvider.Behaviour()
    behaviour.taskMs = 3_000
    let scene = try Scene([behaviour, behaviour], tasks: nil)
    let publisher = scene.publisher
    for worker in 0..<2 as Range<UInt16> {
      var spec = Scene.spec("\(worker)", worker: worker)
      spec.hasInput = true
      _ = publisher.machine.addTask(spec, to: scene.pool, publisher.now)
    }
    publisher.machine.noMoreTasks(scene.pool, publisher.now)
    var sent: [UInt8] = []
    let whole = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 / 7) }
    scene.world.run {
      let room = publisher.machine.inputRoom(scene.pool)
      let piece = Array(whole[sent.count...].prefix(room))
      if !piece.isEmpty {
        sent += piece
        publisher.machine.inputRead(piece, scene.pool, publisher.now)
      }
      return sent.count == whole.count || scene.isFinished
    }
    publisher.machine.inputEnded(scene.pool, publisher.now)
    #expect(scene.finish())
    for provider in scene.world.providers { #expect(provider.input.values.first == whole) }
  }
}
