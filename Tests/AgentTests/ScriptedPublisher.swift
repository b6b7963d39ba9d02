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

  private final class Connection {
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
  private(set) var contract: Contract?
  private(set) var accept: (signature: [UInt8], nextKey: [UInt8])?
  private(set) var channels: [PublisherChannel] = []
  private(set) var lines: [TaskLine] = []
  private(set) var chain = Bytes32.zero
  private(set) var ordered: [TaskOrder] = []
  private(set) var refusedTasks: [(number: UInt32, code: RefusalCode)] = []
  private(set) var startedTasks: [UInt32] = []
  private(set) var statement: Statement?
  private(set) var receipt: Statement?
  private(set) var closes: [SignedClose] = []
  private(set) var lastUsage: UsageReport?
  private(set) var standing = Standing.running
  private(set) var sights: [UInt8: FundingSight] = [:]
  private(set) var leaving: String?
  private(set) var refusals: [(code: RefusalCode, text: String)] = []
  private(set) var messages: [SessionMessage] = []
  private(set) var bids: [Bid] = []
  private(set) var isEnding = false
  var bundles: [Bytes32: [UInt8]] = [:]
  /// Stream bytes by task key and kind.
  private(set) var received: [Bytes32: [StreamKind: [UInt8]]] = [:]
  private(set) var bundleBytesSent = 0
  var reservedMs: UInt64 = 0
  private(set) var topUps: [TopUp] = []

  private var connection: Connection?
  private var incoming: [StreamId: (key: Bytes32, kind: StreamKind)] = [:]
  private var outgoing: [StreamId: [UInt8]] = [:]
  private var nowMs: UInt64 = 0
  /// Bytes for the wire, by connection.
  private(set) var outbox: [(key: UInt32, bytes: [UInt8])] = []

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

  private func opened(_ id: StreamId, _ opening: StreamOpening) {
    guard opening.kind == .fileIn || opening.kind == .standardInput,
      let bytes = bundles[opening.key]
    else {
      connection?.session.resetStream(id)
      return
    }
    outgoing[id] = Array(bytes[Int(opening.receiveOffset)...])
    pump()
  }

  private func pump() {
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

  private func handle(_ message: SessionMessage) {
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

  private func greeted(_ subject: CallSubject) {
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
  private func resumed(_ theirs: LeaseState) {
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

  private func bid(_ body: [UInt8]) {
    let bid = try! Bid.decode(body)
    try! bid.check(against: offer)
    bids.append(bid)
    if !habits.acceptsDebt && bid.debt != nil {
      return say(.refuse(code: .debt, text: Array("no such debt".utf8)))
    }
    if habits.signsContract { sign(bid) }
  }

  private func sign(_ bid: Bid) {
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

  private func terms(
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

  // MARK: Money

  func fund(_ number: Int = 0) {
    try! channels[number].fundingBuilt(funding(number))
    drainChannels()
    say(.funding(channel: UInt8(number), transaction: funding(number).bytes(), output: 0))
  }

  func topUp(blocks: UInt32) {
    guard let contract, let accept else { return }
    let number = UInt8(channels.count)
    let topUp = TopUp(
      contract: contract.id, number: number,
      terms: terms(number, accept.nextKey, contract.terms.payoutScript, blocks: blocks))
    topUps.append(topUp)
    channels.append(
      try! PublisherChannel(terms: topUp.terms, secret: secret("channel", number)))
    say(.topUp(body: topUp.encode(), publisherSignature: topUp.sign(identity)))
  }

  private func payWhatIsDue(_ owedSat: UInt64) {
    guard let contract else { return }
    let isDue = owedSat >= paidSat + max(1, contract.providerMaxLossSat / 2)
    if (isDue || isEnding) && owedSat > paidSat { pay(owedSat) }
  }

  func pay(_ owedSat: UInt64) {
    guard let contract else { return }
    let fill = channels.map {
      ChannelFill.Channel(
        paidSat: $0.paidSat, maxPayableSat: $0.terms.maxPayableSat, takesPayments: $0.isOpen)
    }
    guard
      let next = ChannelFill.next(
        owedSat: owedSat, fill, firstPaymentSat: contract.firstPaymentSat)
    else { return }
    try! channels[next.place].pay(amountSat: next.totalSat)
    drainChannels(next.place)
  }

  private func drainChannels(_ place: Int = 0) {
    for index in channels.indices {
      while let effect = channels[index].nextEffect() {
        if case .send(let payment) = effect {
          say(.payment(channel: UInt8(index), payment: payment))
        }
      }
    }
  }

  // MARK: Work

  func order(
    _ number: UInt32, _ program: String, bundles: [Bytes32]? = nil, memoryMiB: UInt32 = 16,
    results: UInt64 = 0, stopMs: UInt32 = 0, wallMs: UInt64 = 3_600_000, hasInput: Bool = false
  ) -> TaskOrder {
    var refs: [BundleRef] = []
    for digest in bundles ?? [addBundle([7, 7, 7])] {
      refs.append(
        BundleRef(digest: digest, sizeBytes: UInt64(self.bundles[digest]?.count ?? 3)))
    }
    return TaskOrder(
      number: number, bundles: refs, arguments: [Array(program.utf8)],
      limits: TaskLimits(
        memoryMiB: memoryMiB, milliCpus: 500, pids: 8, diskMiB: 1, wallMs: wallMs),
      stopMs: stopMs, hasInput: hasInput, maxResultBytes: results)
  }

  @discardableResult
  func addBundle(_ bytes: [UInt8]) -> Bytes32 {
    let digest = Sha256.hash(bytes)
    bundles[digest] = bytes
    return digest
  }

  func send(_ order: TaskOrder) {
    ordered.append(order)
    say(.task(order))
    receive(.standardOutput, of: order.number)
  }

  func run(_ number: UInt32, _ program: String) { send(order(number, program)) }

  private func ended(_ line: TaskLine) {
    if lines.contains(where: { $0.number == line.number }) { return }
    lines.append(line)
    chain = line.chain(after: chain)
    if habits.storesLines { say(.linesStored(count: UInt32(lines.count))) }
  }

  func end() {
    isEnding = true
    say(.end(text: Array("done".utf8)))
  }

  // MARK: Documents

  private func check(_ body: [UInt8], _ signature: [UInt8]) -> Statement? {
    guard let contract, let statement = try? Statement.decode(body),
      (try? statement.verify(signature, by: contract.provider)) != nil,
      (try? statement.check(against: contract)) != nil,
      statement.lines == UInt32(lines.count), statement.chain == chain
    else { return nil }
    var sum = UsageVector()
    for line in lines { sum = sum.adding(line.usage) }
    return statement.usage.tasks.isAtLeast(sum) ? statement : nil
  }

  private func stated(_ body: [UInt8], _ signature: [UInt8]) {
    guard let statement = check(body, signature) else {
      refusals.append((.badMessage, "a statement that does not fit the lines"))
      return
    }
    self.statement = statement
    if habits.signsStatements {
      say(
        .statementSigned(digest: statement.digest, publisherSignature: statement.sign(identity)))
    }
  }

  private func receipted(_ body: [UInt8], _ signature: [UInt8], _ closes: [SignedClose]) {
    guard let statement = check(body, signature), statement.isFinal else {
      refusals.append((.badMessage, "a receipt that does not fit the lines"))
      return
    }
    receipt = statement
    self.closes = closes
    for close in closes { closed(close) }
    if habits.signsReceipt { say(.receiptSigned(publisherSignature: statement.sign(identity))) }
  }

  private func closed(_ close: SignedClose) {
    if !closes.contains(close) { closes.append(close) }
    try! channels[Int(close.channel)].closeReceived(close.signatures)
    drainChannels()
  }
}
