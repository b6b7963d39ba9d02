import Bitcoin
import Bytes

/// One connection, with what each manager must know of it.
struct Peer {
  enum Stage: Equatable { case awaitingVersion, awaitingVerack, ready }

  let id: PeerId
  let address: PeerAddress
  let isConfigured: Bool
  let connectedMs: UInt64
  var framer: MessageFramer
  var stage = Stage.awaitingVersion
  /// It is to be disconnected, or is; it is removed once the current input is dealt with.
  var isClosing = false
  /// When bytes last came from it.
  var lastReceivedMs: UInt64

  // The handshake.
  var localNonce: UInt64 = 0
  var services: UInt64 = 0
  var userAgent: [UInt8] = []
  var startHeight: UInt32 = 0
  var relaysTransactions = true
  var usesWitnessIds = false
  /// It has no filters, and is kept only until it has told addresses.
  var isLeaving = false
  var feeFloorSatPerKvB: UInt64 = 0

  // BIP31.
  var pingNonce: UInt64?
  var pingSentMs: UInt64 = 0
  var latencyMs: UInt64?
  /// When the newest ping was sent that it has answered.
  var answeredPingSentMs: UInt64 = 0
  /// When it was first asked for something since the last ping.
  var askedMs: UInt64?

  // Headers.
  /// The highest block of the best chain that it has announced.
  var commonHeight: UInt32?
  var headerRequestMs: UInt64?
  /// It has told all the headers it has.
  var isExhausted = false
  /// Its last list was full: more will follow.
  var isTelling = false
  var hasAnswered = false
  var lastHeadersMs: UInt64 = 0
  var headerStalls: UInt64 = 0
  /// Headers are not asked for again before this time, whatever it announces.
  var nextHeadersMs: UInt64 = 0
  var branch: HeaderBranch?
  /// Headers that are judged and not kept, while the best chain lacks work.
  var presync: HeaderPresync?
  /// How often it did not give the block that would prove its branch (signets).
  var withheld = 0
  /// Its chain parts below the kept window.
  var isOffChain = false

  // Filters.
  /// Its filter headers are known to be ours up to here.
  var filterAgreedHeight: UInt32?
  /// Its filter headers part from ours below what is kept. Above, filter is held against filter, and
  /// up to ``filterAgreedHeight`` they are the same.
  var partsBelow = false
  /// It lost a dispute that could not be decided, or did not deliver in one.
  var isFilterDistrusted = false
  var filterRetryMs: UInt64 = 0
  /// It passed over a question that went as far as this: it is asked no further until it answers.
  var passedOverHeight: UInt32?
  var stalls: UInt64 = 0

  /// Small offences; a hundred are one big one.
  var offences: UInt64 = 0
  var offencesAtMs: UInt64 = 0

  var isReady: Bool { stage == .ready && !isClosing }

  func offers(_ service: UInt64) -> Bool { services & service == service }

  var servesFilters: Bool { offers(VersionMessage.Service.compactFilters) && !isFilterDistrusted }

  var servesBlocks: Bool {
    offers(VersionMessage.Service.network) || offers(VersionMessage.Service.networkLimited)
  }

  /// It has the blocks, and told the same filter headers as we hold, up to here.
  var vouchedHeight: UInt32? {
    guard let filterAgreedHeight, let commonHeight else { return nil }
    return min(filterAgreedHeight, commonHeight)
  }

  /// Known to have the block of the best chain at `height`.
  func has(_ height: UInt32) -> Bool {
    guard let commonHeight else { return false }
    return commonHeight >= height
  }

  /// How long its silence may last while it owes an answer: longer on a line that is known to be
  /// slow, within reason.
  private var silenceMs: UInt64 {
    let slowMs = min(Limits.maxSilenceMs, 3 * min(latencyMs ?? 0, Limits.maxSilenceMs))
    return max(Limits.silenceMs, slowMs)
  }

  /// Whether a request sent at `sentMs` has waited too long: it was passed over; silence; or a total
  /// of five minutes however slow the line is.
  func isLate(since sentMs: UInt64, nowMs: UInt64) -> Bool { nowMs >= lateAtMs(since: sentMs) }

  /// Nodes answer in order, and it answered a ping that was sent later. Bitcoin Core does so for a
  /// moment after each new block, whose filter is still to be made.
  func passedOver(since sentMs: UInt64) -> Bool { sentMs < answeredPingSentMs }

  /// How long after a request that was late the next one waits: `usualMs`, unless all is well but that
  /// the peer did not have it yet.
  func retryDelayMs(since sentMs: UInt64, usualMs: UInt64) -> UInt64 {
    passedOver(since: sentMs) ? Limits.passedOverRetryMs : usualMs
  }

  /// When `isLate` may next become true.
  func lateAtMs(since sentMs: UInt64) -> UInt64 {
    if passedOver(since: sentMs) { return answeredPingSentMs }
    return min(sentMs + Limits.requestTotalMs, max(sentMs, lastReceivedMs) + silenceMs)
  }
}

/// Bounds that several managers share.
enum Limits {
  static let silenceMs: UInt64 = 20_000
  static let maxSilenceMs: UInt64 = 120_000
  static let requestTotalMs: UInt64 = 300_000
  static let passedOverRetryMs: UInt64 = 1_000
  /// Headers beyond the window before sync waits.
  static let slackHeaders = 4000
  /// Headers beyond the window before the oldest are dropped, so many at a time at least.
  static let dropHeaders = 500
  /// The longest message of a peer that was not asked for a block: 2,000 headers, a standard
  /// transaction and a filter are well below.
  static let payloadBytes = 1_000_000
  static let handshakeMs: UInt64 = 60_000
  /// Small offences after which a peer is banned.
  static let offences: UInt64 = 100
  static let forgetMs: UInt64 = 500
}
