import Bytes

/// Finds the cgroups of an owner's jobs and shares wherever they are: a restarted agent may itself have been
/// placed in another cgroup than the one before.
enum StaleCgroups {
  private static let depthLimit = 8
  private static let directoryLimit = 4096

  private struct Found {
    var name: String
    var layout: CgroupLayout
  }

  /// Those of jobs come before those of the shares that they are in.
  static func find(_ layout: CgroupLayout, owner: String) -> [JobCgroup] {
    var jobs: [Found] = []
    collect(layout.cpu, owner, &jobs) { $0.cpu = $1 }
    collect(layout.cpuAccounting, owner, &jobs) { $0.cpuAccounting = $1 }
    collect(layout.memory, owner, &jobs) { $0.memory = $1 }
    collect(layout.freezer, owner, &jobs) { $0.freezer = $1 }
    collect(layout.pids, owner, &jobs) { $0.pids = $1 }
    collect(layout.blkio, owner, &jobs) { $0.blkio = $1 }
    collect(layout.unified, owner, &jobs) { $0.unified = $1 }
    let order = Order.of(jobs.count) { depth(jobs[$0].name) > depth(jobs[$1].name) }
    return order.map {
      JobCgroup(layout: jobs[$0].layout, owner: owner, job: jobs[$0].name, everywhere: true)
    }
  }

  private static func depth(_ name: String) -> Int { name.utf8.contains(0x2f) ? 1 : 0 }

  private static func collect(
    _ place: CgroupPlace, _ owner: String, _ jobs: inout [Found],
    set: (inout CgroupLayout, CgroupPlace) -> Void
  ) {
    if !place.isPresent { return }
    var visited = 0
    var parents: [String] = []
    search(place.mount, depth: 0, &visited, &parents)
    let prefix = Array(owner.utf8) + [0x2e]
    for parent in parents {
      var here = place
      here.directory = parent
      let folder = JobsFolder.path(parent)
      for name in folders(in: folder) where name.count > prefix.count && name.starts(with: prefix) {
        let job = Text.string(name[prefix.count...])
        add(job, here, &jobs, set: set)
        for inside in folders(in: folder + "/" + Text.string(name[...])) {
          add(job + "/" + Text.string(inside[...]), here, &jobs, set: set)
        }
      }
    }
  }

  private static func add(
    _ job: String, _ here: CgroupPlace, _ jobs: inout [Found],
    set: (inout CgroupLayout, CgroupPlace) -> Void
  ) {
    if let index = jobs.firstIndex(where: { Text.same($0.name, job) }) {
      set(&jobs[index].layout, here)
    } else {
      var found = Found(name: job, layout: CgroupLayout())
      set(&found.layout, here)
      jobs.append(found)
    }
  }

  private static func folders(in path: String) -> [[UInt8]] {
    (System.list(path) ?? []).filter { System.isDirectory(path + "/" + Text.string($0[...])) }
  }

  /// Directories that hold a folder named `zennet`.
  private static func search(
    _ directory: String, depth: Int, _ visited: inout Int, _ parents: inout [String]
  ) {
    visited += 1
    if depth > depthLimit || visited > directoryLimit { return }
    for name in System.list(directory) ?? [] {
      // Control files have a dot in their names; directories are told apart by looking only then.
      let path = directory + "/" + Text.string(name[...])
      if name.elementsEqual(JobsFolder.name.utf8) {
        if System.isDirectory(path) { parents.append(directory) }
      } else if System.isDirectory(path) {
        search(path, depth: depth + 1, &visited, &parents)
      }
    }
  }
}
