import Bytes
import Crypto

/// The networks known by name. Values from Bitcoin Core's `kernel/chainparams.cpp`.
extension Network {
  static func ascii(_ text: StaticString) -> [UInt8] {
    var bytes: [UInt8] = []
    for index in 0..<text.utf8CodeUnitCount { bytes.append(text.utf8Start[index]) }
    return bytes
  }

  /// The merkle root of the coinbase that quotes The Times, which most genesis blocks share.
  private static let timesRoot: [UInt8] = [
    0x3b, 0xa3, 0xed, 0xfd, 0x7a, 0x7b, 0x12, 0xb2, 0x7a, 0xc7, 0x2c, 0x3e, 0x67, 0x76, 0x8f, 0x61,
    0x7f, 0xc8, 0x1b, 0xc3, 0x88, 0x8a, 0x51, 0x32, 0x3a, 0x9f, 0xb8, 0xaa, 0x4b, 0x1e, 0x5e, 0x4a,
  ]
  private static let testnet4Root: [UInt8] = [
    0x4e, 0x7b, 0x2b, 0x91, 0x28, 0xfe, 0x02, 0x91, 0xdb, 0x06, 0x93, 0xaf, 0x2a, 0xe4, 0x18, 0xb7,
    0x67, 0xe6, 0x57, 0xcd, 0x40, 0x7e, 0x80, 0xcb, 0x14, 0x34, 0x22, 0x1e, 0xae, 0xa7, 0xa0, 0x7a,
  ]

  private static func genesis(
    root: [UInt8] = timesRoot, time: UInt32, nonce: UInt32, bits: UInt32
  ) -> BlockHeader {
    BlockHeader(
      version: 1, previous: .zero, merkleRoot: Bytes32(root), time: time, bits: bits, nonce: nonce)
  }

  private static func work(_ high: UInt64, _ low: UInt64) -> ChainWork {
    ChainWork(UInt256(low, high, 0, 0))
  }

  /// For development and tests; blocks need no work.
  public static let regtest = Network(
    name: ascii("regtest"), magic: [0xfa, 0xbf, 0xb5, 0xda],
    genesis: genesis(time: 1_296_688_602, nonce: 2, bits: 0x207f_ffff), powLimitBits: 0x207f_ffff,
    defaultPort: 18444, bech32Hrp: ascii("bcrt"), rules: .regtest, signetChallenge: nil,
    checkpoint: nil, minimumChainWork: .zero)

  public static let bitcoin = Network(
    name: ascii("bitcoin"), magic: [0xf9, 0xbe, 0xb4, 0xd9],
    genesis: genesis(time: 1_231_006_505, nonce: 2_083_236_893, bits: 0x1d00_ffff),
    powLimitBits: 0x1d00_ffff, defaultPort: 8333, bech32Hrp: ascii("bc"), rules: .bitcoin,
    signetChallenge: nil, checkpoint: nil,
    minimumChainWork: work(0x0000_0001_1287_50f8, 0x2f4c_3661_53a3_a030), pins: bitcoinPins,
    seeds: bitcoinSeeds)

  public static let testnet4 = Network(
    name: ascii("testnet4"), magic: [0x1c, 0x16, 0x3f, 0x28],
    genesis: genesis(
      root: testnet4Root, time: 1_714_777_860, nonce: 393_743_547, bits: 0x1d00_ffff),
    powLimitBits: 0x1d00_ffff, defaultPort: 48333, bech32Hrp: ascii("tb"), rules: .testnet4,
    signetChallenge: nil, checkpoint: nil,
    minimumChainWork: work(0x0000_0000_0000_09a0, 0xfe15_d017_7d08_6304), pins: testnet4Pins,
    seeds: testnet4Seeds)

  /// The public signet; its blocks are signed by one of two known keys.
  public static let signet = makeSignet(
    name: ascii("signet"),
    challenge: [
      0x51,
      0x21, 0x03, 0xad, 0x5e, 0x0e, 0xda, 0xd1, 0x8c, 0xb1, 0xf0, 0xfc, 0x0d, 0x28, 0xa3, 0xd4,
      0xf1, 0xf3, 0xe4, 0x45, 0x64, 0x03, 0x37, 0x48, 0x9a, 0xbb, 0x10, 0x40, 0x4f, 0x2d, 0x1e,
      0x08, 0x6b, 0xe4, 0x30,
      0x21, 0x03, 0x59, 0xef, 0x50, 0x21, 0x96, 0x4f, 0xe2, 0x2d, 0x6f, 0x8e, 0x05, 0xb2, 0x46,
      0x3c, 0x95, 0x40, 0xce, 0x96, 0x88, 0x3f, 0xe3, 0xb2, 0x78, 0x76, 0x0f, 0x04, 0x8f, 0x51,
      0x89, 0xf2, 0xe6, 0xc4,
      0x52, 0xae,
    ], minimumChainWork: work(0, 0x0000_0b46_3ea0_a4b8), pins: signetPins, seeds: signetSeeds)

  private static func makeSignet(
    name: [UInt8], challenge: [UInt8], minimumChainWork: ChainWork, pins: [Pin] = [],
    seeds: [[UInt8]] = []
  ) -> Network {
    var writer = ByteWriter(reserving: challenge.count + 3)
    writer.lengthPrefixed(challenge)
    let digest = Sha256.double(writer.bytes)
    return Network(
      name: name, magic: [digest[0], digest[1], digest[2], digest[3]],
      genesis: genesis(time: 1_598_918_400, nonce: 52_613_770, bits: 0x1e03_77ae),
      powLimitBits: 0x1e03_77ae, defaultPort: 38333, bech32Hrp: ascii("tb"), rules: .signet,
      signetChallenge: challenge, checkpoint: nil, minimumChainWork: minimumChainWork, pins: pins,
      seeds: seeds)
  }

  /// A custom signet (BIP325); the magic is derived from the challenge.
  ///
  /// - Parameters:
  ///   - name: letters, digits and hyphens, 1 to 32 of them; not the name of a known network.
  ///   - challenge: the signers' script. Only forms that ``SignetSolution`` can check are accepted,
  ///     because blocks that cannot be checked prove nothing.
  public static func customSignet(
    name: [UInt8], challenge: [UInt8]
  ) throws(BitcoinError) -> Network {
    if name.isEmpty || name.count > 32 {
      throw BitcoinError.invalid("a network's name has 1 to 32 characters")
    }
    for byte in name {
      let isLetter = (byte >= 0x61 && byte <= 0x7a) || (byte >= 0x41 && byte <= 0x5a)
      if !isLetter && !(byte >= 0x30 && byte <= 0x39) && byte != 0x2d {
        throw BitcoinError.invalid("a network's name has letters, digits and hyphens only")
      }
    }
    if known(name: name) != nil {
      throw BitcoinError.invalid("a network of this name exists already")
    }
    try SignetSolution.checkChallenge(challenge)
    return makeSignet(name: name, challenge: challenge, minimumChainWork: .zero)
  }

  /// The network of this name; nil if unknown.
  public static func known(name: [UInt8]) -> Network? {
    if name.isAscii("regtest") { return regtest }
    if name.isAscii("signet") { return signet }
    if name.isAscii("testnet4") { return testnet4 }
    return name.isAscii("bitcoin") ? bitcoin : nil
  }
}
