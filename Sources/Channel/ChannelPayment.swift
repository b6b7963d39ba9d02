import Bitcoin
import Bytes
import Crypto

/// A payment: the publisher's signatures over the close of `amountSat`, one for each rung of the
/// fee ladder. Amounts are cumulative since the channel was opened, and never shrink.
public struct ChannelPayment: Equatable, Sendable {
  /// Counts from 1, and grows with every payment.
  public var sequence: UInt64
  /// The total paid so far.
  public var amountSat: UInt64
  /// DER without hash type, one for each rung.
  public var signatures: [[UInt8]]

  public init(sequence: UInt64, amountSat: UInt64, signatures: [[UInt8]]) {
    self.sequence = sequence
    self.amountSat = amountSat
    self.signatures = signatures
  }

  /// Signs every rung of the ladder. Throws `terms`, `aboveCapacity`, `belowLeastPayable` or
  /// `wrongSecret`.
  public static func sign(
    _ terms: ChannelTerms, funding: OutPoint, sequence: UInt64, amountSat: UInt64, secret: Bytes32
  ) throws(ChannelError) -> ChannelPayment {
    try sign(
      try ChannelCloses(terms, funding: funding), sequence: sequence, amountSat: amountSat,
      secret: secret)
  }

  /// Same as ``sign(_:funding:sequence:amountSat:secret:)``, with precomputed closes.
  public static func sign(
    _ closes: ChannelCloses, sequence: UInt64, amountSat: UInt64, secret: Bytes32
  ) throws(ChannelError) -> ChannelPayment {
    try checkAmount(closes.terms, amountSat)
    var signatures: [[UInt8]] = []
    for rung in closes.rungs {
      signatures.append(try closes.sign(amountSat: amountSat, rung: rung, secret: secret))
    }
    return ChannelPayment(sequence: sequence, amountSat: amountSat, signatures: signatures)
  }

  /// Throws unless the amount can be collected at every rung.
  public func verify(_ terms: ChannelTerms, funding: OutPoint) throws(ChannelError) {
    try verify(try ChannelCloses(terms, funding: funding))
  }

  /// Same as ``verify(_:funding:)``, with precomputed closes.
  public func verify(_ closes: ChannelCloses) throws(ChannelError) {
    try ChannelPayment.checkAmount(closes.terms, amountSat)
    if signatures.count != closes.rungs.count {
      throw ChannelError.wrongSignature(rung: min(signatures.count, closes.rungs.count))
    }
    for rung in closes.rungs
    where !closes.isPublishers(signatures[rung], amountSat: amountSat, rung: rung) {
      throw ChannelError.wrongSignature(rung: rung)
    }
  }

  /// Refuses a payment that no close could pay out.
  private static func checkAmount(_ terms: ChannelTerms, _ amountSat: UInt64) throws(ChannelError) {
    if amountSat > terms.maxPayableSat {
      throw ChannelError.aboveCapacity(maxPayableSat: terms.maxPayableSat, offeredSat: amountSat)
    }
    if amountSat < Amount.dustSat {
      throw ChannelError.belowLeastPayable(leastSat: Amount.dustSat, offeredSat: amountSat)
    }
  }

  // MARK: Encoding: fixed order, little-endian, counts and lengths as one byte

  public func encode(to writer: inout ByteWriter) {
    writer.u64le(sequence)
    writer.u64le(amountSat)
    encodeSignatures(signatures, to: &writer)
  }

  public func encode() -> [UInt8] {
    var writer = ByteWriter(reserving: 256)
    encode(to: &writer)
    return writer.bytes
  }

  public static func decode(_ reader: inout ByteReader) throws(BytesError) -> ChannelPayment {
    let sequence = try reader.u64le()
    let amountSat = try reader.u64le()
    let start = reader.offset
    let signatures = try decodeSignatures(&reader)
    for signature in signatures where signature.isEmpty { throw BytesError.invalid(offset: start) }
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

/// One signature for each rung, empty ones included.
func encodeSignatures(_ signatures: [[UInt8]], to writer: inout ByteWriter) {
  writer.u8(UInt8(truncatingIfNeeded: signatures.count))
  for signature in signatures {
    writer.u8(UInt8(truncatingIfNeeded: signature.count))
    writer.append(signature)
  }
}

/// At most ``ChannelTerms/maxRungs`` signatures, each at most as long as the longest DER signature.
func decodeSignatures(_ reader: inout ByteReader) throws(BytesError) -> [[UInt8]] {
  let count = try shortLength(&reader, limit: ChannelTerms.maxRungs)
  var signatures: [[UInt8]] = []
  for _ in 0..<count {
    let length = try shortLength(&reader, limit: ClosingTransaction.largestDer)
    signatures.append(try reader.take(length))
  }
  return signatures
}
