import Bitcoin
import Bytes
import TestSupport
import Testing

@Suite(.enabled(if: Vectors.areHere, skipNote))
struct BlockTests {
  private func blocks() throws -> [Block] {
    var list: [Block] = []
    for row in try vectorRows("src/test/data/blockfilters.json") {
      list.append(try Block.decode(try bytes(row[2])))
    }
    return list
  }

  @Test func realBlocksRoundTripAndKeepTheirRoot() throws {
    let rows = try vectorRows("src/test/data/blockfilters.json")
    #expect(rows.count == 10)
    for row in rows {
      let raw = try bytes(row[2])
      let block = try Block.decode(raw)
      #expect(block.bytes() == raw)
      #expect(block.hash == (try shownHash(row[1])))
      #expect(block.hasValidMerkleRoot)
    }
  }

  @Test func anyChangeOfTransactionsBreaksTheRoot() throws {
    for block in try blocks() where block.transactions.count > 1 {
      var swapped = block
      swapped.transactions.swapAt(0, 1)
      #expect(!swapped.hasValidMerkleRoot)
      var fewer = block
      fewer.transactions.removeLast()
      #expect(!fewer.hasValidMerkleRoot)
      var changed = block
      changed.transactions[0].lockTime ^= 1
      #expect(!changed.hasValidMerkleRoot)
    }
    var empty = try blocks()[0]
    empty.transactions = []
    #expect(!empty.hasValidMerkleRoot)
  }

  /// CVE-2012-2459: repeating the tail of the list keeps the root.
  @Test func repeatedTransactionsAreSeen() throws {
    var grown = 0
    for block in try blocks() {
      let count = block.transactions.count
      // Only where some level is odd can the list be stretched.
      var tail = 1
      while tail < count && (count / tail) % 2 == 0 { tail *= 2 }
      if count % tail != 0 || count == 1 || count & (count - 1) == 0 { continue }
      var stretched = block
      stretched.transactions += block.transactions.suffix(tail)
      let ids = stretched.transactions.map(\.txid)
      #expect(MerkleTree.root(ids) == (block.header.merkleRoot, true))
      #expect(!stretched.hasValidMerkleRoot)
      grown += 1
    }
    #expect(grown > 0)
  }

  @Test func refusesEveryTruncation() throws {
    let raw = try blocks()[1].bytes()
    for length in 0..<raw.count {
      #expect(throws: BitcoinError.self) { try Block.decode(Array(raw[0..<length])) }
    }
  }
}
