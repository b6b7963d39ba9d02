import Bytes
import Crypto
import Market
import Session

/// The tasks that a lease has: sent in order, each with its streams, until its line and everything that
/// it made are here and on disk.
final class LeaseTasks {
  /// What happened to a task, by its index in the pool.
  enum Event: Equatable {
    case started(index: UInt32, unixSeconds: UInt64)
    /// Its line came: the provider has room for another.
    case ended(index: UInt32)
    /// Everything of it came: to be stored, and then ``LeaseTasks/stored(_:)``.
    case complete(index: UInt32, number: UInt32, place: UInt32, TaskLine, hasResults: Bool)
    case refused(index: UInt32, RefusalCode, String)
    /// The line of a task came that another lease has: only the count changed.
    case orphanEnded
    /// The provider broke a rule: nothing of it is believed any more.
    case fault(String)
  }

  private let contract: Contract
  private let pool: Bytes32
  private let context: HiringContext
  private let link: LeaseLink
  private let bundles: BundleServer
  /// By ascending numbers.
  private var runs: [TaskRun] = []
  private var streams: [StreamId: StreamUse] = [:]
  private var events: [Event] = []
  private(set) var lines: LineLog
  private(set) var lastTask: UInt32
  /// Lines that are on disk with their tasks, of which earlier ones are missing: they come again.
  private var early: [UInt32: TaskLine] = [:]
  /// Tasks whose lines came in this program: a line that comes twice counts once.
  private var counted = Set<UInt32>()
  /// Results that are held here, which the provider may not know: the last ones.
  private var heldResults: [(number: UInt32, bytes: UInt64)] = []
  /// The streams of results that are held, to be ended once that is on disk.
  private var heldStreams: [UInt32: StreamId] = [:]
  private var pace = TaskPace()
  /// The time in which nothing could run.
  private var still = ReservationClock()

  private enum StreamUse {
    case output(number: UInt32, place: Int)
    case results(number: UInt32)
    case input(number: UInt32)
  }

  /// Reads the pool's input; set by the pool.
  var input: () -> PoolInput = { PoolInput() }

  init(
    _ contract: Contract, pool: Bytes32, lines: LineLog = LineLog(), lastTask: UInt32 = 0,
    _ link: LeaseLink, _ context: HiringContext
  ) {
    self.contract = contract
    self.pool = pool
    self.context = context
    self.link = link
    self.lines = lines
    self.lastTask = lastTask
    bundles = BundleServer(link, context.readBundle)
  }

  func nextEvent() -> Event? { events.isEmpty ? nil : events.removeFirst() }

  private func place(_ number: UInt32) -> Int? { runs.firstIndex { $0.number == number } }
  private var nowMs: UInt64 { context.now.nowMs }

  // MARK: What is known

  var outstanding: [TaskRun] { runs.filter(\.isOutstanding) }
  var outstandingCount: Int { runs.lazy.filter(\.isOutstanding).count }
  var startedCount: Int { runs.lazy.filter(\.isStarted).count }
  var isEmpty: Bool { runs.isEmpty }
  var running: [UInt32] { runs.compactMap { $0.isStarted ? $0.index : nil } }
  var isTransferring: Bool { bundles.isBusy }
  /// Tasks could start, and none runs.
  var waitsForStart: Bool {
    !bundles.isBusy && startedCount == 0 && outstandingCount > 0
  }

  /// The longest time that a task may take to end in order.
  var mostStopMs: UInt64 {
    runs.reduce(0) { $1.isOutstanding ? max($0, UInt64($1.order.stopMs)) : $0 }
  }

  func number(of index: UInt32) -> UInt32? { runs.first { $0.index == index }?.number }
  func isStarted(_ index: UInt32) -> Bool {
    runs.contains { $0.index == index && $0.isStarted }
  }

  /// Whether another task like this should be sent now: as many as can run at a time, and so many
  /// more that the provider always has one.
  func hasRoom(for limits: TaskLimits) -> Bool {
    let count = outstandingCount
    if count >= Limits.maxQueuedTasks { return false }
    let share = contract.share
    let atATime = max(
      1,
      min(
        share.memoryMiB / max(1, limits.memoryMiB), share.pids / max(1, limits.pids),
        UInt32(Limits.maxQueuedTasks)))
    if count >= pace.depth(atATime: Int(atATime)) { return false }
    var bytes = 0
    for run in runs where run.isOutstanding { bytes += run.orderBytes }
    return bytes < Limits.maxQueuedBytes - Limits.maxDocumentBytes
  }

  // MARK: Sending

  /// The number of the next task. Store it before ``send(_:index:_:)``.
  func takeNumber() -> UInt32 {
    lastTask += 1
    return lastTask
  }

  func send(_ number: UInt32, index: UInt32, _ spec: TaskSpec) {
    let order = spec.order(number: number)
    add(TaskRun(number: number, index: index, order: order, contract: contract.id, nowMs: nowMs))
    bundles.retain(order.bundles)
    link.say(.task(order))
    openOutput(runs.count - 1)
  }

  private func add(_ run: TaskRun) {
    runs.append(run)
    if runs.count > 1 && runs[runs.count - 2].number > run.number {
      runs.sort { $0.number < $1.number }
    }
  }

  /// Asks for the end of a task.
  func stop(_ number: UInt32, _ reason: String) {
    guard let place = place(number), runs[place].isOutstanding else { return }
    if runs[place].stoppedAtMs == nil { runs[place].stoppedAtMs = nowMs }
    link.say(.taskStop(number: number, text: PlainText.short(reason)))
  }

  /// The lease ends, and its tasks with it.
  func endAsked() {
    for place in runs.indices where runs[place].isOutstanding && runs[place].stoppedAtMs == nil {
      runs[place].stoppedAtMs = nowMs
    }
  }

  /// Other leases get what has not ended here. Lines that still come count, and nothing else of them
  /// does. The pool's indices, and whether each has started.
  func giveUp() -> [(index: UInt32, hasStarted: Bool)] {
    var lost: [(index: UInt32, hasStarted: Bool)] = []
    for place in runs.indices {
      guard let index = runs[place].index, runs[place].isOutstanding else { continue }
      lost.append((index, runs[place].isStarted))
      runs[place].index = nil
      closeStreams(place)
    }
    for place in runs.indices.reversed() where runs[place].line != nil { abandonRest(place) }
    return lost
  }

  // MARK: The connection

  /// Both sides know where the other stands.
  func compared(_ theirs: LeaseState) {
    // Nobody waits for an orphan that never arrived.
    for place in runs.indices.reversed() {
      let run = runs[place]
      if run.index == nil && run.isOutstanding && run.number > theirs.lastTask { remove(place) }
    }
    for place in runs.indices {
      let run = runs[place]
      if run.isOutstanding && run.number > theirs.lastTask { link.say(.task(run.order)) }
      if run.isOutstanding && run.stoppedAtMs != nil {
        link.say(.taskStop(number: run.number, text: []))
      }
      runs[place].movedAtMs = nowMs
      openOutput(place)
      openResults(place)
    }
    for held in heldResults { confirmResults(held.number, held.bytes) }
    acknowledge()
  }

  func disconnected() {
    streams = [:]
    heldStreams = [:]
    bundles.disconnected()
    lines.disconnected()
    for place in runs.indices { runs[place].disconnected() }
  }

  /// Restored from an earlier program: it may have been sent.
  func restore(_ number: UInt32, index: UInt32, _ spec: TaskSpec) {
    let order = spec.order(number: number)
    add(TaskRun(number: number, index: index, order: order, contract: contract.id, nowMs: nowMs))
    bundles.retain(order.bundles)
    lastTask = max(lastTask, number)
  }

  /// Tasks whose lines are on disk, by ascending places.
  func restore(lines stored: [(line: TaskLine, place: UInt32, hasResults: Bool)]) {
    for entry in stored {
      lastTask = max(lastTask, entry.line.number)
      if entry.place == lines.received.count + 1 {
        lines.taskStored(place: count(entry.line))
      } else if entry.place > lines.received.count {
        early[entry.line.number] = entry.line
      }
      if entry.hasResults { noteHeld(entry.line.number, entry.line.resultBytes) }
    }
  }

  // MARK: What the provider reports

  func stateReported(_ number: UInt32, _ state: TaskState) {
    guard let place = place(number), runs[place].isOutstanding else { return }
    runs[place].movedAtMs = nowMs
    switch state {
    case .queued: break
    case .started(let unixSeconds):
      if runs[place].isStarted { return }
      runs[place].phase = .started(atMs: nowMs)
      runs[place].stillMsBefore = still.totalMs(nowMs: nowMs)
      if let index = runs[place].index {
        events.append(.started(index: index, unixSeconds: unixSeconds))
      }
    case .refused(let code, let text):
      if runs[place].isStarted { return }
      let index = runs[place].index
      closeStreams(place)
      remove(place)
      if let index {
        events.append(.refused(index: index, code, String(decoding: text, as: UTF8.self)))
      }
    }
  }

  func ended(_ line: TaskLine) {
    guard let place = place(line.number) else { return endedElsewhere(line) }
    if !runs[place].isOutstanding { return }
    if line.resultBytes > runs[place].order.maxResultBytes {
      return events.append(.fault("more results than the task may have"))
    }
    if case .started = runs[place].phase, line.kind == .exited { pace.ended(line.usage) }
    let linePlace = count(line)
    runs[place].phase = .ended(line, place: linePlace)
    runs[place].movedAtMs = nowMs
    guard let index = runs[place].index else {
      lines.taskStored(place: linePlace)
      if line.resultBytes > 0 { confirmResults(line.number, line.resultBytes) }
      remove(place)
      return events.append(.orphanEnded)
    }
    if line.kind == .neverRan { closeStreams(place) }
    if line.resultBytes > 0 { runs[place].fetch = .fetching(TaskRun.Results(line)) }
    events.append(.ended(index: index))
    openResults(place)
    finishIfComplete(place)
  }

  /// A line that is on disk already, or of a task that another lease has by now. Only the count and the
  /// chain need it.
  private func endedElsewhere(_ line: TaskLine) {
    if line.number > lastTask {
      return events.append(.fault("the line of a task that was never sent"))
    }
    if counted.contains(line.number) { return }
    if let known = early.removeValue(forKey: line.number), known != line {
      return events.append(.fault("another line of a task than before"))
    }
    lines.taskStored(place: count(line))
    events.append(.orphanEnded)
  }

  private func count(_ line: TaskLine) -> UInt32 {
    counted.insert(line.number)
    return lines.append(line)
  }

  // MARK: The end of a task

  private func finishIfComplete(_ place: Int) {
    let run = runs[place]
    guard run.isComplete, let index = run.index, let (line, linePlace) = run.line else { return }
    // Once.
    runs[place].index = nil
    events.append(
      .complete(
        index: index, number: run.number, place: linePlace, line, hasResults: run.hasResults))
  }

  /// The task and its line are on disk.
  func stored(_ number: UInt32) {
    guard let place = place(number), let (line, linePlace) = runs[place].line else { return }
    lines.taskStored(place: linePlace)
    if let stream = heldStreams.removeValue(forKey: number) { link.endStream(stream) }
    if runs[place].hasResults { noteHeld(number, line.resultBytes) }
    remove(place)
    acknowledge()
  }

  private func noteHeld(_ number: UInt32, _ bytes: UInt64) {
    heldResults.append((number, bytes))
    if heldResults.count > Limits.maxQueuedTasks { heldResults.removeFirst() }
  }

  /// Lines that are on disk need not be kept by the provider.
  func acknowledge() {
    guard link.isLive, let count = lines.toAcknowledge(isIdle: runs.isEmpty) else { return }
    link.say(.linesStored(count: count))
  }

  private func remove(_ place: Int) {
    let run = runs.remove(at: place)
    bundles.release(run.order.bundles)
  }

  /// What still comes of an ended task is not waited for any more.
  private func abandonRest(_ place: Int) {
    closeStreams(place)
    resultsMissing(place)
  }

  private func resultsMissing(_ place: Int) {
    if case .fetching(let results) = runs[place].fetch {
      context.warning(
        "task \(runs[place].index.map { String($0) } ?? "?"): its results did not come: "
          + "\(results.offset) of \(results.bytes) bytes are here")
      if let stream = results.stream { closeStream(stream) }
      runs[place].fetch = .failed
    }
    finishIfComplete(place)
  }

  // MARK: Streams

  private func openOutput(_ place: Int) {
    if runs[place].index == nil { return }
    for (side, kind) in [StreamKind.standardOutput, .standardError].enumerated() {
      let output = runs[place].output[side]
      if output.isEnded || output.stream != nil { continue }
      let stream = link.open(
        StreamOpening(kind: kind, key: runs[place].key, receiveOffset: output.offset),
        window: TaskRun.Output.window)
      runs[place].output[side].stream = stream
      if let stream { streams[stream] = .output(number: runs[place].number, place: side) }
    }
  }

  private func openResults(_ place: Int) {
    guard case .fetching(var results) = runs[place].fetch, results.stream == nil else { return }
    let window = min(UInt64(TaskRun.Results.window), results.bytes - results.offset)
    results.stream = link.open(
      StreamOpening(kind: .fileOut, key: runs[place].key, receiveOffset: results.offset),
      window: Int(window))
    runs[place].fetch = .fetching(results)
    if let stream = results.stream { streams[stream] = .results(number: runs[place].number) }
  }

  /// A stream that begins at the end of the results and ends at once says that they are held.
  private func confirmResults(_ number: UInt32, _ bytes: UInt64) {
    let key = TaskKey.of(contract: contract.id, number: number)
    let opening = StreamOpening(kind: .fileOut, key: key, receiveOffset: bytes)
    if let stream = link.open(opening) { link.endStream(stream) }
  }

  private func closeStream(_ stream: StreamId) {
    streams[stream] = nil
    link.resetStream(stream)
  }

  private func closeStreams(_ place: Int) {
    for side in 0..<2 {
      if let stream = runs[place].output[side].stream { closeStream(stream) }
      runs[place].output[side].stream = nil
      runs[place].output[side].isEnded = true
    }
    if let input = runs[place].input { closeStream(input.stream) }
    runs[place].input = nil
  }

  /// False for a stream that is none of these.
  func streamOpened(_ id: StreamId, _ opening: StreamOpening) -> Bool {
    if opening.kind == .fileIn {
      bundles.opened(id, opening)
      return true
    }
    guard opening.kind == .standardInput,
      let place = runs.firstIndex(where: { $0.key == opening.key }), runs[place].isOutstanding,
      runs[place].order.hasInput
    else { return false }
    runs[place].input = (id, opening.receiveOffset)
    streams[id] = .input(number: runs[place].number)
    pumpInput(place)
    return true
  }

  func received(_ id: StreamId, _ bytes: [UInt8]) -> Bool {
    guard let use = streams[id] else { return false }
    switch use {
    case .output(let number, let side):
      guard let place = place(number), let index = runs[place].index else { break }
      let offset = runs[place].output[side].offset
      runs[place].output[side].offset += UInt64(bytes.count)
      runs[place].movedAtMs = nowMs
      context.emit(
        .taskOutput(
          TaskId(pool: pool, index: index), isError: side == 1, offset: offset, bytes))
      link.grant(id, bytes: bytes.count)
    case .results(let number): if let place = place(number) { resultsReceived(place, id, bytes) }
    case .input: return false
    }
    return true
  }

  private func resultsReceived(_ place: Int, _ id: StreamId, _ bytes: [UInt8]) {
    guard case .fetching(var results) = runs[place].fetch, let index = runs[place].index else {
      return
    }
    runs[place].movedAtMs = nowMs
    let task = TaskId(pool: pool, index: index)
    if UInt64(bytes.count) > results.bytes - results.offset {
      return resultsFailed(place, id, "are longer than the machine said")
    }
    context.emit(.taskResults(task, offset: results.offset, bytes))
    results.offset += UInt64(bytes.count)
    results.hash.update(bytes)
    if results.offset < results.bytes {
      link.grant(id, bytes: Int(min(UInt64(bytes.count), results.bytes - results.offset)))
      runs[place].fetch = .fetching(results)
      return
    }
    if results.hash.finish() != results.digest {
      return resultsFailed(place, id, "have another digest than the machine said")
    }
    context.emit(.keepResults(task))
    runs[place].fetch = .held
    streams[id] = nil
    heldStreams[runs[place].number] = id
    finishIfComplete(place)
  }

  private func resultsFailed(_ place: Int, _ id: StreamId, _ reason: String) {
    runs[place].fetch = .failed
    closeStream(id)
    events.append(.fault("the results of a task " + reason))
    finishIfComplete(place)
  }

  func streamEnded(_ id: StreamId) { closed(id, isReset: false) }
  func streamReset(_ id: StreamId) { closed(id, isReset: true) }

  private func closed(_ id: StreamId, isReset: Bool) {
    bundles.closed(id)
    guard let use = streams.removeValue(forKey: id) else { return }
    switch use {
    case .output(let number, let side):
      guard let place = place(number) else { return }
      runs[place].output[side].isEnded = true
      runs[place].output[side].stream = nil
      runs[place].movedAtMs = nowMs
      if !isReset { link.endStream(id) }
      finishIfComplete(place)
    case .results(let number):
      guard let place = place(number), case .fetching(var results) = runs[place].fetch else {
        return
      }
      // Ended early or given up: they are not there.
      results.stream = nil
      runs[place].fetch = .fetching(results)
      resultsMissing(place)
    case .input(let number): if let place = place(number) { runs[place].input = nil }
    }
  }

  func credit(_ id: StreamId) {
    if bundles.pump(id) { return }
    if case .input(let number)? = streams[id], let place = place(number) { pumpInput(place) }
  }

  // MARK: Input

  /// The least that any task with input was sent of it; nil where none reads.
  var leastInputOffset: UInt64? {
    runs.filter { $0.isOutstanding && $0.order.hasInput }
      .map { $0.input?.offset ?? 0 }.min()
  }

  func inputGrew() { for place in runs.indices { pumpInput(place) } }

  private func pumpInput(_ place: Int) {
    guard var feed = runs[place].input else { return }
    let source = input()
    while true {
      let piece = source.piece(from: feed.offset)
      if piece.isEmpty { break }
      let taken = link.send(feed.stream, piece)
      feed.offset += UInt64(taken)
      runs[place].input = feed
      if taken < piece.count { return }
    }
    if source.isEnded {
      link.endStream(feed.stream)
      streams[feed.stream] = nil
      runs[place].input = nil
    }
  }

  // MARK: Time

  /// Whether the lease stands still: its tasks' time limits do too.
  func set(still isStill: Bool) { still.set(running: isStill, nowMs: nowMs) }

  private func lateAtMs(_ run: TaskRun) -> UInt64? {
    if !run.isOutstanding { return nil }
    let order = run.order
    if let stopped = run.stoppedAtMs {
      return stopped + UInt64(contract.stopGraceMs) + UInt64(order.stopMs)
        + HiringTimes.lateTaskMs
    }
    guard case .started(let atMs) = run.phase else { return nil }
    let stillMs = still.totalMs(nowMs: nowMs) - run.stillMsBefore
    return atMs + order.limits.wallMs + stillMs + HiringTimes.lateTaskMs
  }

  /// What is late while the provider is connected: a task that has not ended is a fault, and what still
  /// comes of an ended one is given up.
  func timePassed() {
    if !link.isLive { return }
    let since = link.connectedAtMs + HiringTimes.lateTaskMs
    for place in runs.indices.reversed() {
      let run = runs[place]
      if let lateAtMs = lateAtMs(run), nowMs >= max(lateAtMs, since) {
        return events.append(.fault("task \(run.number) does not end"))
      }
      if run.line != nil, run.index != nil, nowMs >= run.movedAtMs + HiringTimes.stalledStreamMs {
        abandonRest(place)
      }
    }
  }

  var nextDeadlineMs: UInt64 {
    if !link.isLive { return UInt64.max }
    let since = link.connectedAtMs + HiringTimes.lateTaskMs
    var earliest = UInt64.max
    for run in runs {
      if let lateAtMs = lateAtMs(run) { earliest = min(earliest, max(lateAtMs, since)) }
      if run.line != nil && run.index != nil {
        earliest = min(earliest, run.movedAtMs + HiringTimes.stalledStreamMs)
      }
    }
    return earliest
  }
}

/// How many tasks a lease is sent ahead: so many that the provider is not idle for the time that a
/// message takes, and no more, for a task that waits here could run elsewhere.
struct TaskPace {
  /// What should be under way to the provider, or wait there.
  private static let aheadMs: UInt64 = 250
  /// Longer tasks are not sent ahead.
  private static let longMs: UInt64 = 2_000

  private var averageMs: UInt64?

  mutating func ended(_ usage: UsageVector) {
    averageMs = averageMs.map { ($0 * 7 + usage.runningMs) / 8 } ?? usage.runningMs
  }

  /// - Parameter atATime: how many can run.
  func depth(atATime: Int) -> Int {
    guard let averageMs, averageMs < TaskPace.longMs else { return atATime }
    let ahead = UInt64(atATime) * TaskPace.aheadMs / max(1, averageMs)
    return min(Limits.maxQueuedTasks, atATime + Int(min(max(1, ahead), 64)))
  }
}
