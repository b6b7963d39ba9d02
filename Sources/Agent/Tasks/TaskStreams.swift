import Bytes
import Market
import Session

/// The session streams of a lease's tasks: output and results to the publisher, input from it. The
/// receiver opens each stream and names the offset to start at.
final class TaskStreams {
  private static let inputWindow = 65_536

  private let lease: LeaseKey
  private let table: TaskTable
  private let call: Call
  private let context: AgentContext
  private(set) var results = ResultShelf()

  init(_ lease: LeaseKey, _ table: TaskTable, call: Call, context: AgentContext) {
    self.lease = lease
    self.table = table
    self.call = call
    self.context = context
  }

  /// Bytes kept for the publisher.
  var heldBytes: UInt64 { results.heldBytes + table.heldOutput }

  // MARK: Opening

  func opened(_ id: StreamId, _ opening: StreamOpening) {
    guard let task = table.task(key: opening.key) else { return call.resetStream(id) }
    switch opening.kind {
    case .standardOutput where !task.outputIsLost:
      if let former = task.output.standardOutput.stream { call.resetStream(former) }
      task.output.standardOutput.resume(at: opening.receiveOffset, on: id)
    case .standardError where !task.outputIsLost:
      if let former = task.output.standardError.stream { call.resetStream(former) }
      task.output.standardError.resume(at: opening.receiveOffset, on: id)
    case .fileOut:
      if !results.open(task.number, id, offset: opening.receiveOffset) { call.resetStream(id) }
    case .fileIn, .terminal, .standardInput, .standardOutput, .standardError:
      call.resetStream(id)
    }
  }

  /// Requests a task's input from the first byte not yet received.
  func openInput(_ task: LeaseTask) {
    guard task.running != nil, task.order?.hasInput == true, !task.output.inputIsEnded,
      task.output.input == nil
    else { return }
    task.output.inputOpened(
      call.open(
        StreamOpening(
          kind: .standardInput, key: task.key, receiveOffset: task.output.inputOffset),
        window: TaskStreams.inputWindow))
  }

  /// The program ended: closes its input and output.
  func programEnded(_ task: LeaseTask) {
    if let stream = task.output.takeInput() { call.resetStream(stream) }
    task.output.programEnded()
  }

  // MARK: Receiving

  /// Returns false for an unknown stream.
  func received(_ id: StreamId, _ bytes: [UInt8]) -> Bool {
    for task in table.tasks where task.output.input == id {
      task.output.inputReceived(bytes.count)
      context.emit(.writeInput(TaskRef(lease: lease, number: task.number), bytes))
      return true
    }
    return false
  }

  func ended(_ id: StreamId) {
    for task in table.tasks {
      if task.output.input == id {
        task.output.inputEnded()
        call.endStream(id)
        return context.emit(.closeInput(TaskRef(lease: lease, number: task.number)))
      }
      if task.output.streamEnded(id) { return }
    }
    // The publisher ends a result stream once it has all bytes.
    if let number = results.fetched(id) {
      context.emit(.dropResults(TaskRef(lease: lease, number: number)))
    }
  }

  func reset(_ id: StreamId) {
    for task in table.tasks where task.output.streamReset(id) { return }
    results.reset(id)
  }

  func inputTaken(_ task: LeaseTask, _ count: Int) {
    if let id = task.output.input { call.grant(id, count) }
  }

  func disconnected() {
    results.disconnected()
    for task in table.tasks { task.output.disconnected() }
  }

  // MARK: Sending

  /// Sends output and results as far as flow control allows.
  func pump() {
    for task in table.tasks {
      task.output.standardOutput.pump(call)
      task.output.standardError.pump(call)
    }
    for read in results.nextReads() {
      context.emit(
        .readResults(
          TaskRef(lease: lease, number: read.number), offset: read.offset,
          count: ResultShelf.chunk))
    }
    for stream in results.sent { call.endStream(stream) }
  }

  func roomAvailable() {
    results.roomAvailable()
    pump()
  }

  func resultsCollected(_ number: UInt32, sizeBytes: UInt64) {
    results.add(number, sizeBytes: sizeBytes)
  }

  func resultBytes(_ number: UInt32, _ bytes: [UInt8], offset: UInt64) {
    guard let stream = results.read(number, offset: offset) else { return }
    results.taken(number, call.send(stream, bytes), of: bytes.count)
    pump()
  }

  func removeAll() { results.removeAll() }
}
