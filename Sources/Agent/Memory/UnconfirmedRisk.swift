/// What this machine works for before a funding confirms, over all leases: the owner's number bounds what
/// double spends can cost in a day.
struct UnconfirmedRisk {
  let limitSat: UInt64
  var losses = Losses()
  /// What leases without a confirmed channel owe at most, until their next sample.
  private var exposures: [(lease: LeaseKey, amountSat: UInt64)] = []

  init(limitSat: UInt64) { self.limitSat = limitSat }

  /// Replaces what is known of a lease; 0 for one that is confirmed or over.
  mutating func set(_ amountSat: UInt64, of lease: LeaseKey) {
    exposures.removeAll { $0.lease == lease }
    if amountSat > 0 { exposures.append((lease, amountSat)) }
  }

  /// What the lease may come to owe before its funding confirms.
  func allowedSat(_ lease: LeaseKey, unixSeconds: UInt64) -> UInt64 {
    var left = limitSat
    func take(_ amountSat: UInt64) { left -= min(left, amountSat) }
    take(losses.totalSat(unixSeconds: unixSeconds))
    for exposure in exposures where exposure.lease != lease { take(exposure.amountSat) }
    return left
  }

  /// The lease's funding was double-spent, or never confirmed: what it owed is lost.
  mutating func lost(_ lease: LeaseKey, _ amountSat: UInt64, unixSeconds: UInt64) {
    set(0, of: lease)
    losses.add(amountSat, unixSeconds: unixSeconds)
  }
}
