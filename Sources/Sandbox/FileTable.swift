/// The machine's table of open files. When it is full every program but root's is refused one more (ENFILE),
/// whoever filled it. proc(5): file-max, which the kernel sets to a file for each 10 KiB of memory.
public struct FileTable: Equatable, Sendable {
  /// How many files it holds. The default is the least that a kernel chooses.
  public var size: UInt64 = 8192
  /// All of the machine's memory cannot hold so many, if open files are memory of the job's that has them, and so
  /// within its limit: one takes 184 bytes and more. (One that is mapped and closed takes 400, and is no
  /// descriptor of anybody's: 65,530 of them for each process.) 0: they are not.
  public var enough: UInt64 = 0

  public init() {}

  private static let file = "/proc/sys/fs/file-max"

  static func detect(release: String) -> FileTable {
    parse(
      size: System.read(file, limit: 64), memory: System.read("/proc/meminfo", limit: 4096),
      release: release, commandLine: System.read("/proc/cmdline", limit: 4096) ?? [])
  }

  /// The pure part of ``detect(release:)``.
  static func parse(
    size: [UInt8]?, memory: [UInt8]?, release: String, commandLine: [UInt8]
  ) -> FileTable {
    var table = FileTable()
    if let size = Text.onlyNumber(size) { table.size = size }
    // Since Linux 4.6, unless it was told not to: kernel-parameters, cgroup.memory=nokmem.
    for at in commandLine.indices where Text.equal(commandLine[at...].prefix(6), "nokmem") {
      return table
    }
    let numbers = Text.split(Array(release.utf8)[...], on: 0x2e)
    if numbers.count < 2 { return table }
    let (major, minor) = (Text.number(numbers[0]) ?? 0, Text.number(numbers[1]) ?? 0)
    if major > 4 || (major == 4 && minor >= 6) {
      // `MemTotal: … kB`
      table.enough = (Text.keyed(memory, "MemTotal:") ?? 0) << 3
    }
    return table
  }

  /// A job's own memory ends before this table is full, or can be made to.
  var isSafe: Bool { enough > 0 && (size >= enough || System.mayWrite(FileTable.file)) }

  /// Where open files are memory they need no other limit: systemd (240) does the same at its start. It stays
  /// so, as other agents may rely on it.
  mutating func grow() {
    if size < enough && System.write(FileTable.file, "\(enough)") == 0 { size = enough }
  }

  /// For each process of a job, so that `pids` of them have half of the table at the most: with what they sent
  /// to each other and nobody received, for which the kernel allows one process's number more, and the last
  /// message. unix(7): ETOOMANYREFS. What is mapped and closed is not in this: see ``enough``.
  func descriptors(pids: UInt64) -> UInt64 {
    let half = max(size / 2, 253) - 253
    return min(4096, max(64, half / (pids + 1)))
  }
}
