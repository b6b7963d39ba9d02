import Agent
import Bitcoin
import Bytes
import Channel
import Crypto
import Market
import Session

/// A publisher that a ``FuzzedAgent`` calls. It knows its keys, keeps its leases honestly, and says what
/// the fuzzer wants.
final class FuzzedPublisher {
  static let bundle = [UInt8](repeating: 0x5a, count: 700)

  /// One connection of the agent.
  private struct Conversation {
    var session: SessionMachine
    /// What the agent said, to which no honest answer was given yet.
    var said: [SessionMessage] = []
    /// The lease that it is about, once there is one.
    var lease: Int?
  }

  private(set) var leases: [FuzzedLease] = []
  private var conversations: [CallKey: Conversation] = [:]
  /// The connection that the fuzzer speaks on.
  private var chosen = CallKey(0)
  var tipHeight: UInt32 = 100

  // MARK: Connections

  func connected(_ key: CallKey, nowMs: UInt64) {
    let session = try? SessionMachine(
      role: .responder, identity: Samples.publisher, expectedPeer: nil,
      ephemeral: Sha256.hash([7]), nowMs: nowMs)
    guard let session else { return }
    conversations[key] = Conversation(session: session)
    chosen = key
  }

  func disconnected(_ key: CallKey) { conversations[key] = nil }

  var keys: [CallKey] { conversations.keys.sorted() }
  func isConnected(_ key: CallKey) -> Bool { conversations[key] != nil }

  func choose(_ number: Int) {
    let keys = keys
    if !keys.isEmpty { chosen = keys[number % keys.count] }
  }

  var chosenKey: CallKey? { isConnected(chosen) ? chosen : nil }

  func received(_ bytes: [UInt8], on key: CallKey, nowMs: UInt64) {
    conversations[key]?.session.received(bytes, nowMs: nowMs)
  }

  func tick(nowMs: UInt64) {
    for key in keys { conversations[key]?.session.tick(nowMs: nowMs) }
  }

  /// What is to be carried to the agent; messages are noted on the way.
  func nextBytes(_ key: CallKey) -> [UInt8]? {
    while let effect = conversations[key]?.session.nextEffect() {
      switch effect {
      case .transmit(let bytes): return bytes
      case .control(let bytes):
        if let message = try? SessionMessage.decode(bytes) { note(message, key) }
      default: break
      }
    }
    return nil
  }

  private func note(_ message: SessionMessage, _ key: CallKey) {
    if case .hello(_, .lease(let contract)) = message {
      conversations[key]?.lease = leases.firstIndex { $0.contract.id == contract }
    }
    if case .taskEnded(let line) = message, let lease = conversations[key]?.lease {
      leases[lease].lines += 1
      leases[lease].chain = line.chain(after: leases[lease].chain)
    }
    if conversations[key]?.said.count == 50 { conversations[key]?.said.removeFirst() }
    conversations[key]?.said.append(message)
  }

  // MARK: What it says

  func say(raw bytes: [UInt8]) { _ = conversations[chosen]?.session.sendControl(bytes) }
  func say(_ message: SessionMessage) { say(raw: message.encode()) }

  private var lease: Int? { conversations[chosen]?.lease }
  var contract: Contract? { lease.map { leases[$0].contract } ?? leases.last?.contract }

  /// The honest answer to what the agent said first of what is not answered yet.
  func answer() {
    guard conversations[chosen]?.said.isEmpty == false,
      let message = conversations[chosen]?.said.removeFirst()
    else { return }
    switch message {
    case .hello(_, let subject):
      say(.welcome(features: PeerFeatures()))
      if case .announcement = subject { return say(.offer(Samples.offer.encode())) }
      sayState()
    case .bid(_, let body, _): answerBid(body)
    case .accept(_, let nextKey), .topUpAccepted(_, _, let nextKey): accepted(nextKey)
    case .usage(let report): pay(upToSat: report.owedSat)
    case .statement(let body, _):
      guard let statement = try? Statement.decode(body) else { return }
      pay(upToSat: statement.owedSat)
      say(
        .statementSigned(
          digest: statement.digest, publisherSignature: statement.sign(Samples.publisher)))
    case .receipt(let body, _, _):
      guard let statement = try? Statement.decode(body) else { return }
      say(.receiptSigned(publisherSignature: statement.sign(Samples.publisher)))
    case .taskEnded: if let lease { say(.linesStored(count: leases[lease].lines)) }
    case .topUpWanted(let rate): topUp(topRungSatPerKvB: rate)
    default: break
    }
  }

  private func answerBid(_ body: [UInt8]) {
    guard let bid = try? Bid.decode(body) else { return }
    let terms = FuzzedLease.terms(
      number: 0, providerKey: bid.providerKey, payoutScript: bid.payoutScript,
      expiryHeight: tipHeight + Samples.offer.channelBlocks)
    let contract = Contract(
      offer: Samples.offer, bid: bid, publisher: Samples.publisher.publicKey, workerIndex: 0,
      terms: terms)
    leases.append(FuzzedLease(contract: contract, terms: [terms]))
    conversations[chosen]?.lease = leases.count - 1
    say(.contract(body: contract.encode(), publisherSignature: contract.sign(Samples.publisher)))
  }

  private func accepted(_ nextKey: [UInt8]) {
    guard let lease else { return }
    leases[lease].nextKey = nextKey
    fund(isWrong: false)
  }

  /// Funds the newest channel of the lease, or says so again.
  func fund(isWrong: Bool) {
    guard let lease else { return }
    let number = leases[lease].terms.count - 1
    leases[lease].fundNewest(seed: UInt8(lease & 255))
    var transaction = leases[lease].fundings[number]
    if isWrong { transaction.outputs[0].amountSat -= 1 }
    say(.funding(channel: UInt8(number), transaction: transaction.bytes(), output: 0))
  }

  func topUp(topRungSatPerKvB: UInt32) {
    guard let lease, leases[lease].terms.count < 8, !leases[lease].nextKey.isEmpty else { return }
    let contract = leases[lease].contract
    let number = leases[lease].terms.count
    var terms = FuzzedLease.terms(
      number: number, providerKey: leases[lease].nextKey,
      payoutScript: contract.terms.payoutScript,
      expiryHeight: max(tipHeight + 200, leases[lease].terms[number - 1].expiryHeight))
    if topRungSatPerKvB > 25_000 && topRungSatPerKvB <= 10_000_000 {
      terms.feeLadderSatPerKvB.append(topRungSatPerKvB)
      terms.reserveSat = UInt64(topRungSatPerKvB) / 3
      terms.capacitySat = terms.reserveSat + 92_000
    }
    let topUp = TopUp(contract: contract.id, number: UInt8(number), terms: terms)
    leases[lease].terms.append(terms)
    leases[lease].nextKey = []
    say(.topUp(body: topUp.encode(), publisherSignature: topUp.sign(Samples.publisher)))
  }

  func pay(upToSat owedSat: UInt64) {
    guard let lease, !leases[lease].payments.isEmpty else { return }
    let contract = leases[lease].contract
    let fill = leases[lease].payments.indices.map {
      ChannelFill.Channel(
        paidSat: leases[lease].payments[$0].amountSat,
        maxPayableSat: leases[lease].terms[$0].maxPayableSat, takesPayments: true)
    }
    guard
      let next = ChannelFill.next(
        owedSat: owedSat, fill, firstPaymentSat: contract.firstPaymentSat)
    else { return }
    pay(channel: next.place, amountSat: next.totalSat)
  }

  func pay(channel: Int, amountSat: UInt64) {
    guard let lease, leases[lease].payments.indices.contains(channel) else { return }
    let payment = try? ChannelPayment.sign(
      leases[lease].terms[channel],
      funding: OutPoint(txid: leases[lease].fundings[channel].txid, index: 0),
      sequence: leases[lease].payments[channel].sequence + 1, amountSat: amountSat,
      secret: FuzzedLease.secret(channel))
    guard let payment else { return }
    leases[lease].payments[channel] = (payment.sequence, amountSat)
    say(.payment(channel: UInt8(channel), payment: payment))
  }

  func sayState() {
    guard let lease else { return say(.refuse(code: .unknownLease, text: [])) }
    let state = leases[lease]
    say(
      .state(
        LeaseState(
          lastTask: state.lastTask, lines: state.lines, chain: state.chain, reservedMs: 0,
          paid: state.payments.enumerated().map {
            LeaseState.Paid(
              channel: UInt8($0.offset), sequence: $0.element.sequence,
              amountSat: $0.element.amountSat)
          }, isEnding: false)))
  }

  func sendTask(_ input: inout FuzzInput) {
    guard let lease else { return }
    var order = Samples.order
    let isNew = input.below(4) != 3
    order.number = isNew ? leases[lease].lastTask + 1 : UInt32(input.below(4) + 1)
    leases[lease].lastTask = max(leases[lease].lastTask, order.number)
    let known = BundleRef(
      digest: Sha256.hash(FuzzedPublisher.bundle), sizeBytes: UInt64(FuzzedPublisher.bundle.count))
    let choice = input.below(8)
    order.bundles = choice == 7 ? [known, Samples.order.bundles[0]] : [known]
    order.hasInput = choice & 1 == 1
    order.maxResultBytes = choice & 2 == 2 ? 50_000 : 0
    order.stopMs = choice & 4 == 4 ? 500 : 0
    if input.below(4) != 3 { order.limits.memoryMiB = 8 }
    say(.task(order))
    openStream(
      .standardOutput, key: TaskKey.of(contract: leases[lease].contract.id, number: order.number))
  }

  // MARK: Streams

  func openStream(_ kind: StreamKind, key: Bytes32, offset: UInt64 = 0) {
    _ = conversations[chosen]?.session.open(
      StreamOpening(kind: kind, key: key, sendOffset: offset, receiveOffset: offset),
      window: 65_536)
  }

  func openStream(_ input: inout FuzzInput) {
    guard let kind = StreamKind(rawValue: UInt8(1 + input.below(6))) else { return }
    let offset = [0, 1, UInt64(input.u8()), UInt64.max][input.below(4)]
    let id = contract?.id ?? .zero
    let keys = [
      TaskKey.of(contract: id, number: UInt32(1 + input.below(4))),
      ExecRequest.streamKey(contract: id, id: 1), Sha256.hash(FuzzedPublisher.bundle),
    ]
    openStream(kind, key: keys[input.below(3)], offset: offset)
  }

  /// Sends what the agent asked for on the streams that it opened, or something else.
  func sendBundle(_ count: Int) {
    for id in openStreams {
      guard let opening = conversations[chosen]?.session.opening(of: id) else { continue }
      let start = Int(min(opening.sendOffset, UInt64(FuzzedPublisher.bundle.count)))
      let rest = Array(FuzzedPublisher.bundle[start...])
      _ = conversations[chosen]?.session.send(
        id, count == 0 ? rest : [UInt8](repeating: 0x5a, count: count))
    }
  }

  private var openStreams: [StreamId] { conversations[chosen]?.session.openStreams ?? [] }

  func grantAll() {
    for id in openStreams { _ = conversations[chosen]?.session.grant(id, bytes: 100_000) }
  }

  func endStreams(_ choice: Int) {
    let ids = openStreams
    if ids.isEmpty { return }
    let id = ids[choice % ids.count]
    if choice < 4 {
      conversations[chosen]?.session.endStream(id)
    } else {
      conversations[chosen]?.session.resetStream(id)
    }
  }
}
