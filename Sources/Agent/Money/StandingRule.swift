import Market

/// Whether a lease's tasks run, and if not why: freeze on unpaid, the number for unconfirmed fundings, the
/// owner's peace.
struct StandingRule {
  var rule: FreezeRule
  var maxLossSat: UInt64
  /// Why the owner needs the machine; nil where nobody does.
  var pause: String?
  /// Debt included.
  var owedSat: UInt64
  /// Signed by the publisher, on whatever channel.
  var paidSat: UInt64
  /// Of that what confirmed channels hold.
  var countingSat: UInt64
  /// No funding is confirmed; then `exposedSat` is what would be lost, and `allowedSat` may be.
  var isUnconfirmed: Bool
  var exposedSat: UInt64
  var allowedSat: UInt64
  /// A top-up was agreed on, and was not seen in time.
  var lacksTopUp: Bool

  /// What may be owed more before the standing changes.
  var roomSat: UInt64 {
    func room(_ owedSat: UInt64, _ limitSat: UInt64) -> UInt64 {
      let (worst, overflow) = owedSat.addingReportingOverflow(rule.headroomSat)
      return overflow ? 0 : limitSat - min(limitSat, worst)
    }
    let paid = isUnconfirmed ? paidSat : countingSat
    let credit = room(owedSat, paid + maxLossSat)
    return isUnconfirmed ? min(credit, room(exposedSat, allowedSat)) : credit
  }

  /// The standing, and for people the numbers behind it.
  var decision: (standing: Standing, text: String) {
    if let pause { return (.paused, pause) }
    if isUnconfirmed && !rule.mayRun(owedSat: exposedSat, paidSat: 0, allowedSat: allowedSat) {
      return (
        .unconfirmed,
        "\(exposedSat) sat are owed and the funding is in no block; this machine risks "
          + "\(allowedSat) sat until it is"
      )
    }
    let paid = isUnconfirmed ? paidSat : countingSat
    if !rule.mayRun(owedSat: owedSat, paidSat: paid, allowedSat: maxLossSat) {
      return (
        .frozen,
        "\(owedSat) sat are owed, \(paid) sat are paid; \(maxLossSat) sat may be owed beyond that"
      )
    }
    if lacksTopUp {
      return (.awaitingTopUp, "the funding of the next channel has to confirm")
    }
    return (.running, "")
  }
}
