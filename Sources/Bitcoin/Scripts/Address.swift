import Bytes

/// Addresses of witness outputs as people write them (BIP173, BIP350). The older kinds are not
/// carried: nothing here pays to them.
public enum Address {
  /// The address of an output script; nil where it is no witness program of a usable size.
  public static func text(scriptPubKey: [UInt8], network: Network) -> String? {
    guard let (version, program) = Script.witnessProgram(scriptPubKey) else { return nil }
    if version == 0 && program.count != 20 && program.count != 32 { return nil }
    let encoded = Bech32.encode(
      hrp: network.bech32Hrp, groups: [version] + Bech32.groups(program),
      variant: version == 0 ? .bech32 : .bech32m)
    return String(decoding: encoded, as: UTF8.self)
  }

  /// The output script that an address stands for. Throws `address` with the position of the
  /// character at which it goes wrong.
  public static func scriptPubKey(
    _ text: String, network: Network
  ) throws(BitcoinError) -> [UInt8] {
    try scriptPubKey(ascii: Array(text.utf8), network: network)
  }

  /// As above, from ASCII.
  public static func scriptPubKey(
    ascii text: [UInt8], network: Network
  ) throws(BitcoinError) -> [UInt8] {
    let (hrp, groups, variant) = try Bech32.decode(text)
    if hrp != network.bech32Hrp {
      throw BitcoinError.address(at: 0, "an address of another network")
    }
    guard let version = groups.first, version <= 16 else {
      throw BitcoinError.address(at: hrp.count + 1, "no such address version")
    }
    if variant != (version == 0 ? .bech32 : .bech32m) {
      throw BitcoinError.address(
        at: text.count - 6, "the checksum is of the kind for another version")
    }
    guard let program = Bech32.bytes(groups.dropFirst()) else {
      throw BitcoinError.address(at: text.count - 7, "the data does not end on a byte")
    }
    if program.count < 2 || program.count > 40
      || (version == 0 && program.count != 20 && program.count != 32)
    {
      throw BitcoinError.address(at: hrp.count + 2, "the data has not the length of its version")
    }
    return (version == 0 ? [Script.OpCode.zero] : [Script.OpCode.one + version - 1])
      + Script.push(program)
  }
}
