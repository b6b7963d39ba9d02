import Bitcoin
import Bytes
import Capability
import Channel
import Foundation
import Host
import Market

/// What a run came to, as JSON: every value is read back from the ledger, where the chain's part of
/// it was stored from blocks.
public struct RunReceipt: Encodable {
  public struct Job: Encodable {
    /// The machine's identity, hexadecimal.
    public var worker: String
    /// The contract's digest, hexadecimal.
    public var contract: String
    public var reportSignatureOk: Bool
    public var receiptSignaturesOk: Bool
    public var fundingTxid: String?
    public var fundingHeight: UInt32?
    public var capacitySat: UInt64
    public var payments: UInt64
    public var owedSat: UInt64
    public var paidSat: UInt64
    public var closeTxid: String?
    public var closeHeight: UInt32?
    public var payoutAddress: String
    public var payoutSat: UInt64
    public var exit: String?
    public var exitStatus: Int32?
    /// What a run of this job alone exits with; nil while it has no end.
    public var status: UInt8?
    public var resultBytes: UInt64
    public var resultDigest: String?
    public var usage: [String: UInt64]
  }

  public var network: String
  public var run: String
  public var announcementTxid: String
  public var announcementHeight: UInt32
  public var seconds: Double
  /// What `zennet run` exited with, or would; nil while that is open.
  public var status: UInt8?
  public var jobs: [Job]

  /// - Parameter end: of the run that was just made; else what the ledger says counts.
  public init(
    _ folder: RunFolder, run: RunRecord, networkName: String, seconds: Double, end: RunEnd? = nil
  ) throws(RunError) {
    network = networkName
    self.run = RunFolder.name(run.id)
    announcementTxid = run.announcement.txid.reversed.hex
    announcementHeight = run.announcementHeight
    self.seconds = seconds
    jobs = []
    let results = folder.results(of: run, try folder.options(of: run.id))
    let hires = try folder.hires(of: run.id).filter { $0.stage != .abandoned }
    let statuses = hires.map { RunReceipt.status(of: $0, run, results) }
    for (hire, status) in zip(hires, statuses) {
      jobs.append(try RunReceipt.job(folder, hire, status))
    }
    status = (end?.status ?? RunReceipt.status(of: run, hires, statuses))?.code
  }

  /// What `zennet run` exited with, or would; nil while that is open.
  /// - Parameter statuses: of each of its hires.
  static func status(
    of run: RunRecord, _ hires: [HireRecord], _ statuses: [ExitStatus?]
  ) -> ExitStatus? {
    // A place stays empty only where the run was stopped.
    var places = [ExitStatus?](
      repeating: run.isFinished ? .stoppedByPublisher : nil, count: Int(run.offer.workers))
    for (hire, status) in zip(hires, statuses) {
      let worker = Int(hire.contract.contract.workerIndex)
      if worker < places.count { places[worker] = status }
    }
    let known = places.compactMap { $0 }
    if known.count < places.count { return nil }
    return ExitStatus.first(of: known)?.status ?? .success
  }

  static func status(
    of hire: HireRecord, _ run: RunRecord, _ results: ResultsWriter
  ) -> ExitStatus? {
    let worker = hire.contract.contract.workerIndex
    var status = hire.exitStatus(wantsResults: run.offer.wantsResults)
    if status == .success && results.isUnwritten(worker: worker) { status = .notWritten }
    // Its channel is spent: no end of the job will ever be told.
    return status ?? (hire.stage == .closed ? .lost : nil)
  }

  private static func job(
    _ folder: RunFolder, _ hire: HireRecord, _ status: ExitStatus?
  ) throws(RunError) -> Job {
    let contract = hire.contract.contract
    let id = contract.id
    guard let state = try folder.channelState(id) else {
      throw .damaged("the channel of contract " + id.hex + " is missing")
    }
    let channel: PublisherChannel
    do {
      let secrets = try RunSecrets(keys: folder.walletFolder.keys)
      channel = try PublisherChannel(
        restoring: state, secret: try secrets.channelSecret(hire.channelIndex))
    } catch { throw .damaged("channel " + id.hex + ": " + RunMachine.message(error)) }
    let address = Address.text(
      scriptPubKey: contract.terms.payoutScript, network: folder.walletFolder.network)
    return Job(
      worker: contract.provider.hex, contract: id.hex,
      reportSignatureOk: reportIsSigned(hire.report, by: contract.provider),
      receiptSignaturesOk: isSigned(hire.receipt, contract),
      fundingTxid: channel.funding?.txid.reversed.hex, fundingHeight: channel.fundingHeight,
      capacitySat: contract.terms.capacitySat, payments: channel.last?.sequence ?? 0,
      owedSat: hire.owedSat, paidSat: channel.paidSat,
      closeTxid: channel.spend?.txid.reversed.hex, closeHeight: channel.spendHeight,
      payoutAddress: address ?? "", payoutSat: channel.spend?.payoutSat ?? 0,
      exit: hire.exit?.kind.text, exitStatus: hire.exit?.status, status: status?.code,
      resultBytes: hire.exit?.resultBytes ?? 0, resultDigest: hire.exit?.resultDigest.hex,
      usage: fields(hire.usage))
  }

  static func fields(_ usage: UsageVector) -> [String: UInt64] {
    Dictionary(uniqueKeysWithValues: usage.counters.map { ("\($0.name)", $0.value) })
  }

  private static func reportIsSigned(_ body: [UInt8], by identity: Bytes32) -> Bool {
    do throws(CapabilityError) {
      let report = try CapabilityReport.decode(body)
      try report.verify()
      return report.identity == identity
    } catch { return false }
  }

  private static func isSigned(_ receipt: SignedReceipt?, _ contract: Contract) -> Bool {
    guard let receipt else { return false }
    do throws(MarketError) { try receipt.verify(contract) } catch { return false }
    return true
  }

  /// Replaces the file at `path`; what is a pipe, a device or a link is written to.
  public func write(_ path: String) throws(RunError) {
    do throws(HostError) {
      let text = Array((json + "\n").utf8)
      if try !OutputCheck.isReplaced(path) { return try Files.append(path, text) }
      try Files.writeAtomically(path, text, mode: 0o644)
    } catch { throw .host(error) }
  }

  public var json: String {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
    return (try? encoder.encode(self)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
  }
}
