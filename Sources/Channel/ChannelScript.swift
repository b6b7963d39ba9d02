import Bitcoin

/// The script that holds a channel's coins.
public enum ChannelScript {
  /// `IF <provider> CHECKSIGVERIFY ELSE <expiry> CHECKLOCKTIMEVERIFY DROP ENDIF <publisher>
  /// CHECKSIG`. Both keys close at any time; the publisher's alone from the expiry height on.
  public static func witnessScript(_ terms: ChannelTerms) -> [UInt8] {
    var script = [Script.OpCode.if] + Script.push(terms.providerKey)
    script += [Script.OpCode.checkSigVerify, Script.OpCode.else]
    script += Script.number(Int64(terms.expiryHeight))
    script += [Script.OpCode.checkLockTimeVerify, Script.OpCode.drop, Script.OpCode.endIf]
    script += Script.push(terms.publisherKey)
    script.append(Script.OpCode.checkSig)
    return script
  }

  /// The P2WSH output script of the channel (BIP141).
  public static func scriptPubKey(_ terms: ChannelTerms) -> [UInt8] {
    Script.p2wsh(witnessScript: witnessScript(terms))
  }

  /// Whether a close may pay to `script`: P2WPKH, P2WSH or P2TR.
  public static func isPayable(_ script: [UInt8]) -> Bool {
    if script.count == 22 { return script[0] == 0x00 && script[1] == 20 }
    return script.count == 34 && (script[0] == 0x00 || script[0] == 0x51) && script[1] == 32
  }
}
