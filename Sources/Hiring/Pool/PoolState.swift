import Bytes
import Market

/// State shared by the parts of a pool.
final class PoolState {
  let id: Bytes32
  let plan: PoolPlan
  let board: TaskBoard
  var leases = Roster<Lease>()
  /// Nil until the announcement is made.
  private(set) var record: PoolRecord?
  /// No more tasks will be added.
  private(set) var isComplete = false
  /// The publisher stopped the pool.
  private(set) var isStopping = false

  private let context: HiringContext

  init(id: Bytes32, _ plan: PoolPlan, _ context: HiringContext) {
    self.id = id
    self.plan = plan
    self.context = context
    board = TaskBoard(id, reruns: plan.reruns, context)
  }

  /// Restores a pool.
  func restore(_ record: PoolRecord) {
    self.record = record
    isComplete = record.isComplete
    isStopping = record.isStopping
    if isStopping { board.stop() }
  }

  /// Changes the record and stores it.
  func change(_ body: (inout PoolRecord) -> Void) {
    guard var record else { return }
    body(&record)
    announced(record)
  }

  /// Sets and stores a new or changed record.
  func announced(_ record: PoolRecord) {
    self.record = record
    context.emit(.storePool(id: id, record.encode()))
  }

  func completed() {
    if isComplete { return }
    isComplete = true
    change { $0.isComplete = true }
  }

  func stopped() {
    isComplete = true
    isStopping = true
    change {
      $0.isComplete = true
      $0.isStopping = true
    }
  }

  /// Whether a task that this provider may run waits or may be added.
  func hasWork(for provider: Bytes32) -> Bool { !isComplete || board.hasWork(for: provider) }

  /// The same for one place.
  func hasWork(for provider: Bytes32, worker: UInt16) -> Bool {
    !isComplete || board.hasWork(for: provider, worker: worker)
  }
}
