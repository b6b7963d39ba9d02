import Bitcoin
import Bytes
import Channel
import Crypto
import Testing

struct RefundTransactionTests {
  private func refund(_ fixture: Fixture, rate: UInt64 = 2000) throws -> Transaction {
    try RefundTransaction.build(
      fixture.terms, funding: fixture.funding, to: Fixture.walletScript, feeRateSatPerKvB: rate,
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
      #expect(transaction.outputs.map(\.scriptPubKey) == [Fixture.walletScript])
      let fee = 100_000 - transaction.outputs[0].amountSat
      #expect(fee >= 2 * UInt64(transaction.virtualSize))
      #expect(fee <= 2 * UInt64(transaction.virtualSize + 2))
    }
  }

  /// A wallet that knows the lock and the amount alone makes the same refund.
  @Test func theLockIsEnough() throws {
    let fixture = try Fixture()
    let rebuilt = try RefundTransaction.build(
      ChannelLock(
        providerKey: fixture.terms.providerKey, publisherKey: fixture.terms.publisherKey,
        expiryHeight: fixture.terms.expiryHeight), capacitySat: 100_000, funding: fixture.funding,
      to: Fixture.walletScript, feeRateSatPerKvB: 2000, secret: Fixture.publisherSecret)
    #expect(try refund(fixture) == rebuilt)
    #expect(fixture.terms.lock.scriptPubKey == fixture.fundingTransaction.outputs[1].scriptPubKey)
  }

  /// Rates below 1 sat/vB, rounded up to the sat.
  @Test func feesAreRoundedUp() throws {
    let fixture = try Fixture()
    for rate in [UInt64(100), 101, 999] {
      let transaction = try refund(fixture, rate: rate)
      let fee = 100_000 - transaction.outputs[0].amountSat
      #expect(fee * 1000 >= rate * UInt64(transaction.virtualSize))
      #expect(fixture.kernelAccepts(transaction))
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
    let fixture = try Fixture(capacitySat: 1000, reserveSat: 195, ladder: [1000])
    #expect(throws: ChannelError.refundIsDust) { try refund(fixture, rate: 10_000) }
    #expect(throws: ChannelError.refundIsDust) { try refund(fixture, rate: .max) }
    #expect(throws: ChannelError.refundIsDust) { try refund(fixture, rate: .max / 2) }
    #expect(try refund(fixture, rate: 1000).outputs[0].amountSat >= 330)
  }
}
