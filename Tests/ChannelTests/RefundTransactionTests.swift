import Bitcoin
import Bytes
import Channel
import Crypto
import Testing

struct RefundTransactionTests {
  private func refund(_ fixture: Fixture, rate: UInt64 = 2) throws -> Transaction {
    try RefundTransaction.build(
      fixture.terms, funding: fixture.funding, feeRateSatPerVb: rate,
      secret: Fixture.publisherSecret)
  }

  /// The refund again, changed and signed anew.
  private func resigned(
    _ fixture: Fixture, by secret: Bytes32 = Fixture.publisherSecret,
    _ change: (inout Transaction) -> Void
  ) throws -> Transaction {
    var copy = try refund(fixture)
    change(&copy)
    let digest = ClosingTransaction.digest(fixture.terms, copy)
    copy.inputs[0].witness[0] = try Secp256k1.signEcdsa(digest: digest, secret: secret) + [1]
    return copy
  }

  @Test func kernelAcceptsTheRefund() throws {
    // One-byte, two-byte with and without a sign byte, three-byte heights, and an op code's.
    for height in [UInt32(16), 17, 127, 128, 1000, 32_767, 32_768, 900_000, 499_999_999] {
      let fixture = try Fixture(expiryHeight: height)
      let transaction = try refund(fixture)
      #expect(transaction.lockTime == height)
      #expect(fixture.kernelAccepts(transaction))
      let fee = 100_000 - transaction.outputs[0].amountSat
      #expect(fee >= 2 * UInt64(transaction.virtualSize))
      #expect(fee <= 2 * UInt64(transaction.virtualSize + 2))
    }
  }

  @Test func kernelRefusesTheEarlyRefund() throws {
    let fixture = try Fixture()
    #expect(fixture.kernelAccepts(try resigned(fixture) { $0.lockTime = 1001 }))
    #expect(!fixture.kernelAccepts(try resigned(fixture) { $0.lockTime = 999 }))
    #expect(!fixture.kernelAccepts(try resigned(fixture) { $0.lockTime = 0 }))
    // A lock time that is a time, and a final input, which has none.
    #expect(!fixture.kernelAccepts(try resigned(fixture) { $0.lockTime = 1_700_000_000 }))
    #expect(!fixture.kernelAccepts(try resigned(fixture) { $0.inputs[0].sequence = .max }))
  }

  @Test func kernelRefusesTheTamperedRefund() throws {
    let fixture = try Fixture()
    let good = try refund(fixture)
    #expect(!fixture.kernelAccepts(try resigned(fixture, by: Fixture.providerSecret) { _ in }))
    #expect(!fixture.kernelAccepts(try resigned(fixture, by: Fixture.strangerSecret) { _ in }))
    var bad = good
    bad.outputs[0].amountSat += 1
    #expect(!fixture.kernelAccepts(bad))
    bad = good
    bad.lockTime += 1
    #expect(!fixture.kernelAccepts(bad))
    bad = good
    bad.inputs[0].witness[1] = [1]
    #expect(!fixture.kernelAccepts(bad))
    for byte in good.inputs[0].witness[0].indices {
      bad = good
      bad.inputs[0].witness[0][byte] ^= 1
      #expect(!fixture.kernelAccepts(bad))
    }
  }

  @Test func refundThatWouldBeDustIsRefused() throws {
    let fixture = try Fixture(capacitySat: 1000)
    #expect(throws: ChannelError.refundIsDust) { try refund(fixture, rate: 10) }
    #expect(throws: ChannelError.refundIsDust) { try refund(fixture, rate: .max) }
    #expect(try refund(fixture, rate: 1).outputs[0].amountSat >= 330)
  }
}
