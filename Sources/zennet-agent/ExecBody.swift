import Agent
import Bytes
import Host
import Market
import Sandbox

/// The driver's part of an exec session: its process and streams.
final class ExecBody: StreamedProgram {
  /// The publisher's number for it.
  let id: UInt32
  let port: PortId
  let program: SandboxProgram
  private let task: TaskRef
  private let hands: Hands
  private var streams: StandardStreams
  /// Its terminal's size.
  private var size: TerminalSize?
  private var hasStarted = false
  private(set) var hasEnded = false

  init(_ request: ExecRequest, of task: TaskRef, program: SandboxProgram, _ hands: Hands) {
    id = request.id
    self.task = task
    self.program = program
    self.hands = hands
    port = hands.nextPort()
    streams = StandardStreams(port)
    size = request.terminal
  }

  /// Starts the session's program in the task's sandbox.
  static func start(
    _ request: ExecRequest, in process: SandboxProcess
  ) throws(SandboxError) -> SandboxProgram {
    let words = Hands.texts(request.arguments)
    switch request.kind {
    case .run:
      return try process.start(
        words, environment: Hands.texts(request.environment),
        workdir: String(decoding: request.workdir, as: UTF8.self),
        terminal: request.terminal != nil)
    case .copyOut: return try process.startCopy(.out, path: words[0])
    case .copyIn: return try process.startCopy(.into, path: words[0])
    }
  }

  // MARK: Effects of the core

  func write(_ bytes: [UInt8]) {
    streams.write(bytes, to: self, hands.reactor)
  }

  func endInput() { streams.endInput(of: self, hands.reactor) }

  func resize(_ size: TerminalSize) {
    self.size = size
    resize()
  }

  private func resize() {
    guard let size, hasStarted, program.stdout >= 0 else { return }
    hands.report { () throws(SandboxError) in
      try program.resize(rows: size.rows, columns: size.columns)
    }
  }

  /// Closes its descriptors.
  func release() {
    streams.unwatch(hands.reactor)
    program.close()
  }

  // MARK: What the sandbox reports

  func started() {
    hasStarted = true
    resize()
    streams.feed(self, hands.reactor)
    hands.machine.execStarted(task, id, hands.now)
  }

  func ended(_ outcome: JobOutcome) {
    hasEnded = true
    streams.drain(self, hands.reactor)
    program.close()
    hands.machine.execEnded(task, id, outcome, hands.now)
  }

  func isReady(_ port: StandardStreams.Port) {
    if port == .input {
      streams.feed(self, hands.reactor)
    } else {
      streams.read(port, of: self, hands.reactor)
    }
  }

  func refreshWatches(nowMs: UInt64) -> UInt64 {
    hasStarted && !hasEnded ? streams.refresh(self, hands.reactor, nowMs: nowMs) : UInt64.max
  }

  // MARK: Its streams

  func descriptor(_ port: StandardStreams.Port) -> Int32 {
    switch port {
    case .input: return program.stdin
    case .output: return program.stdout
    case .error: return program.stderr
    }
  }

  func outputRoom(isError: Bool) -> Int {
    hands.machine.execOutputRoom(task, id, isError: isError)
  }

  func outputRead(_ bytes: [UInt8], isError: Bool) {
    hands.machine.execOutputRead(task, id, bytes, isError: isError, hands.now)
  }

  /// A terminal's output ends once no process has it open.
  func outputEnded(isError: Bool) {
    hands.machine.execOutputEnded(task, id, isError: isError, hands.now)
  }

  func inputTaken(_ count: Int) { hands.machine.execInputTaken(task, id, count: count, hands.now) }

  func closeInput() { program.closeInput() }
}
