import Bitcoin

/// The scripts of a channel's transactions.
public enum ChannelScript {
  /// The script that holds the channel's coins; see ``ChannelLock``.
  public static func witnessScript(_ terms: ChannelTerms) -> [UInt8] { terms.lock.witnessScript }

  /// The P2WSH output script of the channel (BIP141).
  public static func scriptPubKey(_ terms: ChannelTerms) -> [UInt8] { terms.lock.scriptPubKey }

  /// Whether a close may pay to `script`: P2WPKH, P2WSH or P2TR.
  public static func isPayable(_ script: [UInt8]) -> Bool {
    if script.count == 22 { return script[0] == 0x00 && script[1] == 20 }
    return script.count == 34 && (script[0] == 0x00 || script[0] == 0x51) && script[1] == 32
  }
}
