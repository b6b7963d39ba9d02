import Bitcoin
import Bytes
import Wallet

extension FuzzTarget {
  /// A publisher's phrase, its wallet's file, and transactions that strangers show to the wallet. The
  /// first byte chooses.
  static let publisher = FuzzTarget(
    name: "publisher",
    run: { (bytes) throws(FuzzFinding) in
      var input = FuzzInput(bytes)
      switch input.below(3) {
      case 0:
        let text = String(decoding: input.rest(), as: UTF8.self)
        guard let phrase = try? Phrase(text) else { return }
        try require((try? Phrase(phrase.text)) == phrase, "a phrase round-trips")
        try require((try? Phrase(entropy: phrase.entropy)) == phrase, "entropy round-trips")
      case 1: try readWallet(input.rest())
      default: try showTransactions(&input)
      }
    },
    seeds: {
      var shown = SeedWriter()
      shown.u8(2, 0)
      shown.piece(payment.bytes())
      shown.u8(1)
      shown.piece(payment.bytes())
      shown.u8(2)
      var paid = emptyWallet
      _ = try! paid.transactionSeen(payment)
      let state = paid.encode()
      return [
        [0] + Array(phrase.text.utf8), [1] + state[37...], shown.bytes,
      ]
    })

  private static let phrase = try! Phrase(entropy: [UInt8](repeating: 7, count: 16))
  private static let keys = try! WalletKeys(
    seed: [UInt8](repeating: 7, count: 64), network: .regtest)
  private static let emptyWallet = try! Wallet(keys: keys, network: .regtest, birthHeight: 1)

  /// Pays to the wallet, and to somebody else.
  private static let payment: Transaction = {
    var wallet = emptyWallet
    let script = try! wallet.freshReceiveScript()
    return Transaction(
      inputs: [TransactionInput(previous: Samples.funding)],
      outputs: [
        TransactionOutput(amountSat: 70_000, scriptPubKey: script),
        TransactionOutput(amountSat: 5, scriptPubKey: Samples.payoutScript),
      ])
  }()

  /// A document of the right wallet: version, network and identity are put before it, and the
  /// numbers of used scripts are kept small, for each costs a derivation.
  private static func readWallet(_ rest: [UInt8]) throws(FuzzFinding) {
    var document = Array(emptyWallet.encode().prefix(37)) + rest
    for offset in [46, 47, 48, 50, 51, 52, 54, 55, 56, 58, 59, 60, 62, 63, 64]
    where offset < document.count {
      document[offset] = 0
    }
    for offset in [45, 49, 53, 57, 61] where offset < document.count { document[offset] &= 7 }
    guard let wallet = try? Wallet(document: document, keys: keys, network: .regtest) else {
      return
    }
    let again = try? Wallet(document: wallet.encode(), keys: keys, network: .regtest)
    try require(again?.encode() == wallet.encode(), "a wallet round-trips")
    _ = (wallet.balance, wallet.history)
  }

  /// Peers show transactions, and blocks hold some of them.
  private static func showTransactions(_ input: inout FuzzInput) throws(FuzzFinding) {
    var wallet = emptyWallet
    var height: UInt32 = 2
    var steps = 0
    while !input.isAtEnd && steps < 50 {
      steps += 1
      let choice = input.below(3)
      if choice == 2 {
        wallet.blockDisconnected(height: height)
        height = max(2, height - 1)
        continue
      }
      guard let transaction = try? Transaction.decode(input.piece()) else { continue }
      if choice == 0 {
        _ = try? wallet.transactionSeen(transaction)
      } else {
        height += 1
        let block = Block(header: Network.regtest.genesis, transactions: [transaction])
        _ = try? wallet.blockConnected(height: height, block: block)
        wallet.blockScanned(height: height, hash: block.hash)
      }
    }
    _ = wallet.balance
    let again = try? Wallet(document: wallet.encode(), keys: keys, network: .regtest)
    try require(
      again?.encode() == wallet.encode(), "a wallet that saw strangers' coins round-trips")
  }
}
