import Bitcoin
import Bytes
import TestSupport
import Testing

@testable import Wallet

/// A chain of blocks without work: the wallet leaves that to the light client.
struct FakeChain {
  var blocks: [Block] = []
  var random = SeededGenerator(seed: 0xfa)

  mutating func block(_ transactions: [Transaction] = [], minerScript: [UInt8] = [0x51]) -> Block {
    let coinbase = Transaction(
      inputs: [TransactionInput(previous: .coinbase, scriptSig: random.bytes(8))],
      outputs: [TransactionOutput(amountSat: 50 * Amount.satPerCoin, scriptPubKey: minerScript)])
    let all = [coinbase] + transactions
    let made = Block(
      header: BlockHeader(
        version: 4, previous: blocks.last?.hash ?? .zero,
        merkleRoot: MerkleTree.root(all.map(\.txid)).root, time: UInt32(blocks.count),
        bits: 0x207f_ffff, nonce: 0), transactions: all)
    blocks.append(made)
    return made
  }

  /// Someone else's payment.
  mutating func payment(_ amountSat: UInt64, to script: [UInt8]) -> Transaction {
    Transaction(
      inputs: [
        TransactionInput(
          previous: OutPoint(txid: random.bytes32(), index: 0), witness: [random.bytes(64)])
      ], outputs: [TransactionOutput(amountSat: amountSat, scriptPubKey: script)])
  }
}

/// What the wallet's tests share.
protocol WalletFixtures {}

extension WalletFixtures {
  func makeWallet(_ network: Network = .regtest) throws -> Wallet {
    let phrase = try Phrase(entropy: [UInt8](repeating: 7, count: 16))
    return try Wallet(
      keys: WalletKeys(phrase: phrase, network: network), network: network, birthHeight: 0)
  }

  /// Gives the wallet a block at the next height.
  @discardableResult
  func connect(
    _ wallet: inout Wallet, _ chain: inout FakeChain, _ transactions: [Transaction] = [],
    minerScript: [UInt8] = [0x51]
  ) throws -> [NewScript] {
    let height = UInt32(chain.blocks.count)
    let block = chain.block(transactions, minerScript: minerScript)
    let added = try wallet.blockConnected(height: height, block: block)
    wallet.blockScanned(height: height, hash: block.hash)
    return added
  }

  func foreignScript(_ tag: UInt8) -> [UInt8] {
    Script.p2wsh(witnessScript: [tag])
  }

  func output(_ amountSat: UInt64, _ tag: UInt8 = 1) -> TransactionOutput {
    TransactionOutput(amountSat: amountSat, scriptPubKey: foreignScript(tag))
  }
}
