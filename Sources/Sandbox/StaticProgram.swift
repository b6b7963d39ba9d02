/// Whether an ELF program runs without a dynamic loader, which does not exist inside a sandbox. elf(5).
enum StaticProgram {
  private static let interpreter: UInt64 = 3  // PT_INTERP

  static func isStatic(_ path: String) -> Bool {
    guard !path.utf8.isEmpty, let head = System.read(path, limit: 4096) else { return false }
    return isStatic(head)
  }

  /// `head`: the first bytes of the file, program headers included.
  static func isStatic(_ head: [UInt8]) -> Bool {
    guard head.count >= 64, head[0] == 0x7f, head[1] == 0x45, head[2] == 0x4c, head[3] == 0x46,
      head[4] == 1 || head[4] == 2, head[5] == 1
    else { return false }
    let isWide = head[4] == 2
    let table = isWide ? number(head, 32, 8) : number(head, 28, 4)
    let size = number(head, isWide ? 54 : 42, 2)
    let count = number(head, isWide ? 56 : 44, 2)
    if size < 32 || count == 0 || table > 4096 || table + size * count > UInt64(head.count) {
      return false
    }
    for index in 0..<count where number(head, Int(table + index * size), 4) == interpreter {
      return false
    }
    return true
  }

  private static func number(_ head: [UInt8], _ offset: Int, _ width: Int) -> UInt64 {
    var value: UInt64 = 0
    for index in (0..<width).reversed() { value = value << 8 | UInt64(head[offset + index]) }
    return value
  }
}
