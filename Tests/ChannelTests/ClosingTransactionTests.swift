import Bitcoin
import Bytes
import Channel
import Crypto
import Devnet
import TestSupport
import Testing

struct ClosingTransactionTests {
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
    // 1 CSV DROP <33> CHECKSIG
    let back: [UInt8] = [0x51, 0xb2, 0x75, 33] + fixture.terms.returnKey + [0xac]
    #expect(ReturnScript.witnessScript(returnKey: fixture.terms.returnKey) == back)
    #expect(fixture.terms.returnScript == [0, 32] + Sha256.hash(back).array)
  }

  @Test func kernelAcceptsTheCloseAtEveryRungAndAmount() throws {
    for capacity in [UInt64(100_000), 60_000, 5330] {
      let fixture = try Fixture(capacitySat: capacity)
      let most = fixture.terms.maxPayableSat
      for amount in [0, 1, 329, 330, 331, most / 2, most - 1, most] where amount <= most {
        for rung in fixture.terms.feeLadderSatPerKvB.indices {
          let transaction = try fixture.signedClose(amount, rung: rung)
          #expect(fixture.kernelAccepts(transaction))
          let fee = capacity - (transaction.totalOutputSat ?? 0)
          #expect(fee == ClosingTransaction.feeSat(fixture.terms, rung: rung))
          // What the ladder promises, at most three virtual bytes too much for short signatures,
          // and one output too much where one is left out.
          let rate = UInt64(fixture.terms.feeLadderSatPerKvB[rung])
          let size = UInt64(transaction.virtualSize)
          #expect(fee * 1000 >= rate * size)
          let leftOut: UInt64 = transaction.outputs.count == 2 ? 0 : 43
          #expect(fee * 1000 <= rate * (size + 3 + leftOut) + 1000)
          #expect(transaction.inputs[0].witness[2] == [1])
          #expect(transaction.inputs[0].sequence == 0xffff_fffd)
          #expect(transaction.version == 2 && transaction.lockTime == 0)
        }
      }
    }
  }

  /// What is paid arrives: the fee is the reserve's.
  @Test func payoutIsWhatWasPaid() throws {
    let fixture = try Fixture()
    let fee = ClosingTransaction.feeSat(fixture.terms, rung: 1)
    func outputs(_ amount: UInt64) throws -> [TransactionOutput] {
      try fixture.signedClose(amount, rung: 1).outputs
    }
    let payout = fixture.terms.payoutScript
    let back = fixture.terms.returnScript
    #expect(
      try outputs(20_000) == [
        TransactionOutput(amountSat: 20_000, scriptPubKey: payout),
        TransactionOutput(amountSat: 80_000 - fee, scriptPubKey: back),
      ])
    #expect(
      try outputs(95_000) == [
        TransactionOutput(amountSat: 95_000, scriptPubKey: payout),
        TransactionOutput(amountSat: 5000 - fee, scriptPubKey: back),
      ])
    // Nothing paid, and less than an output may have: all of it goes back.
    for amount in [UInt64(0), 1, 329] {
      #expect(
        try outputs(amount) == [TransactionOutput(amountSat: 100_000 - fee, scriptPubKey: back)])
    }
    #expect(try outputs(330).map(\.amountSat) == [330, 99_670 - fee])
    // What is left of the reserve is too little for an output: the owner has it.
    let tight = try Fixture(reserveSat: 4875)
    let last = try tight.signedClose(tight.terms.maxPayableSat, rung: 2)
    let topFee = ClosingTransaction.feeSat(tight.terms, rung: 2)
    #expect(topFee <= 4875 && topFee > 4875 - 330)
    #expect(
      last.outputs == [TransactionOutput(amountSat: 100_000 - topFee, scriptPubKey: payout)])
    #expect(
      ClosingTransaction.build(tight.terms, funding: tight.funding, amountSat: 0, rung: 3) == nil)
    #expect(
      ClosingTransaction.build(
        tight.terms, funding: tight.funding, amountSat: tight.terms.maxPayableSat + 1, rung: 0)
        == nil)
  }

  /// Row 8 of the rules about money: every rung exists for every amount, rungs pay more and more, and
  /// nobody gains by an output that is left out but what was too little for one.
  @Test func everyRungExistsForEveryAmount() throws {
    var random = SeededGenerator(seed: 11)
    for _ in 0..<1000 {
      var ladder: [UInt32] = []
      var rate: UInt32 = 99
      for _ in 0..<random.int(1...8) {
        rate += UInt32(random.int(1...40_000))
        ladder.append(rate)
      }
      let payoutScript =
        random.once(in: 2)
        ? [0, 20] + random.bytes(20) : Script.p2tr(outputKey: random.bytes32())
      var terms = try Fixture.terms(
        ladder: ladder, expiryHeight: UInt32(random.int(2...499_999_999)),
        payoutScript: payoutScript)
      let topFee = ClosingTransaction.feeSat(terms, rung: ladder.count - 1)
      #expect(ClosingTransaction.reserveSat(topRateSatPerKvB: ladder[ladder.count - 1]) >= topFee)
      terms.reserveSat = topFee + UInt64(random.int(0...400))
      terms.capacitySat = terms.reserveSat + 330 + UInt64(random.int(0...1000))
      try terms.check()
      let closes = try ChannelCloses(terms, funding: OutPoint(txid: .zero, index: 0))
      let amount = UInt64(random.int(0...Int(terms.maxPayableSat)))
      var lastFee: UInt64 = 0
      for rung in ladder.indices {
        let built = try #require(closes.unsigned(amountSat: amount, rung: rung))
        let fee = terms.capacitySat - (try #require(built.totalOutputSat))
        #expect(fee >= lastFee && fee == ClosingTransaction.feeSat(terms, rung: rung))
        lastFee = fee
        #expect(built.outputs.allSatisfy { $0.amountSat >= 330 })
        let payout = built.outputs.filter { $0.scriptPubKey == payoutScript }.map(\.amountSat)
        if amount < 330 {
          #expect(payout == [])
        } else {
          #expect(payout.count == 1 && payout[0] >= amount && payout[0] < amount + 330)
          if built.outputs.count == 2 { #expect(payout[0] == amount) }
        }
      }
    }
  }

  /// The digests that are made from the parts are BIP143's.
  @Test func digestsAgree() throws {
    let fixture = try Fixture()
    for amount in [UInt64(0), 330, 50_000, 95_000] {
      for rung in 0..<3 {
        let unsigned = try #require(
          ClosingTransaction.build(
            fixture.terms, funding: fixture.funding, amountSat: amount, rung: rung))
        let parts = SighashParts(
          version: 2, input: unsigned.inputs[0],
          scriptCode: ChannelScript.witnessScript(fixture.terms), amountSat: 100_000, lockTime: 0)
        #expect(
          parts.digest(outputs: unsigned.outputs)
            == ClosingTransaction.digest(fixture.terms, unsigned))
      }
    }
  }

  @Test func kernelRefusesEveryTamperedClose() throws {
    let fixture = try Fixture()
    for rung in 0..<3 {
      let good = try fixture.signedClose(20_000, rung: rung)
      let other = try fixture.signedClose(20_000, rung: (rung + 1) % 3)
      let later = try fixture.signedClose(20_001, rung: rung)
      var bad: [Transaction] = []
      func tampered(_ change: (inout Transaction) -> Void) {
        var copy = good
        change(&copy)
        bad.append(copy)
      }
      tampered { $0.outputs[0].amountSat += 1 }
      tampered { $0.outputs[1].amountSat -= 1 }
      tampered { $0.outputs[0].scriptPubKey = $0.outputs[1].scriptPubKey }
      tampered { $0.outputs[1].scriptPubKey = Fixture.walletScript }
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
}

/// Found by fuzzing: a light client believes a block's proof of work, and adds up no amounts.
@Test func impossibleAmountsOfASpendAreBounded() throws {
  let fixture = try Fixture()
  let terms = fixture.terms
  let spend = Transaction(
    inputs: [TransactionInput(previous: fixture.funding, witness: [[], [1], [1], [2]])],
    outputs: [
      TransactionOutput(amountSat: .max, scriptPubKey: terms.payoutScript),
      TransactionOutput(amountSat: .max, scriptPubKey: terms.returnScript),
      TransactionOutput(amountSat: 5, scriptPubKey: terms.returnScript),
    ])
  let read = try #require(ChannelSpend(spend, of: fixture.funding, terms))
  #expect(read.payoutSat == Amount.maxSat)
  #expect(read.returnSat == Amount.maxSat)
}
