import Bitcoin
import Bytes

/// One connection, with the state that each manager keeps about it.
struct Peer {
  enum Stage: Equatable { case awaitingVersion, awaitingVerack, ready }

  let id: PeerId
  let address: PeerAddress
  let isConfigured: Bool
  let connectedMs: UInt64
  var framer: MessageFramer
  var stage = Stage.awaitingVersion
  /// Its disconnection is requested or done; it is removed after the current input.
  var isClosing = false
  /// When bytes were last received from it.
  var lastReceivedMs: UInt64

  // The handshake.
  var localNonce: UInt64 = 0
  var services: UInt64 = 0
  var userAgent: [UInt8] = []
  var startHeight: UInt32 = 0
  var relaysTransactions = true
  var usesWitnessIds = false
  /// It has no filters; it is kept only until it has sent addresses.
  var isLeaving = false
  var feeFloorSatPerKvB: UInt64 = 0

  // BIP31.
  var pingNonce: UInt64?
  var pingSentMs: UInt64 = 0
  var latencyMs: UInt64?
  /// When the newest ping that it has answered was sent.
  var answeredPingSentMs: UInt64 = 0
  /// When the first question since the last ping was sent.
  var askedMs: UInt64?

  // Headers.
  /// The highest block of the best chain that it has announced.
  var commonHeight: UInt32?
  var headerRequestMs: UInt64?
  /// It has sent all the headers it has.
  var isExhausted = false
  /// Its last list was full: more will follow.
  var isTelling = false
  var hasAnswered = false
  var lastHeadersMs: UInt64 = 0
  var headerStalls: UInt64 = 0
  /// No headers are requested before this time, whatever it announces.
  var nextHeadersMs: UInt64 = 0
  var branch: HeaderBranch?
  /// Headers that are checked but not kept, while the best chain lacks work.
  var presync: HeaderPresync?
  /// How often it withheld the block that would prove its branch (signets).
  var withheld = 0
  /// Its chain forks below the kept window.
  var isOffChain = false

  // Filters.
  /// Its filter headers match ours up to this height.
  var filterAgreedHeight: UInt32?
  /// Its filter headers differ from ours below what is kept. Above, filters are compared one by
  /// one; up to ``filterAgreedHeight`` they match.
  var partsBelow = false
  /// It lost a dispute that could not be decided, or failed to answer in one.
  var isFilterDistrusted = false
  var filterRetryMs: UInt64 = 0
  /// It skipped a request up to this height: it gets no request beyond it until it answers.
  var passedOverHeight: UInt32?
  var stalls: UInt64 = 0

  /// Minor offences; 100 of them lead to a ban.
  var offences: UInt64 = 0
  var offencesAtMs: UInt64 = 0

  var isReady: Bool { stage == .ready && !isClosing }

  func offers(_ service: UInt64) -> Bool { services & service == service }

  var servesFilters: Bool { offers(VersionMessage.Service.compactFilters) && !isFilterDistrusted }

  var servesBlocks: Bool {
    offers(VersionMessage.Service.network) || offers(VersionMessage.Service.networkLimited)
  }

  /// It has the blocks, and the same filter headers as ours, up to this height.
  var vouchedHeight: UInt32? {
    guard let filterAgreedHeight, let commonHeight else { return nil }
    return min(filterAgreedHeight, commonHeight)
  }

  /// Known to have the block of the best chain at `height`.
  func has(_ height: UInt32) -> Bool {
    guard let commonHeight else { return false }
    return commonHeight >= height
  }

  /// How long it may stay silent while an answer is due: longer where its latency is known to be
  /// high, up to `Limits.maxSilenceMs`.
  private var silenceMs: UInt64 {
    let slowMs = min(Limits.maxSilenceMs, 3 * min(latencyMs ?? 0, Limits.maxSilenceMs))
    return max(Limits.silenceMs, slowMs)
  }

  /// Whether a request sent at `sentMs` is late: it was skipped, the peer was silent too long, or
  /// `Limits.requestTotalMs` (five minutes) passed.
  func isLate(since sentMs: UInt64, nowMs: UInt64) -> Bool { nowMs >= lateAtMs(since: sentMs) }

  /// Nodes answer in order, and this peer answered a ping that was sent after the request. Bitcoin
  /// Core skips filter requests for a moment after each new block, while it builds the block's
  /// filter.
  func passedOver(since sentMs: UInt64) -> Bool { sentMs < answeredPingSentMs }

  /// How long to wait after a late request: `usualMs`, or less where the request was skipped
  /// because the peer did not have the data yet.
  func retryDelayMs(since sentMs: UInt64, usualMs: UInt64) -> UInt64 {
    passedOver(since: sentMs) ? Limits.passedOverRetryMs : usualMs
  }

  /// When `isLate` may next become true.
  func lateAtMs(since sentMs: UInt64) -> UInt64 {
    if passedOver(since: sentMs) { return answeredPingSentMs }
    return min(sentMs + Limits.requestTotalMs, max(sentMs, lastReceivedMs) + silenceMs)
  }
}

/// Limits that several managers share.
enum Limits {
  static let silenceMs: UInt64 = 20_000
  static let maxSilenceMs: UInt64 = 120_000
  static let requestTotalMs: UInt64 = 300_000
  static let passedOverRetryMs: UInt64 = 1_000
  /// Headers beyond the window before header sync pauses.
  static let slackHeaders = 4000
  /// Headers beyond the window before the oldest are dropped; also the least number dropped at
  /// once.
  static let dropHeaders = 500
  /// The longest message accepted while no block is requested from the peer: 2,000 headers, a
  /// standard transaction and a filter are far smaller.
  static let payloadBytes = 1_000_000
  static let handshakeMs: UInt64 = 60_000
  /// Minor offences after which a peer is banned.
  static let offences: UInt64 = 100
  static let forgetMs: UInt64 = 500
}
