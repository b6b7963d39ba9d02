import Bitcoin
import Bytes
import ChainFollower
import Devnet
import Foundation
import Host
import LightClient
import Testing

@testable import Wallet

/// The wallet over real sockets against a real node, whose blocks libbitcoinkernel validates.
@Suite(.serialized)
final class ChainWalletTests {
  private let scene: WalletScene

  init() throws { scene = try WalletScene() }

  private var devnet: RunningDevnet { scene.devnet }
  private var directory: String { scene.directory }

  @Test func receivesSpendsAndRestores() throws {
    let payee = Script.p2wsh(witnessScript: [0x51])
    var height: UInt32
    do {
      let session = try scene.session("a", tag: 1)
      try devnet.give(1_000_000, to: session.wallet.receiveScript)
      try devnet.mine(1)
      height = try devnet.height
      try session.sync(to: height)
      #expect(session.wallet.balance == WalletBalance(spendableSat: 1_000_000))

      let paid = try session.chainWallet.send(
        outputs: [TransactionOutput(amountSat: 400_000, scriptPubKey: payee)],
        feeRateSatPerKvB: 2000)
      try session.run { self.scene.hasInMempool(paid.txid) }
      let feeSat = try #require(session.wallet.transaction(paid.txid)?.feeSat)
      #expect(session.wallet.balance.spendableSat == 600_000 - feeSat)
      try devnet.mine(1)
      height += 1
      try session.sync(to: height)
      #expect(session.wallet.transaction(paid.txid)?.height == height)
      // The block that holds it passed libbitcoinkernel.
      let found = try devnet.perform { node throws(DevnetError) in
        node.chain.height(ofTransaction: paid.txid)
      }
      #expect(found == height)
    }
    // Another machine, with nothing but the words, finds the same.
    let restored = try scene.session("b", tag: 1)
    try restored.sync(to: height)
    let again = try WalletFolder(path: directory + "/a", network: .regtest)
    #expect(restored.wallet.balance == again.wallet.balance)
    #expect(restored.wallet.history.map(\.txid) == again.wallet.history.map(\.txid))
  }

  /// The chain is left while the wallet looks, and while nobody does.
  @Test func followsReorganisations() throws {
    var folder: WalletFolder? = try scene.makeFolder("c", 2)
    var session: WalletScene.Session? = try WalletScene.Session(
      try #require(folder), port: devnet.port)
    let script = try #require(session).wallet.receiveScript
    try devnet.give(70_000, to: script)
    try devnet.mine(1)
    try #require(session).sync(to: try devnet.height)
    #expect(session?.wallet.balance.spendableSat == 70_000)
    // Coins mined by the wallet itself vanish with their block.
    try devnet.mine(1, payout: script)
    try #require(session).sync(to: try devnet.height)
    #expect(session?.wallet.balance.immatureSat == 50 * Amount.satPerCoin)
    try devnet.reorganize(depth: 1)
    try #require(session).sync(to: try devnet.height)
    #expect(session?.wallet.balance == WalletBalance(spendableSat: 70_000))
    try devnet.mine(1, payout: script)
    try #require(session).sync(to: try devnet.height)
    session = nil
    folder = nil
    try devnet.reorganize(depth: 2)
    let later = try WalletScene.Session(
      try WalletFolder(path: directory + "/c", network: .regtest), port: devnet.port)
    #expect(later.wallet.balance.immatureSat == 50 * Amount.satPerCoin)
    try later.sync(to: try devnet.height)
    #expect(later.wallet.balance.immatureSat == 0)
    #expect(later.wallet.balance.spendableSat == 70_000)
  }

  /// A payment that was signed and stored, and not relayed before the program was killed.
  @Test func relaysAgainAfterARestart() throws {
    let payee = Script.p2wsh(witnessScript: [0x51])
    var txid = Bytes32.zero
    do {
      let session = try scene.session("d", tag: 3)
      try devnet.give(100_000, to: session.wallet.receiveScript)
      try devnet.mine(1)
      try session.sync(to: try devnet.height)
      txid = try session.chainWallet.owner.build(
        outputs: [TransactionOutput(amountSat: 30_000, scriptPubKey: payee)],
        feeRateSatPerKvB: 1000, session.follower.client
      ).txid
      try session.chainWallet.carryOut()
    }
    let session = try WalletScene.Session(
      try WalletFolder(path: directory + "/d", network: .regtest), port: devnet.port)
    try session.run { self.scene.hasInMempool(txid) }
    try devnet.mine(1)
    try session.run { session.wallet.transaction(txid)?.height != nil }
    #expect(session.wallet.pendingTransactions.isEmpty)
  }

  @Test func aNewWalletDoesNotLookAtThePast() throws {
    try devnet.mine(30)
    // Made ten hours after the chain's last block, as far as clocks can be believed.
    let folder = try scene.makeFolder("e", 4, born: Clock.unixSeconds() + 36_000)
    #expect(folder.wallet.birthHeight == nil)
    let session = try WalletScene.Session(folder, port: devnet.port)
    let height = try devnet.height
    try session.sync(to: height)
    #expect(session.wallet.birthHeight == height)
    try devnet.give(5000, to: session.wallet.receiveScript)
    try devnet.mine(1)
    try session.sync(to: height + 1)
    #expect(session.wallet.balance.spendableSat == 5000)
  }

  @Test func foldersAreKeptFromHarm() throws {
    #expect(throws: WalletFolderError.missing(path: directory + "/none")) {
      try WalletFolder(path: directory + "/none", network: .regtest)
    }
    let folder = try scene.makeFolder("f", 5)
    #expect(try Files.status(folder.path + "/phrase")?.mode == 0o600)
    #expect(throws: WalletFolderError.host(.locked(path: folder.path + "/lock"))) {
      try WalletFolder(path: folder.path, network: .regtest)
    }
    #expect(throws: WalletFolderError.exists(path: folder.path + "/phrase")) {
      try WalletFolder.create(path: folder.path, phrase: try scene.phrase(6), bornUnixSeconds: 0)
    }
    let other = directory + "/g"
    try Files.makeFolder(other)
    try Files.writeAtomically(other + "/phrase", Array("# words\nfrase = x\n".utf8))
    let error = WalletFolderError.line(path: other + "/phrase", number: 2)
    #expect(throws: error) { try WalletFolder(path: other, network: .regtest) }
    #expect(error.message.hasSuffix("line 2: expected `phrase = …` or `born = …`"))
    try Files.writeAtomically(other + "/phrase", Array("phrase = zoo zoo\n".utf8))
    #expect(throws: WalletFolderError.wallet(.phrase(.wordCount(2)))) {
      try WalletFolder(path: other, network: .regtest)
    }
  }
}
