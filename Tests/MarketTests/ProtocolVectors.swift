import Bitcoin
import Bytes
import Capability
import Channel
import Crypto
import Foundation
import Market

/// The vectors of the protocol, made by the code: what Tests/Vectors holds.
struct ProtocolVectors {
  let fixture: Fixture

  init() throws { fixture = try Fixture() }

  /// By file name.
  func files() throws -> [(name: String, json: Json)] {
    [
      ("announcements", announcements()), ("documents", try documents()),
      ("messages", try messages()), ("channels", try channels()), ("prices", prices()),
      ("receipts", try receipts()), ("reports", reports()), ("session", try session()),
    ]
  }

  static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().appendingPathComponent("Vectors")

  // MARK: Announcements and documents

  private func announcements() -> Json {
    let plain = fixture.announcement
    var named = plain
    named.endpoint = Endpoint(text: "work.example.org:443")!
    named.extras = [.init(type: 21, value: [1, 2, 3])]
    var numbered = plain
    numbered.endpoint = Endpoint(text: "[2001:db8::1]:18000")!
    numbered.processors = .all
    let valid = [plain, named, numbered].map { announcement -> Json in
      .object([
        ("fields", .of(announcement)), ("document", .hex(announcement.encode())),
        ("digest", .hex(announcement.digest)),
        ("outputs", .array(announcement.outputs.map { .of($0) })),
      ])
    }
    let bytes = plain.encode()
    let refused: [(String, [UInt8])] = [
      ("another magic", [0x5a, 0x4f] + bytes[2...]),
      ("another version", Array(bytes[..<2]) + [2] + bytes[3...]),
      ("a field is missing", Array(bytes[..<(bytes.count - 34)])),
      ("an unknown even type", bytes + [22, 0]),
      ("types that do not ascend", bytes + [19, 0]),
      ("cut", Array(bytes.dropLast())),
      ("longer than 220 bytes", bytes + [21, 100] + [UInt8](repeating: 0, count: 100)),
    ]
    return .object([
      ("valid", .array(valid)),
      (
        "refused",
        .array(refused.map { .object([("reason", .text($0.0)), ("document", .hex($0.1))]) })
      ),
    ])
  }

  /// With a debt, so that every field has a value.
  private var indebted: (bid: Bid, contract: Contract) {
    var bid = fixture.bid
    bid.debt = Debt(lease: Sha256.hash([12]), amountSat: 25)
    var contract = fixture.contract
    contract.bidDigest = bid.digest
    contract.debt = bid.debt
    return (bid, contract)
  }

  private func signed<Body: SignedBody>(
    _ body: Body, publisher: Bool, provider: Bool
  ) -> Json {
    var fields: [(String, Json)] = [
      ("kind", .text(String(Body.tag.dropFirst("zennet/".count)))), ("fields", .of(body)),
      ("document", .hex(body.encode())), ("digest", .hex(body.digest)),
    ]
    if publisher { fields.append(("publisher_signature", .hex(body.sign(Fixture.publisher)))) }
    if provider { fields.append(("provider_signature", .hex(body.sign(Fixture.provider)))) }
    return .object(fields)
  }

  private func documents() throws -> Json {
    let indebted = self.indebted
    try indebted.contract.check(against: fixture.offer, indebted.bid)
    try indebted.bid.check(against: fixture.offer)
    return .object([
      ("publisher", .hex(Fixture.publisher.publicKey)),
      ("provider", .hex(Fixture.provider.publicKey)),
      (
        "documents",
        .array([
          signed(fixture.offer, publisher: false, provider: false),
          signed(indebted.bid, publisher: false, provider: true),
          signed(indebted.contract, publisher: true, provider: true),
          signed(fixture.topUp, publisher: true, provider: true),
          signed(fixture.statement, publisher: true, provider: true),
        ])
      ),
    ])
  }

  private func messages() throws -> Json {
    .array(
      try fixture.messages().map { message in
        .object([("fields", .of(message)), ("message", .hex(message.encode()))])
      })
  }

  // MARK: Channels

  private func channels() throws -> Json {
    let terms = fixture.contract.terms
    var funding = Transaction(
      inputs: [
        TransactionInput(previous: OutPoint(txid: Sha256.hash([13]), index: 1), witness: [[7]])
      ],
      outputs: [
        TransactionOutput(amountSat: 5000, scriptPubKey: terms.payoutScript),
        TransactionOutput(
          amountSat: terms.capacitySat, scriptPubKey: ChannelScript.scriptPubKey(terms)),
      ])
    funding.lockTime = 100
    let outPoint = OutPoint(txid: funding.txid, index: 1)
    let closes = try ChannelCloses(terms, funding: outPoint)
    // None, dust, the least, half, everything: with and without payout and return.
    let amounts: [UInt64] = [0, 329, 330, 26_000, terms.maxPayableSat]
    var cases: [Json] = []
    for amount in amounts {
      for rung in closes.rungs {
        let close = closes.unsigned(amountSat: amount, rung: rung)!
        cases.append(
          .object([
            ("amount_sat", .unsigned(amount)), ("rung", .number(Int64(rung))),
            ("close", .hex(close.bytes())),
            ("digest", .hex(ClosingTransaction.digest(terms, close))),
          ]))
      }
    }
    let refund = try RefundTransaction.build(
      terms, funding: outPoint, to: terms.payoutScript, feeRateSatPerKvB: 1000,
      secret: Fixture.publisherSecret)
    return .object([
      ("provider_secret", .hex(Fixture.providerSecret)),
      ("publisher_secret", .hex(Fixture.publisherSecret)), ("terms", .hex(terms.encode())),
      ("fields", .of(terms)), ("witness_script", .hex(ChannelScript.witnessScript(terms))),
      ("output_script", .hex(ChannelScript.scriptPubKey(terms))),
      ("return_script", .hex(terms.returnScript)),
      ("max_payable_sat", .unsigned(terms.maxPayableSat)),
      ("virtual_size", .number(Int64(ClosingTransaction.virtualSize(terms)))),
      (
        "fees_sat",
        .array(closes.rungs.map { .unsigned(ClosingTransaction.feeSat(terms, rung: $0)) })
      ), ("funding", .hex(funding.bytes())), ("funding_txid", .hex(funding.txid)),
      ("funding_index", .number(Int64(1))), ("closes", .array(cases)),
      ("payment", try payment(terms, outPoint)),
      ("refund", .hex(refund.bytes())),
    ])
  }

  /// A payment, the provider's signatures of its closes, and the close that both make.
  private func payment(_ terms: ChannelTerms, _ outPoint: OutPoint) throws -> Json {
    let payment = try ChannelPayment.sign(
      terms, funding: outPoint, sequence: 3, amountSat: 26_000, secret: Fixture.publisherSecret)
    let own = try ChannelPayment.sign(
      terms, funding: outPoint, sequence: 3, amountSat: 26_000, secret: Fixture.providerSecret)
    let signed = CloseSignatures(amountSat: 26_000, signatures: own.signatures)
    try signed.verify(ChannelCloses(terms, funding: outPoint))
    let close = ClosingTransaction.signed(
      ClosingTransaction.build(terms, funding: outPoint, amountSat: 26_000, rung: 1)!, terms,
      publisher: payment.signatures[1], provider: own.signatures[1])
    return .object([
      ("payment", .hex(payment.encode())), ("signed_close", .hex(signed.encode())),
      ("close_at_rung_1", .hex(close.bytes())), ("close_txid", .hex(close.txid)),
    ])
  }

  // MARK: Numbers

  private func prices() -> Json {
    let large = RateVector(cpuPsatPerMs: 0xffff_ffff_ffff, memoryPsatPerMiBMs: 123_456_789)
    let much = LeaseUsage(
      tasks: UsageVector(cpuMs: 987_654_321, memoryMiBMs: 55_555_555_555), reservedMs: 1)
    let owed: [(RateVector, LeaseUsage)] = [
      (Fixture.rates, LeaseUsage()), (Fixture.rates, LeaseUsage(reservedMs: 1)),
      (Fixture.rates, LeaseUsage(reservedMs: 10_000)),
      (Fixture.rates, LeaseUsage(reservedMs: 10_001)),
      (Fixture.rates, Fixture.usage), (large, much),
      (RateVector(cpuPsatPerMs: .max), LeaseUsage(tasks: UsageVector(cpuMs: 1_000_000_000_000))),
      (RateVector(cpuPsatPerMs: .max), LeaseUsage(tasks: UsageVector(cpuMs: .max))),
    ]
    let shares = [Fixture.share, ShareLimits(memoryMiB: 999, milliCpus: 333, pids: 1, diskMiB: 1)]
    let traffic = fixture.offer.traffic
    let times: [UInt64] = [0, 3_600_000, 3_600_001, 5_400_000]
    return .object([
      (
        "owed",
        .array(
          owed.map { rates, usage in
            .object([
              ("rates", .of(rates)), ("usage", .of(usage)),
              ("owed_sat", Price.owedSat(rates, usage).map { .unsigned($0) } ?? .null),
            ])
          })
      ),
      (
        "hours",
        .array(
          shares.map { share in
            .object([
              ("rates", .of(Fixture.rates)), ("share", .of(share)), ("traffic", .of(traffic)),
              ("full_use_sat", .unsigned(Price.hourlySat(Fixture.rates, share)!)),
              (
                "worst_hour_sat",
                .unsigned(Price.worstHourlySat(Fixture.rates, share, traffic: traffic)!)
              ),
              (
                "headroom_of_500_ms_sat",
                .unsigned(FreezeRule(Fixture.rates, share, sampleMs: 500).headroomSat)
              ),
            ])
          })
      ),
      (
        "traffic",
        .array(
          times.map { elapsedMs in
            .object([
              ("kib_an_hour", .number(Int64(1001))), ("elapsed_ms", .unsigned(elapsedMs)),
              ("counts_kib", .unsigned(TrafficAllowance.kib(1001, elapsedMs: elapsedMs))),
            ])
          })
      ),
    ])
  }

  private func receipts() throws -> Json {
    var lines = [fixture.line]
    lines.append(TaskLine(number: 1, kind: .neverRan, status: 2))
    lines.append(TaskLine(number: 4, kind: .signalled, status: 9, usage: Fixture.usage.tasks))
    var chain = Bytes32.zero
    var links: [Json] = []
    for line in lines {
      chain = line.chain(after: chain)
      links.append(
        .object([("fields", .of(line)), ("line", .hex(line.encode())), ("chain", .hex(chain))]))
    }
    let id = fixture.contract.id
    return .object([
      ("lines", .array(links)), ("contract", .hex(id)),
      ("key_of_task_7", .hex(TaskKey.of(contract: id, number: 7))),
      ("key_of_exec_session_7", .hex(ExecRequest.streamKey(contract: id, id: 7))),
      ("rates", .of(fixture.contract.rates)),
      ("statement", signed(fixture.statement, publisher: true, provider: true)),
    ])
  }

  private func reports() -> Json {
    var full = CapabilityReport(
      identity: .zero, blockHeight: 120, blockHash: Sha256.hash([14]), unixSeconds: 1_700_000_000,
      architecture: "armv7l", processors: 4, memoryMiB: 926, isolation: 2,
      results: [
        KernelResult(
          kernel: .integer, status: .measured, rounds: 9, median: 800_000_000, least: 790_000_000,
          most: 812_000_000, checksum: 0xfedc_ba98_7654_3210),
        KernelResult(
          kernel: .scaling, status: .oneProcessor, rounds: 0, median: 0, least: 0, most: 0,
          checksum: 0),
      ])
    full.sign(Fixture.provider)
    var empty = full
    empty.results = []
    empty.sign(Fixture.provider)
    return .array(
      [full, empty].map { report in
        .object([
          ("fields", .of(report)), ("report", .hex(report.encode())),
          ("signed_digest", .hex(report.digest)), ("digest", .hex(Sha256.hash(report.encode()))),
        ])
      })
  }
}
