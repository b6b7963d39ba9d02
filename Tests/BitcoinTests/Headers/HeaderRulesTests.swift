import Bytes
import Foundation
import TestSupport
import Testing

@testable import Bitcoin

struct NetworkTests {
  @Test func genesisBlocks() {
    let hashes: [(Network, String)] = [
      (.bitcoin, "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f"),
      (.testnet4, "00000000da84f2bafbbc53dee25a72ae507ff4914b867c565be350b0da8bf043"),
      (.signet, "00000008819873e925422c1ff0f99f7cc9bbb232af63a077a480a3633bee1ef6"),
      (.regtest, "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206"),
    ]
    for (network, hash) in hashes {
      #expect(network.genesis.hash.reversed.hex == hash)
      #expect(throws: Never.self) {
        try HeaderRules.checkWork(network.genesis, network: network)
      }
      #expect(Network.known(name: network.name) == network)
    }
    #expect(Network.known(name: Array("mainnet".utf8)) == nil)
  }

  /// All signets share a genesis block; what people sign tells them apart all the same.
  @Test func identitiesDiffer() throws {
    let custom = try [[0x51], Script.p2wsh(witnessScript: [0x51])].map {
      try Network.customSignet(name: Array("zen".utf8), challenge: $0)
    }
    var signet = custom[0]
    signet.name = Array("nez".utf8)
    signet.checkpoint = Network.Checkpoint(
      height: 2016, header: signet.genesis, work: .zero, filterHeader: nil)
    // What owners may say differently of the same chain does not matter.
    #expect(signet.identity == custom[0].identity)
    let networks = custom + [.signet, .bitcoin, .testnet4, .regtest]
    for (index, network) in networks.enumerated() {
      #expect((network.identity == network.genesis.hash) == (network.rules != .signet))
      for other in networks[(index + 1)...] { #expect(network.identity != other.identity) }
    }
  }

  @Test func minimumWorkAsBitcoinCoreWritesIt() throws {
    let shown = try #require(
      Bytes32(hex: "0000000000000000000000000000000000000001128750f82f4c366153a3a030"))
    #expect(Network.bitcoin.minimumChainWork == ChainWork(bigEndian: shown))
    #expect(Network.bitcoin.minimumChainWork.bigEndianBytes == shown)
  }
}

struct TargetTests {
  @Test func compactForms() throws {
    // From Bitcoin Core's arith_uint256 tests: what is zero, negative or overflows is no target.
    for bits: UInt32 in [
      0, 0x0012_3456, 0x0100_3456, 0x0200_0056, 0x0300_0000, 0x0400_0000, 0x0092_3456, 0x0180_3456,
      0x0280_0056, 0x0380_0000, 0x01fe_dcba, 0x0492_3456, 0xff12_3456, 0x2212_3456, 0x2300_0100,
      ~0x0080_0000,
    ] {
      #expect(Target(bits: bits) == nil)
    }
    let read: [(UInt32, UInt64)] = [
      (0x0112_3456, 0x12), (0x0212_3456, 0x1234), (0x0312_3456, 0x12_3456),
      (0x0412_3456, 0x1234_5600), (0x0500_9234, 0x9234_0000),
    ]
    for (bits, value) in read { #expect(Target(bits: bits)?.value == UInt256(value)) }
    #expect(Target(UInt256(0x80)).bits == 0x0200_8000)
    #expect(Target(UInt256(0x12)).bits == 0x0112_0000)
    #expect(Target(bits: 0x2012_3456)?.bits == 0x2012_3456)
    #expect(Target(bits: 0x2100_1234) != nil)
    #expect(Target(bits: 0x2200_0012) != nil)
  }

  @Test func workOfABlock() {
    #expect(ChainWork(bits: 0x1d00_ffff).value == UInt256(0x1_0001_0001))
    #expect(ChainWork(bits: 0x207f_ffff).value == UInt256(2))
    #expect(ChainWork(bits: 0) == .zero)
    #expect(ChainWork(UInt256(5)) - ChainWork(UInt256(7)) == .zero)
  }

  @Test func arithmeticAgreesWithPlainNumbers() {
    var random = SeededGenerator(seed: 256)
    for _ in 0..<5000 {
      let left = random.next() >> UInt64(random.int(0...63))
      let right = random.next() >> UInt64(random.int(1...63))
      let shift = random.int(0...63)
      let wide = UInt256(left) << 100
      #expect((wide &+ (UInt256(right) << 100)) >> 100 >= UInt256(left))
      #expect((wide &- UInt256(right)) &+ UInt256(right) == wide)
      #expect((UInt256(left) << shift) >> shift == UInt256(left))
      if right != 0 {
        #expect(UInt256(left) / UInt256(right) == UInt256(left / right))
        let small = UInt32(truncatingIfNeeded: right) | 1
        #expect(wide &* small / small == wide)
        #expect(wide / small == wide / UInt256(UInt64(small)))
      }
    }
    #expect(UInt256.zero &- .one == ~UInt256.zero)
    #expect((~UInt256.zero).bitWidth == 256)
  }
}

struct HeaderRulesTests {
  /// `pow_tests.cpp`: base, first time, last time, expected.
  @Test func retargetsAsBitcoinCore() throws {
    let cases: [(UInt32, UInt32, UInt32, UInt32)] = [
      (0x1d00_ffff, 1_261_130_161, 1_262_152_739, 0x1d00_d86a),
      (0x1d00_ffff, 1_231_006_505, 1_233_061_996, 0x1d00_ffff),
      (0x1c05_a3f4, 1_279_008_237, 1_279_297_671, 0x1c01_68fd),
      (0x1c38_7f6f, 1_263_163_443, 1_269_211_443, 0x1d00_e1fd),
    ]
    for (base, first, last, expected) in cases {
      let bits = try HeaderRules.nextBits(
        base: base, firstTime: first, lastTime: last, powLimitBits: 0x1d00_ffff)
      #expect(bits == expected)
    }
    // Signet's limit times four periods fits 256 bits by a hair.
    let signet = try HeaderRules.nextBits(
      base: 0x1e03_77ae, firstTime: 0, lastTime: UInt32.max, powLimitBits: 0x1e03_77ae)
    #expect(signet == 0x1e03_77ae)
  }

  @Test func workChecks() {
    func header(_ bits: UInt32) -> BlockHeader {
      var header = Network.bitcoin.genesis
      header.bits = bits
      return header
    }
    for bits: UInt32 in [0x1d80_ffff, ~0x0080_0000, 0x1d01_fffe, 0, 0x1c00_ffff] {
      #expect(throws: BitcoinError.self) {
        try HeaderRules.checkWork(header(bits), network: .bitcoin)
      }
    }
  }

  /// `pow_tests.cpp` again, with its hashes: of the smallest hash only the target can be wrong, and
  /// twice the limit is above the limit.
  @Test func workChecksAsBitcoinCore() throws {
    func check(_ bits: UInt32, _ hash: UInt256) throws {
      var header = Network.bitcoin.genesis
      header.bits = bits
      try HeaderRules.checkWork(header, hash: hash.littleEndianBytes, network: .bitcoin)
    }
    let limit = try #require(Target(bits: 0x1d00_ffff)).value
    try check(0x1d00_ffff, .one)
    try check(0x1d00_ffff, limit)
    let negative: UInt32 = 0x1d80_ffff
    let overflowing: UInt32 = ~0x0080_0000
    let tooEasy = Target(limit << 1).bits
    for bits in [negative, overflowing, tooEasy, 0] {
      #expect(throws: BitcoinError.self) { try check(bits, .one) }
    }
    #expect(throws: BitcoinError.self) { try check(0x1d00_ffff, limit << 1) }
    #expect(throws: BitcoinError.self) { try check(0x1d00_ffff, limit &+ .one) }
  }

  // MARK: Contexts made by hand

  private func chain(_ headers: [BlockHeader], from height: UInt32 = 0) -> HeaderContext {
    HeaderContext.whole(height + UInt32(headers.count) - 1) { wanted in
      wanted < height || wanted >= height + UInt32(headers.count)
        ? nil : headers[Int(wanted - height)]
    }
  }

  private func header(time: UInt32, bits: UInt32 = 0x1d00_ffff) -> BlockHeader {
    BlockHeader(
      version: 4, previous: .zero, merkleRoot: .zero, time: time, bits: bits, nonce: 0)
  }

  @Test func medianTime() {
    #expect(HeaderRules.medianTimePast(chain([header(time: 5)])) == 5)
    #expect(HeaderRules.medianTimePast(chain([header(time: 5), header(time: 3)])) == 5)
    let times: [UInt32] = [90, 1, 80, 2, 70, 3, 60, 4, 50, 5, 40, 6]
    #expect(HeaderRules.medianTimePast(chain(times.map { header(time: $0) })) == 6)
    // Just after a checkpoint it cannot be known.
    #expect(HeaderRules.medianTimePast(chain([header(time: 5)], from: 2016)) == nil)
  }

  @Test func minimumDifficultyOnTestnet4() throws {
    let limit = Network.testnet4.powLimitBits
    let real: UInt32 = 0x1c05_a3f4
    let list = [
      header(time: 0, bits: real), header(time: 600, bits: limit), header(time: 1200, bits: limit),
    ]
    let context = chain(list, from: 4032)
    func bits(_ time: UInt32, _ network: Network = .testnet4) throws -> UInt32 {
      try HeaderRules.requiredBits(time: time, context: context, network: network)
    }
    #expect(try bits(2400) == real)
    #expect(try bits(2401) == limit)
    #expect(try bits(2401, .bitcoin) == limit)
    #expect(try bits(100, .bitcoin) == limit)
    // The real difficulty before the first header known here cannot be told.
    let lost = chain([header(time: 0, bits: limit)], from: 4033)
    #expect(throws: BitcoinError.self) {
      try HeaderRules.requiredBits(time: 1, context: lost, network: .testnet4)
    }
  }

  /// BIP94: the retarget starts from the period's first block, and its time may hardly go back.
  @Test func testnet4Retargets() throws {
    let real: UInt32 = 0x1c05_a3f4
    let step = UInt32(600)
    var list = (0..<2016).map { header(time: 1_000_000 + UInt32($0) * step, bits: real) }
    list[2015].bits = Network.testnet4.powLimitBits
    let context = chain(list, from: 2016)
    let next = try HeaderRules.requiredBits(time: 0, context: context, network: .testnet4)
    let core = try HeaderRules.nextBits(
      base: real, firstTime: list[0].time, lastTime: list[2015].time, powLimitBits: 0x1d00_ffff)
    #expect(next == core)
    let other = try HeaderRules.requiredBits(time: 0, context: context, network: .bitcoin)
    #expect(other != core)
    let regtest = try HeaderRules.requiredBits(time: 0, context: context, network: .regtest)
    #expect(regtest == list[2015].bits)
  }

  @Test func futureLimit() {
    #expect(!HeaderRules.isFromFuture(header(time: 7200), nowSeconds: 0))
    #expect(HeaderRules.isFromFuture(header(time: 7201), nowSeconds: 0))
  }

  @Test func oldVersions() {
    #expect(Network.bitcoin.minimumVersion(atHeight: 227_930) == 1)
    #expect(Network.bitcoin.minimumVersion(atHeight: 227_931) == 2)
    #expect(Network.bitcoin.minimumVersion(atHeight: 363_725) == 3)
    #expect(Network.bitcoin.minimumVersion(atHeight: 388_381) == 4)
    #expect(Network.regtest.minimumVersion(atHeight: 1) == 4)
  }
}

/// Bitcoin Core's alternative main chain: 2016 headers with real work, and a real retarget.
@Suite(.enabled(if: Vectors.areHere, skipNote))
struct AlternativeMainChainTests {
  private func headers() throws -> [BlockHeader] {
    let file = try #require(
      try Vectors.json("test/functional/data/mainnet_alt.json") as? [String: [NSNumber]])
    let times = try #require(file["timestamps"])
    let nonces = try #require(file["nonces"])
    let script = try #require(Hex.decode("76a914eadbac7f36c37e39361168b7aaee3cb24a25312d88ac"))
    var list = [Network.bitcoin.genesis]
    for height in 1...times.count {
      let number = Script.number(Int64(height))
      let coinbase = Transaction(
        inputs: [
          TransactionInput(
            previous: .coinbase, scriptSig: height <= 16 ? number + [0] : number,
            sequence: UInt32.max)
        ], outputs: [TransactionOutput(amountSat: 50 * Amount.satPerCoin, scriptPubKey: script)])
      list.append(
        BlockHeader(
          version: 0x2000_0000, previous: list[height - 1].hash, merkleRoot: coinbase.txid,
          time: times[height - 1].uint32Value, bits: height < 2016 ? 0x1d00_ffff : 0x1c3f_ffc0,
          nonce: nonces[height - 1].uint32Value))
    }
    #expect(list.count == 2017)
    return list
  }

  @Test func everyHeaderIsValid() throws {
    let list = try headers()
    var work = ChainWork(bits: list[0].bits)
    for height in 1..<list.count {
      let context = HeaderContext.whole(UInt32(height - 1)) { list[Int($0)] }
      try HeaderRules.check(list[height], context: context, network: .bitcoin)
      work += ChainWork(bits: list[height].bits)
    }
    // 2016 blocks of difficulty 1 and one of difficulty 4.
    #expect(work.value == UInt256(0x1_0001_0001) &* 2016 &+ UInt256(0x4_0004_0004))
  }

  @Test func everyFieldMatters() throws {
    let list = try headers()
    for height in [1, 1000, 2015, 2016] {
      let context = HeaderContext.whole(UInt32(height - 1)) { list[Int($0)] }
      func refuses(_ change: (inout BlockHeader) -> Void) {
        var changed = list[height]
        change(&changed)
        #expect(throws: BitcoinError.self) {
          try HeaderRules.check(changed, context: context, network: .bitcoin)
        }
      }
      refuses { $0.nonce &+= 1 }
      refuses { $0.time = list[height - 1].time - 100_000 }
      refuses { $0.bits = 0x1d00_fffe }
      refuses { $0.bits = height == 2016 ? 0x1d00_ffff : 0x1c3f_ffc0 }
      refuses { $0.version = 1 }
    }
  }
}

extension HeaderContext {
  /// From whole headers.
  fileprivate static func whole(
    _ parentHeight: UInt32, _ header: @escaping (UInt32) -> BlockHeader?
  ) -> HeaderContext {
    HeaderContext(
      parentHeight: parentHeight, time: { header($0)?.time }, bits: { header($0)?.bits })
  }
}
