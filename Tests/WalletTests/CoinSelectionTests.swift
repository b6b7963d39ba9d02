import Bitcoin
import Bytes
import TestSupport
import Testing

@testable import Wallet

struct CoinSelectionTests {
  private func coin(
    _ amountSat: UInt64, _ index: UInt32, _ chain: KeyPath.Chain = .receive
  ) -> WalletCoin {
    WalletCoin(
      outPoint: OutPoint(txid: .zero, index: index), amountSat: amountSat,
      path: KeyPath(chain, 0), isCoinbase: false, height: 1)
  }

  /// `rate` in sat/vB.
  private func request(_ paidSat: UInt64, rate: UInt64 = 1) -> CoinSelection.Request {
    // One P2TR output: version, lock time, counts, marker, output.
    CoinSelection.Request(paidSat: paidSat, baseWeight: 42 + 172, feeRateSatPerKvB: rate * 1000)
  }

  @Test func anExactMatchLeavesNoChange() throws {
    // One input of 57.5 virtual bytes and a base of 53.5: 111 sat of fee.
    let coins = [coin(50_000, 0), coin(10_111, 1), coin(900, 2)]
    let chosen = try CoinSelection.choose(coins, request(10_000))
    #expect(chosen == CoinSelection(coins: [coins[1]], changeSat: nil, feeSat: 111))
  }

  @Test func changeReturnsTheRest() throws {
    let chosen = try CoinSelection.choose([coin(50_000, 0)], request(10_000))
    #expect(chosen.feeSat == 154)
    #expect(chosen.changeSat == 50_000 - 10_000 - 154)
  }

  @Test func dustChangeIsLeftToTheMiners() throws {
    let fee: UInt64 = 154
    for (surplus, change): (UInt64, UInt64?) in [(329, nil), (330, 330)] {
      let chosen = try CoinSelection.choose([coin(100_000 + fee + surplus, 0)], request(100_000))
      #expect(chosen.changeSat == change)
      #expect(chosen.feeSat == (change == nil ? fee + surplus : fee))
    }
  }

  /// A funding can be sped up only by what it pays back.
  @Test func changeIsMadeWhereItIsWanted() throws {
    var request = request(10_000)
    request.wantsChange = true
    // The second would match without change.
    let coins = [coin(50_000, 0), coin(10_111, 1)]
    let chosen = try CoinSelection.choose(coins, request)
    #expect(chosen.changeSat == 50_000 - 10_000 - 154)
    // One more coin for the sake of the change, and none where there is no other.
    let two = try CoinSelection.choose([coin(10_200, 0), coin(900, 1)], request)
    #expect(two.coins.count == 2 && two.changeSat == 10_200 + 900 - 10_000 - 212)
    let one = try CoinSelection.choose([coin(10_200, 0)], request)
    #expect(one == CoinSelection(coins: [coin(10_200, 0)], changeSat: nil, feeSat: 200))
  }

  /// A tenth of a sat for a virtual byte, rounded up once.
  @Test func ratesBelowOneSat() throws {
    var request = request(10_000)
    request.feeRateSatPerKvB = 100
    let chosen = try CoinSelection.choose([coin(50_000, 0)], request)
    #expect(chosen.feeSat == 16)
    #expect(FeeRate.parse("0.1") == 100 && FeeRate.parse("2") == 2000)
    #expect(FeeRate.parse("12.345") == 12_345)
    for text in ["", ".", "1.", ".5", "1.2345", "-1", "1e3", "1.2.3", "9999999999"] {
      #expect(FeeRate.parse(text) == nil, "\(text)")
    }
    #expect(FeeRate.text(100) == "0.1 sat/vB" && FeeRate.text(12_345) == "12.345 sat/vB")
    #expect(FeeRate.text(3000) == "3 sat/vB")
  }

  @Test func tooLittleSaysWhatIsMissing() {
    #expect(throws: WalletError.insufficientFunds(neededSat: 10_111, spendableSat: 10_110)) {
      try CoinSelection.choose([coin(10_110, 0)], request(10_000))
    }
    #expect(throws: WalletError.insufficientFunds(neededSat: 10_111, spendableSat: 0)) {
      try CoinSelection.choose([], request(10_000))
    }
    let dust = (0..<1100).map { coin(400, UInt32($0)) }
    #expect(throws: WalletError.tooManyInputs(limit: 1000)) {
      try CoinSelection.choose(dust, request(400_000))
    }
  }

  /// Whatever the coins: amounts balance, the fee is at least the rate asked for, change is above
  /// dust, and no more is lost than change would have cost.
  @Test func lawsHoldForAnyCoins() throws {
    var random = SeededGenerator(seed: 0xc0)
    var exact = 0
    for _ in 0..<400 {
      let coins = (0..<random.int(1...60)).map { index in
        coin(
          UInt64(random.int(1...1_000_000)), UInt32(index),
          KeyPath.Chain.allCases[random.int(0...2)])
      }
      var request = request(UInt64(random.int(330...2_000_000)))
      request.feeRateSatPerKvB = UInt64(random.int(100...100_000))
      let total = coins.reduce(0) { $0 + $1.amountSat }
      guard let chosen = try? CoinSelection.choose(coins, request) else {
        // Refused only where all coins together do not suffice.
        #expect(total < request.paidSat + request.feeSat(coins, hasChange: false))
        continue
      }
      let sum = chosen.coins.reduce(0) { $0 + $1.amountSat }
      #expect(sum == request.paidSat + chosen.feeSat + (chosen.changeSat ?? 0))
      #expect(Set(chosen.coins.map(\.outPoint)).count == chosen.coins.count)
      let least = request.feeSat(chosen.coins, hasChange: chosen.changeSat != nil)
      #expect(chosen.feeSat >= least)
      if let changeSat = chosen.changeSat {
        #expect(changeSat >= Amount.dustSat)
        #expect(chosen.feeSat == least)
      } else {
        exact += 1
        let lost = FeeRate.feeSat(virtualBytes: 102, rateSatPerKvB: request.feeRateSatPerKvB)
        #expect(chosen.feeSat - least <= lost + Amount.dustSat)
      }
      // The order of the candidates does not matter.
      #expect(try CoinSelection.choose(coins.shuffled(using: &random), request) == chosen)
    }
    #expect(exact > 10)
  }
}
