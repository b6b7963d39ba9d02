import Agent
import Bitcoin
import Bytes
import Crypto
import Host
import Market
import Sandbox
import Storage

/// Further programs beside the jobs: what the mind wants done with them, and what they print.
extension AgentProgram {
  func carryOut(_ action: ProgramAction, _ id: UInt32, _ body: JobBody) {
    if case .start(let request) = action { return start(request, body) }
    guard let index = body.programs.firstIndex(where: { $0.id == id }) else { return }
    let program = body.programs[index]
    switch action {
    case .start: break
    case .input(let bytes):
      program.input.append(contentsOf: bytes)
      feed(program, body)
    case .closeInput:
      program.inputIsEnded = true
      feed(program, body)
    case .signal(let number):
      report { () throws(SandboxError) in
        try body.process?.signal(Int32(number), program: program.program.id)
      }
    case .resize(let size):
      program.size = size
      resize(program)
    case .end:
      if !program.hasEnded {
        try? body.process?.signal(Signal.kill.rawValue, program: program.program.id)
      }
      unwatch(program, body)
      program.program.close()
      body.programs.remove(at: index)
    }
  }

  private func start(_ request: ProgramRequest, _ body: JobBody) {
    var slot: UInt64 = 0
    while body.programs.contains(where: { $0.slot == slot }) { slot += 1 }
    guard let process = body.process, slot < ProgramBody.slots else {
      return machine.programEnded(body.key, request.id, .notExecutable(code: 11), now)
    }
    do throws(SandboxError) {
      let program = ProgramBody(
        id: request.id, slot: slot, program: try start(request, in: process))
      program.size = request.terminal
      body.programs.append(program)
    } catch {
      log.warning("program: " + error.message)
      machine.programEnded(body.key, request.id, .notExecutable(code: 22), now)
    }
  }

  private func start(
    _ request: ProgramRequest, in process: SandboxProcess
  ) throws(SandboxError) -> SandboxProgram {
    let words = AgentProgram.texts(request.arguments)
    switch request.task {
    case .run:
      return try process.start(
        words, environment: AgentProgram.texts(request.environment),
        workdir: String(decoding: request.workdir, as: UTF8.self),
        terminal: request.terminal != nil)
    case .copyOut: return try process.startCopy(.out, path: words[0])
    case .copyIn: return try process.startCopy(.into, path: words[0])
    }
  }

  private static func texts(_ list: [[UInt8]]) -> [String] {
    var texts: [String] = []
    for bytes in list { texts.append(String(decoding: bytes, as: UTF8.self)) }
    return texts
  }

  private func resize(_ program: ProgramBody) {
    guard let size = program.size, program.hasStarted, program.program.stdout >= 0 else { return }
    report { () throws(SandboxError) in
      try program.program.resize(rows: size.rows, columns: size.columns)
    }
  }

  // MARK: What the sandbox reports

  private func find(_ sandboxId: UInt32, _ body: JobBody) -> ProgramBody? {
    body.programs.first { $0.program.id == sandboxId }
  }

  func programStarted(_ sandboxId: UInt32, _ body: JobBody) {
    guard let program = find(sandboxId, body) else { return }
    program.hasStarted = true
    resize(program)
    machine.programStarted(body.key, program.id, now)
  }

  func programEnded(_ sandboxId: UInt32, _ outcome: JobOutcome, _ body: JobBody) {
    guard let program = find(sandboxId, body) else { return }
    program.hasEnded = true
    drain(program, body)
    machine.programEnded(body.key, program.id, outcome, now)
  }

  // MARK: Pipes

  /// What its pipes still hold: at most one pipe's worth each.
  private func drain(_ program: ProgramBody, _ body: JobBody) {
    unwatch(program, body)
    for (port, isError) in [(ProgramBody.Port.output, false), (.error, true)] {
      for _ in 0..<32 {
        let descriptor = program.descriptor(port)
        guard case .bytes(let bytes) = Self.read(descriptor, Self.chunkBytes) else { break }
        machine.programOutputRead(body.key, program.id, bytes, isError: isError, now)
      }
    }
    program.program.close()
  }

  private func unwatch(_ program: ProgramBody, _ body: JobBody) {
    for port in [ProgramBody.Port.input, .output, .error] {
      reactor.unwatch(program.token(body, port))
    }
  }

  func refreshProgramWatches(_ body: JobBody) {
    for program in body.programs where program.hasStarted && !program.hasEnded {
      for (port, isError) in [(ProgramBody.Port.output, false), (.error, true)] {
        let token = program.token(body, port)
        let descriptor = program.descriptor(port)
        if descriptor >= 0
          && machine.programOutputRoom(body.key, program.id, isError: isError) > 0
        {
          reactor.watch(descriptor, token: token)
        } else {
          reactor.unwatch(token)
        }
      }
    }
  }

  /// True when the token is one of a program's.
  func programPortIsReady(_ token: UInt64) -> Bool {
    let number = token & 255
    if number < ProgramBody.firstPort { return false }
    let key = JobKey(UInt32(truncatingIfNeeded: token >> 8))
    let slot = (number - ProgramBody.firstPort) / 4
    guard let body = bodies.first(where: { $0.key == key }),
      let program = body.programs.first(where: { $0.slot == slot }),
      let port = ProgramBody.Port(rawValue: (number - ProgramBody.firstPort) % 4)
    else {
      reactor.unwatch(token)
      return true
    }
    switch port {
    case .input: feed(program, body)
    case .output: readOutput(program, body, port, isError: false)
    case .error: readOutput(program, body, port, isError: true)
    }
    return true
  }

  private func readOutput(
    _ program: ProgramBody, _ body: JobBody, _ port: ProgramBody.Port, isError: Bool
  ) {
    let room = machine.programOutputRoom(body.key, program.id, isError: isError)
    if room == 0 { return }
    switch Self.read(program.descriptor(port), min(room, Self.chunkBytes)) {
    case .bytes(let bytes):
      machine.programOutputRead(body.key, program.id, bytes, isError: isError, now)
    case .ended:
      // A terminal ends when nobody has it open: what was waiting for its end can be told now.
      reactor.unwatch(program.token(body, port))
      machine.programOutputEnded(body.key, program.id, isError: isError, now)
    case .wouldBlock: break
    }
  }

  private func feed(_ program: ProgramBody, _ body: JobBody) {
    let token = program.token(body, .input)
    if !program.hasStarted && program.program.isTerminal { return }
    let descriptor = program.descriptor(.input)
    let total = Self.feed(descriptor, from: &program.input)
    if total > 0 { machine.programInputTaken(body.key, program.id, count: total, now) }
    if !program.input.isEmpty {
      return reactor.watch(descriptor, token: token, readable: false, writable: true)
    }
    reactor.unwatch(token)
    if program.inputIsEnded { program.program.closeInput() }
  }
}
