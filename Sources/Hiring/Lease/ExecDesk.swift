import Bytes
import Market

/// The pools of a program.
final class PoolDirectory {
  var pools = Roster<Pool>()
}

/// All leases' exec sessions, by the number that this program assigned.
final class ExecDesk {
  private let directory: PoolDirectory
  private var sessions: [UInt32: ExecSessions] = [:]
  private var last: UInt32 = 0

  init(_ directory: PoolDirectory) { self.directory = directory }

  subscript(id: UInt32) -> ExecSessions? { sessions[id] }
  func forget(_ id: UInt32) { sessions[id] = nil }

  /// Returns the number of the new session, or the problem. Fills in the request's `id` and `task`.
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
      // Rejects locally what the provider would refuse.
      _ = try SessionMessage.decode(SessionMessage.execute(request).encode())
    } catch { return (0, error.message) }
    let problem = lease.execs.start(request)
    if problem == nil { sessions[request.id] = lease.execs }
    return (request.id, problem)
  }
}
