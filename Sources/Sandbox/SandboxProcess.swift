import CHost

/// One sandbox. All descriptors are non-blocking and close-on-exec; the event loop watches them and
/// calls ``poll(nowMs:)`` when `control` is readable.
public final class SandboxProcess {
  public let name: String
  public let spec: JobSpec
  /// The sandbox's process 1, as the machine numbers it; 0 before it is known and after the end.
  public internal(set) var firstPid: Int32 = 0
  /// The child that made process 1 and ended at once; 0 when it has been reaped.
  var starterPid: Int32 = 0
  /// It is being made.
  var awaitsStarter = false
  /// Readable: an event waits for ``poll(nowMs:)``.
  public internal(set) var control: Int32 = -1
  /// The job's standard input; ``closeInput()`` gives it its end of file.
  public internal(set) var stdin: Int32 = -1
  public internal(set) var stdout: Int32 = -1
  public internal(set) var stderr: Int32 = -1
  /// After ``collect(_:)``: an uncompressed tar. Read until its end.
  public private(set) var results: Int32 = -1
  public private(set) var isFrozen = false
  /// Set once, when the job is over.
  public private(set) var outcome: JobOutcome?

  let cgroup: JobCgroup
  private let reader: CgroupReader
  private let sandbox: Sandbox
  private let share: SandboxShare?
  private let identitySlot: Int
  private var meter = Meter()
  private var stopReason: StopReason?
  private var isWalled = false
  private var isStarted = false
  private var isLowered = false
  /// So little that it may be unpacked before the owner's programs get their turn.
  private let isSmall: Bool
  /// It held more than its limit, sockets included.
  private var isFull = false
  /// Between ``leave()`` and the end of process 1.
  private(set) var isLeaving = false
  /// What it held then.
  private(set) var leftBytes: UInt64 = 0
  /// Nothing of the job happens before.
  var hasBegun = false
  var isClosed = false
  public private(set) var isDestroyed = false
  /// Taken from `control` by somebody who waited for another one.
  var early: [host_event] = []
  /// Further programs whose descriptors are still open here.
  var programs: [SandboxProgram] = []
  var lastProgram: UInt32 = 0

  var zygote: SandboxZygote { sandbox.zygote }

  /// - Parameter bundleBytes: of all bundles, as they come.
  init(
    spec: JobSpec, cgroup: JobCgroup, sandbox: Sandbox, share: SandboxShare? = nil,
    identitySlot: Int, bundleBytes: UInt64
  ) {
    self.name = spec.name
    self.spec = spec
    self.cgroup = cgroup
    reader = CgroupReader(cgroup)
    self.sandbox = sandbox
    self.share = share
    self.identitySlot = identitySlot
    isSmall = bundleBytes <= 512 << 10
  }

  /// Everything that happened since the last call. Does not block.
  public func poll(nowMs: UInt64) -> [SandboxEvent] {
    var events: [SandboxEvent] = []
    var status: Int32 = 0
    if starterPid > 0 && host_sandbox_reap(starterPid, &status) != 0 { starterPid = 0 }
    if isLeaving { return pollLeaving() }
    for event in early { take(event, -1, nowMs: nowMs, &events) }
    early = []
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
    // As little as that may be unpacked, and the job be started, at once. Everything else makes way for
    // the owner.
    if outcome == nil && !isLowered && (isStarted || (isWalled && !isSmall)) {
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
    case HOST_EVENT_INIT.rawValue: firstPid = Int32(bitPattern: event.a)
    case HOST_EVENT_WALLED.rawValue:
      isWalled = true
      // The first look opens files. Later on somebody would wait for that.
      _ = reader.read()
      if stopReason != nil { _ = try? killJob(nowMs: nowMs) }
    case HOST_EVENT_STARTED.rawValue:
      isStarted = true
      meter.started(
        look(), cpuNs: event.b, cpuMilli: spec.limits.cpuMilli, nowMs: nowMs)
      // Bundles that were complete when the job was ended have been unpacked all the same.
      if stopReason != nil { _ = try? killJob(nowMs: nowMs) }
      events.append(.jobStarted)
    case HOST_EVENT_STEP_FAILED.rawValue:
      end(.setupFailed(step: stepName(event.a), code: code), nowMs: nowMs, &events)
    case HOST_EVENT_UNPACK_FAILED.rawValue:
      let refused = BundleError(code: event.a & 0xff, offset: event.b, detail: event.c)
      end(.bundleRefused(refused, bundle: Int(event.a >> 8)), nowMs: nowMs, &events)
    case HOST_EVENT_EXEC_FAILED.rawValue:
      end(.notExecutable(code: code), nowMs: nowMs, &events)
    case HOST_EVENT_ENDED.rawValue:
      // A millisecond that was begun counts: no job that ran owes nothing.
      let ranMs = event.b / 1_000_000 + 1
      end(JobOutcome(waitStatus: event.a), ranMs: ranMs, nowMs: nowMs, &events)
    case HOST_EVENT_COLLECTED.rawValue:
      events.append(.resultsCollected(CollectedResults(report: event.a)))
    case HOST_EVENT_TERMINAL.rawValue where descriptor >= 0:
      takeTerminal(descriptor, id: event.a)
    case HOST_EVENT_PROGRAM_STARTED.rawValue: events.append(.programStarted(id: event.a))
    case HOST_EVENT_PROGRAM_FAILED.rawValue:
      events.append(.programEnded(id: event.a, .notExecutable(code: code)))
    case HOST_EVENT_PROGRAM_ENDED.rawValue:
      let status = UInt32(truncatingIfNeeded: event.b)
      events.append(.programEnded(id: event.a, JobOutcome(waitStatus: status)))
    default:
      if descriptor >= 0 { _ = host_sandbox_close(descriptor) }
    }
  }

  private func stepName(_ index: UInt32) -> String {
    let names = PlanWriter.names(sandbox.context(spec, cgroup, slot: identitySlot))
    return index < UInt32(names.count) ? names[Int(index)] : "fork"
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
    if isFrozen || isDestroyed || isLeaving { return }
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
    if control < 0 || isClosed { throw SandboxError.wrongState("the sandbox is closed") }
    let code = host_sandbox_send(control, HOST_COMMAND_SIGNAL.rawValue, UInt32(number), program)
    if code != 0 { throw SandboxError.system("control socket", code: -code) }
  }

  /// Tells the job's terminal its size.
  public func resize(rows: UInt16, columns: UInt16) throws(SandboxError) {
    if !spec.terminal || stdout < 0 { throw SandboxError.wrongState("the job has no terminal") }
    let code = host_sandbox_set_size(stdout, UInt32(rows), UInt32(columns))
    if code != 0 { throw SandboxError.system("terminal size", code: -code) }
  }

  /// Kills every process of the job, within 100 ms; `/out` can still be collected. The outcome becomes
  /// `terminated`, if the job was not over already. A frozen job is thawed for that.
  public func terminate(_ reason: StopReason, nowMs: UInt64) throws(SandboxError) {
    if isDestroyed || outcome != nil { return }
    stopReason = reason
    try killJob(nowMs: nowMs)
  }

  private func killJob(nowMs: UInt64) throws(SandboxError) {
    // Process 1 tells of an end only where there is something to end.
    _ = try? begin()
    awaitFirst()
    if isFrozen {
      isFrozen = false
      meter.thawed(nowMs: nowMs)
    }
    try cgroup.killAll(sparing: firstPid, pids: spec.limits.pids)
    // It has to tell of the end. Whoever stopped it did not mean for ever.
    if firstPid > 0 { _ = host_sandbox_kill(firstPid, 18) }
    if isLowered { cgroup.lowerPriority() }
  }

  /// After ``SandboxEvent/jobEnded(_:)``, once: starts writing a tar to ``results``.
  ///
  /// What was written is no longer in `/out`.
  ///
  /// - Parameters:
  ///   - path: what of `/out` is wanted, below it: names in the tar begin there all the same. Empty or `/`:
  ///     everything.
  ///   - limitBytes: of the whole tar. Entries beyond it are left out, and named.
  public func collect(
    _ path: [UInt8] = [], limitBytes: UInt64 = .max
  ) throws(SandboxError) {
    if outcome == nil || isClosed || isLeaving || results >= 0 {
      throw SandboxError.wrongState("no results to collect")
    }
    let bytes = try ResultCollector.path(path) + [0]
    let (ours, theirs) = try pipe(ourEnd: 0)
    let code = bytes.withUnsafeBufferPointer {
      host_sandbox_send_collect(
        control, $0.baseAddress, UInt64($0.count), limitBytes, theirs)
    }
    _ = host_sandbox_close(theirs)
    results = ours
    if code != 0 {
      SandboxProcess.close(&results)
      throw SandboxError.system("control socket", code: -code)
    }
  }

  /// Bytes that the agent moved over the network for this job.
  public func countTransfer(bytes: UInt64) { meter.transferred(bytes: bytes) }

  /// Charges processor time that the agent spent on this job, for example on reading its output. The charge
  /// never exceeds what the job's share could have used.
  public func countWork(ns: UInt64) { meter.worked(ns: ns) }

  /// What the job has used. Call it at least as often as memory shall be measured; a few file reads.
  public func usage(nowMs: UInt64) -> UsageSample {
    if !isDestroyed && outcome == nil {
      let reading = look()
      meter.take(reading, nowMs: nowMs)
      if isFull || isKilledAgainAndAgain(reading) { _ = try? killJob(nowMs: nowMs) }
    }
    return meter.sample(nowMs: nowMs)
  }

  /// The job ends after so many of its processes were killed for lack of memory: each kill is about ninety
  /// lines in the host's log.
  static let mostMemoryKills: UInt64 = 64

  /// Reads the count only if the job came near its limit.
  private func isKilledAgainAndAgain(_ reading: CgroupReading) -> Bool {
    let limit = spec.limits.memoryBytes
    if reading.memoryPeakBytes > 0 && reading.memoryPeakBytes < limit - limit / 16 { return false }
    if cgroup.oomKills() < SandboxProcess.mostMemoryKills { return false }
    isFull = true
    return true
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

  // MARK: The end

  /// After ``SandboxEvent/jobEnded(_:)``, instead of waiting in ``destroy()``: the sandbox begins to go, with
  /// whatever is still in it. When it is gone, which a child's end (SIGCHLD) says, ``poll(nowMs:)`` returns
  /// `closed`, and ``destroy()`` has nothing left to wait for. False: it does not, and has to be destroyed.
  public func leave() -> Bool {
    if isLeaving { return true }
    if isDestroyed || isClosed || outcome == nil || isFrozen { return false }
    awaitFirst()
    if firstPid == 0 { return false }
    isLeaving = true
    leftBytes = reader.read().memoryBytes
    killFirst()
    return true
  }

  private func pollLeaving() -> [SandboxEvent] {
    var status: Int32 = 0
    if isClosed || host_sandbox_reap(firstPid, &status) == 0 { return [] }
    firstPid = 0
    isClosed = true
    return [.closed]
  }

  /// The kernel kills all that is in a pid namespace with its first process, and that one is not gone before
  /// they are: nothing can be born in between. pid_namespaces(7).
  private func killFirst() {
    _ = host_sandbox_kill(firstPid, 9)
    if isLowered { cgroup.hurry() }
  }

  /// Removes everything: processes, mounts and files (they die with them), cgroups, descriptors. Can be
  /// called at any time, and again.
  public func destroy() throws(SandboxError) {
    if isDestroyed { return }
    awaitFirst()
    // A job that still runs may be a fork bomb: its first process would have to wait for its turn among
    // the others before it could die. Without walls it may not be in its cgroups yet.
    let isOver = outcome != nil && !isFrozen
    if firstPid > 0 && !isLeaving && (isOver || !isWalled) { killFirst() }
    if !isOver && !cgroup.processes().isEmpty { try cgroup.killAll() }
    closeDescriptors()
    for pid in [starterPid, firstPid] where pid > 0 { try Child.reap(pid) }
    (starterPid, firstPid) = (0, 0)
    try cgroup.remove()
    forget()
  }

  /// Before there is a cgroup: takes away what was begun.
  func abandon() throws(SandboxError) {
    forget()
    closeDescriptors()
    try learnStarter()
    if starterPid <= 0 { return }
    _ = host_sandbox_kill(starterPid, 9)
    try Child.reap(starterPid)
    starterPid = 0
  }

  private func forget() {
    isDestroyed = true
    isClosed = true
    sandbox.releaseIdentity(identitySlot)
    share?.forget(self)
  }

  private func closeDescriptors() {
    for descriptor in [control, stdout, stderr, results] where descriptor >= 0 {
      _ = host_sandbox_close(descriptor)
    }
    for program in programs { program.close() }
    programs = []
    if stdin >= 0 && stdin != stdout { _ = host_sandbox_close(stdin) }
    (control, stdin, stdout, stderr, results) = (-1, -1, -1, -1, -1)
    reader.close()
  }
}
