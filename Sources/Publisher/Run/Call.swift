import Bytes
import Market
import Session

/// One connection that a machine made to this publisher.
final class Call {
  let key: CallKey
  var session: SessionMachine
  /// Who calls, once it is proven.
  var peer: Bytes32?
  /// What it bid, once that is found good.
  var candidate: Candidate?
  weak var hire: Hire?
  /// The driver was told to hang up.
  var isOver = false
  /// The machine said what it calls about; nothing is said to it before.
  var hasGreeted = false
  private var waitsUntilMs: UInt64

  /// Time for a handshake and a greeting, and then for a bid.
  static let greetingMs: UInt64 = 30_000
  static let bidMs: UInt64 = 60_000

  init(key: CallKey, session: SessionMachine, nowMs: UInt64) {
    self.key = key
    self.session = session
    waitsUntilMs = nowMs + Call.greetingMs
  }

  /// A machine that neither bid nor is hired is hung up on then; nil for one that may stay.
  var patienceEndsAtMs: UInt64? {
    isOver || hire != nil || candidate != nil ? nil : waitsUntilMs
  }

  func greeted(nowMs: UInt64) {
    hasGreeted = true
    waitsUntilMs = nowMs + Call.bidMs
  }

  /// False where the machine does not read: then it is hung up on.
  @discardableResult
  func say(_ message: SessionMessage) -> Bool {
    guard session.isEstablished else { return false }
    if session.sendControl(message.encode()) { return true }
    session.close()
    return false
  }

  /// Says why, then goodbye.
  func refuse(_ code: RefusalCode, _ reason: String) {
    say(.refuse(code: code, text: Array(Array(reason.utf8).prefix(Limits.maxTextBytes))))
    session.close()
  }
}

/// A machine that may be hired.
struct Candidate {
  var bid: Bid
  var report: [UInt8]
  /// What an hour of full use would cost.
  var hourlySat: UInt64

  /// The cheapest first; among equals the order of identities, which nobody can choose cheaply.
  static func isBetter(_ left: Candidate, _ right: Candidate) -> Bool {
    if left.hourlySat != right.hourlySat { return left.hourlySat < right.hourlySat }
    return left.bid.provider < right.bid.provider
  }
}
