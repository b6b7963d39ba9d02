import Bytes
import Market
import Sandbox

/// Translates task orders for the sandbox.
struct TaskSpec {
  let contract: Contract
  let isolation: IsolationWanted
  let workers: UInt16

  init(_ record: LeaseRecord) {
    contract = record.contract.body
    isolation = record.isolation
    workers = record.workers
  }

  /// The name of the lease's share, unique on this host.
  var shareName: String { String(decoding: Array(contract.id.hex.utf8).prefix(16), as: UTF8.self) }

  func job(_ order: TaskOrder) -> JobSpec {
    let limits = order.limits
    return JobSpec(
      name: shareName + "-" + String(order.number), arguments: TaskSpec.texts(order.arguments),
      environment: TaskSpec.texts(environment(order)),
      workdir: String(decoding: order.workdir, as: UTF8.self),
      limits: JobLimits(
        memoryBytes: UInt64(limits.memoryMiB) << 20, cpuMilli: UInt64(limits.milliCpus),
        pids: UInt64(limits.pids), diskBytes: UInt64(limits.diskMiB) << 20),
      isolation: isolation == .full ? .full : .reduced)
  }

  /// The order's environment and the variables that every task gets.
  func environment(_ order: TaskOrder) -> [[UInt8]] {
    var environment = [
      Array("ZENNET_WORKER=\(contract.workerIndex)".utf8),
      Array("ZENNET_WORKERS=\(workers)".utf8), Array("ZENNET_TASK=\(order.number)".utf8),
    ]
    if !order.environment.contains(where: { TaskSpec.hasName($0, "PATH=") }) {
      environment.append(Array(("PATH=" + JobSpec.ordinaryPath).utf8))
    }
    if !order.environment.contains(where: { TaskSpec.hasName($0, "HOME=") }) {
      environment.append(Array("HOME=/work".utf8))
    }
    return environment + order.environment
  }

  /// Completes an exec request with the task's working directory and environment.
  func complete(_ request: ExecRequest, of order: TaskOrder) -> ExecRequest {
    var complete = request
    if complete.workdir.isEmpty { complete.workdir = order.workdir }
    complete.environment = TaskSpec.merge(environment(order), request.environment)
    return complete
  }

  /// `more` replaces variables of the same name.
  private static func merge(_ base: [[UInt8]], _ more: [[UInt8]]) -> [[UInt8]] {
    var merged: [[UInt8]] = []
    for entry in base {
      let name = entry.prefix { $0 != 0x3d }
      if !more.contains(where: { $0.prefix { $0 != 0x3d }.elementsEqual(name) }) {
        merged.append(entry)
      }
    }
    return merged + more
  }

  private static func texts(_ list: [[UInt8]]) -> [String] {
    var texts: [String] = []
    for entry in list { texts.append(String(decoding: entry, as: UTF8.self)) }
    return texts
  }

  private static func hasName(_ entry: [UInt8], _ name: StaticString) -> Bool {
    if entry.count < name.utf8CodeUnitCount { return false }
    for index in 0..<name.utf8CodeUnitCount where entry[index] != name.utf8Start[index] {
      return false
    }
    return true
  }
}
