import Bundles
import Bytes
import Host

/// The terminal of an exec session.
public enum ProgramTerminal {
  /// No terminal: three pipes.
  case none
  /// A terminal without a user, 24 by 80.
  case unattended
  /// The caller's terminal, with its size and raw input.
  case caller(Terminal)

  var caller: Terminal? {
    if case .caller(let terminal) = self { return terminal }
    return nil
  }

  /// Rows and columns; nil without a terminal.
  var size: [UInt16]? {
    switch self {
    case .none: return nil
    case .unattended: return [24, 80]
    case .caller(let terminal): return terminal.size.map { [$0.rows, $0.columns] } ?? [24, 80]
    }
  }
}

/// The client side of an exec session. Its streams are this process's, or the caller's.
public final class RemoteProgram {
  public struct End: Equatable, Sendable {
    /// The exit status, as in a shell.
    public var status: UInt8
    /// What the status does not express: why it never ran, or that memory was exhausted.
    public var text: String
  }

  private enum Token {
    static let input: UInt64 = 1
  }

  /// Unsent bytes at which reading of input pauses.
  private static let fullBytes = 262_144

  private let reactor = Reactor()
  private let connection: ConnectionId
  private var frames = ControlFrames()
  private var end: End?
  private var problem: String?
  /// The input descriptor; nil after its end.
  private var input: Int32?
  /// The input archive, instead of a descriptor; nil after its end.
  private var source: FolderTar?
  private let terminal: ProgramTerminal

  /// - Parameters:
  ///   - input: a descriptor to forward as standard input; -1 for none.
  ///   - source: an archive to send as standard input, read as the provider accepts it.
  public init(
    _ job: LiveJob, _ request: ControlRequest, input: Int32, source: FolderTar? = nil,
    terminal: ProgramTerminal = .none
  ) throws(RunError) {
    self.terminal = terminal
    self.input = input >= 0 ? input : nil
    self.source = source
    connection = reactor.connect(to: .unix(path: ControlServer.path(job.folder)))
    var request = request
    request.terminal = terminal.size
    reactor.send(connection, ControlFrame.request(ControlJson.encode(request)).encode())
    if input < 0 && source == nil { reactor.send(connection, ControlFrame.inputEnded.encode()) }
    do throws(HostError) {
      try reactor.watchSignals(
        terminal.caller == nil
          ? [.interrupt, .terminate] : [.windowChanged, .terminate, .hangUp])
    } catch { throw .host(error) }
  }

  /// Sends as much of the archive as the run accepts.
  private func readSource() throws(RunError) {
    while let source, reactor.pendingBytes(connection) < RemoteProgram.fullBytes {
      let bytes: [UInt8]?
      do throws(BundlesError) { bytes = try source.next() } catch { throw .bundles(error) }
      if let bytes {
        send(bytes)
      } else {
        self.source = nil
        reactor.send(connection, ControlFrame.inputEnded.encode())
      }
    }
  }

  private func send(_ bytes: [UInt8]) {
    var start = 0
    while start < bytes.count {
      let next = min(start + 65_536, bytes.count)
      reactor.send(connection, ControlFrame.input(Array(bytes[start..<next])).encode())
      start = next
    }
  }

  private static let unread = End(status: UInt8(HostProcess.unreadStatus), text: "")

  /// Runs until the session ends. `output` receives its output in order and returns an error if it
  /// cannot be written; then the session is abandoned.
  public func run(output: (_ isError: Bool, [UInt8]) -> HostError?) throws(RunError) -> End {
    while true {
      watchInput()
      try readSource()
      let event: ReactorEvent?
      do throws(HostError) { event = try reactor.next(untilMs: nil) } catch { throw .host(error) }
      switch event {
      case .received(_, let bytes):
        frames.append(bytes)
        // The first result counts: a write error may arrive together with a normal end.
        while end == nil, problem == nil, let frame = frames.next() { take(frame, output) }
      case .closed:
        throw .usage(problem ?? "no program is working on the run; `zennet resume` continues it")
      case .descriptorReadable: readInput()
      case .signal(let signal): pass(signal)
      default: break
      }
      if let end { return end }
      if let problem { throw .usage(problem) }
    }
  }

  private func take(_ frame: ControlFrame, _ output: (Bool, [UInt8]) -> HostError?) {
    switch frame {
    case .output(let isError, let bytes):
      guard let failure = output(isError, bytes) else { return }
      if failure.isUnread { end = RemoteProgram.unread } else { problem = failure.message }
    case .ended(let status, let text):
      end = End(status: status, text: String(decoding: text, as: UTF8.self))
    case .failed(let text): problem = String(decoding: text, as: UTF8.self)
    default: problem = "the run sent an invalid answer"
    }
  }

  /// Reads input only while the run accepts it.
  private func watchInput() {
    if let input, reactor.pendingBytes(connection) < RemoteProgram.fullBytes {
      reactor.watch(input, token: Token.input)
    } else {
      reactor.unwatch(Token.input)
    }
  }

  private func readInput() {
    guard let input else { return }
    let source = Descriptor(owning: input)
    let result = (try? source.read(limit: 65_536)) ?? .ended
    _ = source.release()
    switch result {
    case .bytes(let bytes): reactor.send(connection, ControlFrame.input(bytes).encode())
    case .ended:
      reactor.unwatch(Token.input)
      self.input = nil
      // On a terminal, Ctrl-D ends the input.
      if terminal.size != nil { reactor.send(connection, ControlFrame.input([4]).encode()) }
      reactor.send(connection, ControlFrame.inputEnded.encode())
    case .wouldBlock: break
    }
  }

  private func pass(_ signal: Signal) {
    if signal == .windowChanged {
      guard let size = terminal.caller?.size else { return }
      reactor.send(
        connection, ControlFrame.resize(rows: size.rows, columns: size.columns).encode())
    } else if terminal.caller != nil {
      problem = "ended by a signal"
    } else {
      reactor.send(connection, ControlFrame.signal(UInt8(signal.rawValue)).encode())
    }
  }
}
