import CHost

extension SandboxProcess {
  /// Makes the first child, which builds walls while the agent makes the cgroups. On failure nothing is left.
  func begin(_ steps: EncodedSteps) throws(SandboxError) {
    var theirs: [Int32] = Array(repeating: -1, count: 7)
    do throws(SandboxError) {
      try openDescriptors(&theirs)
      try fork(steps, &theirs)
    } catch {
      SandboxProcess.closeAll(theirs)
      try abandon()
      throw error
    }
    SandboxProcess.closeAll(theirs)
  }

  /// The cgroups are there: puts the child into those that nobody can enter by himself, lets process 1
  /// into the others, and waits until it is known.
  func go() throws(SandboxError) {
    do throws(SandboxError) {
      var code: Int32 = 0
      if !cgroup.procsDirectories.isEmpty { try learnStarter() }
      if !cgroup.procsDirectories.isEmpty {
        try cgroup.add(starterPid)
        code = host_sandbox_send(control, HOST_COMMAND_GO.rawValue, 0, 0)
      }
      if code == 0 && !cgroup.taskFiles.isEmpty {
        var paths: [UInt8] = []
        for path in cgroup.taskFiles { paths.append(contentsOf: path.utf8 + [0]) }
        code = paths.withUnsafeBufferPointer {
          host_sandbox_admit(control, $0.baseAddress, UInt32(cgroup.taskFiles.count))
        }
      }
      if code != 0 { throw SandboxError.system("control socket", code: -code) }
      try learnStarter()
      try awaitFirstProcess()
    } catch {
      if starterPid > 0 { _ = host_sandbox_kill(starterPid, 9) }
      throw error
    }
  }

  /// The stem has been asked for the first child, and does not make this process wait for its answer.
  func learnStarter() throws(SandboxError) {
    if !awaitsStarter { return }
    awaitsStarter = false
    starterPid = try stem.answer()
  }

  private static func closeAll(_ descriptors: [Int32]) {
    for descriptor in descriptors where descriptor >= 0 { _ = host_sandbox_close(descriptor) }
  }

  /// `theirs`: the child's ends, in the order of `host_plan.descriptors`.
  private func openDescriptors(_ theirs: inout [Int32]) throws(SandboxError) {
    var ends: [Int32] = [-1, -1]
    let made = ends.withUnsafeMutableBufferPointer { host_sandbox_socketpair($0.baseAddress) }
    if made != 0 { throw SandboxError.system("socketpair", code: -made) }
    (control, theirs[3]) = (ends[0], ends[1])
    if !spec.terminal {
      (theirs[0], stdin) = try pipe(ourEnd: 1)
      (stdout, theirs[1]) = try pipe(ourEnd: 0)
      (stderr, theirs[2]) = try pipe(ourEnd: 0)
    }
    (theirs[4], bundle) = try pipe(ourEnd: 1)
    host_sandbox_widen_pipe(bundle)
    (results, theirs[5]) = try pipe(ourEnd: 0)
  }

  func pipe(ourEnd: UInt32) throws(SandboxError) -> (Int32, Int32) {
    var ends: [Int32] = [-1, -1]
    let made = ends.withUnsafeMutableBufferPointer {
      host_sandbox_pipe($0.baseAddress, 1 << ourEnd)
    }
    if made != 0 { throw SandboxError.system("pipe", code: -made) }
    return (ends[0], ends[1])
  }

  private func fork(_ steps: EncodedSteps, _ theirs: inout [Int32]) throws(SandboxError) {
    var encoded = steps
    var plan = host_plan()
    // Every file and folder has a name in RAM, so the count of entries is bounded like the bytes.
    let limits = BundleLimits(entries: spec.limits.files, bytes: spec.limits.diskBytes)
    plan.limits = (limits.entries, limits.bytes)
    plan.terminal = spec.terminal ? 1 : 0
    plan.waits = cgroup.procsDirectories.isEmpty ? 0 : 1
    plan.helper = runHelper
    plan.helper_arguments = (
      encoded.addTexts(SandboxHelper.arguments(task: 1, limits)),
      encoded.addTexts(SandboxHelper.arguments(task: 2, limits))
    )
    plan.descriptors = (theirs[0], theirs[1], theirs[2], theirs[3], theirs[4], theirs[5], -1)
    awaitsStarter = try encoded.withPlan(&plan) { (plan) throws(SandboxError) in
      try stem.ask(plan)
    }
    if awaitsStarter { return }
    // Without it the fork of this program does the helper's work.
    if !helperProgram.utf8.isEmpty {
      theirs[6] = max(-1, helperProgram.withCString { host_sandbox_open_program($0) })
    }
    plan.descriptors.6 = theirs[6]
    starterPid = try encoded.withPlan(&plan) { (plan) throws(SandboxError) in
      let pid = host_sandbox_fork(plan)
      if pid < 0 { throw SandboxError.system("fork", code: -pid) }
      return pid
    }
  }

  private func awaitFirstProcess() throws(SandboxError) {
    // Ten seconds: a machine that swaps is slow, but not forever.
    if host_sandbox_wait_readable(control, 10_000) != 1 {
      throw SandboxError.system("first process", code: 110)
    }
    var event = host_event()
    var descriptor: Int32 = -1
    let got = host_sandbox_receive(control, &event, &descriptor)
    if got == 1 && event.kind == HOST_EVENT_INIT.rawValue {
      firstPid = Int32(bitPattern: event.a)
      return
    }
    if got == 1 && event.kind == HOST_EVENT_STEP_FAILED.rawValue {
      throw SandboxError.stepFailed(
        stepName(event.a), code: Int32(truncatingIfNeeded: event.b))
    }
    throw SandboxError.system("first process", code: got < 0 ? -got : 104)
  }
}

/// Called by C in a confined child.
func runHelper(
  task: UInt32, context: UnsafeMutableRawPointer?, report: UnsafeMutablePointer<UInt64>?
) {
  guard let report, let context else { return }
  if task >= 3 {
    let path = String(cString: context.assumingMemoryBound(to: CChar.self))
    report[0] = SandboxHelper.copy(task: UInt64(task), path: path) ? 0 : 1
    return
  }
  let numbers = context.assumingMemoryBound(to: UInt64.self)
  let limits = BundleLimits(entries: numbers[0], bytes: numbers[1])
  SandboxHelper.run(task: task, limits: limits, report: report)
}
