import Bitcoin
import Bytes
import Crypto
import Testing

@testable import LightClient

/// What a block proves of its filter, and what it does not.
@Suite struct FilterJudgeTests {
  private static let channel: [UInt8] = [0x21, 0x02] + [UInt8](repeating: 9, count: 32) + [0xac]
  private static let watched = Script.p2wsh(witnessScript: channel)
  /// BIP433's pay to anchor: anyone may spend it, and with a miner's help with any witness.
  private static let anchor: [UInt8] = [0x51, 0x02, 0x4e, 0x73]
  private static let funding = Transaction(
    inputs: [TransactionInput(previous: OutPoint(txid: Sha256.hash([1]), index: 0))],
    outputs: [
      TransactionOutput(amountSat: 9, scriptPubKey: [0x52]),
      TransactionOutput(amountSat: 5, scriptPubKey: watched),
    ])

  private func block(_ transactions: [Transaction]) -> Block {
    let coinbase = Transaction(
      inputs: [TransactionInput(previous: .coinbase, scriptSig: [1, 1])],
      outputs: [
        TransactionOutput(amountSat: 1, scriptPubKey: [0x51]),
        TransactionOutput(amountSat: 0, scriptPubKey: Script.opReturn([1, 2, 3])),
        TransactionOutput(amountSat: 0, scriptPubKey: []),
      ])
    return Block(header: Network.regtest.genesis, transactions: [coinbase] + transactions)
  }

  private func spend(_ outPoint: OutPoint, witness: [[UInt8]] = [[1], channel]) -> Transaction {
    Transaction(
      inputs: [TransactionInput(previous: outPoint, witness: witness)],
      outputs: [TransactionOutput(amountSat: 1, scriptPubKey: [0x53])])
  }

  private var fundingPoint: OutPoint { OutPoint(txid: Self.funding.txid, index: 1) }

  private var knowing: KnownCoins {
    let chain = HeaderChain(network: .regtest)
    var scan = FilterScan(nextHeight: 1)
    scan.watch(Self.watched, fromHeight: 1, chain: chain)
    var coins = KnownCoins()
    coins.connected(block([Self.funding]), scan, except: [])
    return coins
  }

  /// The spend of an anchor that looks as if it closed the channel: the honest filter lacks the
  /// channel's script, and may well be the true one, as may the other.
  @Test func aWitnessProvesNothing() {
    let coins = knowing
    let block = block([spend(OutPoint(txid: Sha256.hash([7]), index: 0))])
    let honest = BlockFilter.build(block: block, spentScripts: [Self.anchor])
    let believing = BlockFilter.build(block: block, spentScripts: [Self.watched])
    #expect(FilterJudge.isPossible(honest, of: block, coins: coins))
    #expect(FilterJudge.isPossible(believing, of: block, coins: coins))
    let both = BlockFilter.build(block: block, spentScripts: [Self.watched, Self.anchor])
    #expect(!FilterJudge.isPossible(both, of: block, coins: coins))
  }

  @Test func theEndOfAChannelWhoseFundingWasSeenCannotBeHidden() {
    let block = block([spend(fundingPoint)])
    let honest = BlockFilter.build(block: block, spentScripts: [Self.watched])
    let hiding = BlockFilter.build(block: block, spentScripts: [])
    let other = BlockFilter.build(block: block, spentScripts: [Self.anchor])
    #expect(FilterJudge.isPossible(honest, of: block, coins: knowing))
    #expect(!FilterJudge.isPossible(hiding, of: block, coins: knowing))
    #expect(!FilterJudge.isPossible(other, of: block, coins: knowing))
    // Who never saw the funding cannot tell.
    let nothing = KnownCoins()
    #expect(FilterJudge.isPossible(honest, of: block, coins: nothing))
    #expect(FilterJudge.isPossible(hiding, of: block, coins: nothing))
    #expect(FilterJudge.isPossible(other, of: block, coins: nothing))
  }

  @Test func knownSpendsAmongUnknownOnesMustBeThere() {
    let unknown = spend(OutPoint(txid: Sha256.hash([8]), index: 3))
    let block = block([spend(fundingPoint), unknown])
    let honest = BlockFilter.build(block: block, spentScripts: [Self.watched, Self.anchor])
    let hiding = BlockFilter.build(block: block, spentScripts: [Self.anchor])
    let crowded = BlockFilter.build(block: block, spentScripts: [Self.watched, [0x54], [0x55]])
    #expect(FilterJudge.isPossible(honest, of: block, coins: knowing))
    #expect(!FilterJudge.isPossible(hiding, of: block, coins: knowing))
    #expect(!FilterJudge.isPossible(crowded, of: block, coins: knowing))
    // Both spends may be of one script.
    let same = BlockFilter.build(block: block, spentScripts: [Self.watched])
    #expect(FilterJudge.isPossible(same, of: block, coins: knowing))
  }

  /// What is paid and spent in one block leaves no room for anything else.
  @Test func spendsWithinABlockAreCertain() {
    let nothing = KnownCoins()
    let first = spend(OutPoint(txid: Self.funding.txid, index: 0))
    let second = spend(OutPoint(txid: first.txid, index: 0))
    let block = block([Self.funding, first, second])
    let honest = BlockFilter.build(block: block, spentScripts: [Self.anchor])
    let crowded = BlockFilter.build(block: block, spentScripts: [Self.anchor, [0x54]])
    #expect(FilterJudge.isPossible(honest, of: block, coins: nothing))
    #expect(!FilterJudge.isPossible(crowded, of: block, coins: nothing))
  }

  @Test func blocksThatSpendNothingHaveOneFilter() {
    let block = block([])
    let honest = BlockFilter.build(block: block, spentScripts: [])
    let crowded = BlockFilter.build(block: block, spentScripts: [[0x54]])
    let broken = BlockFilter(encoded: [0xff, 0xff], blockHash: block.hash)
    #expect(FilterJudge.isPossible(honest, of: block, coins: KnownCoins()))
    #expect(!FilterJudge.isPossible(crowded, of: block, coins: KnownCoins()))
    #expect(!FilterJudge.isPossible(broken, of: block, coins: KnownCoins()))
  }

  @Test func theNewestCoinsAreKept() {
    var coins = KnownCoins()
    func point(_ number: Int) -> OutPoint {
      OutPoint(txid: Sha256.hash([UInt8(number & 255), UInt8(number >> 8)]), index: 0)
    }
    func script(_ number: Int) -> [UInt8] { [0x51, UInt8(number % 5)] }
    for number in 0...KnownCoins.maxCoins {
      // Told twice, as after a reorganisation.
      for _ in 0..<2 { coins.add(point(number), script(number)) }
    }
    #expect(coins.script(of: point(0)) == nil)
    #expect(coins.script(of: point(1)) == script(1))
    #expect(coins.script(of: point(KnownCoins.maxCoins)) == script(KnownCoins.maxCoins))
    #expect(coins.script(of: OutPoint(txid: point(1).txid, index: 1)) == nil)
  }

  /// Anybody pays to a beacon for a few hundred satoshi: no funding is forgotten for that.
  @Test func whatOthersPayPushesNoFundingOut() {
    let chain = HeaderChain(network: .regtest)
    var scan = FilterScan(nextHeight: 1)
    let beacon: [UInt8] = [0x51, 0x51]
    for script in [Self.watched, beacon] { scan.watch(script, fromHeight: 1, chain: chain) }
    var coins = KnownCoins()
    coins.connected(block([Self.funding]), scan, except: [])
    var points: [OutPoint] = []
    for number in 0..<UInt32(3 * KnownCoins.maxCoins) {
      let payment = Transaction(
        inputs: [TransactionInput(previous: OutPoint(txid: .zero, index: number))],
        outputs: [TransactionOutput(amountSat: 5, scriptPubKey: beacon)])
      points.append(OutPoint(txid: payment.txid, index: 0))
      coins.connected(block([payment]), scan, except: [])
    }
    #expect(coins.script(of: fundingPoint) == Self.watched)
    #expect(points.filter { coins.script(of: $0) != nil }.count == KnownCoins.maxCoinsOfScript)
    #expect(coins.script(of: points[points.count - 1]) == beacon)
    // What is watched only for a stranger's transaction is not even remembered.
    let before = coins
    let last = Transaction(
      inputs: [TransactionInput(previous: OutPoint(txid: .zero, index: 999_999))],
      outputs: [TransactionOutput(amountSat: 5, scriptPubKey: beacon)])
    coins.connected(block([last]), scan, except: [beacon])
    #expect(coins.script(of: OutPoint(txid: last.txid, index: 0)) == nil)
    #expect(
      coins.script(of: points[points.count - 1]) == before.script(of: points[points.count - 1]))
  }
}
