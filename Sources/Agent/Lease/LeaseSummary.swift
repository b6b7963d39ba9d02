import Bitcoin
import Bytes
import Channel
import Market

/// A lease, for status displays.
public struct LeaseSummary: Equatable, Sendable {
  /// A further channel.
  public struct TopUp: Equatable, Sendable {
    public var number: UInt8
    public var funding: OutPoint?
    public var fundingHeight: UInt32?
    public var capacitySat: UInt64
    public var paidSat: UInt64
    /// Wire byte order.
    public var closeTxid: Bytes32?
    public var closeHeight: UInt32?
    public var payoutSat: UInt64
  }

  public var contract: Bytes32
  /// Wire byte order.
  public var announcementTxid: Bytes32
  public var publisher: Bytes32
  public var stage: LeaseStage
  public var standing: Standing
  public var isConnected: Bool
  /// Sums over all channels.
  public var capacitySat: UInt64
  public var owedSat: UInt64
  public var paidSat: UInt64
  public var payments: UInt64
  public var usage: LeaseUsage
  /// Of the first channel.
  public var funding: OutPoint?
  public var fundingHeight: UInt32?
  public var closeTxid: Bytes32?
  public var closeHeight: UInt32?
  /// The sum over all channels.
  public var payoutSat: UInt64
  /// The number of ended, running and queued tasks.
  public var tasks: UInt32
  public var running: UInt32
  public var queued: UInt32
  /// The line of the task that ended last; nil if none since the start.
  public var lastLine: TaskLine?
  public var topUps: [TopUp] = []

  init(_ parts: LeaseParts, _ standing: Standing) {
    let (books, work) = (parts.books, parts.work)
    let channels = books.channels
    contract = books.id
    announcementTxid = books.record.announcementTxid
    publisher = books.contract.publisher
    stage = books.record.stage
    self.standing = standing
    isConnected = parts.call.isReady
    capacitySat = channels.capacitySat
    owedSat = books.owedSat(work)
    paidSat = channels.paidSat
    payments = channels.paymentCount
    usage = books.usage(work)
    funding = channels.first?.funding
    fundingHeight = channels.first?.fundingHeight
    closeTxid = channels.first?.spend?.txid
    closeHeight = channels.first?.spendHeight
    payoutSat = channels.payoutSat
    tasks = work.lines.count
    running = UInt32(work.active)
    queued = UInt32(work.queued)
    lastLine = work.lines.latest
    for number in 1..<max(1, channels.count) {
      if let channel = channels.channel(UInt8(number)) {
        topUps.append(
          TopUp(
            number: UInt8(number), funding: channel.funding,
            fundingHeight: channel.fundingHeight, capacitySat: channel.terms.capacitySat,
            paidSat: channel.paidSat, closeTxid: channel.spend?.txid,
            closeHeight: channel.spendHeight, payoutSat: channel.spend?.payoutSat ?? 0))
      }
    }
  }

  /// One JSON object. All values are hexadecimal, numbers or fixed words, so nothing needs
  /// escaping.
  public var json: String {
    var text = JsonText()
    text.beginObject()
    text.field("contract", contract.hex)
    text.field("announcement_txid", announcementTxid.reversed.hex)
    text.field("publisher", publisher.hex)
    text.field("stage", stage.text)
    text.field("standing", standing.text)
    text.field("frozen", standing != .running && standing != .paused)
    text.field("paused", standing == .paused)
    text.field("connected", isConnected)
    text.field("capacity_sat", capacitySat)
    text.field("owed_sat", owedSat)
    text.field("paid_sat", paidSat)
    text.field("payments", payments)
    text.key("usage")
    text.raw(usage.json)
    LeaseSummary.write(funding, fundingHeight, closeTxid, closeHeight, to: &text)
    text.field("payout_sat", payoutSat)
    text.field("tasks", UInt64(tasks))
    text.field("running", UInt64(running))
    text.field("queued", UInt64(queued))
    text.field("reserved_ms", usage.reservedMs)
    if let lastLine {
      text.field("exit", lastLine.kind.text)
      text.key("exit_status")
      text.value(Int64(lastLine.status))
    }
    text.key("top_ups")
    text.beginArray()
    for topUp in topUps {
      text.beginObject()
      text.field("number", UInt64(topUp.number))
      text.field("capacity_sat", topUp.capacitySat)
      text.field("paid_sat", topUp.paidSat)
      LeaseSummary.write(
        topUp.funding, topUp.fundingHeight, topUp.closeTxid, topUp.closeHeight, to: &text)
      text.field("payout_sat", topUp.payoutSat)
      text.endObject()
    }
    text.endArray()
    text.endObject()
    return text.string
  }

  private static func write(
    _ funding: OutPoint?, _ fundingHeight: UInt32?, _ closeTxid: Bytes32?, _ closeHeight: UInt32?,
    to text: inout JsonText
  ) {
    if let funding { text.field("funding", funding.text) }
    if let fundingHeight { text.field("funding_height", UInt64(fundingHeight)) }
    if let closeTxid { text.field("close_txid", closeTxid.reversed.hex) }
    if let closeHeight { text.field("close_height", UInt64(closeHeight)) }
  }
}
