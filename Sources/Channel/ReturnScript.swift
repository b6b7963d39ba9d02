import Bitcoin

/// The publisher's output of a close: `1 CHECKSEQUENCEVERIFY DROP <returnKey> CHECKSIG`, as P2WSH.
///
/// The relative lock (BIP112) keeps it from being spent before the close is in a block. Without it
/// the publisher could keep a close from confirming until the expiry, with a large child that pays
/// little: the close's replacement would have to pay for the child too.
public enum ReturnScript {
  /// What an input that spends such an output carries: one block (BIP68). The transaction is of
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
