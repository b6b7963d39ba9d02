import Bitcoin
import Bytes
import Channel
import Crypto
import Market

extension Fixture {
  /// One message of each kind at least.
  func messages() throws -> [SessionMessage] {
    let contract = self.contract
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
      .welcome(features: PeerFeatures()), .offer(offer.encode()),
      .bid(report: [1, 2, 3], bid: bid.encode(), signature: signature),
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
      .taskEnded(line), .linesStored(count: 9),
      .taskStop(number: 1, text: Array("enough".utf8)),
      .usage(UsageReport(sequence: 9, usage: Fixture.usage, owedSat: 44)),
      .payment(channel: 0, payment: payment), .paymentStored(channel: 0, sequence: 3),
      .statement(body: statement.encode(), providerSignature: signature),
      .statementSigned(digest: statement.digest, publisherSignature: signature),
      .end(text: []), .leaving(noticeMs: 600_000, text: Array("owner".utf8)),
      .receipt(
        body: statement.encode(), providerSignature: signature, closes: [close]),
      .receiptSigned(publisherSignature: signature), .closeWanted(channel: 0, fromRung: 2),
      .closeSigned(close), .standing(.paused, text: Array("on battery".utf8)),
      .topUp(body: topUp.encode(), publisherSignature: signature),
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
}
