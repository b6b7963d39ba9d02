import Bytes
import Market

/// What a pool risks with machines that never finished a lease for this publisher.
enum Exposure {
  /// What may be lost to one: the first payment and the fee of the close. Nothing more is paid ahead.
  static func riskSat(_ contract: Contract) -> UInt64 {
    contract.firstPaymentSat + contract.terms.reserveSat
  }

  /// The sum over the pool's leases: what was lost to those that failed, and what those can still take
  /// that have not shown any work.
  static func sumSat(_ leases: some Sequence<Lease>, _ book: ProviderBook) -> UInt64 {
    var sum: UInt64 = 0
    for lease in leases where !book.isKnown(lease.provider) {
      if lease.stage < .funded || lease.stage == .abandoned { continue }
      if lease.hasWorked {
        let (owedSat, paidSat) = (lease.money.owedSat, lease.money.paidSat)
        if !lease.holdsPlace && paidSat > owedSat { sum += paidSat - owedSat }
      } else if lease.holdsPlace {
        sum += riskSat(lease.contract)
      } else if lease.money.paidSat > 0 {
        sum += lease.money.paidSat + lease.contract.terms.reserveSat
      }
    }
    return sum
  }
}
