import Bitcoin
import Bytes
import Market

/// The task lines of a lease, in the order of their ends: chained, summed, and kept until the
/// publisher has stored them.
struct LineLog {
  /// The number of lines that the publisher stored.
  private(set) var stored: UInt32
  private(set) var storedChain: Bytes32
  private(set) var storedUsage: UsageVector
  private(set) var storedLast: UInt32
  /// Lines that it may not have, in order.
  private(set) var pending: [TaskLine] = []

  /// Over all lines.
  private(set) var chain: Bytes32
  private(set) var usage: UsageVector
  private(set) var last: UInt32
  /// The last line; nil after a restart if no pending line was left.
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

  /// Appends a line and returns its place, from 0.
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

  /// The chain's hash after the first `lines` lines; nil if it is no longer kept or there are fewer
  /// lines.
  func chain(after lines: UInt32) -> Bytes32? {
    if lines < stored || lines > count { return nil }
    var value = storedChain
    for index in 0..<Int(lines - stored) { value = pending[index].chain(after: value) }
    return value
  }

  /// The pending lines from `place` on.
  func lines(from place: UInt32) -> [TaskLine] {
    if place >= count { return [] }
    return Array(pending[Int(max(place, stored) - stored)...])
  }

  /// The publisher stored the first `lines` lines. Returns the task numbers of the newly stored
  /// ones.
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
