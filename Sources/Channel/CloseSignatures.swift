import Bytes

/// The provider's signatures over the closes of `amountSat`, so that the publisher can send the
/// close too. After signing, the provider accepts no more payments through the channel.
public struct CloseSignatures: Equatable, Sendable {
  /// What the close pays the owner: the total paid; may be 0.
  public var amountSat: UInt64
  /// DER without hash type, one for each rung; empty for a rung that the provider does not accept.
  public var signatures: [[UInt8]]

  public init(amountSat: UInt64, signatures: [[UInt8]]) {
    self.amountSat = amountSat
    self.signatures = signatures
  }

  /// Throws unless there is one entry for each rung, at least one is signed, and every present
  /// signature is valid.
  public func verify(_ closes: ChannelCloses) throws(ChannelError) {
    if amountSat > closes.terms.maxPayableSat {
      throw ChannelError.aboveCapacity(
        maxPayableSat: closes.terms.maxPayableSat, offeredSat: amountSat)
    }
    if signatures.count != closes.rungs.count {
      throw ChannelError.wrongSignature(rung: min(signatures.count, closes.rungs.count))
    }
    var count = 0
    for rung in closes.rungs where !signatures[rung].isEmpty {
      if !closes.isProviders(signatures[rung], amountSat: amountSat, rung: rung) {
        throw ChannelError.wrongSignature(rung: rung)
      }
      count += 1
    }
    if count == 0 { throw ChannelError.wrongSignature(rung: 0) }
  }

  /// Adds the signatures of `more` for rungs that have none here; both are for the same amount and
  /// verified.
  func adding(_ more: CloseSignatures) -> CloseSignatures {
    var all = self
    for rung in signatures.indices where signatures[rung].isEmpty {
      all.signatures[rung] = more.signatures[rung]
    }
    return all
  }

  // MARK: Encoding: fixed order, little-endian, counts and lengths as one byte

  public func encode(to writer: inout ByteWriter) {
    writer.u64le(amountSat)
    encodeSignatures(signatures, to: &writer)
  }

  public func encode() -> [UInt8] {
    var writer = ByteWriter(reserving: 256)
    encode(to: &writer)
    return writer.bytes
  }

  public static func decode(_ reader: inout ByteReader) throws(BytesError) -> CloseSignatures {
    let amountSat = try reader.u64le()
    return CloseSignatures(amountSat: amountSat, signatures: try decodeSignatures(&reader))
  }

  public static func decode(_ bytes: [UInt8]) throws(ChannelError) -> CloseSignatures {
    var reader = ByteReader(bytes)
    return try decoding { () throws(BytesError) in
      let signatures = try decode(&reader)
      try reader.finish()
      return signatures
    }
  }
}
