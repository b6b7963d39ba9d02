import Agent
import Bytes
import Host
import Market
import Sandbox

/// The driver's part of a task: its sandbox and streams, then its results.
final class TaskBody: StreamedProgram {
  let ref: TaskRef
  let port: PortId
  private let hands: Hands
  /// Nil once the sandbox was handed over for removal.
  private(set) var process: SandboxProcess?
  private var streams: StandardStreams
  private(set) var execs: [ExecBody] = []
  private var collecting: ResultFile?
  /// The sandbox's processor time at the last ``takeProcessorMs()``.
  private var countedCpuMs: UInt64 = 0
  /// The contents of `/out`.
  private var results: MemoryFile?

  /// Ports of the sandbox beside the standard streams.
  private enum Port {
    static let control: UInt64 = 0
    static let results: UInt64 = 4
  }

  init(_ ref: TaskRef, _ process: SandboxProcess, _ hands: Hands) {
    self.ref = ref
    self.process = process
    self.hands = hands
    port = hands.nextPort()
    streams = StandardStreams(port)
    hands.reactor.watch(process.control, token: port.token(Port.control))
  }

  /// Whether it has neither sandbox nor results.
  var isEmpty: Bool { process == nil && results == nil }

  // MARK: Effects of the core

  /// Starts the program in the prepared sandbox.
  func begin() throws(SandboxError) { try process?.begin() }

  func write(_ bytes: [UInt8]) { streams.write(bytes, to: self, hands.reactor) }
  func endInput() { streams.endInput(of: self, hands.reactor) }

  func signal(_ number: UInt8) {
    hands.report { () throws(SandboxError) in try process?.signal(Int32(number)) }
  }

  func terminate(_ reason: StopReason) {
    hands.report { () throws(SandboxError) in
      try process?.terminate(reason, nowMs: hands.nowMs)
    }
    poll()
  }

  func sampleUsage() {
    guard let process else { return }
    hands.machine.usageSampled(ref, process.usage(nowMs: hands.nowMs), hands.now)
  }

  func collect(_ path: [UInt8], limitBytes: UInt64) {
    do throws(HostError) {
      collecting = try ResultFile(limitBytes: limitBytes)
      do throws(SandboxError) {
        guard let process else { throw SandboxError.wrongState("its sandbox is gone") }
        try process.collect(path, limitBytes: limitBytes)
        hands.reactor.watch(process.results, token: port.token(Port.results))
        return
      } catch { hands.log.error("results: " + error.message) }
    } catch { hands.log.error("results: " + error.message) }
    collecting = nil
    hands.machine.resultsLost(ref, hands.now)
  }

  func readResults(offset: UInt64, count: Int) {
    let bytes = try? results?.read(at: offset, count: count)
    hands.machine.resultBytes(ref, bytes ?? [], offset: offset, hands.now)
  }

  func dropResults() { results = nil }

  // MARK: Exec sessions

  func exec(_ id: UInt32, _ action: ExecAction) {
    if case .start(let request) = action { return start(request) }
    guard let index = execs.firstIndex(where: { $0.id == id }) else { return }
    let exec = execs[index]
    switch action {
    case .start: break
    case .input(let bytes): exec.write(bytes)
    case .closeInput: exec.endInput()
    case .signal(let number):
      hands.report { () throws(SandboxError) in
        try process?.signal(Int32(number), program: exec.program.id)
      }
    case .resize(let size): exec.resize(size)
    case .end:
      if !exec.hasEnded { try? process?.signal(Signal.kill.rawValue, program: exec.program.id) }
      exec.release()
      execs.remove(at: index)
    }
  }

  private func start(_ request: ExecRequest) {
    guard let process else {
      return hands.machine.execEnded(ref, request.id, .notExecutable(code: 3), hands.now)
    }
    do throws(SandboxError) {
      let program = try ExecBody.start(request, in: process)
      execs.append(ExecBody(request, of: ref, program: program, hands))
    } catch {
      hands.log.warning("exec session: " + error.message)
      hands.machine.execEnded(ref, request.id, .notExecutable(code: 22), hands.now)
    }
  }

  // MARK: What the sandbox reports

  func poll() {
    guard let process else { return }
    for event in process.poll(nowMs: hands.nowMs) {
      switch event {
      case .jobStarted: hands.machine.taskStarted(ref, hands.now)
      case .jobEnded(let outcome): ended(outcome, process)
      case .resultsCollected(let collected): finishResults(collected)
      case .programStarted(let id): exec(of: id)?.started()
      case .programEnded(let id, let outcome): exec(of: id)?.ended(outcome)
      case .closed: closed()
      }
    }
  }

  private func exec(of program: UInt32) -> ExecBody? {
    execs.first { $0.program.id == program }
  }

  private func ended(_ outcome: JobOutcome, _ process: SandboxProcess) {
    streams.drain(self, hands.reactor)
    for isError in [false, true] { outputEnded(isError: isError) }
    hands.machine.taskEnded(ref, outcome, process.usage(nowMs: hands.nowMs), hands.now)
  }

  private func finishResults(_ collected: CollectedResults) {
    guard var collecting else { return }
    _ = collecting.read(process?.results ?? -1)
    hands.reactor.unwatch(port.token(Port.results))
    self.collecting = nil
    guard let (file, digest) = collecting.finish(collected) else {
      hands.log.warning(
        "the results are larger than the task allows, or could not be read: dropped")
      return hands.machine.resultsCollected(ref, sizeBytes: 0, digest: .zero, hands.now)
    }
    if file.sizeBytes > 0 { results = file }
    hands.machine.resultsCollected(
      ref, sizeBytes: file.sizeBytes, digest: file.sizeBytes > 0 ? digest : .zero, hands.now)
  }

  /// The sandbox's process 1 ended: its results can no longer be collected.
  private func closed() {
    // A closed descriptor stays readable.
    hands.reactor.unwatch(port.token(Port.control))
    if collecting == nil { return }
    collecting = nil
    hands.reactor.unwatch(port.token(Port.results))
    hands.machine.resultsLost(ref, hands.now)
  }

  /// Processor time since the last call.
  func takeProcessorMs() -> UInt64 {
    guard let process else { return 0 }
    let cpuMs = process.processorMs
    defer { countedCpuMs = max(countedCpuMs, cpuMs) }
    return cpuMs - min(countedCpuMs, cpuMs)
  }

  /// Hands over the sandbox for removal; no further events of it are handled.
  func giveAwaySandbox() -> SandboxProcess? {
    for exec in execs { exec.release() }
    execs = []
    streams.unwatch(hands.reactor)
    for place in [Port.control, Port.results] { hands.reactor.unwatch(port.token(place)) }
    collecting = nil
    defer { process = nil }
    return process
  }

  // MARK: Ports

  func isReady(_ place: UInt64) {
    switch place {
    case Port.control: poll()
    case Port.results:
      let hasEnded = collecting?.read(process?.results ?? -1) ?? true
      if hasEnded { hands.reactor.unwatch(port.token(Port.results)) }
    default:
      guard let stream = StandardStreams.Port(rawValue: place) else { return }
      if stream == .input {
        streams.feed(self, hands.reactor)
      } else {
        streams.read(stream, of: self, hands.reactor)
      }
    }
  }

  /// Returns the latest time of the next call.
  func refreshWatches(nowMs: UInt64) -> UInt64 {
    var nextMs = UInt64.max
    if let process, process.outcome == nil {
      nextMs = streams.refresh(self, hands.reactor, nowMs: nowMs)
    }
    for exec in execs { nextMs = min(nextMs, exec.refreshWatches(nowMs: nowMs)) }
    return nextMs
  }

  /// Charges the agent's processor time to the task.
  func worked(ns: UInt64) { process?.countWork(ns: ns) }

  // MARK: Its streams

  func descriptor(_ port: StandardStreams.Port) -> Int32 {
    guard let process else { return -1 }
    switch port {
    case .input: return process.stdin
    case .output: return process.stdout
    case .error: return process.stderr
    }
  }

  func outputRoom(isError: Bool) -> Int { hands.machine.outputRoom(ref, isError: isError) }

  func outputRead(_ bytes: [UInt8], isError: Bool) {
    hands.machine.outputRead(ref, bytes, isError: isError, hands.now)
  }

  func outputEnded(isError: Bool) {
    hands.machine.outputEnded(ref, isError: isError, hands.now)
  }

  func inputTaken(_ count: Int) { hands.machine.inputTaken(ref, count: count, hands.now) }

  func closeInput() { process?.closeInput() }
}
