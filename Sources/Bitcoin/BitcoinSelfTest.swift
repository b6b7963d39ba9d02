import Bytes

/// A few small published vectors, which the static binary checks on the host on which it runs.
public enum BitcoinSelfTest {
  /// Calls `report` once for each check, with its name and whether it passed.
  public static func run(_ report: (StaticString, Bool) -> Void) {
    report("Bitcoin: genesis blocks", genesisBlocks())
    report("Bitcoin: retarget (pow_tests.cpp)", retarget())
    report("Bitcoin: work of a block", ChainWork(bits: 0x1d00_ffff).value == UInt256(0x1_0001_0001))
    report("Bitcoin: message frame", frame())
    report("Bitcoin: block filter (BIP158)", filter())
    report("Bitcoin: legacy digest (sighash.json)", legacyDigest())
    report("Bitcoin: address (BIP350)", address())
    report("Bitcoin: signet magic (BIP325)", Network.signet.magic == [0x0a, 0x03, 0xcf, 0x40])
    BitcoinWidthSelfTest.run(report)
  }

  private static func hex(_ text: StaticString) -> [UInt8] { Hex.constant(text) }

  private static func genesisBlocks() -> Bool {
    Network.bitcoin.genesis.hash.reversed.array
      == hex("000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f")
      && Network.testnet4.genesis.hash.reversed.array
        == hex("00000000da84f2bafbbc53dee25a72ae507ff4914b867c565be350b0da8bf043")
      && Network.signet.genesis.hash.reversed.array
        == hex("00000008819873e925422c1ff0f99f7cc9bbb232af63a077a480a3633bee1ef6")
      && Network.regtest.genesis.hash.reversed.array
        == hex("0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206")
  }

  private static func retarget() -> Bool {
    let bits = try? HeaderRules.nextBits(
      base: 0x1d00_ffff, firstTime: 1_261_130_161, lastTime: 1_262_152_739,
      powLimitBits: 0x1d00_ffff)
    return bits == 0x1d00_d86a
  }

  private static func frame() -> Bool {
    let bytes = MessageFrame.encode(.verack, magic: Network.bitcoin.magic)
    if bytes != hex("f9beb4d976657261636b000000000000000000005df6e0e2") { return false }
    var framer = MessageFramer(magic: Network.bitcoin.magic)
    framer.append(bytes)
    do { return try framer.next() == .verack } catch { return false }
  }

  /// The genesis block of testnet3, which BIP158 starts with.
  private static func filter() -> Bool {
    let hash = hex("000000000933ea01ad0ee984209779baaec3ced90fa3f408719526f8d77f4943")
    let script =
      hex("4104678afdb0fe5548271967f1a67130b7105cd6a828e03909a67962e0ea1f61deb649f6")
      + hex("bc3f4cef38c4f35504e51ec112de5c384df7ba0b8d578a4c702b6bf11d5fac")
    let filter = BlockFilter(encoded: hex("019dfca8"), blockHash: Bytes32(hash).reversed)
    let header = hex("21584579b7eb08997773e5aeff3a7f932700042d0ed2a6129012b7d7ae81b750")
    do {
      let isFound = try filter.matches(anyOf: [script])
      let isStranger = try filter.matches(anyOf: [[0x51]])
      return isFound && !isStranger && filter.header(previous: .zero).reversed.array == header
    } catch {
      return false
    }
  }

  private static func legacyDigest() -> Bool {
    let raw =
      hex("b240517501334021240427adb0b413433641555424f6d24647211e3e6bfbb22a8045cbda2f0000000000")
      + hex("71bac8630112717802000000000000000000")
    guard let transaction = try? Transaction.decode(raw) else { return false }
    let digest = Sighash.legacy(
      transaction, inputIndex: 0, scriptCode: hex("6a5165abac52656551"), hashType: 1_790_414_254)
    return digest.reversed.array
      == hex("2c8be597620d95abd88f9c1cf4967c1ae3ca2309f3afec8928058c9598660e9e")
  }

  private static func address() -> Bool {
    let script = hex("512053a1f6e454df1aa2776a2814a721372d6258050de330b3c6d10ee8f4e0dda343")
    let text = "bc1p2wsldez5mud2yam29q22wgfh9439spgduvct83k3pm50fcxa5dps59h4z5"
    guard let made = Address.text(scriptPubKey: script, network: .bitcoin) else { return false }
    let read = try? Address.scriptPubKey(text, network: .bitcoin)
    return Array(made.utf8) == Array(text.utf8) && read == script
  }
}
