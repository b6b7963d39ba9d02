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
  /// How the channel's coins left it, and in which block.
  public var spend: ChannelSpend?
  public var spendHeight: UInt32?
}

/// One lease of a pool, for receipts and displays.
public struct LeaseSummary: Equatable, Sendable {
  public var contract: Signed<Contract>
  /// The provider's capability report as it came.
  public var report: [UInt8]
  public var stage: LeaseStage
  public var openedUnixSeconds: UInt64
  public var channels: [ChannelSummary]
  public var usage: LeaseUsage
  public var owedSat: UInt64
  public var paidSat: UInt64
  public var payments: UInt64
  /// Whether tasks run, by the provider's last word.
  public var standing: Standing
  public var isConnected: Bool
  /// Why nothing is believed or paid any more; empty while the provider is trusted.
  public var fault: String
  /// The last that both signed.
  public var statement: Signed<Statement>?
  /// The statement is the receipt.
  public var hasReceipt: Bool
  /// The pool's indices of tasks that run here.
  public var running: [UInt32]
  /// Tasks that were sent, and wait for their turn.
  public var queued: Int
  public var execSessions: Int

  public var id: Bytes32 { contract.body.id }
  public var worker: UInt16 { contract.body.workerIndex }
}
