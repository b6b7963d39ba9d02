import Bytes
import Market

/// The amount at risk with unknown providers: those that never settled a lease with this publisher.
enum Exposure {
  /// The most that one lease can lose: the first payment and the closing reserve. No other payment
  /// is made in advance.
  static func riskSat(_ contract: Contract) -> UInt64 {
    contract.firstPaymentSat + contract.terms.reserveSat
  }

  /// The sum over the pool's leases: losses to failed providers, and the risk of providers that
  /// have not returned a task line.
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
