import Bytes
import Crypto

/// A block: its header and all its transactions, the coinbase first.
public struct Block: Equatable, Sendable {
  public static let maxBytes = 4_000_000
  /// The smallest transaction, in bytes; limits how many a block can hold.
  private static let minTransactionBytes = 60

  public var header: BlockHeader
  public var transactions: [Transaction]

  public init(header: BlockHeader, transactions: [Transaction]) {
    self.header = header
    self.transactions = transactions
  }

  public func encode(to writer: inout ByteWriter, witness: Bool = true) {
    header.encode(to: &writer)
    writer.compactSize(transactions.count)
    for transaction in transactions { transaction.encode(to: &writer, witness: witness) }
  }

  public func bytes(witness: Bool = true) -> [UInt8] {
    var writer = ByteWriter(reserving: 1024)
    encode(to: &writer, witness: witness)
    return writer.bytes
  }

  /// Decodes one block; for `keepsWitness` see ``Transaction``'s decoder.
  public static func decode(
    _ reader: inout ByteReader, keepsWitness: Bool = true
  ) throws(BytesError) -> Block {
    let header = try BlockHeader.decode(&reader)
    let count = try reader.compactSize(limit: UInt64(maxBytes / minTransactionBytes))
    var transactions: [Transaction] = []
    transactions.reserveCapacity(min(count, reader.remaining / minTransactionBytes))
    for _ in 0..<count {
      transactions.append(try Transaction.decode(&reader, keepsWitness: keepsWitness))
    }
    return Block(header: header, transactions: transactions)
  }

  public static func decode(_ bytes: [UInt8]) throws(BitcoinError) -> Block {
    var reader = ByteReader(bytes)
    return try decoding { () throws(BytesError) in
      let block = try decode(&reader)
      try reader.finish()
      return block
    }
  }

  public var hash: Bytes32 { header.hash }
}
