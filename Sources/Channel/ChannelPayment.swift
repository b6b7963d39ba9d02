import Bitcoin
import Bytes
import Crypto

/// A payment: the publisher's signatures over the close of `amountSat`, one for each rung of the
/// fee ladder. Amounts are totals since the channel was opened, and only grow.
public struct ChannelPayment: Equatable, Sendable {
  /// Counts from 1, and grows with every payment.
  public var sequence: UInt64
  /// All that was paid so far.
  public var amountSat: UInt64
  /// DER without hash type; empty where the payout of the rung would be dust.
  public var signatures: [[UInt8]]

  public init(sequence: UInt64, amountSat: UInt64, signatures: [[UInt8]]) {
    self.sequence = sequence
    self.amountSat = amountSat
    self.signatures = signatures
  }

  /// Signs up the whole ladder. Throws `aboveCapacity`, `belowLeastPayable` or `wrongSecret`.
  public static func sign(
    _ terms: ChannelTerms, funding: OutPoint, sequence: UInt64, amountSat: UInt64, secret: Bytes32
  ) throws(ChannelError) -> ChannelPayment {
    try checkAmount(terms, amountSat)
    var signatures: [[UInt8]] = []
    for rung in terms.feeLadderSatPerVb.indices {
      guard
        let close = ClosingTransaction.build(
          terms, funding: funding, amountSat: amountSat, rung: rung)
      else {
        signatures.append([])
        continue
      }
      let digest = ClosingTransaction.digest(terms, close)
      do { signatures.append(try Secp256k1.signEcdsa(digest: digest, secret: secret)) } catch {
        throw ChannelError.wrongSecret
      }
    }
    return ChannelPayment(sequence: sequence, amountSat: amountSat, signatures: signatures)
  }

  /// Throws unless the amount can be collected and every rung carries exactly what it should.
  public func verify(_ terms: ChannelTerms, funding: OutPoint) throws(ChannelError) {
    try ChannelPayment.checkAmount(terms, amountSat)
    if signatures.count != terms.feeLadderSatPerVb.count {
      throw ChannelError.wrongSignature(rung: min(signatures.count, terms.feeLadderSatPerVb.count))
    }
    for rung in signatures.indices {
      guard
        let close = ClosingTransaction.build(
          terms, funding: funding, amountSat: amountSat, rung: rung)
      else {
        if !signatures[rung].isEmpty { throw ChannelError.wrongSignature(rung: rung) }
        continue
      }
      let digest = ClosingTransaction.digest(terms, close)
      if !Secp256k1.verifyEcdsa(
        der: signatures[rung], digest: digest, publicKey: terms.publisherKey)
      {
        throw ChannelError.wrongSignature(rung: rung)
      }
    }
  }

  private static func checkAmount(_ terms: ChannelTerms, _ amountSat: UInt64) throws(ChannelError) {
    if amountSat > terms.capacitySat {
      throw ChannelError.aboveCapacity(capacitySat: terms.capacitySat, offeredSat: amountSat)
    }
    if ClosingTransaction.payoutSat(terms, amountSat: amountSat, rung: 0) == nil {
      throw ChannelError.belowLeastPayable(
        leastSat: ClosingTransaction.leastPayableSat(terms), offeredSat: amountSat)
    }
  }

  // MARK: Encoding: fixed order, little-endian, counts and lengths as one byte

  public func encode(to writer: inout ByteWriter) {
    writer.u64le(sequence)
    writer.u64le(amountSat)
    writer.u8(UInt8(truncatingIfNeeded: signatures.count))
    for signature in signatures {
      writer.u8(UInt8(truncatingIfNeeded: signature.count))
      writer.append(signature)
    }
  }

  public func encode() -> [UInt8] {
    var writer = ByteWriter(reserving: 256)
    encode(to: &writer)
    return writer.bytes
  }

  public static func decode(_ reader: inout ByteReader) throws(BytesError) -> ChannelPayment {
    let sequence = try reader.u64le()
    let amountSat = try reader.u64le()
    let count = try shortLength(&reader, limit: ChannelTerms.maxRungs)
    var signatures: [[UInt8]] = []
    for _ in 0..<count {
      let length = try shortLength(&reader, limit: ClosingTransaction.largestSignature)
      signatures.append(try reader.take(length))
    }
    return ChannelPayment(sequence: sequence, amountSat: amountSat, signatures: signatures)
  }

  public static func decode(_ bytes: [UInt8]) throws(ChannelError) -> ChannelPayment {
    var reader = ByteReader(bytes)
    return try decoding { () throws(BytesError) in
      let payment = try decode(&reader)
      try reader.finish()
      return payment
    }
  }
}
