import Bitcoin
import Bytes
import Channel
import Crypto
import LightClient
import Market
import Session
import Wallet

/// Timers, the event loop and queries.
extension HiringMachine {
  // MARK: Time

  public func timePassed(_ now: Instant) {
    context.now = now
    switchboard.timePassed()
    for pool in directory.pools.all {
      if now.nowMs >= pool.nextDeadlineMs { context.touch(pool) }
      for lease in pool.leases.all where now.nowMs >= lease.nextDeadlineMs {
        lease.timePassed()
      }
      context.touch(pool)
    }
    storeReservations()
    settle()
  }

  /// Stores the reserved time periodically, so that it survives a crash.
  func storeReservations() {
    if context.now.nowMs < storesAtMs { return }
    storesAtMs = UInt64.max
    for lease in leases where lease.money.account.isReserved { lease.store() }
  }

  func findDeadline() {
    var earliest = switchboard.nextDeadlineMs
    var hasReservation = false
    for pool in directory.pools.all {
      earliest = min(earliest, pool.nextDeadlineMs)
      for lease in pool.leases.all {
        earliest = min(earliest, lease.nextDeadlineMs)
        if lease.money.account.isReserved { hasReservation = true }
      }
    }
    if hasReservation {
      if storesAtMs == UInt64.max { storesAtMs = context.now.nowMs + HiringTimes.progressMs }
      earliest = min(earliest, storesAtMs)
    }
    nextDeadlineMs = earliest
  }

  // MARK: After every event

  /// Advances every touched call, lease and pool until no work is left.
  func settle() {
    while true {
      if let call = context.nextCall() {
        switchboard.drain(call)
      } else if let lease = context.nextLease() {
        lease.advance()
        directory.pools[lease.pool]?.handle(lease)
      } else if let pool = context.nextPool() {
        pool.advance()
      } else {
        break
      }
    }
    findDeadline()
  }

  // MARK: Queries

  /// Whether nothing of the pool is running or awaited; true for an unknown pool.
  public func isFinished(_ pool: Bytes32) -> Bool { directory.pools[pool]?.isFinished ?? true }

  public func status(of pool: Bytes32) -> PoolStatus? { directory.pools[pool]?.status }

  /// Nil before the announcement.
  public func record(of pool: Bytes32) -> PoolRecord? { directory.pools[pool]?.record }

  /// All leases except abandoned ones, ordered by worker index.
  public func leases(of pool: Bytes32) -> [LeaseSummary] {
    (directory.pools[pool]?.leases.all.map(\.summary) ?? []).filter { $0.stage != .abandoned }
      .sorted {
        ($0.worker, $0.openedUnixSeconds, $0.id) < ($1.worker, $1.openedUnixSeconds, $1.id)
      }
  }

  public func tasks(of pool: Bytes32) -> [TaskSummary] {
    directory.pools[pool]?.board.summaries ?? []
  }

  /// The wallet's spendable balance.
  public var balance: WalletBalance { treasury.balance }

  /// Settled leases and debts per provider.
  public var providerBook: ProviderBook { providers.book }

  static func text(_ error: any Error) -> String {
    switch error {
    case let error as WalletError: return error.message
    case let error as ChannelError: return error.message
    case let error as MarketError: return error.message
    default: return "\(error)"
    }
  }
}
