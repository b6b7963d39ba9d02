import Bytes
import Market
import Sandbox
import Session

/// The exec sessions of a lease, each in the sandbox of a running task. They are metered and frozen
/// with the task and end with it. They also end with the connection, because no client could
/// control them.
final class ExecSessions {
  /// Most concurrent sessions; each uses up to three streams.
  static let most = 6
  private static let inputWindow = 65_536

  private struct Session {
    let id: UInt32
    let task: TaskRef
    /// The key that its streams are opened with.
    let key: Bytes32
    let isTerminal: Bool
    var input: StreamId?
    var standardOutput = OutputBuffer(historyBytes: 0)
    var standardError = OutputBuffer(historyBytes: 0)
    /// Its end was sent.
    var hasEnded = false

    /// It ended and all output was sent.
    var isOver: Bool { hasEnded && standardOutput.isDone && (isTerminal || standardError.isDone) }
  }

  private let lease: LeaseKey
  private let contract: Bytes32
  private let call: Call
  private let context: AgentContext
  private var sessions: [Session] = []

  init(_ lease: LeaseKey, contract: Bytes32, call: Call, context: AgentContext) {
    self.lease = lease
    self.contract = contract
    self.call = call
    self.context = context
  }

  private func index(_ task: UInt32, _ id: UInt32) -> Int? {
    sessions.firstIndex { $0.id == id && $0.task.number == task }
  }

  private func index(_ id: UInt32) -> Int? { sessions.firstIndex { $0.id == id } }

  // MARK: The publisher

  /// Starts a session; `request` has its full environment and working directory. Returns false if
  /// its number is in use.
  func start(_ request: ExecRequest) -> Bool {
    if index(request.id) != nil { return false }
    if sessions.count >= ExecSessions.most {
      refuse(request.id, "\(sessions.count) exec sessions run; the limit is \(ExecSessions.most)")
      return true
    }
    let task = TaskRef(lease: lease, number: request.task)
    var session = Session(
      id: request.id, task: task,
      key: ExecRequest.streamKey(contract: contract, id: request.id),
      isTerminal: request.terminal != nil)
    if session.isTerminal { session.standardError.end() }
    sessions.append(session)
    context.emit(.exec(task, id: request.id, .start(request)))
    return true
  }

  /// Reports EAGAIN, as when a process cannot be created.
  func refuse(_ id: UInt32, _ reason: String) {
    context.info("exec session refused: " + reason)
    call.say(.execEnded(ExecEnd(id: id, kind: .neverRan, status: 11)))
  }

  func signalled(_ id: UInt32, _ number: UInt8) {
    if let index = index(id), !sessions[index].hasEnded {
      context.emit(.exec(sessions[index].task, id: id, .signal(number)))
    }
  }

  func resized(_ id: UInt32, _ size: TerminalSize) {
    if let index = index(id), sessions[index].isTerminal, !sessions[index].hasEnded {
      context.emit(.exec(sessions[index].task, id: id, .resize(size)))
    }
  }

  /// Returns whether the stream belongs to an exec session.
  func streamOpened(_ id: StreamId, _ opening: StreamOpening) -> Bool {
    guard let index = sessions.firstIndex(where: { $0.key == opening.key }) else { return false }
    switch opening.kind {
    case .terminal where sessions[index].isTerminal:
      sessions[index].standardOutput.resume(at: 0, on: id)
      sessions[index].input = id
      call.grant(id, ExecSessions.inputWindow)
    case .standardOutput where !sessions[index].isTerminal:
      sessions[index].standardOutput.resume(at: 0, on: id)
    case .standardError where !sessions[index].isTerminal:
      sessions[index].standardError.resume(at: 0, on: id)
    default: return false
    }
    return true
  }

  func received(_ id: StreamId, _ bytes: [UInt8]) -> Bool {
    guard let index = sessions.firstIndex(where: { $0.input == id }) else { return false }
    if sessions[index].hasEnded {
      call.grant(id, bytes.count)
    } else {
      context.emit(.exec(sessions[index].task, id: sessions[index].id, .input(bytes)))
    }
    return true
  }

  func streamEnded(_ id: StreamId) {
    guard let index = sessions.firstIndex(where: { $0.input == id }) else { return }
    let session = sessions[index]
    if !session.isTerminal { sessions[index].input = nil }
    if !session.hasEnded { context.emit(.exec(session.task, id: session.id, .closeInput)) }
    if !session.isTerminal { call.endStream(id) }
  }

  /// The publisher reset a stream. A reset output stream ends the session; a reset input stream
  /// does not.
  func streamReset(_ id: StreamId) {
    for index in sessions.indices {
      if sessions[index].standardOutput.stream == id || sessions[index].standardError.stream == id {
        return end(index)
      }
      if sessions[index].input == id { sessions[index].input = nil }
    }
  }

  private func end(_ index: Int) {
    let session = sessions.remove(at: index)
    for stream in [session.input, session.standardOutput.stream, session.standardError.stream] {
      if let stream { call.resetStream(stream) }
    }
    context.emit(.exec(session.task, id: session.id, .end))
  }

  /// The connection closed.
  func endAll() { while !sessions.isEmpty { end(sessions.count - 1) } }

  /// The task ended, and its exec sessions with it.
  func taskEnded(_ number: UInt32) {
    for session in sessions where session.task.number == number && !session.hasEnded {
      ended(number, session.id, .signalled(9))
    }
  }

  // MARK: The sandbox

  func started(_ task: UInt32, _ id: UInt32) {
    guard let index = index(task, id) else { return }
    call.say(.execStarted(id: id))
    if sessions[index].isTerminal { return }
    sessions[index].input = call.open(
      StreamOpening(kind: .standardInput, key: sessions[index].key),
      window: ExecSessions.inputWindow)
  }

  /// The session's program ended. One that never ran has no streams.
  func ended(_ task: UInt32, _ id: UInt32, _ outcome: JobOutcome) {
    guard let index = index(task, id), !sessions[index].hasEnded else { return }
    let (kind, status) = LeaseTask.exit(outcome)
    sessions[index].hasEnded = true
    call.say(.execEnded(ExecEnd(id: id, kind: kind, status: status)))
    if let input = sessions[index].input, !sessions[index].isTerminal {
      call.resetStream(input)
      sessions[index].input = nil
    }
    if kind == .neverRan { return end(index) }
    sessions[index].standardOutput.end()
    sessions[index].standardError.end()
    pump()
  }

  func inputTaken(_ task: UInt32, _ id: UInt32, _ count: Int) {
    if let index = index(task, id), let stream = sessions[index].input { call.grant(stream, count) }
  }

  func outputRoom(_ task: UInt32, _ id: UInt32, isError: Bool) -> Int {
    guard let index = index(task, id) else { return 0 }
    return isError ? sessions[index].standardError.room : sessions[index].standardOutput.room
  }

  func outputRead(_ task: UInt32, _ id: UInt32, _ bytes: [UInt8], isError: Bool) {
    guard let index = index(task, id) else { return }
    if isError {
      sessions[index].standardError.append(bytes)
    } else {
      sessions[index].standardOutput.append(bytes)
    }
    pump()
  }

  func outputEnded(_ task: UInt32, _ id: UInt32, isError: Bool) {
    guard let index = index(task, id) else { return }
    if isError {
      sessions[index].standardError.end()
    } else {
      sessions[index].standardOutput.end()
    }
    pump()
  }

  /// Sends output as far as flow control allows, and releases finished sessions.
  func pump() {
    for index in sessions.indices {
      sessions[index].standardOutput.pump(call)
      if !sessions[index].isTerminal { sessions[index].standardError.pump(call) }
    }
    for index in sessions.indices.reversed() where sessions[index].isOver {
      let session = sessions.remove(at: index)
      context.emit(.exec(session.task, id: session.id, .end))
    }
  }
}

extension OutputBuffer {
  /// Sends output as far as the stream accepts it.
  mutating func pump(_ call: Call) {
    guard let stream else { return }
    while unsent > 0 {
      let taken = call.send(stream, next(limit: 16_384))
      if taken == 0 { return }
      sent(taken)
    }
    if isEnded { call.endStream(stream) }
  }
}
