import Bytes
import Crypto

/// A transaction, with witnesses (BIP144).
public struct Transaction: Equatable, Sendable {
  /// The largest transaction that a block's weight limit allows, in bytes.
  public static let maxBytes = 4_000_000
  /// The largest transaction that peers relay: 400,000 weight units (policy).
  public static let maxRelayedBytes = 400_000
  /// The largest transaction without witnesses that a block's weight limit allows.
  static let maxStrippedBytes = 1_000_000
  /// The smallest input, in bytes; limits how many a document can hold.
  private static let minInputBytes = 41
  private static let minOutputBytes = 9

  public var version: UInt32
  public var inputs: [TransactionInput]
  public var outputs: [TransactionOutput]
  public var lockTime: UInt32

  public init(
    version: UInt32 = 2, inputs: [TransactionInput], outputs: [TransactionOutput],
    lockTime: UInt32 = 0
  ) {
    self.version = version
    self.inputs = inputs
    self.outputs = outputs
    self.lockTime = lockTime
  }

  public var hasWitness: Bool {
    for input in inputs where input.hasWitness { return true }
    return false
  }

  public var isCoinbase: Bool { inputs.count == 1 && inputs[0].previous == OutPoint.coinbase }

  // MARK: Wire form

  public func encode(to writer: inout ByteWriter, witness: Bool = true) {
    let withWitness = witness && hasWitness
    writer.u32le(version)
    if withWitness {
      writer.u8(0)
      writer.u8(1)
    }
    writer.compactSize(inputs.count)
    for input in inputs {
      input.previous.encode(to: &writer)
      writer.lengthPrefixed(input.scriptSig)
      writer.u32le(input.sequence)
    }
    writer.compactSize(outputs.count)
    for output in outputs { output.encode(to: &writer) }
    if withWitness {
      for input in inputs { input.encodeWitness(to: &writer) }
    }
    writer.u32le(lockTime)
  }

  public func bytes(witness: Bool = true) -> [UInt8] {
    var writer = ByteWriter(reserving: 256)
    encode(to: &writer, witness: witness)
    return writer.bytes
  }

  /// Decodes one transaction. Without `keepsWitness` its witnesses are skipped: ``txid`` stays
  /// right, ``wtxid`` and ``weight`` do not.
  public static func decode(
    _ reader: inout ByteReader, keepsWitness: Bool = true
  ) throws(BytesError) -> Transaction {
    let start = reader.offset
    let version = try reader.u32le()
    var inputs: [TransactionInput] = []
    var count = try reader.compactSize(limit: UInt64(maxBytes / minInputBytes))
    let marked = count == 0
    if marked {
      let flagOffset = reader.offset
      if try reader.u8() != 1 { throw BytesError.invalid(offset: flagOffset) }
      count = try reader.compactSize(limit: UInt64(maxBytes / minInputBytes))
    }
    inputs.reserveCapacity(min(count, reader.remaining / minInputBytes))
    for _ in 0..<count {
      let previous = try OutPoint.decode(&reader)
      let scriptSig = try reader.lengthPrefixed(limit: maxBytes)
      inputs.append(
        TransactionInput(
          previous: previous, scriptSig: scriptSig, sequence: try reader.u32le()))
      try checkStripped(reader, from: start)
    }
    var outputs: [TransactionOutput] = []
    let outputCount = try reader.compactSize(limit: UInt64(maxBytes / minOutputBytes))
    outputs.reserveCapacity(min(outputCount, reader.remaining / minOutputBytes))
    for _ in 0..<outputCount {
      outputs.append(try TransactionOutput.decode(&reader))
      try checkStripped(reader, from: start)
    }
    if marked { try decodeWitnesses(&reader, &inputs, keeps: keepsWitness) }
    return Transaction(
      version: version, inputs: inputs, outputs: outputs, lockTime: try reader.u32le())
  }

  private static func checkStripped(
    _ reader: ByteReader, from start: Int
  ) throws(BytesError) {
    if reader.offset - start > maxStrippedBytes {
      throw BytesError.tooLarge(
        offset: start, value: UInt64(reader.offset - start), limit: UInt64(maxStrippedBytes))
    }
  }

  private static func decodeWitnesses(
    _ reader: inout ByteReader, _ inputs: inout [TransactionInput], keeps: Bool
  ) throws(BytesError) {
    let start = reader.offset
    var any = false
    for index in inputs.indices {
      let before = reader.offset
      try inputs[index].decodeWitness(&reader, keeps: keeps)
      // An empty stack is a single byte: count 0.
      if reader.offset > before + 1 { any = true }
    }
    // Bitcoin Core refuses a witness marker without any witness.
    if !any { throw BytesError.nonCanonical(offset: start) }
  }

  /// Decodes a whole document.
  public static func decode(_ bytes: [UInt8]) throws(BitcoinError) -> Transaction {
    var reader = ByteReader(bytes)
    return try decoding { () throws(BytesError) in
      let transaction = try decode(&reader)
      try reader.finish()
      return transaction
    }
  }

  // MARK: Identity and size

  /// The id, without witnesses, in wire byte order.
  public var txid: Bytes32 { Sha256.double(bytes(witness: false)) }

  /// The id with witnesses (BIP141), in wire byte order; zero for a coinbase.
  public var wtxid: Bytes32 { isCoinbase ? .zero : Sha256.double(bytes()) }

  /// Weight units (BIP141).
  public var weight: Int { bytes(witness: false).count * 3 + bytes().count }

  /// Virtual bytes: weight over four, rounded up.
  public var virtualSize: Int { (weight + 3) / 4 }

  /// The sum of all outputs in sat; nil if it exceeds the greatest possible amount.
  public var totalOutputSat: UInt64? {
    var total: UInt64 = 0
    for output in outputs {
      if output.amountSat > Amount.maxSat { return nil }
      total += output.amountSat
      if total > Amount.maxSat { return nil }
    }
    return total
  }
}
