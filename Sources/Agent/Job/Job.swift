import Bitcoin
import Bytes
import Channel
import Crypto
import Market
import Sandbox
import Session

/// One job of this machine, from the call to the publisher to the money: a state machine without
/// I/O. What happens comes in as methods in the past tense, what is to be done goes to
/// ``AgentContext/emit(_:)``. The files of this folder are the chapters of its story, in order:
/// `Job+Call` (the connection), `Job+Agreement`, `Job+Funding`, `Job+Bundle`, `Job+Work`,
/// `Job+Results`, `Job+Settlement`.
final class Job {
  let key: JobKey
  let context: AgentContext
  let announcementTxid: Bytes32
  /// The publisher's identity, from the announcement.
  let publisher: Bytes32
  let endpoint: Endpoint
  /// Known while the job is negotiated; a restored job does not need it.
  let announcement: Announcement?

  // MARK: The call
  var link = Link.down
  var session: SessionMachine?
  var dialAtMs: UInt64
  var failedCalls: UInt64 = 0
  /// Whether this publisher was ever spoken to.
  var wasAnswered = false
  /// It was called and nothing came of it yet: its announcement waits while others are called.
  var isPutOff = false

  // MARK: The agreement
  /// From the contract on: what is on disk.
  var record: JobRecord?
  var offer: Offer?
  var bid: Bid?
  var channelNonce: Bytes32 = .zero
  /// When this job came to be; of one that is negotiated, when that began.
  private let beganAtMs: UInt64

  // MARK: Money
  var channel: ProviderChannel?
  /// Transactions that pay the channel's script, seen before the publisher named one.
  var fundingCandidates: [(transaction: Transaction, height: UInt32)] = []
  var fundingIsLost = false
  /// The publisher has to act before this; nil while it need not.
  var patienceEndsAtMs: UInt64?

  // MARK: The bundle
  var bundleStream: StreamId?
  var bundleBytes: UInt64 = 0
  var bundleHash = Sha256()
  var isSandboxed = false
  var bundleCache = BundleCache.notAsked

  // MARK: The work
  var nextSampleAtMs: UInt64 = 0
  var nextReportAtMs: UInt64 = 0
  var reports: UInt64 = 0
  /// For lack of payment.
  var isFrozen = false
  /// The machine's owner needs it. Either of both keeps the job from running.
  var isPaused = false
  var freezeRule: FreezeRule?
  var endReason: ExitKind?
  var output = JobOutput()
  /// Beside the job, for the publisher.
  var programs: [JobProgram] = []

  // MARK: The results
  var resultStream: StreamId?
  var resultOffset: UInt64 = 0
  var isReadingResults = false
  var resultsAreReady = false
  var isDelivered = false
  /// Promised before a restart, and gone with it.
  var resultsAreLost = false

  enum BundleCache { case notAsked, asked, hasNone }
  enum Link { case down, dialling, up }

  /// A job to be negotiated.
  init(
    key: JobKey, announcement: Announcement, txid: Bytes32, context: AgentContext
  ) {
    self.key = key
    self.context = context
    self.announcement = announcement
    announcementTxid = txid
    publisher = announcement.publisher
    endpoint = announcement.endpoint
    dialAtMs = context.now.nowMs
    beganAtMs = context.now.nowMs
  }

  /// A job that was stored by an earlier run; `JobRestoring` goes on with it.
  init(key: JobKey, record: JobRecord, channel: ProviderChannel, context: AgentContext) {
    self.key = key
    self.context = context
    announcement = nil
    announcementTxid = record.announcementTxid
    publisher = record.contract.contract.publisher
    endpoint = record.endpoint
    dialAtMs = context.now.nowMs
    beganAtMs = context.now.nowMs
    self.record = record
    self.channel = channel
    offer = record.offer
    contractId = record.contract.contract.id
  }

  // MARK: Times

  /// A publisher that collects bids may take this long to choose.
  static let negotiationMs: UInt64 = 600_000
  /// And so long while another one waits: who answers and does not hire holds nobody up for longer.
  static let makesWayMs: UInt64 = 60_000
  /// Between calls to a publisher that is not there: doubling from one second to about a minute.
  static let redialMs: UInt64 = 1000
  static let maxRedialDoublings: UInt64 = 6
  static let maxContractDoublings: UInt64 = 3
  /// How long a funding may take before the machine looks for other work.
  static let fundingPatienceMs: UInt64 = 3_600_000

  var stage: JobStage { record?.stage ?? .negotiating }
  /// From here on it makes way for other publishers, if there are any; never after a contract.
  var makesWayAtMs: UInt64 { stage == .negotiating ? beganAtMs + Job.makesWayMs : UInt64.max }
  /// Negotiation ends here when nothing comes of it.
  var negotiationEndsAtMs: UInt64 {
    stage == .negotiating ? beganAtMs + Job.negotiationMs : UInt64.max
  }
  var contract: Contract? { record?.contract.contract }
  /// Zero before the contract. Kept, as it is asked for with every stored payment.
  var contractId = Bytes32.zero
  var paidSat: UInt64 { channel?.paidSat ?? 0 }
  var owedSat: UInt64 {
    guard let record else { return 0 }
    return Price.owedSat(record.contract.contract.rates, record.usage) ?? UInt64.max
  }

  /// True once the driver may forget the job.
  var isForgotten = false

  /// Enters a stage and puts it on disk before anything that follows.
  func enter(_ stage: JobStage) {
    guard record != nil, record?.stage != stage else { return }
    record?.stage = stage
    // The program is of no more use, and its publisher's secret.
    let hasErased = stage >= .settling && eraseProgram()
    store()
    if hasErased { context.emit(.eraseTraces(key)) }
    context.info(label + stage.text)
  }

  func store() {
    if let record { context.emit(.storeJob(contract: contractId, record.encode())) }
  }

  /// Before each line about this job.
  var label: String {
    let name = record == nil ? announcementTxid.reversed : contractId
    return "job " + String(decoding: Array(name.hex.utf8).prefix(8), as: UTF8.self) + ": "
  }
}
