import Bytes
import Market

/// Where a lease stands in this program, with what only that phase needs.
enum LeasePhase {
  /// The contract is signed here and stored; the provider has until then to sign it.
  case proposed(untilMs: UInt64)
  /// Both have signed. Until then the place is held for a funding.
  case accepted(untilMs: UInt64)
  /// The funding is relayed; until then the provider confirms that it has it.
  case funded(untilMs: UInt64)
  case open
  case ending(Ending)
  case settled(Settlement)
  case closed
  case abandoned

  /// No more tasks: what runs ends, what is owed is paid, the receipt is made.
  struct Ending {
    /// When anything moved that brings the end nearer.
    var movedAtMs: UInt64
    /// The provider's final statement was believed.
    var isFinal = false
  }

  /// Nothing more is owed, or expected: the closes are waited for.
  struct Settlement {
    /// From this height on this side sends the closes that it holds.
    var closesAtHeight: UInt32
    /// The receipt is agreed, and is answered when the rest of the output and the results is here.
    var awaitsRest: Bool
    /// The provider hangs up when it has the answer; this side does by then.
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

  /// A lease that an earlier program left there.
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

/// What a lease reports to its pool.
enum LeaseEvent {
  /// The provider signed the contract: the first channel may be funded.
  case accepted
  /// A further channel may be funded.
  case toppedUp
  case opened
  case task(LeaseTasks.Event)
  /// It takes no more tasks. `failed`: the provider is not hired again; `isLate`: the place was gone
  /// before the funding came.
  case over(failed: Bool)
  /// It never was funded.
  case abandoned(RefusalCode?)
  /// Something about the money changed that the pool waits for.
  case moved
}
