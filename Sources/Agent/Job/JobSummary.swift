import Bitcoin
import Bytes
import Market

/// A job as a status display shows it.
public struct JobSummary: Equatable, Sendable {
  public var contract: Bytes32
  public var announcementTxid: Bytes32
  public var publisher: Bytes32
  public var stage: JobStage
  /// For lack of payment.
  public var isFrozen: Bool
  /// For the machine's owner.
  public var isPaused: Bool
  public var isConnected: Bool
  public var capacitySat: UInt64
  public var owedSat: UInt64
  public var paidSat: UInt64
  public var payments: UInt64
  public var usage: UsageVector
  public var funding: OutPoint?
  public var fundingHeight: UInt32?
  /// Wire byte order.
  public var closeTxid: Bytes32?
  public var closeHeight: UInt32?
  public var payoutSat: UInt64
  public var exit: JobExit?

  /// One JSON object. Everything in it is hexadecimal, a number, or one of our own words.
  public var json: String {
    var text = "{\"contract\":\"" + contract.hex + "\",\"announcement_txid\":\""
    text += announcementTxid.reversed.hex + "\",\"publisher\":\"" + publisher.hex
    text += "\",\"stage\":\"" + stage.text + "\",\"frozen\":" + (isFrozen ? "true" : "false")
    text += ",\"paused\":" + (isPaused ? "true" : "false")
    text += ",\"connected\":" + (isConnected ? "true" : "false")
    text += ",\"capacity_sat\":\(capacitySat),\"owed_sat\":\(owedSat),\"paid_sat\":\(paidSat)"
    text += ",\"payments\":\(payments),\"usage\":" + usage.json
    if let funding { text += ",\"funding\":\"" + funding.text + "\"" }
    if let fundingHeight { text += ",\"funding_height\":\(fundingHeight)" }
    if let closeTxid { text += ",\"close_txid\":\"" + closeTxid.reversed.hex + "\"" }
    if let closeHeight { text += ",\"close_height\":\(closeHeight)" }
    text += ",\"payout_sat\":\(payoutSat)"
    if let exit {
      text += ",\"exit\":\"" + exit.kind.text + "\",\"exit_status\":\(exit.status)"
    }
    return text + "}"
  }
}
