import Bitcoin
import Bytes
import Testing

@testable import LightClient

/// What blocks say about fees, and what they do not.
@Suite struct FeeEstimatorTests {
  /// A block that takes `feesSat` for transactions of `weight` units.
  private func block(feesSat: UInt64, weight: Int, height: UInt32) -> Block {
    let subsidySat = Network.bitcoin.subsidySat(atHeight: height)
    let coinbase = Transaction(
      inputs: [TransactionInput(previous: .coinbase)],
      outputs: [TransactionOutput(amountSat: subsidySat + feesSat, scriptPubKey: [0x51])])
    var filler = Transaction(
      inputs: [TransactionInput(previous: OutPoint(txid: .zero, index: 0))],
      outputs: [TransactionOutput(amountSat: 0, scriptPubKey: [])])
    let least = filler.weight + 8
    filler.outputs[0].scriptPubKey = [UInt8](repeating: 0x6a, count: max(0, weight - least) / 4)
    return Block(header: Network.bitcoin.genesis, transactions: [coinbase, filler])
  }

  private func estimator(_ fees: [UInt64], weight: Int = 3_900_000) -> FeeEstimator {
    var estimator = FeeEstimator()
    for (index, feesSat) in fees.enumerated() {
      let height = 900_000 + UInt32(index)
      estimator.connected(
        block(feesSat: feesSat, weight: weight, height: height), height: height,
        network: .bitcoin)
    }
    return estimator
  }

  @Test func subsidies() {
    #expect(Network.bitcoin.subsidySat(atHeight: 0) == 5_000_000_000)
    #expect(Network.bitcoin.subsidySat(atHeight: 839_999) == 625_000_000)
    #expect(Network.bitcoin.subsidySat(atHeight: 840_000) == 312_500_000)
    #expect(Network.bitcoin.subsidySat(atHeight: 64 * 210_000) == 0)
    #expect(Network.regtest.subsidySat(atHeight: 150) == 2_500_000_000)
  }

  @Test func fullBlocksTellTheirRate() {
    // 975,000 virtual bytes for 9,750,000 sat: 10 sat a byte.
    let rate = estimator([9_750_000, 9_750_000, 9_750_000]).rate(tipHeight: 900_003)
    #expect(rate >= 9_990 && rate <= 10_010)
  }

  @Test func oneMinerAloneDoesNotMoveIt() {
    let rate = estimator([9_750_000, 9_750_000, 5_000_000_000, 9_750_000, 9_750_000])
      .rate(tipHeight: 900_005)
    #expect(rate >= 9_990 && rate <= 10_010)
    // Nor do many make it unbounded.
    let most = estimator([UInt64](repeating: 50_000_000_000, count: 12)).rate(tipHeight: 900_012)
    #expect(most == FeeEstimator.maxRate)
  }

  @Test func whereThereIsRoomNothingIsSaid() {
    #expect(estimator([9_750_000, 9_750_000]).rate(tipHeight: 900_002) == 0)
    let half = [UInt64](repeating: 9_750_000, count: 6)
    #expect(estimator(half, weight: 2_000_000).rate(tipHeight: 900_006) == 0)
    // What lies a day back no longer counts.
    #expect(estimator(half).rate(tipHeight: 900_200) == 0)
    // A coinbase that takes less than it may is no riddle.
    #expect(estimator([0, 0, 0]).rate(tipHeight: 900_003) == 0)
  }

  @Test func reorganisedBlocksAreForgotten() {
    var some = estimator([UInt64](repeating: 9_750_000, count: 6))
    some.reorganised(forkHeight: 900_001)
    #expect(some.rate(tipHeight: 900_001) == 0)
  }
}
