import Bitcoin
import Bytes
import Channel
import Crypto
import TestSupport
import Testing

struct ChannelTermsTests {
  @Test func roundTripAndTruncation() throws {
    let terms = try Fixture.terms(ladder: [1, 2, 3, 4, 5, 6, 7, 8])
    let bytes = terms.encode()
    #expect(try ChannelTerms.decode(bytes) == terms)
    #expect(bytes.count <= ChannelTerms.maxBytes)
    for count in bytes.indices {
      #expect(throws: ChannelError.self) { try ChannelTerms.decode(Array(bytes[..<count])) }
    }
    #expect(throws: ChannelError.malformed(.trailing(offset: bytes.count))) {
      try ChannelTerms.decode(bytes + [0])
    }
    #expect(throws: ChannelError.malformed(.invalid(offset: 0))) {
      try ChannelTerms.decode([2] + bytes.dropFirst())
    }
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
    refused("expiry height") { $0.expiryHeight = 0 }
    refused("expiry height") { $0.expiryHeight = 500_000_000 }
    refused("fee ladder") { $0.feeLadderSatPerVb = [] }
    refused("fee ladder") { $0.feeLadderSatPerVb = [0, 1] }
    refused("fee ladder") { $0.feeLadderSatPerVb = [5, 5] }
    refused("fee ladder") { $0.feeLadderSatPerVb = [5, 1] }
    refused("fee ladder") { $0.feeLadderSatPerVb = [1, 10_001] }
    refused("fee ladder") { $0.feeLadderSatPerVb = Array(1...9) }
    refused("payout script") { $0.payoutScript = [0x6a] }
    refused("payout script") { $0.payoutScript = [0x52, 32] + [UInt8](repeating: 1, count: 32) }
    refused("change script") { $0.changeScript = [] }
    refused("change script") { $0.changeScript = [0, 20] + [UInt8](repeating: 1, count: 21) }
    refused("capacity") { $0.capacitySat = 400 }
    refused("capacity") { $0.capacitySat = 2_100_000_000_000_001 }
  }

  @Test func paymentRoundTripAndTruncation() throws {
    let fixture = try Fixture()
    for amount in [UInt64(600), 4000, 90_000] {
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
    let tooMany = [UInt8](repeating: 0, count: 16) + [9] + [UInt8](repeating: 0, count: 9)
    #expect(throws: ChannelError.malformed(.tooLarge(offset: 16, value: 9, limit: 8))) {
      try ChannelPayment.decode(tooMany)
    }
    let tooLong = [UInt8](repeating: 0, count: 16) + [1, 73] + [UInt8](repeating: 0, count: 73)
    #expect(throws: ChannelError.malformed(.tooLarge(offset: 17, value: 73, limit: 72))) {
      try ChannelPayment.decode(tooLong)
    }
  }
}
