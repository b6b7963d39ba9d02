import Bytes

/// One output of a transaction: an amount in sat and the script that locks it.
public struct TransactionOutput: Equatable, Sendable {
  public var amountSat: UInt64
  public var scriptPubKey: [UInt8]

  public init(amountSat: UInt64, scriptPubKey: [UInt8]) {
    self.amountSat = amountSat
    self.scriptPubKey = scriptPubKey
  }

  public func encode(to writer: inout ByteWriter) {
    writer.u64le(amountSat)
    writer.lengthPrefixed(scriptPubKey)
  }

  public static func decode(_ reader: inout ByteReader) throws(BytesError) -> TransactionOutput {
    let amountSat = try reader.u64le()
    let script = try reader.lengthPrefixed(limit: Transaction.maxBytes)
    return TransactionOutput(amountSat: amountSat, scriptPubKey: script)
  }
}
