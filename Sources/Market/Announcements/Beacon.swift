import Bitcoin
import Bytes

/// The output that makes announcements findable: BIP158 filters leave `OP_RETURN` outputs out, so
/// each announcement also pays dust to this script, which everybody watches and anybody may sweep.
public enum Beacon {
  /// `<"zennet/1"> OP_DROP OP_TRUE`.
  public static var script: [UInt8] {
    Script.push(Array("zennet/1".utf8)) + [Script.OpCode.drop, Script.OpCode.one]
  }

  /// The P2WSH output script to watch.
  public static var scriptPubKey: [UInt8] { Script.p2wsh(witnessScript: script) }

  /// What an announcement pays to the beacon, in sat: the least that nodes relay.
  public static let amountSat = Amount.dustSat
}
