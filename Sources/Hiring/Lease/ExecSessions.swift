import Bytes
import Market
import Session

/// The publisher's state of an exec session.
struct ExecSession {
  static let window = 65_536

  let id: UInt32
  /// The key that its streams are opened with.
  let key: Bytes32
  let isTerminal: Bool
  fileprivate(set) var input: StreamId?
  /// Standard output (or the terminal), and standard error.
  fileprivate(set) var output: [StreamId?] = [nil, nil]
  fileprivate var outputHasEnded: [Bool]
  /// Input has ended.
  fileprivate var inputIsEnded = false
  fileprivate var end: ExecEnd?

  init(_ request: ExecRequest, contract: Bytes32) {
    id = request.id
    key = ExecRequest.streamKey(contract: contract, id: request.id)
    isTerminal = request.terminal != nil
    outputHasEnded = [false, request.terminal != nil]
  }

  /// The end, once all output has arrived.
  fileprivate var ended: ExecEnd? {
    guard let end else { return nil }
    return end.kind == .neverRan || !outputHasEnded.contains(false) ? end : nil
  }
}

/// The exec sessions in a lease's tasks. A disconnection ends them.
final class ExecSessions {
  private let context: HiringContext
  private let link: LeaseLink
  private let contract: Bytes32
  private var sessions: [ExecSession] = []

  init(_ contract: Bytes32, _ link: LeaseLink, _ context: HiringContext) {
    self.contract = contract
    self.link = link
    self.context = context
  }

  var count: Int { sessions.count }

  /// Requests a session. Returns nil, or the problem.
  func start(_ request: ExecRequest) -> String? {
    if !link.isLive { return "the provider is not connected" }
    if !link.takesMore { return "too much data is queued for the provider; try again" }
    link.say(.execute(request))
    sessions.append(ExecSession(request, contract: contract))
    return nil
  }

  private func place(_ id: UInt32) -> Int? { sessions.firstIndex { $0.id == id } }

  private func report(_ id: UInt32, _ event: ExecEvent) { context.emit(.exec(id, event)) }

  // MARK: The client

  /// Returns how many bytes were accepted; `inputRoom` follows when it accepts more.
  func input(_ id: UInt32, _ bytes: [UInt8]) -> Int {
    guard let index = place(id) else { return bytes.count }
    // The session no longer reads: discard the input, so that the client does not block.
    if sessions[index].inputIsEnded || sessions[index].end != nil { return bytes.count }
    guard let stream = sessions[index].input else { return 0 }
    return link.send(stream, bytes)
  }

  func inputEnded(_ id: UInt32) {
    guard let index = place(id), !sessions[index].isTerminal else { return }
    sessions[index].inputIsEnded = true
    if let stream = sessions[index].input { link.endStream(stream) }
  }

  func outputTaken(_ id: UInt32, isError: Bool, count: Int) {
    guard let index = place(id), let stream = sessions[index].output[isError ? 1 : 0] else {
      return
    }
    link.grant(stream, bytes: count)
  }

  func signalled(_ id: UInt32, _ number: UInt8) {
    if place(id) != nil { link.say(.execSignal(id: id, number: number)) }
  }

  func resized(_ id: UInt32, _ size: TerminalSize) {
    if place(id) != nil { link.say(.execResize(id: id, size)) }
  }

  /// The client is gone: kills the session and resets its streams.
  func abandoned(_ id: UInt32) {
    guard let index = place(id) else { return }
    let session = sessions.remove(at: index)
    if session.end == nil { link.say(.execSignal(id: id, number: 9)) }
    for stream in [session.input, session.output[0], session.output[1]] {
      if let stream { link.resetStream(stream) }
    }
  }

  // MARK: The provider

  func started(_ id: UInt32) {
    guard let index = place(id) else {
      // Abandoned before the start: kill it, because its streams will not be opened.
      return link.say(.execSignal(id: id, number: 9))
    }
    if sessions[index].output[0] != nil { return }
    let kinds: [StreamKind] =
      sessions[index].isTerminal ? [.terminal] : [.standardOutput, .standardError]
    for (place, kind) in kinds.enumerated() {
      sessions[index].output[place] = link.open(
        StreamOpening(kind: kind, key: sessions[index].key), window: ExecSession.window)
    }
    if sessions[index].isTerminal {
      sessions[index].input = sessions[index].output[0]
      report(id, .inputRoom)
    }
  }

  func ended(_ end: ExecEnd) {
    guard let index = place(end.id), sessions[index].end == nil else { return }
    sessions[index].end = end
    conclude(index)
  }

  private func conclude(_ index: Int) {
    guard let end = sessions[index].ended else { return }
    let session = sessions.remove(at: index)
    if let input = session.input, !session.isTerminal { link.resetStream(input) }
    report(end.id, .ended(end))
  }

  /// The provider requests a session's input. Returns false for an unrelated stream.
  func streamOpened(_ id: StreamId, _ opening: StreamOpening) -> Bool {
    guard opening.kind == .standardInput,
      let index = sessions.firstIndex(where: { $0.key == opening.key && !$0.isTerminal })
    else { return false }
    sessions[index].input = id
    if sessions[index].inputIsEnded {
      link.endStream(id)
    } else {
      report(sessions[index].id, .inputRoom)
    }
    return true
  }

  func received(_ id: StreamId, _ bytes: [UInt8]) -> Bool {
    for session in sessions {
      for place in 0..<2 where session.output[place] == id {
        report(session.id, .output(isError: place == 1, bytes))
        return true
      }
    }
    return false
  }

  func streamEnded(_ id: StreamId) {
    for index in sessions.indices {
      for place in 0..<2 where sessions[index].output[place] == id {
        sessions[index].outputHasEnded[place] = true
        sessions[index].output[place] = nil
        link.endStream(id)
        return conclude(index)
      }
      if sessions[index].input == id { sessions[index].input = nil }
    }
  }

  func streamReset(_ id: StreamId) {
    for index in sessions.indices where sessions[index].input == id {
      sessions[index].input = nil
      sessions[index].inputIsEnded = true
      report(sessions[index].id, .inputRoom)
    }
    streamEnded(id)
  }

  func credit(_ id: StreamId) {
    for session in sessions where session.input == id { report(session.id, .inputRoom) }
  }

  /// A disconnection ends all sessions.
  func disconnected() {
    for session in sessions {
      report(
        session.id,
        .failed("the connection to the provider broke, which ended the exec session"))
    }
    sessions = []
  }
}
