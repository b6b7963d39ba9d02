import Foundation

/// What a program needs to know of a run beside its offer; kept in the run's folder, so that a run
/// can be taken up with nothing but its name.
public struct RunOptions: Codable, Equatable, Sendable {
  /// `regtest`, `signet`, `testnet4`, `bitcoin`, or the name of a signet of one's own.
  public var network: String
  /// A custom signet's challenge script, hexadecimal.
  public var challenge: String?
  /// `host:port` of nodes to follow the chain with.
  public var peers: [String]
  /// `address:port` where workers call.
  public var listen: String
  /// The folder for `worker-0`, `worker-1`…; nil leaves the archives in the run's folder.
  public var results: String?
  /// Where the receipt is written, as JSON.
  public var receipt: String?
  public var bidWindowMs: UInt64 = 2_000
  public var waitsForClose = true
  public var awayMs: UInt64 = 600_000
  public var capacitySat: UInt64?
  public var stopPayingAfter: UInt64?
  public var payAgainAfterMs: UInt64?

  public init(network: String, challenge: String?, peers: [String], listen: String) {
    self.network = network
    self.challenge = challenge
    self.peers = peers
    self.listen = listen
  }

  func apply(to plan: inout RunPlan) {
    plan.bidWindowMs = bidWindowMs
    plan.waitsForClose = waitsForClose
    plan.awayMs = awayMs
    plan.capacitySat = capacitySat
    plan.stopPayingAfter = stopPayingAfter
    plan.payAgainAfterMs = payAgainAfterMs
  }
}
