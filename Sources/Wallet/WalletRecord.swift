import Bitcoin
import Bytes
import Channel

/// What a wallet learnt, without any key: what its file holds.
///
/// A lost file costs a scan from the wallet's birth, and the memory of transactions that were not
/// yet in a block.
struct WalletRecord: Sendable {
  var birthHeight: UInt32?
  var scannedHeight: UInt32?
  var recentBlocks: [Wallet.ScannedBlock] = []
  var receive = ScriptBook.Chain()
  var change = ScriptBook.Chain()
  var nextChannel: UInt32 = 0
  var coins: [WalletCoin] = []
  var entries: [WalletTransaction] = []
  var channels: [LockedChannel] = []
}
