import Bytes
import Market

/// A lease's phase, with the state that only this phase needs.
enum LeasePhase {
  /// The publisher's signed contract is stored; the provider must sign by then.
  case proposed(untilMs: UInt64)
  /// Both sides signed. The provider holds the place until then.
  case accepted(untilMs: UInt64)
  /// The funding is relayed; the provider must confirm it by then.
  case funded(untilMs: UInt64)
  case open
  case ending(Ending)
  case settled(Settlement)
  case closed
  case abandoned

  /// No more tasks: running tasks end, the balance is paid, the receipt is signed.
  struct Ending {
    /// The time of the last progress, in ms.
    var movedAtMs: UInt64
    /// The provider's final statement was accepted.
    var isFinal = false
  }

  /// Only the closes are awaited.
  struct Settlement {
    /// The height from which this side broadcasts the closes that it holds.
    var closesAtHeight: UInt32
    /// The receipt is signed; its answer waits for remaining output and results.
    var awaitsRest: Bool
    /// When this side disconnects, if the provider has not done so.
    var hangsUpAtMs: UInt64?
  }

  var stage: LeaseStage {
    switch self {
    case .proposed: return .proposed
    case .accepted: return .accepted
    case .funded: return .funded
    case .open: return .open
    case .ending: return .ending
    case .settled: return .settled
    case .closed: return .closed
    case .abandoned: return .abandoned
    }
  }

  /// Restores the phase from stored progress.
  init(_ progress: LeaseProgress, _ context: HiringContext) {
    let nowMs = context.now.nowMs
    switch progress.stage {
    case .proposed: self = .proposed(untilMs: nowMs + HiringTimes.acceptMs)
    case .accepted: self = .accepted(untilMs: nowMs + HiringTimes.holdMs)
    case .funded: self = .funded(untilMs: nowMs + HiringTimes.fundingSeenMs)
    case .open: self = .open
    case .ending: self = .ending(Ending(movedAtMs: nowMs))
    case .settled:
      self = .settled(
        Settlement(
          closesAtHeight: context.tipHeight + HiringTimes.closeBlocks,
          awaitsRest: progress.hasReceipt))
    case .closed: self = .closed
    case .abandoned: self = .abandoned
    }
  }
}

/// An event for the lease's pool.
enum LeaseEvent {
  /// The provider signed the contract: the first channel may be funded.
  case accepted
  /// A further channel may be funded.
  case toppedUp
  case opened
  case task(LeaseTasks.Event)
  /// It takes no more tasks. `failed`: the provider is not hired again.
  case over(failed: Bool)
  /// It ended before its funding.
  case abandoned(RefusalCode?)
  /// The settlement progressed.
  case moved
}
