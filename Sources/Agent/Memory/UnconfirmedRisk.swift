/// The risk of unconfirmed fundings over all leases: limits what double spends can cost in a day.
struct UnconfirmedRisk {
  let limitSat: UInt64
  var losses = Losses()
  /// The most that each lease without a confirmed channel can owe at its next sample.
  private var exposures: [(lease: LeaseKey, amountSat: UInt64)] = []

  init(limitSat: UInt64) { self.limitSat = limitSat }

  /// Sets a lease's exposure; 0 once it is confirmed or over.
  mutating func set(_ amountSat: UInt64, of lease: LeaseKey) {
    exposures.removeAll { $0.lease == lease }
    if amountSat > 0 { exposures.append((lease, amountSat)) }
  }

  /// The most that the lease may owe before its funding confirms.
  func allowedSat(_ lease: LeaseKey, unixSeconds: UInt64) -> UInt64 {
    var left = limitSat
    func take(_ amountSat: UInt64) { left -= min(left, amountSat) }
    take(losses.totalSat(unixSeconds: unixSeconds))
    for exposure in exposures where exposure.lease != lease { take(exposure.amountSat) }
    return left
  }

  /// The funding was double-spent or never confirmed: records the loss.
  mutating func lost(_ lease: LeaseKey, _ amountSat: UInt64, unixSeconds: UInt64) {
    set(0, of: lease)
    losses.add(amountSat, unixSeconds: unixSeconds)
  }
}
