import Bitcoin
import Bytes
import Capability
import Channel
import Crypto
import Market
import Session
import TestSupport

@testable import Hiring

/// The provider's side of a lease as the protocol has it, in its simplest form, with switches for every
/// kind of misbehaviour. Tasks here are numbers.
final class ScriptedProvider {
  struct Behaviour {
    var hourSat: UInt64 = 400_000
    var networkPsatPerKiB: UInt64 = 0
    var firstPaymentSat: UInt64 = 330
    var maxLossSat: UInt64 = 100
    var debt: Debt?
    var memoryMiB: UInt32 = 256
    var taskMs: UInt64 = 1_000
    var exit: ExitKind = .exited
    var resultBytes = 0
    var corruptsResults = false
    /// Tasks that run at a time.
    var atATime = 1
    /// Use is reported multiplied by this, in tenths.
    var overstatesTenths: UInt64 = 10
    var ignoresStops = false
    /// Hangs up for good when so many payments came.
    var vanishesAfterPayments: Int?
    /// The place is gone when the funding comes.
    var fundsTooLate = false
    var neverStarts = false
    var neverAccepts = false
    /// Orders with these numbers are refused.
    var refuses = Set<UInt32>()
    /// Every message that it sends is sent twice.
    var repeatsItself = false
    /// It never hangs up.
    var staysOnTheLine = false
    /// Its close is never broadcast.
    var keepsClose = false
    /// Why it does not bid.
    var declines: RefusalCode?
  }

  struct Run {
    var order: TaskOrder
    var startedAtMs: UInt64?
    var endedAtMs: UInt64?
    /// How long the lease stood still before the start.
    var stillMs: UInt64 = 0
  }

  unowned let world: World
  let index: Int
  var behaviour: Behaviour
  let identity: Ed25519.KeyPair
  private let payoutScript: [UInt8]
  private let report: [UInt8]

  private var session: SessionMachine?
  private var isReady = false
  private var redialAtMs: UInt64?
  private(set) var isGone = false
  private var wantsDial = true
  private var publisherState: LeaseState?

  // MARK: The lease
  private(set) var contract: Contract?
  private var offer: Offer?
  private(set) var channels: [ProviderChannel] = []
  private var keyCount: UInt8 = 0
  private(set) var isOpen = false
  private(set) var isEnding = false
  private(set) var hasReceiptSigned = false
  private var openedAtMs: UInt64 = 0
  private var reserved = ReservationClock()
  private(set) var runs: [UInt32: Run] = [:]
  /// How often each program ran, by its first argument's text.
  private(set) var executions: [String: Int] = [:]
  private(set) var lines: [TaskLine] = []
  private var linesSent = 0
  private var reportedSat: UInt64 = 0
  private var reportAtMs: UInt64 = 0
  private var reportSequence: UInt64 = 0
  private var saidFinal = false
  private var saidReceipt = false
  private var streams: [StreamId: (kind: StreamKind, key: Bytes32, offset: UInt64)] = [:]
  private(set) var pulled: [Bytes32: Int] = [:]
  private var pulling: [StreamId: Bytes32] = [:]
  private(set) var refusals: [RefusalCode] = []
  private(set) var endedByPublisher: String?
  private(set) var payments = 0
  private(set) var stops: [UInt32] = []
  private var scannedHeight = 0
  private(set) var topUps = 0
  private var standing = Standing.running
  private var still = ReservationClock()
  private var taskEndsAtMs = UInt64.max
  private var heldClosesBroadcast = false

  init(_ world: World, _ behaviour: Behaviour = Behaviour()) {
    self.world = world
    self.behaviour = behaviour
    index = world.providers.count
    identity = Ed25519.KeyPair(seed: Sha256.hash([0x70, UInt8(index)]))
    payoutScript = Script.p2wsh(witnessScript: [0x51, UInt8(index)])
    var signed = CapabilityReport(
      identity: identity.publicKey, blockHeight: 0, blockHash: .zero, unixSeconds: 1,
      architecture: "x86_64", processors: 2, memoryMiB: behaviour.memoryMiB, isolation: 2,
      results: [])
    signed.sign(identity)
    report = signed.encode()
  }

  private var nowMs: UInt64 { world.nowMs }

  private func secret(_ number: UInt8) -> Bytes32 {
    Sha256.hash([0x71, UInt8(index), number, UInt8(truncatingIfNeeded: leases)])
  }
  private var leases = 0
  private func key(_ number: UInt8) -> [UInt8] {
    (try? Secp256k1.publicKey(of: secret(number))) ?? []
  }

  // MARK: The connection

  /// Nothing more comes from it.
  func vanish() {
    isGone = true
    world.hangUp(fromProvider: index)
    session = nil
  }

  func connected() {
    let publisher = (try? TestPublisher.keys()).flatMap { try? HiringSecrets(keys: $0) }
    session = try? SessionMachine(
      role: .initiator, identity: identity, expectedPeer: publisher?.identity.publicKey,
      ephemeral: world.random.bytes32(), nowMs: nowMs, limits: HiringSettings().session)
    isReady = false
    publisherState = nil
    streams = [:]
    pulling = [:]
    inputStreams = [:]
    execInputs = [:]
    execOutputs = [:]
    follow()
  }

  func disconnected() {
    reserved.set(running: false, nowMs: nowMs)
    session = nil
    isReady = false
    if isGone || hasReceiptSigned { return }
    redialAtMs = nowMs + 500
  }

  /// Calls again about the announcement, with a new lease.
  func callAnew() {
    wantsDial = true
    redialAtMs = nil
  }

  func received(_ bytes: [UInt8]) {
    session?.received(bytes, nowMs: nowMs)
    follow()
  }

  func follow() {
    if isGone { return }
    scanChain()
    if wantsDial && world.publisher.machine.record(of: world.pool) != nil {
      wantsDial = false
      world.dial(index)
    }
    while let effect = session?.nextEffect() {
      switch effect {
      case .transmit(let bytes): world.transmit(fromProvider: index, bytes)
      case .established: greet()
      case .control(let bytes):
        if let message = try? SessionMessage.decode(bytes) { handle(message) }
      case .streamOpened(let id, let opening): streamOpened(id, opening)
      case .data(let id, let bytes): dataReceived(id, bytes)
      case .streamEnded(let id): streamEnded(id)
      case .streamReset(let id):
        streams[id] = nil
        pulling[id] = nil
      case .creditAvailable(let id): pump(id)
      case .failed, .closed:
        world.hangUp(fromProvider: index)
        disconnected()
      }
    }
  }

  private func say(_ message: SessionMessage) {
    if session?.isEstablished != true { return }
    for _ in 0..<(behaviour.repeatsItself ? 2 : 1) { _ = session?.sendControl(message.encode()) }
  }

  private func greet() {
    if let contract {
      _ = session?.sendControl(
        SessionMessage.hello(features: PeerFeatures(), subject: .lease(contract.id)).encode())
    } else if let record = world.publisher.machine.record(of: world.pool) {
      let subject = CallSubject.announcement(record.announcement.txid)
      _ = session?.sendControl(
        SessionMessage.hello(features: PeerFeatures(), subject: subject).encode())
    }
  }

  // MARK: Messages

  private func handle(_ message: SessionMessage) {
    switch message {
    case .welcome: break
    case .offer(let bytes): offered(bytes)
    case .contract(let body, _): contracted(body)
    case .refuse(let code, _):
      refusals.append(code)
      if code == .unknownLease { contract = nil }
    case .state(let theirs): compared(theirs)
    case .funding(let channel, let transaction, _): funded(channel, transaction)
    case .task(let order): ordered(order)
    case .taskStop(let number, _):
      stops.append(number)
      if !behaviour.ignoresStops { end(number, .stoppedByPublisher) }
    case .payment(let channel, let payment): paid(channel, payment)
    case .end(let text):
      endedByPublisher = String(decoding: text, as: UTF8.self)
      isEnding = true
      if !behaviour.ignoresStops {
        for number in runs.keys.sorted() { end(number, .stoppedByPublisher) }
      }
    case .receiptSigned:
      hasReceiptSigned = true
      broadcastCloses()
      if !behaviour.staysOnTheLine { session?.close() }
    case .topUp(let body, _): toppedUp(body)
    case .execute(let request): executed(request)
    default: break
    }
    work()
  }

  private func offered(_ bytes: [UInt8]) {
    guard let offer = try? Offer.decode(bytes) else { return }
    self.offer = offer
    if let code = behaviour.declines {
      _ = session?.sendControl(SessionMessage.refuse(code: code, text: []).encode())
      return
    }
    leases += 1
    keyCount = 1
    let share = offer.share
    let perMs = behaviour.hourSat * RateVector.psatPerSat / 3_600_000
    let bid = Bid(
      offerDigest: offer.digest, provider: identity.publicKey, reportDigest: Sha256.hash(report),
      rates: RateVector(
        cpuPsatPerMs: perMs / 2 * 1000 / UInt64(share.milliCpus),
        networkPsatPerKiB: behaviour.networkPsatPerKiB, reservedPsatPerMs: perMs / 2),
      maxLossSat: behaviour.maxLossSat, firstPaymentSat: behaviour.firstPaymentSat,
      payoutScript: payoutScript, providerKey: key(0), debt: behaviour.debt)
    say(.bid(report: report, bid: bid.encode(), signature: bid.sign(identity)))
  }

  private func contracted(_ body: [UInt8]) {
    guard let contract = try? Contract.decode(body), !behaviour.neverAccepts else { return }
    if self.contract == nil {
      self.contract = contract
      channels = []
      addChannel(contract.terms)
    }
    say(.accept(providerSignature: contract.sign(identity), nextKey: key(1)))
  }

  private func addChannel(_ terms: ChannelTerms) {
    let number = UInt8(channels.count)
    let policy = ProviderPolicy(
      closeMarginBlocks: 1, leastLifetimeBlocks: 2, fundingDepth: 1, climbAfterBlocks: 3)
    do {
      channels.append(
        try ProviderChannel(
          terms: terms, secret: secret(number), policy: policy, tipHeight: world.tipHeight))
    } catch { preconditionFailure("channel: " + error.message) }
    keyCount = number + 2
  }

  private func toppedUp(_ body: [UInt8]) {
    guard let contract, let topUp = try? TopUp.decode(body) else { return }
    if Int(topUp.number) == channels.count {
      do {
        try topUp.check(
          against: contract, former: channels.map(\.terms), providerKey: key(topUp.number))
      } catch { preconditionFailure("top-up: " + error.message) }
      addChannel(topUp.terms)
      topUps += 1
    }
    say(
      .topUpAccepted(
        number: topUp.number, providerSignature: topUp.sign(identity),
        nextKey: key(topUp.number + 1)))
  }

  private func compared(_ theirs: LeaseState) {
    if publisherState != nil { return }
    publisherState = theirs
    precondition(reserved.adopt(theirs.reservedMs, nowMs: nowMs), "the reserved time fell back")
    linesSent = Int(theirs.lines)
    var chain = Bytes32.zero
    for line in lines.prefix(linesSent) { chain = line.chain(after: chain) }
    precondition(chain == theirs.chain, "another chain of lines")
    let mark = lines.reduce(into: LineMark()) { $0.append($1) }
    _ = session?.sendControl(
      SessionMessage.state(
        LeaseState(
          lastTask: runs.keys.max() ?? 0, lines: UInt32(lines.count), chain: mark.chain,
          reservedMs: reserved.totalMs(nowMs: nowMs),
          paid: channels.enumerated().map {
            LeaseState.Paid(
              channel: UInt8($0.offset), sequence: $0.element.best?.sequence ?? 0,
              amountSat: $0.element.paidSat)
          }, isEnding: isEnding)
      ).encode())
    isReady = true
    reportAtMs = 0
    if !channels.isEmpty && channels[0].funding == nil, let contract {
      say(.accept(providerSignature: contract.sign(identity), nextKey: key(1)))
    }
    for (number, run) in runs where run.startedAtMs != nil && run.endedAtMs == nil {
      say(.taskState(number: number, state: .started(unixSeconds: 1)))
    }
    if isOpen {
      say(.fundingState(channel: 0, sight: .relayed))
      if standing != .running { say(.standing(standing, text: [])) }
    }
    if saidFinal { saidFinal = false }
    if saidReceipt { saidReceipt = false }
  }

  private func funded(_ channel: UInt8, _ bytes: [UInt8]) {
    guard Int(channel) < channels.count, let transaction = try? Transaction.decode(bytes) else {
      return
    }
    if behaviour.fundsTooLate {
      try? channels[0].fundingOffered(transaction)
      if let close = try? channels[0].signClose(feeRateSatPerKvB: 1000) {
        say(.closeSigned(SignedClose(channel: 0, signatures: close)))
      }
      return
    }
    do { try channels[Int(channel)].fundingOffered(transaction) } catch {
      preconditionFailure("funding: " + error.message)
    }
    world.broadcast(transaction)
    if channel == 0 && !isOpen {
      isOpen = true
      openedAtMs = nowMs
    }
    isReady = true
    say(.fundingState(channel: channel, sight: .relayed))
  }

  private func paid(_ channel: UInt8, _ payment: ChannelPayment) {
    guard Int(channel) < channels.count else { return }
    let isFirst = channels[Int(channel)].paidSat == 0
    precondition(
      !isFirst || payment.amountSat >= behaviour.firstPaymentSat, "a first payment too small")
    let isNew = payment.sequence > (channels[Int(channel)].best?.sequence ?? 0)
    do { try channels[Int(channel)].received(payment) } catch {
      preconditionFailure("payment: " + error.message)
    }
    if isNew { payments += 1 }
    say(.paymentStored(channel: channel, sequence: payment.sequence))
    if let limit = behaviour.vanishesAfterPayments, payments >= limit { vanish() }
  }

  // MARK: Tasks

  private func ordered(_ order: TaskOrder) {
    if let run = runs[order.number] {
      if let line = lines.first(where: { $0.number == order.number }) {
        say(.taskEnded(line))
      } else if run.startedAtMs != nil {
        say(.taskState(number: order.number, state: .started(unixSeconds: 1)))
      }
      return
    }
    if behaviour.refuses.contains(order.number) {
      return say(
        .taskState(number: order.number, state: .refused(.busy, text: Array("full".utf8))))
    }
    runs[order.number] = Run(order: order)
  }

  private func end(_ number: UInt32, _ kind: ExitKind) {
    guard var run = runs[number], run.endedAtMs == nil, let contract else { return }
    run.endedAtMs = nowMs
    runs[number] = run
    let ranMs = ranMs(run)
    let hasRun = run.startedAtMs != nil
    let usage = UsageVector(
      cpuMs: ranMs * UInt64(contract.share.milliCpus) / 1000 * behaviour.overstatesTenths / 10,
      memoryMiBMs: ranMs, wallMs: ranMs)
    let results = kind == .exited ? self.results(number) : []
    lines.append(
      TaskLine(
        number: number, kind: kind, status: 0, usage: usage,
        resultBytes: UInt64(results.count),
        resultDigest: results.isEmpty ? .zero : Sha256.hash(results),
        startedUnixSeconds: hasRun ? 1 : 0))
    pumpAll()
  }

  private func ranMs(_ run: Run) -> UInt64 {
    guard let since = run.startedAtMs else { return 0 }
    return nowMs - since - (still.totalMs(nowMs: nowMs) - run.stillMs)
  }

  private func results(_ number: UInt32) -> [UInt8] {
    [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: behaviour.resultBytes)
  }

  static func output(_ argument: [UInt8]) -> [UInt8] { Array("ran ".utf8) + argument }

  /// The machine's program died and began anew: what ran is lost.
  func restart() {
    for number in runs.keys.sorted() where runs[number]?.endedAtMs == nil { end(number, .lost) }
    world.cut(index)
  }

  // MARK: Money

  private var usage: LeaseUsage {
    var tasks = UsageVector()
    for line in lines { tasks = tasks.adding(line.usage) }
    for run in runs.values {
      guard run.startedAtMs != nil, run.endedAtMs == nil, let contract else { continue }
      let ms = ranMs(run)
      tasks = tasks.adding(
        UsageVector(
          cpuMs: ms * UInt64(contract.share.milliCpus) / 1000 * behaviour.overstatesTenths / 10,
          memoryMiBMs: ms, wallMs: ms))
    }
    if behaviour.networkPsatPerKiB > 0 { tasks.networkKiB += 1 }
    return LeaseUsage(tasks: tasks, reservedMs: reserved.totalMs(nowMs: nowMs))
  }

  var owedSat: UInt64 { contract?.owedSat(usage) ?? 0 }
  var paidSat: UInt64 { channels.reduce(0) { $0 + $1.paidSat } }

  private func statement(_ usage: LeaseUsage, isFinal: Bool) -> Statement? {
    guard let contract else { return nil }
    let mark = lines.prefix(linesSent).reduce(into: LineMark()) { $0.append($1) }
    return Statement(
      contract: contract.id, lines: mark.count, lastTask: mark.lastTask, chain: mark.chain,
      usage: usage, owedSat: contract.owedSat(usage) ?? 0,
      paid: channels.enumerated().filter { $0.element.paidSat > 0 }.map {
        Statement.Paid(channel: UInt8($0.offset), amountSat: $0.element.paidSat)
      }, isFinal: isFinal)
  }

  /// Everything that time or a message lets it do.
  private func work() {
    guard let contract, isOpen, !isGone else { return }
    let isRunning = session?.isEstablished == true && isReady && standing == .running
    reserved.set(
      running: isRunning && !isEnding && !behaviour.neverStarts, nowMs: nowMs)
    startTasks()
    for (number, run) in runs.sorted(by: { $0.key < $1.key }) {
      if run.startedAtMs == nil || run.endedAtMs != nil { continue }
      if ranMs(run) >= behaviour.taskMs { end(number, behaviour.exit) }
    }
    startTasks()
    scheduleTasks()
    guard session?.isEstablished == true, isReady else { return }
    let hasNewLines = linesSent < lines.count
    while linesSent < lines.count {
      say(.taskEnded(lines[linesSent]))
      linesSent += 1
    }
    if hasNewLines && !isEnding, let statement = statement(usage, isFinal: false) {
      say(.statement(body: statement.encode(), providerSignature: statement.sign(identity)))
    }
    let dueSat = max(1, contract.providerMaxLossSat / 2)
    if nowMs >= reportAtMs || owedSat >= reportedSat + dueSat || hasNewLines {
      reportSequence += 1
      reportAtMs = nowMs + UInt64(contract.payoutIntervalMs)
      reportedSat = owedSat
      say(.usage(UsageReport(sequence: reportSequence, usage: usage, owedSat: owedSat)))
    }
    finish()
  }

  private func scheduleTasks() {
    taskEndsAtMs = UInt64.max
    if standing != .running { return }
    for run in runs.values where run.startedAtMs != nil && run.endedAtMs == nil {
      taskEndsAtMs = min(
        taskEndsAtMs, nowMs + behaviour.taskMs - min(ranMs(run), behaviour.taskMs))
    }
  }

  private func startTasks() {
    if behaviour.neverStarts || isEnding || standing != .running || isReady == false { return }
    var running = runs.values.filter { $0.startedAtMs != nil && $0.endedAtMs == nil }.count
    for number in runs.keys.sorted() where running < behaviour.atATime {
      guard let run = runs[number], run.startedAtMs == nil, run.endedAtMs == nil else { continue }
      if !hasBundles(run.order) { return }
      runs[number]?.startedAtMs = nowMs
      runs[number]?.stillMs = still.totalMs(nowMs: nowMs)
      executions[String(decoding: run.order.arguments[1], as: UTF8.self), default: 0] += 1
      running += 1
      say(.taskState(number: number, state: .started(unixSeconds: 1)))
      if run.order.hasInput { openInput(number) }
    }
  }

  private func hasBundles(_ order: TaskOrder) -> Bool {
    var hasAll = true
    for bundle in order.bundles where pulled[bundle.digest] != Int(bundle.sizeBytes) {
      hasAll = false
      if pulling.values.contains(bundle.digest) { continue }
      pulled[bundle.digest] = 0
      let opening = StreamOpening(kind: .fileIn, key: bundle.digest)
      if let id = session?.open(opening, window: 1 << 20) { pulling[id] = bundle.digest }
    }
    return hasAll
  }

  private func finish() {
    if !isEnding || runs.values.contains(where: { $0.endedAtMs == nil }) { return }
    let usage = usage
    if !saidFinal, let final = statement(usage, isFinal: true) {
      saidFinal = true
      say(.statement(body: final.encode(), providerSignature: final.sign(identity)))
    }
    let owedSat = contract?.owedSat(usage) ?? 0
    if paidSat < owedSat || saidReceipt { return }
    saidReceipt = true
    guard let receipt = statement(usage, isFinal: true) else { return }
    var closes: [SignedClose] = []
    for number in channels.indices where channels[number].funding != nil {
      if let close = try? channels[number].signClose(feeRateSatPerKvB: 1000) {
        closes.append(SignedClose(channel: UInt8(number), signatures: close))
      }
    }
    say(
      .receipt(
        body: receipt.encode(), providerSignature: receipt.sign(identity), closes: closes))
  }

  private func broadcastCloses() {
    if behaviour.keepsClose { return }
    for number in channels.indices where channels[number].paidSat > 0 {
      _ = try? channels[number].close(feeRateSatPerKvB: 1000)
      while let effect = channels[number].nextEffect() {
        if case .broadcast(let transaction) = effect { world.broadcast(transaction) }
      }
    }
  }

  /// The owner's word about the lease.
  func stand(_ standing: Standing) {
    self.standing = standing
    still.set(running: standing != .running, nowMs: nowMs)
    say(.standing(standing, text: []))
    work()
    follow()
  }

  func leave() {
    isEnding = true
    say(.leaving(noticeMs: 0, text: Array("bye".utf8)))
    for number in runs.keys.sorted() { end(number, .stoppedByOwner) }
    work()
    follow()
  }

  func wantsHigherLadder(_ rate: UInt32) {
    say(.topUpWanted(topRungSatPerKvB: rate))
    follow()
  }

  // MARK: Exec sessions: each says what it reads

  private var execInputs: [StreamId: UInt32] = [:]
  private var execOutputs: [UInt32: [StreamId]] = [:]

  private func executed(_ request: ExecRequest) {
    guard let contract else { return }
    say(.execStarted(id: request.id))
    let key = ExecRequest.streamKey(contract: contract.id, id: request.id)
    let opening = StreamOpening(kind: .standardInput, key: key)
    if let id = session?.open(opening, window: 65_536) { execInputs[id] = request.id }
  }

  private func execOutputOpened(_ id: StreamId, _ opening: StreamOpening) -> Bool {
    guard let contract else { return false }
    for exec in execInputs.values {
      if opening.key != ExecRequest.streamKey(contract: contract.id, id: exec) { continue }
      execOutputs[exec, default: []].append(id)
      return true
    }
    return false
  }

  // MARK: Streams

  /// What tasks read, by their numbers.
  private(set) var input: [UInt32: [UInt8]] = [:]
  private var inputStreams: [StreamId: UInt32] = [:]

  private func openInput(_ number: UInt32) {
    guard let contract else { return }
    let key = TaskKey.of(contract: contract.id, number: number)
    let offset = UInt64(input[number]?.count ?? 0)
    let opening = StreamOpening(kind: .standardInput, key: key, receiveOffset: offset)
    if let id = session?.open(opening, window: 32_768) { inputStreams[id] = number }
  }

  private func streamOpened(_ id: StreamId, _ opening: StreamOpening) {
    if execOutputOpened(id, opening) { return }
    streams[id] = (opening.kind, opening.key, opening.receiveOffset)
    pump(id)
  }

  private func pumpAll() { for id in streams.keys.sorted(by: { $0.raw < $1.raw }) { pump(id) } }

  private func pump(_ id: StreamId) {
    guard var stream = streams[id], let contract else { return }
    let found = runs.first { TaskKey.of(contract: contract.id, number: $0.key) == stream.key }
    guard let (number, run) = found, run.endedAtMs != nil else { return }
    var bytes: [UInt8]
    switch stream.kind {
    case .standardOutput:
      bytes = run.startedAtMs == nil ? [] : ScriptedProvider.output(run.order.arguments[1])
    case .fileOut:
      bytes = results(number)
      if behaviour.corruptsResults && !bytes.isEmpty { bytes[0] ^= 1 }
    default: bytes = []
    }
    while Int(stream.offset) < bytes.count {
      let taken = session?.send(id, bytes, from: Int(stream.offset)) ?? 0
      stream.offset += UInt64(taken)
      streams[id] = stream
      if taken == 0 { return }
    }
    session?.endStream(id)
    streams[id] = nil
  }

  private func dataReceived(_ id: StreamId, _ bytes: [UInt8]) {
    if let number = inputStreams[id] {
      input[number, default: []] += bytes
      _ = session?.grant(id, bytes: bytes.count)
      return
    }
    if let exec = execInputs[id], let output = execOutputs[exec]?.first {
      _ = session?.send(output, bytes)
      return
    }
    guard let digest = pulling[id] else { return }
    pulled[digest, default: 0] += bytes.count
    _ = session?.grant(id, bytes: bytes.count)
  }

  private func streamEnded(_ id: StreamId) {
    if pulling.removeValue(forKey: id) != nil || inputStreams.removeValue(forKey: id) != nil {
      session?.endStream(id)
    }
    if let exec = execInputs.removeValue(forKey: id) {
      session?.endStream(id)
      for output in execOutputs[exec] ?? [] { session?.endStream(output) }
      say(.execEnded(ExecEnd(id: exec, kind: .exited, status: 3)))
    }
    work()
  }

  // MARK: The chain and time

  private func scanChain() {
    while scannedHeight < world.blocks.count {
      let block = world.blocks[scannedHeight]
      let height = UInt32(scannedHeight)
      scannedHeight += 1
      for number in channels.indices {
        channels[number].tipChanged(height: height, authenticatedHeight: height)
        for transaction in block.transactions {
          if transaction.txid == channels[number].funding?.txid {
            try? channels[number].fundingConfirmed(transaction, height: height)
            say(.fundingState(channel: UInt8(number), sight: .confirmed(height: height)))
          }
          channels[number].spendSeen(transaction, height: height)
        }
        while let effect = channels[number].nextEffect() {
          if case .broadcast(let transaction) = effect { world.broadcast(transaction) }
        }
      }
      work()
    }
  }

  var nextDeadlineMs: UInt64 {
    if isGone { return UInt64.max }
    var earliest = min(redialAtMs ?? UInt64.max, session?.nextDeadlineMs ?? UInt64.max)
    if isOpen && session?.isEstablished == true && !hasReceiptSigned {
      earliest = min(earliest, reportAtMs)
    }
    return min(earliest, taskEndsAtMs)
  }

  func timePassed() {
    if isGone { return }
    if let at = redialAtMs, nowMs >= at {
      redialAtMs = nil
      world.dial(index)
    }
    session?.tick(nowMs: nowMs)
    work()
    follow()
  }
}

extension World {
  /// The pool that the tests are about.
  var pool: Bytes32 { pools.first ?? .zero }
  private var pools: [Bytes32] {
    publisher.disk.pools.keys.sorted()
  }
}
