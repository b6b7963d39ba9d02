import Bitcoin
import Bytes
import Channel
import Market
import Sandbox
import Session

/// The streams of a session, by what they carry: the bundle comes in, output and results go out,
/// input comes in. Whoever receives opens the stream, and says from which byte on.
extension Job {
  static let inputWindow = 65_536

  func streamOpened(_ id: StreamId, _ opening: StreamOpening) {
    if record != nil && programStreamOpened(id, opening) { return pump() }
    if record == nil || opening.key != contractId {
      session?.resetStream(id)
      return
    }
    switch opening.kind {
    case .standardOutput:
      output.standardOutput.resume(at: opening.receiveOffset, on: id)
    case .standardError:
      output.standardError.resume(at: opening.receiveOffset, on: id)
    case .fileOut:
      if resultsAreLost && opening.receiveOffset < record?.exit?.resultBytes ?? 0 {
        // The exit keeps its kind; the publisher is told that there are no results.
        resultsAreLost = false
        session?.resetStream(id)
        return resultsCollected(sizeBytes: 0, digest: .zero)
      }
      resultStream = id
      resultOffset = min(opening.receiveOffset, record?.exit?.resultBytes ?? 0)
    case .fileIn, .terminal, .standardInput:
      session?.resetStream(id)
    }
    pump()
  }

  func streamReceived(_ id: StreamId, _ bytes: [UInt8]) {
    if id == bundleStream {
      bundleReceived(bytes)
    } else if id == output.inputStream && stage == .running {
      output.inputOffset += UInt64(bytes.count)
      context.emit(.writeInput(key, bytes))
    } else if !programReceived(id, bytes) {
      session?.resetStream(id)
    }
  }

  /// Asks for the job's input, from the first byte on that did not come yet.
  func openInput() {
    if stage != .running || output.inputIsEnded || output.inputStream != nil { return }
    output.inputStream = session?.open(
      StreamOpening(
        kind: .standardInput, key: contractId, receiveOffset: output.inputOffset),
      window: Job.inputWindow)
  }

  /// The job is over: nothing reads its input any more.
  func endJobInput() {
    if let stream = output.inputStream { session?.resetStream(stream) }
    output.inputStream = nil
  }

  /// The job has taken this much of its input.
  func inputTaken(_ count: Int) {
    if let id = output.inputStream { _ = session?.grant(id, bytes: count) }
    drainSession()
  }

  func streamEnded(_ id: StreamId) {
    if id == bundleStream { bundleEnded() }
    if id == output.inputStream {
      output.inputStream = nil
      output.inputIsEnded = true
      session?.endStream(id)
      context.emit(.closeInput(key))
    }
    programStreamEnded(id)
    // The publisher ends its side of the results' stream when it holds them all.
    if id == resultStream { resultsDelivered() }
  }

  func streamReset(_ id: StreamId) {
    if id == bundleStream {
      bundleStream = nil
      refuse(.bundle, "the publisher gave up sending the bundle")
    }
    if id == output.standardOutput.stream { output.standardOutput.stream = nil }
    if id == output.standardError.stream { output.standardError.stream = nil }
    if id == output.inputStream { output.inputStream = nil }
    programStreamReset(id)
    if id == resultStream { resultStream = nil }
  }

  // MARK: What the job prints

  /// How much more of a standard stream may be read now.
  func outputRoom(isError: Bool) -> Int {
    isError ? output.standardError.room : output.standardOutput.room
  }

  func outputRead(_ bytes: [UInt8], isError: Bool) {
    if isError {
      output.standardError.append(bytes)
    } else {
      output.standardOutput.append(bytes)
    }
    pump()
    drainSession()
  }

  func outputEnded(isError: Bool) {
    if isError { output.standardError.end() } else { output.standardOutput.end() }
    pump()
    drainSession()
  }

  /// Sends what can be sent of output and results.
  func pump() {
    pump(&output.standardOutput)
    pump(&output.standardError)
    pumpPrograms()
    readResults()
  }

  func pump(_ buffer: inout OutputBuffer) {
    guard let stream = buffer.stream else { return }
    while buffer.unsent > 0 {
      let taken = session?.send(stream, buffer.next(limit: 16_384)) ?? 0
      if taken == 0 { return }
      buffer.sent(taken)
    }
    if buffer.isEnded { session?.endStream(stream) }
  }
}
