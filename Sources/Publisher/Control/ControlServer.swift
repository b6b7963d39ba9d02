import Bytes
import Host
import Market

/// The control socket of a run: other programs of the same user ask it what goes on, stop jobs, and run
/// programs beside them. It lies in the run's folder, and only its owner can reach it.
struct ControlServer {
  private struct Client {
    let id: ConnectionId
    var frames = ControlFrames()
    /// The program that it asked for.
    var program: UInt32?
    /// It waits to hear of the end of this worker's job, or of all jobs where the inner is nil.
    var awaited: UInt16??
    /// Input that the machine did not take yet.
    var input: [UInt8] = []
    var inputIsEnded = false
    /// Output under way to the client, for which no credit was given yet.
    var unread = [0, 0]
  }

  private static let maxClients = 64

  private var listener: ListenerId?
  private var clients: [Client] = []

  static func path(_ runFolder: String) -> String { runFolder + "/control" }

  var isOpen: Bool { listener != nil }

  mutating func open(_ runFolder: String, _ reactor: Reactor) throws(HostError) {
    listener = try reactor.listen(on: .unix(path: ControlServer.path(runFolder)))
  }

  /// Whoever waits for an end is told how far it came.
  mutating func close(_ program: RunProgram) {
    answerWaiting(program, ending: true)
    if let listener { program.reactor.close(listener) }
    listener = nil
  }

  // MARK: Clients

  /// True when the event was this server's.
  mutating func handle(_ event: ReactorEvent, _ program: RunProgram) -> Bool {
    switch event {
    case .accepted(let on, let id, _):
      if on != listener { return false }
      if clients.count >= ControlServer.maxClients {
        program.reactor.close(id)
      } else {
        clients.append(Client(id: id))
      }
    case .received(let id, let bytes):
      guard let index = place(id) else { return false }
      clients[index].frames.append(bytes)
      while let index = place(id), let frame = clients[index].frames.next() {
        obey(frame, index, program)
      }
      if let index = place(id), clients[index].frames.isBroken {
        fail(index, "the request is malformed", program)
      }
    case .drained(let id):
      guard let index = place(id) else { return false }
      giveCredit(index, program)
    case .closed(let id, _):
      guard let index = place(id) else { return false }
      let client = clients.remove(at: index)
      if let id = client.program { program.machine.programAbandoned(id, program.now) }
    case .connected, .timerFired, .descriptorReadable, .descriptorWritable, .signal: return false
    }
    return true
  }

  private func place(_ id: ConnectionId) -> Int? { clients.firstIndex { $0.id == id } }

  /// The last frame to a client.
  private mutating func conclude(_ index: Int, _ frame: ControlFrame, _ program: RunProgram) {
    let client = clients.remove(at: index)
    program.reactor.send(client.id, frame.encode())
    program.reactor.finish(client.id)
  }

  private mutating func fail(_ index: Int, _ reason: String, _ program: RunProgram) {
    if let id = clients[index].program { program.machine.programAbandoned(id, program.now) }
    conclude(index, .failed(Array(reason.utf8)), program)
  }

  // MARK: Requests

  private mutating func obey(_ frame: ControlFrame, _ index: Int, _ program: RunProgram) {
    switch frame {
    case .request(let json):
      // One a client: whoever waits for an answer has asked.
      guard clients[index].program == nil, clients[index].awaited == nil,
        let request = ControlJson.decode(ControlRequest.self, json)
      else { return fail(index, "the request is not understood", program) }
      take(request, index, program)
    case .input(let bytes):
      clients[index].input.append(contentsOf: bytes)
      feed(index, program)
    case .inputEnded:
      clients[index].inputIsEnded = true
      feed(index, program)
    case .resize(let rows, let columns):
      if let id = clients[index].program {
        program.machine.programResized(
          id, TerminalSize(rows: rows, columns: columns), program.now)
      }
    case .signal(let number):
      if let id = clients[index].program, ProgramRequest.signals.contains(number) {
        program.machine.programSignalled(id, number, program.now)
      }
    case .answer, .output, .ended, .failed: fail(index, "out of place", program)
    }
  }

  private mutating func take(_ request: ControlRequest, _ index: Int, _ program: RunProgram) {
    switch request.command {
    case .status:
      guard let record = program.machine.runRecord else {
        return fail(index, "the run has not begun", program)
      }
      conclude(
        index, .answer(ControlJson.encode(RunStatus(program.machine, record))), program)
    case .stop:
      if let worker = request.worker {
        if let problem = program.machine.stop(worker: worker, program.now) {
          return fail(index, problem, program)
        }
      } else {
        program.stop("stopping, as `zennet stop` asks: jobs end, what they used is paid")
      }
      if request.wait == true {
        clients[index].awaited = .some(request.worker)
      } else {
        conclude(index, .answer(Array("{}".utf8)), program)
      }
    case .program:
      guard let wanted = request.program() else {
        return fail(index, "the program is not understood", program)
      }
      let (id, problem) = program.machine.startProgram(
        wanted, worker: request.worker ?? 0, program.now)
      if let problem { return fail(index, problem, program) }
      clients[index].program = id
    }
  }

  /// Tells those who stopped jobs that these have ended. A job may end and the whole run with it in one
  /// go: asked from time to time, the run could be gone before it was seen to have ended.
  mutating func answerWaiting(_ program: RunProgram, ending: Bool = false) {
    guard clients.contains(where: { $0.awaited != nil }), let record = program.machine.runRecord
    else { return }
    let status = RunStatus(program.machine, record)
    for index in clients.indices.reversed() {
      guard let awaited = clients[index].awaited else { continue }
      if ending || status.workers(of: awaited).allSatisfy(\.hasEnded) {
        conclude(index, .answer(ControlJson.encode(status)), program)
      }
    }
  }

  // MARK: Programs

  /// What a machine tells of a program.
  mutating func tell(_ id: UInt32, _ event: ProgramEvent, _ program: RunProgram) {
    guard let index = clients.firstIndex(where: { $0.program == id }) else { return }
    switch event {
    case .output(let isError, let bytes):
      clients[index].unread[isError ? 1 : 0] += bytes.count
      program.reactor.send(
        clients[index].id, ControlFrame.output(isError: isError, bytes).encode())
      if program.reactor.pendingBytes(clients[index].id) == 0 { giveCredit(index, program) }
    case .inputRoom: feed(index, program)
    case .ended(let end):
      clients[index].program = nil
      // An exit status or a signal says it all.
      let isPlain = end.kind == .exited || end.kind == .signalled
      let text = isPlain ? "" : end.kind.told(end.status)
      let status = ExitStatus(end.kind, end.status).code
      conclude(index, .ended(status: status, text: Array(text.utf8)), program)
    case .failed(let reason):
      clients[index].program = nil
      conclude(index, .failed(Array(reason.utf8)), program)
    }
  }

  /// The client has read all that was sent to it.
  private mutating func giveCredit(_ index: Int, _ program: RunProgram) {
    guard let id = clients[index].program else { return }
    for stream in 0..<2 where clients[index].unread[stream] > 0 {
      let count = clients[index].unread[stream]
      clients[index].unread[stream] = 0
      program.machine.programOutputTaken(id, isError: stream == 1, count: count, program.now)
    }
  }

  /// While the machine takes no more the client is not read: its input waits in its own pipe.
  private mutating func feed(_ index: Int, _ program: RunProgram) {
    guard let id = clients[index].program else { return }
    if !clients[index].input.isEmpty {
      let taken = program.machine.programInput(id, clients[index].input, program.now)
      clients[index].input.removeFirst(taken)
    }
    program.reactor.setReading(clients[index].id, clients[index].input.isEmpty)
    if clients[index].input.isEmpty && clients[index].inputIsEnded {
      program.machine.programInputEnded(id, program.now)
    }
  }
}
