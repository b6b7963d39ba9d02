import Bytes

/// Addresses of witness outputs (BIP173, BIP350). Base58 addresses are not supported, because
/// nothing here pays to them.
public enum Address {
  /// The address of an output script; nil if it is not a witness program of a valid size.
  public static func text(scriptPubKey: [UInt8], network: Network) -> String? {
    guard let (version, program) = Script.witnessProgram(scriptPubKey) else { return nil }
    if version == 0 && program.count != 20 && program.count != 32 { return nil }
    let encoded = Bech32.encode(
      hrp: network.bech32Hrp, groups: [version] + Bech32.groups(program),
      variant: version == 0 ? .bech32 : .bech32m)
    return String(decoding: encoded, as: UTF8.self)
  }

  /// The output script of an address. Throws `address` with the position of the first wrong
  /// character.
  public static func scriptPubKey(
    _ text: String, network: Network
  ) throws(BitcoinError) -> [UInt8] {
    try scriptPubKey(ascii: Array(text.utf8), network: network)
  }

  /// Same, from ASCII.
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
      throw BitcoinError.address(at: hrp.count + 2, "wrong data length for this version")
    }
    return (version == 0 ? [Script.OpCode.zero] : [Script.OpCode.one + version - 1])
      + Script.push(program)
  }
}
