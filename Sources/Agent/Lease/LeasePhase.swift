/// A lease's phase, with the state that only this phase needs.
enum LeasePhase {
  /// Waits for the funding.
  case awaitingFunding(FundingWait)
  case open(OpenLease)
  case ending(EndingLease)
  /// Waits for the closes to confirm.
  case closing
  /// All closes confirmed; waits until they are buried.
  case closed
  /// Archived.
  case over
}

struct FundingWait {
  enum Step {
    /// Not funded; the place is held until then.
    case unfunded
    /// The funding is valid; waits until then for peers to relay it.
    case relaying
    /// The place was released; a funding that arrives before then is closed with zero payout.
    case lapsed
  }

  var step: Step
  var untilMs: UInt64
}
