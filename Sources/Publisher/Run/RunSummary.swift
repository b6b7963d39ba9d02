import Bitcoin
import Bytes
import Channel
import Market
import Wallet

/// One worker of a run, for receipts and displays.
public struct HireSummary: Equatable, Sendable {
  public var record: HireRecord
  public var funding: OutPoint?
  public var fundingHeight: UInt32?
  public var payments: UInt64
  public var paidSat: UInt64
  /// How the channel's coins left it, and in which block.
  public var spend: ChannelSpend?
  public var spendHeight: UInt32?
  public var isConnected: Bool
  public var isFrozen: Bool
  /// Further programs beside the job.
  public var programs: Int

  public var contract: Contract { record.contract.contract }
}

extension RunMachine {
  /// The hires that came about, in the order of their workers.
  public var summaries: [HireSummary] {
    hires.filter { $0.stage != .abandoned }.sorted { $0.worker < $1.worker }.map { hire in
      HireSummary(
        record: hire.record, funding: hire.channel.funding,
        fundingHeight: hire.channel.fundingHeight, payments: hire.payments, paidSat: hire.paidSat,
        spend: hire.channel.spend, spendHeight: hire.channel.spendHeight,
        isConnected: hire.call != nil, isFrozen: hire.isFrozen && hire.stage == .running,
        programs: hire.programs.count)
    }
  }

  public var runRecord: RunRecord? { record }

  /// What the wallet can spend now.
  public var balance: WalletBalance { wallet.balance }
}
