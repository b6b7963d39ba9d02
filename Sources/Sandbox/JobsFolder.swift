/// The folder that all jobs' cgroups are in, one in each hierarchy. Agents share it.
struct JobsFolder {
  static let name = "zennet"
  /// Of version 1: TCP's and UDP's. cgroups(7): version 2 has them in `memory.max`.
  static let socketMemory = "memory.kmem.tcp.limit_in_bytes"

  let layout: CgroupLayout

  /// Its path where `directory` is that of a resource controller.
  static func path(_ directory: String) -> String { directory + "/" + name }

  /// Makes `directory`, which lies in it; makes the folder itself where it is not there. 0, or a negative errno.
  func make(_ directory: String, in place: CgroupPlace) -> Int32 {
    let folder = JobsFolder.path(place.directory)
    var code: Int32 = 0
    var isNew = false
    // Another agent may remove the empty folder between our two calls.
    for round in 0..<10 {
      if round > 0 || place.isVersion2 { isNew = System.makeDirectory(folder) == 0 || isNew }
      if place.isVersion2 && System.exists(folder + "/cgroup.subtree_control") { delegate(folder) }
      if isNew { furnish(folder) }
      code = System.makeDirectory(directory)
      if code != -2 { break }
    }
    return code
  }

  /// A new folder: what jobs ask of the disk comes after all else.
  private func furnish(_ folder: String) {
    for file in ["blkio.weight", "io.weight"] { _ = System.write(folder + "/" + file, "10") }
    for file in ["blkio.bfq.weight", "io.bfq.weight"] { _ = System.write(folder + "/" + file, "1") }
    // The kernel changes its own code for the first cgroup with a limit for sockets: this is that one.
    _ = System.write(folder + "/" + JobsFolder.socketMemory, "-1")
  }

  /// Version 2: passes the controllers on to what is in it. A process in the agent's own cgroup forbids that
  /// ("no internal processes"), so the agent moves into a leaf first, and whoever shares its cgroup with it:
  /// the shell that started it.
  private func delegate(_ folder: String) {
    if !layout.memory.isVersion2 { return }
    let own = layout.unified.directory
    for controller in JobsFolder.controllers {
      let add = "+" + controller
      // Again where a process was born meanwhile.
      for _ in 0..<10 where System.write(own + "/cgroup.subtree_control", add) == -16 {
        moveAside(own)
      }
      _ = System.write(folder + "/cgroup.subtree_control", add)
    }
  }

  /// Memory first: with a process beside it, "cpu" alone would make a threaded cgroup, which takes none.
  static let controllers = ["memory", "io", "cpu", "pids"]

  private func moveAside(_ own: String) {
    let leaf = own + "/" + CgroupLayout.leaf
    _ = System.makeDirectory(leaf)
    _ = System.write(leaf + "/cgroup.procs", "0")
    for line in Text.lines(System.read(own + "/cgroup.procs") ?? []) where !line.isEmpty {
      _ = System.write(leaf + "/cgroup.procs", Text.string(line))
    }
  }

  /// What all jobs together weigh beside the owner's programs.
  enum Weight {
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

  /// The weight is that of the folder: it is what the owner's programs compete with, however little a job
  /// has of it.
  func weigh(_ weight: Weight) {
    if !layout.cpu.isPresent { return }
    let folder = JobsFolder.path(layout.cpu.directory)
    // Where it is set, weights cannot be written.
    _ = System.write(folder + "/cpu.idle", "0")
    let second = layout.cpu.isVersion2
    _ = System.write(
      folder + (second ? "/cpu.weight" : "/cpu.shares"),
      "\(second ? weight.shares / 10 | 1 : weight.shares)")
    // Linux 5.15: gives way at once, not at the end of a time slice.
    if case .lowest = weight { _ = System.write(folder + "/cpu.idle", "1") }
  }

  /// Removes it wherever nothing is left in it.
  func remove() {
    for place in layout.places where place.isPresent {
      _ = System.removeDirectory(JobsFolder.path(place.directory))
    }
  }
}
