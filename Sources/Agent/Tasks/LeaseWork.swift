import Bytes
import Market
import Sandbox
import Session

/// The work of a lease: its tasks, their bundles and streams, and exec sessions. Reports usage to
/// the account and task lines to the lease.
final class LeaseWork {
  private let spec: TaskSpec
  private let call: Call
  private let context: AgentContext
  private let table: TaskTable
  private let bundles: BundlePuller
  private let streams: TaskStreams
  private let runner: TaskRunner
  private let execs: ExecSessions

  init(
    _ lease: LeaseKey, _ record: LeaseRecord, _ sums: LeaseSums, call: Call, account: Account,
    context: AgentContext
  ) {
    let contract = record.contract.body
    spec = TaskSpec(record)
    self.call = call
    self.context = context
    table = TaskTable(contract.share, lastNumber: sums.lastTask)
    bundles = BundlePuller(lease, contract.share, call: call, account: account, context: context)
    streams = TaskStreams(lease, table, call: call, context: context)
    runner = TaskRunner(
      lease, spec, table, LineLog(sums), account: account, context: context)
    execs = ExecSessions(lease, contract: contract.id, call: call, context: context)
  }

  func restore(_ rows: [StoredRow]) { runner.restore(rows) }

  // MARK: Queries

  var lines: LineLog { runner.lines }
  var lastNumber: UInt32 { table.lastNumber }
  var lastStored: UInt32 { table.lastStored }
  var queued: Int { table.queued }
  var active: Int { table.active }
  var isIdle: Bool { table.unfinished == 0 }
  /// Whether tasks wait, none runs and no bundle is in transfer: the share is unused.
  var isStuck: Bool {
    if isIdle || bundles.isPulling { return false }
    return table.tasks.allSatisfy { $0.isQueued || $0.isStarting || $0.isEnded }
  }

  /// The usage of tasks without a line.
  var usage: UsageVector { table.usage }
  var hasResults: Bool { !streams.results.isEmpty }
  var hasRows: Bool { runner.hasRows }
  var shareName: String { spec.shareName }
  var nextDeadlineMs: UInt64 { runner.nextDeadlineMs }

  // MARK: Orders

  /// - Parameter closed: why tasks are refused; nil while they are accepted.
  func ordered(_ order: TaskOrder, closed: Refusal?) {
    if order.number <= table.lastNumber { return sayState(order.number) }
    if let refusal = closed ?? table.refusal(order) {
      table.refused(order.number, refusal)
      context.info("task \(order.number) refused: " + refusal.text)
      return sayRefused(order.number, refusal)
    }
    runner.add(order)
  }

  private func sayRefused(_ number: UInt32, _ refusal: Refusal) {
    call.say(.taskState(number: number, state: .refused(refusal.code, text: refusal.bytes)))
  }

  /// Answers a repeated task number with the task's state; the task does not run again.
  private func sayState(_ number: UInt32) {
    guard let task = table.task(number) else {
      for former in table.refusals where former.number == number {
        sayRefused(number, former.refusal)
      }
      return
    }
    switch task.phase {
    case .queued, .starting: call.say(.taskState(number: number, state: .queued))
    case .running(_, let running):
      call.say(
        .taskState(number: number, state: .started(unixSeconds: running.startedUnixSeconds)))
    case .collecting(_, let exit):
      call.say(.taskState(number: number, state: .started(unixSeconds: exit.startedUnixSeconds)))
    case .ended(let line): call.say(.taskEnded(line))
    }
  }

  func stop(_ number: UInt32, graceMs: UInt64) {
    if let task = table.task(number) {
      runner.stop(task, .stoppedByPublisher, .publisher, graceMs: graceMs)
    }
  }

  func stopAll(_ kind: ExitKind, graceMs: UInt64) {
    let reason: StopReason
    switch kind {
    case .unpaid: reason = .unpaid
    case .stoppedByPublisher: reason = .publisher
    default: reason = .owner
    }
    for task in table.tasks { runner.stop(task, kind, reason, graceMs: graceMs) }
  }

  // MARK: Settling, in this order

  /// Requests the bundles of queued tasks.
  func pull() { bundles.pull(table) }

  /// The rows to store now, in one commit; empty if none.
  func takeRows(_ sums: LeaseSums) -> [StoredRow] { runner.takeRows(sums) }
  func sumsChanged() { runner.sumsChanged() }

  /// Sends new lines.
  func sayLines() {
    let lines = runner.takeNewLines()
    if !call.isReady { return }
    for line in lines { call.say(.taskEnded(line)) }
  }

  func start() { runner.start(heldBytes: streams.heldBytes, bundles) }

  /// Removes ended tasks' sandboxes, after their lines were sent.
  func destroyEnded() { runner.destroyEnded() }

  var isFrozen: Bool {
    get { runner.isFrozen }
    set {
      if runner.isFrozen && !newValue { runner.sampleNow() }
      runner.isFrozen = newValue
    }
  }

  func timePassed() {
    runner.timePassed()
  }

  /// Removes ended tasks whose line, output and results the publisher has.
  func releaseDone() {
    var kept = 0
    for task in table.tasks.reversed() where task.isEnded && lines.line(task.number) == nil {
      if streams.results.holds(task.number) { continue }
      if !task.output.isFetched {
        kept += 1
        if kept <= TaskTable.mostKept { continue }
      }
      table.remove(task.number)
    }
  }

  // MARK: The call

  func disconnected() {
    bundles.disconnected()
    streams.disconnected()
    execs.endAll()
  }

  func linesStored(_ count: UInt32) { runner.acknowledged(count) }

  /// After the publisher's lease state: resends what it may have missed.
  func resume() {
    for former in table.refusals { sayRefused(former.number, former.refusal) }
    for line in lines.pending { call.say(.taskEnded(line)) }
    for task in table.tasks where task.running != nil {
      sayState(task.number)
      streams.openInput(task)
    }
  }

  func streamOpened(_ id: StreamId, _ opening: StreamOpening) {
    if execs.streamOpened(id, opening) { return execs.pump() }
    streams.opened(id, opening)
    streams.pump()
  }

  func streamReceived(_ id: StreamId, _ bytes: [UInt8]) {
    let (isTaken, wrong) = bundles.received(bytes, on: id)
    if let wrong { bundleFailed(wrong) }
    if isTaken || streams.received(id, bytes) || execs.received(id, bytes) { return }
    call.resetStream(id)
  }

  func streamEnded(_ id: StreamId) {
    if let digest = bundles.failed(id) { return bundleFailed(digest) }
    execs.streamEnded(id)
    streams.ended(id)
  }

  func streamReset(_ id: StreamId) {
    if let digest = bundles.failed(id) { return bundleFailed(digest) }
    execs.streamReset(id)
    streams.reset(id)
  }

  func roomAvailable() {
    streams.roomAvailable()
    execs.pump()
  }

  func bundleLost(_ digest: Bytes32) {
    bundles.lost(digest)
    bundleFailed(digest)
  }

  /// Ends tasks that wait for the bundle: they cannot run.
  private func bundleFailed(_ digest: Bytes32) {
    for task in table.tasks {
      guard case .queued(let order) = task.phase,
        order.bundles.contains(where: { $0.digest == digest })
      else { continue }
      runner.stop(task, .neverRan, .publisher, graceMs: 0)
    }
  }

  // MARK: The sandbox

  func started(_ number: UInt32) {
    guard let task = table.task(number), runner.started(task) else { return }
    sayStateIfReady(number)
    streams.openInput(task)
  }

  private func sayStateIfReady(_ number: UInt32) { if call.isReady { sayState(number) } }

  func ended(_ number: UInt32, _ outcome: JobOutcome, _ sample: UsageSample) {
    guard let task = table.task(number), task.isActive else { return }
    execs.taskEnded(number)
    streams.programEnded(task)
    runner.ended(task, outcome, sample)
    streams.pump()
  }

  func sampled(_ number: UInt32, _ sample: UsageSample) {
    if let task = table.task(number) { runner.sampled(task, sample) }
  }

  func resultsCollected(_ number: UInt32, sizeBytes: UInt64, digest: Bytes32) {
    guard let task = table.task(number), case .collecting = task.phase else { return }
    streams.resultsCollected(number, sizeBytes: sizeBytes)
    runner.resultsCollected(task, sizeBytes: sizeBytes, digest: digest)
  }

  func resultsLost(_ number: UInt32) {
    if let task = table.task(number) { runner.resultsLost(task) }
  }

  func resultBytes(_ number: UInt32, _ bytes: [UInt8], offset: UInt64) {
    streams.resultBytes(number, bytes, offset: offset)
  }

  func outputRoom(_ number: UInt32, isError: Bool) -> Int {
    guard let task = table.task(number) else { return 0 }
    return isError ? task.output.standardError.room : task.output.standardOutput.room
  }

  func outputRead(_ number: UInt32, _ bytes: [UInt8], isError: Bool) {
    guard let task = table.task(number) else { return }
    if isError {
      task.output.standardError.append(bytes)
    } else {
      task.output.standardOutput.append(bytes)
    }
    streams.pump()
  }

  func outputEnded(_ number: UInt32, isError: Bool) {
    guard let task = table.task(number) else { return }
    if isError { task.output.standardError.end() } else { task.output.standardOutput.end() }
    streams.pump()
  }

  func inputTaken(_ number: UInt32, _ count: Int) {
    if let task = table.task(number) { streams.inputTaken(task, count) }
  }

  // MARK: Exec sessions

  /// Returns false if the session's number is in use.
  func execute(_ request: ExecRequest) -> Bool {
    guard let task = table.task(request.task), let running = task.running, running.stop == nil,
      let order = task.order
    else {
      execs.refuse(request.id, "task \(request.task) is not running")
      return true
    }
    return execs.start(spec.complete(request, of: order))
  }

  func execSignalled(_ id: UInt32, _ number: UInt8) { execs.signalled(id, number) }
  func execResized(_ id: UInt32, _ size: TerminalSize) { execs.resized(id, size) }
  func execStarted(_ number: UInt32, _ id: UInt32) { execs.started(number, id) }
  func execEnded(_ number: UInt32, _ id: UInt32, _ outcome: JobOutcome) {
    execs.ended(number, id, outcome)
  }
  func execOutputRoom(_ number: UInt32, _ id: UInt32, isError: Bool) -> Int {
    execs.outputRoom(number, id, isError: isError)
  }
  func execOutputRead(_ number: UInt32, _ id: UInt32, _ bytes: [UInt8], isError: Bool) {
    execs.outputRead(number, id, bytes, isError: isError)
  }
  func execOutputEnded(_ number: UInt32, _ id: UInt32, isError: Bool) {
    execs.outputEnded(number, id, isError: isError)
  }
  func execInputTaken(_ number: UInt32, _ id: UInt32, _ count: Int) {
    execs.inputTaken(number, id, count)
  }

  /// Removes all tasks and streams: the lease is over.
  func clear() {
    execs.endAll()
    streams.removeAll()
    table.removeAll()
  }
}
