import Bytes
import Crypto
import Foundation
import TestSupport
import Testing

@testable import Bitcoin

/// The ten real blocks of the public signet in Bitcoin Core's `feature_signet.py`, and blocks
/// signed here.
@Suite(.enabled(if: Vectors.areHere, skipNote))
struct SignetSolutionTests {
  private func realBlocks() throws -> [Block] {
    let text = try Vectors.text("test/functional/feature_signet.py")
    let list = try text.matches(of: /'(000000[0-9a-f]{400,})'/).map {
      try Block.decode(try bytes(String($0.1)))
    }
    #expect(list.count == 10)
    return list
  }

  private let challenge = Network.signet.signetChallenge!

  @Test func realBlocksAreSigned() throws {
    for block in try realBlocks() {
      try SignetSolution.verify(block: block, challenge: challenge)
      try HeaderRules.checkWork(block.header, network: .signet)
    }
  }

  /// Both keys demanded, as Bitcoin Core's own test does.
  @Test func anotherChallengeIsNotSatisfied() throws {
    var both = challenge
    both[0] = 0x52
    #expect(throws: BitcoinError.invalid("a block is not signed by the network's signers")) {
      try SignetSolution.verify(block: try realBlocks()[0], challenge: both)
    }
  }

  /// The header may be anyone's as far as work goes: the signature must fall with any change.
  @Test func changedBlocksAreRefused() throws {
    for block in try realBlocks() {
      func refuses(_ change: (inout Block) -> Void) {
        var changed = block
        change(&changed)
        // Someone who forges a block makes its root fit.
        changed.header.merkleRoot = MerkleTree.root(changed.transactions.map(\.txid)).root
        #expect(throws: BitcoinError.self) {
          try SignetSolution.verify(block: changed, challenge: challenge)
        }
      }
      refuses { $0.header.time += 1 }
      refuses { $0.header.version += 1 }
      refuses { $0.header.previous = .zero }
      refuses { $0.transactions[0].outputs[0].amountSat += 1 }
      refuses { $0.transactions[0].lockTime += 1 }
      refuses { $0.transactions.append($0.transactions[0]) }
      refuses { $0.transactions[0].outputs[1].scriptPubKey.removeLast() }
      refuses { $0.transactions[0].outputs[1].scriptPubKey.removeLast(70) }
      var other = block
      other.header.merkleRoot = .zero
      #expect(throws: BitcoinError.self) {
        try SignetSolution.verify(block: other, challenge: challenge)
      }
    }
  }

  @Test func mutationsNeverTrapNorPass() throws {
    var random = SeededGenerator(seed: 325)
    let blocks = try realBlocks()
    for _ in 0..<3000 {
      var block = blocks[random.int(0...9)]
      var script = block.transactions[0].outputs[1].scriptPubKey
      // The witness commitment's own bytes are signed too.
      script[random.int(0...script.count - 1)] ^= UInt8(random.int(1...255))
      block.transactions[0].outputs[1].scriptPubKey = script
      block.header.merkleRoot = MerkleTree.root(block.transactions.map(\.txid)).root
      #expect(throws: BitcoinError.self) {
        try SignetSolution.verify(block: block, challenge: challenge)
      }
    }
  }

  // MARK: Blocks signed here

  /// A block with one coinbase whose witness commitment carries `solution`.
  private func block(solution: [UInt8]?) -> Block {
    var commitment: [UInt8] =
      [0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed] + [UInt8](repeating: 7, count: 32)
    let marker: [UInt8] = [0xec, 0xc7, 0xda, 0xa2]
    if let solution { commitment += Script.push(marker + solution) }
    let coinbase = Transaction(
      inputs: [TransactionInput(previous: .coinbase, scriptSig: [1, 1])],
      outputs: [
        TransactionOutput(amountSat: 50, scriptPubKey: [0x51]),
        TransactionOutput(amountSat: 0, scriptPubKey: commitment),
      ])
    return Block(
      header: BlockHeader(
        version: 0x2000_0000, previous: .zero, merkleRoot: coinbase.txid, time: 1,
        bits: 0x1e03_77ae,
        nonce: 0), transactions: [coinbase])
  }

  private func sign(
    challenge: [UInt8], script: [UInt8], secrets: [Bytes32], isWitness: Bool, isMulti: Bool
  ) throws -> Block {
    // What is signed has the marker and nothing behind it, which a one-byte solution leaves too.
    let draft = try SignetSolution(block: block(solution: [0, 0]), challenge: challenge)
    let digest =
      isWitness
      ? Sighash.segwitV0(draft.toSign, inputIndex: 0, scriptCode: script, amountSat: 0)
      : Sighash.legacy(draft.toSign, inputIndex: 0, scriptCode: script, hashType: 1)
    var stack: [[UInt8]] = isMulti ? [[]] : []
    for secret in secrets {
      stack.append(try Secp256k1.signEcdsa(digest: digest, secret: secret) + [1])
    }
    var solution = ByteWriter()
    if isWitness {
      solution.u8(0)
      solution.compactSize(stack.count + 1)
      for item in stack + [script] { solution.lengthPrefixed(item) }
    } else {
      solution.lengthPrefixed(stack.flatMap { Script.push($0) })
      solution.u8(0)
    }
    return block(solution: solution.bytes)
  }

  @Test(arguments: [false, true], [false, true])
  func ownSigners(isWitness: Bool, isMulti: Bool) throws {
    var random = SeededGenerator(seed: 7)
    let secrets = [random.bytes32(), random.bytes32(), random.bytes32()]
    let keys = try secrets.map { Script.push(try Secp256k1.publicKey(of: $0)) }
    let script =
      isMulti
      ? [0x52] + keys.flatMap { $0 } + [0x53, Script.OpCode.checkMultiSig]
      : keys[0] + [Script.OpCode.checkSig]
    let challenge = isWitness ? Script.p2wsh(witnessScript: script) : script
    func verdict(_ signers: [Bytes32]) throws -> Bool {
      let made = try sign(
        challenge: challenge, script: script, secrets: signers, isWitness: isWitness,
        isMulti: isMulti)
      do {
        try SignetSolution.verify(block: made, challenge: challenge)
        return true
      } catch {
        return false
      }
    }
    if isMulti {
      #expect(try verdict([secrets[0], secrets[1]]))
      #expect(try verdict([secrets[0], secrets[2]]))
      #expect(try verdict([secrets[1], secrets[2]]))
      #expect(try !verdict([secrets[1], secrets[0]]))
      #expect(try !verdict([secrets[0], secrets[0]]))
      #expect(try !verdict([secrets[0]]))
    } else {
      #expect(try verdict([secrets[0]]))
      #expect(try !verdict([secrets[1]]))
      #expect(try !verdict([]))
    }
  }

  @Test func onlyATrivialChallengeNeedsNoSolution() throws {
    try SignetSolution.verify(block: block(solution: nil), challenge: [0x51])
    #expect(throws: BitcoinError.self) {
      try SignetSolution.verify(block: block(solution: nil), challenge: challenge)
    }
    var bare = block(solution: nil)
    bare.transactions[0].outputs.removeLast()
    bare.header.merkleRoot = bare.transactions[0].txid
    #expect(throws: BitcoinError.self) {
      try SignetSolution.verify(block: bare, challenge: [0x51])
    }
  }

  // MARK: Challenges

  @Test func customNetworks() throws {
    let trivial = try Network.customSignet(name: Array("zen-1".utf8), challenge: [0x51])
    #expect(trivial.magic == [0x54, 0xd2, 0x6f, 0xbd])
    #expect(trivial.genesis == Network.signet.genesis)
    #expect(Network.signet.magic == [0x0a, 0x03, 0xcf, 0x40])
    let p2wpkh: [UInt8] = [0, 20] + [UInt8](repeating: 1, count: 20)
    let p2sh: [UInt8] = [0xa9, 20] + [UInt8](repeating: 1, count: 20) + [0x87]
    var random = SeededGenerator(seed: 1)
    for challenge: [UInt8] in [
      [], [0x52], p2wpkh, p2sh, Script.p2tr(outputKey: random.bytes32()), [0x51, 0x51],
      [0x52, 33] + random.bytes(33) + [0x51, 0xae], [33] + random.bytes(33),
      [33] + random.bytes(33) + [0xac, 0x51],
    ] {
      #expect(throws: BitcoinError.self) {
        try Network.customSignet(name: Array("zen".utf8), challenge: challenge)
      }
    }
    for name in ["", "signet", "a b", "zen/1", String(repeating: "z", count: 33), "zén"] {
      #expect(throws: BitcoinError.self) {
        try Network.customSignet(name: Array(name.utf8), challenge: [0x51])
      }
    }
  }
}
