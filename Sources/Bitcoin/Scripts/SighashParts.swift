import Bytes
import Crypto

/// BIP143 digests, SIGHASH_ALL, of one-input transactions that differ only in their outputs: the
/// data before the outputs' hash is hashed once and shared.
public struct SighashParts: Sendable {
  /// The hash state after all data before the outputs' hash.
  private let before: Sha256
  /// Lock time and hash type.
  private let after: [UInt8]

  /// For transactions whose only input is `input`, which spends a version 0 witness output of
  /// `amountSat`. `scriptCode` is the witness script (for P2WSH).
  public init(
    version: UInt32, input: TransactionInput, scriptCode: [UInt8], amountSat: UInt64,
    lockTime: UInt32
  ) {
    var writer = ByteWriter(reserving: 200 + scriptCode.count)
    writer.u32le(version)
    var previous = ByteWriter(reserving: 36)
    input.previous.encode(to: &previous)
    writer.append(Sha256.double(previous.bytes))
    var sequence = ByteWriter(reserving: 4)
    sequence.u32le(input.sequence)
    writer.append(Sha256.double(sequence.bytes))
    writer.append(previous.bytes)
    writer.lengthPrefixed(scriptCode)
    writer.u64le(amountSat)
    writer.u32le(input.sequence)
    var hasher = Sha256()
    hasher.update(writer.bytes)
    before = hasher
    var tail = ByteWriter(reserving: 8)
    tail.u32le(lockTime)
    tail.u32le(UInt32(Sighash.HashType.all))
    after = tail.bytes
  }

  /// The digest of the transaction with these outputs.
  public func digest(outputs: [TransactionOutput]) -> Bytes32 {
    var writer = ByteWriter(reserving: outputs.count * 43)
    for output in outputs { output.encode(to: &writer) }
    var hasher = before
    hasher.update(Sha256.double(writer.bytes))
    hasher.update(after)
    return Sha256.hash(hasher.finish())
  }
}
