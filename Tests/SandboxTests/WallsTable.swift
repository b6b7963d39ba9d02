import CHost
import Glibc

@testable import Sandbox

/// Every step of the plan and every rule of the filter's that an attempt is about, and what tells when it
/// is missing alone.
enum WallsTable {
  /// With a user namespace.
  static let full: [Wall] =
    outer + mounts + covers + devices + confinement + limits + rules + groups

  /// Without one: what is left, and what it is then.
  static let reduced: [Wall] =
    full.filter { wall in
      !ofUserNamespace.contains(wall.name) && neverMissing[wall.name] == nil
        && !differently.contains { $0.name == wall.name } && !isTheSame(wall)
    } + differently

  private static func isTheSame(_ wall: Wall) -> Bool {
    [
      "rule of", "rlimit", "make", "mkdir", "symlink", "mount /proc/", "swap", "sockets",
      "processor", "file table",
    ].contains {
      wall.name.hasPrefix($0)
    }
  }

  private static let ofUserNamespace: Set<String> = [
    "user namespace", "write /proc/self/setgroups", "write /proc/self/gid_map",
    "write /proc/self/uid_map", "write /proc/sys/user/max_user_namespaces",
  ]

  private static let differently: [Wall] =
    [
      Wall("namespaces (uts)", Missing(namespaces: Namespace.uts), .by(["outside-name"])),
      Wall("network namespace", .by(["abstract-socket"])),
      Wall("mount /", .noStart),
      Wall("undumpable", .no("process 1 is another user's there")),
      Wall("mount /tmp/dev#2", .no("the folder is another user's there")),
      Wall(
        "rule of prlimit64 for 1", Missing.call("prlimit64", 0, 1),
        .no("process 1 is another user's there"), only: ["limit-init"]),
    ]

  /// Where the devices are the machine's own, as an ordinary user's agent has them.
  static let hostDevices: [Wall] =
    devices + [
      rule("inotify_init1", ["watch-device"]), rule("inotify_init", ["watch-device-by-number"]),
      rule("flock", ["lock-device"]), rule("fcntl", 1, 6, ["lock-device-record"]),
      rule("fcntl", 1, 37, ["lock-device-description"]),
    ]

  private static let outer: [Wall] = [
    Wall("rlimit core", .by(["core-limit-0"])),
    Wall("disk priority", .by(["disk-priority"])),
    Wall(
      "write /proc/self/oom_score_adj",
      features.mayProtectItself
        ? .by(["oom-modesty"]) : .no("who may not lower a score cannot set the least one")),
    Wall("network made ahead", .no("saves time: where there is none, the first child makes one")),
    Wall("private identity", .noStart),
    Wall("user namespace", .noStart),
    Wall("write /proc/self/setgroups", .noStart),
    Wall("write /proc/self/gid_map", .noStart),
    Wall("write /proc/self/uid_map", .noStart),
    Wall(
      "write /proc/sys/user/max_user_namespaces",
      .behind(Missing.call("unshare"), ["unshare-user"])),
    Wall("namespaces", .noStart),
    Wall("namespaces (mount)", Missing(namespaces: Namespace.mount), .noStart),
    Wall("namespaces (pid)", Missing(namespaces: Namespace.pid), .noStart),
    Wall("namespaces (uts)", Missing(namespaces: Namespace.uts), .noStart),
    Wall("namespaces (ipc)", Missing(namespaces: Namespace.ipc), .by(["machine-segment"])),
    Wall("cgroup namespace", .by(["cgroup-names"])),
    Wall("time namespace", .by(["machine-clock"])),
    Wall("time offsets", .by(["machine-clock"])),
    Wall("network namespace", .noStart),
    // Process 1 waits for the first child in this step, so it stays, and does nothing.
    Wall(
      "network", Missing(steps: ["network namespace"], optional: ["network"]),
      .by(["abstract-socket"])),
    Wall("unmount the old root", .by(["parent-of-root"])),
    Wall("oom score", .by(["oom-score"])),
    Wall("undumpable", .by(["init-descriptors"])),
    Wall(
      "session keyring",
      .behind(Missing.call("request_key"), ["agent-key"])),
    Wall("host name", .by(["machine-name", "machine-domain"])),
  ]

  private static let mounts: [Wall] = [
    Wall("mount /", .no("the kernel makes the mounts of a user namespace followers by itself")),
    Wall("mount /tmp", .by(["large-file", "many-files"])),
    Wall("mkdir /tmp/dev", .noStart),
    Wall("mkdir /tmp/proc", .noStart),
    Wall("mkdir /tmp/tmp", .noStart),
    Wall("mkdir /tmp/out", .noStart),
    Wall("mkdir /tmp/work", .noStart),
    Wall("hold /tmp", .noStart),
    Wall("mount /tmp#2", .noStart),
    Wall("mount /tmp/proc", .noStart),
    Wall("pivot_root", .noStart),
    Wall("mount /proc/sys", .noStart),
    Wall("mount /proc/sys#2", .by(["settings"])),
    Wall("mount /proc/sys/kernel/random/boot_id", .by(["boot-id"])),
    Wall("make /tmp/dev/stat", .noStart),
    Wall("write /tmp/dev/stat", .no("programs count processors with it")),
    Wall("mount /proc/stat", .by(["interrupt-counts"])),
    Wall("make /tmp/dev/cpuinfo", .noStart),
    Wall("write /tmp/dev/cpuinfo", .no("what programs need")),
    Wall(
      "mount /proc/cpuinfo", .by(["uncovered-cpuinfo"]), only: ["uncovered-cpuinfo"]),
    Wall("mount /tmp#3", .no("where the job may write")),
    Wall("mount /out", .no("where the job may write")),
    Wall("mount /work", .no("where the job may write")),
    Wall("mount /#2", .by(["new-in-root"])),
    Wall("beginning", .no("the agent's own affairs come first")),
    Wall("unpack", .noStart),
    Wall("working directory /work", .no("where the job asked to begin")),
    Wall("execute", .noStart),
  ]

  /// One for each part of /proc that this kernel has.
  private static let covers: [Wall] =
    coveredParts.enumerated().map { index, part in
      let isHere = System.exists("/proc/" + part)
      var wall = Wall(
        "mount /proc/" + part, isHere ? .by(["uncovered-" + part]) : .no("this kernel has none"),
        only: coveredParts.map { "uncovered-" + $0 })
      // Other folders are covered with this one.
      if part != "driver" { wall.cover = index }
      return wall
    }

  private static let devices: [Wall] =
    Text.names("null zero full random urandom tty").flatMap { name in
      [
        Wall("make /tmp/dev/" + name, .noStart),
        Wall(
          "mount /tmp/dev/" + name,
          // What covers parts of /proc is then a file.
          Text.same(name, "null") ? .by(["keys"]) : .no("a device that programs need")),
      ]
    }
    + Text.names("ptmx fd stdin stdout stderr").map { name in
      Wall("symlink /tmp/dev/" + name, .no("what programs need"))
    } + [
      Wall("device nodes", .noStart),
      Wall("mount /tmp/dev", .noStart),
      Wall("mkdir /tmp/dev/pts", .noStart),
      Wall("mount /tmp/dev/pts", .no("terminals, which programs need")),
      Wall("mkdir /tmp/dev/shm", .noStart),
      Wall("mount /tmp/dev/shm", .no("shared memory, which programs need")),
      Wall("mount /tmp/dev#2", .by(["new-in-dev"])),
    ]

  private static let confinement: [Wall] = [
    Wall("bounding set", .by(["bounding-set"])),
    Wall("capabilities", .no("executing the job's program takes them, too; see who unpacks")),
    Wall("no new privileges", .noStart),
    Wall(
      "seccomp",
      .by([
        "clone-user", "clone3-user", "userfaultfd", "ptrace-me", "personality", "add-key", "keyctl",
        "request-key", "vsock", "netlink-events", "huge-file", "io-setup", "io-priority",
        "core-limit-0", "type-into-terminal", "load-line-discipline", "process-vm-readv",
        "move-pages", "memory-policy", "own-filter",
      ])),
  ]

  private static let limits: [Wall] = [
    Wall(
      "rlimit nofile", .by(["many-descriptors", "open-files", "files-in-flight"]),
      only: ["many-descriptors", "open-files", "files-in-flight"]),
    Wall("rlimit memlock", .by(["lock-memory"])),
    Wall("rlimit msgqueue", .by(["message-queue"])),
    Wall("rlimit sigpending", .by(["queued-signals"])),
    Wall("rlimit nice", ofOwn(13, ["nice"])),
    Wall("rlimit rtprio", ofOwn(14, ["realtime"])),
  ]

  /// Nobody here may raise his own limits.
  private static func ofOwn(_ resource: Int32, _ told: [String]) -> Wall.Told {
    var limit = rlimit()
    getrlimit(resource, &limit)
    return limit.rlim_max == 0 ? .no("these tests have a limit of 0 themselves") : .by(told)
  }

  private static let groups: [Wall] = [
    Wall(
      "control groups", .by(["many-processes", "much-memory"]),
      only: ["many-processes", "much-memory"]),
    Wall("pids.max", Missing(limits: ["pids.max"]), .by(["many-processes"])),
    Wall("memory", Missing(limits: ["memory"]), .by(["much-memory"]), only: ["much-memory"]),
    // Where nothing is swapped, one limit is as good as the other.
    Wall(
      "swap", Missing(limits: ["swap"]), .behind(Missing(limits: ["memory"]), ["much-memory"]),
      only: ["much-memory"]),
    Wall(
      "sockets", Missing(limits: ["sockets"]),
      features.cgroups.memory.isVersion2
        ? .no("version 2 counts it as memory") : .by(["socket-memory"]), only: ["socket-memory"]),
    Wall(
      "processor", Missing(limits: ["processor"]), .by(["much-processor"]),
      only: ["much-processor"]),
    // As if the machine's table of files held any number.
    Wall(
      "file table", Missing(limits: ["file table"]), .by(["open-files", "files-in-flight"]),
      only: ["open-files", "files-in-flight"]),
  ]

  private static let rules: [Wall] = [
    rule("ioctl", 1, 0x5423, ["load-line-discipline"]),
    rule("ioctl", 1, 0x5412, ["type-into-terminal"]),
    rule("ioctl", 1, 0x541c, ["console-selection"]),
    rule("ioctl", 1, 0x8940, ["load-bridge"]),
    rule("ioctl", 1, 0x8941, ["load-bridge-set"]),
    rule("ioctl", 1, 0x8982, ["load-vlan"]),
    rule("ioctl", 1, 0x8983, ["load-vlan-set"]),
    Wall("rule of ioctl for 89a0", Missing.call("ioctl", 1, 0x89a0), .no(asked)),
    Wall("rule of ioctl for 89a1", Missing.call("ioctl", 1, 0x89a1), .no(asked)),
    rule("mmap", ["huge-pages"]),
    rule("memfd_create", ["huge-file"]),
    rule("setrlimit", ["core-limit-by-number"]),
    rule("prlimit64", ["core-limit-0"]),
    rule("prlimit64", 0, 1, ["limit-init"]),
    rule("prctl", 0, 22, ["own-filter"]),
    rule("seccomp", ["own-filter-by-number"]),
    Wall(
      "rule of prctl for 3e", Missing.call("prctl", 0, 62),
      .no("it is the kernel's only where processors have several threads"),
      only: ["core-scheduling"]),
    rule("socketpair", ["pair-10"]),
    rule("clone", ["clone-user"]),
    rule("clone3", ["clone3-user"]),
    rule("io_setup", ["io-setup"]),
    rule(
      "socket",
      [
        "vsock", "alg-socket", "netlink-audit", "netlink-events", "load-protocol-132", "family-16",
      ]),
    rule("personality", ["personality"]),
  ]

  private static let asked = "the kernel itself asks for a right before it loads anything"

  private static func rule(
    _ call: String, _ argument: UInt32, _ value: UInt32, _ told: [String]
  ) -> Wall {
    let name = "rule of \(call) for \(String(value, radix: 16))"
    return Wall(name, Missing.call(call, argument, value), .by(told), only: told)
  }

  private static func rule(_ call: String, _ told: [String]) -> Wall {
    Wall("rule of " + call, Missing.call(call), .by(told), only: told)
  }
}
