import Bytes
import Market

/// The pools of a program.
final class PoolDirectory {
  var pools = Roster<Pool>()
}

/// Exec sessions by the numbers that this program gave them, over all leases.
final class ExecDesk {
  private let directory: PoolDirectory
  private var sessions: [UInt32: ExecSessions] = [:]
  private var last: UInt32 = 0

  init(_ directory: PoolDirectory) { self.directory = directory }

  subscript(id: UInt32) -> ExecSessions? { sessions[id] }
  func forget(_ id: UInt32) { sessions[id] = nil }

  /// The number of the new session, or why it cannot be. `id` and `task` of the request are filled in.
  func start(_ request: ExecRequest, in task: TaskId) -> (id: UInt32, problem: String?) {
    guard let pool = directory.pools[task.pool], let state = pool.board.state(task.index) else {
      return (0, "there is no such task")
    }
    guard case .assigned(let id, let number) = state, let lease = pool.leases[id],
      lease.tasks.isStarted(task.index)
    else { return (0, "the task is not running") }
    var request = request
    last += 1
    request.id = last
    request.task = number
    do throws(MarketError) {
      // What the machine would refuse is refused here first.
      _ = try SessionMessage.decode(SessionMessage.execute(request).encode())
    } catch { return (0, error.message) }
    let problem = lease.execs.start(request)
    if problem == nil { sessions[request.id] = lease.execs }
    return (request.id, problem)
  }
}
