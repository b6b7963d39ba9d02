import Bitcoin
import Bytes
import Capability
import Channel
import Crypto
import Market
import Session
import TestSupport
@testable import Hiring

/// What its publisher says.
extension ScriptedProvider {
  // MARK: Messages

  func handle(_ message: SessionMessage) {
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

  func offered(_ bytes: [UInt8]) {
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

  func contracted(_ body: [UInt8]) {
    guard let contract = try? Contract.decode(body), !behaviour.neverAccepts else { return }
    if self.contract == nil {
      self.contract = contract
      channels = []
      addChannel(contract.terms)
    }
    say(.accept(providerSignature: contract.sign(identity), nextKey: key(1)))
  }

  func addChannel(_ terms: ChannelTerms) {
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

  func toppedUp(_ body: [UInt8]) {
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

  func compared(_ theirs: LeaseState) {
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

  func funded(_ channel: UInt8, _ bytes: [UInt8]) {
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

  func paid(_ channel: UInt8, _ payment: ChannelPayment) {
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

  func ordered(_ order: TaskOrder) {
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

  func end(_ number: UInt32, _ kind: ExitKind) {
    guard var run = runs[number], run.endedAtMs == nil, let contract else { return }
    run.endedAtMs = nowMs
    runs[number] = run
    let ranMs = ranMs(run)
    let hasRun = run.startedAtMs != nil
    let usage = UsageVector(
      cpuMs: ranMs * UInt64(contract.share.milliCpus) / 1000 * behaviour.overstatesTenths / 10,
      memoryMiBMs: ranMs, wallMs: ranMs)
    let hasResults = kind == .exited || (hasRun && kind == .stoppedByPublisher)
    let results = hasResults ? self.results(number) : []
    lines.append(
      TaskLine(
        number: number, kind: kind, status: 0, usage: usage,
        resultBytes: UInt64(results.count),
        resultDigest: results.isEmpty ? .zero : Sha256.hash(results),
        startedUnixSeconds: hasRun ? 1 : 0))
    pumpAll()
  }

  func ranMs(_ run: Run) -> UInt64 {
    guard let since = run.startedAtMs else { return 0 }
    return nowMs - since - (still.totalMs(nowMs: nowMs) - run.stillMs)
  }

  func results(_ number: UInt32) -> [UInt8] {
    [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: behaviour.resultBytes)
  }

  static func output(_ argument: [UInt8]) -> [UInt8] { Array("ran ".utf8) + argument }

  /// The machine's program died and began anew: what ran is lost.
  func restart() {
    for number in runs.keys.sorted() where runs[number]?.endedAtMs == nil { end(number, .lost) }
    world.cut(index)
  }
}
