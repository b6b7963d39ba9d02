/// Calls that are allowed save with certain arguments. libseccomp's rules will not do: they compare 64 bits
/// where the kernel looks at 32, so that what is refused as one number could be said by another.
/// Classic BPF over `struct seccomp_data`, linux/filter.h.
struct FilterExceptions {
  /// The part of a filter that judges them. It begins with the call's number (or what is no number) in
  /// the accumulator; what it does not know goes on behind its end.
  static func program(number: (String) -> Int32) -> [UInt8] {
    var all = FilterExceptions()
    // The kernel would load modules: line disciplines (TIOCSETD), bridges, VLANs; who types into a terminal
    // (TIOCSTI, TIOCLINUX) holds its other end. asm-generic/ioctls.h, linux/sockios.h.
    all.add(
      number("ioctl"), 1, isEqual,
      [0x5423, 0x5412, 0x541c, 0x8940, 0x8941, 0x8982, 0x8983, 0x89a0, 0x89a1])
    // Huge pages are the owner's, and not counted with other memory: MAP_HUGETLB, MFD_HUGETLB. The mmap of
    // 32-bit x86 keeps its flags out of sight, and nobody needs it.
    if MemoryLayout<Int>.size == 8 { all.add(number("mmap"), 3, hasBit, [0x40000]) }
    all.add(number("mmap2"), 3, hasBit, [0x40000])
    all.add(number("memfd_create"), 1, hasBit, [4])
    // RLIMIT_CORE stays at 1: only then does the kernel not start the owner's own program for crashes,
    // which keeps what it finds, and is no part of the job. core(5).
    all.add(number("setrlimit"), 0, isEqual, [4], answer: pretended)
    all.add(number("prlimit64"), 1, isEqual, [4], unlessNull: 2, answer: pretended)
    return all.program
  }

  private var program: [UInt8] = []

  /// Allows a call but where an argument's lower 32 bits are, or have, one of `values`; there too if
  /// another argument is null, so that nothing is changed. A call without number is not allowed.
  @inline(never) private mutating func add(
    _ number: Int32, _ argument: UInt32, _ compare: UInt8, _ values: [UInt32],
    unlessNull pointer: UInt32? = nil, answer: UInt32 = FilterJudge.refuse
  ) {
    if number < 0 { return }
    let rest = pointer == nil ? 2 : 7
    append(FilterExceptions.isEqual, no: values.count + 1 + rest, UInt32(number))
    append(FilterExceptions.load, 16 + 8 * argument)
    for index in values.indices { append(compare, yes: values.count - index, values[index]) }
    append(FilterExceptions.answer, FilterJudge.allow)
    if let pointer {
      append(FilterExceptions.load, 16 + 8 * pointer)
      append(FilterExceptions.isEqual, no: 3, 0)
      append(FilterExceptions.load, 20 + 8 * pointer)
      append(FilterExceptions.isEqual, no: 1, 0)
      append(FilterExceptions.answer, FilterJudge.allow)
    }
    append(FilterExceptions.answer, answer)
  }

  private mutating func append(_ code: UInt8, yes: Int = 0, no: Int = 0, _ operand: UInt32) {
    FilterLookup.append(&program, code, yes: yes, no: no, operand: operand)
  }

  /// The caller is told that it was done.
  private static let pretended: UInt32 = 0x0005_0000
  private static let load: UInt8 = 0x20
  private static let isEqual: UInt8 = 0x15
  private static let hasBit: UInt8 = 0x45
  private static let answer: UInt8 = 0x06
}
