import Bytes
import Market

/// What the publisher's user does with a run while it goes on: looks into it, feeds it, stops it.
extension RunMachine {
  // MARK: Further programs

  /// Starts a program beside the job of a worker. The number that `RunEffect/program` names it with,
  /// or why it cannot be.
  public func startProgram(
    _ request: ProgramRequest, worker: UInt16, _ now: RunTime
  ) -> (id: UInt32, problem: String?) {
    context.now = now
    guard let hire = hire(of: worker) else { return (0, "there is no worker \(worker)") }
    lastProgram += 1
    var request = request
    request.id = lastProgram
    do { _ = try SessionMessage.decode(SessionMessage.execute(request).encode()) } catch {
      // What the machine would refuse is refused here first.
      return (0, error.message)
    }
    let problem = hire.startProgram(request)
    if problem == nil { programs[request.id] = worker }
    settle()
    return (request.id, problem)
  }

  private func hire(of worker: UInt16) -> Hire? {
    hires.first { $0.worker == worker && $0.stage != .abandoned }
  }

  private func withProgram<Value>(
    _ id: UInt32, _ now: RunTime, _ body: (Hire) -> Value
  ) -> Value? {
    context.now = now
    guard let worker = programs[id], let hire = hire(of: worker) else { return nil }
    let value = body(hire)
    settle()
    return value
  }

  /// How many of the bytes were taken. `ProgramEvent/inputRoom` says when to offer the rest.
  public func programInput(_ id: UInt32, _ bytes: [UInt8], _ now: RunTime) -> Int {
    withProgram(id, now) { $0.programInput(id, bytes) } ?? bytes.count
  }
  public func programInputEnded(_ id: UInt32, _ now: RunTime) {
    _ = withProgram(id, now) { $0.programInputEnded(id) }
  }
  public func programOutputTaken(_ id: UInt32, isError: Bool, count: Int, _ now: RunTime) {
    _ = withProgram(id, now) { $0.programOutputTaken(id, isError: isError, count: count) }
  }
  public func programSignalled(_ id: UInt32, _ number: UInt8, _ now: RunTime) {
    _ = withProgram(id, now) { $0.say(.programSignal(id: id, number: number)) }
  }
  public func programResized(_ id: UInt32, _ size: TerminalSize, _ now: RunTime) {
    _ = withProgram(id, now) { $0.say(.programResize(id: id, size)) }
  }
  public func programAbandoned(_ id: UInt32, _ now: RunTime) {
    _ = withProgram(id, now) { $0.abandonProgram(id) }
    programs[id] = nil
  }

  // MARK: The jobs' input

  /// How many bytes of this program's own input may be given to `inputRead`.
  public var inputRoom: Int { context.input.room(sentOffset: leastInputOffset) }

  /// Of all workers that may still want it.
  private var leastInputOffset: UInt64 {
    var least = context.input.endOffset
    for worker in 0..<context.plan.offer.workers {
      guard let hire = hire(of: worker) else { return 0 }
      if hire.stage <= .running { least = min(least, hire.inputOffset) }
    }
    return least
  }

  public func inputRead(_ bytes: [UInt8], _ now: RunTime) {
    context.now = now
    context.input.append(bytes)
    for hire in hires { hire.pumpInput() }
    context.input.trim(sentOffset: leastInputOffset)
    settle()
  }

  public func inputEnded(_ now: RunTime) {
    context.now = now
    context.input.end()
    for hire in hires { hire.pumpInput() }
    settle()
  }

  // MARK: Stopping

  /// Ends the job of one worker; what it used is paid. Nil where it is on its way, else why not.
  public func stop(worker: UInt16, _ now: RunTime) -> String? {
    context.now = now
    guard let hire = hire(of: worker) else { return "there is no worker \(worker)" }
    if hire.stage > .running { return "the job has ended already" }
    hire.stop("asked for by its publisher")
    settle()
    return nil
  }
}
