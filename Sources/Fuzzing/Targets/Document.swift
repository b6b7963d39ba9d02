import Agent
import Bitcoin
import Bytes
import Capability
import Channel
import Crypto
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
      _ = (read.json, read.lines, read.hourlySat(Samples.offer))
      return read.encode()
    },
    exact("contract", { [Samples.contract.encode()] }) { bytes in
      guard let read = try? Contract.decode(bytes) else { return nil }
      _ = (read.json, read.lines, try? read.check(against: Samples.offer, Samples.bid))
      _ = read.costSat(ofFullUse: Samples.offer.limits, ms: .max)
      return read.encode()
    },
    exact("signed contract", { [Samples.signedContract.encode()] }) { bytes in
      (try? SignedContract.decode(bytes))?.encode()
    },
    exact("receipt", { [Samples.receipt.encode()] }) { bytes in
      guard let read = try? Receipt.decode(bytes) else { return nil }
      _ = (read.json, read.lines, try? read.check(against: Samples.contract))
      return read.encode()
    },
    exact("signed receipt", { [signedReceipt.encode()] }) { bytes in
      (try? SignedReceipt.decode(bytes))?.encode()
    },
    exact("capability report", { [report.encode()] }) { bytes in
      guard let read = try? CapabilityReport.decode(bytes) else { return nil }
      _ = (read.json, read.lines)
      return read.encode()
    },
    exact("session message", { sessionMessages.map { $0.encode() } }) { bytes in
      (try? SessionMessage.decode(bytes))?.encode()
    },
    exact("channel's terms", { [Samples.contract.terms.encode()] }) { bytes in
      guard let read = try? ChannelTerms.decode(bytes) else { return nil }
      _ = (ChannelScript.scriptPubKey(read), ClosingTransaction.leastPayableSat(read))
      for amountSat in [0, read.capacitySat / 2, read.capacitySat] {
        for rung in read.feeLadderSatPerVb.indices {
          _ = ClosingTransaction.build(
            read, funding: Samples.funding, amountSat: amountSat, rung: rung)
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
    Kind(
      check: { (bytes) throws(FuzzFinding) in
        guard let record = JobRecord.decode(bytes) else { return }
        try require(JobRecord.decode(record.encode()) == record, "a job's record round-trips")
      }, seeds: { [jobRecord] }),
  ]

  private static func sealed(_ body: [UInt8], _ tag: String) -> [UInt8] {
    body + Sha256.tagged(tag, body).array
  }
}

// MARK: Seeds

private let signedReceipt = SignedReceipt(
  receipt: Samples.receipt, providerSignature: Samples.receipt.sign(Samples.provider),
  publisherSignature: Samples.receipt.sign(Samples.publisher))

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
  let state = ResumeState(
    contract: Samples.contract.id, phase: .running, paymentSequence: 1, paidSat: 2, bundleBytes: 3,
    resultBytes: 4)
  let signature = Samples.contract.sign(Samples.provider)
  return [
    .hello(announcementTxid: Sha256.hash([1])), .resume(state), .resumeState(state),
    .offer([1, 2]), .bid(report: [1], bid: [2]),
    .contract(body: [1], publisherSignature: signature), .accept(providerSignature: signature),
    .refuse(code: .price, text: Array("no".utf8)), .frozen, .thawed, .bundleComplete,
    .funding(outPoint: Samples.funding, amountSat: 100_000), .funded(height: 7),
    .started(unixSeconds: 7), .payment(Samples.payment), .paymentStored(sequence: 1),
    .usage(UsageReport(sequence: 1, usage: UsageVector(cpuMs: 5), owedSat: 7, isFrozen: false)),
    .stop(text: Array("enough".utf8)),
    .exited(JobExit(kind: .exited, status: 0, resultBytes: 5, resultDigest: Sha256.hash([4]))),
    .receipt(body: [1], providerSignature: signature),
    .receiptSigned(publisherSignature: signature), .paused(text: Array("busy".utf8)),
    .execute(
      ProgramRequest(
        id: 1, terminal: TerminalSize(rows: 24, columns: 80), arguments: [[0x73, 0x68]],
        environment: [Array("A=b".utf8)], workdir: [0x2f])),
    .execute(ProgramRequest(id: 2, task: .copyOut, arguments: [[0x2f]])),
    .programStarted(id: 1), .programEnded(ProgramEnd(id: 1, kind: .exited, status: 3)),
    .programSignal(id: 1, number: 9),
    .programResize(id: 1, TerminalSize(rows: 25, columns: 81)),
  ]
}()

private let providerState: [UInt8] = {
  var channel = try! ProviderChannel(
    terms: Samples.contract.terms, secret: Samples.providerSecret, policy: ProviderPolicy(),
    tipHeight: 100)
  try! channel.fundingAnnounced(Samples.funding)
  try! channel.received(Samples.payment)
  return Array(channel.encodedState().dropLast(32))
}()

private let publisherState: [UInt8] = {
  let channel = try! PublisherChannel(
    terms: Samples.contract.terms, secret: Samples.publisherSecret)
  return Array(channel.encodedState().dropLast(32))
}()

private let jobRecord: [UInt8] = {
  var writer = ByteWriter()
  writer.append([1, JobStage.running.rawValue])
  writer.append(Sha256.hash([1]))
  writer.lengthPrefixed(Array("192.0.2.1".utf8))
  writer.u16le(4500)
  writer.lengthPrefixed(Samples.offer.encode())
  writer.lengthPrefixed(Samples.signedContract.encode())
  writer.append(Sha256.hash([2]))
  writer.u32le(100)
  for value: UInt64 in 1...9 { writer.u64le(value) }
  writer.append([1, 0, 0, 0, 0, 0])
  writer.u64le(5)
  writer.append(Sha256.hash([3]))
  writer.lengthPrefixed(signedReceipt.encode())
  return writer.bytes
}()
