import Bytes
import TestSupport
import Testing

@testable import Bitcoin

/// BIP158's vectors: real blocks of a test network.
@Suite(.enabled(if: Vectors.areHere, skipNote))
struct BlockFilterTests {
  private struct Row {
    let block: Block
    let spent: [[UInt8]]
    let previousHeader: Bytes32
    let filter: [UInt8]
    let header: Bytes32
  }

  private func rows() throws -> [Row] {
    var list: [Row] = []
    for row in try vectorRows("src/test/data/blockfilters.json") {
      let spent = try #require(row[3] as? [String])
      list.append(
        Row(
          block: try Block.decode(try bytes(row[2])), spent: try spent.map { try bytes($0) },
          previousHeader: try shownHash(row[4]), filter: try bytes(row[5]),
          header: try shownHash(row[6])))
    }
    #expect(list.count == 10)
    return list
  }

  @Test func buildsThePublishedFilters() throws {
    for row in try rows() {
      let filter = BlockFilter.build(block: row.block, spentScripts: row.spent)
      #expect(filter.encoded == row.filter)
      #expect(filter.header(previous: row.previousHeader) == row.header)
      #expect(filter.blockHash == row.block.hash)
    }
  }

  @Test func findsEveryScriptAndNoStranger() throws {
    var random = SeededGenerator(seed: 158)
    for row in try rows() {
      let filter = BlockFilter(encoded: row.filter, blockHash: row.block.hash)
      var scripts = row.block.transactions.flatMap(\.outputs).map(\.scriptPubKey)
      scripts = scripts.filter { !$0.isEmpty && !Script.isOpReturn($0) }
      scripts += row.spent.filter { !$0.isEmpty }
      for script in scripts {
        #expect(try filter.matches(anyOf: [script]))
        #expect(try filter.matches(anyOf: [random.bytes(34), script, random.bytes(22)]))
      }
      for _ in 0..<50 { #expect(try !filter.matches(anyOf: [random.bytes(34)])) }
      #expect(try !filter.matches(anyOf: []))
    }
  }

  @Test func leavesOutWhatCannotBeSpent() throws {
    var block = try rows()[0].block
    block.transactions[0].outputs.append(
      TransactionOutput(amountSat: 0, scriptPubKey: Script.opReturn([1, 2, 3])))
    block.transactions[0].outputs.append(TransactionOutput(amountSat: 0, scriptPubKey: []))
    let filter = BlockFilter.build(block: block, spentScripts: [])
    #expect(try filter.validate() == 1)
    #expect(try !filter.matches(anyOf: [Script.opReturn([1, 2, 3])]))
  }

  /// Whatever is cut away is noticed by the time the missing part is needed.
  @Test func truncatedFiltersAreMalformed() throws {
    for row in try rows() where row.filter.count > 1 {
      for length in 0..<row.filter.count {
        let cut = BlockFilter(
          encoded: Array(row.filter[0..<length]), blockHash: row.block.hash)
        #expect(throws: BitcoinError.self) { try cut.validate() }
      }
      let longer = BlockFilter(encoded: row.filter + [0], blockHash: row.block.hash)
      #expect(throws: BitcoinError.self) { try longer.validate() }
      let whole = BlockFilter(encoded: row.filter, blockHash: row.block.hash)
      #expect(try whole.validate() > 0)
    }
  }

  @Test func absurdCountsAreRefusedAtOnce() {
    let claims: [[UInt8]] = [
      [0xfe, 0xff, 0xff, 0xff, 0xff], [0xff] + [UInt8](repeating: 0xff, count: 8), [2, 0, 0],
      [0xfd, 0x01, 0x00, 0xaa, 0xaa, 0xaa], [],
    ]
    for claim in claims {
      let filter = BlockFilter(encoded: claim, blockHash: .zero)
      #expect(throws: BitcoinError.self) { try filter.matches(anyOf: [[1]]) }
    }
    // A long run of ones is a quotient, not an endless loop.
    let ones = BlockFilter(
      encoded: [1] + [UInt8](repeating: 0xff, count: 100_000), blockHash: .zero)
    #expect(throws: BitcoinError.self) { try ones.matches(anyOf: [[1]]) }
  }

  @Test func mutationsNeverTrap() throws {
    var random = SeededGenerator(seed: 0x6763_73)
    let list = try rows()
    for _ in 0..<20_000 {
      let row = list[random.int(0...list.count - 1)]
      var encoded = row.filter
      encoded[random.int(0...encoded.count - 1)] = random.bytes(1)[0]
      let filter = BlockFilter(encoded: encoded, blockHash: row.block.hash)
      _ = try? filter.matches(anyOf: [random.bytes(22), [0x51]])
      _ = try? filter.validate()
    }
  }

  /// The slow, obvious model: unpack the set, and look.
  @Test func agreesWithAPlainSet() throws {
    var random = SeededGenerator(seed: 31)
    for size in [0, 1, 2, 50, 1000] {
      var block = try rows()[0].block
      block.transactions[0].outputs = (0..<size).map { _ in
        TransactionOutput(amountSat: 1, scriptPubKey: [0x51] + random.bytes(random.int(1...40)))
      }
      let filter = BlockFilter.build(block: block, spentScripts: [])
      let scripts = block.transactions[0].outputs.map(\.scriptPubKey)
      #expect(try filter.validate() == Set(scripts).count)
      for script in scripts { #expect(try filter.matches(anyOf: [script])) }
      var strangers = 0
      for _ in 0..<500 where try filter.matches(anyOf: [[0x52] + random.bytes(20)]) {
        strangers += 1
      }
      #expect(strangers <= 2)
    }
  }
}
