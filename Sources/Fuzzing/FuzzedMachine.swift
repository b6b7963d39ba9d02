import Bitcoin
import Bytes
import Capability
import Channel
import Crypto
import Hiring
import Market
import Session

/// A machine that calls a ``FuzzedRun``, which knows its keys and says what the fuzzer wants.
final class FuzzedMachine {
  private static let results = [UInt8](repeating: 9, count: 3000)

  private let identity: Ed25519.KeyPair
  private let index: UInt8
  private let report: [UInt8]
  private(set) var call: CallKey?
  var session: SessionMachine?
  /// What the publisher said, to which no honest answer was given yet.
  private var said: [SessionMessage] = []
  private var contract: Contract?
  private var terms: [ChannelTerms] = []
  private var fundings: [UInt8: Transaction] = [:]
  private var payments: [UInt8: ChannelPayment] = [:]
  private var usage = LeaseUsage()
  private var reports: UInt64 = 0
  private var lines: UInt32 = 0
  private var chain = Bytes32.zero
  private var lastTask: UInt32 = 0
  /// The highest number of a line.
  private var lastLine: UInt32 = 0
  private var outbound: [[UInt8]] = []

  init(_ index: UInt8) {
    self.index = index
    identity = Ed25519.KeyPair(seed: Sha256.hash([20, index]))
    var report = CapabilityReport(
      identity: identity.publicKey, blockHeight: 0, blockHash: .zero, unixSeconds: 1,
      architecture: "x86_64", processors: 1, memoryMiB: 256, isolation: 2, results: [])
    report.sign(identity)
    self.report = report.encode()
  }

  // MARK: The connection

  func dial(_ key: CallKey, publisher: Bytes32, nowMs: UInt64) {
    call = key
    reports = 0
    session = try? SessionMachine(
      role: .initiator, identity: identity, expectedPeer: publisher,
      ephemeral: Sha256.hash([22]), nowMs: nowMs)
  }

  func hungUp() {
    call = nil
    session = nil
    said = []
    outbound = []
  }

  /// What is to be carried to the publisher.
  func nextBytes() -> [UInt8]? {
    while let effect = session?.nextEffect() {
      switch effect {
      case .transmit(let bytes): outbound.append(bytes)
      case .control(let bytes):
        if let message = try? SessionMessage.decode(bytes) { note(message) }
      default: break
      }
    }
    return outbound.isEmpty ? nil : outbound.removeFirst()
  }

  private func note(_ message: SessionMessage) {
    switch message {
    case .contract(let body, _):
      guard let made = try? Contract.decode(body) else { break }
      contract = made
      (terms, fundings, payments) = ([made.terms], [:], [:])
      (usage, lines, chain, lastTask, lastLine) = (LeaseUsage(), 0, .zero, 0, 0)
    case .topUp(let body, _):
      if let topUp = try? TopUp.decode(body), Int(topUp.number) == terms.count {
        terms.append(topUp.terms)
      }
    case .funding(let channel, let transaction, _):
      fundings[channel] = try? Transaction.decode(transaction)
    case .payment(let channel, let payment): payments[channel] = payment
    case .task(let order): lastTask = max(lastTask, order.number)
    default: break
    }
    if said.count < 50 { said.append(message) }
  }

  // MARK: What it says

  func say(_ message: SessionMessage) { say(raw: message.encode()) }
  func say(raw bytes: [UInt8]) { _ = session?.sendControl(bytes) }

  func greet(_ announcement: Bytes32, isResuming: Bool) {
    let lease = contract.map { CallSubject.lease($0.id) }
    say(
      .hello(
        features: PeerFeatures(),
        subject: isResuming ? lease ?? .lease(.zero) : .announcement(announcement)))
  }

  /// The honest answer to what the publisher said first of what is not answered yet; a greeting when
  /// it said nothing.
  func answer(_ announcement: Bytes32) {
    if said.isEmpty { return greet(announcement, isResuming: false) }
    switch said.removeFirst() {
    case .offer: bid(flips: nil)
    case .contract:
      guard let contract else { return }
      say(.accept(providerSignature: contract.sign(identity), nextKey: key(1)))
    case .topUp(let body, _):
      guard let topUp = try? TopUp.decode(body) else { return }
      say(
        .topUpAccepted(
          number: topUp.number, providerSignature: topUp.sign(identity),
          nextKey: key(topUp.number + 1)))
    case .funding(let channel, _, _):
      say(.fundingState(channel: channel, sight: .relayed))
    case .payment(let channel, let payment):
      say(.paymentStored(channel: channel, sequence: payment.sequence))
    case .task(let order): say(.taskState(number: order.number, state: .started(unixSeconds: 1)))
    case .taskStop(let number, _): end(number, .stoppedByPublisher, 0)
    case .state: sayState(isWrong: false)
    case .execute(let request): say(.execStarted(id: request.id))
    case .end: sign(isFinal: true, isLie: false)
    case .statementSigned: giveReceipt()
    case .closeWanted(let channel, _): if let close = close(channel) { say(.closeSigned(close)) }
    default: break
    }
  }

  private func secret(_ channel: UInt8) -> Bytes32 { Sha256.hash([21, index, channel]) }
  private func key(_ channel: UInt8) -> [UInt8] {
    (try? Secp256k1.publicKey(of: secret(channel))) ?? []
  }

  func bid(flips: Int?) {
    var offer = Samples.offer
    offer.workers = 2
    let bid = Bid(
      offerDigest: offer.digest, provider: identity.publicKey, reportDigest: Sha256.hash(report),
      rates: RateVector(cpuPsatPerMs: 1_000_000, reservedPsatPerMs: 1_000_000_000),
      maxLossSat: 100, firstPaymentSat: 330, payoutScript: Samples.payoutScript,
      providerKey: key(0))
    var body = bid.encode()
    if let flips { body[flips % body.count] ^= UInt8(1 << (flips & 7)) }
    say(.bid(report: report, bid: body, signature: bid.sign(identity)))
  }

  func tellUsage(_ input: inout FuzzInput) {
    usage.tasks.cpuMs &+= UInt64(input.u8()) << [0, 8, 40, 56][input.below(4)]
    usage.reservedMs &+= UInt64(input.u16())
    usage.tasks.memoryMiBMs &+= UInt64(input.u16())
    reports += UInt64(input.below(3))
    let owedSat = contract?.owedSat(usage) ?? 0
    say(
      .usage(
        UsageReport(
          sequence: reports, usage: usage, owedSat: owedSat &+ UInt64(input.below(3)))))
  }

  func exit(_ input: inout FuzzInput) {
    let kinds: [ExitKind] = [.exited, .exited, .stoppedByPublisher]
    let number = input.below(4) == 3 ? UInt32(input.u8()) : lastTask
    end(max(number, 1), kinds[input.below(3)], input.u16())
  }

  private func end(_ number: UInt32, _ kind: ExitKind, _ resultBytes: Int) {
    let isHonest = resultBytes == FuzzedMachine.results.count
    let line = TaskLine(
      number: number, kind: kind, status: 0, usage: UsageVector(wallMs: 5),
      resultBytes: UInt64(resultBytes),
      resultDigest: isHonest ? Sha256.hash(FuzzedMachine.results) : .zero, startedUnixSeconds: 1)
    usage.tasks = usage.tasks.adding(line.usage)
    lines += 1
    lastLine = max(lastLine, number)
    chain = line.chain(after: chain)
    say(.taskEnded(line))
  }

  func sign(isFinal: Bool, isLie: Bool) {
    guard let statement = statement(isFinal: isFinal, isLie: isLie) else { return }
    say(.statement(body: statement.encode(), providerSignature: statement.sign(identity)))
  }

  private func statement(isFinal: Bool, isLie: Bool) -> Statement? {
    guard let contract else { return nil }
    return Statement(
      contract: contract.id, lines: lines, lastTask: lastLine, chain: chain, usage: usage,
      owedSat: (contract.owedSat(usage) ?? 0) &+ (isLie ? 1 << 20 : 0),
      paid: payments.sorted { $0.key < $1.key }.map {
        Statement.Paid(channel: $0.key, amountSat: $0.value.amountSat)
      }, isFinal: isFinal)
  }

  func giveReceipt() {
    guard let statement = statement(isFinal: true, isLie: false) else { return }
    let closes = fundings.keys.sorted().compactMap { close($0) }
    say(
      .receipt(
        body: statement.encode(), providerSignature: statement.sign(identity), closes: closes))
  }

  private func close(_ number: UInt8) -> SignedClose? {
    guard var channel = channel(number),
      let signatures = try? channel.signClose(feeRateSatPerKvB: 0)
    else { return nil }
    return SignedClose(channel: number, signatures: signatures)
  }

  /// The machine's own view of a channel, made anew.
  private func channel(_ number: UInt8) -> ProviderChannel? {
    guard Int(number) < terms.count, let funding = fundings[number] else { return nil }
    var policy = ProviderPolicy()
    policy.leastLifetimeBlocks = 1
    guard
      var channel = try? ProviderChannel(
        terms: terms[Int(number)], secret: secret(number), policy: policy, tipHeight: 1)
    else { return nil }
    do {
      try channel.fundingOffered(funding)
      if let payment = payments[number] { try channel.received(payment) }
    } catch { return nil }
    return channel
  }

  func sayState(isWrong: Bool) {
    say(
      .state(
        LeaseState(
          lastTask: lastTask, lines: isWrong ? lines &+ 7 : lines, chain: chain,
          reservedMs: usage.reservedMs,
          paid: payments.sorted { $0.key < $1.key }.map {
            LeaseState.Paid(
              channel: $0.key, sequence: $0.value.sequence, amountSat: $0.value.amountSat)
          }, isEnding: isWrong)))
  }

  /// As the machine would broadcast it, at the lowest rung.
  var spend: Transaction? {
    try? channel(0)?.closingTransaction(rung: 0)
  }

  // MARK: Streams

  func openStream(_ input: inout FuzzInput) {
    guard let kind = StreamKind(rawValue: UInt8(1 + input.below(6))) else { return }
    let offset = [0, 1, UInt64(input.u8()), UInt64.max][input.below(4)]
    let id = contract?.id ?? .zero
    let keys = [
      TaskKey.of(contract: id, number: 1), Sha256.hash(FuzzedRun.bundle),
      ExecRequest.streamKey(contract: id, id: 1), .zero,
    ]
    _ = session?.open(
      StreamOpening(
        kind: kind, key: keys[input.below(4)], sendOffset: offset, receiveOffset: offset),
      window: 65_536)
  }

  /// Sends results, or as many bytes of something else, on every stream; grants more.
  func sendOnStreams(_ count: Int) {
    for id in session?.openStreams ?? [] {
      guard let opening = session?.opening(of: id) else { continue }
      let start = Int(min(opening.sendOffset, UInt64(FuzzedMachine.results.count)))
      _ = session?.send(
        id,
        count == 0
          ? Array(FuzzedMachine.results[start...]) : [UInt8](repeating: 0x5a, count: count))
      _ = session?.grant(id, bytes: 100_000)
    }
  }

  func endStreams(_ choice: Int) {
    let ids = session?.openStreams ?? []
    if ids.isEmpty { return }
    let id = ids[choice % ids.count]
    if choice < 4 { session?.endStream(id) } else { session?.resetStream(id) }
  }
}
