/// Calls that are judged by their arguments. libseccomp's rules cannot refuse a value safely: they compare 64
/// bits where the kernel reads 32, so that another 64-bit number can stand for a refused one; and on 32-bit
/// x86 they permit sockets through `socketcall`, which hides its arguments.
/// Classic BPF over `struct seccomp_data`, linux/filter.h.
struct FilterExceptions {
  /// The part of a filter that judges them. It begins with the call's number (or what is no number) in
  /// the accumulator; what it does not know goes on behind its end.
  ///
  /// - Parameter hostDevices: the devices in the sandbox are the machine's own.
  static func program(hostDevices: Bool, number: (String) -> Int32) -> [UInt8] {
    var all = FilterExceptions()
    all.addUnknown()
    // The kernel would load modules: line disciplines (TIOCSETD), bridges, VLANs; who types into a terminal
    // (TIOCSTI, TIOCLINUX) holds its other end. asm-generic/ioctls.h, linux/sockios.h.
    all.add(
      number("ioctl"),
      [0x5423, 0x5412, 0x541c, 0x8940, 0x8941, 0x8982, 0x8983, 0x89a0, 0x89a1].map {
        Case([.equal(1, $0)], refuse)
      })
    // Huge pages are the owner's, and not counted with other memory: MAP_HUGETLB, MFD_HUGETLB. The mmap of
    // 32-bit x86 keeps its flags out of sight, and nobody needs it.
    let huge = Case([.bits(3, 0x40000)], refuse)
    if MemoryLayout<Int>.size == 8 { all.add(number("mmap"), [huge]) }
    all.add(number("mmap2"), [huge])
    all.add(number("memfd_create"), [Case([.bits(1, 4)], refuse)])
    // RLIMIT_CORE stays at 1: only then does the kernel not start the owner's own program for crashes,
    // which keeps what it finds, and is no part of the job. core(5).
    let core = Test.equal(1, 4)
    all.add(number("setrlimit"), [Case([.equal(0, 4)], pretended)])
    // Own limits only: process 1 has the job's user id too, and needs its limits to collect results. (The
    // kernel protects priority and processors of processes with more rights.)
    all.add(
      number("prlimit64"),
      [
        Case([.other(0, 0)], refuse), Case([core, .other(2, 0)], pretended),
        Case([core, .other(2, 0, half: .upper)], pretended),
      ])
    // PR_SET_SECCOMP: a job's own filter is memory that no cgroup counts, and its refusals can be lines in
    // the host's log. PR_SCHED_CORE: core scheduling can keep a processor idle that the owner's threads
    // need. Both fail as on a kernel without them.
    all.add(number("prctl"), [22, 62].map { Case([.equal(0, $0)], unusual) })
    all.addSockets(number)
    if hostDevices { all.addHostDevices(number) }
    return all.program
  }

  /// Calls newer than this filter fail with ENOSYS: programs then fall back as on an old kernel. Numbers from
  /// 0x40000000 on belong to another table (x32), or are invalid.
  private mutating func addUnknown() {
    append(0x35, no: 2, UInt32(SystemCalls.newest + 1))
    append(0x35, yes: 1, 0x4000_0000)
    append(FilterExceptions.answer, FilterJudge.notThere)
  }

  /// Local sockets; and over the loopback device TCP (6) and UDP (17). No raw or packet sockets, and no
  /// protocol for which the kernel would load a module. No netlink: the kernel's answers wait in memory that
  /// no cgroup counts, 80 KiB for each socket; C libraries then assume that there is IPv4 and IPv6.
  private mutating func addSockets(_ number: (String) -> Int32) {
    var kinds: [[Test]] = []
    for kind: UInt32 in [1, 2, 5] { kinds.append([.equal(0, 1), .equal(1, kind, of: 0xf)]) }
    add(
      SystemCalls.direct("socketpair", number), kinds.map { Case($0, FilterJudge.allow) },
      otherwise: FilterExceptions.refuse)
    for family: UInt32 in [2, 10] {
      for (kind, own) in [(1, 6), (2, 17)] as [(UInt32, UInt32)] {
        for said in [0, own] {
          kinds.append([.equal(0, family), .equal(1, kind, of: 0xf), .equal(2, said)])
        }
      }
    }
    add(
      SystemCalls.direct("socket", number), kinds.map { Case($0, FilterJudge.allow) },
      otherwise: FilterExceptions.refuse)
  }

  /// A watcher of the host's `/dev/null` sees who opens it and slows every use of it; a lock on it locks
  /// others out. The filter cannot see which file a call means, so all watches and all locks are refused
  /// (ENOLCK, as on a network file system without locks): F_SETLK, F_SETLKW, their 64-bit and OFD forms.
  private mutating func addHostDevices(_ number: (String) -> Int32) {
    for name in Text.names("inotify_init inotify_init1") {
      add(number(name), [], otherwise: FilterJudge.notThere)
    }
    add(number("flock"), [], otherwise: FilterExceptions.noLocks)
    let commands: [UInt32] = [6, 7, 13, 14, 37, 38]
    for name in Text.names("fcntl fcntl64") {
      add(number(name), commands.map { Case([.equal(1, $0)], FilterExceptions.noLocks) })
    }
  }

  // MARK: The program

  /// The tested half of an argument. The kernel reads only the lower half of everything but pointers.
  private struct Test {
    enum Half: UInt32 { case lower = 16, upper = 20 }
    var place: UInt32
    var code: UInt8
    var value: UInt32
    var mask: UInt32 = .max
    var isNegated = false

    static func equal(_ argument: UInt32, _ value: UInt32, of mask: UInt32 = .max) -> Test {
      Test(place: Half.lower.rawValue + 8 * argument, code: 0x15, value: value, mask: mask)
    }
    static func other(_ argument: UInt32, _ value: UInt32, half: Half = .lower) -> Test {
      Test(place: half.rawValue + 8 * argument, code: 0x15, value: value, isNegated: true)
    }
    static func bits(_ argument: UInt32, _ value: UInt32) -> Test {
      Test(place: Half.lower.rawValue + 8 * argument, code: 0x45, value: value)
    }

    var length: Int { mask == .max ? 2 : 3 }
  }

  /// The answer where all tests hold.
  private struct Case {
    var tests: [Test]
    var answer: UInt32

    init(_ tests: [Test], _ answer: UInt32) {
      self.tests = tests
      self.answer = answer
    }

    var length: Int { tests.reduce(1) { $0 + $1.length } }
  }

  private var program: [UInt8] = []

  /// Adds a call: the answer is that of the first case that holds. Calls without a number are skipped.
  @inline(never) private mutating func add(
    _ number: Int32, _ cases: [Case], otherwise: UInt32 = FilterJudge.allow
  ) {
    if number < 0 { return }
    append(0x15, no: cases.reduce(1) { $0 + $1.length }, UInt32(number))
    for one in cases {
      var rest = one.length
      for test in one.tests {
        rest -= test.length
        append(FilterExceptions.load, test.place)
        if test.mask != .max { append(0x54, test.mask) }
        append(
          test.code, yes: test.isNegated ? rest : 0, no: test.isNegated ? 0 : rest, test.value)
      }
      append(FilterExceptions.answer, one.answer)
    }
    append(FilterExceptions.answer, otherwise)
  }

  private mutating func append(_ code: UInt8, yes: Int = 0, no: Int = 0, _ operand: UInt32) {
    FilterLookup.append(&program, code, yes: yes, no: no, operand: operand)
  }

  private static let refuse = FilterJudge.refuse
  /// The caller is told that it was done.
  private static let pretended: UInt32 = 0x0005_0000
  private static let unusual: UInt32 = 0x0005_0016
  private static let noLocks: UInt32 = 0x0005_0025
  private static let load: UInt8 = 0x20
  private static let answer: UInt8 = 0x06
}
