import CHost

/// What happened inside a sandbox since the last call of ``SandboxProcess/poll(nowMs:)``.
public enum SandboxEvent: Equatable, Sendable {
  /// The bundle is unpacked and the program runs.
  case jobStarted
  /// The job is over, no process of it is left; `/out` can still be collected.
  case jobEnded(JobOutcome)
  /// ``SandboxProcess/collect()`` has written all of `/out`: the end of `results` is the end of the tar.
  case resultsCollected(CollectedResults)
  /// A further program runs (``SandboxProcess/start(_:)``).
  case programStarted(id: UInt32)
  /// A further program ended, or could not be started.
  case programEnded(id: UInt32, JobOutcome)
  /// The sandbox's first process is gone. Only ``SandboxProcess/destroy()`` remains to be called.
  case closed
}

/// One sandbox. All descriptors are non-blocking and close-on-exec; the event loop watches them and
/// calls ``poll(nowMs:)`` when `control` is readable.
public final class SandboxProcess {
  public let name: String
  public let spec: JobSpec
  /// The sandbox's process 1, as the machine numbers it; 0 before the start and after the end.
  public internal(set) var firstPid: Int32 = 0
  /// The child that made process 1 and ended at once; 0 when it has been reaped.
  var starterPid: Int32 = 0
  /// It is being made.
  var awaitsStarter = false
  /// Readable: an event waits for ``poll(nowMs:)``.
  public internal(set) var control: Int32 = -1
  /// Write the `tar.zst` here, then call ``closeBundle()``.
  public internal(set) var bundle: Int32 = -1
  /// The job's standard input; ``closeInput()`` gives it its end of file.
  public internal(set) var stdin: Int32 = -1
  public internal(set) var stdout: Int32 = -1
  public internal(set) var stderr: Int32 = -1
  /// After ``collect()``: an uncompressed tar of `/out`. Read until its end.
  public internal(set) var results: Int32 = -1
  public private(set) var isFrozen = false
  /// Set once, when the job is over.
  public private(set) var outcome: JobOutcome?

  let cgroup: JobCgroup
  private let reader: CgroupReader
  private let sandbox: Sandbox
  private let identitySlot: Int
  private var meter = Meter()
  private var stopReason: StopReason?
  private var isWalled = false
  private var isStarted = false
  private var isLowered = false
  /// It held more than its limit, sockets included.
  private var isFull = false
  var isClosed = false
  private var isDestroyed = false
  /// Further programs whose descriptors are still open here.
  var programs: [SandboxProgram] = []
  var lastProgram: UInt32 = 0

  var helperProgram: String { sandbox.settings.helperProgram }
  var stem: SandboxStem { sandbox.stem }

  init(spec: JobSpec, cgroup: JobCgroup, sandbox: Sandbox, identitySlot: Int, nowMs: UInt64) {
    self.name = spec.name
    self.spec = spec
    self.cgroup = cgroup
    reader = CgroupReader(cgroup)
    self.sandbox = sandbox
    self.identitySlot = identitySlot
  }

  /// Everything that happened since the last call. Does not block.
  public func poll(nowMs: UInt64) -> [SandboxEvent] {
    var events: [SandboxEvent] = []
    var status: Int32 = 0
    if starterPid > 0 && host_sandbox_reap(starterPid, &status) != 0 { starterPid = 0 }
    while !isClosed && control >= 0 {
      var event = host_event()
      var descriptor: Int32 = -1
      let got = host_sandbox_receive(control, &event, &descriptor)
      if got == -11 { break }  // EAGAIN
      if got != 1 {
        isClosed = true
        end(.lost, nowMs: nowMs, &events)
        events.append(.closed)
        break
      }
      take(event, descriptor, nowMs: nowMs, &events)
    }
    // A small bundle is in its pipe before the walls stand: as little as that may be unpacked, and the
    // job be started, at once. Everything else makes way for the owner.
    if outcome == nil && !isLowered && (isStarted || (isWalled && bundle >= 0)) {
      cgroup.lowerPriority()
      isLowered = true
    }
    return events
  }

  private func take(
    _ event: host_event, _ descriptor: Int32, nowMs: UInt64, _ events: inout [SandboxEvent]
  ) {
    let code = Int32(truncatingIfNeeded: event.b)
    switch event.kind {
    case HOST_EVENT_WALLED.rawValue:
      isWalled = true
      // The first look opens files. Later on somebody would wait for that.
      _ = reader.read()
    case HOST_EVENT_STARTED.rawValue:
      isStarted = true
      meter.started(
        look(), cpuNs: event.b, cpuMilli: spec.limits.cpuMilli, nowMs: nowMs)
      // A bundle that was complete in its pipe when the job was ended has been unpacked all the same.
      if stopReason != nil { _ = try? killJob(nowMs: nowMs) }
      events.append(.jobStarted)
    case HOST_EVENT_STEP_FAILED.rawValue:
      end(.setupFailed(step: stepName(event.a), code: code), nowMs: nowMs, &events)
    case HOST_EVENT_UNPACK_FAILED.rawValue:
      let refused = BundleError(code: event.a, offset: event.b, detail: event.c)
      end(.bundleRefused(refused), nowMs: nowMs, &events)
    case HOST_EVENT_EXEC_FAILED.rawValue:
      end(.notExecutable(code: code), nowMs: nowMs, &events)
    case HOST_EVENT_ENDED.rawValue:
      // A millisecond that was begun counts: no job that ran owes nothing.
      let ranMs = event.b / 1_000_000 + 1
      end(SandboxProcess.outcome(waitStatus: event.a), ranMs: ranMs, nowMs: nowMs, &events)
    case HOST_EVENT_COLLECTED.rawValue:
      events.append(.resultsCollected(CollectedResults(report: event.a)))
    case HOST_EVENT_TERMINAL.rawValue where descriptor >= 0:
      takeTerminal(descriptor, id: event.a)
    case HOST_EVENT_PROGRAM_STARTED.rawValue: events.append(.programStarted(id: event.a))
    case HOST_EVENT_PROGRAM_FAILED.rawValue:
      events.append(.programEnded(id: event.a, .notExecutable(code: code)))
    case HOST_EVENT_PROGRAM_ENDED.rawValue:
      let status = UInt32(truncatingIfNeeded: event.b)
      events.append(.programEnded(id: event.a, SandboxProcess.outcome(waitStatus: status)))
    default:
      if descriptor >= 0 { _ = host_sandbox_close(descriptor) }
    }
  }

  func stepName(_ index: UInt32) -> String {
    let names = PlanWriter.names(sandbox.context(spec, cgroup, slot: identitySlot))
    return index < UInt32(names.count) ? names[Int(index)] : "fork"
  }

  private static func outcome(waitStatus status: UInt32) -> JobOutcome {
    let signal = UInt8(status & 0x7f)
    if signal == 0 { return .exited(status: UInt8(status >> 8 & 0xff)) }
    return .signalled(signal)
  }

  private func end(
    _ how: JobOutcome, ranMs: UInt64? = nil, nowMs: UInt64, _ events: inout [SandboxEvent]
  ) {
    if outcome != nil { return }
    meter.ended(look(), ranMs: ranMs, nowMs: nowMs)
    var how = how
    if let reason = stopReason {
      how = .terminated(reason)
    } else if (how == .signalled(9) || how == .lost) && (isFull || cgroup.oomKills() > 0) {
      how = .outOfMemory
    }
    outcome = how
    events.append(.jobEnded(how))
  }

  public func closeBundle() { SandboxProcess.close(&bundle) }

  /// Has no effect on a terminal: there the end of input is a character.
  public func closeInput() {
    if !spec.terminal { SandboxProcess.close(&stdin) }
  }

  static func close(_ descriptor: inout Int32) {
    if descriptor >= 0 { _ = host_sandbox_close(descriptor) }
    descriptor = -1
  }

  /// Stops every process of the job where it is; it uses no processor until ``thaw(nowMs:)``.
  public func freeze(nowMs: UInt64) throws(SandboxError) {
    if isFrozen || isDestroyed { return }
    try cgroup.setFrozen(true)
    isFrozen = true
    meter.froze(nowMs: nowMs)
  }

  public func thaw(nowMs: UInt64) throws(SandboxError) {
    if !isFrozen || isDestroyed { return }
    try cgroup.setFrozen(false)
    isFrozen = false
    meter.thawed(nowMs: nowMs)
  }

  /// Sends a signal to the job's program (or to a further one) and its process group. Nothing happens
  /// before its start and after its end.
  public func signal(_ number: Int32, program: UInt32 = 0) throws(SandboxError) {
    if number < 1 || number > 64 { throw SandboxError.wrongState("no such signal: \(number)") }
    try command(HOST_COMMAND_SIGNAL, UInt32(number), program)
  }

  /// Tells the job's terminal its size.
  public func resize(rows: UInt16, columns: UInt16) throws(SandboxError) {
    if !spec.terminal || stdout < 0 { throw SandboxError.wrongState("the job has no terminal") }
    let code = host_sandbox_set_size(stdout, UInt32(rows), UInt32(columns))
    if code != 0 { throw SandboxError.system("terminal size", code: -code) }
  }

  /// Kills every process of the job, within 100 ms; `/out` can still be collected. The outcome becomes
  /// `terminated`, if the job was not over already.
  public func terminate(_ reason: StopReason, nowMs: UInt64) throws(SandboxError) {
    if isDestroyed || outcome != nil { return }
    stopReason = reason
    SandboxProcess.close(&bundle)
    try killJob(nowMs: nowMs)
  }

  private func killJob(nowMs: UInt64) throws(SandboxError) {
    if isFrozen {
      isFrozen = false
      meter.thawed(nowMs: nowMs)
    }
    try cgroup.killAll(sparing: firstPid, pids: spec.limits.pids)
    // It has to tell of the end. Whoever stopped it did not mean for ever.
    if firstPid > 0 { _ = host_sandbox_kill(firstPid, 18) }
    if isLowered { cgroup.lowerPriority() }
  }

  /// After ``SandboxEvent/jobEnded(_:)``: starts writing a tar of `/out` to ``results``.
  public func collect() throws(SandboxError) {
    if outcome == nil || isClosed { throw SandboxError.wrongState("no results to collect") }
    try command(HOST_COMMAND_COLLECT, 0)
  }

  private func command(
    _ kind: host_command_kind, _ value: UInt32, _ program: UInt32 = 0
  ) throws(SandboxError) {
    if control < 0 || isClosed { throw SandboxError.wrongState("the sandbox is closed") }
    let code = host_sandbox_send(control, kind.rawValue, value, program)
    if code != 0 { throw SandboxError.system("control socket", code: -code) }
  }

  /// Bytes that the agent moved over the network for this job.
  public func countTransfer(bytes: UInt64) { meter.transferred(bytes: bytes) }

  /// What the job has used. Call it at least as often as memory shall be measured; a few file reads.
  public func usage(nowMs: UInt64) -> UsageSample {
    if !isDestroyed && outcome == nil {
      meter.take(look(), nowMs: nowMs)
      if isFull { _ = try? killJob(nowMs: nowMs) }
    }
    return meter.sample(nowMs: nowMs)
  }

  /// Processor time of all that ever was in the sandbox, charged or not, milliseconds.
  public var processorMs: UInt64 { reader.read().cpuNs / 1_000_000 }

  /// The kernel bounds memory and, where it counts them apart, sockets: both together are bounded here. A
  /// MiB of them passes: the kernel counts as used what it sets aside. Nobody is charged more than the limit.
  private func look() -> CgroupReading {
    var reading = reader.read()
    if reading.memoryBytes > spec.limits.memoryBytes {
      if reading.socketBytes >> 20 > 0 { isFull = true }
      reading.memoryBytes = spec.limits.memoryBytes
    }
    // Version 2 lets sockets go a little beyond, too.
    reading.memoryPeakBytes = min(reading.memoryPeakBytes, spec.limits.memoryBytes)
    return reading
  }

  /// Removes everything: processes, mounts and files (they die with them), cgroups, descriptors. Can be
  /// called at any time, and again.
  public func destroy() throws(SandboxError) {
    if isDestroyed { return }
    // A job that still runs may be a fork bomb: its first process would have to wait for its turn among
    // the others before it could die.
    let isOver = outcome != nil && !isFrozen
    if firstPid > 0 && (isOver || !isWalled) {
      // The kernel kills all that is in a pid namespace with its first process, and that one is not gone
      // before they are: nothing can be born in between. pid_namespaces(7). Without walls it may not be in
      // its cgroups yet.
      _ = host_sandbox_kill(firstPid, 9)
      if isLowered { cgroup.hurry() }
    }
    if !isOver && !cgroup.processes().isEmpty { try cgroup.killAll() }
    closeDescriptors()
    for pid in [starterPid, firstPid] where pid > 0 { try SandboxProcess.reap(pid) }
    (starterPid, firstPid) = (0, 0)
    try cgroup.remove()
    isDestroyed = true
    isClosed = true
    sandbox.releaseIdentity(identitySlot)
  }

  /// Before there is a cgroup: takes away what was begun.
  func abandon() throws(SandboxError) {
    isDestroyed = true
    isClosed = true
    closeDescriptors()
    sandbox.releaseIdentity(identitySlot)
    try learnStarter()
    if starterPid <= 0 { return }
    _ = host_sandbox_kill(starterPid, 9)
    try SandboxProcess.reap(starterPid)
    starterPid = 0
  }

  private func closeDescriptors() {
    for descriptor in [control, bundle, stdout, stderr, results] where descriptor >= 0 {
      _ = host_sandbox_close(descriptor)
    }
    for program in programs { program.close() }
    programs = []
    if stdin >= 0 && stdin != stdout { _ = host_sandbox_close(stdin) }
    (control, bundle, stdin, stdout, stderr, results) = (-1, -1, -1, -1, -1, -1)
    reader.close()
  }

  /// Waits for a child that has been killed or is about to end.
  static func reap(_ pid: Int32) throws(SandboxError) {
    // Twenty seconds: on a machine that swaps or is far too busy even dying takes its time.
    for round in 0..<20_000 {
      var status: Int32 = 0
      // A negative answer: not our child any more, so there is nothing to wait for.
      if host_sandbox_reap(pid, &status) != 0 { return }
      if round == 0 && host_sandbox_wait_end(pid, 20_000) == 1 { continue }
      host_sandbox_sleep_us(round < 20 ? 10 : round < 500 ? 200 : 1000)
    }
    throw SandboxError.leftover("process \(pid)")
  }
}
