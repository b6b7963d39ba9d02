import Agent
import Bitcoin
import Bytes
import Capability
import Channel
import Crypto
import Hiring
import Market

extension FuzzTarget {
  /// The documents of the market and of channels; the first byte chooses which.
  static let document = FuzzTarget(
    name: "document",
    run: { (bytes) throws(FuzzFinding) in
      guard let first = bytes.first else { return }
      let kind = kinds[Int(first) % kinds.count]
      try kind.check(Array(bytes.dropFirst()))
    },
    seeds: {
      kinds.enumerated().flatMap { index, kind in kind.seeds().map { [UInt8(index)] + $0 } }
    })

  private struct Kind: Sendable {
    let check: @Sendable ([UInt8]) throws(FuzzFinding) -> Void
    let seeds: @Sendable () -> [[UInt8]]
  }

  /// A document of which only one string of bytes can stand for one value.
  private static func exact(
    _ name: String, _ seeds: @escaping @Sendable () -> [[UInt8]],
    _ again: @escaping @Sendable ([UInt8]) -> [UInt8]?
  ) -> Kind {
    Kind(
      check: { (bytes) throws(FuzzFinding) in
        guard let encoded = again(bytes) else { return }
        try require(encoded == bytes, "one string of bytes stands for a \(name)")
      }, seeds: seeds)
  }

  private static let kinds: [Kind] = [
    exact("announcement", { [Samples.announcement.encode()] }) { bytes in
      guard let read = try? Announcement.decode(bytes) else { return nil }
      _ = (read.json, read.lines, try? read.check(atHeight: 7), read.outputs)
      return read.encode()
    },
    exact("offer", { [Samples.offer.encode()] }) { bytes in
      guard let read = try? Offer.decode(bytes) else { return nil }
      _ = (read.json, read.lines)
      _ = try? read.check(announced: Samples.announcement, network: .zero)
      return read.encode()
    },
    exact("bid", { [Samples.bid.encode()] }) { bytes in
      guard let read = try? Bid.decode(bytes) else { return nil }
      _ = (read.json, read.lines, read.worstHourlySat(Samples.offer))
      return read.encode()
    },
    exact("contract", { [Samples.contract.encode()] }) { bytes in
      guard let read = try? Contract.decode(bytes) else { return nil }
      _ = (read.json, read.lines, try? read.check(against: Samples.offer, Samples.bid))
      _ = FreezeRule(read.rates, read.share, sampleMs: .max)
      _ = read.owedSat(Samples.statement.usage)
      return read.encode()
    },
    exact("signed contract", { [Samples.signedContract.encode()] }) { bytes in
      (try? Signed<Contract>.decode(bytes))?.encode()
    },
    exact("statement", { [Samples.statement.encode()] }) { bytes in
      guard let read = try? Statement.decode(bytes) else { return nil }
      _ = (read.json, try? read.check(against: Samples.contract))
      return read.encode()
    },
    exact("top-up", { [topUp.encode()] }) { bytes in
      guard let read = try? TopUp.decode(bytes) else { return nil }
      _ = try? read.check(
        against: Samples.contract, former: [Samples.terms], providerKey: Samples.providerKey)
      return read.encode()
    },
    exact("task's order", { [Samples.order.encode()] }) { bytes in
      (try? TaskOrder.decode(bytes))?.encode()
    },
    exact("task's line", { [Samples.line.encode()] }) { bytes in
      guard let read = try? TaskLine.decode(bytes) else { return nil }
      _ = read.chain(after: .zero)
      return read.encode()
    },
    exact("capability report", { [report.encode()] }) { bytes in
      guard let read = try? CapabilityReport.decode(bytes) else { return nil }
      _ = (read.json, read.lines)
      return read.encode()
    },
    exact("session message", { sessionMessages.map { $0.encode() } }) { bytes in
      guard let read = try? SessionMessage.decode(bytes) else { return nil }
      // Of later versions this one keeps what it understands.
      switch read {
      case .unknown, .refuse, .taskState(_, .refused): return nil
      default: return read.encode()
      }
    },
    exact("channel's terms", { [Samples.contract.terms.encode()] }) { bytes in
      guard let read = try? ChannelTerms.decode(bytes) else { return nil }
      for amountSat in [0, 1, read.maxPayableSat / 2, read.maxPayableSat] {
        for rung in read.feeLadderSatPerKvB.indices {
          let close = ClosingTransaction.build(
            read, funding: Samples.funding, amountSat: amountSat, rung: rung)
          // Every rung exists for every amount.
          if close == nil { return [] }
        }
      }
      return read.encode()
    },
    exact("payment", { [Samples.payment.encode()] }) { bytes in
      guard let read = try? ChannelPayment.decode(bytes) else { return nil }
      _ = try? read.verify(Samples.contract.terms, funding: Samples.funding)
      return read.encode()
    },
    exact("provider's channel", { [providerState] }) { bytes in
      let channel = try? ProviderChannel(
        restoring: sealed(bytes, "zennet/channel/provider"), secret: Samples.providerSecret,
        policy: ProviderPolicy())
      return channel.map { Array($0.encodedState().dropLast(32)) }
    },
    exact("publisher's channel", { [publisherState] }) { bytes in
      let channel = try? PublisherChannel(
        restoring: sealed(bytes, "zennet/channel/publisher"), secret: Samples.publisherSecret)
      return channel.map { Array($0.encodedState().dropLast(32)) }
    },
    record("agent's lease", { [agentLease] }, Agent.LeaseRecord.decode) { $0.encode() },
    record("pool", { [Records.pool] }, PoolRecord.decode) { $0.encode() },
    record("publisher's lease", { [Records.lease.encode()] }, Hiring.LeaseRecord.decode) {
      $0.encode()
    },
    record("progress of a lease", { [Records.progress.encode()] }, LeaseProgress.decode) {
      $0.encode()
    },
    record("task", { Records.tasks.map { $0.encode() } }, TaskRecord.decode) { $0.encode() },
  ]

  /// What a program stored for itself: it round-trips.
  private static func record<Record: Equatable>(
    _ name: String, _ seeds: @escaping @Sendable () -> [[UInt8]],
    _ decode: @escaping @Sendable ([UInt8]) -> Record?,
    _ encode: @escaping @Sendable (Record) -> [UInt8]
  ) -> Kind {
    Kind(
      check: { (bytes) throws(FuzzFinding) in
        guard let read = decode(bytes) else { return }
        try require(decode(encode(read)) == read, "the record of a \(name) round-trips")
      }, seeds: seeds)
  }

  private static func sealed(_ body: [UInt8], _ tag: String) -> [UInt8] {
    body + Sha256.tagged(tag, body).array
  }
}

// MARK: Seeds

/// The publisher's records.
private enum Records {
  /// As ``PoolRecord/encode()`` has it: the machine alone makes such records.
  static let pool: [UInt8] = {
    var writer = ByteWriter()
    writer.u8(1)
    writer.append(Sha256.hash([40]))
    writer.lengthPrefixed(Samples.offer.encode())
    writer.lengthPrefixed(Samples.announcement.endpoint.host)
    writer.u16le(4500)
    writer.u64le(2000)
    writer.u32le(144)
    writer.u64le(100_000)
    writer.u64le(3_600_000)
    writer.append([7, 1])
    writer.u64le(600_000)
    writer.u64le(UInt64.max)
    writer.u8(3)
    for _ in 0..<3 { writer.u64le(UInt64.max) }
    writer.lengthPrefixed(Samples.transaction.bytes())
    writer.u32le(1)
    writer.u32le(2)
    writer.u64le(3)
    writer.u32le(4)
    writer.append([1, 0, 0])
    return writer.bytes
  }()

  static let lease = Hiring.LeaseRecord(
    pool: Sha256.hash([40]), contract: Samples.signedContract, report: [1, 2], startHeight: 3,
    channels: [
      LeaseChannelRecord(channelIndex: 4),
      LeaseChannelRecord(
        channelIndex: 5, topUp: Signed(topUp, publisherSignature: topUp.sign(Samples.publisher))),
    ], nextProviderKey: Samples.providerKey)

  static let progress: LeaseProgress = {
    var progress = LeaseProgress(stage: .open)
    progress.lastTask = 3
    progress.usage = Samples.statement.usage
    progress.statement = Signed(
      Samples.statement, providerSignature: Samples.statement.sign(Samples.provider))
    return progress
  }()

  static let tasks: [TaskRecord] = {
    let order = Samples.order
    let spec = TaskSpec(
      bundles: order.bundles, arguments: order.arguments, limits: order.limits, worker: 1)
    let lease = Samples.contract.id
    let states: [TaskRecord.State] = [
      .waiting, .assigned(lease: lease, number: 7),
      .line(lease: lease, place: 1, Samples.line, hasResults: true), .lost, .notHired, .stopped,
    ]
    return states.map { TaskRecord(spec: spec, state: $0, losses: 1, failedOn: [lease]) }
  }()
}

/// As ``Agent/LeaseRecord/encode()`` has it: such records come of negotiations only.
private let agentLease: [UInt8] = {
  var writer = ByteWriter()
  writer.append([1, 2, 0])
  writer.append(Sha256.hash([1]))
  writer.lengthPrefixed(Samples.announcement.endpoint.host)
  writer.u16le(4500)
  writer.u8(2)
  writer.u16le(1)
  writer.lengthPrefixed(Samples.signedContract.encode())
  writer.append(Sha256.hash([2]))
  writer.u32le(100)
  writer.u64le(1)
  writer.compactSize(1)
  writer.lengthPrefixed(Signed(topUp, publisherSignature: topUp.sign(Samples.publisher)).encode())
  writer.lengthPrefixed(
    Signed(Samples.statement, providerSignature: Samples.statement.sign(Samples.provider)).encode())
  return writer.bytes
}()

private let topUp: TopUp = {
  var terms = Samples.terms
  terms.publisherKey = Samples.returnKey
  terms.returnKey = Samples.publisherKey
  return TopUp(contract: Samples.contract.id, number: 1, terms: terms)
}()

private let report: CapabilityReport = {
  var report = CapabilityReport(
    identity: .zero, blockHeight: 7, blockHash: Sha256.hash([9]), unixSeconds: 1_700_000_000,
    architecture: "x86_64", processors: 2, memoryMiB: 1024, isolation: 2,
    results: Kernel.all.enumerated().map { index, kernel in
      KernelResult(
        kernel: kernel, status: index % 2 == 0 ? .unavailable : .measured,
        rounds: index % 2 == 0 ? 0 : 5, median: index % 2 == 0 ? 0 : 7,
        least: index % 2 == 0 ? 0 : 6, most: index % 2 == 0 ? 0 : 8, checksum: 0)
    })
  report.sign(Samples.provider)
  return report
}()

private let sessionMessages: [SessionMessage] = {
  let signature = Samples.contract.sign(Samples.provider)
  let key = Samples.providerKey
  let state = LeaseState(
    lastTask: 1, lines: 1, chain: .zero, reservedMs: 2,
    paid: [.init(channel: 0, sequence: 1, amountSat: 330)], isEnding: false)
  let close = SignedClose(
    channel: 0,
    signatures: CloseSignatures(amountSat: 20_000, signatures: Samples.payment.signatures))
  return [
    .hello(features: PeerFeatures(), subject: .announcement(Sha256.hash([1]))),
    .hello(features: PeerFeatures(), subject: .lease(Sha256.hash([1]))),
    .welcome(features: PeerFeatures()), .offer([1, 2]),
    .bid(report: [1], bid: [2], signature: signature),
    .contract(body: [1], publisherSignature: signature),
    .accept(providerSignature: signature, nextKey: key), .state(state),
    .refuse(code: .price, text: Array("no".utf8)),
    .funding(channel: 0, transaction: [1, 2], output: 1),
    .fundingState(channel: 0, sight: .confirmed(height: 7)), .task(Samples.order),
    .taskState(number: 1, state: .started(unixSeconds: 7)), .taskState(number: 1, state: .queued),
    .taskState(number: 1, state: .refused(.busy, text: [])), .taskEnded(Samples.line),
    .linesStored(count: 1), .taskStop(number: 1, text: Array("enough".utf8)),
    .usage(UsageReport(sequence: 1, usage: Samples.statement.usage, owedSat: 7)),
    .payment(channel: 0, payment: Samples.payment), .paymentStored(channel: 0, sequence: 1),
    .statement(body: [1], providerSignature: signature),
    .statementSigned(digest: .zero, publisherSignature: signature), .end(text: []),
    .leaving(noticeMs: 1, text: []),
    .receipt(body: [1], providerSignature: signature, closes: [close]),
    .receiptSigned(publisherSignature: signature), .closeWanted(channel: 0, fromRung: 1),
    .closeSigned(close), .standing(.frozen, text: Array("unpaid".utf8)),
    .topUp(body: [1], publisherSignature: signature),
    .topUpAccepted(number: 1, providerSignature: signature, nextKey: key),
    .topUpWanted(topRungSatPerKvB: 1000),
    .execute(
      ExecRequest(
        id: 1, task: 1, terminal: TerminalSize(rows: 24, columns: 80), arguments: [[0x73, 0x68]],
        environment: [Array("A=b".utf8)], workdir: [0x2f])),
    .execute(ExecRequest(id: 2, task: 1, kind: .copyOut, arguments: [[0x2f]])),
    .execStarted(id: 1), .execEnded(ExecEnd(id: 1, kind: .exited, status: 3)),
    .execSignal(id: 1, number: 9), .execResize(id: 1, TerminalSize(rows: 25, columns: 81)),
  ]
}()

/// Pays the channel, from a segwit input.
private let funding = Transaction(
  inputs: [
    TransactionInput(
      previous: Samples.funding, witness: [[UInt8](repeating: 1, count: 64)])
  ],
  outputs: [
    TransactionOutput(
      amountSat: Samples.terms.capacitySat,
      scriptPubKey: ChannelScript.scriptPubKey(Samples.terms))
  ])

private let providerState: [UInt8] = {
  var channel = try! ProviderChannel(
    terms: Samples.terms, secret: Samples.providerSecret, policy: ProviderPolicy(), tipHeight: 100)
  try! channel.fundingOffered(funding)
  let payment = try! ChannelPayment.sign(
    Samples.terms, funding: OutPoint(txid: funding.txid, index: 0), sequence: 1,
    amountSat: 20_000, secret: Samples.publisherSecret)
  try! channel.received(payment)
  return Array(channel.encodedState().dropLast(32))
}()

private let publisherState: [UInt8] = {
  var channel = try! PublisherChannel(terms: Samples.terms, secret: Samples.publisherSecret)
  try! channel.fundingBuilt(funding)
  try! channel.pay(amountSat: 500)
  return Array(channel.encodedState().dropLast(32))
}()
