import Bytes
import Crypto
import Market
import Session

/// One of the job's standard streams, as it arrives.
struct OutputStream {
  static let window = 65_536

  var stream: StreamId?
  /// Bytes received so far.
  var offset: UInt64 = 0
  var isEnded = false
}

/// The streams of the session: the bundle goes out, output and results come in. Whoever receives
/// opens the stream, and says from which byte on.
extension Hire {
  static let resultWindow = 262_144

  func dropStreams() {
    bundleStream = nil
    resultStream = nil
    inputStream = nil
    dropPrograms()
    for index in output.indices { output[index].stream = nil }
  }

  /// Opens what the stage needs and is not open.
  func openStreams() {
    if stage >= .running && stage < .closed && hasHeardStart { openOutput() }
    if stage == .delivering { openResults() }
    if stage == .settling && record.resultsAreHeld { confirmResults() }
  }

  /// The machine may have missed that its results are held: a stream that begins at their end and
  /// ends at once says so.
  private func confirmResults() {
    guard let exit = record.exit, exit.resultBytes > 0, resultStream == nil,
      let id = call?.session.open(
        StreamOpening(kind: .fileOut, key: contractId, receiveOffset: exit.resultBytes))
    else { return }
    call?.session.endStream(id)
  }

  private func openOutput() {
    for (index, kind) in [StreamKind.standardOutput, .standardError].enumerated()
    where output[index].stream == nil && !output[index].isEnded {
      output[index].stream = call?.session.open(
        StreamOpening(kind: kind, key: contractId, receiveOffset: output[index].offset),
        window: OutputStream.window)
    }
  }

  func openResults() {
    guard let exit = record.exit, exit.resultBytes > 0, !record.resultsAreHeld,
      resultStream == nil
    else { return }
    let window = min(UInt64(Hire.resultWindow), exit.resultBytes - resultBytes)
    resultStream = call?.session.open(
      StreamOpening(kind: .fileOut, key: contractId, receiveOffset: resultBytes),
      window: Int(window))
  }

  func streamOpened(_ id: StreamId, _ opening: StreamOpening) {
    if programStreamOpened(id, opening) { return }
    if opening.key == contractId, opening.kind == .standardInput, stage >= .transferring,
      stage <= .running
    {
      inputStream = id
      inputOffset = opening.receiveOffset
      return pumpInput()
    }
    guard opening.key == contractId, opening.kind == .fileIn, stage == .transferring,
      opening.receiveOffset <= contract.bundleBytes
    else {
      call?.session.resetStream(id)
      return
    }
    bundleStream = id
    bundleOffset = opening.receiveOffset
    pump()
  }

  /// Sends what can be sent of the bundle.
  func pump() {
    guard let stream = bundleStream else { return }
    let bundle = context.plan.bundle(worker)
    let taken = call?.session.send(stream, bundle, from: Int(bundleOffset)) ?? 0
    bundleOffset += UInt64(taken)
    if bundleOffset == contract.bundleBytes {
      call?.session.endStream(stream)
      bundleStream = nil
    }
  }

  func streamReceived(_ id: StreamId, _ bytes: [UInt8]) {
    if id == resultStream { return resultsReceived(bytes) }
    for index in output.indices where output[index].stream == id {
      output[index].offset += UInt64(bytes.count)
      context.emit(.print(worker: worker, isError: index == 1, bytes))
      _ = call?.session.grant(id, bytes: bytes.count)
      return
    }
    if !programReceived(id, bytes) { call?.session.resetStream(id) }
  }

  private func resultsReceived(_ bytes: [UInt8]) {
    guard let exit = record.exit, let stream = resultStream else { return }
    if UInt64(bytes.count) > exit.resultBytes - resultBytes {
      return dropResults("are longer than the machine told")
    }
    context.emit(.appendResults(worker: worker, offset: resultBytes, bytes))
    resultBytes += UInt64(bytes.count)
    resultHash.update(bytes)
    if resultBytes < exit.resultBytes {
      _ = call?.session.grant(
        stream, bytes: Int(min(UInt64(bytes.count), exit.resultBytes - resultBytes)))
      return
    }
    if resultHash.finish() != exit.resultDigest {
      return dropResults("have another digest than the machine told")
    }
    context.emit(.keepResults(worker: worker))
    record.resultsAreHeld = true
    info("results: \(exit.resultBytes) bytes, SHA-256 " + exit.resultDigest.hex)
    resultStream = nil
    settle()
    // Now that they are on disk here, the machine may throw them away.
    call?.session.endStream(stream)
  }

  /// What came is not what was promised: it is not asked for again, and the receipt not signed.
  private func dropResults(_ reason: String) {
    warning("the results " + reason)
    if let stream = resultStream { call?.session.resetStream(stream) }
    resultStream = nil
    isDistrusted = true
    settle()
  }

  func streamEnded(_ id: StreamId) {
    for index in output.indices where output[index].stream == id {
      output[index].isEnded = true
      output[index].stream = nil
      call?.session.endStream(id)
    }
    programStreamEnded(id)
    if outputHasEnded && answerAtMs != nil { sayReceiptSigned() }
  }

  func streamReset(_ id: StreamId) {
    if id == bundleStream { bundleStream = nil }
    if id == resultStream { resultStream = nil }
    if id == inputStream { inputStream = nil }
    programStreamReset(id)
    for index in output.indices where output[index].stream == id {
      output[index].stream = nil
      output[index].isEnded = true
    }
  }

  var outputHasEnded: Bool { output[0].isEnded && output[1].isEnded }
}
