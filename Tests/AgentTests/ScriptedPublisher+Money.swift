import Bitcoin
import Bytes
import Channel
import Crypto
import Market
import Session

/// What it pays, sends to run and stores.
extension ScriptedPublisher {
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

  func payWhatIsDue(_ owedSat: UInt64) {
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

  func drainChannels(_ place: Int = 0) {
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

  func ended(_ line: TaskLine) {
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

  func check(_ body: [UInt8], _ signature: [UInt8]) -> Statement? {
    guard let contract, let statement = try? Statement.decode(body),
      (try? statement.verify(signature, by: contract.provider)) != nil,
      (try? statement.check(against: contract)) != nil,
      statement.lines == UInt32(lines.count), statement.chain == chain
    else { return nil }
    var sum = UsageVector()
    for line in lines { sum = sum.adding(line.usage) }
    return statement.usage.tasks.isAtLeast(sum) ? statement : nil
  }

  func stated(_ body: [UInt8], _ signature: [UInt8]) {
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

  func receipted(_ body: [UInt8], _ signature: [UInt8], _ closes: [SignedClose]) {
    guard let statement = check(body, signature), statement.isFinal else {
      refusals.append((.badMessage, "a receipt that does not fit the lines"))
      return
    }
    receipt = statement
    self.closes = closes
    for close in closes { closed(close) }
    if habits.signsReceipt { say(.receiptSigned(publisherSignature: statement.sign(identity))) }
  }

  func closed(_ close: SignedClose) {
    if !closes.contains(close) { closes.append(close) }
    try! channels[Int(close.channel)].closeReceived(close.signatures)
    drainChannels()
  }
}
