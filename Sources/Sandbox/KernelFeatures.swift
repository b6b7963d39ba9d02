import CHost

/// What this machine's kernel has of what a sandbox needs, found out once at start by trying.
public struct KernelFeatures: Sendable {
  /// `uname -r`.
  public var release: String = ""
  public var isRoot: Bool = false
  /// What this process may do of what root may: the effective set of capabilities(7). Root in a container
  /// lacks some.
  public var capabilities: UInt64 = UInt64.max
  /// Namespaces that this agent can really create, as CLONE_NEW* flags.
  public var namespaces: UInt64 = 0
  /// A private /proc can be mounted inside the namespaces.
  public var canMountProc: Bool = false
  public var seccomp: Bool = false
  /// Each sandbox gets its own device nodes instead of the host's.
  public var ownDevices: Bool = false
  /// Executing a file of unknown format does not make the kernel start modprobe.
  public var ignoresFormats: Bool = false
  /// What a job holds in memory cannot be written to a swap device: there is none, or it is counted.
  public var swapIsBounded: Bool = false
  /// The agent may ask the kernel to spare it when memory runs out.
  public var mayProtectItself: Bool = false
  /// Unix time at which the host started.
  public var bootS: UInt64 = 0
  public var files = FileTable()
  public var cgroups = CgroupLayout()

  public init() {}

  /// Forks a few children that try; takes some milliseconds. `uid` is what jobs would run as when the
  /// agent is root.
  public static func detect(uid: UInt32 = IdentityRange.first) -> KernelFeatures {
    var features = KernelFeatures()
    var name = [UInt8](repeating: 0, count: 256)
    let length = name.withUnsafeMutableBufferPointer {
      host_sandbox_release($0.baseAddress, UInt32($0.count))
    }
    if length > 0 { features.release = Text.string(name[0..<Int(length)]) }
    features.isRoot = host_sandbox_uid() == 0
    features.capabilities =
      effectiveCapabilities(System.read("/proc/self/status") ?? []) ?? UInt64.max
    let found = host_sandbox_probe(Namespace.all | Namespace.probeProc, uid, uid)
    if found & Namespace.user != 0 {
      features.namespaces = found & Namespace.all
      features.canMountProc = found & Namespace.probeProc != 0
    } else if features.isRoot {
      features.tryWithoutUserNamespace()
    }
    features.seccomp = host_sandbox_has_seccomp() == 1
    features.ownDevices = features.isRoot && host_sandbox_has_devices() == 1
    features.ignoresFormats = ignoresFormats(
      release: features.release, helper: System.read("/proc/sys/kernel/modprobe", limit: 256))
    features.cgroups = CgroupLayout.detect()
    features.swapIsBounded = isSwapBounded(features.cgroups.memory)
    features.mayProtectItself = mayLowerScore()
    features.bootS = Text.keyed(System.read("/proc/stat", limit: 1 << 20), "btime") ?? 0
    features.files = FileTable.detect(release: features.release)
    #if arch(arm) || arch(arm64)
      ProcessorText.shown = ProcessorText.withoutSerial(
        System.read("/proc/cpuinfo", limit: 32_768) ?? [])
    #endif
    return features
  }

  /// proc(5): a line `CapEff:` with hexadecimal digits; nil without one.
  static func effectiveCapabilities(_ status: [UInt8]) -> UInt64? {
    for line in Text.lines(status) where Text.equal(line.prefix(8), "CapEff:\t") {
      var set: UInt64 = 0
      for byte in line.dropFirst(8) {
        // A digit, or a small letter.
        set = set << 4 | UInt64(byte < 0x3a ? byte & 15 : byte &- 0x57)
      }
      return set
    }
    return nil
  }

  /// Up to Linux 6.13 the kernel starts modprobe, as root and outside the task's cgroup, for a program that
  /// begins with unknown, unprintable bytes. A filter cannot see these bytes.
  ///
  /// - Parameter helper: the contents of `/proc/sys/kernel/modprobe`; nil for a kernel without modules.
  static func ignoresFormats(release: String, helper: [UInt8]?) -> Bool {
    guard let helper, let first = helper.first, first > 0x20 else { return true }
    return isAtLeast(release, 6, 14)
  }

  /// Whether a kernel's release, `6.1.0-18-amd64`, is this version or a later one.
  static func isAtLeast(_ release: String, _ major: UInt64, _ minor: UInt64) -> Bool {
    let numbers = Text.split(Array(release.utf8)[...], on: 0x2e)
    if numbers.count < 2 { return false }
    let digits = numbers[1].prefix { $0 >= 0x30 && $0 <= 0x39 }
    let own = (Text.number(numbers[0]) ?? 0, Text.number(digits) ?? 0)
    return own.0 > major || (own.0 == major && own.1 >= minor)
  }

  private static func isSwapBounded(_ memory: CgroupPlace) -> Bool {
    // The first line is a heading. proc(5).
    let swaps = System.read("/proc/swaps") ?? []
    if Text.lines(swaps).count < 2 { return true }
    let file = memory.isVersion2 ? "/memory.swap.max" : "/memory.memsw.limit_in_bytes"
    return memory.isPresent && System.exists(memory.directory + file)
  }

  /// Lowering the score by one and back again shows it. proc(5): oom_score_adj.
  private static func mayLowerScore() -> Bool {
    let file = "/proc/self/oom_score_adj"
    guard let text = System.read(file), let line = Text.lines(text).first else { return false }
    if line.first == 0x2d { return true }
    guard let score = Text.number(line) else { return false }
    let lowered = System.write(file, score == 0 ? "-1" : "\(score - 1)") == 0
    if lowered { _ = System.write(file, "\(score)") }
    return lowered
  }

  /// What real root can do on a kernel without user namespaces; also used to test that level.
  public mutating func tryWithoutUserNamespace() {
    let wanted = (Namespace.all & ~Namespace.user) | Namespace.probeProc
    let found = host_sandbox_probe(wanted, 0, 0)
    namespaces = found & Namespace.all
    canMountProc = found & Namespace.probeProc != 0
  }

  public func has(_ namespace: UInt64) -> Bool { namespaces & namespace == namespace }

  /// What is missing for a level above ``level``; empty when nothing is.
  public var level: IsolationLevel {
    let walls = Namespace.mount | Namespace.pid | Namespace.net | Namespace.ipc | Namespace.uts
    let groups =
      cgroups.memory.isPresent && cgroups.cpu.isPresent && cgroups.cpuAccounting.isPresent
      && cgroups.freezer.isPresent
    if !has(walls) || !groups || !canMountProc { return .refused }
    if has(Namespace.user) && seccomp && cgroups.pids.isPresent { return .full }
    return isRoot ? .reduced : .refused
  }
}

/// Those whose lack is told; capabilities(7).
enum RootCapability: UInt64 {
  case administration = 21
  case resources = 24

  var name: String { self == .administration ? "CAP_SYS_ADMIN" : "CAP_SYS_RESOURCE" }
}

/// CLONE_NEW* flags, see namespaces(7).
public enum Namespace {
  public static let mount: UInt64 = 0x0002_0000
  public static let time: UInt64 = 0x0000_0080
  public static let cgroup: UInt64 = 0x0200_0000
  public static let uts: UInt64 = 0x0400_0000
  public static let ipc: UInt64 = 0x0800_0000
  public static let user: UInt64 = 0x1000_0000
  public static let pid: UInt64 = 0x2000_0000
  public static let net: UInt64 = 0x4000_0000
  static let all = mount | time | cgroup | uts | ipc | user | pid | net
  static let probeProc: UInt64 = 1 << 40
}
