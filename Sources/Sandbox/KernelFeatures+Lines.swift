/// One line of `zennet-agent check`.
public struct FeatureLine: Sendable {
  public var name: String
  public var isPresent: Bool
  /// The level that cannot be had without it; `refused`: none, it only makes things better.
  public var level: IsolationLevel
  /// What the kernel has.
  public var found: String
  /// What to change when it is missing; empty when there is nothing to do.
  public var remedy: String

  /// Without it, no job at all can run here.
  public var isRequired: Bool { level == .reduced }

  public var text: String {
    let mark = isPresent ? "ok      " : (isRequired ? "MISSING " : "lacking ")
    return mark + name + ": " + found + (remedy.utf8.isEmpty || isPresent ? "" : " -> " + remedy)
  }
}

extension KernelFeatures {
  /// What the kernel has of each feature, and what to change, in the order of the sandbox's steps.
  public var lines: [FeatureLine] {
    var lines: [FeatureLine] = []
    func add(
      _ name: String, _ present: Bool, _ found: String, _ remedy: String, _ level: IsolationLevel
    ) {
      lines.append(
        FeatureLine(
          name: name, isPresent: present, level: level,
          found: present ? found : "not available", remedy: remedy))
    }
    func space(_ name: String, _ flag: UInt64, _ option: String, _ level: IsolationLevel = .reduced)
    {
      let remedy = isRoot ? "a kernel with " + option : "user namespaces, or run as root"
      add(name + " namespace", has(flag), "yes", asRoot(.administration) ?? remedy, level)
    }
    let userRemedy =
      "CONFIG_USER_NS=y; sysctl kernel.unprivileged_userns_clone=1 and user.max_user_namespaces>0;"
      + " kernel.apparmor_restrict_unprivileged_userns=0"
    add(
      "user namespace", has(Namespace.user), "yes", userRemedy, isRoot ? .full : .reduced)
    space("mount", Namespace.mount, "CONFIG_NAMESPACES=y")
    space("pid", Namespace.pid, "CONFIG_PID_NS=y")
    space("network", Namespace.net, "CONFIG_NET_NS=y")
    space("ipc", Namespace.ipc, "CONFIG_IPC_NS=y")
    space("uts", Namespace.uts, "CONFIG_UTS_NS=y")
    space("cgroup", Namespace.cgroup, "CONFIG_CGROUPS=y (Linux 4.6)", .refused)
    space("time", Namespace.time, "CONFIG_TIME_NS=y (Linux 5.6)", .refused)
    add(
      "private /proc", canMountProc, "yes",
      "the host's /proc must not be partly covered (run outside of a container)", .reduced)
    add("seccomp", seccomp, "yes", "a kernel with CONFIG_SECCOMP_FILTER=y", .full)
    add(
      "own devices", ownDevices, "each task has its own device nodes",
      "run as root, Linux 5.2 (otherwise tasks can neither lock files nor watch them)", .refused)
    add(
      "module requests", ignoresFormats,
      "executing a file of unknown format does not start modprobe",
      "Linux 6.14, or an empty kernel.modprobe once all needed modules are loaded",
      .refused)
    addCgroups(&lines)
    add(
      "swap limit", swapIsBounded, "jobs are never written to a swap device",
      "boot with swapaccount=1, or switch swap off (swapoff -a)", .refused)
    add(
      "memory protection", mayProtectItself, "when memory runs out the agent goes last",
      (asRoot(.resources) ?? "run as root, outside of containers")
        + ", or systemd's OOMScoreAdjust=-900", .refused)
    add(
      "file table", files.isSafe, "a job's memory ends before it is full",
      files.enough > 0
        ? "sysctl fs.file-max=\(files.enough)" + (isRoot ? "" : ", or run as root")
        : "Linux 4.6, without cgroup.memory=nokmem", .refused)
    return lines
  }

  /// What root needs who lacks a capability, as in a container; nil for others, and where it is there.
  private func asRoot(_ capability: RootCapability) -> String? {
    if !isRoot || capabilities >> capability.rawValue & 1 == 1 { return nil }
    return "the capability " + capability.name + ", which root lacks here"
  }

  private func addCgroups(_ lines: inout [FeatureLine]) {
    let remedy =
      isRoot
      ? "mount the controller, or boot with cgroup_enable=memory"
      : "delegate a cgroup to this user (systemd: Delegate=yes), or run as root"
    let wanted: [(String, CgroupPlace, IsolationLevel)] = [
      ("cpu", cgroups.cpu, .reduced), ("cpu accounting", cgroups.cpuAccounting, .reduced),
      ("memory", cgroups.memory, .reduced), ("freezer", cgroups.freezer, .reduced),
      ("pids", cgroups.pids, .full), ("disk", cgroups.blkio, .refused),
    ]
    for (name, place, level) in wanted {
      let found =
        place.isPresent
        ? (place.isVersion2 ? "version 2, " : "version 1, ") + place.directory : "not available"
      lines.append(
        FeatureLine(
          name: "cgroup " + name, isPresent: place.isPresent, level: level, found: found,
          remedy: remedy))
    }
  }

  /// What stands between this machine and a level; empty when it has it.
  public func missing(for level: IsolationLevel) -> [String] {
    lines.filter { !$0.isPresent && $0.level != .refused && $0.level <= level }.map { $0.name }
  }
}
