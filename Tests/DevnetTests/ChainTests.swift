import Bitcoin
import Bytes
import Foundation
import Testing

@testable import Devnet

/// A folder that goes when the test ends.
final class ScratchFolder {
  let path: String

  init() throws {
    path = NSTemporaryDirectory() + "zennet-devnet-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }
}

extension Chain {
  /// A block on `previous` (the tip when nil) that pays `payout`.
  func candidate(
    on previous: Bytes32? = nil, transactions: [Transaction] = [], feesSat: UInt64 = 0,
    tag: [UInt8] = []
  ) throws -> Block {
    let parent = try #require(kernel.entry(hash: previous ?? tipHash))
    return BlockMaker.make(
      BlockMaker.Template(
        previous: parent.hash, height: parent.height + 1,
        time: 1_700_000_000 + parent.height + 1, payout: [0x51], transactions: transactions,
        feesSat: feesSat, tag: tag))
  }
}

@Suite struct ChainTests {
  @Test func startsAtGenesis() throws {
    let folder = try ScratchFolder()
    let chain = try Chain(directory: folder.path)
    #expect(chain.height == 0)
    #expect(
      chain.tipHash.reversed.hex
        == "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206")
    #expect(chain.coins.isEmpty)
  }

  @Test func growsAndCountsCoins() throws {
    let folder = try ScratchFolder()
    let chain = try Chain(directory: folder.path)
    for _ in 0..<20 { _ = try chain.accept(try chain.candidate().bytes()) }
    #expect(chain.height == 20)
    #expect(chain.coins.count == 20)
    #expect(chain.coins.values.allSatisfy { $0.output.amountSat == 50 * Amount.satPerCoin })
    #expect(chain.medianTimePast(at: 20) == 1_700_000_015)
    let block = try #require(chain.block(hash: chain.tipHash))
    #expect(chain.height(ofTransaction: block.transactions[0].txid) == 20)
    #expect(chain.transaction(block.transactions[0].txid) == block.transactions[0])
  }

  @Test func survivesRestartAndLossOfTheKernelsDatabases() throws {
    let folder = try ScratchFolder()
    var tip = Bytes32.zero
    do {
      let chain = try Chain(directory: folder.path)
      for _ in 0..<5 { _ = try chain.accept(try chain.candidate().bytes()) }
      tip = chain.tipHash
    }
    #expect(try Chain(directory: folder.path).tipHash == tip)
    try FileManager.default.removeItem(atPath: folder.path + "/kernel")
    #expect(try Chain(directory: folder.path).tipHash == tip)
  }

  @Test func cutsATornRecordOff() throws {
    let folder = try ScratchFolder()
    do {
      let chain = try Chain(directory: folder.path)
      for _ in 0..<3 { _ = try chain.accept(try chain.candidate().bytes()) }
    }
    let path = folder.path + "/blocks.log"
    let whole = try Data(contentsOf: URL(fileURLWithPath: path))
    try whole.dropLast(7).write(to: URL(fileURLWithPath: path))
    try FileManager.default.removeItem(atPath: folder.path + "/kernel")
    let chain = try Chain(directory: folder.path)
    #expect(chain.height == 2)
    _ = try chain.accept(try chain.candidate().bytes())
    #expect(chain.height == 3)
  }

  @Test func followsTheLongerBranchAndBack() throws {
    let folder = try ScratchFolder()
    let chain = try Chain(directory: folder.path)
    for _ in 0..<4 { _ = try chain.accept(try chain.candidate().bytes()) }
    let oldTip = chain.tipHash
    let fork = try #require(chain.hash(at: 2))
    let first = try chain.candidate(on: fork, tag: [7])
    #expect(try chain.accept(first.bytes()).isEmpty)
    let second = try chain.candidate(on: first.hash, tag: [7])
    #expect(try chain.accept(second.bytes()).isEmpty)
    #expect(chain.tipHash == oldTip)
    let third = try chain.candidate(on: second.hash, tag: [7])
    let change = try chain.accept(third.bytes())
    #expect(change.disconnected.map(\.height) == [4, 3])
    #expect(change.connected.map(\.hash) == [first.hash, second.hash, third.hash])
    #expect(chain.height == 5)
    #expect(chain.coins.count == 5)
    #expect(chain.height(of: oldTip) == nil)
  }

  @Test func refusesBadBlocks() throws {
    let folder = try ScratchFolder()
    let chain = try Chain(directory: folder.path)
    _ = try chain.accept(try chain.candidate().bytes())
    let good = try chain.candidate()
    var greedy = good
    greedy.transactions[0].outputs[0].amountSat += 1
    greedy = remade(greedy)
    var orphan = good
    orphan.header.previous = Bytes32([UInt8](repeating: 9, count: 32))
    orphan = remade(orphan)
    var malleated = good
    malleated.header.merkleRoot = .zero
    malleated = remade(malleated, keepingRoot: true)
    for bad in [greedy, orphan, malleated] {
      #expect(throws: DevnetError.self) { try chain.accept(bad.bytes()) }
    }
    #expect(throws: DevnetError.self) { try chain.accept([1, 2, 3]) }
    #expect(chain.height == 1)
    _ = try chain.accept(good.bytes())
    #expect(chain.height == 2)
  }

  /// The block with root and proof of work made right again.
  private func remade(_ block: Block, keepingRoot: Bool = false) -> Block {
    var block = block
    if !keepingRoot {
      block.header.merkleRoot = MerkleTree.root(block.transactions.map(\.txid)).root
    }
    while block.header.hash[31] > 0x7e { block.header.nonce += 1 }
    return block
  }
}
