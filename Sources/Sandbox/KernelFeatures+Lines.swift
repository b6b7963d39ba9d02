/// One line of `zennet-agent check`.
public struct FeatureLine: Sendable {
  public var name: String
  public var isPresent: Bool
  /// Without it, no job at all can run here.
  public var isRequired: Bool
  /// What the kernel has.
  public var found: String
  /// What to change when it is missing; empty when there is nothing to do.
  public var remedy: String

  public var text: String {
    let mark = isPresent ? "ok      " : (isRequired ? "MISSING " : "lacking ")
    return mark + name + ": " + found + (remedy.utf8.isEmpty || isPresent ? "" : " -> " + remedy)
  }
}

extension KernelFeatures {
  /// What the kernel has of each feature, and what to change, in the order of the sandbox's steps.
  public var lines: [FeatureLine] {
    var lines: [FeatureLine] = []
    func add(_ name: String, _ present: Bool, _ found: String, _ remedy: String, need: Bool) {
      lines.append(
        FeatureLine(
          name: name, isPresent: present, isRequired: need,
          found: present ? found : "not available", remedy: remedy))
    }
    func space(_ name: String, _ flag: UInt64, _ option: String, need: Bool) {
      let remedy =
        isRoot || flag == Namespace.user
        ? "a kernel with " + option + "=y" : "user namespaces, or run as root"
      add(name + " namespace", has(flag), "yes", remedy, need: need)
    }
    let userRemedy =
      "CONFIG_USER_NS=y; sysctl kernel.unprivileged_userns_clone=1 and user.max_user_namespaces>0;"
      + " kernel.apparmor_restrict_unprivileged_userns=0"
    add("user namespace", has(Namespace.user), "yes", userRemedy, need: !isRoot)
    space("mount", Namespace.mount, "CONFIG_NAMESPACES", need: true)
    space("pid", Namespace.pid, "CONFIG_PID_NS", need: true)
    space("network", Namespace.net, "CONFIG_NET_NS", need: true)
    space("ipc", Namespace.ipc, "CONFIG_IPC_NS", need: true)
    space("uts", Namespace.uts, "CONFIG_UTS_NS", need: true)
    space("cgroup", Namespace.cgroup, "CONFIG_CGROUPS (Linux 4.6)", need: false)
    add(
      "private /proc", canMountProc, "yes",
      "the host's /proc must not be partly covered (run outside of a container)", need: true)
    add("seccomp", seccomp, "yes", "a kernel with CONFIG_SECCOMP_FILTER=y", need: false)
    add("overlayfs", overlay, "yes", "nothing uses it yet", need: false)
    addCgroups(&lines)
    return lines
  }

  private func addCgroups(_ lines: inout [FeatureLine]) {
    let remedy =
      isRoot
      ? "mount the controller, or boot with cgroup_enable=memory"
      : "delegate a cgroup to this user (systemd: Delegate=yes), or run as root"
    let wanted: [(String, CgroupPlace, Bool)] = [
      ("cpu", cgroups.cpu, true), ("cpu accounting", cgroups.cpuAccounting, true),
      ("memory", cgroups.memory, true), ("freezer", cgroups.freezer, true),
      ("pids", cgroups.pids, false), ("disk", cgroups.blkio, false),
    ]
    for (name, place, need) in wanted {
      let found =
        place.isPresent
        ? (place.isVersion2 ? "version 2, " : "version 1, ") + place.directory : "not available"
      lines.append(
        FeatureLine(
          name: "cgroup " + name, isPresent: place.isPresent, isRequired: need, found: found,
          remedy: remedy))
    }
  }
}
