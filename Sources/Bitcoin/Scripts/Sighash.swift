import Bytes
import Crypto

/// Signature digests of all three kinds: legacy, BIP143, BIP341.
public enum Sighash {
  /// Which parts of a transaction a signature covers.
  public enum HashType {
    /// Taproot only: same as `all`, without the hash type byte in the signature.
    public static let `default`: UInt8 = 0
    public static let all: UInt8 = 1
    public static let none: UInt8 = 2
    public static let single: UInt8 = 3
    public static let anyoneCanPay: UInt8 = 0x80
  }

  // MARK: BIP143

  /// The digest for an input that spends a version 0 witness output of `amountSat`. `scriptCode`
  /// is the witness script (for P2WSH).
  public static func segwitV0(
    _ transaction: Transaction, inputIndex: Int, scriptCode: [UInt8], amountSat: UInt64,
    hashType: UInt8 = HashType.all
  ) -> Bytes32 {
    precondition(inputIndex >= 0 && inputIndex < transaction.inputs.count)
    let kind = hashType & 0x1f
    let anyone = hashType & HashType.anyoneCanPay != 0
    let input = transaction.inputs[inputIndex]
    var writer = ByteWriter(reserving: 200 + scriptCode.count)
    writer.u32le(transaction.version)
    writer.append(anyone ? .zero : Sha256.double(previousOutputs(transaction)))
    let coversSequences = !anyone && kind != HashType.none && kind != HashType.single
    writer.append(coversSequences ? Sha256.double(sequences(transaction)) : .zero)
    input.previous.encode(to: &writer)
    writer.lengthPrefixed(scriptCode)
    writer.u64le(amountSat)
    writer.u32le(input.sequence)
    if kind == HashType.single && inputIndex < transaction.outputs.count {
      writer.append(Sha256.double(encoded(transaction.outputs[inputIndex])))
    } else if kind == HashType.none || kind == HashType.single {
      writer.append(Bytes32.zero)
    } else {
      writer.append(Sha256.double(outputs(transaction)))
    }
    writer.u32le(transaction.lockTime)
    writer.u32le(UInt32(hashType))
    return Sha256.double(writer.bytes)
  }

  // MARK: BIP341

  /// The digest for the key path of a taproot input, without annex. `spentOutputs` are the outputs
  /// that all inputs spend, in order. `hashType` must be one of BIP341's seven values; with
  /// `single` there must be an output of the same index.
  public static func taprootKeyPath(
    _ transaction: Transaction, inputIndex: Int, spentOutputs: [TransactionOutput],
    hashType: UInt8 = HashType.default
  ) -> Bytes32 {
    let kind = hashType & 3
    let anyone = hashType & HashType.anyoneCanPay != 0
    precondition(inputIndex >= 0 && inputIndex < transaction.inputs.count)
    precondition(spentOutputs.count == transaction.inputs.count)
    precondition(hashType & 0x7c == 0 && hashType != HashType.anyoneCanPay)
    precondition(kind != HashType.single || inputIndex < transaction.outputs.count)
    var writer = ByteWriter(reserving: 256)
    // The epoch, then the hash type.
    writer.u8(0)
    writer.u8(hashType)
    writer.u32le(transaction.version)
    writer.u32le(transaction.lockTime)
    if !anyone { appendAllInputs(transaction, spentOutputs, to: &writer) }
    if kind == HashType.default || kind == HashType.all {
      writer.append(Sha256.hash(outputs(transaction)))
    }
    // The spend type: key path, no annex.
    writer.u8(0)
    if anyone {
      transaction.inputs[inputIndex].previous.encode(to: &writer)
      spentOutputs[inputIndex].encode(to: &writer)
      writer.u32le(transaction.inputs[inputIndex].sequence)
    } else {
      writer.u32le(UInt32(inputIndex))
    }
    if kind == HashType.single {
      writer.append(Sha256.hash(encoded(transaction.outputs[inputIndex])))
    }
    return Sha256.tagged("TapSighash", writer.bytes)
  }

  private static func appendAllInputs(
    _ transaction: Transaction, _ spent: [TransactionOutput], to writer: inout ByteWriter
  ) {
    var amounts = ByteWriter(reserving: spent.count * 8)
    var scripts = ByteWriter(reserving: spent.count * 35)
    for output in spent {
      amounts.u64le(output.amountSat)
      scripts.lengthPrefixed(output.scriptPubKey)
    }
    writer.append(Sha256.hash(previousOutputs(transaction)))
    writer.append(Sha256.hash(amounts.bytes))
    writer.append(Sha256.hash(scripts.bytes))
    writer.append(Sha256.hash(sequences(transaction)))
  }

  // MARK: Legacy

  /// The digest of transactions before segwit. Needed for a signet's solution if the challenge is
  /// not a witness program. `hashType` has the width of the hashed field; a signature holds its
  /// lowest byte.
  public static func legacy(
    _ transaction: Transaction, inputIndex: Int, scriptCode: [UInt8], hashType: UInt32
  ) -> Bytes32 {
    let kind = UInt8(truncatingIfNeeded: hashType & 0x1f)
    let anyone = hashType & UInt32(HashType.anyoneCanPay) != 0
    let single = kind == HashType.single
    if inputIndex < 0 || inputIndex >= transaction.inputs.count
      || (single && inputIndex >= transaction.outputs.count)
    {
      // A bug of the first Bitcoin software that is now consensus: the digest is the number one.
      return Bytes32([1] + [UInt8](repeating: 0, count: 31))
    }
    var writer = ByteWriter(reserving: 256 + scriptCode.count)
    writer.u32le(transaction.version)
    writer.compactSize(anyone ? 1 : transaction.inputs.count)
    for index in transaction.inputs.indices where !anyone || index == inputIndex {
      let input = transaction.inputs[index]
      input.previous.encode(to: &writer)
      writer.lengthPrefixed(index == inputIndex ? withoutSeparators(scriptCode) : [])
      let covered = index == inputIndex || (kind != HashType.none && !single)
      writer.u32le(covered ? input.sequence : 0)
    }
    if kind == HashType.none {
      writer.compactSize(0)
    } else if single {
      writer.compactSize(inputIndex + 1)
      for _ in 0..<inputIndex {
        TransactionOutput(amountSat: UInt64.max, scriptPubKey: []).encode(to: &writer)
      }
      transaction.outputs[inputIndex].encode(to: &writer)
    } else {
      writer.compactSize(transaction.outputs.count)
      for output in transaction.outputs { output.encode(to: &writer) }
    }
    writer.u32le(transaction.lockTime)
    writer.u32le(hashType)
    return Sha256.double(writer.bytes)
  }

  /// The script without OP_CODESEPARATORs; bytes after a broken push are kept unchanged.
  private static func withoutSeparators(_ script: [UInt8]) -> [UInt8] {
    var reader = ScriptReader(script)
    var kept: [UInt8] = []
    kept.reserveCapacity(script.count)
    var start = 0
    while let step = reader.next() {
      if step.opCode == Script.OpCode.codeSeparator {
        kept.append(contentsOf: script[start..<(reader.offset - 1)])
        start = reader.offset
      }
    }
    kept.append(contentsOf: script[start...])
    return kept
  }

  // MARK: Parts

  private static func previousOutputs(_ transaction: Transaction) -> [UInt8] {
    var writer = ByteWriter(reserving: transaction.inputs.count * 36)
    for input in transaction.inputs { input.previous.encode(to: &writer) }
    return writer.bytes
  }

  private static func sequences(_ transaction: Transaction) -> [UInt8] {
    var writer = ByteWriter(reserving: transaction.inputs.count * 4)
    for input in transaction.inputs { writer.u32le(input.sequence) }
    return writer.bytes
  }

  private static func outputs(_ transaction: Transaction) -> [UInt8] {
    var writer = ByteWriter(reserving: transaction.outputs.count * 43)
    for output in transaction.outputs { output.encode(to: &writer) }
    return writer.bytes
  }

  private static func encoded(_ output: TransactionOutput) -> [UInt8] {
    var writer = ByteWriter(reserving: 43)
    output.encode(to: &writer)
    return writer.bytes
  }
}
