import Bytes

/// The first part of the filter: calls that are allowed whatever their arguments are, as ranges of their
/// numbers, found by halving. When a filter is installed the kernel compiles it and walks it for every
/// number that there is: this is a fifth of the instructions that a rule for each call takes.
/// Classic BPF over `struct seccomp_data`, linux/filter.h.
enum FilterLookup {
  /// - Parameters:
  ///   - architecture: of this processor, AUDIT_ARCH_*.
  ///   - allowed: numbers of calls, in any order.
  ///   - rest: the program that judges every other call, and calls of another architecture.
  /// - Returns: nil where there are more ranges than a jump can cross.
  static func program(architecture: UInt32, allowed: [UInt32], rest: [UInt8]) -> [UInt8]? {
    let edges = edges(allowed)
    if edges.isEmpty || edges.count > 200 { return nil }
    var program: [UInt8] = []
    // The architecture, then the number.
    append(&program, 0x20, operand: 4)
    append(&program, 0x15, yes: 0, no: edges.count + 2, operand: architecture)
    append(&program, 0x20, operand: 0)
    appendTree(&program, edges, edges.indices, end: 3 + edges.count)
    append(&program, 0x06, operand: FilterJudge.allow)
    return program + rest
  }

  /// Where ranges begin and, by turns, where they have ended.
  private static func edges(_ allowed: [UInt32]) -> [UInt32] {
    var edges: [UInt32] = []
    for index in Order.of(allowed.count, { allowed[$0] < allowed[$1] }) {
      let number = allowed[index]
      if let last = edges.last, number < last { continue }
      if edges.last == number { edges.removeLast() } else { edges.append(number) }
      edges.append(number + 1)
    }
    return edges
  }

  /// One comparison for each edge; the smaller numbers' come first. `end` is where "allowed" is returned,
  /// and the rest begins behind it.
  private static func appendTree(
    _ program: inout [UInt8], _ edges: [UInt32], _ part: Range<Int>, end: Int
  ) {
    if part.isEmpty { return }
    let middle = (part.lowerBound + part.upperBound) / 2
    let next = program.count / 8 + 1
    let above =
      middle + 1 == part.upperBound ? leaf(middle + 1, end) : next + middle - part.lowerBound
    let below = middle == part.lowerBound ? leaf(middle, end) : next
    append(&program, 0x35, yes: above - next, no: below - next, operand: edges[middle])
    appendTree(&program, edges, part.lowerBound..<middle, end: end)
    appendTree(&program, edges, middle + 1..<part.upperBound, end: end)
  }

  /// With so many edges at or below it a number is within a range, or is not.
  private static func leaf(_ edgesBelow: Int, _ end: Int) -> Int {
    edgesBelow % 2 == 1 ? end : end + 1
  }

  /// One instruction.
  static func append(
    _ program: inout [UInt8], _ code: UInt8, yes: Int = 0, no: Int = 0, operand: UInt32
  ) {
    program += [code, 0, UInt8(yes), UInt8(no)]
    for shift: UInt32 in [0, 8, 16, 24] {
      program.append(UInt8(truncatingIfNeeded: operand >> shift))
    }
  }
}
