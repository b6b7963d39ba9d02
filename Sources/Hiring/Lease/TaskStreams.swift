import Bytes
import Crypto
import Market
import Session

/// The streams of a lease's tasks: output, input and results.
final class TaskStreams {
  enum Event {
    /// A stream of the task ended or was given up.
    case moved(TaskRun)
    /// The provider violated the protocol.
    case fault(String)
  }

  private enum Use {
    case output(side: Int)
    case results
    case input
  }

  private let pool: Bytes32
  private let contract: Bytes32
  private let context: HiringContext
  private let link: LeaseLink
  private var uses: [StreamId: (run: TaskRun, use: Use)] = [:]
  private var events: [Event] = []
  /// Streams of complete results, to be ended once the task is on disk.
  private var held: [UInt32: StreamId] = [:]
  /// Reads the pool's input; set by the pool.
  var input: () -> PoolInput = { PoolInput() }

  init(_ contract: Bytes32, pool: Bytes32, _ link: LeaseLink, _ context: HiringContext) {
    self.contract = contract
    self.pool = pool
    self.link = link
    self.context = context
  }

  func nextEvent() -> Event? { events.isEmpty ? nil : events.removeFirst() }

  private func task(_ run: TaskRun) -> TaskId? {
    run.index.map { TaskId(pool: pool, index: $0) }
  }

  func disconnected() {
    uses = [:]
    held = [:]
  }

  // MARK: Opening

  func openOutput(_ run: TaskRun) {
    if run.index == nil { return }
    for (side, kind) in [StreamKind.standardOutput, .standardError].enumerated() {
      let output = run.output[side]
      if output.isEnded || output.stream != nil { continue }
      let stream = link.open(
        StreamOpening(kind: kind, key: run.key, receiveOffset: output.offset),
        window: TaskRun.Output.window)
      run.output[side].stream = stream
      if let stream { uses[stream] = (run, .output(side: side)) }
    }
  }

  func openResults(_ run: TaskRun) {
    guard case .fetching(var results) = run.fetch, results.stream == nil else { return }
    let window = min(UInt64(TaskRun.Results.window), results.bytes - results.offset)
    results.stream = link.open(
      StreamOpening(kind: .fileOut, key: run.key, receiveOffset: results.offset),
      window: Int(window))
    run.fetch = .fetching(results)
    if let stream = results.stream { uses[stream] = (run, .results) }
  }

  /// The provider requests a task's input.
  func opened(_ id: StreamId, _ opening: StreamOpening, by run: TaskRun) {
    run.input = (id, opening.receiveOffset)
    uses[id] = (run, .input)
    pumpInput(run)
  }

  // MARK: Receiving

  /// Returns false for an unrelated stream.
  func received(_ id: StreamId, _ bytes: [UInt8]) -> Bool {
    guard let (run, use) = uses[id] else { return false }
    switch use {
    case .output(let side):
      guard let task = task(run) else { return true }
      let offset = run.output[side].offset
      run.output[side].offset += UInt64(bytes.count)
      run.movedAtMs = context.now.nowMs
      context.emit(.taskOutput(task, isError: side == 1, offset: offset, bytes))
      link.grant(id, bytes: bytes.count)
    case .results: resultsReceived(run, id, bytes)
    case .input: return false
    }
    return true
  }

  private func resultsReceived(_ run: TaskRun, _ id: StreamId, _ bytes: [UInt8]) {
    guard case .fetching(var results) = run.fetch, let task = task(run) else { return }
    run.movedAtMs = context.now.nowMs
    if UInt64(bytes.count) > results.bytes - results.offset {
      return resultsFailed(run, id, "are longer than the provider reported")
    }
    context.emit(.taskResults(task, offset: results.offset, bytes))
    results.offset += UInt64(bytes.count)
    results.hash.update(bytes)
    run.fetch = .fetching(results)
    if results.offset < results.bytes {
      return link.grant(id, bytes: Int(min(UInt64(bytes.count), results.bytes - results.offset)))
    }
    if results.hash.finish() != results.digest {
      return resultsFailed(run, id, "do not match the digest that the provider reported")
    }
    context.emit(.keepResults(task))
    run.fetch = .held
    uses[id] = nil
    held[run.number] = id
    events.append(.moved(run))
  }

  private func resultsFailed(_ run: TaskRun, _ id: StreamId, _ reason: String) {
    run.fetch = .failed
    close(id)
    events.append(.fault("the results of a task " + reason))
    events.append(.moved(run))
  }

  /// The task is on disk: ends the results' stream, so that the provider may delete them.
  func stored(_ run: TaskRun) {
    if let stream = held.removeValue(forKey: run.number) { link.endStream(stream) }
  }

  /// Confirms stored results: opens a stream at the end offset and ends it at once.
  func confirmResults(_ number: UInt32, _ bytes: UInt64) {
    let key = TaskKey.of(contract: contract, number: number)
    let opening = StreamOpening(kind: .fileOut, key: key, receiveOffset: bytes)
    if let stream = link.open(opening) { link.endStream(stream) }
  }

  // MARK: Ending

  func closed(_ id: StreamId, isReset: Bool) {
    guard let (run, use) = uses.removeValue(forKey: id) else { return }
    switch use {
    case .output(let side):
      run.output[side].isEnded = true
      run.output[side].stream = nil
      run.movedAtMs = context.now.nowMs
      if !isReset { link.endStream(id) }
      events.append(.moved(run))
    case .results:
      guard case .fetching(var results) = run.fetch else { return }
      // Ended before all bytes arrived: the results are incomplete.
      results.stream = nil
      run.fetch = .fetching(results)
      resultsMissing(run)
    case .input: run.input = nil
    }
  }

  private func close(_ stream: StreamId) {
    uses[stream] = nil
    link.resetStream(stream)
  }

  /// Closes the task's output and input streams.
  func closeOutput(_ run: TaskRun) {
    for side in 0..<2 {
      if let stream = run.output[side].stream { close(stream) }
      run.output[side].stream = nil
      run.output[side].isEnded = true
    }
    if let input = run.input { close(input.stream) }
    run.input = nil
  }

  /// Gives up the task's results.
  func resultsMissing(_ run: TaskRun) {
    if case .fetching(let results) = run.fetch {
      context.warning(
        "task \(run.index.map { String($0) } ?? "?"): its results did not arrive: "
          + "\(results.offset) of \(results.bytes) bytes are here")
      if let stream = results.stream { close(stream) }
      run.fetch = .failed
    }
    events.append(.moved(run))
  }

  // MARK: Input

  func credit(_ id: StreamId) {
    if case (let run, .input)? = uses[id] { pumpInput(run) }
  }

  func pumpInput(_ run: TaskRun) {
    guard var feed = run.input else { return }
    let source = input()
    while true {
      let piece = source.piece(from: feed.offset)
      if piece.isEmpty { break }
      let taken = link.send(feed.stream, piece)
      feed.offset += UInt64(taken)
      run.input = feed
      if taken < piece.count { return }
    }
    if source.isEnded {
      link.endStream(feed.stream)
      uses[feed.stream] = nil
      run.input = nil
    }
  }
}
