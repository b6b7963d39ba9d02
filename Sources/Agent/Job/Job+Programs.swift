import Bytes
import Market
import Sandbox
import Session

/// Further programs beside the running job: a shell, a look at a file, a copy. They are in the job's
/// sandbox, metered and frozen with it, and end with it. They also end with the connection: nobody
/// could answer for what a shell does while its terminal is away.
extension Job {
  /// At a time; each has up to three streams of the session's sixteen.
  static let maxPrograms = 6

  func executeRequested(_ request: ProgramRequest) {
    guard stage == .running, let offer, endReason == nil else {
      return refuseProgram(request.id, "no job is running")
    }
    if programs.contains(where: { $0.id == request.id }) {
      return refuse(.badMessage, "a program's number is used twice")
    }
    if programs.count >= Job.maxPrograms {
      return refuseProgram(request.id, "too many programs run beside the job")
    }
    programs.append(
      JobProgram(
        id: request.id, key: ProgramRequest.streamKey(contract: contractId, id: request.id),
        isTerminal: request.terminal != nil))
    var request = request
    if request.workdir.isEmpty { request.workdir = offer.workdir }
    request.environment = Job.merge(jobEnvironment(), request.environment)
    context.emit(.program(key, id: request.id, .start(request)))
  }

  /// EAGAIN, as where a process cannot be made.
  private func refuseProgram(_ id: UInt32, _ reason: String) {
    context.info(label + "program refused: " + reason)
    say(.programEnded(ProgramEnd(id: id, kind: .neverRan, status: 11)))
  }

  /// `more` replaces variables of the same name.
  private static func merge(_ base: [[UInt8]], _ more: [[UInt8]]) -> [[UInt8]] {
    var merged: [[UInt8]] = []
    for entry in base {
      let name = entry.prefix { $0 != 0x3d }
      if !more.contains(where: { $0.prefix { $0 != 0x3d }.elementsEqual(name) }) {
        merged.append(entry)
      }
    }
    return merged + more
  }

  private func program(_ id: UInt32) -> Int? { programs.firstIndex { $0.id == id } }

  // MARK: The publisher

  func programSignalled(_ id: UInt32, _ number: UInt8) {
    if let index = program(id), !programs[index].hasEnded {
      context.emit(.program(key, id: id, .signal(number)))
    }
  }

  func programResized(_ id: UInt32, _ size: TerminalSize) {
    if let index = program(id), programs[index].isTerminal, !programs[index].hasEnded {
      context.emit(.program(key, id: id, .resize(size)))
    }
  }

  /// True when the stream is one of a program's.
  func programStreamOpened(_ id: StreamId, _ opening: StreamOpening) -> Bool {
    guard let index = programs.firstIndex(where: { $0.key == opening.key }) else { return false }
    switch opening.kind {
    case .terminal where programs[index].isTerminal:
      programs[index].standardOutput.resume(at: 0, on: id)
      programs[index].input = id
      _ = session?.grant(id, bytes: Job.inputWindow)
    case .standardOutput where !programs[index].isTerminal:
      programs[index].standardOutput.resume(at: 0, on: id)
    case .standardError where !programs[index].isTerminal:
      programs[index].standardError.resume(at: 0, on: id)
    default: return false
    }
    return true
  }

  func programReceived(_ id: StreamId, _ bytes: [UInt8]) -> Bool {
    guard let index = programs.firstIndex(where: { $0.input == id }) else { return false }
    if programs[index].hasEnded {
      _ = session?.grant(id, bytes: bytes.count)
    } else {
      context.emit(.program(key, id: programs[index].id, .input(bytes)))
    }
    return true
  }

  func programStreamEnded(_ id: StreamId) {
    guard let index = programs.firstIndex(where: { $0.input == id }) else { return }
    if !programs[index].isTerminal { programs[index].input = nil }
    if !programs[index].hasEnded {
      context.emit(.program(key, id: programs[index].id, .closeInput))
    }
    if !programs[index].isTerminal { session?.endStream(id) }
  }

  /// The publisher gives a stream up: of its input that is no matter, of its output it means that
  /// nobody listens.
  func programStreamReset(_ id: StreamId) {
    for index in programs.indices {
      if programs[index].standardOutput.stream == id || programs[index].standardError.stream == id {
        return endProgram(index)
      }
      if programs[index].input == id { programs[index].input = nil }
    }
  }

  private func endProgram(_ index: Int) {
    let program = programs.remove(at: index)
    for stream in [program.input, program.standardOutput.stream, program.standardError.stream] {
      if let stream { session?.resetStream(stream) }
    }
    context.emit(.program(key, id: program.id, .end))
  }

  /// The connection is gone, or the job.
  func endPrograms() {
    while !programs.isEmpty { endProgram(programs.count - 1) }
  }

  // MARK: The sandbox

  func programStarted(_ id: UInt32) {
    guard let index = program(id) else { return }
    say(.programStarted(id: id))
    if programs[index].isTerminal { return }
    programs[index].input = session?.open(
      StreamOpening(kind: .standardInput, key: programs[index].key), window: Job.inputWindow)
  }

  /// A program that never ran has no streams.
  func programEnded(_ id: UInt32, _ outcome: JobOutcome) {
    guard let index = program(id), !programs[index].hasEnded else { return }
    let (kind, status) = Job.exit(outcome)
    programs[index].hasEnded = true
    say(.programEnded(ProgramEnd(id: id, kind: kind, status: status)))
    if let input = programs[index].input, !programs[index].isTerminal {
      session?.resetStream(input)
      programs[index].input = nil
    }
    if kind == .neverRan { return endProgram(index) }
    programs[index].standardOutput.end()
    programs[index].standardError.end()
    pumpPrograms()
  }

  func programInputTaken(_ id: UInt32, _ count: Int) {
    if let index = program(id), let stream = programs[index].input {
      _ = session?.grant(stream, bytes: count)
    }
  }

  func programOutputRoom(_ id: UInt32, isError: Bool) -> Int {
    guard let index = program(id) else { return 0 }
    return isError ? programs[index].standardError.room : programs[index].standardOutput.room
  }

  func programOutputRead(_ id: UInt32, _ bytes: [UInt8], isError: Bool) {
    guard let index = program(id) else { return }
    if isError {
      programs[index].standardError.append(bytes)
    } else {
      programs[index].standardOutput.append(bytes)
    }
    pumpPrograms()
  }

  func programOutputEnded(_ id: UInt32, isError: Bool) {
    guard let index = program(id) else { return }
    if isError {
      programs[index].standardError.end()
    } else {
      programs[index].standardOutput.end()
    }
    pumpPrograms()
  }

  /// Sends what can be sent; lets go of programs that are over and of which all is sent.
  func pumpPrograms() {
    for index in programs.indices {
      pump(&programs[index].standardOutput)
      if !programs[index].isTerminal { pump(&programs[index].standardError) }
    }
    for index in programs.indices.reversed() where programs[index].isOver {
      let program = programs.remove(at: index)
      context.emit(.program(key, id: program.id, .end))
    }
  }
}
