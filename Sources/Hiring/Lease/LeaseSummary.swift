import Bitcoin
import Bytes
import Channel
import Market

/// One channel of a lease, for receipts and displays.
public struct ChannelSummary: Equatable, Sendable {
  public var number: UInt8
  public var terms: ChannelTerms
  public var funding: OutPoint?
  public var fundingHeight: UInt32?
  public var payments: UInt64
  public var paidSat: UInt64
  /// The transaction that spent the channel, and its block height.
  public var spend: ChannelSpend?
  public var spendHeight: UInt32?
}

/// One lease of a pool, for receipts and displays.
public struct LeaseSummary: Equatable, Sendable {
  public var contract: Signed<Contract>
  /// The provider's capability report, as received.
  public var report: [UInt8]
  public var stage: LeaseStage
  public var openedUnixSeconds: UInt64
  public var channels: [ChannelSummary]
  public var usage: LeaseUsage
  public var owedSat: UInt64
  public var paidSat: UInt64
  public var payments: UInt64
  /// The last standing that the provider reported.
  public var standing: Standing
  public var isConnected: Bool
  /// Why reports and payments stopped; empty while the provider is trusted.
  public var fault: String
  /// The last statement signed by both sides.
  public var statement: Signed<Statement>?
  /// Whether ``statement`` is the receipt.
  public var hasReceipt: Bool
  /// The pool's indices of running tasks.
  public var running: [UInt32]
  /// The number of tasks that were sent and have not started.
  public var queued: Int
  public var execSessions: Int

  public var id: Bytes32 { contract.body.id }
  public var worker: UInt16 { contract.body.workerIndex }
}
