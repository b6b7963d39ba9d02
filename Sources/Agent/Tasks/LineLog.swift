import Bitcoin
import Bytes
import Market

/// The lines of a lease's tasks, in the order in which they ended: chained, summed, and kept until the
/// publisher holds them for good.
struct LineLog {
  /// Lines that the publisher holds.
  private(set) var stored: UInt32
  private(set) var storedChain: Bytes32
  private(set) var storedUsage: UsageVector
  private(set) var storedLast: UInt32
  /// Those that it may not hold, in order.
  private(set) var pending: [TaskLine] = []

  /// All lines.
  private(set) var chain: Bytes32
  private(set) var usage: UsageVector
  private(set) var last: UInt32
  /// The line that was made last; nil after a restart in which none was left.
  private(set) var latest: TaskLine?

  init(_ sums: LeaseSums = LeaseSums()) {
    stored = sums.lines
    storedChain = sums.chain
    storedUsage = sums.usage
    storedLast = sums.lastLine
    chain = sums.chain
    usage = sums.usage
    last = sums.lastLine
  }

  var count: UInt32 { stored + UInt32(pending.count) }

  /// Gives the line's place, from 0.
  @discardableResult
  mutating func append(_ line: TaskLine) -> UInt32 {
    pending.append(line)
    latest = line
    chain = line.chain(after: chain)
    usage = usage.adding(line.usage)
    last = max(last, line.number)
    return count - 1
  }

  func line(_ number: UInt32) -> TaskLine? {
    for line in pending where line.number == number { return line }
    return nil
  }

  /// The chain's value after the first `lines` lines; nil where this machine does not know it any more,
  /// or does not have so many.
  func chain(after lines: UInt32) -> Bytes32? {
    if lines < stored || lines > count { return nil }
    var value = storedChain
    for index in 0..<Int(lines - stored) { value = pending[index].chain(after: value) }
    return value
  }

  /// The lines from the given place on.
  func lines(from place: UInt32) -> [TaskLine] {
    if place >= count { return [] }
    return Array(pending[Int(max(place, stored) - stored)...])
  }

  /// The publisher holds the first `lines` lines for good: gives the numbers of those that are news.
  mutating func acknowledge(_ lines: UInt32) -> [UInt32] {
    if lines <= stored || lines > count { return [] }
    var numbers: [UInt32] = []
    for line in pending.prefix(Int(lines - stored)) {
      storedChain = line.chain(after: storedChain)
      storedUsage = storedUsage.adding(line.usage)
      storedLast = max(storedLast, line.number)
      numbers.append(line.number)
    }
    pending.removeFirst(numbers.count)
    stored = lines
    return numbers
  }
}
