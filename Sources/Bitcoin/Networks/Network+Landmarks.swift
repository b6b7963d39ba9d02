import Bytes

/// Data about the public networks in Bitcoin Core's `kernel/chainparams.cpp` (31.99) beside their
/// rules: known blocks (`m_assumeutxo_data`, `defaultAssumeValid`) and DNS seeds.
extension Network {
  /// - Parameter hash: as displayed, i.e. in reversed wire byte order.
  private static func pin(_ height: UInt32, _ hash: String) -> Pin {
    Pin(height: height, hash: Bytes32(hex: hash)?.reversed ?? .zero)
  }

  static var bitcoinPins: [Pin] {
    [
      pin(840_000, "0000000000000000000320283a032748cef8227873ff4872689bf23f1cda83a5"),
      pin(880_000, "000000000000000000010b17283c3c400507969a9c2afd1dcf2082ec5cca2880"),
      pin(910_000, "0000000000000000000108970acb9522ffd516eae17acddcb1bd16469194a821"),
      pin(935_000, "0000000000000000000147034958af1652b2b91bba607beacc5e72a56f0fb5ee"),
      pin(938_343, "00000000000000000000ccebd6d74d9194d8dcdc1d177c478e094bfad51ba5ac"),
    ]
  }

  static var testnet4Pins: [Pin] {
    [
      pin(90_000, "0000000002ebe8bcda020e0dd6ccfbdfac531d2f6a81457191b99fc2df2dbe3b"),
      pin(120_000, "000000000bd2317e51b3c5794981c35ba894ce27d3e772d5c39ecd9cbce01dc8"),
      pin(123_613, "0000000002368b1e4ee27e2e85676ae6f9f9e69579b29093e9a82c170bf7cf8a"),
    ]
  }

  static var signetPins: [Pin] {
    [
      pin(160_000, "0000003ca3c99aff040f2563c2ad8f8ec88bd0fd6b8f0895cfaf1ef90353a62c"),
      pin(290_000, "0000000577f2741bb30cd9d39d6d71b023afbeb9764f6260786a97969d5c9ac0"),
      pin(293_175, "00000008414aab61092ef93f1aacc54cf9e9f16af29ddad493b908a01ff5c329"),
    ]
  }

  /// Seeds that can filter by service are queried for nodes with witnesses and filters (`x49`);
  /// nodes from the others may lack filters and are then only asked for addresses.
  static var bitcoinSeeds: [[UInt8]] {
    [
      ascii("x49.seed.mainnet.achownodes.xyz"), ascii("dnsseed.emzy.de"),
      ascii("seed.bitcoin.sprovoost.nl"), ascii("seed.bitcoin.wiz.biz"),
    ]
  }

  static var testnet4Seeds: [[UInt8]] {
    [ascii("seed.testnet4.bitcoin.sprovoost.nl"), ascii("seed.testnet4.wiz.biz")]
  }

  static var signetSeeds: [[UInt8]] {
    [ascii("x49.seed.signet.achownodes.xyz"), ascii("seed.signet.bitcoin.sprovoost.nl")]
  }
}
