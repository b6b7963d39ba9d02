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
