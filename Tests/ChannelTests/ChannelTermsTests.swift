import Bitcoin
import Bytes
import Channel
import Crypto
import TestSupport
import Testing

struct ChannelTermsTests {
  @Test func roundTripAndTruncation() throws {
    let terms = try Fixture.terms(ladder: [1000, 2000, 3000, 4000, 5000, 6000, 7000, 8000])
    let bytes = terms.encode()
    #expect(try ChannelTerms.decode(bytes) == terms)
    #expect(bytes.count <= ChannelTerms.maxBytes)
    for count in bytes.indices {
      #expect(throws: ChannelError.self) { try ChannelTerms.decode(Array(bytes[..<count])) }
    }
    #expect(throws: ChannelError.malformed(.trailing(offset: bytes.count))) {
      try ChannelTerms.decode(bytes + [0])
    }
    for version in [UInt8(1), 3] {
      #expect(throws: ChannelError.malformed(.invalid(offset: 0))) {
        try ChannelTerms.decode([version] + bytes.dropFirst())
      }
    }
  }

  /// Field by field, as the two sides sign it.
  @Test func bytesAreInTheDocumentedOrder() throws {
    let terms = try Fixture.terms()
    var writer = ByteWriter()
    writer.u8(2)
    writer.append(terms.providerKey)
    writer.append(terms.publisherKey)
    writer.u32le(1000)
    writer.u32le(24)
    writer.u64le(100_000)
    writer.u64le(5000)
    writer.u8(3)
    for rate in [UInt32(1000), 5000, 25_000] { writer.u32le(rate) }
    writer.u8(34)
    writer.append(terms.payoutScript)
    writer.append(terms.returnKey)
    #expect(terms.encode() == writer.bytes)
  }

  @Test func decodingIsCanonicalUnderMutation() throws {
    var random = SeededGenerator(seed: 5)
    let good = try Fixture.terms().encode()
    var accepted = 0
    for _ in 0..<3000 {
      var bytes = good
      for _ in 0..<random.int(1...3) {
        bytes[random.int(0...(bytes.count - 1))] = UInt8(random.int(0...255))
      }
      guard let terms = try? ChannelTerms.decode(bytes) else { continue }
      accepted += 1
      #expect(terms.encode() == bytes)
    }
    #expect(accepted > 0)
  }

  @Test func everyRuleIsChecked() throws {
    let good = try Fixture.terms()
    try good.check()
    func refused(_ field: StaticReason, _ change: (inout ChannelTerms) -> Void) {
      var terms = good
      change(&terms)
      do {
        try terms.check()
        Issue.record("accepted: \(field.text)")
      } catch {
        guard case .terms(let named, _) = error else {
          Issue.record("another error: \(error.message)")
          return
        }
        #expect(named == field)
      }
    }
    refused("provider key") { $0.providerKey[0] = 4 }
    refused("provider key") { $0.providerKey = [] }
    refused("publisher key") { $0.publisherKey = [UInt8](repeating: 2, count: 32) }
    refused("return key") { $0.returnKey = [UInt8](repeating: 5, count: 33) }
    refused("expiry height") { $0.expiryHeight = 0 }
    refused("expiry height") { $0.expiryHeight = 500_000_000 }
    refused("close margin") { $0.closeMarginBlocks = 0 }
    refused("close margin") { $0.closeMarginBlocks = 1000 }
    refused("fee ladder") { $0.feeLadderSatPerKvB = [] }
    refused("fee ladder") { $0.feeLadderSatPerKvB = [99, 1000] }
    refused("fee ladder") { $0.feeLadderSatPerKvB = [5000, 5000] }
    refused("fee ladder") { $0.feeLadderSatPerKvB = [5000, 1000] }
    refused("fee ladder") { $0.feeLadderSatPerKvB = [1000, 10_000_001] }
    refused("fee ladder") { $0.feeLadderSatPerKvB = Array(1000...1008) }
    refused("payout script") { $0.payoutScript = [0x6a] }
    refused("payout script") { $0.payoutScript = [0x52, 32] + [UInt8](repeating: 1, count: 32) }
    refused("payout script") { $0.payoutScript = [0, 20] + [UInt8](repeating: 1, count: 21) }
    refused("payout script") { $0.payoutScript = $0.returnScript }
    refused("capacity") { $0.capacitySat = 5329 }
    refused("capacity") { $0.capacitySat = 4000 }
    refused("capacity") { $0.capacitySat = 2_100_000_000_000_001 }
    refused("reserve") { $0.reserveSat = 4874 }
    refused("reserve") { $0.feeLadderSatPerKvB[2] += 1000 }
  }

  /// The least that the rules allow, and nothing less.
  @Test func boundsAreAllowed() throws {
    var terms = try Fixture.terms(ladder: [100])
    terms.closeMarginBlocks = 999
    terms.reserveSat = 20
    terms.capacitySat = 350
    try terms.check()
    #expect(terms.maxPayableSat == 330)
    #expect(terms.closeHeight == 1)
    terms.reserveSat = 19
    #expect(throws: ChannelError.self) { try terms.check() }
    terms.feeLadderSatPerKvB = [10_000_000]
    terms.reserveSat = 10_000 * UInt64(ClosingTransaction.virtualSize(terms))
    terms.capacitySat = terms.reserveSat + 330
    try terms.check()
  }

  @Test func asksForAHigherLadderWhenTheEstimateNearsItsTop() throws {
    let terms = try Fixture.terms()
    #expect(!terms.needsHigherLadder(estimateSatPerKvB: 12_500))
    #expect(terms.needsHigherLadder(estimateSatPerKvB: 12_501))
    #expect(terms.needsHigherLadder(estimateSatPerKvB: .max))
    #expect(!terms.needsHigherLadder(estimateSatPerKvB: 0))
  }

  @Test func ledgerKeysDifferByContractAndNumber() {
    let contract = Sha256.hash([1])
    var keys: Set<Bytes32> = [contract]
    for number in UInt8.min...UInt8.max {
      keys.insert(ChannelId.of(contract: contract, number: number))
      keys.insert(ChannelId.of(contract: Sha256.hash([2]), number: number))
    }
    #expect(keys.count == 513)
    #expect(
      ChannelId.of(contract: contract, number: 7)
        == Sha256.tagged("zennet/channel", contract.array + [7]))
  }

  // MARK: What travels under the terms

  @Test func paymentRoundTripAndTruncation() throws {
    let fixture = try Fixture()
    for amount in [UInt64(330), 4000, 95_000] {
      let payment = try fixture.payment(amount, sequence: 77)
      let bytes = payment.encode()
      #expect(try ChannelPayment.decode(bytes) == payment)
      for count in bytes.indices {
        #expect(throws: ChannelError.self) { try ChannelPayment.decode(Array(bytes[..<count])) }
      }
      #expect(throws: ChannelError.malformed(.trailing(offset: bytes.count))) {
        try ChannelPayment.decode(bytes + [0])
      }
    }
    let head = [UInt8](repeating: 0, count: 16)
    #expect(throws: ChannelError.malformed(.tooLarge(offset: 16, value: 9, limit: 8))) {
      try ChannelPayment.decode(head + [9] + [UInt8](repeating: 0, count: 9))
    }
    #expect(throws: ChannelError.malformed(.tooLarge(offset: 17, value: 72, limit: 71))) {
      try ChannelPayment.decode(head + [1, 72] + [UInt8](repeating: 0, count: 72))
    }
    // Every rung of a payment is signed.
    #expect(throws: ChannelError.malformed(.invalid(offset: 16))) {
      try ChannelPayment.decode(head + [2, 1, 7, 0])
    }
  }

  @Test func closeSignaturesRoundTripAndTruncation() throws {
    let fixture = try Fixture()
    var provider = try fixture.fundedProvider()
    for rate in [UInt64(0), 5000, 25_000] {
      let signatures = try provider.signClose(feeRateSatPerKvB: rate)
      let bytes = signatures.encode()
      #expect(try CloseSignatures.decode(bytes) == signatures)
      for count in bytes.indices {
        #expect(throws: ChannelError.self) { try CloseSignatures.decode(Array(bytes[..<count])) }
      }
      #expect(throws: ChannelError.malformed(.trailing(offset: bytes.count))) {
        try CloseSignatures.decode(bytes + [0])
      }
    }
  }
}
