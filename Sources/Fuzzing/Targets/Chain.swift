import Bitcoin
import Bytes
import Channel
import Market

extension FuzzTarget {
  /// A transaction, and everything that is read out of one.
  static let transaction = FuzzTarget(
    name: "transaction",
    run: { (bytes) throws(FuzzFinding) in
      guard let transaction = try? Transaction.decode(bytes) else { return }
      try require(transaction.bytes() == bytes, "one string of bytes stands for a transaction")
      try require(
        (try? Transaction.decode(transaction.bytes(witness: false)))?.txid == transaction.txid
          || transaction.inputs.isEmpty, "witnesses do not change the id")
      try require(transaction.weight >= 4 * transaction.virtualSize - 3, "weight and size agree")
      _ = transaction.totalOutputSat
      _ = ChannelSpend(transaction, of: Samples.funding, Samples.contract.terms)
      if let found = Announcement.find(in: transaction) {
        try require((try? Announcement.decode(found.encode())) == found, "announcements round-trip")
      }
      for output in transaction.outputs.prefix(4) { try readScript(output.scriptPubKey) }
      try digest(transaction)
    },
    seeds: {
      [
        Samples.transaction.bytes(), Samples.close.bytes(),
        SampleChain.shared.best[1].transactions[0].bytes(),
      ]
    })

  private static func digest(_ transaction: Transaction) throws(FuzzFinding) {
    for (index, input) in transaction.inputs.enumerated().prefix(3) {
      try require(input.hasWitness || input.witness.isEmpty, "no witness has no items")
      for kind: UInt8 in [1, 2, 3, 0x81, 0x82, 0x83, 0x1f, 0xff] {
        _ = Sighash.segwitV0(
          transaction, inputIndex: index, scriptCode: input.scriptSig, amountSat: .max,
          hashType: kind)
        _ = Sighash.legacy(
          transaction, inputIndex: index, scriptCode: input.scriptSig, hashType: UInt32(kind))
      }
    }
  }

  static func readScript(_ script: [UInt8]) throws(FuzzFinding) {
    _ = Script.opReturnData(script)
    _ = try? SignetSolution.checkChallenge(script)
    _ = ChannelScript.isPayable(script)
    if let (version, program) = Script.witnessProgram(script) {
      try require(version <= 16 && program.count == script.count - 2, "a program fits its script")
    }
    guard let address = Address.text(scriptPubKey: script, network: .regtest) else { return }
    try require(
      (try? Address.scriptPubKey(address, network: .regtest)) == script, "addresses round-trip")
  }

  /// A block with its proof, its filter, and its signet solution.
  static let block = FuzzTarget(
    name: "block",
    run: { (bytes) throws(FuzzFinding) in
      guard let block = try? Block.decode(bytes) else { return }
      try require(block.bytes() == bytes, "one string of bytes stands for a block")
      _ = block.hasValidMerkleRoot
      if let target = Target(bits: block.header.bits) {
        _ = target.isMet(by: block.hash)
        try require(Target(bits: target.bits) == target, "a target's compact form is exact")
        try require(ChainWork(bits: block.header.bits) > .zero, "every target is some work")
      }
      let work = ChainWork(bits: block.header.bits)
      try require(ChainWork(bigEndian: work.bigEndianBytes) == work, "work round-trips")
      // The block as its header should have committed to it, so that the checks behind are reached.
      var mended = block
      mended.header.merkleRoot = MerkleTree.root(block.transactions.map(\.txid)).root
      for challenge in challenges {
        try? SignetSolution.verify(block: mended, challenge: challenge)
      }
      let filter = BlockFilter.build(block: block, spentScripts: [Samples.payoutScript])
      var scripts = [Samples.payoutScript]
      for transaction in block.transactions {
        for output in transaction.outputs
        where !output.scriptPubKey.isEmpty && !Script.isOpReturn(output.scriptPubKey) {
          scripts.append(output.scriptPubKey)
        }
      }
      for script in scripts {
        try require((try? filter.matches(anyOf: [script])) == true, "a filter holds its scripts")
      }
    },
    seeds: { SampleChain.shared.best[1...4].map { $0.bytes() } + [signedBlock.bytes()] })

  private static let challenges: [[UInt8]] = [
    [0x51], Script.push(Samples.publisherKey) + [0xac],
    [0x51] + Script.push(Samples.publisherKey) + Script.push(Samples.providerKey) + [0x52, 0xae],
    Script.p2wsh(witnessScript: Script.push(Samples.publisherKey) + [0xac]),
  ]

  /// A block whose coinbase carries what looks like a solution.
  private static let signedBlock: Block = {
    var block = SampleChain.shared.best[1]
    let solution = [0xec, 0xc7, 0xda, 0xa2, 0x03, 0x02, 0x30, 0x06, 0x01, 0x02, 0x51, 0x51]
      .map { UInt8($0) }
    let script =
      [0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed] + [UInt8](repeating: 7, count: 32)
      + Script.push(solution)
    block.transactions[0].outputs.append(TransactionOutput(amountSat: 0, scriptPubKey: script))
    return block
  }()

  /// A filter of a peer: 16 bytes of the block's hash, the count of scripts, then the filter.
  static let filter = FuzzTarget(
    name: "filter",
    run: { (bytes) throws(FuzzFinding) in
      var input = FuzzInput(bytes)
      let key = input.take(16)
      let count = input.below(40)
      let padding = [UInt8](repeating: 0, count: 32 - key.count)
      let filter = BlockFilter(encoded: input.rest(), blockHash: Bytes32(key + padding))
      let scripts = (0..<count).map { [0x51, UInt8($0)] }
      let elements = try? filter.validate()
      let matches = try? filter.matches(anyOf: scripts)
      guard let elements else { return }
      try require(matches != nil, "what is whole can be matched")
      try require(elements > 0 || matches == false, "nothing is in an empty filter")
      try require(elements <= filter.encoded.count * 8 / 20, "an element takes twenty bits or more")
      var any = false
      for script in scripts where (try? filter.matches(anyOf: [script])) == true { any = true }
      try require(any == matches, "scripts together match where one of them does")
    },
    seeds: {
      SampleChain.shared.best[1...4].map { block in
        let filter = SampleChain.shared.filter(block)
        return Array(block.hash.array[0..<16]) + [3] + filter.encoded
      } + [[UInt8](repeating: 0, count: 18)]
    })
}
