import Bytes
import Market
import Session

/// Further programs beside the job: asked for, fed, listened to. They live as long as the connection.
extension Hire {
  /// Nil where it is on its way, else why it cannot be.
  func startProgram(_ request: ProgramRequest) -> String? {
    if stage != .running { return "the job is not running: it is " + stage.text }
    guard let call, call.session.isEstablished else {
      return "the machine is not connected at the moment"
    }
    guard call.say(.execute(request)) else { return "the machine does not read" }
    programs.append(HireProgram(request, contract: contractId))
    return nil
  }

  private func program(_ id: UInt32) -> Int? { programs.firstIndex { $0.id == id } }

  private func tell(_ id: UInt32, _ event: ProgramEvent) { context.emit(.program(id, event)) }

  // MARK: Whoever asked for it

  /// How many of the bytes were taken; `inputRoom` is told when more may come.
  func programInput(_ id: UInt32, _ bytes: [UInt8]) -> Int {
    guard let index = program(id) else { return bytes.count }
    // It does not read any more: nobody is held up by that.
    if programs[index].inputIsEnded || programs[index].end != nil { return bytes.count }
    guard let stream = programs[index].input else { return 0 }
    return call?.session.send(stream, bytes) ?? 0
  }

  func programInputEnded(_ id: UInt32) {
    guard let index = program(id), !programs[index].isTerminal else { return }
    programs[index].inputIsEnded = true
    if let stream = programs[index].input { call?.session.endStream(stream) }
  }

  func programOutputTaken(_ id: UInt32, isError: Bool, count: Int) {
    guard let index = program(id), let stream = programs[index].output[isError ? 1 : 0] else {
      return
    }
    _ = call?.session.grant(stream, bytes: count)
  }

  /// Nobody listens any more.
  func abandonProgram(_ id: UInt32) {
    guard let index = program(id) else { return }
    let program = programs.remove(at: index)
    if program.end == nil { say(.programSignal(id: id, number: 9)) }
    for stream in [program.input, program.output[0], program.output[1]] {
      if let stream { call?.session.resetStream(stream) }
    }
  }

  // MARK: The machine

  func programStarted(_ id: UInt32) {
    guard let index = program(id) else {
      // Given up before it began: its streams would never come.
      return say(.programSignal(id: id, number: 9))
    }
    if programs[index].output[0] != nil { return }
    let kinds: [StreamKind] =
      programs[index].isTerminal ? [.terminal] : [.standardOutput, .standardError]
    for (place, kind) in kinds.enumerated() {
      programs[index].output[place] = call?.session.open(
        StreamOpening(kind: kind, key: programs[index].key), window: HireProgram.window)
    }
    if programs[index].isTerminal {
      programs[index].input = programs[index].output[0]
      tell(id, .inputRoom)
    }
  }

  func programEnded(_ end: ProgramEnd) {
    guard let index = program(end.id), programs[index].end == nil else { return }
    programs[index].end = end
    concludeProgram(index)
  }

  private func concludeProgram(_ index: Int) {
    guard let end = programs[index].ended else { return }
    let program = programs.remove(at: index)
    if let input = program.input, !program.isTerminal { call?.session.resetStream(input) }
    tell(end.id, .ended(end))
  }

  /// The machine asks for a program's input. True when the stream is one of a program's.
  func programStreamOpened(_ id: StreamId, _ opening: StreamOpening) -> Bool {
    guard opening.kind == .standardInput,
      let index = programs.firstIndex(where: { $0.key == opening.key && !$0.isTerminal })
    else { return false }
    programs[index].input = id
    if programs[index].inputIsEnded {
      call?.session.endStream(id)
    } else {
      tell(programs[index].id, .inputRoom)
    }
    return true
  }

  func programReceived(_ id: StreamId, _ bytes: [UInt8]) -> Bool {
    for program in programs {
      for place in 0..<2 where program.output[place] == id {
        tell(program.id, .output(isError: place == 1, bytes))
        return true
      }
    }
    return false
  }

  func programStreamEnded(_ id: StreamId) {
    for index in programs.indices {
      for place in 0..<2 where programs[index].output[place] == id {
        programs[index].outputHasEnded[place] = true
        programs[index].output[place] = nil
        call?.session.endStream(id)
        return concludeProgram(index)
      }
      if programs[index].input == id { programs[index].input = nil }
    }
  }

  func programStreamReset(_ id: StreamId) {
    for index in programs.indices where programs[index].input == id {
      programs[index].input = nil
      programs[index].inputIsEnded = true
      tell(programs[index].id, .inputRoom)
    }
    programStreamEnded(id)
  }

  func programCredit(_ id: StreamId) {
    for program in programs where program.input == id { tell(program.id, .inputRoom) }
  }

  /// Programs do not outlive the connection.
  func dropPrograms() {
    for program in programs {
      tell(
        program.id, .failed("the connection to the machine broke, and the program ended with it"))
    }
    programs = []
  }

  // MARK: The job's own input

  /// Sends what can be sent of it.
  func pumpInput() {
    guard let stream = inputStream else { return }
    while true {
      let place = context.input.place(of: inputOffset)
      let next = Array(context.input.bytes[place...].prefix(16_384))
      if next.isEmpty { break }
      let taken = call?.session.send(stream, next) ?? 0
      if taken == 0 { return }
      inputOffset += UInt64(taken)
    }
    if context.input.isEnded {
      call?.session.endStream(stream)
      inputStream = nil
    }
  }
}
