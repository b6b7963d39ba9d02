import Bytes
import Hiring
import Host
import Market

/// The control socket of a run, in the run's folder and accessible to its owner only. Clients query
/// the status, stop tasks, and open exec sessions.
struct ControlServer {
  private struct Client {
    let id: ConnectionId
    var frames = ControlFrames()
    /// The client's exec session.
    var session: UInt32?
    /// Tasks whose end the client awaits.
    var awaited: Awaited?
    /// Input that the provider has not accepted.
    var input: [UInt8] = []
    var inputIsEnded = false
    /// Output sent to the client for which no credit was granted, per stream.
    var unread = [0, 0]
  }

  private struct Awaited {
    var open: Set<UInt32>
    var ended: [(task: UInt32, exit: String)] = []
  }

  private static let maxClients = 64
  /// Most tasks listed in an answer.
  private static let maxNames = 1000

  private var listener: ListenerId?
  private var clients: [Client] = []

  static func path(_ runFolder: String) -> String { runFolder + "/control" }

  var isOpen: Bool { listener != nil }

  mutating func open(_ runFolder: String, _ reactor: Reactor) throws(HostError) {
    listener = try reactor.listen(on: .unix(path: ControlServer.path(runFolder)))
  }

  /// Answers clients that await a stop, then closes the listener.
  mutating func close(_ program: RunProgram) {
    for index in clients.indices.reversed() where clients[index].awaited != nil {
      answerStop(index, program)
    }
    if let listener { program.reactor.close(listener) }
    listener = nil
  }

  // MARK: Clients

  /// Returns whether the event belonged to this server.
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
      if let id = client.session { program.machine.execAbandoned(id, program.now) }
    case .connected, .timerFired, .descriptorReadable, .descriptorWritable, .signal: return false
    }
    return true
  }

  private func place(_ id: ConnectionId) -> Int? { clients.firstIndex { $0.id == id } }

  /// Sends the last frame to a client.
  private mutating func conclude(_ index: Int, _ frame: ControlFrame, _ program: RunProgram) {
    let client = clients.remove(at: index)
    program.reactor.send(client.id, frame.encode())
    program.reactor.finish(client.id)
  }

  private mutating func fail(_ index: Int, _ reason: String, _ program: RunProgram) {
    if let id = clients[index].session { program.machine.execAbandoned(id, program.now) }
    conclude(index, .failed(Array(reason.utf8)), program)
  }

  // MARK: Requests

  private mutating func obey(_ frame: ControlFrame, _ index: Int, _ program: RunProgram) {
    switch frame {
    case .request(let json):
      // One request per client.
      guard clients[index].session == nil, clients[index].awaited == nil,
        let request = ControlJson.decode(ControlRequest.self, json)
      else { return fail(index, "the request is invalid", program) }
      take(request, index, program)
    case .input(let bytes):
      clients[index].input.append(contentsOf: bytes)
      feed(index, program)
    case .inputEnded:
      clients[index].inputIsEnded = true
      feed(index, program)
    case .resize(let rows, let columns):
      if let id = clients[index].session {
        program.machine.execResized(id, TerminalSize(rows: rows, columns: columns), program.now)
      }
    case .signal(let number):
      if let id = clients[index].session, ExecRequest.signals.contains(number) {
        program.machine.execSignalled(id, number, program.now)
      }
    case .answer, .output, .ended, .failed: fail(index, "unexpected frame", program)
    }
  }

  private mutating func take(_ request: ControlRequest, _ index: Int, _ program: RunProgram) {
    guard let query = program.query else {
      return fail(index, "the run has not begun", program)
    }
    switch request.command {
    case .status:
      conclude(index, .answer(ControlJson.encode(program.runStatus(query))), program)
    case .stop: stop(request, index, query, program)
    case .exec:
      guard let wanted = request.session() else {
        return fail(index, "the exec request is invalid", program)
      }
      switch query.target(of: request) {
      case .failure(let problem): fail(index, problem.text, program)
      case .success(let task):
        let (id, problem) = program.machine.startExec(
          wanted, in: TaskId(pool: query.pool, index: task), program.now)
        if let problem { return fail(index, problem, program) }
        clients[index].session = id
      }
    }
  }

  // MARK: Stops

  private mutating func stop(
    _ request: ControlRequest, _ index: Int, _ query: RunQuery, _ program: RunProgram
  ) {
    let open: Set<UInt32>
    switch query.openTasks(of: request) {
    case .failure(let problem): return fail(index, problem.text, program)
    case .success(let tasks): open = tasks
    }
    let isWhole = request.worker == nil && request.task == nil
    if isWhole {
      program.stop("stopping, as `zennet stop` asks: tasks end, what they used is paid")
    } else {
      for task in open.sorted() {
        let id = TaskId(pool: query.pool, index: task)
        if let problem = program.machine.stop(task: id, program.now) {
          return fail(index, problem, program)
        }
      }
    }
    clients[index].awaited = Awaited(open: open)
    if open.isEmpty || request.wait != true { answerStop(index, program) }
  }

  /// A task has ended: answers clients that await it. Done per task, because the whole run may end
  /// in one event.
  mutating func taskEnded(_ task: UInt32, exit: String, _ program: RunProgram) {
    for index in clients.indices.reversed() {
      guard var awaited = clients[index].awaited, awaited.open.remove(task) != nil else { continue }
      awaited.ended.append((task, exit))
      clients[index].awaited = awaited
      if awaited.open.isEmpty { answerStop(index, program) }
    }
  }

  private mutating func answerStop(_ index: Int, _ program: RunProgram) {
    let awaited = clients[index].awaited ?? Awaited(open: [])
    let name = { (task: UInt32) in program.query?.name(ofTask: task) ?? "\(task)" }
    var stopped = awaited.ended.sorted { $0.task < $1.task }.prefix(ControlServer.maxNames).map {
      StoppedTask(job: name($0.task), exit: $0.exit)
    }
    for task in awaited.open.sorted().prefix(ControlServer.maxNames) {
      stopped.append(StoppedTask(job: name(task), exit: nil))
    }
    conclude(index, .answer(ControlJson.encode(stopped)), program)
  }

  // MARK: Exec sessions

  /// Forwards a session's event to its client.
  mutating func tell(_ id: UInt32, _ event: ExecEvent, _ program: RunProgram) {
    guard let index = clients.firstIndex(where: { $0.session == id }) else { return }
    switch event {
    case .output(let isError, let bytes):
      clients[index].unread[isError ? 1 : 0] += bytes.count
      program.reactor.send(
        clients[index].id, ControlFrame.output(isError: isError, bytes).encode())
      if program.reactor.pendingBytes(clients[index].id) == 0 { giveCredit(index, program) }
    case .inputRoom: feed(index, program)
    case .ended(let end):
      clients[index].session = nil
      // An exit status or a signal needs no text.
      let isPlain = end.kind == .exited || end.kind == .signalled
      let text = isPlain ? "" : end.kind.told(end.status)
      let status = ExitStatus(end.kind, end.status).code
      conclude(index, .ended(status: status, text: Array(text.utf8)), program)
    case .failed(let reason):
      clients[index].session = nil
      conclude(index, .failed(Array(reason.utf8)), program)
    }
  }

  /// The client has read all sent output: grants credit.
  private mutating func giveCredit(_ index: Int, _ program: RunProgram) {
    guard let id = clients[index].session else { return }
    for stream in 0..<2 where clients[index].unread[stream] > 0 {
      let count = clients[index].unread[stream]
      clients[index].unread[stream] = 0
      program.machine.execOutputTaken(id, isError: stream == 1, count: count, program.now)
    }
  }

  /// Forwards input. The client is not read while the provider accepts no more.
  private mutating func feed(_ index: Int, _ program: RunProgram) {
    guard let id = clients[index].session else { return }
    if !clients[index].input.isEmpty {
      let taken = program.machine.execInput(id, clients[index].input, program.now)
      clients[index].input.removeFirst(taken)
    }
    program.reactor.setReading(clients[index].id, clients[index].input.isEmpty)
    if clients[index].input.isEmpty && clients[index].inputIsEnded {
      program.machine.execInputEnded(id, program.now)
    }
  }
}
