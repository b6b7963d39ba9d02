import Bytes
import Market
import Sandbox

/// Starts, samples, stops and ends the tasks of a lease. Each end creates a line.
final class TaskRunner {
  private let lease: LeaseKey
  private let spec: TaskSpec
  private let table: TaskTable
  private let account: Account
  private let context: AgentContext
  private(set) var lines: LineLog
  private var rows = PendingRows()
  /// Sandboxes to remove after their lines are sent.
  private var leaving: [TaskRef] = []
  /// Whether the lease is frozen.
  var isFrozen = false
  /// A task that never ran is logged once per lease, because a publisher can send any number of
  /// them.
  private var hasLoggedFailure = false

  init(
    _ lease: LeaseKey, _ spec: TaskSpec, _ table: TaskTable, _ lines: LineLog, account: Account,
    context: AgentContext
  ) {
    self.lease = lease
    self.spec = spec
    self.table = table
    self.lines = lines
    self.account = account
    self.context = context
  }

  private func ref(_ task: LeaseTask) -> TaskRef { TaskRef(lease: lease, number: task.number) }

  // MARK: Orders and rows

  func add(_ order: TaskOrder) {
    table.add(LeaseTask(order, contract: spec.contract.id))
    rows.put(.order(order))
  }

  /// Restores stored rows: lines are kept, unfinished orders become lost tasks.
  func restore(_ stored: [StoredRow]) {
    var orders: [TaskOrder] = []
    var ended: [(line: TaskLine, ordinal: UInt32)] = []
    for row in stored where row.number != LeaseSums.row {
      switch TaskRow.decode(row.body) {
      case .order(let order): orders.append(order)
      case .line(let line, let ordinal):
        if ordinal >= lines.stored {
          ended.append((line, ordinal))
        } else {
          deleteLater(line.number)
        }
      case nil: context.warning("task \(row.number): its record cannot be read")
      }
    }
    for index in Order.of(ended.count, { ended[$0].ordinal < ended[$1].ordinal }) {
      lines.append(ended[index].line)
      table.add(LeaseTask(ended[index].line, contract: spec.contract.id))
    }
    // Reported usage that no line contains belongs to the lost tasks.
    var missing = TaskRunner.difference(account.reported.tasks, lines.usage)
    for index in Order.of(orders.count, { orders[$0].number < orders[$1].number }) {
      let line = TaskLine(
        number: orders[index].number, kind: .lost, status: 0,
        usage: account.chargeable(missing, after: lines.usage, nowMs: context.nowMs))
      missing = UsageVector()
      let ordinal = lines.append(line)
      rows.put(.line(line, ordinal: ordinal))
      table.add(LeaseTask(line, contract: spec.contract.id))
    }
  }

  private static func difference(_ left: UsageVector, _ right: UsageVector) -> UsageVector {
    func minus(_ from: UInt64, _ what: UInt64) -> UInt64 { from - min(from, what) }
    let wallMs = minus(left.wallMs, right.wallMs)
    return UsageVector(
      cpuMs: minus(left.cpuMs, right.cpuMs),
      memoryMiBMs: minus(left.memoryMiBMs, right.memoryMiBMs),
      memoryPeakKiB: left.memoryPeakKiB, diskReadKiB: minus(left.diskReadKiB, right.diskReadKiB),
      diskWriteKiB: minus(left.diskWriteKiB, right.diskWriteKiB), wallMs: wallMs,
      frozenMs: min(wallMs, minus(left.frozenMs, right.frozenMs)))
  }

  private func deleteLater(_ number: UInt32) { rows.deleteLater(number) }

  /// Schedules the sums for the next commit.
  func sumsChanged() { rows.put(StoredRow(number: LeaseSums.row, body: [])) }

  /// Whether rows must be stored.
  var hasRows: Bool { !rows.isEmpty }

  func takeRows(_ sums: LeaseSums) -> [StoredRow] { rows.take(sums) }

  /// The publisher stored the first `count` lines.
  func acknowledged(_ count: UInt32) {
    for number in lines.acknowledge(count) { deleteLater(number) }
  }

  // MARK: Start

  /// Starts tasks that fit, in order. Orders and lines of earlier events are already on disk.
  func start(heldBytes: UInt64, _ bundles: BundlePuller) {
    while let task = table.next, case .queued(let order) = task.phase {
      if !bundles.holdsAll(order.bundles) || !table.fits(order, heldBytes: heldBytes) { return }
      bundles.used(order.bundles)
      task.phase = .starting(order, stop: nil)
      var digests: [Bytes32] = []
      for bundle in order.bundles { digests.append(bundle.digest) }
      context.emit(.startTask(ref(task), spec.job(order), bundles: digests))
    }
  }

  /// Returns whether the task is now running.
  func started(_ task: LeaseTask) -> Bool {
    guard case .starting(let order, let stop) = task.phase else { return false }
    task.phase = .running(
      order,
      LeaseTask.Running(
        startedUnixSeconds: context.now.unixSeconds,
        nextSampleAtMs: context.nowMs + LeaseTimes.firstSampleMs, stop: stop))
    return true
  }

  // MARK: Samples

  /// Requests due samples, and kills tasks whose stop time has passed.
  func timePassed() {
    for task in table.tasks {
      guard let running = task.running else { continue }
      if let killAtMs = running.stop?.killAtMs, context.nowMs >= killAtMs {
        task.update { $0.stop?.killAtMs = nil }
        context.emit(.terminate(ref(task), running.stop?.reason ?? .publisher))
      }
      if isFrozen || context.nowMs < running.nextSampleAtMs { continue }
      // A young task is sampled more often, because its use after the last sample is unknown.
      let nextMs = min(account.sampleMs, max(running.usage.runningMs, LeaseTimes.firstSampleMs))
      task.update { $0.nextSampleAtMs = context.nowMs + nextMs }
      context.emit(.sampleUsage(ref(task)))
    }
  }

  var nextDeadlineMs: UInt64 {
    var earliest = UInt64.max
    for task in table.tasks {
      guard let running = task.running else { continue }
      if !isFrozen { earliest = min(earliest, running.nextSampleAtMs) }
      if let killAtMs = running.stop?.killAtMs { earliest = min(earliest, killAtMs) }
    }
    return earliest
  }

  func sampled(_ task: LeaseTask, _ sample: UsageSample) {
    task.update { $0.usage = TaskUsage.cut(TaskUsage.of(sample), $0.stop?.most) }
    guard let running = task.running, let order = task.order else { return }
    // Frozen time does not count towards the time limit.
    if running.usage.runningMs >= order.limits.wallMs {
      stop(task, .timeLimit, .timeLimit, graceMs: 0)
    }
  }

  /// Schedules all tasks for an immediate sample, after a freeze.
  func sampleNow() {
    for task in table.tasks { task.update { $0.nextSampleAtMs = context.nowMs } }
  }

  // MARK: Stop and end

  /// - Parameter graceMs: how long use is still charged.
  func stop(_ task: LeaseTask, _ kind: ExitKind, _ reason: StopReason, graceMs: UInt64) {
    switch task.phase {
    case .queued:
      finish(
        task, LeaseTask.Exit(kind: kind, status: 0, usage: UsageVector(), startedUnixSeconds: 0))
    case .starting(let order, let former):
      if former != nil { return }
      task.phase = .starting(
        order,
        stop: LeaseTask.Stop(
          kind: kind, reason: reason,
          most: TaskUsage.most(UsageVector(), order.limits, graceMs: graceMs)))
      context.emit(.terminate(ref(task), reason))
    case .running(let order, let running):
      if let former = running.stop {
        // It was already asked to stop; a second reason without a grace period kills it.
        if former.killAtMs != nil && kind != .stoppedByPublisher {
          task.update { $0.stop?.killAtMs = nil }
          context.emit(.terminate(ref(task), former.reason))
        }
        return
      }
      let stopMs = kind == .stoppedByPublisher && !isFrozen ? UInt64(order.stopMs) : 0
      let most = TaskUsage.most(running.usage, order.limits, graceMs: graceMs + stopMs)
      task.update {
        $0.stop = LeaseTask.Stop(
          kind: kind, reason: reason, most: most,
          killAtMs: stopMs > 0 ? context.nowMs + stopMs : nil)
      }
      context.emit(stopMs > 0 ? .signalTask(ref(task), 15) : .terminate(ref(task), reason))
    case .collecting, .ended: break
    }
  }

  /// The program ended, or failed to start. Its results are collected before its line is made.
  func ended(_ task: LeaseTask, _ outcome: JobOutcome, _ sample: UsageSample) {
    let (natural, status) = LeaseTask.exit(outcome)
    if natural == .neverRan && !hasLoggedFailure {
      hasLoggedFailure = true
      context.info(
        "task \(task.number) of lease " + spec.contract.id.leaseText + " never ran: "
          + outcome.message)
    }
    let exit: LeaseTask.Exit
    let order: TaskOrder
    switch task.phase {
    case .starting(let waiting, let stop):
      order = waiting
      exit = LeaseTask.Exit(
        kind: stop?.kind ?? natural, status: stop == nil ? status : 0, usage: UsageVector(),
        startedUnixSeconds: 0)
    case .running(let running, let state):
      order = running
      exit = LeaseTask.Exit(
        kind: state.stop?.kind ?? natural, status: status,
        usage: TaskUsage.cut(TaskUsage.of(sample), state.stop?.most),
        startedUnixSeconds: state.startedUnixSeconds)
    case .queued, .collecting, .ended: return
    }
    let ran = exit.startedUnixSeconds > 0 && exit.kind != .neverRan && exit.kind != .lost
    if !ran || order.maxResultBytes == 0 { return finish(task, exit) }
    task.phase = .collecting(order, exit)
    let memoryBytes = UInt64(spec.contract.share.memoryMiB) << 20
    context.emit(
      .collectResults(
        ref(task), path: order.resultPath, limitBytes: min(order.maxResultBytes, memoryBytes)))
  }

  /// The results are in memory; size and digest are zero if there are none.
  func resultsCollected(_ task: LeaseTask, sizeBytes: UInt64, digest: Bytes32) {
    guard case .collecting(_, let exit) = task.phase else { return }
    finish(task, exit, sizeBytes: sizeBytes, digest: digest)
  }

  /// The sandbox was lost before its results were collected. A task that exited by itself is
  /// reported as lost, because its publisher would otherwise count it as complete.
  func resultsLost(_ task: LeaseTask) {
    guard case .collecting(_, var exit) = task.phase else { return }
    if exit.kind == .exited {
      exit.kind = .lost
      exit.status = 0
    }
    finish(task, exit)
  }

  private func finish(
    _ task: LeaseTask, _ exit: LeaseTask.Exit, sizeBytes: UInt64 = 0, digest: Bytes32 = .zero
  ) {
    let line = TaskLine(
      number: task.number, kind: exit.kind, status: exit.status,
      usage: account.chargeable(exit.usage, after: lines.usage, nowMs: context.nowMs),
      resultBytes: sizeBytes, resultDigest: sizeBytes == 0 ? .zero : digest,
      startedUnixSeconds: exit.startedUnixSeconds)
    if task.isActive { leaving.append(ref(task)) }
    let ordinal = lines.append(line)
    rows.put(.line(line, ordinal: ordinal))
    task.output.programEnded()
    task.phase = .ended(line)
    newLines.append(line)
  }

  private var newLines: [TaskLine] = []

  /// Lines created since the last call.
  func takeNewLines() -> [TaskLine] {
    defer { newLines = [] }
    return newLines
  }

  /// Lines were sent: removes the sandboxes.
  func destroyEnded() {
    for task in leaving { context.emit(.destroyTask(task)) }
    leaving = []
  }
}
