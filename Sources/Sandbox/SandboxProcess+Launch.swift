import CHost

extension SandboxProcess {
  /// Makes the first child, which builds walls while the agent makes the cgroups. On failure nothing is left.
  func makeFirst(_ steps: EncodedSteps, bundles: [Int32]) throws(SandboxError) {
    var theirs: [Int32] = [-1, -1, -1, -1]
    do throws(SandboxError) {
      try openDescriptors(&theirs)
      for bundle in bundles { theirs.append(try SandboxProcess.reopened(bundle)) }
      try fork(steps, theirs)
    } catch {
      SandboxProcess.closeAll(theirs)
      try abandon()
      throw error
    }
    SandboxProcess.closeAll(theirs)
  }

  /// The cgroups are there: puts the child into those that nobody can enter by himself, and lets process 1
  /// into the others. Which that is, and whether all goes well, ``poll(nowMs:)`` finds out.
  func admit() throws(SandboxError) {
    do throws(SandboxError) {
      var code: Int32 = 0
      if !cgroup.procsDirectories.isEmpty {
        try learnStarter()
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
    } catch {
      if starterPid > 0 { _ = host_sandbox_kill(starterPid, 9) }
      throw error
    }
  }

  /// After ``Sandbox/prepare(_:bundles:in:nowMs:)``, once: the bundles are unpacked and the job starts.
  public func begin() throws(SandboxError) {
    if hasBegun { return }
    hasBegun = true
    let code = host_sandbox_send(control, HOST_COMMAND_GO.rawValue, 0, 0)
    if code != 0 { throw SandboxError.system("control socket", code: -code) }
  }

  /// The zygote has been asked for the first child, and does not make this process wait for its answer.
  func learnStarter() throws(SandboxError) {
    if !awaitsStarter { return }
    awaitsStarter = false
    starterPid = try zygote.answer()
  }

  /// What it tells first is which process 1 is, or that there is none. Whoever ends it has to know.
  func awaitFirst() {
    if firstPid > 0 { return }
    // Who makes it may stand still.
    if isFrozen { _ = try? cgroup.setFrozen(false) }
    // Ten seconds: a machine that swaps is slow, but not forever.
    while firstPid == 0 && early.isEmpty && control >= 0 && !isClosed {
      if host_sandbox_wait_readable(control, 10_000) != 1 { return }
      var event = host_event()
      var descriptor: Int32 = -1
      if host_sandbox_receive(control, &event, &descriptor) != 1 { return }
      if event.kind == HOST_EVENT_INIT.rawValue {
        firstPid = Int32(bitPattern: event.a)
      } else {
        early.append(event)
      }
    }
  }

  private static func closeAll(_ descriptors: [Int32]) {
    for descriptor in descriptors where descriptor >= 0 { _ = host_sandbox_close(descriptor) }
  }

  /// Whoever unpacks reads from the start, and cannot write what others unpack, too.
  private static func reopened(_ bundle: Int32) throws(SandboxError) -> Int32 {
    let copy = host_sandbox_reopen(bundle)
    if copy < 0 { throw SandboxError.system("bundle", code: -copy) }
    return copy
  }

  /// `theirs`: the child's ends, in the order of `host_plan.descriptors`.
  private func openDescriptors(_ theirs: inout [Int32]) throws(SandboxError) {
    var ends: [Int32] = [-1, -1]
    let made = ends.withUnsafeMutableBufferPointer { host_sandbox_socketpair($0.baseAddress) }
    if made != 0 { throw SandboxError.system("socketpair", code: -made) }
    (control, theirs[3]) = (ends[0], ends[1])
    if spec.terminal { return }
    (theirs[0], stdin) = try pipe(ourEnd: 1)
    (stdout, theirs[1]) = try pipe(ourEnd: 0)
    (stderr, theirs[2]) = try pipe(ourEnd: 0)
  }

  func pipe(ourEnd: UInt32) throws(SandboxError) -> (Int32, Int32) {
    var ends: [Int32] = [-1, -1]
    let made = ends.withUnsafeMutableBufferPointer {
      host_sandbox_pipe($0.baseAddress, 1 << ourEnd)
    }
    if made != 0 { throw SandboxError.system("pipe", code: -made) }
    return (ends[0], ends[1])
  }

  private func fork(_ steps: EncodedSteps, _ theirs: [Int32]) throws(SandboxError) {
    var plan = host_plan()
    // Every file and folder has a name in RAM, so the count of entries is bounded like the bytes.
    plan.limits = (spec.limits.files, spec.limits.diskBytes)
    plan.terminal = spec.terminal ? 1 : 0
    plan.bundles = UInt32(theirs.count - 4)
    plan.waits = cgroup.procsDirectories.isEmpty ? 0 : 1
    plan.helper = runHelper
    try theirs.withUnsafeBufferPointer { (theirs) throws(SandboxError) in
      plan.descriptors = theirs.baseAddress
      try steps.withPlan(&plan) { (plan) throws(SandboxError) in
        awaitsStarter = try zygote.ask(plan)
        if awaitsStarter { return }
        let pid = host_sandbox_fork(plan)
        if pid < 0 { throw SandboxError.system("fork", code: -pid) }
        starterPid = pid
      }
    }
  }
}
