import Bytes
import Foundation
import TestSupport
import Testing

@testable import Bitcoin

@Suite(.enabled(if: Vectors.areHere, skipNote))
struct AddressTests {
  private let networks: [(String, Network)] = [
    ("main", .bitcoin), ("testnet4", .testnet4), ("signet", .signet), ("regtest", .regtest),
  ]

  private func isWitnessAddress(_ text: String) -> Bool {
    let lower = text.lowercased()
    return ["bc1", "tb1", "bcrt1"].contains { lower.hasPrefix($0) }
  }

  @Test func publishedAddresses() throws {
    let rows = try #require(try Vectors.json("src/test/data/key_io_valid.json") as? [[Any]])
    var count = 0
    for row in rows {
      let text = try #require(row[0] as? String)
      let about = try #require(row[2] as? [String: Any])
      let chain = try #require(about["chain"] as? String)
      guard isWitnessAddress(text), let network = networks.first(where: { $0.0 == chain })?.1
      else {
        for (_, network) in networks {
          #expect(throws: BitcoinError.self) { try Address.scriptPubKey(text, network: network) }
        }
        continue
      }
      let script = try bytes(row[1])
      #expect(try Address.scriptPubKey(text, network: network) == script)
      #expect(try Address.scriptPubKey(text.uppercased(), network: network) == script)
      #expect(Address.text(scriptPubKey: script, network: network) == text)
      // Signet and testnet4 share a prefix; any other network refuses.
      for (_, other) in networks where other.bech32Hrp != network.bech32Hrp {
        #expect(throws: BitcoinError.address(at: 0, "an address of another network")) {
          try Address.scriptPubKey(text, network: other)
        }
      }
      count += 1
    }
    #expect(count >= 30)
  }

  @Test func publishedNonAddresses() throws {
    let rows = try #require(try Vectors.json("src/test/data/key_io_invalid.json") as? [[String]])
    #expect(rows.count == 70)
    for row in rows {
      for (_, network) in networks {
        #expect(throws: BitcoinError.self) { try Address.scriptPubKey(row[0], network: network) }
      }
    }
  }

  /// The arrays of strings in Bitcoin Core's `bech32_tests.cpp`, by the test's name.
  private func cases(_ name: String) throws -> [[UInt8]] {
    let file = try Vectors.text("src/test/bech32_tests.cpp")
    let start = try #require(file.range(of: "(\(name))"))
    let open = try #require(file.range(of: "CASES[] = {", range: start.upperBound..<file.endIndex))
    let close = try #require(file.range(of: "};", range: open.upperBound..<file.endIndex))
    return file[open.upperBound..<close.lowerBound].split(separator: "\n").compactMap { line in
      guard let first = line.firstIndex(of: "\""), let last = line.lastIndex(of: "\"") else {
        return nil
      }
      var text = line[first...last].replacingOccurrences(of: "\"\"", with: "")
      text = String(text.dropFirst().dropLast())
      var result: [UInt8] = []
      var rest = Array(text.utf8)[...]
      while let byte = rest.first {
        if byte == 0x5c, rest.count >= 4,
          let value = Hex.decode(
            String(decoding: rest[(rest.startIndex + 2)..<(rest.startIndex + 4)], as: UTF8.self))
        {
          result += value
          rest = rest.dropFirst(4)
        } else {
          result.append(byte)
          rest = rest.dropFirst()
        }
      }
      return result
    }
  }

  @Test func publishedBech32() throws {
    for (name, variant) in [("bech32", Bech32.Variant.bech32), ("bech32m", .bech32m)] {
      let valid = try cases("\(name)_testvectors_valid")
      #expect(valid.count == 7)
      for text in valid {
        let (hrp, groups, found) = try Bech32.decode(text)
        #expect(found == variant)
        let again = Bech32.encode(hrp: hrp, groups: groups, variant: variant)
        #expect(
          String(decoding: again, as: UTF8.self)
            == String(decoding: text, as: UTF8.self).lowercased())
      }
      let invalid = try cases("\(name)_testvectors_invalid")
      #expect(invalid.count >= 14)
      for text in invalid {
        #expect(throws: BitcoinError.self) { try Bech32.decode(text) }
      }
    }
  }

  @Test func errorsNameTheCharacter() throws {
    let good = "bcrt1qyucykdlhp62tezs0hagqury402qwhk589q80tqs5myh3rxq34nwqx53czr"
    func position(_ text: String) -> Int? {
      do {
        _ = try Address.scriptPubKey(text, network: .regtest)
        return nil
      } catch BitcoinError.address(let at, _) {
        return at
      } catch {
        return -1
      }
    }
    for index in [6, 20, 40] {
      var text = Array(good)
      text[index] = "b"
      #expect(position(String(text)) == index)
      text[index] = "Q"
      #expect(position(String(text)) == index)
      text[index] = "ü"
      #expect(position(String(text)) == index)
    }
    #expect(position("bcrt1") == 5)
    #expect(position("") == 0)
    #expect(position(String(repeating: "q", count: 91)) == 90)
    let message = BitcoinError.address(at: 6, "character not allowed in addresses").message
    #expect(message == "address, character 7: character not allowed in addresses")
  }

  @Test func everySingleMistakeIsSeen() throws {
    let script = Script.p2tr(outputKey: Bytes32([UInt8](repeating: 0x42, count: 32)))
    let good = Array(try #require(Address.text(scriptPubKey: script, network: .regtest)).utf8)
    for index in good.indices {
      for replacement in Array("qpzry9x8gf2tvdw0s3jn54khce6mua7l1b".utf8)
      where replacement != good[index] {
        var text = good
        text[index] = replacement
        #expect(throws: BitcoinError.self) {
          try Address.scriptPubKey(ascii: text, network: .regtest)
        }
      }
    }
  }
}
