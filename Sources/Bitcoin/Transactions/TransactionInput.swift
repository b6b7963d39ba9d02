import Bytes

/// One input of a transaction, with its witness stack (BIP144).
public struct TransactionInput: Equatable, Sendable {
  public var previous: OutPoint
  public var scriptSig: [UInt8]
  public var sequence: UInt32
  /// The witness stack in wire form, a count and the items; empty if there are none. Kept encoded
  /// because a hostile block may have millions of one-byte items, each of which would take fifty
  /// bytes as an array.
  private(set) var encodedWitness: [UInt8] = []

  /// The witness stack; decoded and encoded at each use.
  public var witness: [[UInt8]] {
    get {
      var reader = ByteReader(encodedWitness)
      return (try? TransactionInput.items(&reader)) ?? []
    }
    set {
      encodedWitness = []
      if newValue.isEmpty { return }
      var writer = ByteWriter(reserving: 128)
      writer.compactSize(newValue.count)
      for item in newValue { writer.lengthPrefixed(item) }
      encodedWitness = writer.bytes
    }
  }

  public var hasWitness: Bool { !encodedWitness.isEmpty }

  /// `sequence` 0xfffffffd enables the lock time and signals replaceability (BIP125).
  public init(
    previous: OutPoint, scriptSig: [UInt8] = [], sequence: UInt32 = 0xffff_fffd,
    witness: [[UInt8]] = []
  ) {
    self.previous = previous
    self.scriptSig = scriptSig
    self.sequence = sequence
    self.witness = witness
  }

  private static func items(_ reader: inout ByteReader) throws(BytesError) -> [[UInt8]] {
    if reader.isAtEnd { return [] }
    let count = try reader.compactSize(limit: UInt64(Transaction.maxBytes))
    var items: [[UInt8]] = []
    items.reserveCapacity(min(count, reader.remaining))
    for _ in 0..<count { items.append(try reader.lengthPrefixed(limit: Transaction.maxBytes)) }
    return items
  }

  /// Decodes a witness stack from a transaction.
  mutating func decodeWitness(_ reader: inout ByteReader, keeps: Bool) throws(BytesError) {
    var ahead = reader
    let count = try reader.compactSize(limit: UInt64(Transaction.maxBytes))
    for _ in 0..<count {
      try reader.skip(try reader.compactSize(limit: UInt64(Transaction.maxBytes)))
    }
    if keeps && count > 0 { encodedWitness = try ahead.take(reader.offset - ahead.offset) }
  }

  func encodeWitness(to writer: inout ByteWriter) {
    if hasWitness { writer.append(encodedWitness) } else { writer.u8(0) }
  }
}
