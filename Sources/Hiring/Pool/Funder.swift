import Bitcoin
import Bytes
import Channel
import Market
import Wallet

/// Funds signed channels, with one transaction for all that are ready.
final class Funder {
  private let context: HiringContext
  private let treasury: Treasury
  private let announcer: Announcer
  private var ready: [(lease: Lease, number: Int)] = []
  /// When the first one became ready.
  private var sinceMs: UInt64 = 0
  /// The earliest retry after a failure.
  private var retryAtMs: UInt64 = 0
  private var problem: String?

  private static let retryMs: UInt64 = 5_000

  init(_ announcer: Announcer, _ treasury: Treasury, _ context: HiringContext) {
    self.announcer = announcer
    self.treasury = treasury
    self.context = context
  }

  /// Queues a lease's signed, unfunded channels.
  func consider(_ lease: Lease) {
    if lease.stage != .accepted && lease.stage != .open { return }
    for number in lease.money.unfunded
    where !ready.contains(where: { $0.lease === lease && $0.number == number }) {
      if ready.isEmpty { sinceMs = context.now.nowMs }
      ready.append((lease, number))
    }
  }

  /// - Parameter othersMayFollow: whether more contracts may be signed soon.
  func fundIfDue(othersMayFollow: () -> Bool) {
    if ready.isEmpty { return }
    ready.removeAll { entry in
      entry.lease.stage > .open || !entry.lease.money.unfunded.contains(entry.number)
    }
    // Do not fund the first channel of a disconnected provider.
    var due = ready.filter { $0.number > 0 || $0.lease.link.isLive }
    if due.isEmpty || context.now.nowMs < retryAtMs { return }
    if context.now.nowMs < sinceMs + HiringTimes.fundingWindowMs
      && due.count < treasury.maxChannels && othersMayFollow()
    {
      return
    }
    while !due.isEmpty {
      let group = Array(due.prefix(max(1, treasury.maxChannels)))
      if !fund(group) { return }
      due.removeFirst(group.count)
    }
    ready.removeAll { !$0.lease.money.unfunded.contains($0.number) }
  }

  private func fund(_ group: [(lease: Lease, number: Int)]) -> Bool {
    let transaction: Transaction
    do throws(WalletError) {
      transaction = try treasury.buildFunding(
        group.map {
          ChannelFunding(
            terms: $0.lease.money.terms($0.number),
            channelIndex: $0.lease.money.channelIndex($0.number))
        }, from: announcer.reservation)
    } catch {
      retryAtMs = context.now.nowMs + Funder.retryMs
      if problem != error.message {
        problem = error.message
        context.warning("the channels cannot be funded: " + error.message)
      }
      return false
    }
    problem = nil
    for (lease, number) in group {
      do throws(ChannelError) { try lease.fund(number, transaction) } catch {
        lease.failed("funding: " + error.message)
      }
    }
    treasury.flush()
    context.emit(.broadcast(transaction))
    for (lease, number) in group { lease.sayFunding(number) }
    context.info(
      "funding " + transaction.txid.reversed.hex + " for \(group.count) channels: "
        + group.map { "\($0.lease.money.terms($0.number).capacitySat) sat" }
        .joined(separator: ", "))
    return true
  }

  /// After a restart: assigns each known funding transaction to all channels that it funds. A crash
  /// may have stored it for some of them only.
  static func adopt(_ leases: [Lease]) {
    for transaction in leases.flatMap({ $0.money.fundingTransactions }) {
      for lease in leases {
        for number in lease.money.unfunded {
          try? lease.fund(number, transaction)
        }
      }
    }
  }

  var nextDeadlineMs: UInt64 {
    if ready.isEmpty { return UInt64.max }
    let nowMs = context.now.nowMs
    return [sinceMs + HiringTimes.fundingWindowMs, retryAtMs].filter { $0 > nowMs }.min()
      ?? UInt64.max
  }
}
