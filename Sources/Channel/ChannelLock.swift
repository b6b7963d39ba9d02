import Bitcoin
import Crypto

/// The parameters of the script that holds a channel's coins: who can spend them, and when. A
/// publisher that has only its phrase reads them from the funding transaction and can take the
/// refund without the other terms.
public struct ChannelLock: Equatable, Sendable {
  /// Compressed public keys, 33 bytes.
  public var providerKey: [UInt8]
  public var publisherKey: [UInt8]
  /// From this height on the publisher can take the channel back (BIP65).
  public var expiryHeight: UInt32

  public init(providerKey: [UInt8], publisherKey: [UInt8], expiryHeight: UInt32) {
    self.providerKey = providerKey
    self.publisherKey = publisherKey
    self.expiryHeight = expiryHeight
  }

  /// `IF <provider> CHECKSIGVERIFY ELSE <expiry> CHECKLOCKTIMEVERIFY DROP ENDIF <publisher>
  /// CHECKSIG`. Both keys together can spend at any time; the publisher's alone from the expiry
  /// height on.
  public var witnessScript: [UInt8] {
    var script = [Script.OpCode.if] + Script.push(providerKey)
    script += [Script.OpCode.checkSigVerify, Script.OpCode.else]
    script += Script.number(Int64(expiryHeight))
    script += [Script.OpCode.checkLockTimeVerify, Script.OpCode.drop, Script.OpCode.endIf]
    script += Script.push(publisherKey)
    script.append(Script.OpCode.checkSig)
    return script
  }

  /// The P2WSH output script of the channel (BIP141).
  public var scriptPubKey: [UInt8] { Script.p2wsh(witnessScript: witnessScript) }
}
