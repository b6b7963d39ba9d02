import Bitcoin
import Bytes
import Channel
import Market
import Sandbox
import Session

/// A job after its agent was killed, or the power failed: the sandbox died with the agent, the
/// record and the channel are on disk.
extension Job {
  /// Takes up what was stored. The publisher is called again as soon as time passes.
  func resumeAfterRestart() {
    if stage < .closed { watchChannel() }
    switch stage {
    case .awaitingFunding: patienceEndsAtMs = context.now.nowMs + Job.fundingPatienceMs
    case .awaitingOpening: waitForPublisher()
    // The bundle was in memory: it is pulled again from its first byte.
    case .transferring: waitForPublisher()
    case .running:
      // What ran is gone, and so is whatever it had made.
      jobOver(.lost, status: 0)
      resultsCollected(sizeBytes: 0, digest: .zero)
    case .delivering:
      if let exit = record?.exit, exit.resultBytes > 0 {
        // The results were in memory too, but the publisher may hold them already: its next stream
        // says so.
        resultsAreReady = true
        resultsAreLost = true
        waitForPublisher()
      } else {
        resultsCollected(sizeBytes: 0, digest: .zero)
      }
    case .settling: waitForPublisher()
    case .closing:
      let rung = context.feeRateSatPerVb
      _ = try? channel?.close(feeRateSatPerVb: rung)
      drainChannel()
    case .closed: watchChannel()
    case .negotiating, .abandoned: isForgotten = true
    }
  }

  /// The owner wants the machine back.
  func ownerStops() {
    switch stage {
    case .negotiating: endNegotiation("the agent stops")
    case .running: end(.stoppedByOwner, .owner)
    case .transferring where isSandboxed: end(.stoppedByOwner, .owner)
    case .awaitingFunding, .awaitingOpening, .transferring:
      say(.stop(text: Array("the machine's owner stops the agent".utf8)))
      jobOver(.stoppedByOwner, status: 0)
    case .delivering, .settling, .closing, .closed, .abandoned: break
    }
  }

  var summary: JobSummary {
    JobSummary(
      contract: contractId, announcementTxid: announcementTxid, publisher: publisher,
      stage: stage, isFrozen: isFrozen, isPaused: isPaused,
      isConnected: session?.isEstablished == true,
      capacitySat: contract?.terms.capacitySat ?? 0, owedSat: owedSat, paidSat: paidSat,
      payments: channel?.paymentCount ?? 0, usage: record?.usage ?? UsageVector(),
      funding: channel?.funding, fundingHeight: channel?.fundingHeight,
      closeTxid: channel?.spend?.txid, closeHeight: channel?.spendHeight,
      payoutSat: channel?.spend?.payoutSat ?? 0, exit: record?.exit)
  }
}
