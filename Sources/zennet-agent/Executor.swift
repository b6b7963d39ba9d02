import Agent
import Bytes
import Host
import Market
import Sandbox

/// Performs the core's effects on shares, bundles and tasks, and reports events to it.
final class Executor {
  private let hands: Hands
  private var leases: [LeaseBody] = []
  /// Sandboxes that are being removed in the background.
  private var leaving: [SandboxProcess] = []
  /// Processor time of all tasks so far.
  private var tasksMs: UInt64 = 0

  init(_ hands: Hands) { self.hands = hands }

  // MARK: Effects

  func carryOut(_ effect: AgentEffect) {
    switch effect {
    case .openShare(let key, let name, let limits): open(key, name, limits)
    case .closeShare(let key): close(key)
    case .freezeShare(let key): lease(key)?.setFrozen(true)
    case .thawShare(let key): lease(key)?.setFrozen(false)
    case .stageBundle(let key, let digest, let bytes): lease(key)?.stage(digest, bytes)
    case .dropBundle(let key, let digest): lease(key)?.drop(digest)
    case .startTask(let task, let spec, let bundles): start(task, spec, bundles)
    case .destroyTask(let task): destroy(task)
    case .writeInput(let task, let bytes): body(task)?.write(bytes)
    case .closeInput(let task): body(task)?.endInput()
    case .signalTask(let task, let number): body(task)?.signal(number)
    case .terminate(let task, let reason): body(task)?.terminate(reason)
    case .sampleUsage(let task): body(task)?.sampleUsage()
    case .exec(let task, let id, let action): body(task)?.exec(id, action)
    case .collectResults(let task, let path, let limitBytes):
      body(task)?.collect(path, limitBytes: limitBytes)
    case .readResults(let task, let offset, let count):
      body(task)?.readResults(offset: offset, count: count)
    case .dropResults(let task):
      body(task)?.dropResults()
      lease(task.lease)?.dropIfEmpty(task.number)
    default: break
    }
  }

  private func lease(_ key: LeaseKey) -> LeaseBody? {
    for lease in leases where lease.key == key { return lease }
    return nil
  }

  private func body(_ task: TaskRef) -> TaskBody? { lease(task.lease)?.task(task.number) }

  private func open(_ key: LeaseKey, _ name: String, _ limits: ShareLimits) {
    hands.report { () throws(SandboxError) in
      let share = try hands.sandbox.openShare(
        ShareSpec(
          name: name, memoryBytes: UInt64(limits.memoryMiB) << 20,
          cpuMilli: UInt64(limits.milliCpus), pids: UInt64(limits.pids)))
      if !share.isBounded {
        hands.log.warning("cgroups cannot be nested here: limits apply per task, not per lease")
      }
      leases.append(LeaseBody(key, share, hands))
    }
  }

  /// Creates the sandbox of a task that will start next.
  func prepare(_ task: TaskRef, _ spec: JobSpec, _ bundles: [Bytes32]) {
    lease(task.lease)?.prepare(task.number, spec, bundles)
  }

  private func start(_ task: TaskRef, _ spec: JobSpec, _ bundles: [Bytes32]) {
    guard let lease = lease(task.lease) else {
      // Its share could not be opened; that error was already logged.
      return hands.machine.taskEnded(
        task, .setupFailed(step: "share", code: 0), UsageSample(), hands.now)
    }
    lease.start(task.number, spec, bundles)
  }

  private func destroy(_ task: TaskRef) {
    guard let lease = lease(task.lease), let body = lease.task(task.number) else { return }
    remove(body)
    lease.dropIfEmpty(task.number)
  }

  private func remove(_ body: TaskBody) {
    tasksMs += body.takeProcessorMs()
    guard let process = body.giveAwaySandbox() else { return }
    if process.leave() {
      leaving.append(process)
    } else {
      hands.report { () throws(SandboxError) in try process.destroy() }
    }
  }

  private func close(_ key: LeaseKey) {
    guard let index = leases.firstIndex(where: { $0.key == key }) else { return }
    let lease = leases.remove(at: index)
    for task in lease.tasks { remove(task) }
    // Waits for sandboxes that are being removed.
    lease.close()
    removeGone()
  }

  /// Closes all leases at the end of the program.
  func closeAll() {
    while let lease = leases.last { close(lease.key) }
    for process in leaving {
      hands.report { () throws(SandboxError) in try process.destroy() }
    }
    leaving = []
    hands.sandbox.removeFolders()
  }

  // MARK: Events

  /// A child process ended, possibly a sandbox's first process.
  func childEnded() {
    for lease in leases {
      for task in lease.tasks { task.poll() }
    }
    removeGone()
  }

  private func removeGone() {
    if leaving.isEmpty { return }
    var still: [SandboxProcess] = []
    for process in leaving {
      if process.poll(nowMs: hands.nowMs).contains(.closed) || process.isDestroyed {
        hands.report { () throws(SandboxError) in try process.destroy() }
      } else {
        still.append(process)
      }
    }
    leaving = still
  }

  /// Returns the task that owns the port.
  func portIsReady(_ token: UInt64) -> TaskBody? {
    let (id, place) = PortId.of(token: token)
    for lease in leases {
      for task in lease.tasks {
        if task.port == id {
          task.isReady(place)
          return task
        }
        for exec in task.execs where exec.port == id {
          if let port = StandardStreams.Port(rawValue: place) { exec.isReady(port) }
          return task
        }
      }
    }
    hands.reactor.unwatch(token)
    return nil
  }

  /// Watches only descriptors that can make progress: an output only while there is room for it and
  /// its rest is over. Returns the latest time of the next call.
  func refreshWatches(nowMs: UInt64) -> UInt64 {
    var nextMs = UInt64.max
    for lease in leases {
      for task in lease.tasks { nextMs = min(nextMs, task.refreshWatches(nowMs: nowMs)) }
    }
    return nextMs
  }

  // MARK: Queries

  /// Processor time of all tasks since the start.
  func processorMs() -> UInt64 {
    for lease in leases {
      for task in lease.tasks { tasksMs += task.takeProcessorMs() }
    }
    return tasksMs
  }

  /// Freezes all leases; returns those that were not frozen before.
  func freezeAll() -> [LeaseBody] {
    var frozen: [LeaseBody] = []
    for lease in leases where !lease.isFrozen {
      lease.setFrozen(true)
      frozen.append(lease)
    }
    return frozen
  }
}
