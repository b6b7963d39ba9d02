import Market

/// Where a lease stands, with what the stage needs.
enum LeasePhase {
  /// The funding is waited for.
  case awaitingFunding(FundingWait)
  case open(OpenLease)
  case ending(EndingLease)
  /// Closes are on their way into a block.
  case closing
  /// Nothing is left to collect; reorganisations are waited for.
  case closed
  /// The driver and the machine may forget it.
  case over
}

struct FundingWait {
  enum Step {
    /// The place is held until then.
    case unfunded
    /// The funding was handed over and is right; peers are asked for it until then.
    case relaying
    /// The place is gone: a funding that comes until then is closed with zero payout.
    case lapsed
  }

  var step: Step
  var untilMs: UInt64
}

struct OpenLease {
  /// The height from which on its funding is waited for; nil while it is confirmed.
  var unconfirmedSince: UInt32?
  var standing = Standing.running
  var text = ""
  /// When the standing became other than running.
  var standsSinceMs: UInt64?
  /// Since when it has no task.
  var idleSinceMs: UInt64?
  /// Since when its tasks wait for this machine, and the lines that there were then.
  var stuckSince: (nowMs: UInt64, lines: UInt32)?
  /// Since when the publisher is away.
  var awaySinceMs: UInt64?
  /// Since which height the newest channel's ladder is too low.
  var ladderLowSince: UInt32?
}

struct EndingLease {
  enum Step {
    /// Tasks are ending.
    case tasks
    /// The last payment is waited for until then.
    case payment(untilMs: UInt64)
    /// The receipt was said; the publisher's signature is waited for until then.
    case signature(untilMs: UInt64)
  }

  let reason: LeaseEnding
  var step = Step.tasks
  /// The final statement was said on this connection.
  var isStated = false
  /// Since when no task is left.
  var idleSinceMs: UInt64?
}
