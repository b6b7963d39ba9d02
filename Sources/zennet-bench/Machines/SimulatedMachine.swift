import Bytes
import Capability
import Crypto
import Market
import Session

/// A provider that is hired and then has nothing to do: it bids nothing but the first payment, accepts,
/// takes every funding for confirmed, and answers the session's pings.
final class SimulatedMachine {
  /// What all machines of one run share.
  struct Invitation {
    /// Wire byte order.
    let announcementTxid: Bytes32
    let publisher: Bytes32
    let tipHeight: UInt32
    let tipHash: Bytes32
    let payoutScript: [UInt8]
  }

  enum Phase: Equatable {
    /// The session is not established.
    case connecting
    /// Between `hello` and `accept`.
    case negotiating
    /// It signed a contract; the funding has not come.
    case accepted
    case open
    /// The session ended, or the publisher does not want this machine now.
    case ended(String)
  }

  private(set) var phase = Phase.connecting
  private let identity: Ed25519.KeyPair
  private var session: SessionMachine
  private let index: Int

  init(index: Int, _ invitation: Invitation, ephemeral: Bytes32, nowMs: UInt64) throws(SessionError)
  {
    self.index = index
    identity = Ed25519.KeyPair(seed: SimulatedMachine.secret("identity", index))
    session = try SessionMachine(
      role: .initiator, identity: identity, expectedPeer: invitation.publisher,
      ephemeral: ephemeral,
      nowMs: nowMs)
  }

  private static func secret(_ name: String, _ index: Int) -> Bytes32 {
    Sha256.hash(Array("zennet-bench machine \(index) \(name)".utf8))
  }

  var nextDeadlineMs: UInt64 { session.nextDeadlineMs ?? UInt64.max }

  func received(_ bytes: [UInt8], nowMs: UInt64) { session.received(bytes, nowMs: nowMs) }
  func timePassed(nowMs: UInt64) { session.tick(nowMs: nowMs) }
  func transportEnded() { session.transportEnded() }

  /// Answers what has come, and returns what is to be sent.
  func settle(_ invitation: Invitation) throws -> [[UInt8]] {
    var output: [[UInt8]] = []
    while let effect = session.nextEffect() {
      switch effect {
      case .transmit(let bytes): output.append(bytes)
      case .established:
        phase = .negotiating
        say(.hello(features: PeerFeatures(), subject: .announcement(invitation.announcementTxid)))
      case .control(let bytes): try answer(try SessionMessage.decode(bytes), invitation)
      case .failed(let error): end("\(error)")
      case .closed: end("the publisher closed the session")
      case .streamOpened(let id, _): session.resetStream(id)
      case .data, .streamEnded, .streamReset, .creditAvailable: break
      }
    }
    return output
  }

  private func end(_ reason: String) {
    if case .ended = phase { return }
    phase = .ended(reason)
  }

  private func say(_ message: SessionMessage) {
    if !session.sendControl(message.encode()) { end("a message cannot be sent") }
  }

  private func answer(_ message: SessionMessage, _ invitation: Invitation) throws {
    switch message {
    case .offer(let bytes): try bid(try Offer.decode(bytes), invitation)
    case .contract(let body, _):
      let contract = try Contract.decode(body)
      say(.accept(providerSignature: contract.sign(identity), nextKey: try key("channel 1")))
      phase = .accepted
    case .funding(let channel, _, _):
      say(.fundingState(channel: channel, sight: .relayed))
      say(.fundingState(channel: channel, sight: .confirmed(height: invitation.tipHeight)))
      phase = .open
    case .refuse(let code, let text):
      end("\(code.text): \(String(decoding: text, as: UTF8.self))")
    case .end(let text): end("the lease ends: \(String(decoding: text, as: UTF8.self))")
    default: break
    }
  }

  private func key(_ name: String) throws -> [UInt8] {
    try Secp256k1.publicKey(of: SimulatedMachine.secret(name, index))
  }

  private func bid(_ offer: Offer, _ invitation: Invitation) throws {
    var report = CapabilityReport(
      identity: identity.publicKey, blockHeight: invitation.tipHeight,
      blockHash: invitation.tipHash,
      unixSeconds: 1, architecture: offer.processors.names.first ?? "x86_64",
      processors: UInt16(offer.share.milliCpus / 1000 + 1), memoryMiB: 2 * offer.share.memoryMiB,
      isolation: 2, results: [])
    report.sign(identity)
    let body = report.encode()
    let bid = Bid(
      offerDigest: offer.digest, provider: identity.publicKey, reportDigest: Sha256.hash(body),
      rates: RateVector(), maxLossSat: 100, firstPaymentSat: 330,
      payoutScript: invitation.payoutScript, providerKey: try key("channel 0"))
    say(.bid(report: body, bid: bid.encode(), signature: bid.sign(identity)))
  }
}
