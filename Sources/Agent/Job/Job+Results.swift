import Bitcoin
import Bytes
import Channel
import Market
import Sandbox
import Session

/// The job is over: what it made is collected, handed over, and removed from this machine.
extension Job {
  /// Bytes of results read from memory at a time.
  static let resultChunk = 32_768

  /// The sandbox could not start the job, or the job in it ended.
  func sandboxEnded(_ outcome: JobOutcome) {
    if stage != .running && stage != .transferring { return }
    let (kind, status) = Job.exit(outcome)
    context.info(label + outcome.message)
    context.emit(.sampleUsage(key))
    jobOver(endReason ?? kind, status: status)
  }

  /// Nothing runs any more, if it ever did.
  func jobOver(_ kind: ExitKind, status: Int32) {
    guard record != nil, stage < .delivering else { return }
    let startedAt = record?.startedUnixSeconds ?? 0
    record?.exit = JobExit(kind: kind, status: status, resultBytes: 0, resultDigest: .zero)
    record?.endedUnixSeconds = max(context.now.unixSeconds, startedAt)
    isFrozen = false
    isPaused = false
    endJobInput()
    for program in programs where !program.hasEnded { programEnded(program.id, .signalled(9)) }
    output.standardOutput.end()
    output.standardError.end()
    let ran = stage == .running && isSandboxed
    enter(.delivering)
    waitForPublisher()
    if ran, let offer {
      context.emit(.collectResults(key, limitBytes: offer.maxResultBytes))
    } else {
      resultsCollected(sizeBytes: 0, digest: .zero)
    }
    pump()
    drainSession()
  }

  static func exit(_ outcome: JobOutcome) -> (ExitKind, Int32) {
    switch outcome {
    case .exited(let status): return (.exited, Int32(status))
    case .signalled(let signal): return (.signalled, Int32(signal))
    case .outOfMemory: return (.outOfMemory, 0)
    case .terminated(let reason):
      switch reason {
      case .publisher: return (.stoppedByPublisher, 0)
      case .timeLimit: return (.timeLimit, 0)
      case .unpaid: return (.unpaid, 0)
      case .owner: return (.stoppedByOwner, 0)
      }
    case .notExecutable(let code): return (.neverRan, code)
    case .bundleRefused: return (.neverRan, 0)
    case .setupFailed(_, let code): return (.neverRan, code)
    case .lost: return (.lost, 0)
    }
  }

  /// All of `/out` is in memory; `digest` is SHA-256 of its bytes, zero where there are none.
  func resultsCollected(sizeBytes: UInt64, digest: Bytes32) {
    guard record?.exit != nil, stage == .delivering else { return }
    record?.exit?.resultBytes = sizeBytes
    record?.exit?.resultDigest = digest
    resultsAreReady = true
    store()
    report()
    sayExit()
    if sizeBytes == 0 { resultsDelivered() }
  }

  /// The sandbox vanished before it was emptied: what the job made is gone. A job that came to its own end
  /// is lost with it, or its publisher would take it for done; any other end says enough.
  func resultsLost() {
    guard let exit = record?.exit, stage == .delivering, !resultsAreReady else { return }
    context.warning(label + "its results are lost")
    if exit.kind == .exited {
      record?.exit?.kind = .lost
      record?.exit?.status = 0
    }
    resultsCollected(sizeBytes: 0, digest: .zero)
  }

  func sayExit() {
    if let exit = record?.exit, resultsAreReady || stage > .delivering { say(.exited(exit)) }
  }

  /// Asks for the next bytes of the results, as far as the publisher takes them.
  func readResults() {
    guard stage == .delivering, let exit = record?.exit, let stream = resultStream,
      !isReadingResults
    else { return }
    if resultOffset == exit.resultBytes {
      session?.endStream(stream)
      return
    }
    isReadingResults = true
    context.emit(.readResults(key, offset: resultOffset, count: Job.resultChunk))
  }

  func resultBytes(_ bytes: [UInt8], offset: UInt64) {
    isReadingResults = false
    guard let stream = resultStream, offset == resultOffset else { return }
    let taken = session?.send(stream, bytes) ?? 0
    resultOffset += UInt64(taken)
    // When the stream is full `.creditAvailable` goes on.
    if taken > 0 {
      waitForPublisher()
      readResults()
    }
    drainSession()
  }

  /// The publisher holds all results, or there are none.
  func resultsDelivered() {
    if stage != .delivering || !resultsAreReady || isDelivered { return }
    isDelivered = true
    resultStream = nil
    destroySandbox()
  }

  func destroySandbox() {
    if isSandboxed {
      context.emit(.destroySandbox(key))
    } else {
      context.emit(.dropBundle(key))
      sandboxDestroyed()
    }
  }

  /// Nothing of the job is left on this machine.
  func sandboxDestroyed() {
    isSandboxed = false
    if stage == .delivering { settle() }
    if stage == .abandoned { isForgotten = true }
  }
}
