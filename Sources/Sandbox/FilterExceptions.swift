/// Calls that are allowed save with certain arguments. libseccomp's rules will not do: they compare 64 bits
/// where the kernel looks at 32, so that what is refused as one number could be said by another.
/// Classic BPF over `struct seccomp_data`, linux/filter.h.
enum FilterExceptions {
  static var names: [String] { Text.names("ioctl mmap mmap2 memfd_create setrlimit prlimit64") }
  /// The caller is told that it was done.
  private static let pretended: UInt32 = 0x0005_0000
  /// RLIMIT_CORE stays at 1: only then does the kernel not start the owner's own program for crashes,
  /// which keeps what it finds, and is no part of the job. core(5).
  private static let core: UInt32 = 4

  /// The part of a filter that judges them. It begins with the call's number (or what is no number) in
  /// the accumulator; what it does not know goes on behind its end.
  static func program(number: (String) -> Int32) -> [UInt8] {
    var program: [UInt8] = []
    // The kernel would load modules: line disciplines (TIOCSETD), bridges, VLANs; who types into a terminal
    // (TIOCSTI, TIOCLINUX) holds its other end. asm-generic/ioctls.h, linux/sockios.h.
    let commands: [UInt32] = [
      0x5423, 0x5412, 0x541c, 0x8940, 0x8941, 0x8982, 0x8983, 0x89a0, 0x89a1,
    ]
    let names = names
    for index in names.indices {
      let number = number(names[index])
      if number < 0 { continue }
      let part = FilterLookup.append
      let isAboutLimits = index > 3
      let changes = index == 5
      // Huge pages are the owner's, and not counted with other memory: MAP_HUGETLB, MFD_HUGETLB.
      let values = index == 0 ? commands : [isAboutLimits ? core : index == 3 ? 4 : 0x40000]
      let argument: UInt32 = index == 4 ? 0 : index == 1 || index == 2 ? 3 : 1
      part(&program, isEqual, 0, values.count + (changes ? 8 : 3), UInt32(number))
      part(&program, load, 0, 0, 16 + 8 * argument)
      for at in values.indices {
        part(
          &program, index == 0 || isAboutLimits ? isEqual : hasBit, values.count - at, 0, values[at]
        )
      }
      part(&program, answer, 0, 0, FilterJudge.allow)
      if changes {
        // It only asks where there is no new limit: its third argument, all of it.
        part(&program, load, 0, 0, 32)
        part(&program, isEqual, 0, 3, 0)
        part(&program, load, 0, 0, 36)
        part(&program, isEqual, 0, 1, 0)
        part(&program, answer, 0, 0, FilterJudge.allow)
      }
      part(&program, answer, 0, 0, isAboutLimits ? pretended : FilterJudge.refuse)
    }
    return program
  }

  private static let load: UInt8 = 0x20
  private static let isEqual: UInt8 = 0x15
  private static let hasBit: UInt8 = 0x45
  private static let answer: UInt8 = 0x06
}
