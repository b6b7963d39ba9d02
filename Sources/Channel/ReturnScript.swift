import Bitcoin

/// The publisher's output of a close: `1 CHECKSEQUENCEVERIFY DROP <returnKey> CHECKSIG`, as P2WSH.
///
/// The relative lock (BIP112) prevents spending it before the close is in a block. Without it the
/// publisher could delay the close until the expiry with a large child that pays a low fee rate: a
/// replacement of the close would have to pay for the child too.
public enum ReturnScript {
  /// The sequence of an input that spends such an output: one block (BIP68). The transaction has
  /// version 2.
  public static let sequence: UInt32 = 1

  public static func witnessScript(returnKey: [UInt8]) -> [UInt8] {
    Script.number(Int64(sequence)) + [Script.OpCode.checkSequenceVerify, Script.OpCode.drop]
      + Script.push(returnKey) + [Script.OpCode.checkSig]
  }

  public static func scriptPubKey(returnKey: [UInt8]) -> [UInt8] {
    Script.p2wsh(witnessScript: witnessScript(returnKey: returnKey))
  }

  /// The witness of an input that spends such an output. `signature` is DER without hash type, over
  /// the BIP143 digest of ``witnessScript(returnKey:)`` with SIGHASH_ALL.
  public static func witness(signature: [UInt8], returnKey: [UInt8]) -> [[UInt8]] {
    [signature + [Sighash.HashType.all], witnessScript(returnKey: returnKey)]
  }
}
