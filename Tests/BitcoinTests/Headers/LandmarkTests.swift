import Bytes
import Foundation
import TestSupport
import Testing

@testable import Bitcoin

/// The blocks, seeds and least work that are built in, beside Bitcoin Core's own list.
@Suite struct LandmarkTests {
  private func parameters(_ className: String) throws -> String? {
    let path =
      NSHomeDirectory()
      + "/.cache/zennet/bitcoin-src/depend/bitcoin/src/kernel/chainparams.cpp"
    guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
      print("SKIPPED: \(path) is missing (scripts/setup fetches it)")
      return nil
    }
    guard let start = text.range(of: "class \(className) :") else {
      Issue.record("no \(className)")
      return nil
    }
    let rest = text[start.upperBound...]
    return String(rest[..<(rest.range(of: "\nclass ")?.lowerBound ?? rest.endIndex)])
  }

  @Test(arguments: [
    (Network.bitcoin, "CMainParams"), (.testnet4, "CTestNet4Params"), (.signet, "SigNetParams"),
  ])
  func areBitcoinCores(_ network: Network, _ className: String) throws {
    guard let text = try parameters(className) else { return }
    #expect(!network.pins.isEmpty && !network.seeds.isEmpty)
    var last: UInt32 = 0
    for pin in network.pins {
      #expect(pin.height > last)
      last = pin.height
      let hash = pin.hash.reversed.hex
      // Heights are written 840'000 in one place and 938343 in another.
      let digits = String(pin.height)
      let spaced = String(digits.dropLast(3)) + "'" + String(digits.suffix(3))
      guard let place = text.range(of: hash) else {
        Issue.record("\(hash) is not in \(className)")
        continue
      }
      let before = text[..<place.lowerBound].suffix(500)
      let after = text[place.upperBound...].prefix(40)
      #expect(before.contains(".height = \(spaced),") || after.contains("// \(digits)"))
    }
    #expect(text.contains(network.minimumChainWork.bigEndianBytes.hex))
    for seed in network.seeds {
      var name = String(decoding: seed, as: UTF8.self)
      if name.hasPrefix("x49.") { name.removeFirst(4) }
      #expect(text.contains("\"\(name).\""), "\(name)")
    }
  }
}
