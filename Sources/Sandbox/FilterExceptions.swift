/// Calls that are judged by their arguments. libseccomp's rules will not do where something is refused: they
/// compare 64 bits where the kernel looks at 32, so that what is refused as one number could be said by
/// another; and on 32-bit x86 they let sockets through a second call that hides its arguments.
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
    // Of nobody else: process 1 is the job's user, too, and could not collect the results without its own.
    // (Priority and processors of who has more rights the kernel itself protects.)
    all.add(
      number("prlimit64"),
      [
        Case([.other(0, 0)], refuse), Case([core, .other(2, 0)], pretended),
        Case([core, .other(2, 0, half: .upper)], pretended),
      ])
    // A filter of the job's own is memory that nobody counts, and what it refuses can be a line in the
    // machine's log. Whoever asks that only certain threads run beside his has the processor stand still
    // for the owner's. As on a kernel without either: PR_SET_SECCOMP, PR_SCHED_CORE.
    all.add(number("prctl"), [22, 62].map { Case([.equal(0, $0)], unusual) })
    all.addSockets(number)
    if hostDevices { all.addHostDevices(number) }
    return all.program
  }

  /// Calls that this filter is too old to know do not exist: programs then do without them, as they do on
  /// an old kernel. Numbers from here on are another table's (x32), or no numbers.
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

  /// Who watches the machine's `/dev/null` sees who opens it, and every use of it tells each watcher; who
  /// locks it locks others out. The filter does not see which file it is: no file is watched, none locked
  /// (ENOLCK, as on a network file system without locks). F_SETLK, F_SETLKW, their 64-bit and OFD forms.
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

  /// What half of an argument is. The kernel looks at the lower one of everything but pointers.
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

  /// The answer of the first case that holds. A call without number is not there.
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
