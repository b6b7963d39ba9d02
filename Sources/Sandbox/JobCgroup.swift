import CHost

/// The cgroups of one job, one directory in each hierarchy that is of use.
struct JobCgroup {
  let layout: CgroupLayout
  /// `<owner>.<job>`
  let name: String
  /// Every directory, each once.
  let directories: [String]

  static let folder = "zennet"
  /// Of version 1: TCP's and UDP's. cgroups(7): version 2 has them in `memory.max`.
  private static let socketMemory = "memory.kmem.tcp.limit_in_bytes"

  /// Those of version 1: a process can enter them by itself.
  let taskFiles: [String]
  /// Those of version 2: the agent puts a process into them.
  let procsDirectories: [String]

  /// - Parameter everywhere: also where no controller of this job is: for what another agent left.
  init(layout: CgroupLayout, owner: String, job: String, everywhere: Bool = false) {
    self.layout = layout
    name = owner + "." + job
    var found: [String] = []
    var tasks: [String] = []
    var procs: [String] = []
    // A version 2 hierarchy beside version 1's controllers has nothing to give.
    let controllers = layout.controllers.filter { $0.isPresent }
    let places =
      everywhere || controllers.isEmpty ? controllers + [layout.unified] : controllers
    for place in places where place.isPresent {
      let path = place.directory + "/" + JobCgroup.folder + "/" + owner + "." + job
      if found.contains(where: { Text.same($0, path) }) { continue }
      found.append(path)
      if place.isVersion2 { procs.append(path) } else { tasks.append(path + "/tasks") }
    }
    directories = found
    taskFiles = tasks
    procsDirectories = procs
  }

  func path(_ place: CgroupPlace, _ file: String) -> String {
    place.directory + "/" + JobCgroup.folder + "/" + name + "/" + file
  }

  private func set(_ place: CgroupPlace, _ file: String, _ value: String) throws(SandboxError) {
    let file = path(place, file)
    let code = System.write(file, value)
    if code != 0 { throw SandboxError.cgroup(file, code: -code) }
  }

  /// For files that not every kernel has.
  private func trySet(_ place: CgroupPlace, _ file: String, _ value: String) {
    if place.isPresent { _ = System.write(path(place, file), value) }
  }

  /// Makes the directories and sets the limits; on failure nothing is left.
  func create(_ limits: JobLimits) throws(SandboxError) {
    var made: [String] = []
    do throws(SandboxError) {
      for directory in directories {
        try make(directory)
        made.append(directory)
      }
      // Another job may run at the bottom already: until these walls stand it is in company.
      weigh(.ordinary)
      try limitProcessor(limits)
      try limitMemory(limits)
      if layout.pids.isPresent { try set(layout.pids, "pids.max", "\(limits.pids)") }
    } catch {
      for directory in made { _ = System.removeDirectory(directory) }
      throw error
    }
  }

  private func make(_ directory: String) throws(SandboxError) {
    let parent = String(decoding: directory.utf8.dropLast(name.utf8.count + 1), as: UTF8.self)
    var code: Int32 = 0
    var isNew = false
    // Another agent may remove the empty parent between our two calls.
    for round in 0..<10 {
      if round > 0 || !procsDirectories.isEmpty {
        isNew = System.makeDirectory(parent) == 0 || isNew
      }
      if !procsDirectories.isEmpty && System.exists(parent + "/cgroup.subtree_control") {
        delegate(parent)
      }
      if isNew { furnish(parent) }
      code = System.makeDirectory(directory)
      if code != -2 { break }
    }
    if code == -17 { throw SandboxError.wrongState("job " + name + " exists already") }
    if code != 0 { throw SandboxError.cgroup(directory, code: -code) }
  }

  /// A new folder for jobs: what they ask of the disk comes after all else.
  private func furnish(_ folder: String) {
    for file in ["blkio.weight", "io.weight"] { _ = System.write(folder + "/" + file, "10") }
    for file in ["blkio.bfq.weight", "io.bfq.weight"] { _ = System.write(folder + "/" + file, "1") }
    // The kernel changes its own code for the first cgroup with a limit for sockets: this is that one.
    _ = System.write(folder + "/" + JobCgroup.socketMemory, "-1")
  }

  /// Version 2: passes the controllers on to the job's directory. A process in the agent's own cgroup
  /// forbids that ("no internal processes"), so the agent moves into a leaf first, and whoever shares
  /// its cgroup with it: the shell that started it.
  private func delegate(_ folder: String) {
    if !layout.memory.isVersion2 { return }
    let own = layout.unified.directory
    // Memory first: with a process beside it, "cpu" alone would make a threaded cgroup, which takes none.
    for controller in ["memory", "io", "cpu", "pids"] {
      let add = "+" + controller
      // Again where a process was born meanwhile.
      for _ in 0..<10 where System.write(own + "/cgroup.subtree_control", add) == -16 {
        moveAside(own)
      }
      _ = System.write(folder + "/cgroup.subtree_control", add)
    }
  }

  private func moveAside(_ own: String) {
    let leaf = own + "/" + CgroupLayout.leaf
    _ = System.makeDirectory(leaf)
    _ = System.write(leaf + "/cgroup.procs", "0")
    for line in Text.lines(System.read(own + "/cgroup.procs") ?? []) where !line.isEmpty {
      _ = System.write(leaf + "/cgroup.procs", Text.string(line))
    }
  }

  private func limitProcessor(_ limits: JobLimits) throws(SandboxError) {
    if !layout.cpu.isPresent { return }
    // Microseconds of processor time in each period of 100 ms, which is what every new cgroup has.
    let quotaUs = limits.cpuMilli * 100
    try set(layout.cpu, layout.cpu.isVersion2 ? "cpu.max" : "cpu.cfs_quota_us", "\(quotaUs)")
  }

  /// What all jobs together weigh beside the owner's programs.
  private enum Weight {
    case lowest, ordinary, high

    /// In version 1's shares, of which 2 are the least.
    var shares: UInt64 {
      switch self {
      case .lowest: return 2
      case .ordinary: return 1024
      // Not more: a thousand dying processes would starve the agent that waits for them.
      case .high: return 8192
      }
    }
  }

  /// False in tests: theirs would wait for each other.
  nonisolated(unsafe) static var givesWay = true

  /// From here on the owner's own programs always come first. Not before: who builds walls holds locks
  /// that the owner's programs may wait for.
  func lowerPriority() { weigh(JobCgroup.givesWay ? .lowest : .ordinary) }

  /// Dying takes processor time, which a throttled or starved process would not get.
  func hurry() {
    weigh(.high)
    let second = layout.cpu.isVersion2
    trySet(layout.cpu, second ? "cpu.max" : "cpu.cfs_quota_us", second ? "max" : "-1")
  }

  /// The weight is that of the folder that all jobs are in: it is what the owner's programs compete with,
  /// however little a job has of it.
  private func weigh(_ weight: Weight) {
    // Where it is set, weights cannot be written.
    trySet(layout.cpu, "../cpu.idle", "0")
    let second = layout.cpu.isVersion2
    trySet(
      layout.cpu, second ? "../cpu.weight" : "../cpu.shares",
      "\(second ? weight.shares / 10 | 1 : weight.shares)")
    // Linux 5.15: gives way at once, not at the end of a time slice.
    if case .lowest = weight { trySet(layout.cpu, "../cpu.idle", "1") }
  }

  private func limitMemory(_ limits: JobLimits) throws(SandboxError) {
    if !layout.memory.isPresent { return }
    if layout.memory.isVersion2 {
      try set(layout.memory, "memory.max", "\(limits.memoryBytes)")
      trySet(layout.memory, "memory.swap.max", "0")
    } else {
      try set(layout.memory, "memory.limit_in_bytes", "\(limits.memoryBytes)")
      trySet(layout.memory, "memory.memsw.limit_in_bytes", "\(limits.memoryBytes)")
      trySet(layout.memory, "memory.swappiness", "0")
      // What waits in sockets is counted apart here, and not at all without a limit: it could be anything.
      trySet(layout.memory, JobCgroup.socketMemory, "\(limits.memoryBytes / 4)")
    }
  }

  /// Moves a process into the version 2 directories; its children are born there.
  func add(_ pid: Int32) throws(SandboxError) {
    for directory in procsDirectories {
      let file = directory + "/cgroup.procs"
      let code = System.write(file, "\(pid)")
      if code != 0 { throw SandboxError.cgroup(file, code: -code) }
    }
  }

  func setFrozen(_ frozen: Bool) throws(SandboxError) {
    if layout.freezer.isVersion2 {
      try set(layout.freezer, "cgroup.freeze", frozen ? "1" : "0")
    } else {
      try set(layout.freezer, "freezer.state", frozen ? "FROZEN" : "THAWED")
    }
  }

  /// Whether every process has really come to a stop.
  var isFrozen: Bool {
    if layout.freezer.isVersion2 {
      return Text.keyed(System.read(path(layout.freezer, "cgroup.events")), "frozen") == 1
    }
    guard let state = System.read(path(layout.freezer, "freezer.state")),
      let line = Text.lines(state).first
    else { return false }
    return Text.equal(line, "FROZEN")
  }

  /// Every process of the job (a process may be leaving one of the hierarchies).
  func processes() -> [Int32] {
    for directory in directories {
      guard let text = System.read(directory + "/cgroup.procs", limit: 1 << 18) else { continue }
      var found: [Int32] = []
      for line in Text.lines(text) {
        if let pid = Text.number(line), pid > 0, pid < 1 << 30 { found.append(Int32(pid)) }
      }
      if !found.isEmpty { return found }
    }
    return []
  }

  /// Kills every process but `spared` and waits until they are gone. What defeats a fork bomb: nothing is
  /// born between the list and the signals, as no process is allowed any more; without that controller
  /// (before Linux 4.3) all are frozen first.
  ///
  /// - Parameter pids: how many processes are allowed again afterwards.
  func killAll(sparing spared: Int32 = 0, pids: UInt64 = 0) throws(SandboxError) {
    if spared == 0 { trySet(layout.unified, "cgroup.kill", "1") }
    trySet(layout.pids, "pids.max", "0")
    for round in 0..<4000 {
      let alive = processes().filter { $0 != spared }
      if alive.isEmpty {
        _ = try? setFrozen(false)
        if pids > 0 { trySet(layout.pids, "pids.max", "\(pids)") }
        return
      }
      // Again and again for those that were being born while the limit fell; rarely for the dying.
      if round < 3 || round % 16 == 0 {
        if !layout.pids.isPresent || round > 64 { _ = try? setFrozen(true) }
        for pid in alive { _ = host_sandbox_kill(pid, 9) }
        _ = try? setFrozen(false)
      }
      // Not before: a bomb in a hurry would take the processor from who lists and signals it.
      if round == 0 { hurry() }
      // To list a thousand takes from their dying, each of which takes more than this.
      let patienceUs = min(5000, 10 * UInt32(alive.count))
      host_sandbox_sleep_us(max(round < 20 ? 100 : 1000, patienceUs))
    }
    throw SandboxError.leftover("processes of " + name)
  }

  func remove() throws(SandboxError) {
    // Nobody is in a hurry any more, and other jobs shall not profit.
    lowerPriority()
    for directory in directories {
      var code: Int32 = 0
      for round in 0..<2000 {
        code = System.removeDirectory(directory)
        if code != -16 { break }
        // Somebody is in there still; usually only because leaving takes a moment.
        if round == 8 { try killAll() }
        host_sandbox_sleep_us(500)
      }
      if code != 0 && code != -2 { throw SandboxError.cgroup(directory, code: -code) }
    }
  }

  /// Removes the folders that all jobs' cgroups are in, where none is left.
  func removeFolders() {
    for directory in directories {
      let parent = String(decoding: directory.utf8.dropLast(name.utf8.count + 1), as: UTF8.self)
      _ = System.removeDirectory(parent)
    }
  }

  /// One look; for more of them keep a ``CgroupReader``.
  func read() -> CgroupReading { CgroupReader(self).read() }

  /// How often the kernel killed because the memory was used up.
  func oomKills() -> UInt64 {
    if !layout.memory.isPresent { return 0 }
    let file = layout.memory.isVersion2 ? "memory.events" : "memory.oom_control"
    return Text.keyed(System.read(path(layout.memory, file), limit: 4096), "oom_kill") ?? 0
  }
}
