import CHost

/// The cgroups of one job, one directory in each hierarchy that is of use; or those of a share, in which the
/// cgroups of its jobs are.
struct JobCgroup {
  let layout: CgroupLayout
  /// `<owner>.<job>`, in a share `<owner>.<share>/<job>`.
  let name: String
  /// Every directory, each once.
  let directories: [String]
  private let places: [CgroupPlace]
  /// Those of version 1: a process can enter them by itself.
  let taskFiles: [String]
  /// Those of version 2: the agent puts a process into them.
  let procsDirectories: [String]
  /// Of the share that it is in; nil: in none.
  let shareLimits: JobLimits?

  /// - Parameter everywhere: also where no controller of this job is: for what another agent left.
  init(layout: CgroupLayout, owner: String, job: String, everywhere: Bool = false) {
    self.init(layout: layout, name: owner + "." + job, everywhere: everywhere, shareLimits: nil)
  }

  /// In a share's cgroups.
  init(in share: JobCgroup, _ limits: JobLimits, job: String) {
    self.init(layout: share.layout, name: share.name + "/" + job, shareLimits: limits)
  }

  private init(
    layout: CgroupLayout, name: String, everywhere: Bool = false, shareLimits: JobLimits?
  ) {
    self.layout = layout
    self.name = name
    self.shareLimits = shareLimits
    var found: [String] = []
    var tasks: [String] = []
    var procs: [String] = []
    // A version 2 hierarchy beside version 1's controllers has nothing to give.
    let controllers = layout.controllers.filter { $0.isPresent }
    let all = everywhere || controllers.isEmpty ? controllers + [layout.unified] : controllers
    var places: [CgroupPlace] = []
    for place in all where place.isPresent {
      let path = JobsFolder.path(place.directory) + "/" + name
      if found.contains(where: { Text.same($0, path) }) { continue }
      found.append(path)
      places.append(place)
      if place.isVersion2 { procs.append(path) } else { tasks.append(path + "/tasks") }
    }
    directories = found
    self.places = places
    taskFiles = tasks
    procsDirectories = procs
  }

  private var folder: JobsFolder { JobsFolder(layout: layout) }

  func path(_ place: CgroupPlace, _ file: String) -> String {
    JobsFolder.path(place.directory) + "/" + name + "/" + file
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
  ///
  /// - Parameter isShare: cgroups of jobs are going to be in these.
  func create(_ limits: JobLimits, isShare: Bool = false) throws(SandboxError) {
    var made: [String] = []
    do throws(SandboxError) {
      for (index, directory) in directories.enumerated() {
        try make(directory, in: places[index])
        made.append(directory)
      }
      if isShare {
        for directory in directories { share(directory) }
      } else {
        // Another job may run at the bottom already: until these walls stand it is in company.
        folder.weigh(.ordinary)
      }
      try limitProcessor(limits)
      try limitMemory(limits)
      if layout.pids.isPresent { try set(layout.pids, "pids.max", "\(limits.pids)") }
    } catch {
      for directory in made { _ = System.removeDirectory(directory) }
      throw error
    }
  }

  private func make(_ directory: String, in place: CgroupPlace) throws(SandboxError) {
    let code =
      shareLimits == nil ? folder.make(directory, in: place) : System.makeDirectory(directory)
    if code == -17 { throw SandboxError.wrongState("job " + name + " exists already") }
    if code != 0 { throw SandboxError.cgroup(directory, code: -code) }
  }

  /// Passes the controllers on to the cgroups in it, and bounds all of those together.
  private func share(_ directory: String) {
    for controller in JobsFolder.controllers {
      _ = System.write(directory + "/cgroup.subtree_control", "+" + controller)
    }
    // Version 1 before Linux 5.11: not by itself.
    _ = System.write(directory + "/memory.use_hierarchy", "1")
  }

  private func limitProcessor(_ limits: JobLimits) throws(SandboxError) {
    if !layout.cpu.isPresent { return }
    let second = layout.cpu.isVersion2
    // Where not all can have what they may have, they have it in these proportions.
    let weight = second ? limits.cpuMilli / 10 : limits.cpuMilli * 1024 / 1000
    trySet(
      layout.cpu, second ? "cpu.weight" : "cpu.shares",
      "\(min(max(weight, 2), second ? 10_000 : 262_144))")
    try set(layout.cpu, quotaFile, JobCgroup.quota(limits))
  }

  private var quotaFile: String { layout.cpu.isVersion2 ? "cpu.max" : "cpu.cfs_quota_us" }

  /// Microseconds of processor time in each period of 100 ms, which is what every new cgroup has.
  private static func quota(_ limits: JobLimits) -> String { "\(limits.cpuMilli * 100)" }

  /// False in tests: theirs would wait for each other.
  nonisolated(unsafe) static var givesWay = true

  /// From here on the owner's own programs always come first. Not before: who builds walls holds locks
  /// that the owner's programs may wait for.
  func lowerPriority() { folder.weigh(JobCgroup.givesWay ? .lowest : .ordinary) }

  /// Dying takes processor time, which a throttled or starved process would not get.
  func hurry() {
    folder.weigh(.high)
    let none = layout.cpu.isVersion2 ? "max" : "-1"
    if shareLimits != nil { trySet(layout.cpu, "../" + quotaFile, none) }
    trySet(layout.cpu, quotaFile, none)
  }

  /// Nobody is in a hurry any more: the share's other jobs have its bounds again.
  private func calm() {
    guard let shareLimits else { return }
    trySet(layout.cpu, "../" + quotaFile, JobCgroup.quota(shareLimits))
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
      trySet(layout.memory, JobsFolder.socketMemory, "\(limits.memoryBytes / 4)")
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
        calm()
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
    // Other jobs shall not profit from the hurry.
    lowerPriority()
    calm()
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

  /// One look; for more of them keep a ``CgroupReader``.
  func read() -> CgroupReading { CgroupReader(self).read() }

  /// How often the kernel killed because the memory was used up.
  func oomKills() -> UInt64 {
    if !layout.memory.isPresent { return 0 }
    let file = layout.memory.isVersion2 ? "memory.events" : "memory.oom_control"
    return Text.keyed(System.read(path(layout.memory, file), limit: 4096), "oom_kill") ?? 0
  }
}
