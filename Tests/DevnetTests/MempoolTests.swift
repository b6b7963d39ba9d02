import Bitcoin
import Bytes
import Crypto
import TestSupport
import Testing

@testable import Devnet

/// What the mempool takes and what it refuses. The node's blocks show that what it takes is valid.
@Suite struct MempoolTests {
  // In this order, so that the node goes before its folder does.
  private let node: DevnetNode
  private let folder: ScratchFolder

  init() throws {
    folder = try ScratchFolder()
    var options = DevnetOptions(directory: folder.path)
    options.hasControlSocket = false
    node = try DevnetNode(options)
  }

  /// A confirmed coin of `amountSat` that `witnessScript` locks.
  private func coin(_ amountSat: UInt64, _ witnessScript: [UInt8] = [0x51]) throws -> OutPoint {
    let txid = try node.give(amountSat, to: Script.p2wsh(witnessScript: witnessScript))
    try node.mine(1)
    return OutPoint(txid: txid, index: 0)
  }

  /// Spends coins of `[0x51]`, to one output.
  private func spend(
    _ points: [OutPoint], to amountSat: UInt64, script: [UInt8]? = nil,
    witness: [[UInt8]] = [[0x51]],
    sequence: UInt32 = 0xffff_fffd, lockTime: UInt32 = 0
  ) -> Transaction {
    Transaction(
      inputs: points.map { TransactionInput(previous: $0, sequence: sequence, witness: witness) },
      outputs: [
        TransactionOutput(
          amountSat: amountSat, scriptPubKey: script ?? Script.p2wsh(witnessScript: [0x51]))
      ], lockTime: lockTime)
  }

  private func rejection(_ transaction: Transaction) -> TransactionRejection? {
    do throws(TransactionRejection) {
      try node.submit(transaction)
      return nil
    } catch {
      return error
    }
  }

  // MARK: Amounts

  @Test func refusesDust() throws {
    let limits: [([UInt8], UInt64)] = [
      (Script.p2wsh(witnessScript: [0x52]), 330),
      (Script.p2tr(outputKey: Bytes32([UInt8](repeating: 2, count: 32))), 330),
      ([0x00, 0x14] + [UInt8](repeating: 1, count: 20), 294),
      ([0x51, 0x02, 0x4e, 0x73], 240),
      ([0x76, 0xa9, 0x14] + [UInt8](repeating: 1, count: 20) + [0x88, 0xac], 546),
      ([0xa9, 0x14] + [UInt8](repeating: 1, count: 20) + [0x87], 540),
    ]
    for (script, limit) in limits {
      // The second output makes the transaction large enough for the shortest script.
      var transaction = spend([try coin(10_000)], to: limit - 1, script: script)
      transaction.outputs.append(
        TransactionOutput(amountSat: 0, scriptPubKey: Script.opReturn([1])))
      #expect(
        rejection(transaction) == .dust(index: 0, amountSat: limit - 1, limitSat: limit))
      transaction.outputs[0].amountSat = limit
      #expect(rejection(transaction) == nil)
    }
    let announcement = spend([try coin(10_000)], to: 0, script: Script.opReturn([1, 2, 3]))
    #expect(rejection(announcement) == nil)
  }

  @Test func asksForTheMinimumFee() throws {
    let point = try coin(10_000)
    let size = UInt64(spend([point], to: 9_000).virtualSize)
    let needed = (size * 100 + 999) / 1000
    #expect(needed == 10)
    let short = spend([point], to: 10_000 - needed + 1)
    #expect(rejection(short) == .feeTooLow(feeSat: needed - 1, neededSat: needed))
    #expect(rejection(spend([point], to: 10_000 - needed)) == nil)
    let other = try coin(10_000)
    #expect(rejection(spend([other], to: 10_001)) == .outputsAboveInputs)
    #expect(rejection(spend([other], to: Amount.maxSat + 1)) == .amountOutOfRange)
  }

  // MARK: Time

  @Test func keepsToLockTimes() throws {
    let point = try coin(10_000)
    let next = node.chain.height + 1
    #expect(rejection(spend([point], to: 9_000, lockTime: next)) == .nonFinal)
    // A final sequence switches the lock off.
    #expect(
      rejection(spend([try coin(10_000)], to: 9_000, sequence: 0xffff_ffff, lockTime: .max)) == nil)
    #expect(rejection(spend([point], to: 9_000, lockTime: next)) == nil)
    let byTime = try coin(10_000)
    let median = node.chain.medianTimePast(at: node.chain.height)
    #expect(rejection(spend([byTime], to: 9_000, lockTime: median)) == .nonFinal)
    #expect(rejection(spend([byTime], to: 9_000, lockTime: median - 1)) == nil)
    try node.mine(1)
    #expect(node.mempool.count == 0)
  }

  @Test func keepsToRelativeLocks() throws {
    let point = try coin(10_000)
    let locked = spend([point], to: 9_000, sequence: 3)
    #expect(rejection(locked) == .relativeLockNotReached(input: 0))
    try node.mine(1)
    #expect(rejection(locked) == .relativeLockNotReached(input: 0))
    try node.mine(1)
    #expect(rejection(locked) == nil)
    let byTime = spend([try coin(10_000)], to: 9_000, sequence: 1 << 22 | 0xffff)
    #expect(rejection(byTime) == .relativeLockNotReached(input: 0))
    try node.mine(1)
    #expect(node.chain.height(ofTransaction: locked.txid) != nil)
  }

  /// Channels return the publisher's rest under such a lock (BIP112): nothing that spends it gets in
  /// beside the transaction that makes it, and a lower sequence does not get around the script.
  @Test func keepsToLocksInScripts() throws {
    // 1 CHECKSEQUENCEVERIFY DROP 1
    let script: [UInt8] = [0x51, 0xb2, 0x75, 0x51]
    let parent = spend(
      [try coin(100_000)], to: 90_000, script: Script.p2wsh(witnessScript: script))
    let point = OutPoint(txid: parent.txid, index: 0)
    #expect(rejection(parent) == nil)
    func child(_ sequence: UInt32) -> Transaction {
      spend([point], to: 80_000, witness: [script], sequence: sequence)
    }
    for sequence in [UInt32(1), 2, 0x1_0001] {
      #expect(rejection(child(sequence)) == .relativeLockNotReached(input: 0))
    }
    for sequence in [UInt32(0), 0x8000_0001, 0xffff_fffd, 0xffff_ffff] {
      #expect(rejection(child(sequence)) == .scriptFailed(input: 0))
    }
    try node.mine(1)
    #expect(rejection(child(0)) == .scriptFailed(input: 0))
    #expect(rejection(child(2)) == .relativeLockNotReached(input: 0))
    #expect(rejection(child(1)) == nil)
    // A reorganisation takes the parent out of its block, and the child out of the mempool.
    try node.reorganize(depth: 1)
    #expect(node.mempool.entry(txid: parent.txid) != nil)
    #expect(node.mempool.entry(txid: child(1).txid) == nil)
    try node.mine(1)
    #expect(rejection(child(1)) == nil)
    try node.mine(1)
    #expect(node.chain.height(ofTransaction: child(1).txid) == node.chain.height)
  }

  @Test func refusesImmatureCoinbases() throws {
    try node.mine(1, payout: Script.p2wsh(witnessScript: [0x51]))
    let block = try #require(node.chain.block(hash: node.chain.tipHash))
    let point = OutPoint(txid: block.transactions[0].txid, index: 0)
    let early = spend([point], to: 1_000_000)
    #expect(rejection(early) == .immatureCoinbase(point))
    try node.mine(98)
    #expect(rejection(early) == .immatureCoinbase(point))
    try node.mine(1)
    #expect(rejection(early) == nil)
    try node.mine(1)
    #expect(node.chain.height(ofTransaction: early.txid) == node.chain.height)
  }

  // MARK: Conflicts

  @Test func replacesOnlyForMore() throws {
    let point = try coin(100_000)
    let first = spend([point], to: 99_000)
    #expect(rejection(first) == nil)
    #expect(rejection(first) == .alreadyKnown)
    let child = spend([OutPoint(txid: first.txid, index: 0)], to: 98_000)
    #expect(rejection(child) == nil)
    // Both fees must be passed, and the replacement's own relay paid.
    let cheap = spend([point], to: 98_005)
    let size = UInt64(cheap.virtualSize)
    let relay = (size * 100 + 999) / 1000
    #expect(
      rejection(cheap)
        == .doubleSpend(of: first.txid, feeSat: 1995, neededSat: 2000 + relay))
    let better = spend([point], to: 98_000 - relay)
    #expect(rejection(better) == nil)
    #expect(node.mempool.sorted.map(\.txid) == [better.txid])
    let selfish = spend([point, OutPoint(txid: better.txid, index: 0)], to: 1_000)
    #expect(rejection(selfish) == .spendsWhatItReplaces)
    try node.mine(1)
    #expect(rejection(first) == .missingInput(point))
    #expect(rejection(better) == .alreadyKnown)
  }

  @Test func dropsWhatABlockMadeImpossible() throws {
    let point = try coin(100_000)
    let waiting = spend([point], to: 99_000)
    let child = spend([OutPoint(txid: waiting.txid, index: 0)], to: 98_000)
    #expect(rejection(waiting) == nil)
    #expect(rejection(child) == nil)
    let rival = spend([point], to: 97_000)
    let tip = try #require(node.chain.kernel.entry(hash: node.chain.tipHash))
    let block = BlockMaker.make(
      BlockMaker.Template(
        previous: tip.hash, height: tip.height + 1, time: tip.time + 1, payout: [0x51],
        transactions: [rival], feesSat: 3000))
    try node.submit(block: block)
    #expect(node.chain.tipHash == block.hash)
    #expect(node.mempool.count == 0)
  }

  @Test func returnsWhatAReorganisationTookOut() throws {
    let point = try coin(100_000)
    let parent = spend([point], to: 99_000)
    #expect(rejection(parent) == nil)
    try node.mine(1)
    let child = spend([OutPoint(txid: parent.txid, index: 0)], to: 98_000)
    #expect(rejection(child) == nil)
    try node.reorganize(depth: 1)
    #expect(node.mempool.sorted.map(\.txid) == [parent.txid, child.txid])
    try node.mine(1)
    #expect(node.mempool.count == 0)
    #expect(node.chain.height(ofTransaction: child.txid) == node.chain.height)
  }

  // MARK: Blocks

  @Test func minesParentsBeforeChildrenAndLeavesTheCheapWaiting() throws {
    let parent = spend([try coin(100_000)], to: 99_990)
    let child = spend([OutPoint(txid: parent.txid, index: 0)], to: 99_980)
    let other = spend([try coin(100_000)], to: 90_000)
    for transaction in [parent, child, other] { #expect(rejection(transaction) == nil) }
    try node.mine(1, minimumFeeSatPerKvB: 5000)
    #expect(node.mempool.sorted.map(\.txid) == [parent.txid, child.txid])
    try node.mine(1)
    #expect(node.mempool.count == 0)
    let block = try #require(node.chain.block(hash: node.chain.tipHash))
    #expect(block.transactions.dropFirst().map(\.txid) == [parent.txid, child.txid])
    let reward = block.transactions[0].outputs[0].amountSat
    #expect(reward == BlockMaker.subsidySat(height: node.chain.height) + 10 + 10)
  }

  /// A child pays for what it hangs on, grandparents too, and for nothing else.
  @Test func childrenPayForTheirParents() throws {
    var first = spend([try coin(100_000)], to: 50_000)
    first.outputs.append(
      TransactionOutput(amountSat: 49_980, scriptPubKey: first.outputs[0].scriptPubKey))
    let second = spend([OutPoint(txid: first.txid, index: 0)], to: 49_990)
    let cheap = spend([OutPoint(txid: first.txid, index: 1)], to: 49_960)
    for transaction in [first, second, cheap] { #expect(rejection(transaction) == nil) }
    try node.mine(1, minimumFeeSatPerKvB: 10_000)
    #expect(node.mempool.count == 3)
    let payer = spend([OutPoint(txid: second.txid, index: 0)], to: 40_000)
    #expect(rejection(payer) == nil)
    try node.mine(1, minimumFeeSatPerKvB: 10_000)
    #expect(node.mempool.sorted.map(\.txid) == [cheap.txid])
    let block = try #require(node.chain.block(hash: node.chain.tipHash))
    #expect(block.transactions.dropFirst().map(\.txid) == [first, second, payer].map(\.txid))
    // Too poor for all of its ancestors.
    let poor = spend([OutPoint(txid: cheap.txid, index: 0)], to: 49_000)
    #expect(rejection(poor) == nil)
    try node.mine(1, minimumFeeSatPerKvB: 10_000)
    #expect(node.mempool.count == 2)
  }

  /// Whatever the mempool takes, a block can hold: the kernel accepts every block made from it.
  @Test func everythingTakenCanBeMined() throws {
    var random = SeededGenerator(seed: 2)
    var coins: [OutPoint] = []
    for _ in 0..<6 { coins.append(try coin(1_000_000)) }
    var taken = 0
    var refused = 0
    for round in 0..<300 {
      let chosen = (0..<random.int(1...3)).map { _ in coins[random.int(0...(coins.count - 1))] }
      let amounts = chosen.compactMap { node.mempool.coin($0)?.output.amountSat }
      let total = amounts.reduce(0, +)
      let feeSat = UInt64(random.int(0...3000))
      let sequences: [UInt32] = [0, 1, 2, 0xffff_fffd, 1 << 22]
      var transaction = spend(
        chosen, to: total > feeSat + 5 ? total - feeSat : total,
        sequence: sequences[random.int(0...4)],
        lockTime: UInt32(random.int(0...3)) * (node.chain.height / 2 + 1))
      if random.once(in: 5) { transaction.inputs[0].witness = [[0x52]] }
      if random.once(in: 5), let output = transaction.outputs.first {
        transaction.outputs = [output, output]
        transaction.outputs[0].amountSat /= 2
        transaction.outputs[1].amountSat /= 2
      }
      if rejection(transaction) == nil {
        taken += 1
        for index in transaction.outputs.indices {
          coins.append(OutPoint(txid: transaction.txid, index: UInt32(index)))
        }
      } else {
        refused += 1
      }
      if round % 20 == 19 {
        let waiting = node.mempool.count
        let mined = try node.mine(1)
        let block = try #require(node.chain.block(hash: mined[0]))
        #expect(block.transactions.count == waiting + 1)
        #expect(node.mempool.count == 0)
        coins.removeAll { node.chain.coins[$0] == nil }
        coins.append(try coin(1_000_000))
      }
      if round == 150 { try node.reorganize(depth: 3) }
    }
    #expect(taken > 50)
    #expect(refused > 50)
  }

  // MARK: On disk

  @Test func isKeptOverARestart() throws {
    var options = node.options
    options.directory = folder.path + "/other"
    let txid: Bytes32
    do {
      let devnet = try RunningDevnet(options)
      txid = try devnet.give(50_000, to: Script.p2wsh(witnessScript: [0x51]))
      try devnet.stop()
    }
    let devnet = try RunningDevnet(options)
    #expect(try devnet.transaction(txid) != nil)
    try devnet.mine(1)
    #expect(try devnet.transaction(txid)?.height == 102)
    #expect(try devnet.height == 102)
    try devnet.stop()
  }
}
