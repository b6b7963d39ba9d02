import Bitcoin
import Bytes
import Channel
import Crypto
import Testing

/// A node that judges transactions: the devnet's, and Bitcoin Core's.
protocol TransactionJudge {
  /// A confirmed output of `[0x51]` under P2WSH.
  func coin() throws -> (point: OutPoint, amountSat: UInt64)
  /// Offers a transaction to the mempool. Nil where it was taken, else what the node has against it.
  func objection(to transaction: Transaction) throws -> String?
  /// Whether a block of these transactions, which stand in the order given, joins the best chain.
  func takesBlock(of transactions: [Transaction]) throws -> Bool
  /// Makes blocks of what waits.
  func mine(_ count: Int) throws
  func height() throws -> UInt32
  /// Whether a block of the best chain holds it.
  func isConfirmed(_ transaction: Transaction) throws -> Bool
}

/// Every kind of transaction that a channel makes, offered to a node as its life goes on.
struct ChannelStory {
  let judge: any TransactionJudge
  private let anyone = Script.p2wsh(witnessScript: [0x51])

  private func expectTaken(
    _ transaction: Transaction, _ what: String, _ place: SourceLocation = #_sourceLocation
  ) throws {
    let objection = try judge.objection(to: transaction)
    #expect(objection == nil, "\(what)", sourceLocation: place)
  }

  private func expectRefused(
    _ transaction: Transaction, _ what: String, for reason: String,
    _ place: SourceLocation = #_sourceLocation
  ) throws {
    let objection = try judge.objection(to: transaction)
    #expect(
      objection?.contains(reason) == true, "\(what): \(objection ?? "it was taken")",
      sourceLocation: place)
  }

  /// One transaction that funds a channel of the fixture's terms `count` times, with the encrypted
  /// note that lets a wallet find its channels again.
  private func funding(_ fixture: Fixture, count: Int) throws -> (Transaction, [OutPoint]) {
    let (coin, coinSat) = try judge.coin()
    let output = TransactionOutput(
      amountSat: fixture.terms.capacitySat, scriptPubKey: ChannelScript.scriptPubKey(fixture.terms))
    let note = [UInt8](repeating: 0xa5, count: 80)
    let spentSat = UInt64(count) * fixture.terms.capacitySat
    let transaction = Transaction(
      inputs: [TransactionInput(previous: coin, witness: [[0x51]])],
      outputs: [TransactionOutput](repeating: output, count: count) + [
        TransactionOutput(amountSat: 0, scriptPubKey: Script.opReturn(note)),
        TransactionOutput(amountSat: coinSat - spentSat - 5000, scriptPubKey: anyone),
      ])
    let txid = transaction.txid
    return (transaction, (0..<count).map { OutPoint(txid: txid, index: UInt32($0)) })
  }

  /// Spends the publisher's output of a close to a wallet; nil where the close has none.
  private func spendOfReturn(
    _ close: Transaction, _ terms: ChannelTerms, sequence: UInt32 = ReturnScript.sequence,
    version: UInt32 = 2, feeSat: UInt64 = 1000
  ) throws -> Transaction? {
    guard let index = close.outputs.firstIndex(where: { $0.scriptPubKey == terms.returnScript })
    else { return nil }
    let amountSat = close.outputs[index].amountSat
    var transaction = Transaction(
      version: version,
      inputs: [
        TransactionInput(
          previous: OutPoint(txid: close.txid, index: UInt32(index)), sequence: sequence)
      ],
      outputs: [TransactionOutput(amountSat: amountSat - feeSat, scriptPubKey: anyone)])
    let digest = Sighash.segwitV0(
      transaction, inputIndex: 0,
      scriptCode: ReturnScript.witnessScript(returnKey: terms.returnKey), amountSat: amountSat)
    transaction.inputs[0].witness = ReturnScript.witness(
      signature: try Secp256k1.signEcdsa(digest: digest, secret: Fixture.returnSecret),
      returnKey: terms.returnKey)
    return transaction
  }

  /// The closes of every amount, up the ladder, of a funding that is in no block yet: each replaces
  /// the one before. Nothing that hangs on the publisher's output gets in beside them.
  func closesClimbAndCannotBePinned() throws {
    let fixture = try Fixture(expiryHeight: try judge.height() + 200)
    let terms = fixture.terms
    let most = terms.maxPayableSat
    let amounts = [0, 329, 330, 20_000, most / 2, most]
    let (funding, points) = try funding(fixture, count: amounts.count)
    try expectTaken(funding, "the funding of \(amounts.count) channels")
    var closes: [Transaction] = []
    for (amount, point) in zip(amounts, points) {
      for rung in terms.feeLadderSatPerKvB.indices {
        let close = try fixture.signedClose(amount, rung: rung, of: point)
        try expectTaken(close, "the close of \(amount) sat at rung \(rung)")
        if rung > 0 {
          let lower = try fixture.signedClose(amount, rung: rung - 1, of: point)
          try expectRefused(lower, "a lower rung after a higher one", for: "insufficient fee")
        }
        if rung == terms.feeLadderSatPerKvB.count - 1 { closes.append(close) }
        // Row 9 of the rules about money: no child of the publisher's output, whatever it pays.
        if let child = try spendOfReturn(close, terms) {
          try expectRefused(child, "a child at rung \(rung)", for: "non-BIP68-final")
        }
      }
    }
    let others: [UInt32] = [0, 0xffff_fffd, 0xffff_ffff, 1 << 22 | 1]
    for sequence in others {
      let child = try #require(try spendOfReturn(closes[3], terms, sequence: sequence))
      #expect(try judge.objection(to: child) != nil, "a child of sequence \(sequence)")
    }
    let old = try #require(try spendOfReturn(closes[3], terms, version: 1))
    #expect(try judge.objection(to: old) != nil, "a child of version 1")
    // Not in the same block either, where consensus is the judge.
    let child = try #require(try spendOfReturn(closes[3], terms))
    #expect(try !judge.takesBlock(of: [funding, closes[3], child]))
    try judge.mine(1)
    for close in closes { #expect(try judge.isConfirmed(close)) }
    // One block later it is the publisher's, in a mempool and in a block.
    let children = try closes.compactMap { try spendOfReturn($0, terms) }
    #expect(children.count == closes.count - 1)
    for child in children { try expectTaken(child, "the return, spent") }
    try judge.mine(1)
    for child in children { #expect(try judge.isConfirmed(child)) }
  }

  /// The owner's output has no lock: a child of it pays for a close that pays too little.
  func ownerMayPayForItsClose() throws {
    var terms = try Fixture.terms(expiryHeight: try judge.height() + 200)
    terms.payoutScript = anyone
    let fixture = Fixture(terms)
    let (funding, points) = try funding(fixture, count: 1)
    try expectTaken(funding, "a funding")
    let close = try fixture.signedClose(20_000, rung: 0, of: points[0])
    try expectTaken(close, "the close")
    let child = Transaction(
      inputs: [
        TransactionInput(previous: OutPoint(txid: close.txid, index: 0), witness: [[0x51]])
      ], outputs: [TransactionOutput(amountSat: 15_000, scriptPubKey: anyone)])
    try expectTaken(child, "the owner's child")
    try judge.mine(1)
    #expect(try judge.isConfirmed(child))
  }

  /// The publisher's way out, no block too early; and a close that comes too late.
  func refundsFromTheExpiryOn() throws {
    let expiry = try judge.height() + 5
    let fixture = Fixture(try Fixture.terms(expiryHeight: expiry))
    let (funding, points) = try funding(fixture, count: 2)
    try expectTaken(funding, "a funding")
    func refund(_ point: OutPoint, rate: UInt64) throws -> Transaction {
      try RefundTransaction.build(
        fixture.terms, funding: point, to: anyone, feeRateSatPerKvB: rate,
        secret: Fixture.publisherSecret)
    }
    while try judge.height() < expiry {
      try expectRefused(try refund(points[0], rate: 1000), "an early refund", for: "non-final")
      try judge.mine(1)
    }
    try expectTaken(try refund(points[0], rate: 1000), "the refund")
    let better = try refund(points[0], rate: 3000)
    try expectTaken(better, "a refund that pays more")
    // Until a block holds it, who pays more wins.
    let close = try fixture.signedClose(20_000, rung: 2, of: points[1])
    try expectTaken(try refund(points[1], rate: 1000), "the other refund")
    try expectTaken(close, "a close that pays more than the refund")
    try judge.mine(1)
    #expect(try judge.isConfirmed(better))
    #expect(try judge.isConfirmed(close))
  }

  /// What nodes refuse of a close though consensus would allow it: signatures of the other half.
  func highSIsNotRelayed() throws {
    let fixture = Fixture(try Fixture.terms(expiryHeight: try judge.height() + 200))
    let (funding, points) = try funding(fixture, count: 1)
    try expectTaken(funding, "a funding")
    var close = try fixture.signedClose(20_000, rung: 0, of: points[0])
    var witness = close.inputs[0].witness
    witness[1] = HighS.negated(witness[1].dropLast()) + [1]
    close.inputs[0].witness = witness
    #expect(try judge.objection(to: close) != nil)
  }
}
