import Agent
import Bitcoin
import Bytes
import Channel
import Crypto
import Foundation
import LightClient
import Market
import Sandbox
import Session

/// An agent, a publisher whom the fuzzer plays over a real session, the chain, and the sandbox.
final class FuzzedAgent {
  static let bundle = [UInt8](repeating: 0x5a, count: 700)

  private let agent: AgentMachine
  private var nowMs: UInt64 = 1000
  private var tipHeight: UInt32 = 100
  private var key: JobKey?
  private var isConnected = false
  private var session: SessionMachine?
  /// What the agent said, to which no honest answer was given yet.
  private var said: [SessionMessage] = []
  private var bid: Bid?
  private var contract: Contract?
  private var funding: Transaction?
  private var sequence: UInt64 = 0
  private var amountSat: UInt64 = 0
  private var usage = UsageSample()
  private var isSandboxed = false
  private var storedSat: UInt64 = 0

  init() {
    var configuration = Configuration()
    configuration.hourSat = 100
    var counter: UInt8 = 0
    agent = AgentMachine(
      configuration: configuration, network: .regtest,
      secrets: AgentSecrets(seed: Sha256.hash([5])),
      payoutScript: Samples.payoutScript,
      machine: MachineFacts(processors: .all, isolation: .full, memoryMiB: 512, milliCpus: 2000),
      report: [1, 2, 3],
      random: {
        counter &+= 1
        return Sha256.hash([6, counter])
      })
    agent.started(now, tipHeight: tipHeight)
    tell(.synced(height: tipHeight))
    tell(.transactionSeen(Samples.transaction))
  }

  private var now: Instant { Instant(nowMs: nowMs, unixSeconds: 1_700_000_000 + nowMs / 1000) }

  private func tell(_ event: LightClientEvent) {
    agent.chainTold(event, now, authenticatedHeight: tipHeight, feeRateSatPerVb: 2)
  }

  // MARK: What happens

  func step(_ input: inout FuzzInput) {
    switch input.below(20) {
    case 0: answer()
    case 1: _ = session?.sendControl(input.piece())
    case 2: pay(extraSat: input.u16())
    case 3: nameFunding(isWrong: input.below(4) == 3)
    case 4: mine(input.below(4))
    case 5:
      tipHeight += UInt32(input.u8())
      tell(.tipChanged(height: tipHeight, hash: .zero))
    case 6: say(.stop(text: []))
    case 7: hangUp()
    case 8: pass(UInt64(input.u16()) << 4)
    case 9: openStream(&input)
    case 10: sendBundle(input.u16())
    case 11: sandboxHappens(&input)
    case 12:
      guard let key else { return }
      let isError = input.below(2) == 1
      let count = min(input.u16(), agent.outputRoom(key, isError: isError))
      agent.outputRead(key, [UInt8](repeating: 1, count: count), isError: isError, now)
    case 13: grantAll()
    case 14: endStreams(input.below(8))
    case 15: signReceipt(isWrong: input.below(4) == 3)
    case 16: resume(phase: input.below(7))
    case 17: say(.refuse(code: RefusalCode(rawValue: UInt8(input.below(9)))!, text: []))
    case 18:
      guard let key else { return }
      if input.below(2) == 0 {
        agent.transportIsBlocked(key, input.below(2) == 0, now)
      } else {
        agent.inputTaken(key, count: input.u16(), now)
      }
    default: if input.below(4) == 3 { agent.stopRequested(now) } else { pass(1000) }
    }
    flush()
  }

  private func say(_ message: SessionMessage) { _ = session?.sendControl(message.encode()) }

  private func pass(_ ms: UInt64) {
    nowMs += ms
    session?.tick(nowMs: nowMs)
    agent.timePassed(now)
  }

  private func hangUp() {
    guard let key, isConnected else { return }
    isConnected = false
    session = nil
    agent.publisherDisconnected(key, now)
  }

  /// The honest answer to what the agent said last.
  private func answer() {
    guard !said.isEmpty else { return }
    switch said.removeFirst() {
    case .hello: say(.offer(Samples.offer.encode()))
    case .bid(_, let body):
      guard let bid = try? Bid.decode(body) else { return }
      self.bid = bid
      let contract = Contract(
        offer: Samples.offer, bid: bid, publisher: Samples.publisher.publicKey, workerIndex: 0,
        bundleDigest: Sha256.hash(FuzzedAgent.bundle),
        bundleBytes: UInt64(FuzzedAgent.bundle.count), publisherKey: Samples.publisherKey,
        changeScript: Samples.changeScript, expiryHeight: 300, capacitySat: 100_000)
      self.contract = contract
      funding = Transaction(
        inputs: [TransactionInput(previous: Samples.funding)],
        outputs: [
          TransactionOutput(
            amountSat: 100_000, scriptPubKey: ChannelScript.scriptPubKey(contract.terms))
        ])
      say(
        .contract(
          body: contract.encode(), publisherSignature: contract.sign(Samples.publisher)))
    case .accept: nameFunding(isWrong: false)
    case .funded: pay(extraSat: 0)
    case .usage(let report): pay(extraSat: Int(min(report.owedSat, 50_000)))
    case .receipt: signReceipt(isWrong: false)
    case .resume: resume(phase: 3)
    default: break
    }
  }

  private func pay(extraSat: Int) {
    guard let contract, let funding else { return }
    let payable = max(amountSat, Samples.offer.openingPaymentSat) + UInt64(extraSat)
    let payment = try? ChannelPayment.sign(
      contract.terms, funding: OutPoint(txid: funding.txid, index: 0), sequence: sequence + 1,
      amountSat: payable, secret: Samples.publisherSecret)
    guard let payment else { return }
    sequence += 1
    amountSat = payable
    say(.payment(payment))
  }

  private func nameFunding(isWrong: Bool) {
    guard let funding else { return }
    say(
      .funding(
        outPoint: OutPoint(txid: isWrong ? .zero : funding.txid, index: isWrong ? 7 : 0),
        amountSat: 100_000))
  }

  /// A block with the funding, with one that pays too little, with a spend; or none any more.
  private func mine(_ what: Int) {
    guard var funding else { return }
    if what == 3 {
      tell(.blocksDisconnected(fromHeight: tipHeight, toHeight: tipHeight - 1))
      tipHeight -= 1
      return
    }
    if what == 1 { funding.outputs[0].amountSat = UInt64.max }
    var transaction = funding
    if what == 2 {
      transaction = Transaction(
        inputs: [
          TransactionInput(
            previous: OutPoint(txid: funding.txid, index: 0), witness: [[], [1], [1], [2]])
        ],
        outputs: [
          TransactionOutput(amountSat: .max, scriptPubKey: Samples.payoutScript),
          TransactionOutput(amountSat: .max, scriptPubKey: Samples.changeScript),
          TransactionOutput(amountSat: 5, scriptPubKey: Samples.changeScript),
        ])
    }
    tipHeight += 1
    tell(.tipChanged(height: tipHeight, hash: .zero))
    let block = Block(header: Network.regtest.genesis, transactions: [transaction])
    tell(.blockMatched(height: tipHeight, block: block))
  }

  private func openStream(_ input: inout FuzzInput) {
    guard let kind = StreamKind(rawValue: UInt8(1 + input.below(6))) else { return }
    let offset = [0, 1, UInt64(input.u8()), UInt64.max][input.below(4)]
    _ = session?.open(
      StreamOpening(
        kind: kind, key: contract?.id ?? .zero, sendOffset: offset, receiveOffset: offset),
      window: 65_536)
  }

  /// Sends what the agent asked for on the streams that it opened, or something else.
  private func sendBundle(_ count: Int) {
    for id in session?.openStreams ?? [] {
      guard let opening = session?.opening(of: id) else { continue }
      let start = Int(min(opening.sendOffset, UInt64(FuzzedAgent.bundle.count)))
      let rest = Array(FuzzedAgent.bundle[start...])
      _ = session?.send(id, count == 0 ? rest : [UInt8](repeating: 0x5a, count: count))
    }
  }

  private func grantAll() {
    for id in session?.openStreams ?? [] { _ = session?.grant(id, bytes: 100_000) }
  }

  private func endStreams(_ choice: Int) {
    let ids = session?.openStreams ?? []
    if ids.isEmpty { return }
    let id = ids[choice % ids.count]
    if choice < 4 { session?.endStream(id) } else { session?.resetStream(id) }
  }

  private func sandboxHappens(_ input: inout FuzzInput) {
    guard let key, isSandboxed else { return }
    switch input.below(4) {
    case 0: agent.jobStarted(key, now)
    case 1:
      usage.cpuMs += UInt64(input.u8()) << 16
      usage.wallMs += 50
      agent.usageSampled(key, usage, now)
    case 2:
      let outcomes: [JobOutcome] = [
        .exited(status: 0), .outOfMemory, .terminated(.publisher), .lost,
        .bundleRefused(.badChecksum(offset: 0)), .notExecutable(code: 2),
      ]
      agent.sandboxEnded(key, outcomes[input.below(6)], now)
    default: pass(UInt64(input.u8()))
    }
  }

  private func signReceipt(isWrong: Bool) {
    guard let contract else { return }
    // The agent's last word stands in what it said; an honest publisher signs exactly that.
    for case .receipt(let body, _) in said.reversed() {
      guard let receipt = try? Receipt.decode(body) else { continue }
      return say(.receiptSigned(publisherSignature: receipt.sign(Samples.publisher)))
    }
    if isWrong { say(.receiptSigned(publisherSignature: contract.sign(Samples.publisher))) }
  }

  private func resume(phase: Int) {
    say(
      .resumeState(
        ResumeState(
          contract: contract?.id ?? .zero, phase: JobPhase(rawValue: UInt8(phase))!,
          paymentSequence: sequence, paidSat: amountSat, bundleBytes: 0, resultBytes: 0)))
  }

  // MARK: What must hold

  /// Lets bytes flow from the publisher to the agent.
  private func flush() {
    while let effect = session?.nextEffect() {
      switch effect {
      case .transmit(let bytes): if let key, isConnected { agent.received(bytes, from: key, now) }
      case .control(let bytes):
        if let message = try? SessionMessage.decode(bytes) { said.append(message) }
      default: break
      }
    }
    if said.count > 50 { said.removeFirst(said.count - 50) }
  }

  func drain() throws(FuzzFinding) {
    var count = 0
    while let effect = agent.nextEffect() {
      count += 1
      try require(count < 5000, "effects come to an end")
      try carryOut(effect)
    }
    flush()

  }

  private func carryOut(_ effect: AgentEffect) throws(FuzzFinding) {
    switch effect {
    case .dial(let dialled, _, _):
      key = dialled
      isConnected = true
      session = try? SessionMachine(
        role: .responder, identity: Samples.publisher, expectedPeer: nil,
        ephemeral: Sha256.hash([7]), nowMs: nowMs)
      agent.publisherConnected(dialled, now)
    case .transmit(let to, let bytes):
      try require(to == key && isConnected, "nothing is sent to nobody")
      session?.received(bytes, nowMs: nowMs)
      flush()
    case .hangUp(let from):
      try require(from == key, "only what was dialled is hung up")
      isConnected = false
      session = nil
    case .storeChannel(_, _, let amountSat, _):
      try require(amountSat >= storedSat, "what was paid never falls")
      storedSat = amountSat
    case .startSandbox:
      try require(
        storedSat >= Samples.offer.openingPaymentSat, "no work before the opening payment is kept")
      isSandboxed = true
    case .broadcast(let transaction):
      try require(
        transaction.outputs.first?.scriptPubKey == Samples.payoutScript, "a close pays the owner")
    case .sampleUsage(let key): agent.usageSampled(key, usage, now)
    case .terminate(let key, let reason): agent.sandboxEnded(key, .terminated(reason), now)
    case .collectResults(let key, let limit):
      try require(limit <= Samples.offer.maxResultBytes, "results are bounded")
      agent.resultsCollected(key, sizeBytes: 40_000, digest: Sha256.hash([8]), now)
    case .readResults(let key, let offset, let count):
      try require(offset < 40_000 && count > 0, "only what there is is read")
      let bytes = [UInt8](repeating: 9, count: min(count, 40_000 - Int(offset)))
      agent.resultBytes(key, bytes, offset: offset, now)
    case .destroySandbox(let key):
      isSandboxed = false
      agent.sandboxDestroyed(key, now)
    case .loadBundle(let key, _, _): agent.bundleLoaded(key, isStaged: false, now)
    case .program(let key, let id, let action):
      try require(isSandboxed || action == .end, "programs run beside a job only")
      carryOut(action, id, key)
    case .log(_, let text):
      try require(!text.utf8.contains { $0 < 0x20 || $0 == 0x7f }, "strangers command no terminal")
    case .cacheBundle, .watch, .unwatch, .forget, .storeJob, .archiveChannel, .stageBundle,
      .dropBundle,
      .writeInput, .closeInput, .freeze, .thaw, .eraseTraces:
      break
    }
  }

  private func carryOut(_ action: ProgramAction, _ id: UInt32, _ key: JobKey) {
    switch action {
    case .start:
      agent.programStarted(key, id, now)
      agent.programOutputRead(key, id, [1, 2, 3], isError: id % 2 == 1, now)
    case .input(let bytes): agent.programInputTaken(key, id, count: bytes.count, now)
    case .closeInput: agent.programEnded(key, id, .exited(status: 0), now)
    case .signal(let number): agent.programEnded(key, id, .signalled(number), now)
    case .resize, .end: break
    }
  }

  /// What the status socket tells is JSON, whoever talks to the agent, and its sums fit.
  func checkStatus() throws(FuzzFinding) {
    var sumSat: UInt64 = 0
    for job in agent.jobSummaries {
      let json = Data(job.json.utf8)
      try require(
        (try? JSONSerialization.jsonObject(with: json)) is [String: Any], "the status is JSON")
      for amountSat in [job.owedSat, job.paidSat] {
        let (sum, overflows) = sumSat.addingReportingOverflow(amountSat)
        try require(!overflows, "the status has room for its sums")
        sumSat = sum
      }
    }
    try require(!agent.pauseText.utf8.contains { $0 < 0x20 }, "the status is plain text")
  }

  /// The publisher goes away for good: the agent must come to rest.
  func finish() throws(FuzzFinding) {
    hangUp()
    agent.stopRequested(now)
    try drain()
    for _ in 0..<20 {
      let deadlineMs = agent.nextDeadlineMs
      if deadlineMs == UInt64.max { break }
      nowMs = max(nowMs, deadlineMs)
      agent.timePassed(now)
      try drain()
      try require(agent.nextDeadlineMs > nowMs, "a deadline that has passed is not asked for again")
    }
  }
}
