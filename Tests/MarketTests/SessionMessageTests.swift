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
    let state = ResumeState(
      contract: fixture.contract.id, phase: .running, paymentSequence: 7, paidSat: 900,
      bundleBytes: 70_000, resultBytes: 12)
    let payment = try ChannelPayment.sign(
      fixture.contract.terms, funding: OutPoint(txid: .zero, index: 0), sequence: 3,
      amountSat: 2000, secret: Fixture.publisherSecret)
    let signature = fixture.contract.sign(Fixture.publisher)
    return [
      .hello(announcementTxid: Sha256.hash([1])), .resume(state), .resumeState(state),
      .offer(fixture.offer.encode()), .bid(report: [1, 2, 3], bid: fixture.bid.encode()),
      .contract(body: fixture.contract.encode(), publisherSignature: signature),
      .accept(providerSignature: signature), .refuse(code: .money, text: Array("no".utf8)),
      .funding(outPoint: OutPoint(txid: Sha256.hash([2]), index: 4), amountSat: 50_000),
      .funded(height: 120), .bundleComplete, .started(unixSeconds: 1_700_000_000),
      .usage(
        UsageReport(sequence: 9, usage: fixture.receipt.usage, owedSat: 44, isFrozen: true)),
      .payment(payment), .paymentStored(sequence: 3), .frozen, .thawed,
      .paused(text: Array("on battery".utf8)), .stop(text: []),
      .exited(
        JobExit(kind: .signalled, status: 9, resultBytes: 5, resultDigest: Sha256.hash([3]))),
      .receipt(body: fixture.receipt.encode(), providerSignature: signature),
      .receiptSigned(publisherSignature: signature),
      .execute(
        ProgramRequest(
          id: 1, terminal: TerminalSize(rows: 24, columns: 80),
          arguments: [Array("sh".utf8), Array("-c".utf8), []], environment: [Array("A=b".utf8)],
          workdir: Array("/tmp".utf8))),
      .execute(ProgramRequest(id: 9, task: .copyOut, arguments: [Array("/out".utf8)])),
      .programStarted(id: 1),
      .programEnded(ProgramEnd(id: 1, kind: .neverRan, status: 2)),
      .programSignal(id: 1, number: 15),
      .programResize(id: 1, TerminalSize(rows: 50, columns: 132)),
    ]
  }

  @Test func everyMessageIsCanonical() throws {
    let messages = try all()
    // One of each kind.
    #expect(Set(messages.map { $0.encode()[0] }) == Set(1...26).union([40]))
    for message in messages {
      try expectCanonical(message, { $0.encode() }, SessionMessage.decode, mutations: 500)
    }
  }

  @Test func nonsenseIsRefusedWithItsPlace() {
    #expect(
      refusal { _ = try SessionMessage.decode([]) }?.message
        == "message type: byte 0: ends early, 1 more bytes were expected")
    #expect(
      refusal { _ = try SessionMessage.decode([0]) }
        == .refused(field: "message type", offset: 0, problem: "unknown"))
    #expect(
      refusal { _ = try SessionMessage.decode([27]) }
        == .refused(field: "message type", offset: 0, problem: "unknown"))
    let tooLong = SessionMessage.refuse(
      code: .price, text: [UInt8](repeating: 0x61, count: 257))
    #expect(
      refusal { _ = try SessionMessage.decode(tooLong.encode()) }
        == .malformed(field: "text", .tooLarge(offset: 2, value: 257, limit: 256)))
    let escape = SessionMessage.stop(text: [0x1b, 0x5b, 0x32, 0x4a])
    #expect(
      refusal { _ = try SessionMessage.decode(escape.encode()) }
        == .refused(field: "text", offset: 1, problem: "not plain text"))
    let bomb: [UInt8] = [3, 0xfe, 0xff, 0xff, 0xff, 0x7f]
    #expect(
      refusal { _ = try SessionMessage.decode(bomb) }
        == .malformed(field: "offer", .tooLarge(offset: 1, value: 0x7fff_ffff, limit: 60_000)))
    #expect(
      refusal { _ = try SessionMessage.decode([15, 0]) }
        == .malformed(field: "end of document", .trailing(offset: 1)))
  }

  @Test func randomBytesNeverTrap() {
    var random = SeededGenerator(seed: 8)
    for _ in 0..<20_000 {
      var bytes = random.bytes(random.int(0...200))
      if !bytes.isEmpty { bytes[0] = UInt8(random.int(0...28)) }
      if let message = try? SessionMessage.decode(bytes) { #expect(message.encode() == bytes) }
      _ = try? Offer.decode([1] + bytes)
      _ = try? Contract.decode([1] + bytes)
      _ = try? Announcement.decode([0x5a, 0x4e, 1] + bytes)
    }
  }
}
