/// What a contract lets a job use. Every limit is enforced by the kernel.
public struct JobLimits: Equatable, Sendable {
  /// RAM, bytes, the job's files included (they live in RAM).
  public var memoryBytes: UInt64
  /// Processor time, thousandths of one processor: 1000 is one whole core.
  public var cpuMilli: UInt64
  /// Processes and threads together, the sandbox's own first process included.
  public var pids: UInt64
  /// Files, bytes: the bundle and all that the job writes.
  public var diskBytes: UInt64
  /// Files, directories and links, how many.
  public var files: UInt64

  /// What offers do not say.
  public static let ordinaryFiles: UInt64 = 65_536

  public init(
    memoryBytes: UInt64, cpuMilli: UInt64, pids: UInt64, diskBytes: UInt64,
    files: UInt64 = ordinaryFiles
  ) {
    self.memoryBytes = memoryBytes
    self.cpuMilli = cpuMilli
    self.pids = pids
    self.diskBytes = diskBytes
    self.files = files
  }
}

/// A job as the sandbox sees it: a program of the bundle, and what it may use.
public struct JobSpec: Sendable {
  /// Names the job's cgroups: 1 to 64 of `a-z 0-9 - _`, unique among the running jobs of its share, or those
  /// in none.
  public var name: String
  /// What a job without a PATH of its own gets.
  public static let ordinaryPath = "/usr/local/bin:/usr/bin:/bin"

  /// The program and its arguments. A name without a slash is looked up in the PATH of `environment`.
  public var arguments: [String]
  /// `NAME=value`.
  public var environment: [String]
  /// Where the program starts, inside the sandbox. `/work`, `/out` and `/tmp` can be written.
  public var workdir: String
  public var limits: JobLimits
  /// The least isolation that the publisher accepts.
  public var isolation: IsolationLevel
  /// True: the job gets a terminal; `stdin` and `stdout` are then one descriptor, `stderr` is -1.
  public var terminal: Bool

  public init(
    name: String, arguments: [String],
    environment: [String] = ["PATH=/bin:/usr/bin", "HOME=/work"],
    workdir: String = "/work", limits: JobLimits, isolation: IsolationLevel = .full,
    terminal: Bool = false
  ) {
    self.name = name
    self.arguments = arguments
    self.environment = environment
    self.workdir = workdir
    self.limits = limits
    self.isolation = isolation
    self.terminal = terminal
  }

  /// The first thing in the spec that the sandbox would not accept.
  func validate() throws(SandboxError) {
    if !JobSpec.isName(name) {
      throw SandboxError.invalidSpec("name: 1 to 64 of a-z 0-9 - _")
    }
    if arguments.isEmpty || arguments.count > 4096 || environment.count > 4096 {
      throw SandboxError.invalidSpec("arguments: 1 to 4096; environment: at most 4096")
    }
    guard let first = arguments.first, !first.utf8.isEmpty else {
      throw SandboxError.invalidSpec("arguments: the program has no name")
    }
    if workdir.utf8.first != UInt8(ascii: "/") {
      throw SandboxError.invalidSpec("workdir: must be absolute")
    }
    var total = workdir.utf8.count
    for text in arguments + environment {
      if text.utf8.contains(0) { throw SandboxError.invalidSpec("arguments: a zero byte") }
      total += text.utf8.count + 1
    }
    if workdir.utf8.contains(0) { throw SandboxError.invalidSpec("workdir: a zero byte") }
    if total > 131_072 { throw SandboxError.invalidSpec("arguments: more than 128 KiB") }
    if limits.memoryBytes < 4 << 20 || limits.cpuMilli < 10 || limits.pids < 4
      || limits.diskBytes < 65_536 || limits.files < 64
    {
      throw SandboxError.invalidSpec(
        "limits: at least 4 MiB, 10 milli-cpus, 4 processes, 64 KiB of disk, 64 files")
    }
    if limits.memoryBytes > 1 << 50 || limits.cpuMilli > 1_000_000 || limits.pids > 1 << 20
      || limits.diskBytes > 1 << 50 || limits.files > 1 << 31
    {
      throw SandboxError.invalidSpec("limits: absurdly large")
    }
  }

  static func isName(_ text: String) -> Bool {
    !text.utf8.isEmpty && text.utf8.count <= 64
      && text.utf8.allSatisfy { byte in
        (byte >= 0x61 && byte <= 0x7a) || (byte >= 0x30 && byte <= 0x39) || byte == 0x2d
          || byte == 0x5f
      }
  }
}
