import Market

/// Decides whether a lease's tasks run, and if not, why: unpaid balance, unconfirmed funding, or
/// idle policy.
struct StandingRule {
  var rule: FreezeRule
  var maxLossSat: UInt64
  /// Why the idle policy pauses tasks; nil if it does not.
  var pause: String?
  /// Includes the debt named in the contract.
  var owedSat: UInt64
  /// Signed by the publisher, over all channels.
  var paidSat: UInt64
  /// The part of `paidSat` on confirmed channels.
  var countingSat: UInt64
  /// No funding is confirmed: a double spend would cost `exposedSat`; the limit is `allowedSat`.
  var isUnconfirmed: Bool
  var exposedSat: UInt64
  var allowedSat: UInt64
  /// The funding of an accepted top-up was not seen in time.
  var lacksTopUp: Bool

  /// The amount that may still accrue before the standing changes, in sat.
  var roomSat: UInt64 {
    func room(_ owedSat: UInt64, _ limitSat: UInt64) -> UInt64 {
      let (worst, overflow) = owedSat.addingReportingOverflow(rule.headroomSat)
      return overflow ? 0 : limitSat - min(limitSat, worst)
    }
    let paid = isUnconfirmed ? paidSat : countingSat
    let credit = room(owedSat, paid + maxLossSat)
    return isUnconfirmed ? min(credit, room(exposedSat, allowedSat)) : credit
  }

  /// The standing, and a message with the amounts.
  var decision: (standing: Standing, text: String) {
    if let pause { return (.paused, pause) }
    if isUnconfirmed && !rule.mayRun(owedSat: exposedSat, paidSat: 0, allowedSat: allowedSat) {
      return (
        .unconfirmed,
        "\(exposedSat) sat are owed and the funding is unconfirmed; the limit is "
          + "\(allowedSat) sat until it confirms"
      )
    }
    let paid = isUnconfirmed ? paidSat : countingSat
    if !rule.mayRun(owedSat: owedSat, paidSat: paid, allowedSat: maxLossSat) {
      return (
        .frozen,
        "\(owedSat) sat are owed, \(paid) sat are paid; the loss limit is \(maxLossSat) sat"
      )
    }
    if lacksTopUp {
      return (.awaitingTopUp, "the funding of the next channel must confirm")
    }
    return (.running, "")
  }
}
