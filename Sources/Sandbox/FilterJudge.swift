/// Runs a seccomp program as the kernel does: classic BPF over `struct seccomp_data`, only the
/// instructions that libseccomp makes. So a filter can be tried where none may be installed.
struct FilterJudge {
  static let allow: UInt32 = 0x7fff_0000
  /// Fails with EPERM, with ENOSYS.
  static let refuse: UInt32 = 0x0005_0001
  static let notThere: UInt32 = 0x0005_0026

  /// Instructions of 8 bytes: code (16 bits), two jumps (8 bits each), operand (32 bits).
  let program: [UInt8]

  /// What becomes of a call; 0, which kills, for a program that is none. Arguments that are not given
  /// are 0.
  func verdict(
    architecture: UInt32, number: UInt32, _ first: UInt64 = 0, _ second: UInt64 = 0,
    _ third: UInt64 = 0, _ fourth: UInt64 = 0
  ) -> UInt32 {
    var data: [UInt32] = [number, architecture, 0, 0]
    for value in [first, second, third, fourth, 0, 0] {
      data.append(UInt32(truncatingIfNeeded: value))
      data.append(UInt32(truncatingIfNeeded: value >> 32))
    }
    var accumulator: UInt32 = 0
    var at = 0
    // Jumps only lead forward, so this ends.
    while at + 8 <= program.count {
      let operand = word(at + 4)
      var isTrue = false
      switch UInt16(program[at]) | UInt16(program[at + 1]) << 8 {
      case 0x06: return operand
      case 0x20:
        guard operand % 4 == 0, operand < 64 else { return 0 }
        accumulator = data[Int(operand / 4)]
        at += 8
        continue
      case 0x54:
        accumulator &= operand
        at += 8
        continue
      case 0x05:
        if operand > 4096 { return 0 }
        at += 8 * (1 + Int(operand))
        continue
      case 0x15: isTrue = accumulator == operand
      case 0x25: isTrue = accumulator > operand
      case 0x35: isTrue = accumulator >= operand
      case 0x45: isTrue = accumulator & operand != 0
      default: return 0
      }
      at += 8 * (1 + Int(isTrue ? program[at + 2] : program[at + 3]))
    }
    return 0
  }

  private func word(_ at: Int) -> UInt32 {
    UInt32(program[at]) | UInt32(program[at + 1]) << 8 | UInt32(program[at + 2]) << 16
      | UInt32(program[at + 3]) << 24
  }
}
