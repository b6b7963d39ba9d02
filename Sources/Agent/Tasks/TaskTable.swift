import Bitcoin
import Bytes
import Market

/// The current tasks of a lease: queued, in order; running; and ended ones that the publisher has
/// not fully fetched.
final class TaskTable {
  private(set) var tasks: [LeaseTask] = []
  /// The highest task number accepted or refused.
  private(set) var lastNumber: UInt32
  /// The highest task number accepted.
  private(set) var lastStored: UInt32
  /// Refusals that the publisher may have missed, the latest last.
  private(set) var refusals: [(number: UInt32, refusal: Refusal)] = []
  private static let mostRefusals = 128
  private let share: ShareLimits

  /// Most ended tasks kept only for their output.
  static let mostKept = 256

  init(_ share: ShareLimits, lastNumber: UInt32) {
    self.share = share
    self.lastNumber = lastNumber
    lastStored = lastNumber
  }

  func task(_ number: UInt32) -> LeaseTask? {
    for task in tasks where task.number == number { return task }
    return nil
  }

  func task(key: Bytes32) -> LeaseTask? {
    for task in tasks where task.key == key { return task }
    return nil
  }

  /// Why an order is refused; nil if it is accepted.
  func refusal(_ order: TaskOrder) -> Refusal? {
    if let excess = order.limits.excess(of: share) {
      return Refusal(.unacceptable, excess.text)
    }
    if order.limits.memoryMiB < 4 || order.limits.milliCpus < 10 || order.limits.pids < 4 {
      return Refusal(
        .unacceptable, "a task needs at least 4 MiB, 10 thousandths of a processor and 4 processes")
    }
    if order.bundleBytes > UInt64(share.diskMiB) << 20 {
      return Refusal(
        .disk,
        "its bundles have \(order.bundleBytes) bytes; the lease's disk is \(share.diskMiB) MiB")
    }
    var count = 0
    var bytes = order.encode().count
    for task in tasks where task.isQueued {
      count += 1
      bytes += task.orderBytes
    }
    if count >= Limits.maxQueuedTasks || bytes > Limits.maxQueuedBytes {
      return Refusal(
        .busy,
        "\(count) tasks are queued; at most \(Limits.maxQueuedTasks) and \(Limits.maxQueuedBytes) "
          + "bytes of orders are")
    }
    return nil
  }

  func add(_ task: LeaseTask) {
    tasks.append(task)
    lastNumber = max(lastNumber, task.number)
    lastStored = max(lastStored, task.number)
  }

  func refused(_ number: UInt32, _ refusal: Refusal) {
    lastNumber = max(lastNumber, number)
    if refusals.count >= TaskTable.mostRefusals { refusals.removeFirst() }
    refusals.append((number, refusal))
  }

  func remove(_ number: UInt32) { tasks.removeAll { $0.number == number } }

  func removeAll() { tasks = [] }

  // MARK: Capacity

  var queued: Int { tasks.reduce(0) { $0 + ($1.isQueued ? 1 : 0) } }
  var active: Int { tasks.reduce(0) { $0 + ($1.isActive ? 1 : 0) } }
  var unfinished: Int { queued + active }

  var usage: UsageVector {
    var sum = UsageVector()
    for task in tasks where task.isActive { sum = sum.adding(task.usage) }
    return sum
  }

  /// The first queued task; later ones do not overtake it.
  var next: LeaseTask? { tasks.first { $0.isQueued } }

  /// Whether its memory and processes are available now.
  /// - Parameter heldBytes: results and output kept for the publisher.
  func fits(_ order: TaskOrder, heldBytes: UInt64) -> Bool {
    var memoryMiB = UInt64(order.limits.memoryMiB) + (heldBytes + 0xf_ffff) >> 20
    var pids = UInt64(order.limits.pids)
    var isAlone = true
    for task in tasks where task.isActive {
      guard let other = task.order else { continue }
      memoryMiB += UInt64(other.limits.memoryMiB)
      pids += UInt64(other.limits.pids)
      isAlone = false
    }
    if pids > UInt64(share.pids) { return false }
    // A single task of full size may start beside small kept outputs.
    return memoryMiB <= UInt64(share.memoryMiB)
      || (isAlone && heldBytes <= TaskTable.tolerated)
  }

  /// Kept output that does not prevent a task of the full share's size from starting.
  private static let tolerated: UInt64 = 1 << 20

  // MARK: Kept output

  /// Output bytes of ended tasks that are kept for the publisher.
  var heldOutput: UInt64 {
    var bytes: UInt64 = 0
    for task in tasks where task.isEnded { bytes += UInt64(task.output.heldBytes) }
    return bytes
  }
}
