import Bitcoin
import Bytes
import Channel
import Crypto
import Market
import Session

/// A publisher for tests: it announces, hires, sends tasks and pays as its script says. One lease at a time.
final class ScriptedPublisher {
  /// What it does by itself.
  struct Habits {
    var signsContract = true
    var funds = true
    var pays = true
    var signsStatements = true
    var signsReceipt = true
    var storesLines = true
    var acceptsDebt = true
    var grantBytes = 1 << 20
  }

  final class Connection {
    let key: UInt32
    var session: SessionMachine
    var isReady = false

    init(_ key: UInt32, _ session: SessionMachine) {
      self.key = key
      self.session = session
    }
  }

  let identity: Ed25519.KeyPair
  let name: UInt8
  let endpoint: Endpoint
  var offer: Offer
  var habits = Habits()
  var capacitySat: UInt64 = 60_000
  /// What the machine was told of it last.
  var height: UInt32 = 100
  /// Whether calls are answered.
  var isThere = true
  /// Its ledger was lost.
  var forgetsLease = false
  /// The ledger: what survives a broken connection.
  var contract: Contract?
  var accept: (signature: [UInt8], nextKey: [UInt8])?
  var channels: [PublisherChannel] = []
  var lines: [TaskLine] = []
  var chain = Bytes32.zero
  var ordered: [TaskOrder] = []
  var refusedTasks: [(number: UInt32, code: RefusalCode)] = []
  var startedTasks: [UInt32] = []
  var statement: Statement?
  var receipt: Statement?
  var closes: [SignedClose] = []
  var lastUsage: UsageReport?
  var standing = Standing.running
  var sights: [UInt8: FundingSight] = [:]
  var leaving: String?
  var refusals: [(code: RefusalCode, text: String)] = []
  var messages: [SessionMessage] = []
  var bids: [Bid] = []
  var isEnding = false
  var bundles: [Bytes32: [UInt8]] = [:]
  /// Stream bytes by task key and kind.
  var received: [Bytes32: [StreamKind: [UInt8]]] = [:]
  var bundleBytesSent = 0
  var reservedMs: UInt64 = 0
  var topUps: [TopUp] = []

  var connection: Connection?
  var incoming: [StreamId: (key: Bytes32, kind: StreamKind)] = [:]
  var outgoing: [StreamId: [UInt8]] = [:]
  var nowMs: UInt64 = 0
  /// Bytes for the wire, by connection.
  var outbox: [(key: UInt32, bytes: [UInt8])] = []

  init(_ name: UInt8, offer: Offer, port: UInt16) {
    self.name = name
    self.offer = offer
    identity = Ed25519.KeyPair(seed: Sha256.hash([name]))
    endpoint = Endpoint(text: "127.0.0.\(name):\(port)")!
  }

  func secret(_ use: String, _ number: UInt8 = 0) -> Bytes32 {
    Sha256.hash(Array(use.utf8) + [name, number])
  }

  var announcement: Transaction {
    let document = offer.announcement(
      publisher: identity.publicKey, endpoint: endpoint, expiryHeight: height + 1000)
    return Transaction(
      inputs: [
        TransactionInput(previous: OutPoint(txid: secret("coin"), index: 0), witness: [[1]])
      ], outputs: document.outputs)
  }

  var paidSat: UInt64 { channels.reduce(0) { $0 + $1.paidSat } }
  var isConnected: Bool { connection?.isReady == true }

  func funding(_ number: Int) -> Transaction {
    Transaction(
      inputs: [
        TransactionInput(
          previous: OutPoint(txid: secret("funds", UInt8(number)), index: 0), witness: [[2]])
      ], outputs: [channels[number].fundingOutput])
  }

  // MARK: The wire

  func connected(_ key: UInt32, nowMs: UInt64) {
    self.nowMs = nowMs
    var limits = SessionLimits()
    limits.streams = 256
    let session = try! SessionMachine(
      role: .responder, identity: identity, expectedPeer: nil,
      ephemeral: Sha256.hash(Array("\(nowMs) \(key) \(name)".utf8)), nowMs: nowMs, limits: limits)
    connection = Connection(key, session)
    incoming = [:]
    outgoing = [:]
    drain()
  }

  func disconnected(_ key: UInt32) { if connection?.key == key { connection = nil } }

  func receive(_ key: UInt32, _ bytes: [UInt8], nowMs: UInt64) {
    self.nowMs = nowMs
    guard let connection, connection.key == key else { return }
    connection.session.received(bytes, nowMs: nowMs)
    drain()
  }

  /// The connection's key, where there is one: the test breaks it.
  func hangUp() -> UInt32? {
    defer { connection = nil }
    return connection?.key
  }

  func takeOutbox() -> [(key: UInt32, bytes: [UInt8])] {
    defer { outbox = [] }
    return outbox
  }

  func say(_ message: SessionMessage) {
    guard let connection else { return }
    _ = connection.session.sendControl(message.encode())
    drain()
  }

  func drain() {
    guard let connection else { return }
    while let effect = connection.session.nextEffect() {
      switch effect {
      case .transmit(let bytes): outbox.append((connection.key, bytes))
      case .control(let bytes): handle(try! SessionMessage.decode(bytes))
      case .streamOpened(let id, let opening): opened(id, opening)
      case .data(let id, let bytes):
        if let stream = incoming[id] {
          received[stream.key, default: [:]][stream.kind, default: []] += bytes
          _ = connection.session.grant(id, bytes: bytes.count)
        }
      case .streamEnded(let id):
        if incoming[id] != nil { connection.session.endStream(id) }
      case .creditAvailable: pump()
      case .failed, .closed:
        self.connection = nil
        return
      case .established, .streamReset: break
      }
    }
  }

  // MARK: Streams

  func opened(_ id: StreamId, _ opening: StreamOpening) {
    guard opening.kind == .fileIn || opening.kind == .standardInput,
      let bytes = bundles[opening.key]
    else {
      connection?.session.resetStream(id)
      return
    }
    outgoing[id] = Array(bytes[Int(opening.receiveOffset)...])
    pump()
  }

  func pump() {
    for id in outgoing.keys.sorted(by: { $0.raw < $1.raw }) {
      guard let bytes = outgoing[id], !bytes.isEmpty else { continue }
      let taken = connection?.session.send(id, bytes) ?? 0
      bundleBytesSent += taken
      outgoing[id] = Array(bytes[taken...])
      if taken == bytes.count { connection?.session.endStream(id) }
    }
  }

  func receive(_ kind: StreamKind, of number: UInt32, from offset: UInt64? = nil) {
    guard let contract, let connection else { return }
    let key = TaskKey.of(contract: contract.id, number: number)
    let have = UInt64(received[key]?[kind]?.count ?? 0)
    let opening = StreamOpening(kind: kind, key: key, receiveOffset: offset ?? have)
    if let id = connection.session.open(opening, window: habits.grantBytes) {
      incoming[id] = (key, kind)
    }
    drain()
  }

  func bytes(_ kind: StreamKind, of number: UInt32) -> [UInt8] {
    guard let contract else { return [] }
    return received[TaskKey.of(contract: contract.id, number: number)]?[kind] ?? []
  }

  // MARK: Messages

  func handle(_ message: SessionMessage) {
    messages.append(message)
    switch message {
    case .hello(_, let subject): greeted(subject)
    case .bid(_, let body, _): bid(body)
    case .accept(let signature, let nextKey):
      accept = (signature, nextKey)
      connection?.isReady = true
      if habits.funds { fund() }
    case .fundingState(let channel, let sight): sights[channel] = sight
    case .state(let state): resumed(state)
    case .taskState(let number, .started): startedTasks.append(number)
    case .taskState(let number, .refused(let code, _)): refusedTasks.append((number, code))
    case .taskEnded(let line): ended(line)
    case .usage(let report):
      lastUsage = report
      if habits.pays { payWhatIsDue(report.owedSat) }
    case .statement(let body, let signature): stated(body, signature)
    case .standing(let standing, _): self.standing = standing
    case .leaving(_, let text):
      leaving = String(decoding: text, as: UTF8.self)
      isEnding = true
    case .receipt(let body, let signature, let closes): receipted(body, signature, closes)
    case .closeSigned(let close): closed(close)
    case .refuse(let code, let text):
      refusals.append((code, String(decoding: text, as: UTF8.self)))
    case .topUpAccepted(_, _, let nextKey): accept?.nextKey = nextKey
    default: break
    }
  }

  func greeted(_ subject: CallSubject) {
    say(.welcome(features: PeerFeatures()))
    switch subject {
    case .announcement:
      say(.offer(offer.encode()))
    case .lease(let id):
      guard let contract, contract.id == id, !forgetsLease else {
        return say(.refuse(code: .unknownLease, text: Array("unknown".utf8)))
      }
      say(.state(state))
    }
  }

  var state: LeaseState {
    var paid: [LeaseState.Paid] = []
    for (index, channel) in channels.enumerated() {
      paid.append(
        LeaseState.Paid(
          channel: UInt8(index), sequence: channel.last?.sequence ?? 0, amountSat: channel.paidSat))
    }
    return LeaseState(
      lastTask: ordered.last?.number ?? 0, lines: UInt32(lines.count), chain: chain,
      reservedMs: reservedMs, paid: paid, isEnding: isEnding)
  }

  /// The other side is back: everything that it may have missed is said again, twice.
  func resumed(_ theirs: LeaseState) {
    connection?.isReady = true
    for _ in 0..<2 {
      for index in channels.indices where channels[index].funding != nil {
        say(.funding(channel: UInt8(index), transaction: funding(index).bytes(), output: 0))
        if let last = channels[index].last {
          say(.payment(channel: UInt8(index), payment: last))
        }
      }
      for order in ordered where order.number > theirs.lastTask { say(.task(order)) }
      if isEnding && leaving == nil { say(.end(text: [])) }
    }
    for order in ordered where !refusedTasks.contains(where: { $0.number == order.number }) {
      receive(.standardOutput, of: order.number)
    }
  }

  func bid(_ body: [UInt8]) {
    let bid = try! Bid.decode(body)
    try! bid.check(against: offer)
    bids.append(bid)
    if !habits.acceptsDebt && bid.debt != nil {
      return say(.refuse(code: .debt, text: Array("no such debt".utf8)))
    }
    if habits.signsContract { sign(bid) }
  }

  func sign(_ bid: Bid) {
    let contract = Contract(
      offer: offer, bid: bid, publisher: identity.publicKey, workerIndex: 0,
      terms: terms(0, bid.providerKey, bid.payoutScript))
    self.contract = contract
    lines = []
    chain = .zero
    ordered = []
    receipt = nil
    statement = nil
    leaving = nil
    isEnding = false
    channels = [try! PublisherChannel(terms: contract.terms, secret: secret("channel"))]
    say(.contract(body: contract.encode(), publisherSignature: contract.sign(identity)))
  }

  func terms(
    _ number: UInt8, _ providerKey: [UInt8], _ payoutScript: [UInt8], blocks: UInt32? = nil
  ) -> ChannelTerms {
    ChannelTerms(
      providerKey: providerKey,
      publisherKey: try! Secp256k1.publicKey(of: secret("channel", number)),
      expiryHeight: height + (blocks ?? offer.channelBlocks),
      closeMarginBlocks: offer.closeMarginBlocks, capacitySat: capacitySat,
      reserveSat: ClosingTransaction.reserveSat(
        topRateSatPerKvB: offer.feeLadderSatPerKvB.last!),
      feeLadderSatPerKvB: offer.feeLadderSatPerKvB, payoutScript: payoutScript,
      returnKey: try! Secp256k1.publicKey(of: secret("return", number)))
  }
}
