import Bitcoin
import Bytes
import Capability
import Channel
import Crypto
import Market
import Publisher
import Session

/// A machine that calls a ``FuzzedRun``, which knows its keys and says what the fuzzer wants.
final class FuzzedMachine {
  private static let results = [UInt8](repeating: 9, count: 3000)

  private let identity: Ed25519.KeyPair
  private let channelSecret: Bytes32
  private let report: [UInt8]
  private(set) var call: CallKey?
  var session: SessionMachine?
  /// What the publisher said, to which no honest answer was given yet.
  private var said: [SessionMessage] = []
  private var contract: Contract?
  private var funding: OutPoint?
  private var payment: ChannelPayment?
  private var usage = UsageVector()
  private var reports: UInt64 = 0
  private var outbound: [[UInt8]] = []

  init(_ index: UInt8) {
    identity = Ed25519.KeyPair(seed: Sha256.hash([20, index]))
    channelSecret = Sha256.hash([21, index])
    var report = CapabilityReport(
      identity: identity.publicKey, blockHeight: 0, blockHash: .zero, unixSeconds: 1,
      architecture: "x86_64", processors: 1, memoryMiB: 256, isolation: 2, results: [])
    report.sign(identity)
    self.report = report.encode()
  }

  // MARK: The connection

  func dial(_ key: CallKey, publisher: Bytes32, nowMs: UInt64) {
    call = key
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
    case .contract(let body, _): contract = try? Contract.decode(body)
    case .funding(let outPoint, _): funding = outPoint
    case .payment(let payment): self.payment = payment
    default: break
    }
    if said.count < 50 { said.append(message) }
  }

  // MARK: What it says

  func say(_ message: SessionMessage) { say(raw: message.encode()) }
  func say(raw bytes: [UInt8]) { _ = session?.sendControl(bytes) }

  /// The honest answer to what the publisher said last; a greeting when it said nothing.
  func answer(_ announcement: Bytes32) {
    if said.isEmpty { return say(.hello(announcementTxid: announcement)) }
    switch said.removeFirst() {
    case .offer: bid(flips: nil, announcement)
    case .contract: accept()
    case .funding: say(.funded(height: 3))
    case .payment(let payment): say(.paymentStored(sequence: payment.sequence))
    case .execute(let request): say(.programStarted(id: request.id))
    case .stop:
      say(
        .exited(
          JobExit(kind: .stoppedByPublisher, status: 0, resultBytes: 0, resultDigest: .zero)))
    default: break
    }
  }

  private func accept() {
    guard let contract else { return }
    say(.accept(providerSignature: contract.sign(identity)))
  }

  func bid(flips: Int?, _ announcement: Bytes32) {
    guard let key = try? Secp256k1.publicKey(of: channelSecret) else { return }
    var offer = Samples.offer
    offer.workers = 2
    var bid = Bid(
      offerDigest: offer.digest, provider: .zero, reportDigest: Sha256.hash(report),
      rates: RateVector(cpuPsatPerMs: 1_000_000, wallPsatPerMs: 5),
      payoutScript: Samples.payoutScript, providerKey: key)
    bid.sign(identity)
    var body = bid.encode()
    if let flips, !body.isEmpty { body[flips % body.count] ^= UInt8(1 << (flips & 7)) }
    say(.bid(report: report, bid: body))
  }

  func tellUsage(_ input: inout FuzzInput) {
    usage.cpuMs &+= UInt64(input.u8()) << [0, 8, 40, 56][input.below(4)]
    usage.wallMs &+= UInt64(input.u16())
    usage.memoryMiBMs &+= UInt64(input.u16())
    reports += UInt64(input.below(3))
    let owedSat = contract.flatMap { Price.owedSat($0.rates, usage) } ?? 0
    say(
      .usage(
        UsageReport(
          sequence: reports, usage: usage, owedSat: owedSat &+ UInt64(input.below(3)),
          isFrozen: input.below(8) == 7)))
  }

  func exit(_ input: inout FuzzInput) {
    let kinds: [ExitKind] = [.exited, .exited, .stoppedByPublisher]
    let isHuge = input.below(8) == 7
    let count = isHuge ? UInt64.max >> UInt64(input.below(60)) : UInt64(input.u16())
    let isHonest = count == UInt64(FuzzedMachine.results.count)
    say(
      .exited(
        JobExit(
          kind: kinds[input.below(3)], status: Int32(input.below(3)), resultBytes: count,
          resultDigest: isHonest ? Sha256.hash(FuzzedMachine.results) : Sha256.hash([1]))))
  }

  func signReceipt(_ input: inout FuzzInput) {
    guard let contract else { return }
    let isLie = input.below(4) == 3
    let receipt = Receipt(
      contract: contract.id, usage: usage,
      owedSat: (Price.owedSat(contract.rates, usage) ?? 0) &+ (isLie ? 1 << 20 : 0),
      paidSat: payment?.amountSat ?? 0, payments: payment?.sequence ?? 0, exitKind: .exited,
      exitStatus: 0, resultDigest: .zero, startedUnixSeconds: 1, endedUnixSeconds: 2)
    say(.receipt(body: receipt.encode(), providerSignature: receipt.sign(identity)))
  }

  func resume(_ input: inout FuzzInput) {
    say(
      .resume(
        ResumeState(
          contract: contract?.id ?? .zero, phase: JobPhase(rawValue: UInt8(input.below(7)))!,
          paymentSequence: payment?.sequence ?? UInt64(input.u8()),
          paidSat: payment?.amountSat ?? UInt64(input.u16()), bundleBytes: UInt64(input.u16()),
          resultBytes: UInt64(input.u16()))))
  }

  /// As the machine would broadcast it, at the lowest rung.
  var close: Transaction? {
    guard let contract, let funding, let payment else { return nil }
    return ClosingTransaction.build(
      contract.terms, funding: funding, amountSat: payment.amountSat, rung: 0)
  }

  // MARK: Streams

  func openStream(_ input: inout FuzzInput) {
    guard let kind = StreamKind(rawValue: UInt8(1 + input.below(6))) else { return }
    let offset = [0, 1, UInt64(input.u8()), UInt64.max][input.below(4)]
    let id = contract?.id ?? .zero
    let isProgram = input.below(4) == 3
    _ = session?.open(
      StreamOpening(
        kind: kind, key: isProgram ? ProgramRequest.streamKey(contract: id, id: 1) : id,
        sendOffset: offset, receiveOffset: offset),
      window: 65_536)
  }

  /// Sends results, or as many bytes of something else, on every stream; grants more.
  func sendOnStreams(_ count: Int) {
    for id in session?.openStreams ?? [] {
      guard let opening = session?.opening(of: id) else { continue }
      let start = Int(min(opening.receiveOffset, UInt64(FuzzedMachine.results.count)))
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
