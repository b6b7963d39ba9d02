import Bitcoin
import Bytes
import Channel
import Crypto
import Market
import TestSupport
import Testing

struct SessionMessageTests {
  private func all() throws -> [SessionMessage] {
    let fixture = try Fixture()
    let contract = fixture.contract
    let payment = try ChannelPayment.sign(
      contract.terms, funding: OutPoint(txid: .zero, index: 0), sequence: 3, amountSat: 2000,
      secret: Fixture.publisherSecret)
    let signature = contract.sign(Fixture.publisher)
    let key = contract.terms.providerKey
    let state = LeaseState(
      lastTask: 9, lines: 7, chain: Sha256.hash([1]), reservedMs: 1 << 40,
      paid: [
        .init(channel: 0, sequence: 3, amountSat: 900),
        .init(channel: 1, sequence: 0, amountSat: 0),
      ], isEnding: true)
    let close = SignedClose(
      channel: 0,
      signatures: CloseSignatures(amountSat: 2000, signatures: payment.signatures))
    return [
      .hello(features: PeerFeatures(), subject: .announcement(Sha256.hash([1]))),
      .hello(features: PeerFeatures(version: 7, bits: 2), subject: .lease(contract.id)),
      .welcome(features: PeerFeatures()), .offer(fixture.offer.encode()),
      .bid(report: [1, 2, 3], bid: fixture.bid.encode(), signature: signature),
      .contract(body: contract.encode(), publisherSignature: signature),
      .accept(providerSignature: signature, nextKey: key),
      .refuse(code: .money, text: Array("no".utf8)), .state(state),
      .funding(channel: 1, transaction: [1, 2, 3], output: 4),
      .fundingState(channel: 0, sight: .relayed),
      .fundingState(channel: 0, sight: .confirmed(height: 120)),
      .fundingState(channel: 7, sight: .lost), .task(Fixture.order),
      .taskState(number: 1, state: .queued),
      .taskState(number: 1, state: .started(unixSeconds: 1_700_000_000)),
      .taskState(number: 1, state: .refused(.busy, text: Array("64 tasks wait".utf8))),
      .taskEnded(fixture.line), .linesStored(count: 9),
      .taskStop(number: 1, text: Array("enough".utf8)),
      .usage(UsageReport(sequence: 9, usage: Fixture.usage, owedSat: 44)),
      .payment(channel: 0, payment: payment), .paymentStored(channel: 0, sequence: 3),
      .statement(body: fixture.statement.encode(), providerSignature: signature),
      .statementSigned(digest: fixture.statement.digest, publisherSignature: signature),
      .end(text: []), .leaving(noticeMs: 600_000, text: Array("owner".utf8)),
      .receipt(
        body: fixture.statement.encode(), providerSignature: signature, closes: [close]),
      .receiptSigned(publisherSignature: signature), .closeWanted(channel: 0, fromRung: 2),
      .closeSigned(close), .standing(.paused, text: Array("on battery".utf8)),
      .topUp(body: fixture.topUp.encode(), publisherSignature: signature),
      .topUpAccepted(number: 1, providerSignature: signature, nextKey: key),
      .topUpWanted(topRungSatPerKvB: 100_000),
      .execute(
        ExecRequest(
          id: 1, task: 3, terminal: TerminalSize(rows: 24, columns: 80),
          arguments: [Array("sh".utf8), Array("-c".utf8), []], environment: [Array("A=b".utf8)],
          workdir: Array("/tmp".utf8))),
      .execute(ExecRequest(id: 9, task: 3, kind: .copyOut, arguments: [Array("/out".utf8)])),
      .execStarted(id: 1), .execEnded(ExecEnd(id: 1, kind: .neverRan, status: 2)),
      .execSignal(id: 1, number: 15), .execResize(id: 1, TerminalSize(rows: 50, columns: 132)),
    ]
  }

  @Test func everyMessageIsCanonical() throws {
    let messages = try all()
    // One of each type: what is mandatory is even.
    let types = Set(messages.map { $0.encode()[0] })
    #expect(types == Set(stride(from: 2, through: 68, by: 2)).union([59]))
    for message in messages {
      try expectCanonical(
        message, { $0.encode() },
        { bytes in
          let read = try SessionMessage.decode(bytes)
          // Later versions' optional messages and refusals are understood as far as this one can.
          switch read {
          case .unknown, .refuse, .taskState(_, .refused):
            if read.encode() != bytes { throw MarketError.differs(field: "bytes") }
          default: break
          }
          return read
        }, mutations: 500)
    }
  }

  @Test func unknownTypesArePassedOverWhereTheyAreOdd() throws {
    #expect(try SessionMessage.decode([71, 1, 2, 3]) == .unknown(type: 71))
    #expect(try SessionMessage.decode([255]) == .unknown(type: 255))
    #expect(
      refusal { _ = try SessionMessage.decode([70]) }
        == .refused(field: "message type", offset: 0, problem: "unknown, and not optional"))
  }

  @Test func featuresOfLaterVersions() {
    #expect(PeerFeatures().areUnderstood)
    #expect(PeerFeatures(version: 9, bits: 0xaaaa).areUnderstood)
    #expect(!PeerFeatures(bits: 4).areUnderstood)
    #expect(!PeerFeatures(version: 1).areUnderstood)
  }

  @Test func nonsenseIsRefusedWithItsPlace() {
    #expect(
      refusal { _ = try SessionMessage.decode([]) }?.message
        == "message type: byte 0: ends early, 1 more bytes were expected")
    #expect(
      refusal { _ = try SessionMessage.decode([0]) }
        == .refused(field: "message type", offset: 0, problem: "unknown, and not optional"))
    let tooLong = SessionMessage.refuse(
      code: .price, text: [UInt8](repeating: 0x61, count: 257))
    #expect(
      refusal { _ = try SessionMessage.decode(tooLong.encode()) }
        == .malformed(field: "text", .tooLarge(offset: 2, value: 257, limit: 256)))
    let escape = SessionMessage.end(text: [0x1b, 0x5b, 0x32, 0x4a])
    #expect(
      refusal { _ = try SessionMessage.decode(escape.encode()) }
        == .refused(field: "text", offset: 1, problem: "not plain text"))
    let bomb: [UInt8] = [6, 0xfe, 0xff, 0xff, 0xff, 0x7f]
    #expect(
      refusal { _ = try SessionMessage.decode(bomb) }
        == .malformed(field: "offer", .tooLarge(offset: 1, value: 0x7fff_ffff, limit: 60_000)))
    #expect(
      refusal { _ = try SessionMessage.decode([28, 1, 0, 0, 0, 0]) }
        == .malformed(field: "end of document", .trailing(offset: 5)))
  }

  @Test func randomBytesNeverTrap() {
    var random = SeededGenerator(seed: 8)
    for _ in 0..<20_000 {
      var bytes = random.bytes(random.int(0...200))
      if !bytes.isEmpty { bytes[0] = UInt8(random.int(0...70)) }
      if let message = try? SessionMessage.decode(bytes), message != .unknown(type: bytes[0]) {
        #expect(message.encode() == bytes)
      }
      _ = try? Offer.decode([2] + bytes)
      _ = try? Contract.decode([2] + bytes)
      _ = try? Statement.decode([3] + bytes)
      _ = try? TaskOrder.decode(bytes)
      _ = try? Announcement.decode([0x5a, 0x4e, 1] + bytes)
    }
  }
}
