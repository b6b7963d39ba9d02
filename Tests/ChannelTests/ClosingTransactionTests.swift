import Bitcoin
import Bytes
import Channel
import Crypto
import Devnet
import TestSupport
import Testing

struct ClosingTransactionTests {
  /// A close by a provider that was paid `amountSat`.
  private func close(_ fixture: Fixture, _ amountSat: UInt64, rung: Int) throws -> Transaction {
    var provider = try fixture.provider()
    try provider.fundingAnnounced(fixture.funding)
    try provider.received(try fixture.payment(amountSat))
    return try provider.closingTransaction(rung: rung)
  }

  @Test func scriptIsTheDesigns() throws {
    let fixture = try Fixture()
    let script = ChannelScript.witnessScript(fixture.terms)
    // IF <33> CHECKSIGVERIFY ELSE <1000> CLTV DROP ENDIF <33> CHECKSIG
    let expected =
      [0x63, 33] + fixture.terms.providerKey + [0xad, 0x67, 0x02, 0xe8, 0x03, 0xb1, 0x75, 0x68, 33]
      + fixture.terms.publisherKey + [0xac]
    #expect(script == expected)
    #expect(
      ChannelScript.scriptPubKey(fixture.terms) == [0, 32] + Sha256.hash(script).array)
  }

  @Test func kernelAcceptsTheCloseAtEveryRung() throws {
    for capacity in [UInt64(100_000), 60_000, 50_000] {
      let fixture = try Fixture(capacitySat: capacity)
      for amount in [UInt64(10_000), 49_800, 50_000] {
        for rung in 0..<3 {
          let transaction = try close(fixture, amount, rung: rung)
          #expect(fixture.kernelAccepts(transaction))
          let hasChange = capacity - amount >= 330
          #expect(transaction.outputs.count == (hasChange ? 2 : 1))
          let fee = capacity - (transaction.totalOutputSat ?? 0)
          // What the ladder promises, at most three virtual bytes too much for short signatures.
          let rate = UInt64(fixture.terms.feeLadderSatPerVb[rung])
          let lost = hasChange ? 0 : capacity - amount
          #expect(fee - lost >= rate * UInt64(transaction.virtualSize))
          #expect(fee - lost <= rate * UInt64(transaction.virtualSize + 3))
          #expect(transaction.outputs[0].amountSat == amount - (fee - lost))
          #expect(transaction.inputs[0].witness[2] == [1])
        }
      }
    }
  }

  @Test func kernelRefusesEveryTamperedClose() throws {
    let fixture = try Fixture()
    for rung in 0..<3 {
      let good = try close(fixture, 20_000, rung: rung)
      let other = try close(fixture, 20_000, rung: (rung + 1) % 3)
      let later = try close(fixture, 20_001, rung: rung)
      var bad: [Transaction] = []
      func tampered(_ change: (inout Transaction) -> Void) {
        var copy = good
        change(&copy)
        bad.append(copy)
      }
      tampered { $0.outputs[0].amountSat += 1 }
      tampered { $0.outputs[1].amountSat -= 1 }
      tampered { $0.outputs[0].scriptPubKey = $0.outputs[1].scriptPubKey }
      tampered { $0.outputs.removeLast() }
      tampered { $0.outputs.swapAt(0, 1) }
      tampered { $0.lockTime = 1 }
      tampered { $0.inputs[0].sequence = 0xffff_ffff }
      tampered { $0.inputs[0].previous.index = 0 }
      tampered { $0.inputs[0].witness.swapAt(0, 1) }
      tampered { $0.inputs[0].witness[0] = other.inputs[0].witness[0] }
      tampered { $0.inputs[0].witness[0] = later.inputs[0].witness[0] }
      tampered { $0.inputs[0].witness[1] = other.inputs[0].witness[1] }
      tampered { $0.inputs[0].witness[0] = [] }
      tampered { $0.inputs[0].witness[1] = [] }
      tampered { $0.inputs[0].witness[2] = [] }
      tampered { $0.inputs[0].witness.remove(at: 1) }
      tampered { $0.inputs[0].witness[3][1] ^= 1 }
      for index in [0, 1] {
        for byte in good.inputs[0].witness[index].indices {
          tampered { $0.inputs[0].witness[index][byte] ^= 1 }
        }
      }
      for (index, transaction) in bad.enumerated() {
        #expect(!fixture.kernelAccepts(transaction), "tampering \(index) at rung \(rung)")
      }
    }
  }

  @Test func onlyOneKeyCannotClose() throws {
    let fixture = try Fixture()
    let unsigned = try #require(
      ClosingTransaction.build(fixture.terms, funding: fixture.funding, amountSat: 9000, rung: 0))
    let digest = ClosingTransaction.digest(fixture.terms, unsigned)
    let provider = try Secp256k1.signEcdsa(digest: digest, secret: Fixture.providerSecret)
    let publisher = try Secp256k1.signEcdsa(digest: digest, secret: Fixture.publisherSecret)
    func signed(_ first: [UInt8], _ second: [UInt8]) -> Transaction {
      ClosingTransaction.signed(unsigned, fixture.terms, publisher: first, provider: second)
    }
    #expect(fixture.kernelAccepts(signed(publisher, provider)))
    #expect(!fixture.kernelAccepts(signed(provider, provider)))
    #expect(!fixture.kernelAccepts(signed(publisher, publisher)))
    #expect(!fixture.kernelAccepts(signed(provider, publisher)))
  }

  @Test func dustRungsAreAbsent() throws {
    let fixture = try Fixture()
    let least = ClosingTransaction.leastPayableSat(fixture.terms)
    let payment = try fixture.payment(least)
    #expect(!payment.signatures[0].isEmpty)
    #expect(payment.signatures[1].isEmpty)
    #expect(payment.signatures[2].isEmpty)
    #expect(ClosingTransaction.payoutSat(fixture.terms, amountSat: least, rung: 0) == 330)
    #expect(throws: ChannelError.belowLeastPayable(leastSat: least, offeredSat: least - 1)) {
      try fixture.payment(least - 1)
    }
    #expect(fixture.kernelAccepts(try close(fixture, least, rung: 0)))
    #expect(throws: ChannelError.wrongSignature(rung: 1)) {
      try close(fixture, least, rung: 1)
    }
  }

  @Test func payoutNeverExceedsWhatWasPaid() throws {
    var random = SeededGenerator(seed: 11)
    for _ in 0..<2000 {
      let capacity = UInt64(random.int(600...200_000))
      var ladder: [UInt32] = []
      var rate: UInt32 = 0
      for _ in 0..<random.int(1...8) {
        rate += UInt32(random.int(1...40))
        ladder.append(rate)
      }
      let terms = try Fixture.terms(capacitySat: capacity, ladder: ladder)
      let amount = UInt64(random.int(0...Int(capacity)))
      var lastPayout = UInt64.max
      for rung in ladder.indices {
        let payout = ClosingTransaction.payoutSat(terms, amountSat: amount, rung: rung)
        let built = ClosingTransaction.build(
          terms, funding: OutPoint(txid: .zero, index: 0), amountSat: amount, rung: rung)
        #expect((payout == nil) == (built == nil))
        guard let payout, let built else { continue }
        #expect(payout >= 330 && payout < amount && payout < lastPayout)
        lastPayout = payout
        #expect(built.outputs.allSatisfy { $0.amountSat >= 330 })
        #expect(try #require(built.totalOutputSat) < capacity)
      }
    }
  }
}

/// Found by fuzzing: a light client believes a block's proof of work, and adds up no amounts.
@Test func impossibleAmountsOfASpendAreBounded() throws {
  let fixture = try Fixture()
  let terms = fixture.terms
  let spend = Transaction(
    inputs: [TransactionInput(previous: fixture.funding, witness: [[], [1], [1], [2]])],
    outputs: [
      TransactionOutput(amountSat: .max, scriptPubKey: terms.payoutScript),
      TransactionOutput(amountSat: .max, scriptPubKey: terms.changeScript),
      TransactionOutput(amountSat: 5, scriptPubKey: terms.changeScript),
    ])
  let read = try #require(ChannelSpend(spend, of: fixture.funding, terms))
  #expect(read.payoutSat == Amount.maxSat)
  #expect(read.changeSat == Amount.maxSat)
}
