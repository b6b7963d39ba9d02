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
  /// Nothing is said before the machine said what it calls about.
  let greetingEndsAtMs: UInt64
  var hasGreeted = false

  static let greetingMs: UInt64 = 30_000

  init(key: CallKey, session: SessionMachine, nowMs: UInt64) {
    self.key = key
    self.session = session
    greetingEndsAtMs = nowMs + Call.greetingMs
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
