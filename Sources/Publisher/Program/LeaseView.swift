import Bytes
import Capability
import Channel
import Hiring
import Market
import Wallet

/// A lease for receipts and displays, from the ledger or a live state machine.
struct LeaseView {
  /// One of its channels.
  struct ChannelView {
    var capacitySat: UInt64
    var paidSat: UInt64 = 0
    var payments: UInt64 = 0
    var fundingTxid: Bytes32?
    var fundingHeight: UInt32?
    var spend: ChannelSpend?
    var spendHeight: UInt32?
  }

  var contract: Contract
  var report: [UInt8]
  var stage: LeaseStage
  var channels: [ChannelView]
  var usage: LeaseUsage
  var owedSat: UInt64
  /// The last statement signed by both sides.
  var statement: Signed<Statement>?
  var hasReceipt: Bool
  var standing = Standing.running
  var isConnected = false
  /// Indices of its running tasks, and the number of queued ones.
  var running: [UInt32] = []
  var queued = 0
  var execSessions = 0

  var worker: UInt16 { contract.workerIndex }
  var capacitySat: UInt64 { sum(\.capacitySat) }
  var paidSat: UInt64 { sum(\.paidSat) }
  var payments: UInt64 { sum(\.payments) }
  var payoutSat: UInt64 {
    var total: UInt64 = 0
    for channel in channels { total += channel.spend?.payoutSat ?? 0 }
    return total
  }

  private func sum(_ field: (ChannelView) -> UInt64) -> UInt64 {
    var total: UInt64 = 0
    for channel in channels {
      let (more, overflow) = total.addingReportingOverflow(field(channel))
      total = overflow ? .max : more
    }
    return total
  }

  /// - Throws: `damaged` if a channel cannot be read.
  init(_ lease: StoredLease, _ keys: WalletKeys) throws(RunError) {
    contract = lease.contract
    report = lease.record.report
    stage = lease.stage
    usage = lease.progress?.usage ?? LeaseUsage()
    statement = lease.progress?.statement
    hasReceipt = lease.progress?.hasReceipt ?? false
    owedSat = contract.owedSat(usage) ?? .max
    if hasReceipt, let statement { owedSat = statement.body.owedSat }
    channels = []
    for number in lease.record.channels.indices {
      var view = ChannelView(capacitySat: lease.record.terms(number).capacitySat)
      if lease.channels[UInt8(number)] != nil {
        guard let channel = lease.channel(number, keys) else {
          throw .damaged("channel \(number) of contract \(contract.id.hex) cannot be read")
        }
        view = ChannelView(channel)
      }
      channels.append(view)
    }
  }

  /// Reads the ledger's data without the wallet's keys.
  init(_ lease: StoredLease) {
    contract = lease.contract
    report = lease.record.report
    stage = lease.stage
    usage = lease.progress?.usage ?? LeaseUsage()
    statement = lease.progress?.statement
    hasReceipt = lease.progress?.hasReceipt ?? false
    owedSat = contract.owedSat(usage) ?? .max
    if hasReceipt, let statement { owedSat = statement.body.owedSat }
    channels = lease.record.channels.indices.map { number in
      var view = ChannelView(capacitySat: lease.record.terms(number).capacitySat)
      let state = lease.channels[UInt8(number)] ?? []
      if let last = try? PublisherChannel.lastPayment(in: state) {
        view.paidSat = last.amountSat
        view.payments = last.sequence
      }
      return view
    }
  }

  /// The state of a live lease.
  init(_ lease: LeaseSummary) {
    contract = lease.contract.body
    report = lease.report
    stage = lease.stage
    usage = lease.usage
    statement = lease.statement
    hasReceipt = lease.hasReceipt
    owedSat = lease.owedSat
    standing = lease.standing
    isConnected = lease.isConnected
    running = lease.running
    queued = lease.queued
    execSessions = lease.execSessions
    channels = lease.channels.map { channel in
      ChannelView(
        capacitySat: channel.terms.capacitySat, paidSat: channel.paidSat,
        payments: channel.payments, fundingTxid: channel.funding?.txid,
        fundingHeight: channel.fundingHeight, spend: channel.spend,
        spendHeight: channel.spendHeight)
    }
  }

  var reportIsSigned: Bool {
    do throws(CapabilityError) {
      let report = try CapabilityReport.decode(report)
      try report.verify()
      return report.identity == contract.provider
    } catch { return false }
  }

  var receiptIsSigned: Bool {
    guard hasReceipt, let statement, statement.body.isFinal else { return false }
    do throws(MarketError) {
      try statement.verify(publisher: contract.publisher, provider: contract.provider)
      try statement.body.check(against: contract)
      return true
    } catch { return false }
  }

  /// The sums of its tasks' counters, and the reserved time.
  var usageFields: [String: UInt64] {
    var fields = LeaseView.fields(usage.tasks)
    fields["reserved_ms"] = usage.reservedMs
    return fields
  }

  static func fields(_ usage: UsageVector) -> [String: UInt64] {
    Dictionary(uniqueKeysWithValues: usage.counters.map { ("\($0.name)", $0.value) })
  }
}

extension LeaseView.ChannelView {
  init(_ channel: PublisherChannel) {
    capacitySat = channel.terms.capacitySat
    paidSat = channel.paidSat
    payments = channel.last?.sequence ?? 0
    fundingTxid = channel.funding?.txid
    fundingHeight = channel.fundingHeight
    spend = channel.spend
    spendHeight = channel.spendHeight
  }
}
